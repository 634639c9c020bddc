//! Following one item to its end: the command, and the provider calls that come of it.

use super::super::connecting::Connector;
use super::super::connection::{Cause, Waiter};
use super::super::interface::{ConnectError, ConnectRequest};
use super::super::registry::{COMMAND_TIMEOUT, Registry};
use super::super::services::Services;
use crate::domain::backoff::Backoff;
use crate::domain::command::{Command, CommandOutcome, CommandState};
use crate::domain::connection::Connection;
use crate::domain::errand::Priority;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{CommandId, ConnectionId, OperationId, OwnerId};
use crate::domain::lifecycle::Phase;
use crate::domain::operation::{
    Action, CHUNK_ITEMS, Item, ItemFailure, ItemOutcome, NewConnection,
};
use crate::domain::repo::FullName;
use crate::domain::takeover::Replace;
use crate::domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Waits between looks at something that should have ended.
const LOOK: Backoff = Backoff {
    initial: Duration::from_secs(1),
    cap: Duration::from_secs(30),
};
/// Longest wait for a notice that no call is outstanding, before the store is read again.
const SETTLE_LOOK: Duration = Duration::from_secs(30);
/// Longest time that an item is held for its provider calls: longer than a provider's window of
/// rate limits, which is an hour on GitHub and a minute on GitLab.
const HOLD_MAX: Duration = Duration::from_mins(70);
/// How long an item that met a rate limit, and will not be retried, keeps its place: the next one
/// would meet the limit, too.
const LIMITED_PAUSE: Duration = Duration::from_secs(30);

/// How long a connection that waits for its next attempt, without a new error, is looked at: a
/// restart may have cut its call off, and then it is repeated within seconds. If it waited before
/// it was asked, its next attempt may be hours away.
const REPEAT_MAX: Duration = Duration::from_secs(15);

/// An item that has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) index: u32,
    pub(super) outcome: ItemOutcome,
    pub(super) failure: Option<ItemFailure>,
}

/// What is known of an item whose command is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It has ended: with this error of a call, or without one.
    Over(Option<ErrorCode>),
    /// Look again after this time.
    After(Duration),
}

/// Whether the calls for a connection that was asked for something at `since` have ended. A call
/// that a rate limit or a full queue has put off has not: the item keeps its place meanwhile, so
/// that the rest of the operation waits with it.
fn look(connection: &Connection, since: Timestamp, now: Timestamp, held: Duration) -> Look {
    let lifecycle = &connection.lifecycle;
    let error = connection
        .last_error
        .as_ref()
        .filter(|error| error.at >= since);
    let code = error.map(|error| error.code);
    let is_waiting = matches!(lifecycle.phase, Phase::Waiting { .. });
    let hold_max = match code {
        _ if lifecycle.call_outstanding() => HOLD_MAX,
        Some(ErrorCode::RateLimited | ErrorCode::CallsWaiting) => HOLD_MAX,
        // However long that lasts: the rest of the operation would fail, too.
        Some(ErrorCode::ProviderOutage) => Duration::MAX,
        None if is_waiting => REPEAT_MAX,
        Some(_) | None => Duration::ZERO,
    };
    if held < hold_max {
        let due = connection
            .retry_due_at
            .map_or(Duration::ZERO, |due| due.since(now));
        return Look::After(due.clamp(LOOK.initial, LOOK.cap));
    }
    // One that waits with an older error was not called since it was asked.
    let older = connection.last_error.as_ref().filter(|_| is_waiting);
    Look::Over(code.or(older.map(|error| error.code)))
}

/// Follows items.
#[derive(Clone)]
pub(super) struct Follower {
    services: Arc<Services>,
    registry: Arc<Registry>,
}

impl Follower {
    pub(super) const fn new(services: Arc<Services>, registry: Arc<Registry>) -> Self {
        Self { services, registry }
    }

    async fn pause(&self, looks: &mut u32) {
        *looks = looks.saturating_add(1);
        let wait = LOOK.wait(*looks, self.services.ports.chance());
        tokio::time::sleep(wait).await;
    }

