//! Asking the provider, with the credentials that the connection may use.

use super::room::Room;
use crate::credentials::{About, Refusal, Refused};
use crate::domain::connection::Connection;
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::explanation::Explained;
use crate::domain::id::IncidentId;
use crate::domain::incident::CiFailure;
use crate::domain::incident::track::Track;
use crate::domain::lane::Lane;
use crate::domain::lifecycle::Failure;
use crate::domain::run::{Family, Run};
use crate::domain::wording;
use crate::provider::{FailedRun, ProviderError, Target};
use crate::store::ReadError;

/// The attempt of the incident's last failed run that failed.
pub(super) fn attempt(
    incident: IncidentId,
    ci: &CiFailure,
    run: &Run,
    track: Option<&Track>,
) -> u32 {
    let group = track.and_then(|track| track.group(incident));
    let group = group.filter(|group| group.last_run == ci.run);
    group
        .map_or(run.position, |group| group.last.position)
        .attempt
}

/// The run as the provider knows it.
pub(super) fn failed_run(run: &Run, attempt: u32, with_logs: bool) -> FailedRun {
    let facts = &run.facts;
    let workflow = match run.family {
        Family::Actions => facts.workflow_key.parse().ok(),
        Family::Pipelines | Family::Statuses | Family::Checks => None,
    };
    FailedRun {
        family: run.family,
        id: run.provider_run_id,
        number: run.position.number,
        attempt,
        workflow,
        branch: branch(run),
        commit: facts.commit_sha.clone(),
        request: facts.lane.number(),
        with_logs,
    }
}

/// The branch of the repository's own whose runs can be compared with this one. A part of another
/// pipeline is compared with none: what passes of the branch are whole pipelines.
fn branch(run: &Run) -> Option<String> {
    let is_of_branch = match &run.facts.lane {
        Lane::Push { .. }
        | Lane::Schedule { .. }
        | Lane::Dispatch { .. }
        | Lane::PullRequest { .. }
        | Lane::PullRequestFrom { .. }
        | Lane::Other { .. } => true,
        Lane::Tag { .. } | Lane::Queue { .. } | Lane::Commit { .. } | Lane::Child { .. } => false,
    };
    let branch = run.facts.own_branch().filter(|_| is_of_branch);
    branch.map(str::to_owned)
}

/// What the provider says about a run. A credential that is dead or has no access is replaced by
/// the next one.
pub(super) async fn ask(
    room: &Room,
    connection: &Connection,
    run: &FailedRun,
) -> Result<Result<Explained, ProviderError>, ReadError> {
    let instance = &connection.instance;
    let Some(hooks) = room.ports.providers.hooks(instance) else {
        let (failure, code) = (Failure::Rejected, ErrorCode::NotConfigured);
        let words = wording::PROVIDER_NOT_CONFIGURED;
        return Ok(Err(ProviderError::refused(failure, code, words)));
    };
    let errand = Errand {
        owner: connection.owner,
        priority: Priority::Explain,
    };
    let target = Target {
        repository: connection.repository,
        full_name: connection.full_name.clone(),
    };
    let mut refusal = None;
    for credential in room.pool.candidates_of(connection).await? {
        let about = About {
            instance,
            connection: Some(connection.id),
        };
        let (hooks, target) = (hooks, &target);
        let asked = room
            .pool
            .ask(about, (credential, errand), |access| async move {
                hooks.explain(&access, target, run).await
            });
        match asked.await {
            Ok(explained) => return Ok(Ok(explained)),
            Err(refused) if is_useless(&refused) => refusal = Some(refused.error),
            Err(refused) => return Ok(Err(refused.error)),
        }
    }
    Ok(Err(refusal.unwrap_or_else(|| {
        let (failure, code) = (Failure::Unauthorized, ErrorCode::NoCredential);
        ProviderError::refused(failure, code, wording::NO_CREDENTIAL)
    })))
}

/// Whether the credential is dead or has no access: another one may do.
fn is_useless(refused: &Refused) -> bool {
    match refused.why {
        Refusal::Dead => true,
        Refusal::Failed => refused.error.failure == Failure::NoAccess,
        Refusal::NoToken | Refusal::Replaced | Refusal::Unclear => false,
    }
}
