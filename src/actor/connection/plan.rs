//! Planning a step: what a connection becomes, what is committed, and what is done afterwards.
//!
//! A plan is made from the present state without changing anything. It is committed as a whole;
//! only then does the actor adopt it and act. A plan whose commit failed is dropped.

use crate::actor::secrets::Resealed;
use crate::actor::services::Services;
use crate::domain::backoff::{jittered, scale};
use crate::domain::command::Command;
use crate::domain::connection::{
    Connection, CredentialUse, LastError, PREVIOUS_SECRET_GRACE, Suspicion,
};
use crate::domain::history::{self, Entry, Facts, Made};
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::ledger::{Asked, AskedBy};
use crate::domain::lifecycle::{
    Call, Delay, Effect, Hook, Input, Lifecycle, Observation, Phase, Reply, Timer, step,
};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::Repository;
use crate::domain::secret::{Proof, Sealed};
use crate::domain::time::Timestamp;
use crate::provider::TheirHook;
use crate::store::Change;
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
    /// The settings that a check found to differ.
    pub(super) drift: Vec<&'static str>,
    /// How the hook came to be that a call ensured.
    pub(super) made: Option<Made>,
    /// Deliveries that could not be read, each with the reason.
    pub(super) unreadable: Vec<String>,
    /// The hooks of others that a call has seen.
    pub(super) others: Option<Vec<TheirHook>>,
    /// More for the history.
    pub(super) told: Vec<Entry>,
    /// More to be committed along with it.
    pub(super) changes: Vec<Change>,
}

impl Edit {
    /// Only these changes.
    pub(super) fn of(changes: impl IntoIterator<Item = Change>) -> Self {
        Self {
            changes: changes.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// A request to compare the provider's log with what is stored.
pub(super) fn asked_to_reconcile(connection: ConnectionId, at: Timestamp, by: AskedBy) -> Change {
    Change::AskReconcile(Asked { connection, at, by })
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
    Observe(Observation),
}

/// A planned step.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) connection: Connection,
    pub(super) changes: Vec<Change>,
    pub(super) acts: Vec<Act>,
    /// Deliveries that could not be read, each with the reason.
    pub(super) unreadable: Vec<String>,
    /// What the history says of it.
    pub(super) told: Vec<Entry>,
    /// It was made because the provider has just shown that none of our hooks is left.
    pub(super) is_shown_to_be_gone: bool,
}

impl Plan {
    /// Whether the connection ends with this plan.
    pub(super) fn is_end(&self) -> bool {
        self.connection.lifecycle.phase == Phase::Removed
    }

    /// A command ends with it: other changes of that command are dropped.
    pub(super) fn end_command(&mut self, done: &Command) {
        self.changes.retain(|change| {
            let Change::PutCommand(command) = change else {
                return true;
            };
            command.id != done.id
        });
        self.changes
            .insert(0, Change::PutCommand(Box::new(done.clone())));
    }

    /// What becomes of the hook with it.
    pub(super) fn hook_outcome(&self) -> HookOutcome {
        HookOutcome::of(&self.connection, self.is_shown_to_be_gone)
    }
}

/// Plans a step. What it means for incidents, and the end of a connection, needs a look into the
/// store: see [`super::notes`].
pub(super) fn plan(
    services: &Services,
    present: &Connection,
    input: Option<Input>,
    edit: Edit,
) -> Plan {
    let (now, trusted) = (services.ports.now(), services.ports.clock.trusted());
    let mut next = present.clone();
    let (drift, made) = (edit.drift.clone(), edit.made);
    let is_rotation = edit.secret.is_some();
    let more = edit.told.clone();
    let (changes, unreadable) = apply(&mut next, edit, now);
    let mut effects = Vec::new();
    let is_shown_to_be_gone = matches!(input, Some(Input::Replied(Reply::Deleted { .. })));
    if let Some(input) = input {
        (next.lifecycle, effects) = step(next.lifecycle, input);
    }
    note_hook(&mut next, present, now);
    settle_secrets(&mut next, now, trusted);
    let observations: Vec<_> = effects.iter().filter_map(Effect::observation).collect();
    let facts = Facts {
        observations: &observations,
        call: effects.iter().find_map(Effect::call),
        drift: &drift,
        made,
        is_rotation,
    };
    let mut told = history::tell(present, &next, &facts, now);
    told.extend(more);
    let acts = effects
        .into_iter()
        .map(|effect| act(services, &mut next, effect, now))
        .collect();
    Plan {
        connection: next,
        changes,
        acts,
        unreadable,
        told,
        is_shown_to_be_gone,
    }
}

/// Changes what is to be changed, and hands back the rest.
fn apply(next: &mut Connection, edit: Edit, now: Timestamp) -> (Vec<Change>, Vec<String>) {
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
    (edit.changes, edit.unreadable)
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
        Effect::Observe(observation) => Act::Observe(observation),
        Effect::Schedule(timer, delay) => {
            let wait = duration(services, next, delay, now);
            if timer == Timer::Retry {
                next.retry_due_at = Some(now.plus(wait));
            }
            Act::Arm(timer, wait)
        }
    }
}

/// Longest wait that is continued after a restart.
const REMAINING_MAX: Duration = Duration::from_hours(24);

fn duration(services: &Services, next: &Connection, delay: Delay, now: Timestamp) -> Duration {
    let (settings, chance) = (&services.settings, services.ports.chance());
    match delay {
        Delay::CheckInterval => jittered(settings.check_interval, chance),
        Delay::Spread => scale(settings.check_interval, chance),
        Delay::PingInterval => jittered(settings.ping_interval, chance),
        Delay::Backoff(attempt) => settings.retry.wait(attempt, chance),
        Delay::SlowBackoff(attempt) => settings.slow_retry.wait(attempt, chance),
        // Never earlier than required, and spread over time.
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
