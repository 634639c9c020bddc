//! Planning a step: what a connection becomes, what is committed, and what is done afterwards.
//!
//! A plan is made from the present state without changing anything. It is committed as a whole;
//! only then does the actor adopt it and act. A plan whose commit failed is dropped.

use crate::actor::secrets::Resealed;
use crate::actor::services::Services;
use crate::domain::backoff::{jittered, scale};
use crate::domain::command::Command;
use crate::domain::connection::{Connection, CredentialUse, LastError, Seen, Suspicion};
use crate::domain::history::{self, Entry, Facts, Made};
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::ledger::{Asked, AskedBy};
use crate::domain::lifecycle::{
    Call, Delay, Effect, Hook, Input, Observation, Phase, Reply, Timer, step,
};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{Repository, RepositoryId};
use crate::domain::rhythm::hour_of;
use crate::domain::rotation::{RotationState, SecretNumber};
use crate::domain::secret::{Proof, Sealed};
use crate::domain::time::Timestamp;
use crate::provider::TheirHook;
use crate::store::Change;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What changes in a connection besides its lifecycle.
#[derive(Clone, Debug, Default)]
pub(super) struct Edit {
    /// The provider described the repository.
    pub(super) repository: Option<Repository>,
    /// An authentic delivery came from the repository of this id, under the name that is known.
    pub(super) repository_id: Option<RepositoryId>,
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
    pub(super) secret: Option<NewSecret>,
    /// The same secrets, sealed with a newer key.
    pub(super) resealed: Option<Resealed>,
    /// A delivery arrived then.
    pub(super) delivery_at: Option<Timestamp>,
    /// A delivery that was no pong arrived then.
    pub(super) event_at: Option<Timestamp>,
    /// When deliveries arrived that these secrets signed, the last of each.
    pub(super) signed: BTreeMap<SecretNumber, Timestamp>,
    /// The hours in which deliveries arrived that were no pongs.
    pub(super) hours: BTreeSet<i64>,
    /// A test delivery is requested because of unusual silence.
    pub(super) is_quiet_ping: bool,
    /// A call was made with this credential, and succeeded.
    pub(super) credential_used: Option<CredentialUse>,
    /// These credentials lately had no access.
    pub(super) no_access: Option<Vec<CredentialId>>,
    /// The settings that a check found to differ.
    pub(super) drift: Vec<&'static str>,
    /// What becomes of what a check has seen.
    pub(super) sight: Option<Sight>,
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

/// What becomes of what an earlier check has seen.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    /// A check has seen this.
    Seen(Seen),
    /// It no longer counts: it was changed, also by us, or a check could not tell.
    Lost,
}

/// A secret that replaces the current one.
#[derive(Clone, Debug)]
pub(super) struct NewSecret {
    pub(super) secret: Sealed,
    /// Why: the end of an interval, or a request.
    pub(super) is_regular: bool,
}

