//! Planning a step: what a connection becomes, what is committed, and what is done afterwards.
//!
//! A plan is made from the present state without changing anything. It is committed as a whole;
//! only then does the actor adopt it and act. A plan whose commit failed is dropped and made anew.

use super::secrets::Resealed;
use super::services::Services;
use crate::domain::backoff::{jittered, scale};
use crate::domain::connection::{
    Connection, CredentialUse, LastError, PREVIOUS_SECRET_GRACE, Suspicion,
};
use crate::domain::delivery::{Delivery, DeliveryState, Outcome};
use crate::domain::id::{CredentialId, IncidentId};
use crate::domain::incident::health::{self, HealthFailure, HealthKind};
use crate::domain::incident::{Resolution, Subject};
use crate::domain::lifecycle::{
    Call, Delay, Desired, Effect, Hook, Input, Lifecycle, Observation, Phase, Reply, SuspendReason,
    Timer, step,
};
use crate::domain::repo::Repository;
use crate::domain::secret::{Proof, Sealed};
use crate::domain::time::Timestamp;
use crate::domain::user::Credential;
use crate::store::{Change, ReadError};
use std::time::Duration;

/// What changes in a connection besides its lifecycle.
#[derive(Clone, Debug, Default)]
pub(super) struct Edit {
    /// The provider described the repository.
    pub(super) repository: Option<Repository>,
    /// What the hook's deliveries will prove themselves with.
    pub(super) proof: Option<Proof>,
    /// A call failed, for this reason.
    pub(super) last_error: Option<LastError>,
    /// A call succeeded: what failed before is of no account.
    pub(super) succeeded: bool,
    /// The hook was found as it should be, or written so.
    pub(super) checked: bool,
    /// The hook delivers to this address of ours.
    pub(super) address: Option<String>,
    /// What becomes of the suspicion against the hook.
    pub(super) suspicion: Option<Suspect>,
    /// Other events are wanted.
    pub(super) events: Option<Vec<String>>,
    /// Another secret is wanted.
    pub(super) secret: Option<Sealed>,
    /// The same secrets, sealed with a newer key.
    pub(super) resealed: Option<Resealed>,
    /// A delivery arrived then.
    pub(super) delivery_at: Option<Timestamp>,
    /// A delivery that was no pong arrived then.
    pub(super) event_at: Option<Timestamp>,
    /// A call was made with this credential, and succeeded.
    pub(super) credential_used: Option<CredentialUse>,
    /// These credentials lately had no access.
    pub(super) no_access: Option<Vec<CredentialId>>,
    /// Deliveries that could not be read, each with the reason.
    pub(super) unreadable: Vec<String>,
    /// More to be committed along with it.
    pub(super) changes: Vec<Change>,
}

/// What becomes of the suspicion that wrong signatures raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspect {
    /// We look at the hook because of them.
    Looks,
    /// The hook was found changed or gone: the next time is not put off for longer.
    Found,
}

/// What to do once a plan is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Call(Call),
    Arm(Timer, Duration),
    Tell(Observation),
}

/// A planned step.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) connection: Connection,
    pub(super) changes: Vec<Change>,
    pub(super) acts: Vec<Act>,
    /// It was made because the provider has just shown that none of our hooks is left.
    pub(super) is_shown_to_be_gone: bool,
}

impl Plan {
    /// Whether the connection is over with this plan.
    pub(super) fn is_end(&self) -> bool {
        self.connection.lifecycle.phase == Phase::Removed
    }
}

/// Most deliveries that are still pending when a connection ends and are marked in its last
/// commit; more than these cannot be pending, for the actor drains as they come.
const PENDING_AT_END_MAX: usize = 1000;

/// Plans a step.
pub(super) fn plan(
    services: &Services,
    present: &Connection,
    input: Option<Input>,
    edit: Edit,
) -> Result<Plan, ReadError> {
    let now = services.ports.now();
    let mut next = present.clone();
    let changes = edit.changes.clone();
    let unreadable = edit.unreadable.clone();
    apply(&mut next, edit, now);
    let mut effects = Vec::new();
    let is_shown_to_be_gone = matches!(input, Some(Input::Replied(Reply::Deleted { .. })));
    if let Some(input) = input {
        (next.lifecycle, effects) = step(next.lifecycle, input);
    }
    note_hook(&mut next, present, now);
    settle_secrets(&mut next, now, services.ports.clock.trusted());
    let acts = effects
        .iter()
        .map(|effect| act(services, &mut next, *effect, now))
        .collect();
    let mut plan = Plan {
        connection: next,
        changes,
        acts,
        is_shown_to_be_gone,
    };
    note_incidents(services, &mut plan, &effects, now)?;
    // What could not be read may have told of a failure: that is not passed over in silence. It is
    // over when somebody has looked.
    if let Some(reason) = unreadable.last() {
        let times = u32::try_from(unreadable.len()).unwrap_or(u32::MAX);
        let connection = &plan.connection;
        let failure = HealthFailure::DeliveryUnreadable { connection, reason };
        let incident = report(services, failure, times, now)?;
        plan.changes.push(incident);
    }
    if plan.is_end() {
        end(services, &mut plan, now)?;
    } else if plan.connection != *present {
        // A start that finds all as it was writes nothing, for a hundred thousand connections too.
        plan.changes
            .push(Change::PutConnection(Box::new(plan.connection.clone())));
    }
    Ok(plan)
}

