//! The changes of incidents with a plan, and at the end of a connection: read from the store, and
//! committed with the plan.

use super::plan::{Act, Plan};
use crate::credentials::Ports;
use crate::domain::command::{ASKED_MAX, Command, CommandState};
use crate::domain::connection::Connection;
use crate::domain::error_code::ErrorCode;
use crate::domain::history::History;
use crate::domain::id::IncidentId;
use crate::domain::incident::health::{self, HealthFailure, HealthKind};
use crate::domain::incident::{Resolution, Subject};
use crate::domain::lifecycle::{Desired, Observation, SuspendReason};
use crate::domain::user::Credential;
use crate::store::{Change, ReadError};

/// Completes the changes of a plan that was made from `present`.
pub(super) async fn complete(
    ports: &Ports,
    present: &Connection,
    plan: &mut Plan,
) -> Result<(), ReadError> {
    for act in &plan.acts {
        if let Act::Observe(observation) = act {
            let change = note(ports, &plan.connection, *observation).await?;
            plan.changes.extend(change);
        }
    }
    // An unreadable delivery may have reported a failure: it opens an incident, until a person
    // resolves it.
    if let Some(reason) = plan.unreadable.last() {
        let times = u32::try_from(plan.unreadable.len()).unwrap_or(u32::MAX);
        let connection = &plan.connection;
        let failure = HealthFailure::DeliveryUnreadable { connection, reason };
        let change = report(ports, failure, times).await?;
        plan.changes.push(change);
    }
    if plan.is_end() {
        end(ports, plan).await?;
    } else {
        // A start without changes writes nothing, for a hundred thousand connections too.
        if plan.connection != *present {
            let put = Change::PutConnection(Box::new(plan.connection.clone()));
            plan.changes.push(put);
        }
        remember(ports, plan).await?;
    }
    Ok(())
}

/// Adds what the plan has to say to the connection's history.
async fn remember(ports: &Ports, plan: &mut Plan) -> Result<(), ReadError> {
    if plan.told.is_empty() {
        return Ok(());
    }
    let (id, owner) = (plan.connection.id, plan.connection.owner);
    let stored = ports.store.history(id).await?;
    let mut history = stored.unwrap_or_else(|| History::new(id, owner));
    let passed = ports.now().min(ports.clock.trusted());
    for entry in plan.told.drain(..) {
        history.add(entry, passed);
    }
    plan.changes.push(Change::PutHistory(Box::new(history)));
    Ok(())
}

async fn note(
    ports: &Ports,
    connection: &Connection,
    observation: Observation,
) -> Result<Option<Change>, ReadError> {
    let failure = match observation {
        // The credential's incident reports it, once for all of its connections.
        Observation::Suspended(SuspendReason::Unauthorized)
            if is_said_by_credential(ports, connection).await? =>
        {
            return Ok(None);
        }
        Observation::Suspended(reason) => HealthFailure::HookSuspended(connection, reason),
        Observation::HookSilent => HealthFailure::HookSilent(connection),
        Observation::HookDisabled { permanently } => HealthFailure::HookDisabled {
            connection,
            permanently,
        },
        Observation::HookEnabled => {
            return recover(ports, connection, HealthKind::HookDisabled).await;
        }
        Observation::HookHeard => return recover(ports, connection, HealthKind::HookSilent).await,
        Observation::Resumed => return recover(ports, connection, HealthKind::HookSuspended).await,
        Observation::HookEnsured(_)
        | Observation::HookDrifted
        | Observation::HookRepaired
        | Observation::HookRewritten
        | Observation::HookLost
        | Observation::Removed => return Ok(None),
    };
    Ok(Some(report(ports, failure, 1).await?))
}

/// Whether an unresolved incident reports a dead credential of the owner.
async fn is_said_by_credential(ports: &Ports, connection: &Connection) -> Result<bool, ReadError> {
    let credentials = ports.store.credentials(connection.owner).await?;
    let is_dead = |c: &&Credential| c.instance == connection.instance && c.rejected.is_some();
    for dead in credentials.iter().filter(is_dead) {
        let subject = Subject::Credential(dead.id);
        if !ports.store.unresolved_incidents(subject).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn report(
    ports: &Ports,
    failure: HealthFailure<'_>,
    times: u32,
) -> Result<Change, ReadError> {
    let unresolved = ports.store.unresolved_incidents(failure.subject()).await?;
    let id = IncidentId::generate(ports.clock.now_for_id(), &*ports.entropy);
    let incident = health::report(failure, times, unresolved, id, ports.now());
    Ok(Change::PutIncident(Box::new(incident)))
}

async fn recover(
    ports: &Ports,
    connection: &Connection,
    kind: HealthKind,
) -> Result<Option<Change>, ReadError> {
    // A disconnect resolves every incident in this same batch; it did not recover.
    if matches!(connection.lifecycle.desired, Desired::Removed { .. }) {
        return Ok(None);
    }
    let subject = Subject::Connection(connection.id);
    let open = kind.find(ports.store.unresolved_incidents(subject).await?);
    Ok(open.map(|mut incident| {
        incident.resolve(Resolution::Recovered, ports.now());
        Change::PutIncident(Box::new(incident))
    }))
}

/// The connection ends: its pending commands fail, and the record is deleted. Its pending
/// deliveries are marked after that, when no more can come: see [`super::deliveries`].
async fn end(ports: &Ports, plan: &mut Plan) -> Result<(), ReadError> {
    let (id, now) = (plan.connection.id, ports.now());
    debug_assert!(matches!(
        plan.connection.lifecycle.desired,
        Desired::Removed { .. }
    ));
    // The one that ends it is among the changes already, and done.
    let state = CommandState::Failed {
        at: now,
        code: ErrorCode::NotFound,
    };
    // What was opened since the disconnect, such as by the reconciler.
    let mut unresolved = ports
        .store
        .unresolved_incidents(Subject::Connection(id))
        .await?;
    unresolved.retain(|incident| {
        !plan
            .changes
            .iter()
            .any(|change| matches!(change, Change::PutIncident(it) if it.id == incident.id))
    });
    let resolved = health::resolve_all(unresolved, Resolution::Disconnected, now);
    plan.changes
        .extend(resolved.map(|incident| Change::PutIncident(Box::new(incident))));
    for command in ports.store.commands_asked(id, ASKED_MAX).await? {
        let command = Command { state, ..command };
        plan.changes.push(Change::PutCommand(Box::new(command)));
    }
    plan.changes.push(Change::DeleteConnection(id));
    Ok(())
}
