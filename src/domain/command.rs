//! A user's request for a connection, as a record: it outlives the request, the actor and the
//! process, and its outcome can be read later.

use super::error_code::ErrorCode;
use super::id::{CommandId, ConnectionId, DeliveryId, IncidentId, OperationId, OwnerId, UserId};
use super::incident::care::Tending;
use super::time::Timestamp;

/// Most pending commands of a connection: beyond, new ones are refused.
pub const ASKED_MAX: usize = 32;

/// Commands of a connection that are kept: beyond, the oldest that have ended are deleted.
pub const KEPT_MAX: usize = 100;

/// The commands of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Pause (`false`) or resume (`true`). Resuming also ends a suspension.
    SetEnabled(bool),
    /// Subscribe to these events instead.
    SetEvents(Vec<String>),
    /// Disconnect. Unresolved incidents are resolved.
    Disconnect {
        /// Whether to delete the hook at the provider.
        delete_hook: bool,
    },
    /// Check the hook now; ends a suspension.
    Check,
    /// Request a test delivery from the provider now.
    Ping,
    /// Delete the hook and create it again.
    Recreate,
    /// Give the hook a new secret. The old one is accepted for a while.
    RotateSecret,
    /// Acknowledge an incident.
    Acknowledge(IncidentId),
    /// Resolve an incident.
    Resolve(IncidentId),
    /// Process a stored delivery again.
    Replay(DeliveryId),
    /// Compare the provider's delivery log with what is stored, and ingest what is missing.
    Reconcile,
    /// Replace hooks of others once ours is proven to work: those to the same receiver, or those
    /// whose URL matches this pattern.
    ReplaceExisting(Option<String>),
    /// Do something else with an incident.
    Tend {
        /// The incident.
        incident: IncidentId,
        /// What to do.
        act: Tending,
    },
}

impl CommandKind {
    /// All names.
    pub const NAMES: [&str; 17] = [
        "resume",
        "pause",
        "set_events",
        "disconnect",
        "check",
        "ping",
        "recreate",
        "rotate_secret",
        "acknowledge",
        "resolve",
        "replay",
        "reconcile",
        "replace_existing",
        "assign",
        "mute",
        "unmute",
        "note",
    ];

    /// The name used in JSON and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SetEnabled(true) => "resume",
            Self::SetEnabled(false) => "pause",
            Self::SetEvents(_) => "set_events",
            Self::Disconnect { .. } => "disconnect",
            Self::Check => "check",
            Self::Ping => "ping",
            Self::Recreate => "recreate",
            Self::RotateSecret => "rotate_secret",
            Self::Acknowledge(_) => "acknowledge",
            Self::Resolve(_) => "resolve",
            Self::Replay(_) => "replay",
            Self::Reconcile => "reconcile",
            Self::ReplaceExisting(_) => "replace_existing",
            Self::Tend { act, .. } => act.as_str(),
        }
    }
}

named! {
    /// The effect of a command that was carried out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum CommandOutcome {
        /// The new state is durable; calls to the provider are in progress or done.
        Applied = "applied",
        /// The state was the same before.
        Unchanged = "unchanged",
    }
}

named! {
    /// The progress of a command. It ends once, and does not change afterwards.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum CommandState {
        /// The connection's actor has not carried it out yet.
        Asked = "asked",
        /// It was carried out.
        Done {
            /// The time.
            at: Timestamp,
            /// The effect.
            outcome: CommandOutcome,
        } = "done",
        /// It was not carried out, and nothing changed.
        Failed {
            /// The time.
            at: Timestamp,
            /// The reason.
            code: ErrorCode,
        } = "failed",
    }
}

impl CommandState {
    /// When it ended; `None` while it is pending.
    pub const fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Asked => None,
            Self::Done { at, .. } | Self::Failed { at, .. } => Some(at),
        }
    }
}

/// A command for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id. The commands of a connection are carried out in order of their ids.
    pub id: CommandId,
    /// The connection.
    pub connection: ConnectionId,
    /// The owner of the connection.
    pub owner: OwnerId,
    /// The request.
    pub kind: CommandKind,
    /// The user who requested it.
    pub asked_by: UserId,
    /// The time of the request.
    pub asked_at: Timestamp,
    /// The operation that it is part of; `None` if the user requested just this.
    pub operation: Option<OperationId>,
    /// The progress.
    pub state: CommandState,
}

impl Command {
    /// Whether it waits for the connection's actor.
    pub const fn is_asked(&self) -> bool {
        matches!(self.state, CommandState::Asked)
    }
}