    /// Follows a command, and the calls that it causes.
    pub(super) async fn command(
        &self,
        index: u32,
        action: &Action,
        connection: ConnectionId,
        command: CommandId,
    ) -> Ended {
        let ended = |outcome, code| self.ended(index, connection, outcome, code);
        let Some(command) = self.end_of(connection, command).await else {
            // Deleted with the history before it was counted: its outcome is unknown.
            return ended(ItemOutcome::Failed, Some(ErrorCode::Unknown)).await;
        };
        match command.state {
            CommandState::Done {
                outcome: CommandOutcome::Unchanged,
                ..
            } => ended(ItemOutcome::Unchanged, None).await,
            CommandState::Failed {
                code: ErrorCode::NotFound,
                ..
            } => ended(ItemOutcome::Gone, Some(ErrorCode::NotFound)).await,
            CommandState::Failed { code, .. } => ended(ItemOutcome::Failed, Some(code)).await,
            // It makes no call: one that fails now is of something else.
            CommandState::Done { .. } if *action == Action::Pause => {
                ended(ItemOutcome::Applied, None).await
            }
            CommandState::Asked | CommandState::Done { .. } => {
                let is_pinging = *action == Action::Ping;
                match self.calls(connection, command.asked_at, is_pinging).await {
                    Some(code) => ended(ItemOutcome::CallFailed, Some(code)).await,
                    None => ended(ItemOutcome::Applied, None).await,
                }
            }
        }
    }

    /// The command once it has ended; `None` when it is not stored any more.
    async fn end_of(&self, connection: ConnectionId, id: CommandId) -> Option<Command> {
        let mut looks = 0;
        loop {
            let (answer, answered) = oneshot::channel();
            let waiter = Waiter {
                command: id,
                answer,
                leaving: None,
            };
            let asked = Cause::Asked(Box::new(waiter));
            if self.registry.reach(connection, asked).await.is_ok() {
                // The store says what became of it, also when no answer comes.
                drop(tokio::time::timeout(COMMAND_TIMEOUT, answered).await);
            }
            match self.services.ports.store.command(id).await {
                Ok(Some(command)) if command.is_asked() => {}
                Ok(found) => return found,
                Err(error) => {
                    tracing::warn!(command.id = %id, %error, "a command cannot be read");
                }
            }
            self.pause(&mut looks).await;
        }
    }

