//! Connections: repositories that Hookherd watches for users.

use super::error_code::ErrorCode;
use super::id::{ConnectionId, CredentialId, HookKey, UserId};
use super::lifecycle::{Certainty, Desired, Hook, Lifecycle, Phase};
use super::repo::{FullName, Instance, RepositoryId};
use super::rhythm::Rhythm;
use super::rotation::{Rotation, RotationState};
use super::secret::{Proof, Sealed};
use super::time::Timestamp;
use std::time::Duration;

/// Most events for one hook; GitHub has about 70.
pub const EVENTS_MAX: usize = 100;

/// Most credentials without access that a connection stores.
pub const NO_ACCESS_MAX: usize = 32;

/// A connection. Written only by its actor, once it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Our id.
    pub id: ConnectionId,
    /// The owner. Only they see it.
    pub owner: UserId,
    /// The installation of the repository.
    pub instance: Instance,
    /// The provider's id of the repository; `None` until the provider has reported it.
    pub repository: Option<RepositoryId>,
    /// The repository's name as last reported by the provider's API (or by the user, before that).
    pub full_name: FullName,
    /// The mark in the hook's URL.
    pub hook_key: HookKey,
    /// The credential to use; `None` for any of the owner's that fits.
    pub credential: Option<CredentialId>,
    /// The credential of the last successful call.
    pub credential_used: Option<CredentialUse>,
    /// The credentials that recently could not manage this repository's hooks: not tried again
    /// while another can. At most [`NO_ACCESS_MAX`].
    pub no_access: Vec<CredentialId>,
    /// The provider's names of the events to subscribe to, sorted, without repetition.
    pub events: Vec<String>,
    /// The secret of the hook, current or to be written, sealed.
    pub secret: Sealed,
    /// Its rotation, with the former secrets that are accepted.
    pub rotation: Rotation,
    /// How the hook's deliveries are known to be authenticated.
    pub proof: Proof,
    /// The state of the lifecycle.
    pub lifecycle: Lifecycle,
    /// When the armed retry is due, so that a restart does not retry too early.
    pub retry_due_at: Option<Timestamp>,
    /// When the user connected it.
    pub created_at: Timestamp,
    /// When the current hook was first known to exist.
    pub hook_created_at: Option<Timestamp>,
    /// Our public address to which the hook delivers, as last written or seen; `None` without a
    /// hook, or when it is unknown (records of version 0.1 do not have it).
    pub address: Option<String>,
    /// The last time that deliveries with wrong signatures caused a check of the hook.
    pub suspicion: Option<Suspicion>,
    /// When the last verified delivery arrived.
    pub last_delivery_at: Option<Timestamp>,
    /// When the last delivery other than a pong arrived.
    pub last_event_at: Option<Timestamp>,
    /// When the hook was last found with the wanted settings.
    pub last_check_at: Option<Timestamp>,
    /// What a complete check found intact, so that the next one may only ask whether it changed.
    pub seen: Option<Seen>,
    /// At which hours deliveries usually arrive.
    pub rhythm: Rhythm,
    /// When a test delivery was last requested because of unusual silence.
    pub quiet_ping_at: Option<Timestamp>,
    /// Why the last call failed; `None` once one succeeded.
    pub last_error: Option<LastError>,
}

/// What a complete check found with the wanted settings, as the provider identifies its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The provider's tag of its answer. Opaque.
    pub tag: String,
    /// A digest of what was asked, with which token, and of the settings that were wanted: the tag
    /// proves nothing about anything else.
    pub of: [u8; 32],
    /// When the check was complete.
    pub at: Timestamp,
}

/// A check of the hook because of deliveries with wrong signatures. Anyone who knows the hook's URL
/// can send such, so its frequency is limited by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The time of the last one.
    pub at: Timestamp,
    /// How many in a row found nothing.
    pub fruitless: u32,
}