/// A request to compare the provider's log with what is stored.
pub(super) const fn asked_to_reconcile(
    connection: ConnectionId,
    at: Timestamp,
    by: AskedBy,
) -> Asked {
    Asked {
        connection,
        at,
        by,
        unsent_since: None,
    }
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
/// store: see [`super::notes`]. `may_drop`: no delivery is pending that a former secret may sign.
pub(super) fn plan(
    services: &Services,
    present: &Connection,
    input: Option<Input>,
    edit: Edit,
    may_drop: bool,
) -> Plan {
    let (now, trusted) = (services.ports.now(), services.ports.clock.trusted());
    let mut next = present.clone();
    let (drift, made) = (edit.drift.clone(), edit.made);
    let rotation = edit.secret.as_ref().map(|new| new.is_regular);
    let has_other_events = edit.events.is_some();
    let steady = services.ports.clock.steady();
    let more = edit.told.clone();
    let (changes, unreadable) = apply(&mut next, edit, now, steady);
    let mut effects = Vec::new();
    let is_shown_to_be_gone = matches!(input, Some(Input::Replied(Reply::Deleted { .. })));
    let is_start = input == Some(Input::Recovered);
    if let Some(input) = input {
        (next.lifecycle, effects) = step(next.lifecycle, input);
    }
    note_hook(&mut next, present, now);
    note_secret(&mut next, present, has_other_events);
    settle_secrets(&mut next, &mut effects, now, is_start);
    let passed = Some(now.min(trusted)).filter(|_| may_drop);
    let dropped = passed.and_then(|passed| next.rotation.drop_old(passed));
    let observations: Vec<_> = effects.iter().filter_map(Effect::observation).collect();
    let facts = Facts {
        observations: &observations,
        call: effects.iter().find_map(Effect::call),
        drift: &drift,
        made,
        rotation,
        dropped,
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
fn apply(
    next: &mut Connection,
    edit: Edit,
    now: Timestamp,
    steady: Timestamp,
) -> (Vec<Change>, Vec<String>) {
    if let Some(repository) = edit.repository {
        next.repository = Some(repository.id);
        next.full_name = repository.full_name;
    }
    next.repository = next.repository.or(edit.repository_id);
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
    match edit.sight {
        Some(Sight::Seen(seen)) => next.seen = Some(seen),
        Some(Sight::Lost) => next.seen = None,
        None => {}
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
    if let Some(new) = edit.secret {
        let old = std::mem::replace(&mut next.secret, new.secret);
        next.rotation.begin(old, None, now);
    }
    if let Some(resealed) = edit.resealed {
        next.secret = resealed.secret;
        for (old, anew) in next.rotation.old.iter_mut().zip(resealed.old) {
            old.secret = anew;
        }
    }
    for (number, at) in edit.signed {
        next.rotation.hear(number, at.min(now));
    }
    for hour in edit.hours {
        next.rhythm.hear(hour, hour_of(steady));
    }
    if edit.is_quiet_ping {
        next.quiet_ping_at = Some(now);
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
    // What was seen is of another hook, or of one that we change or may have changed since.
    if !next.has_hook_as_wanted() {
        next.seen = None;
    }
}

/// Where only a new secret is to be written, the hook works meanwhile.
fn note_secret(next: &mut Connection, present: &Connection, has_other_events: bool) {
    let (was, is) = (&present.lifecycle, &next.lifecycle);
    if was.wanted == is.wanted {
        return;
    }
    let was_whole = was.applied == Some(was.wanted) || present.lacks_only_its_secret();
    let is_alone = was_whole && !has_other_events;
    next.rotation.alone = is_alone.then_some(is.wanted);
}

/// A new secret is confirmed once the provider has reported all settings as written, and no earlier
/// call can change them any more. From then on only what it signs proves that the hook works, which
/// a ping is to show soon.
fn settle_secrets(
    next: &mut Connection,
    effects: &mut Vec<Effect>,
    now: Timestamp,
    is_start: bool,
) {
    next.rotation.redate(now);
    let is_news = next.has_hook_as_wanted() && next.rotation.confirm(now);
    let l = &mut next.lifecycle;
    if is_news {
        l.heard = false;
    }
    let is_unproven = next.rotation.state() == RotationState::Unproven;
    if l.phase == Phase::Active && (is_news || (is_start && is_unproven)) {
        let delay = if is_news { Delay::Proof } else { Delay::Spread };
        effects.retain(|effect| !matches!(effect, Effect::Schedule(Timer::Ping, _)));
        effects.push(Effect::Schedule(Timer::Ping, delay));
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

/// What is left of the time between two checks, or pings, after a start: counted from the last one,
/// so that restarts neither bring them forward nor put them off. What is overdue is done within the
/// interval, at the time of a connection's own, which is always the same.
fn rest_of_interval(
    id: ConnectionId,
    last: Option<Timestamp>,
    every: Duration,
    now: Timestamp,
) -> Duration {
    let low = id.as_u128() & u128::from(u64::MAX);
    let place = u64::try_from(low).unwrap_or_default();
    // Ids that differ little lie far apart.
    let place = place.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let last = last.filter(|last| *last <= now);
    let due = last.map(|last| last.plus(jittered(every, place)));
    if let Some(due) = due.filter(|due| *due > now) {
        return due.since(now);
    }
    // A fixed time of each interval, so that the next start does not put it off again.
    let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    let passed_ms = u64::try_from(now.0.rem_euclid(every_ms)).unwrap_or_default();
    let (place, passed) = (scale(every, place), Duration::from_millis(passed_ms));
    let next = if place > passed { place } else { place + every };
    next.saturating_sub(passed)
}

/// Longest wait that is continued after a restart.
const REMAINING_MAX: Duration = Duration::from_hours(24);

fn duration(services: &Services, next: &Connection, delay: Delay, now: Timestamp) -> Duration {
    let (settings, chance) = (&services.settings, services.ports.chance());
    let every = || services.intervals(next);
    match delay {
        Delay::CheckInterval => jittered(every().check, chance),
        Delay::Spread => rest_of_interval(next.id, next.last_check_at, every().check, now),
        Delay::PingInterval => jittered(every().ping, chance),
        Delay::PingRest => {
            let heard = next.last_delivery_at.max(next.hook_created_at);
            rest_of_interval(next.id, heard, every().ping, now)
        }
        Delay::Answer => jittered(settings.answer_time.min(settings.ping_interval), chance),
        Delay::Proof => jittered(settings.proof_wait.min(settings.ping_interval), chance),
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
