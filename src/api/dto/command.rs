//! Commands in JSON.

use super::Connection;
use crate::api::schema::{CommandKindName, CommandStateName};
use crate::domain::command::{self, CommandOutcome, CommandState};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{CommandId, ConnectionId, OperationId, UserId};
use crate::domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

fn outcome(state: CommandState) -> (Option<CommandOutcome>, Option<ErrorCode>) {
    match state {
        CommandState::Asked => (None, None),
        CommandState::Done { outcome, .. } => (Some(outcome), None),
        CommandState::Failed { code, .. } => (None, Some(code)),
    }
}

shapes! {
    /// Something asked of a connection.
    Command(command: &command::Command) {
        /// Id of the command.
        id: CommandId = command.id,
        /// Connection concerned.
        connection_id: ConnectionId = command.connection,
        /// What is asked.
        kind: CommandKindName = (&command.kind).into(),
        /// User who asked.
        asked_by: UserId = command.asked_by,
        /// When they asked.
        asked_at: Timestamp = command.asked_at,
        /// Operation that it is part of. Null if just this was asked.
        operation_id: Option<OperationId> = command.operation,
        /// State of the command.
        state: CommandStateName = (&command.state).into(),
        /// When it was done, or failed.
        ended_at: Option<Timestamp> = command.state.ended_at(),
        /// What it did. Null unless it is done.
        outcome: Option<CommandOutcome> = outcome(command.state).0,
        /// Why it failed. Null unless it has.
        code: Option<ErrorCode> = outcome(command.state).1,
    }
}

/// A connection with the command that was stored for it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Acted {
    /// The connection as it is now.
    #[serde(flatten)]
    pub connection: Connection,
    /// What was asked.
    pub command: Command,
}
