//! One operation: begins its items, follows them, and counts them.
//!
//! Each step is one commit: the items that ended are counted, and the next ones are begun, with
//! their commands. Its guards say that the operation is still as it was read, so of two processes
//! (or of this one and a user who cancels) only one writes, and the other reads again.

use super::super::registry::Registry;
use super::super::services::Services;
use super::follow::{Ended, Follower};
use crate::domain::backoff::Backoff;
use crate::domain::command::{Command, CommandState};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{CommandId, ConnectionId, OperationId};
use crate::domain::operation::{
    CHUNK_ITEMS, Chunk, Item, ItemFailure, ItemOutcome, Operation, OperationState,
};
use crate::store::{Batch, Change, CommitError, Conflict, Guard, ReadError};
use crate::telemetry::metric;
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use metrics::counter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Waits before a step that the store refused is tried again.
const RETRY: Backoff = Backoff {
    initial: Duration::from_millis(500),
    cap: Duration::from_secs(30),
};
/// Most items that one step passes or begins.
const STEP_ITEMS_MAX: usize = 500;

/// What one step found.
enum Step {
    /// The operation has ended, or is gone.
    Over,
    /// What could be done is done.
    Waits,
    /// Something else changed what it was based on.
    Again,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// A step to be committed.
struct Plan {
    next: Operation,
    guards: Vec<Guard>,
    changes: Vec<Change>,
}

/// An item that cannot be read.
const fn unreadable() -> ItemFailure {
    ItemFailure {
        connection: None,
        full_name: None,
        outcome: ItemOutcome::Failed,
        code: ErrorCode::Internal,
    }
}

/// A running operation.
pub(super) struct Runner {
    services: Arc<Services>,
    follower: Follower,
    id: OperationId,
    /// It was changed by a user.
    news: Arc<Notify>,
    following: FuturesUnordered<LocalBoxFuture<'static, Ended>>,
    /// The items that are followed, or have ended and are not counted yet.
    followed: BTreeSet<u32>,
    /// Items that have ended and are not counted yet.
    ended: Vec<Ended>,
    /// Connections that the store did not let be asked.
    refused: BTreeMap<ConnectionId, ItemFailure>,
    /// The chunk that was read last.
    chunk: Option<Chunk>,
}

impl Runner {
    pub(super) fn new(
        (services, registry): (Arc<Services>, Arc<Registry>),
        id: OperationId,
        news: Arc<Notify>,
    ) -> Self {
        Self {
            follower: Follower::new(Arc::clone(&services), registry),
            services,
            id,
            news,
            following: FuturesUnordered::new(),
            followed: BTreeSet::new(),
            ended: Vec::new(),
            refused: BTreeMap::new(),
            chunk: None,
        }
    }