/// Shortest time between two checks because of wrong signatures. Doubles while nothing is found.
const SUSPICION_PAUSE: Duration = Duration::from_hours(1);
/// Longest such time.
const SUSPICION_PAUSE_MAX: Duration = Duration::from_hours(24);

impl Suspicion {
    /// Whether wrong signatures may cause another check. A time far in the future comes from a
    /// wrong clock, and forbids nothing.
    pub fn may_recur(&self, now: Timestamp) -> bool {
        let doublings = self.fruitless.saturating_sub(1).min(5);
        let pause = (SUSPICION_PAUSE * 2_u32.pow(doublings)).min(SUSPICION_PAUSE_MAX);
        now.since(self.at) >= pause || self.at.since(now) > SUSPICION_PAUSE_MAX
    }

    /// The next one after `last`.
    pub fn after(last: Option<Self>, now: Timestamp) -> Self {
        let fruitless = last.map_or(0, |last| last.fruitless).saturating_add(1);
        Self { at: now, fruitless }
    }
}

/// A credential in use, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialUse {
    /// One of the connection's owner.
    Own(CredentialId),
    /// A shared one of another user. Nothing else about it is shown to the owner.
    Shared(CredentialId),
}

impl CredentialUse {
    /// The credential.
    pub const fn id(self) -> CredentialId {
        match self {
            Self::Own(id) | Self::Shared(id) => id,
        }
    }
}

/// Why a call failed, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The code of the reason.
    pub code: ErrorCode,
    /// A sentence that says what to do, without secrets.
    pub message: String,
    /// When it failed.
    pub at: Timestamp,
}

named! {
    /// The state of a connection, for the API and the metrics.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum WebhookStatus {
        /// Being created, or soon to be retried.
        Pending = "pending",
        /// Exists, with the wanted settings.
        Active = "active",
        /// Exists as far as known, but with a problem.
        Degraded = "degraded",
        /// Cannot be created; retries continue.
        Failed = "failed",
        /// Paused, or not wanted.
        Inactive = "inactive",
        /// No retries until a person acts.
        Suspended = "suspended",
    }
}

/// From this many failed attempts on, "pending" becomes "failed".
const ATTEMPTS_FAILED: u32 = 3;