fn apply(next: &mut Connection, edit: Edit, now: Timestamp) {
    if let Some(repository) = edit.repository {
        next.repository = Some(repository.id);
        next.full_name = repository.full_name;
    }
    next.proof = edit.proof.unwrap_or(next.proof);
    if edit.succeeded {
        next.last_error = None;
    }
    if edit.last_error.is_some() {
        next.last_error = edit.last_error;
    }
    if edit.checked {
        next.last_check_at = Some(now);
    }
    if edit.address.is_some() {
        next.address = edit.address;
    }
    match (edit.suspicion, &mut next.suspicion) {
        (Some(Suspect::Looks), last) => *last = Some(Suspicion::after(*last, now)),
        (Some(Suspect::Found), Some(last)) => last.fruitless = 0,
        (Some(Suspect::Found), None) | (None, _) => {}
    }
    if let Some(events) = edit.events {
        next.events = events;
    }
    if let Some(secret) = edit.secret {
        let old = std::mem::replace(&mut next.secret, secret);
        next.previous_secret = Some((old, None));
    }
    if let Some(resealed) = edit.resealed {
        next.secret = resealed.secret;
        let previous = next.previous_secret.as_mut().zip(resealed.previous);
        if let Some(((old, _), anew)) = previous {
            *old = anew;
        }
    }
    next.last_delivery_at = edit.delivery_at.max(next.last_delivery_at);
    next.last_event_at = edit.event_at.max(next.last_event_at);
    next.credential_used = edit.credential_used.or(next.credential_used);
    if let Some(no_access) = edit.no_access {
        next.no_access = no_access;
    }
}

/// What follows from another hook, or none.
fn note_hook(next: &mut Connection, present: &Connection, now: Timestamp) {
    let before = present.lifecycle.hook;
    if let Some(id) = next.lifecycle.hook.id() {
        let is_another = before == Hook::Absent || before.id().is_some_and(|it| it != id);
        if is_another || next.hook_created_at.is_none() {
            next.hook_created_at = Some(now);
        }
    }
    if next.lifecycle.hook == Hook::Absent {
        next.address = None;
    }
}

/// The secret before a rotation is kept until the new one is known to be in place, and a while
/// longer: by time that has passed for sure, for it cannot be brought back.
fn settle_secrets(next: &mut Connection, now: Timestamp, trusted: Timestamp) {
    let Lifecycle {
        applied, wanted, ..
    } = next.lifecycle;
    match &mut next.previous_secret {
        Some((_, until @ None)) if applied == Some(wanted) => {
            *until = Some(now.plus(PREVIOUS_SECRET_GRACE));
        }
        Some((_, Some(until))) if *until <= now.min(trusted) => next.previous_secret = None,
        // Dated by a clock that has gone back.
        Some((_, Some(until))) if until.since(now) > PREVIOUS_SECRET_GRACE => {
            *until = now.plus(PREVIOUS_SECRET_GRACE);
        }
        Some(_) | None => {}
    }
}

fn act(services: &Services, next: &mut Connection, effect: Effect, now: Timestamp) -> Act {
    match effect {
        Effect::Call(call) => Act::Call(call),
        Effect::Observe(observation) => Act::Tell(observation),
        Effect::Schedule(timer, delay) => {
            let wait = duration(services, next, delay, now);
            if timer == Timer::Retry {
                next.retry_due_at = Some(now.plus(wait));
            }
            Act::Arm(timer, wait)
        }
    }
}

/// Longest that a restart goes on to wait.
const REMAINING_MAX: Duration = Duration::from_hours(24);

fn duration(services: &Services, next: &Connection, delay: Delay, now: Timestamp) -> Duration {
    let (settings, chance) = (&services.settings, services.ports.chance());
    match delay {
        Delay::CheckInterval => jittered(settings.check_interval, chance),
        Delay::Spread => scale(settings.check_interval, chance),
        Delay::PingInterval => jittered(settings.ping_interval, chance),
        Delay::Backoff(attempt) => settings.retry.wait(attempt, chance),
        Delay::SlowBackoff(attempt) => settings.slow_retry.wait(attempt, chance),
        // Never earlier than told, and not all at the same moment.
        Delay::Exactly(wait) => wait + scale(wait / 10, chance),
        Delay::Remaining => {
            let due = next.retry_due_at.unwrap_or(now);
            // No wait is longer: this one was dated by a clock that has gone back.
            due.since(now).min(REMAINING_MAX) + scale(settings.startup_spread, chance)
        }
        Delay::Startup => scale(settings.startup_spread, chance),
        Delay::Settle => settings.settle_time + scale(settings.settle_time / 10, chance),
    }
}

