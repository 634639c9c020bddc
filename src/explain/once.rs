//! One try to explain an incident.

use super::asking::{ask, attempt, failed_run};
use super::room::Room;
use crate::domain::connection::{Connection, LastError};
use crate::domain::error_code::ErrorCode;
use crate::domain::explanation::{Explained, Explanation, ExplanationState, Next, TRIES_MAX, due};
use crate::domain::id::IncidentId;
use crate::domain::incident::Incident;
use crate::domain::lifecycle::Failure;
use crate::domain::run::Run;
use crate::domain::wording;
use crate::provider::ProviderError;
use crate::store::{Batch, Change, CommitError, Conflict, Guard, ReadError};
use crate::telemetry::metric;
use metrics::counter;
use std::time::Duration;

/// How a try may end, as it is counted.
pub const OUTCOMES: [&str; 4] = ["explained", "retried", "put_off", "failed"];

/// How often a commit is repeated whose incident changes all the time.
const COMMITS_MAX: u32 = 20;
/// How long an explanation is put off by an outage, each time.
const OUTAGE_WAIT: Duration = Duration::from_mins(2);

/// Trouble with the store: the try is repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Makes a try, if one is due. Returns whether anything was stored.
pub(super) async fn explain_once(room: &Room, id: IncidentId) -> Result<bool, Trouble> {
    let ports = &room.ports;
    let Some((incident, connection)) = subject(room, id).await? else {
        return Ok(false);
    };
    let announced = ports.store.announced(id).await?;
    let known = ports.store.explanation(id).await?;
    let Some(due_at) = due(&incident, announced.as_ref(), known.as_ref()) else {
        return Ok(false);
    };
    let Some(ci) = &incident.ci else {
        return Ok(false);
    };
    let run = ports.store.run(ci.run).await?;
    let track = ports.store.track(&ci.track).await?;
    let failed = run
        .as_ref()
        .map_or(1, |run| attempt(id, ci, run, track.as_ref()));
    // The list has it as due long ago when nothing of this episode is known.
    let known = known.filter(|known| known.due_at() == Some(due_at));
    let begun = Explanation::begin(&incident, announced.as_ref(), failed, room.ports.now());
    let Some(begun) = known.or(begun) else {
        return Ok(false);
    };
    let tried = begun.tried();
    let next = match callable(room, &begun, run, &connection).await {
        Err(next) => next,
        Ok(run) => {
            // Counted first: a try that ends the process is not made for ever.
            if !store(room, &tried).await? {
                return Ok(false);
            }
            let asked = failed_run(&run, begun.attempt, room.settings.log_excerpts);
            next(room, ask(room, &connection, &asked).await?)
        }
    };
    let after = tried.after(next.clone(), ports.now(), ports.chance());
    count(&next, &after);
    store(room, &after).await
}

/// The incident and its connection, while there is something to explain.
async fn subject(room: &Room, id: IncidentId) -> Result<Option<(Incident, Connection)>, Trouble> {
    let store = &room.ports.store;
    let Some(incident) = store.incident(id).await? else {
        return Ok(None);
    };
    let Some(connection) = incident.subject.connection() else {
        return Ok(None);
    };
    let connection = store.connection(connection).await?;
    let connection = connection.filter(|connection| !connection.is_removed());
    Ok(connection.map(|connection| (incident, connection)))
}

/// The run, if the provider can be asked about it; else what follows without a call.
async fn callable(
    room: &Room,
    begun: &Explanation,
    run: Option<Run>,
    connection: &Connection,
) -> Result<Run, Next> {
    let now = room.ports.now();
    let error = |code, message: &str| LastError {
        code,
        message: message.to_owned(),
        at: now,
    };
    if begun.tries() >= TRIES_MAX {
        let error = error(ErrorCode::Unavailable, wording::EXPLANATION_CUT_OFF);
        return Err(Next::Never(error));
    }
    let Some(run) = run else {
        let error = error(ErrorCode::NotFound, wording::RUN_FORGOTTEN);
        return Err(Next::Never(error));
    };
    let instance = &connection.instance;
    match room.pool.outages().of(instance).await {
        None => Ok(run),
        Some(outage) => {
            let words = wording::outage_lasts(instance, outage.probe_in(now));
            let error = error(ErrorCode::ProviderOutage, &words);
            Err(Next::PutOff(error, OUTAGE_WAIT))
        }
    }
}

/// What follows from the provider's answer.
fn next(room: &Room, asked: Result<Explained, ProviderError>) -> Next {
    let failed = match asked {
        Ok(explained) => return Next::Read(Box::new(explained)),
        Err(failed) => failed,
    };
    let error = LastError {
        code: failed.code,
        message: failed.message,
        at: room.ports.now(),
    };
    let is_put_off = matches!(
        failed.code,
        ErrorCode::RateLimited | ErrorCode::CallsWaiting | ErrorCode::ProviderOutage
    );
    match failed.failure {
        Failure::Retryable { after } if is_put_off => {
            Next::PutOff(error, after.unwrap_or_default())
        }
        Failure::Retryable { after } => Next::Later(error, after),
        Failure::Unauthorized | Failure::NoAccess | Failure::Rejected => Next::Never(error),
    }
}

fn count(next: &Next, after: &Explanation) {
    let outcome = match (&after.state, next) {
        (ExplanationState::Explained { .. }, _) => "explained",
        (ExplanationState::Failed { .. }, _) => "failed",
        (ExplanationState::Pending { .. }, Next::PutOff(..)) => "put_off",
        (ExplanationState::Pending { .. }, _) => "retried",
    };
    counter!(metric::EXPLANATIONS, "outcome" => outcome).increment(1);
}

/// Stores an explanation, if its incident and its connection are there. Returns whether they are.
async fn store(room: &Room, explanation: &Explanation) -> Result<bool, Trouble> {
    let store = &room.ports.store;
    for _ in 0..COMMITS_MAX {
        let Some(incident) = store.incident(explanation.incident).await? else {
            return Ok(false);
        };
        let put = Change::PutExplanation(Box::new(explanation.clone()));
        let batch = Batch::of(vec![put])
            .guarded_by(Guard::SameIncident(Box::new(incident)))
            .guarded_by(Guard::ConnectionExists(explanation.connection));
        match store.commit(batch).await {
            Ok(()) => return Ok(true),
            Err(CommitError::Conflict(Conflict::Changed)) => {}
            Err(CommitError::Conflict(Conflict::NoConnection(_))) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict(Conflict::Changed).into())
}