impl Connection {
    /// A new connection: without a secret and events, and before its repository was looked up.
    pub fn new(
        id: ConnectionId,
        owner: UserId,
        instance: Instance,
        full_name: FullName,
        hook_key: HookKey,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            owner,
            instance,
            repository: None,
            full_name,
            hook_key,
            credential: None,
            credential_used: None,
            no_access: Vec::new(),
            events: Vec::new(),
            secret: Sealed(Vec::new()),
            rotation: Rotation::new(created_at),
            proof: Proof::Unknown,
            lifecycle: Lifecycle::default(),
            retry_due_at: None,
            created_at,
            hook_created_at: None,
            address: None,
            suspicion: None,
            last_delivery_at: None,
            last_event_at: None,
            last_check_at: None,
            seen: None,
            rhythm: Rhythm::default(),
            quiet_ping_at: None,
            last_error: None,
        }
    }

    /// Whether the user wants it to work.
    pub fn is_enabled(&self) -> bool {
        self.lifecycle.desired == Desired::Active
    }

    /// Whether the user disconnected it. It may exist for a while to delete its hook, hidden.
    pub fn is_removed(&self) -> bool {
        matches!(self.lifecycle.desired, Desired::Removed { .. })
    }

    /// Whether it was disconnected, and its hook is still to be deleted at the provider.
    pub fn is_leaving(&self) -> bool {
        let lifecycle = &self.lifecycle;
        lifecycle.desired == (Desired::Removed { delete_hook: true })
            && lifecycle.phase != Phase::Removed
    }

    /// When the hook was last known to work: it was found with the wanted settings, or a delivery
    /// with its signature arrived.
    pub fn last_proof_at(&self) -> Option<Timestamp> {
        self.last_check_at.max(self.last_delivery_at)
    }

    /// Whether the hook is known to deliver to another address of ours than this one, so that it
    /// has to be moved.
    pub fn is_to_move(&self, public_url: &str) -> bool {
        let is_elsewhere = self.address.as_deref().is_some_and(|at| at != public_url);
        let is_wanted = match self.lifecycle.desired {
            Desired::Active | Desired::Paused => true,
            Desired::Removed { .. } => false,
        };
        is_elsewhere && is_wanted && self.lifecycle.hook.id().is_some()
    }

    /// Its state. An unknown outcome does not change it: a call that waits, fails temporarily or
    /// has no outcome says nothing about the hook.
    pub fn webhook_status(&self) -> WebhookStatus {
        let l = &self.lifecycle;
        match l.desired {
            Desired::Paused | Desired::Removed { .. } => return WebhookStatus::Inactive,
            Desired::Active => {}
        }
        match l.phase {
            Phase::Suspended(_) => WebhookStatus::Suspended,
            Phase::Idle | Phase::Settling | Phase::Removed => WebhookStatus::Pending,
            Phase::Active | Phase::Checking | Phase::Pinging | Phase::Rewriting => {
                self.status_of_one_that_is_there()
            }
            Phase::Creating { attempt }
            | Phase::Repairing { attempt }
            | Phase::Deleting { attempt }
            | Phase::Waiting { attempt } => match l.hook {
                // An answer was lost, and the hook had the wanted settings.
                Hook::Unknown(Some(_)) if !l.ill && !l.recreate => {
                    self.status_of_one_that_is_there()
                }
                Hook::Present(_) if l.applied == Some(l.wanted) && !l.recreate => {
                    self.status_of_one_that_is_there()
                }
                // It works with either secret.
                Hook::Present(_) if self.lacks_only_its_secret() => {
                    self.status_of_one_that_is_there()
                }
                Hook::Present(_) => WebhookStatus::Degraded,
                Hook::Absent | Hook::Unknown(_) => {
                    if attempt >= ATTEMPTS_FAILED || self.needs_a_hand() {
                        WebhookStatus::Failed
                    } else {
                        WebhookStatus::Pending
                    }
                }
            },
        }
    }

    /// Whether the hook is known to have all wanted settings, no earlier call can change that any
    /// more, and it is not to be recreated.
    pub fn has_hook_as_wanted(&self) -> bool {
        let l = &self.lifecycle;
        l.applied == Some(l.wanted)
            && l.certainty == Certainty::Sure
            && matches!(l.hook, Hook::Present(_))
            && !l.recreate
    }

    /// Whether the hook has all wanted settings, except that a new secret is not known to be
    /// written: deliveries with either are accepted.
    pub fn lacks_only_its_secret(&self) -> bool {
        let l = &self.lifecycle;
        self.rotation.state() == RotationState::Unconfirmed
            && self.rotation.alone == Some(l.wanted)
            && !l.ill
            && !l.recreate
    }

    fn status_of_one_that_is_there(&self) -> WebhookStatus {
        let l = &self.lifecycle;
        if l.is_silent() || l.refused || l.ill || l.disabled.is_some() {
            WebhookStatus::Degraded
        } else {
            WebhookStatus::Active
        }
    }

    /// Whether the last error is of a kind that retries seldom resolve.
    fn needs_a_hand(&self) -> bool {
        self.last_error
            .as_ref()
            .is_some_and(|e| !e.code.is_transient())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::HookId;
    use crate::domain::lifecycle::SuspendReason;
    use crate::domain::samples;

    fn connection(phase: Phase, hook: Hook) -> Connection {
        let mut connection = samples::connection(1, "o/r");
        (connection.lifecycle.phase, connection.lifecycle.hook) = (phase, hook);
        connection
    }

    #[test]
    fn the_status_tells_people_what_to_expect() {
        let there = Hook::Present(HookId(1));
        let table = [
            (
                Phase::Creating { attempt: 0 },
                Hook::Absent,
                WebhookStatus::Pending,
            ),
            (
                Phase::Waiting { attempt: 1 },
                Hook::Unknown(None),
                WebhookStatus::Pending,
            ),
            (
                Phase::Waiting { attempt: 3 },
                Hook::Unknown(None),
                WebhookStatus::Failed,
            ),
            (Phase::Active, there, WebhookStatus::Active),
            (Phase::Checking, there, WebhookStatus::Active),
            (
                Phase::Repairing { attempt: 0 },
                there,
                WebhookStatus::Degraded,
            ),
            (
                Phase::Suspended(SuspendReason::Unauthorized),
                there,
                WebhookStatus::Suspended,
            ),
        ];
        for (phase, hook, status) in table {
            assert_eq!(
                connection(phase, hook).webhook_status(),
                status,
                "{phase:?}"
            );
        }
    }

    /// A check, a confirmation or a move that waits, fails or has no answer says nothing.
    #[test]
    fn not_knowing_is_not_ill() {
        let there = Hook::Present(HookId(1));
        let mut c = connection(Phase::Active, there);
        c.lifecycle.applied = Some(c.lifecycle.wanted);
        c.lifecycle.checks_failed = 9;
        let phases = [
            Phase::Active,
            Phase::Checking,
            Phase::Rewriting,
            Phase::Creating { attempt: 4 },
            Phase::Waiting { attempt: 4 },
        ];
        for phase in phases {
            for hook in [there, Hook::Unknown(Some(HookId(1)))] {
                (c.lifecycle.phase, c.lifecycle.hook) = (phase, hook);
                assert_eq!(c.webhook_status(), WebhookStatus::Active, "{phase:?}");
                c.lifecycle.refused = true;
                assert_eq!(c.webhook_status(), WebhookStatus::Degraded, "{phase:?}");
                c.lifecycle.refused = false;
            }
        }
        // Found missing, and not recreated yet: that is known.
        (c.lifecycle.ill, c.lifecycle.hook) = (true, Hook::Unknown(Some(HookId(1))));
        c.lifecycle.phase = Phase::Waiting { attempt: 1 };
        assert_eq!(c.webhook_status(), WebhookStatus::Pending);
        c.lifecycle.phase = Phase::Waiting { attempt: 3 };
        assert_eq!(c.webhook_status(), WebhookStatus::Failed);
    }

    #[test]
    fn suspicion_is_limited_by_time_and_tires() {
        let hours = |n: u64| Timestamp(0).plus(Duration::from_hours(n));
        let mut last = Suspicion::after(None, hours(0));
        let mut looks = vec![0];
        for hour in 1..=200 {
            if last.may_recur(hours(hour)) {
                last = Suspicion::after(Some(last), hours(hour));
                looks.push(hour);
            }
        }
        assert_eq!(looks, [0, 1, 3, 7, 15, 31, 55, 79, 103, 127, 151, 175, 199]);
        assert!(!last.may_recur(hours(180)), "the clock went back a little");
        assert!(last.may_recur(hours(0)), "it had been wrong by days");
    }

    #[test]
    fn an_error_that_needs_a_hand_is_failed_at_once() {
        let mut connection = connection(Phase::Waiting { attempt: 1 }, Hook::Absent);
        let error = |code: &str| {
            Some(LastError {
                code: ErrorCode::from_name(code),
                message: String::new(),
                at: Timestamp(0),
            })
        };
        connection.last_error = error("hook_limit_reached");
        assert_eq!(connection.webhook_status(), WebhookStatus::Failed);
        connection.last_error = error("provider_timeout");
        assert_eq!(connection.webhook_status(), WebhookStatus::Pending);
    }

    #[test]
    fn paused_is_inactive_whatever_the_hook() {
        let mut connection = connection(Phase::Idle, Hook::Present(HookId(1)));
        connection.lifecycle.desired = Desired::Paused;
        assert_eq!(connection.webhook_status(), WebhookStatus::Inactive);
        assert!(!connection.is_enabled());
    }
}