    /// Waits until the calls for a connection have ended. Returns the error of the last one.
    async fn calls(
        &self,
        id: ConnectionId,
        since: Timestamp,
        is_pinging: bool,
    ) -> Option<ErrorCode> {
        let (ports, begun, mut looks) = (&self.services.ports, Instant::now(), 0);
        loop {
            self.registry.settled(id, SETTLE_LOOK).await;
            let connection = match ports.store.connection(id).await {
                Ok(Some(connection)) => connection,
                // It was disconnected, and its hook is deleted.
                Ok(None) => return None,
                Err(error) => {
                    tracing::warn!(connection.id = %id, %error, "a connection cannot be read");
                    self.pause(&mut looks).await;
                    continue;
                }
            };
            match look(&connection, since, ports.now(), begun.elapsed()) {
                Look::Over(code) => return code,
                // A ping is not repeated.
                Look::After(_) if is_pinging && !connection.lifecycle.call_outstanding() => {
                    tokio::time::sleep(LIMITED_PAUSE).await;
                    return connection.last_error.map(|error| error.code);
                }
                Look::After(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    async fn ended(
        &self,
        index: u32,
        connection: ConnectionId,
        outcome: ItemOutcome,
        code: Option<ErrorCode>,
    ) -> Ended {
        let failure = match code {
            None => None,
            Some(code) => {
                let found = self.services.ports.store.connection(connection).await;
                let found = found.ok().flatten();
                Some(ItemFailure {
                    connection: Some(connection),
                    full_name: found.map(|connection| connection.full_name),
                    outcome,
                    code,
                })
            }
        };
        Ended {
            index,
            outcome,
            failure,
        }
    }

    /// Connects a repository, and follows the calls for its first hook. After a restart it may be
    /// connected already: then it was by this operation, if it was since.
    pub(super) async fn repository(
        &self,
        index: u32,
        operation: OperationId,
        owner: OwnerId,
        asked_at: Timestamp,
    ) -> Ended {
        let Some((new, replaces)) = self.item(operation, index).await else {
            return refused(index, None, ErrorCode::Internal);
        };
        let full_name = new.full_name.clone();
        let connector = Connector {
            services: Arc::clone(&self.services),
            registry: Arc::clone(&self.registry),
            priority: Priority::Repair,
        };
        let mut looks = 0;
        let (connection, created_at) = loop {
            let request = request(owner, &new, replaces.clone());
            match connector.connect(request).await {
                Ok(connection) => break (connection.id, connection.created_at),
                Err(ConnectError::AlreadyConnected(id)) => {
                    match self.services.ports.store.connection(id).await {
                        Ok(Some(found)) if found.created_at >= asked_at => {
                            break (id, found.created_at);
                        }
                        Ok(_) => {
                            let outcome = ItemOutcome::Unchanged;
                            return self.ended(index, id, outcome, None).await;
                        }
                        Err(_) => self.pause(&mut looks).await,
                    }
                }
                Err(ConnectError::Commit(error)) if error.is_temporary() => {
                    self.pause(&mut looks).await;
                }
                Err(ConnectError::Read(_)) => self.pause(&mut looks).await,
                Err(error) => return refused(index, Some(full_name), error.code()),
            }
        };
        match self.calls(connection, created_at, false).await {
            None => {
                self.ended(index, connection, ItemOutcome::Applied, None)
                    .await
            }
            Some(code) => {
                let outcome = ItemOutcome::CallFailed;
                self.ended(index, connection, outcome, Some(code)).await
            }
        }
    }

    async fn item(
        &self,
        operation: OperationId,
        index: u32,
    ) -> Option<(NewConnection, Option<Replace>)> {
        let mut looks = 0;
        let chunk = loop {
            let store = &self.services.ports.store;
            match store.operation_chunk(operation, index / CHUNK_ITEMS).await {
                Ok(chunk) => break chunk?,
                Err(crate::store::ReadError::Damaged { .. }) => return None,
                Err(crate::store::ReadError::Unavailable(_)) => self.pause(&mut looks).await,
            }
        };
        let at = usize::try_from(index % CHUNK_ITEMS).ok()?;
        match chunk.items.into_iter().nth(at)? {
            Item::Repository(new) => Some((*new, None)),
            Item::Replacing { new, replaces } => Some((*new, Some(replaces))),
            Item::Connection(_) => None,
        }
    }
}

fn request(owner: OwnerId, new: &NewConnection, replaces: Option<Replace>) -> ConnectRequest {
    ConnectRequest {
        owner,
        provider: new.instance.provider,
        host: Some(new.instance.host.clone()),
        full_name: new.full_name.clone(),
        events: new.events.clone(),
        setup_webhook: new.is_enabled,
        credential: new.credential,
        replaces,
        adopts: None,
    }
}

fn refused(index: u32, full_name: Option<FullName>, code: ErrorCode) -> Ended {
    let outcome = ItemOutcome::Failed;
    Ended {
        index,
        outcome,
        failure: Some(ItemFailure {
            connection: None,
            full_name,
            outcome,
            code,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::connection::LastError;
    use crate::domain::samples;

    const NOW: Timestamp = Timestamp(1_000_000);
    const SINCE: Timestamp = Timestamp(900_000);

    fn seen(phase: Phase, error: Option<(ErrorCode, i64)>, held: u64) -> Look {
        let mut connection = samples::connection(1, "o/r");
        connection.lifecycle.phase = phase;
        connection.last_error = error.map(|(code, at)| LastError {
            code,
            message: String::new(),
            at: Timestamp(at),
        });
        look(&connection, SINCE, NOW, Duration::from_secs(held))
    }

    #[test]
    fn an_item_ends_when_its_calls_have_and_no_limit_puts_them_off() {
        let (over, again) = (Look::Over, Look::After(LOOK.initial));
        let waiting = Phase::Waiting { attempt: 1 };
        let limited = Some((ErrorCode::RateLimited, 950_000));
        let refused = Some((ErrorCode::NoAccess, 950_000));
        let older = Some((ErrorCode::NoAccess, 1));
        for (phase, error, held, wanted) in [
            (Phase::Active, None, 0, over(None)),
            (Phase::Active, older, 0, over(None)),
            (Phase::Active, refused, 0, over(Some(ErrorCode::NoAccess))),
            (Phase::Checking, refused, 3600, again),
            (Phase::Checking, None, 4200, over(None)),
            (Phase::Active, limited, 3600, again),
            (
                Phase::Active,
                limited,
                4200,
                over(Some(ErrorCode::RateLimited)),
            ),
            (waiting, limited, 3600, again),
            (waiting, refused, 0, over(Some(ErrorCode::NoAccess))),
            // A restart may have cut the call off; if not, it was in trouble before.
            (waiting, None, 0, again),
            (waiting, older, 0, again),
            (waiting, older, 20, over(Some(ErrorCode::NoAccess))),
            (waiting, None, 20, over(None)),
        ] {
            assert_eq!(
                seen(phase, error, held),
                wanted,
                "{phase:?} {error:?} {held}"
            );
        }
    }
}
