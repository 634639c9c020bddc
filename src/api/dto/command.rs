//! Commands in JSON.

use super::Connection;
use crate::api::schema::{CommandKindName, CommandStateName};
use crate::domain::command::{self, CommandOutcome, CommandState};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{CommandId, ConnectionId, UserId};
use crate::domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Something asked of a connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Command {
    /// Id of the command.
    pub id: CommandId,
    /// Connection concerned.
    pub connection_id: ConnectionId,
    /// What is asked.
    pub kind: CommandKindName,
    /// User who asked.
    pub asked_by: UserId,
    /// When they asked.
    pub asked_at: Timestamp,
    /// State of the command.
    pub state: CommandStateName,
    /// When it was done, or failed.
    pub ended_at: Option<Timestamp>,
    /// What it did. Null unless it is done.
    pub outcome: Option<CommandOutcome>,
    /// Why it failed. Null unless it has.
    pub code: Option<ErrorCode>,
}

impl Command {
    /// The shape of a command.
    pub fn of(command: &command::Command) -> Self {
        let (outcome, code) = match command.state {
            CommandState::Asked => (None, None),
            CommandState::Done { outcome, .. } => (Some(outcome), None),
            CommandState::Failed { code, .. } => (None, Some(code)),
        };
        Self {
            id: command.id,
            connection_id: command.connection,
            kind: (&command.kind).into(),
            asked_by: command.asked_by,
            asked_at: command.asked_at,
            state: command.state.into(),
            ended_at: command.state.ended_at(),
            outcome,
            code,
        }
    }
}

/// A connection of which something was asked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Acted {
    /// The connection as it is now.
    #[serde(flatten)]
    pub connection: Connection,
    /// What was asked.
    pub command: Command,
}
