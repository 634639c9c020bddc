//! Connections: repositories that users asked us to look after.

use super::error_code::ErrorCode;
use super::id::{ConnectionId, CredentialId, HookKey, UserId};
use super::lifecycle::{Desired, Hook, Lifecycle, Phase};
use super::repo::{FullName, Instance, RepositoryId};
use super::run::Family;
use super::secret::{Proof, Sealed};
use super::time::Timestamp;
use std::time::Duration;

/// Most events that may be chosen for one hook; GitHub knows about 70.
pub const EVENTS_MAX: usize = 100;
/// How long the secret before a rotation is still accepted: deliveries under way and redeliveries
/// may be signed with it.
pub const PREVIOUS_SECRET_GRACE: Duration = Duration::from_hours(1);

/// Most credentials of which a connection remembers that they had no access.
pub const NO_ACCESS_MAX: usize = 32;

/// A connection. Written only by its actor, once it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Our id.
    pub id: ConnectionId,
    /// Whose it is. Only they see it.
    pub owner: UserId,
    /// Where the repository lives.
    pub instance: Instance,
    /// The provider's id of the repository; `None` until the provider could be asked.
    pub repository: Option<RepositoryId>,
    /// The repository's name as last told by the provider's API (or by the user, before that).
    pub full_name: FullName,
    /// The mark in the hook's URL.
    pub hook_key: HookKey,
    /// The credential to use; `None` for "whichever of the owner's fits".
    pub credential: Option<CredentialId>,
    /// The credential that the last successful call was made with.
    pub credential_used: Option<CredentialUse>,
    /// The credentials that lately could not manage this repository's hooks: not tried again
    /// while another can. At most [`NO_ACCESS_MAX`].
    pub no_access: Vec<CredentialId>,
    /// The provider's names of the events to subscribe to, sorted, without repetition.
    pub events: Vec<String>,
    /// The secret that the hook has or is to get, sealed.
    pub secret: Sealed,
    /// The secret before the last rotation, and until when it is accepted; `None` as the end
    /// while the rotation is not known to have reached the provider.
    pub previous_secret: Option<(Sealed, Option<Timestamp>)>,
    /// What the hook's deliveries are known to prove themselves with.
    pub proof: Proof,
    /// The way of telling about CI that is followed: the highest that was heard of.
    pub family: Option<Family>,
    /// Where the state machine stands.
    pub lifecycle: Lifecycle,
    /// When the armed retry is due, so that a restart does not ask too early.
    pub retry_due_at: Option<Timestamp>,
    /// When the user connected it.
    pub created_at: Timestamp,
    /// When the present hook was first known to be there.
    pub hook_created_at: Option<Timestamp>,
    /// When the last verified delivery arrived.
    pub last_delivery_at: Option<Timestamp>,
    /// When the last delivery that was no pong arrived.
    pub last_event_at: Option<Timestamp>,
    /// When the hook was last found to be as we want it.
    pub last_check_at: Option<Timestamp>,
    /// Why the last call failed; `None` once one succeeded.
    pub last_error: Option<LastError>,
}

/// A credential in use, and by whose leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialUse {
    /// One of the connection's owner.
    Own(CredentialId),
    /// One that another user shares. Nothing else about it is shown to the owner.
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

/// Why a call of ours failed, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The reason, for programs.
    pub code: ErrorCode,
    /// A sentence that says what to do, without secrets.
    pub message: String,
    /// When it failed.
    pub at: Timestamp,
}

/// A connection's state in one word, for the API and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebhookStatus {
    /// Being created, or soon to be tried again.
    Pending,
    /// There, and as we want it.
    Active,
    /// There as far as we know, but something is wrong with it.
    Degraded,
    /// Cannot be created; retries go on.
    Failed,
    /// Paused, or not wanted.
    Inactive,
    /// Waits for a person.
    Suspended,
}

impl WebhookStatus {
    /// Every status there is.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Active,
        Self::Degraded,
        Self::Failed,
        Self::Inactive,
        Self::Suspended,
    ];

    /// The name used in JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Inactive => "inactive",
            Self::Suspended => "suspended",
        }
    }
}

/// From this many failed attempts on, "pending" is called "failed".
const ATTEMPTS_FAILED: u32 = 3;

impl Connection {
    /// Whether the user wants it to work.
    pub fn is_enabled(&self) -> bool {
        self.lifecycle.desired == Desired::Active
    }

    /// Whether the user disconnected it. It may live on for a while to delete its hook, unseen.
    pub fn is_removed(&self) -> bool {
        matches!(self.lifecycle.desired, Desired::Removed { .. })
    }

    /// Its state in one word.
    pub fn webhook_status(&self) -> WebhookStatus {
        let l = &self.lifecycle;
        match l.desired {
            Desired::Paused | Desired::Removed { .. } => return WebhookStatus::Inactive,
            Desired::Active => {}
        }
        match l.phase {
            Phase::Suspended(_) => WebhookStatus::Suspended,
            Phase::Idle | Phase::Settling | Phase::Removed => WebhookStatus::Pending,
            Phase::Active | Phase::Checking | Phase::Pinging => {
                if l.is_silent() || l.checks_failed > 0 || l.disabled.is_some() {
                    WebhookStatus::Degraded
                } else {
                    WebhookStatus::Active
                }
            }
            Phase::Creating { attempt }
            | Phase::Repairing { attempt }
            | Phase::Deleting { attempt }
            | Phase::Waiting { attempt } => match l.hook {
                Hook::Present(_) => WebhookStatus::Degraded,
                Hook::Absent | Hook::Unknown => {
                    if attempt >= ATTEMPTS_FAILED || self.needs_a_hand() {
                        WebhookStatus::Failed
                    } else {
                        WebhookStatus::Pending
                    }
                }
            },
        }
    }

    /// Whether the last error is of a kind that retrying alone seldom mends.
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

    fn connection(phase: Phase, hook: Hook) -> Connection {
        Connection {
            id: ConnectionId::from_u128(1),
            owner: UserId::from_u128(1),
            instance: Instance {
                provider: crate::domain::repo::ProviderKind::Github,
                host: "github.com".parse().unwrap(),
            },
            repository: None,
            full_name: "o/r".parse().unwrap(),
            hook_key: HookKey::from_bytes([0; 20]),
            credential: None,
            credential_used: None,
            no_access: Vec::new(),
            events: Vec::new(),
            secret: Sealed(Vec::new()),
            previous_secret: None,
            proof: Proof::Unknown,
            family: None,
            lifecycle: Lifecycle {
                phase,
                hook,
                ..Lifecycle::default()
            },
            retry_due_at: None,
            created_at: Timestamp(0),
            hook_created_at: None,
            last_delivery_at: None,
            last_event_at: None,
            last_check_at: None,
            last_error: None,
        }
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
                Hook::Unknown,
                WebhookStatus::Pending,
            ),
            (
                Phase::Waiting { attempt: 3 },
                Hook::Unknown,
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
