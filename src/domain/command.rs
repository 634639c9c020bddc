//! What somebody asked of a connection, as a record: it outlives the request, the actor and the
//! process, and whoever asked can look at what became of it.

use super::error_code::ErrorCode;
use super::id::{CommandId, ConnectionId, DeliveryId, IncidentId, OwnerId, UserId};
use super::time::Timestamp;

/// Most commands of a connection that may wait for its actor: beyond, asking is refused.
pub const ASKED_MAX: usize = 32;

/// What can be asked of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Pause (`false`) or resume (`true`). Resuming also ends a suspension.
    SetEnabled(bool),
    /// Subscribe to these events instead.
    SetEvents(Vec<String>),
    /// Disconnect. Incidents that are not resolved are resolved.
    Disconnect {
        /// Whether to delete the hook at the provider.
        delete_hook: bool,
    },
    /// Look at the hook now; ends a suspension.
    Check,
    /// Ask the provider for a test delivery now.
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
}

impl CommandKind {
    /// Every name.
    pub const NAMES: [&str; 11] = [
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
        }
    }
}

/// What a command that was carried out did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It is so from now on, durably; what it takes at the provider is under way or done.
    Applied,
    /// It was so before.
    Unchanged,
}

impl CommandOutcome {
    /// Every outcome.
    pub const ALL: [Self; 2] = [Self::Applied, Self::Unchanged];

    /// The name used in JSON and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
        }
    }
}

/// How far a command has come. It ends once, and is not changed any more then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    /// The connection's actor has not carried it out yet.
    Asked,
    /// It was carried out.
    Done {
        /// When.
        at: Timestamp,
        /// What it did.
        outcome: CommandOutcome,
    },
    /// It was not, and nothing changed.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        code: ErrorCode,
    },
}

impl CommandState {
    /// Every name.
    pub const NAMES: [&str; 3] = ["asked", "done", "failed"];

    /// The name used in JSON and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
        }
    }

    /// When it ended; `None` while it is asked.
    pub const fn ended_at(self) -> Option<Timestamp> {
        match self {
            Self::Asked => None,
            Self::Done { at, .. } | Self::Failed { at, .. } => Some(at),
        }
    }
}

/// Something asked of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id. The commands of a connection are carried out in order of their ids.
    pub id: CommandId,
    /// The connection.
    pub connection: ConnectionId,
    /// Whose connection it is.
    pub owner: OwnerId,
    /// What is asked.
    pub kind: CommandKind,
    /// Who asks.
    pub asked_by: UserId,
    /// When.
    pub asked_at: Timestamp,
    /// How far it has come.
    pub state: CommandState,
}

impl Command {
    /// Whether it waits for the connection's actor.
    pub const fn is_asked(&self) -> bool {
        matches!(self.state, CommandState::Asked)
    }
}