    /// Runs it to its end.
    pub(super) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            match self.step().await {
                Ok(Step::Over) => return,
                Ok(Step::Again) => failures = 0,
                Ok(Step::Waits) => {
                    failures = 0;
                    self.wait().await;
                }
                Err(error) => {
                    let id = self.id;
                    tracing::warn!(operation.id = %id, %error, "an operation waits for the store");
                    failures = failures.saturating_add(1);
                    let wait = RETRY.wait(failures, self.services.ports.chance());
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Waits until an item has ended, or a user has changed the operation.
    async fn wait(&mut self) {
        tokio::select! {
            biased;
            Some(ended) = self.following.next() => self.ended.push(ended),
            () = self.news.notified() => {}
        }
        while let Some(Some(ended)) = self.following.next().now_or_never() {
            self.ended.push(ended);
        }
    }

    /// Counts what has ended, and begins what may begin.
    async fn step(&mut self) -> Result<Step, Trouble> {
        let store = Arc::clone(&self.services.ports.store);
        let Some(operation) = store.operation(self.id).await? else {
            return Ok(Step::Over);
        };
        if operation.is_over() {
            return Ok(Step::Over);
        }
        self.follow(&operation);
        let plan = self.plan(&operation).await?;
        if plan.next == operation {
            return Ok(Step::Waits);
        }
        let (next, counted) = (plan.next, self.ended.len());
        let batch = Batch {
            guards: plan.guards,
            ..Batch::of(plan.changes)
        };
        match store.commit(batch).await {
            Ok(()) => {}
            Err(CommitError::Conflict(conflict)) => {
                return self.yield_to(conflict, operation).await;
            }
            Err(error) => return Err(error.into()),
        }
        self.report(&operation, &next);
        for ended in self.ended.drain(..counted) {
            self.followed.remove(&ended.index);
        }
        self.refused.clear();
        self.follow(&next);
        Ok(if next.is_over() {
            Step::Over
        } else if next.room() > 0 {
            Step::Again
        } else {
            Step::Waits
        })
    }

    /// Something that the step was based on has changed.
    async fn yield_to(
        &mut self,
        conflict: Conflict,
        mut operation: Operation,
    ) -> Result<Step, Trouble> {
        let failure = |connection, outcome, code| ItemFailure {
            connection: Some(connection),
            full_name: None,
            outcome,
            code,
        };
        match conflict {
            Conflict::NoConnection(id) => {
                let gone = failure(id, ItemOutcome::Gone, ErrorCode::NotFound);
                self.refused.insert(id, gone);
            }
            Conflict::CommandsWaiting(id) => {
                let full = failure(id, ItemOutcome::Failed, ErrorCode::Overloaded);
                self.refused.insert(id, full);
            }
            // Their connections are being disconnected.
            Conflict::Owner(_) => {
                let guard = Guard::SameOperation(Box::new(operation.clone()));
                operation.cancel(self.services.ports.now());
                let put = Change::PutOperation(Box::new(operation));
                let batch = Batch::of(vec![put]).guarded_by(guard);
                match self.services.ports.store.commit(batch).await {
                    Ok(()) | Err(CommitError::Conflict(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Conflict::Operation(_)
            | Conflict::Delivery(_)
            | Conflict::Connection(_)
            | Conflict::Hook(_)
            | Conflict::User(_)
            | Conflict::Credential(_)
            | Conflict::Command(_)
            | Conflict::OperationsUnfinished(_)
            | Conflict::Sinks(_)
            | Conflict::Lease(_)
            | Conflict::Changed => {}
        }
        Ok(Step::Again)
    }

    /// Follows the open items that are not followed yet: those just begun, and after a start those
    /// of the process before.
    fn follow(&mut self, operation: &Operation) {
        for open in &operation.open {
            if self.followed.insert(open.index) {
                let (follower, open) = (self.follower.clone(), open.clone());
                let (id, asked_at) = (operation.id, operation.asked_at);
                let action = operation.action.clone();
                let owner = operation.owner;
                self.following.push(Box::pin(async move {
                    match open.command {
                        Some((connection, command)) => {
                            follower
                                .command(open.index, &action, connection, command)
                                .await
                        }
                        None => follower.repository(open.index, id, owner, asked_at).await,
                    }
                }));
            }
        }
    }

    async fn plan(&mut self, operation: &Operation) -> Result<Plan, ReadError> {
        let (mut next, now) = (operation.clone(), self.services.ports.now());
        for ended in &self.ended {
            next.end(ended.index, ended.outcome, ended.failure.clone(), now);
        }
        let mut guards = vec![Guard::SameOperation(Box::new(operation.clone()))];
        let mut changes = Vec::new();
        for _ in 0..STEP_ITEMS_MAX {
            if next.room() == 0 {
                break;
            }
            match self.item(next.position).await? {
                Some(Item::Connection(id)) => {
                    if let Some(failure) = self.obstacle(operation, id).await? {
                        next.pass(failure, now);
                        continue;
                    }
                    // Only items of another kind have an action without a command.
                    let Some(command) = self.command(operation, id) else {
                        next.pass(unreadable(), now);
                        continue;
                    };
                    next.begin(Some((id, command.id)), now);
                    guards.push(Guard::NewCommand(id));
                    changes.push(Change::PutCommand(Box::new(command)));
                }
                Some(Item::Repository(_) | Item::Replacing { .. }) => next.begin(None, now),
                // The chunk is damaged or missing.
                None => next.pass(unreadable(), now),
            }
        }
        if next.position > operation.position {
            guards.push(Guard::OwnerPresent(operation.owner));
        }
        changes.push(Change::PutOperation(Box::new(next.clone())));
        Ok(Plan {
            next,
            guards,
            changes,
        })
    }

    /// Why a connection cannot be asked; `None` when it can, as far as is known before the commit.
    async fn obstacle(
        &self,
        operation: &Operation,
        id: ConnectionId,
    ) -> Result<Option<ItemFailure>, ReadError> {
        if let Some(refused) = self.refused.get(&id) {
            return Ok(Some(refused.clone()));
        }
        let found = self.services.ports.store.connection(id).await?;
        let full_name = found
            .as_ref()
            .map(|connection| connection.full_name.clone());
        let is_there = |c: &crate::domain::connection::Connection| {
            c.owner == operation.owner && !c.is_removed()
        };
        Ok(
            (!found.as_ref().is_some_and(is_there)).then_some(ItemFailure {
                connection: Some(id),
                full_name,
                outcome: ItemOutcome::Gone,
                code: ErrorCode::NotFound,
            }),
        )
    }

    fn command(&self, operation: &Operation, connection: ConnectionId) -> Option<Command> {
        let ports = &self.services.ports;
        Some(Command {
            id: CommandId::generate(ports.clock.now_for_id(), &*ports.entropy),
            connection,
            owner: operation.owner,
            kind: operation.action.command()?,
            asked_by: operation.asked_by,
            asked_at: ports.now(),
            operation: Some(operation.id),
            state: CommandState::Asked,
        })
    }

    /// An item by its number.
    async fn item(&mut self, number: u32) -> Result<Option<Item>, ReadError> {
        let (index, at) = (number / CHUNK_ITEMS, number % CHUNK_ITEMS);
        if self.chunk.as_ref().is_none_or(|chunk| chunk.index != index) {
            let read = self.services.ports.store.operation_chunk(self.id, index);
            self.chunk = match read.await {
                Ok(chunk) => chunk,
                Err(ReadError::Damaged { .. }) => None,
                Err(error @ ReadError::Unavailable(_)) => return Err(error),
            };
        }
        let items = self.chunk.as_ref().map(|chunk| &chunk.items);
        let at = usize::try_from(at).expect("less than 500");
        Ok(items.and_then(|items| items.get(at)).cloned())
    }

    /// Metrics and the log.
    fn report(&self, before: &Operation, after: &Operation) {
        let action = after.action.as_str();
        for outcome in ItemOutcome::ALL {
            let count = after.tally.of(outcome) - before.tally.of(outcome);
            let labels = [("action", action), ("outcome", outcome.as_str())];
            counter!(metric::ITEMS, &labels).increment(count.into());
        }
        if before.state == OperationState::Queued {
            let items = after.total;
            tracing::info!(operation.id = %self.id, action, items, "operation_started");
        }
        if after.is_over() {
            let failed = after.tally.sum() - after.tally.applied - after.tally.unchanged;
            let state = after.state.as_str();
            tracing::info!(operation.id = %self.id, action, state, failed, "operation_ended");
        }
    }
}