fn note_incidents(
    services: &Services,
    plan: &mut Plan,
    effects: &[Effect],
    now: Timestamp,
) -> Result<(), ReadError> {
    for effect in effects {
        let Effect::Observe(observation) = effect else {
            continue;
        };
        let connection = &plan.connection;
        let change = match *observation {
            // The incident of the credential tells it, once for all of its connections.
            Observation::Suspended(SuspendReason::Unauthorized)
                if is_told_by_credential(services, connection)? =>
            {
                None
            }
            Observation::Suspended(reason) => {
                let failure = HealthFailure::HookSuspended(connection, reason);
                Some(report(services, failure, 1, now)?)
            }
            Observation::HookSilent => Some(report(
                services,
                HealthFailure::HookSilent(connection),
                1,
                now,
            )?),
            Observation::HookDisabled { permanently } => {
                let failure = HealthFailure::HookDisabled {
                    connection,
                    permanently,
                };
                Some(report(services, failure, 1, now)?)
            }
            Observation::HookEnabled => {
                recover(services, connection, HealthKind::HookDisabled, now)?
            }
            Observation::HookHeard => recover(services, connection, HealthKind::HookSilent, now)?,
            Observation::Resumed => recover(services, connection, HealthKind::HookSuspended, now)?,
            Observation::HookEnsured(_)
            | Observation::HookDrifted
            | Observation::HookRepaired
            | Observation::HookRewritten
            | Observation::HookLost
            | Observation::Removed => None,
        };
        plan.changes.extend(change);
    }
    Ok(())
}

/// Whether an incident that goes on tells that a credential of the owner's is dead.
fn is_told_by_credential(services: &Services, connection: &Connection) -> Result<bool, ReadError> {
    let credentials = services.ports.store.credentials(connection.owner).ready()?;
    let is_dead = |c: &&Credential| c.instance == connection.instance && c.rejected.is_some();
    for dead in credentials.iter().filter(is_dead) {
        let subject = Subject::Credential(dead.id);
        if !services
            .ports
            .store
            .unresolved_incidents(subject)
            .ready()?
            .is_empty()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn report(
    services: &Services,
    failure: HealthFailure<'_>,
    times: u32,
    now: Timestamp,
) -> Result<Change, ReadError> {
    let unresolved = services
        .ports
        .store
        .unresolved_incidents(failure.subject())
        .ready()?;
    let id = IncidentId::generate(services.ports.clock.now_for_id(), &*services.ports.entropy);
    let incident = health::report(failure, times, unresolved, id, now);
    Ok(Change::PutIncident(Box::new(incident)))
}

fn recover(
    services: &Services,
    connection: &Connection,
    kind: HealthKind,
    now: Timestamp,
) -> Result<Option<Change>, ReadError> {
    // A disconnect resolves every incident in this same batch; it did not recover.
    if matches!(connection.lifecycle.desired, Desired::Removed { .. }) {
        return Ok(None);
    }
    let subject = Subject::Connection(connection.id);
    let open = kind.find(services.ports.store.unresolved_incidents(subject).ready()?);
    Ok(open.map(|mut incident| {
        incident.resolve(Resolution::Recovered, now);
        Change::PutIncident(Box::new(incident))
    }))
}

/// The incidents that a disconnect ends.
pub(super) fn resolve_all(
    services: &Services,
    connection: &Connection,
    now: Timestamp,
) -> Result<Vec<Change>, ReadError> {
    let subject = Subject::Connection(connection.id);
    let unresolved = services.ports.store.unresolved_incidents(subject).ready()?;
    let resolved = health::resolve_all(unresolved, Resolution::Disconnected, now);
    Ok(resolved
        .map(|incident| Change::PutIncident(Box::new(incident)))
        .collect())
}

/// The connection is over: what is still pending is marked, and the record goes.
fn end(services: &Services, plan: &mut Plan, now: Timestamp) -> Result<(), ReadError> {
    let id = plan.connection.id;
    debug_assert!(matches!(
        plan.connection.lifecycle.desired,
        Desired::Removed { .. }
    ));
    for delivery in services
        .ports
        .store
        .pending(id, PENDING_AT_END_MAX)
        .ready()?
    {
        let state = DeliveryState::Processed {
            at: now,
            outcome: Outcome::Paused,
        };
        let delivery = Delivery { state, ..delivery };
        plan.changes.push(Change::PutDelivery(Box::new(delivery)));
    }
    plan.changes.push(Change::DeleteConnection(id));
    Ok(())
}
