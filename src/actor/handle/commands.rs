//! Commands: each is stored first, and who asks waits a while for its outcome.

use super::Actors;
use crate::actor::connection::{Cause, Leaving, Waiter};
use crate::actor::interface::{Asking, CommandError};
use crate::actor::registry::COMMAND_TIMEOUT;
use crate::domain::command::{Command, CommandKind, CommandState};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::CommandId;
use crate::domain::lifecycle::{Desired, Phase};
use crate::domain::removal::HookOutcome;
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A command that is stored, unless it has failed.
fn ended(command: Command) -> Result<Command, CommandError> {
    match command.state {
        CommandState::Asked | CommandState::Done { .. } => Ok(command),
        CommandState::Failed {
            code: ErrorCode::NotFound,
            ..
        } => Err(match command.kind {
            CommandKind::Acknowledge(_)
            | CommandKind::Resolve(_)
            | CommandKind::Tend { .. }
            | CommandKind::Replay(_) => CommandError::NoSuchSubject,
            CommandKind::SetEnabled(_)
            | CommandKind::SetEvents(_)
            | CommandKind::Disconnect { .. }
            | CommandKind::Check
            | CommandKind::Ping
            | CommandKind::Recreate
            | CommandKind::RotateSecret
            | CommandKind::ReplaceExisting(_)
            | CommandKind::Reconcile => CommandError::NoSuchConnection,
        }),
        CommandState::Failed { code, .. } => Err(CommandError::NotNow(code.meaning())),
    }
}

impl Actors {
    /// Stores a command, and waits a while until it is carried out.
    pub(super) async fn ask_now(
        &self,
        asking: Asking,
        leaving: Option<Leaving>,
    ) -> Result<Command, CommandError> {
        let ports = &self.services.ports;
        let command = Command {
            id: CommandId::generate(ports.clock.now_for_id(), &*ports.entropy),
            connection: asking.connection,
            owner: asking.owner,
            kind: asking.kind,
            asked_by: asking.asked_by,
            asked_at: ports.now(),
            operation: None,
            state: CommandState::Asked,
        };
        let batch = Batch::of(vec![Change::PutCommand(Box::new(command.clone()))]);
        let batch = batch.guarded_by(Guard::NewCommand(command.connection));
        match ports.store.commit(batch).await {
            Ok(()) => {}
            Err(CommitError::Conflict(Conflict::NoConnection(_))) => {
                return Err(CommandError::NoSuchConnection);
            }
            Err(error) => return Err(error.into()),
        }
        let (answer, answered) = oneshot::channel();
        let waiter = Waiter {
            command: command.id,
            answer,
            leaving,
        };
        let asked = Cause::Asked(Box::new(waiter));
        let reached = self.registry.reach(command.connection, asked).await;
        if reached.is_ok()
            && let Ok(Ok(result)) = tokio::time::timeout(COMMAND_TIMEOUT, answered).await
        {
            return result;
        }
        self.as_stored(command).await
    }

    /// The outcome of a command whose waiter got no answer. Either it was carried out before the
    /// wait was registered; or it still has to be: the actor has panicked, or works elsewhere.
    async fn as_stored(&self, command: Command) -> Result<Command, CommandError> {
        let stored = self.services.ports.store.command(command.id).await?;
        ended(stored.unwrap_or(command))
    }

    /// Has a connection disconnected, and waits a while for the outcome for its hook.
    pub(super) async fn disconnect_now(
        &self,
        asking: Asking,
        within: Duration,
    ) -> Result<HookOutcome, CommandError> {
        let (store, id) = (&self.services.ports.store, asking.connection);
        let before = store.connection(id).await?;
        let (leaving, gone) = oneshot::channel();
        let command = self.ask_now(asking, Some(leaving)).await?;
        if command.is_asked() {
            return Ok(HookOutcome::Pending);
        }
        let until = Instant::now() + within;
        if let Ok(Ok(outcome)) = tokio::time::timeout_at(until, gone).await {
            return Ok(outcome);
        }
        // It may have been carried out before the wait was registered: what is stored decides.
        self.settled(id, until - Instant::now()).await;
        let after = store.connection(id).await?.or_else(|| {
            // It has ended, and without history its record has gone, too.
            let mut ended = before?;
            ended.lifecycle.phase = Phase::Removed;
            if let CommandKind::Disconnect { delete_hook } = command.kind {
                ended.lifecycle.desired = Desired::Removed { delete_hook };
            }
            Some(ended)
        });
        Ok(after.map_or(HookOutcome::Pending, |c| HookOutcome::of(&c, false)))
    }
}
