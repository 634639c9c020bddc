//! An operation: one request for many connections, as a record. It makes commands (see
//! [`super::command`]) a few at a time, and counts their outcomes.
//!
//! What it is about is frozen when it is made: the items, in chunks, and their order. `position`
//! says how many of them were begun, and `open` which of those have not ended. Both are written in
//! the same batch as the commands, so that a restart at any point begins no item twice and none is
//! left out (ADR 28).
//!
//! - **OP-1** `position` and the counts never decrease, and an item is counted once.
//! - **OP-2** `position` is the number of counted and of open items together.
//! - **OP-3** an operation ends once: when every item is counted, or when it was cancelled and no
//!   item is open.

mod plan;

pub use plan::{Verdict, judge};

use super::command::CommandKind;
use super::connection::WebhookStatus;
use super::error_code::ErrorCode;
use super::id::{CommandId, ConnectionId, CredentialId, OperationId, OwnerId, UserId};
use super::repo::{FullName, Host, Instance, ProviderKind};
use super::takeover::Replace;
use super::time::Timestamp;

/// Most items of an operation.
pub const ITEMS_MAX: usize = 100_000;
/// Items in each chunk but the last: a record of a few kilobytes to read for a few hundred items.
pub const CHUNK_ITEMS: u32 = 500;
/// Most operations of an owner that have not ended.
pub const UNFINISHED_MAX: usize = 16;
/// Operations of an owner that are kept: beyond, the oldest that have ended are deleted.
pub const KEPT_MAX: usize = 100;
/// Items that are open at a time, of an operation whose items need the provider: few, so that a
/// user's single request never waits behind many.
const OPEN_CALLS_MAX: usize = 8;
/// The same, of an operation that only changes what is stored.
const OPEN_WRITES_MAX: usize = 64;
/// Failures that an operation keeps with their reasons. The counts have all of them.
pub const FAILURES_MAX: usize = 100;

named! {
    /// What an operation asks of each of its items.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Action {
        /// Check the hook; ends a suspension.
        Check = "check",
        /// Request a test delivery.
        Ping = "ping",
        /// Delete the hook and create it again.
        Recreate = "recreate",
        /// Give the hook a new secret.
        RotateSecret = "rotate_secret",
        /// Pause.
        Pause = "pause",
        /// Resume.
        Resume = "resume",
        /// Disconnect.
        Disconnect {
            /// Whether to delete the hook at the provider.
            delete_hook: bool,
        } = "disconnect",
        /// Subscribe to these events instead, sorted, each once.
        SetEvents(Vec<String>) = "set_events",
        /// Connect repositories: the only action whose items are no connections yet.
        Connect = "connect",
    }
}

/// Actions that change the same thing. Of one owner, operations of one track run one after the
/// other, in the order in which they were asked: what was asked last is what stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// Whether there is a connection, and whether it is enabled.
    Wanted,
    /// The events.
    Events,
    /// Nothing that is wanted: only the hook at the provider.
    Hook,
}

impl Action {
    /// The command for each connection; `None` for [`Self::Connect`].
    pub fn command(&self) -> Option<CommandKind> {
        Some(match self {
            Self::Check => CommandKind::Check,
            Self::Ping => CommandKind::Ping,
            Self::Recreate => CommandKind::Recreate,
            Self::RotateSecret => CommandKind::RotateSecret,
            Self::Pause => CommandKind::SetEnabled(false),
            Self::Resume => CommandKind::SetEnabled(true),
            Self::Disconnect { delete_hook } => CommandKind::Disconnect {
                delete_hook: *delete_hook,
            },
            Self::SetEvents(events) => CommandKind::SetEvents(events.clone()),
            Self::Connect => return None,
        })
    }

    /// What it changes.
    pub const fn track(&self) -> Track {
        match self {
            Self::Pause | Self::Resume | Self::Disconnect { .. } | Self::Connect => Track::Wanted,
            Self::SetEvents(_) => Track::Events,
            Self::Check | Self::Ping | Self::Recreate | Self::RotateSecret => Track::Hook,
        }
    }

    /// The events of [`Self::SetEvents`].
    pub fn events(&self) -> Option<&[String]> {
        if let Self::SetEvents(events) = self {
            return Some(events);
        }
        None
    }

    /// Whether [`Self::Disconnect`] deletes hooks at the provider.
    pub const fn deletes_hooks(&self) -> Option<bool> {
        if let Self::Disconnect { delete_hook } = self {
            return Some(*delete_hook);
        }
        None
    }

    /// Most items that are open at a time.
    pub const fn open_max(&self) -> usize {
        match self {
            Self::Pause => OPEN_WRITES_MAX,
            Self::Check
            | Self::Ping
            | Self::Recreate
            | Self::RotateSecret
            | Self::Resume
            | Self::Disconnect { .. }
            | Self::SetEvents(_)
            | Self::Connect => OPEN_CALLS_MAX,
        }
    }
}

/// What was selected, in the words of the request: for people. The items are what counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// All connections.
    pub all: bool,
    /// The number of ids that were given.
    pub ids: u32,
    /// Only at this kind of provider.
    pub provider: Option<ProviderKind>,
    /// Only at this host.
    pub host: Option<Host>,
    /// Only of this user, organisation or group.
    pub owner_name: Option<String>,
    /// Only to repositories of this name, or whose name matches this pattern.
    pub pattern: Option<String>,
    /// Only those with this status.
    pub status: Option<WebhookStatus>,
}

/// A repository to be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConnection {
    /// The installation.
    pub instance: Instance,
    /// The repository.
    pub full_name: FullName,
    /// The events to subscribe to, sorted, each once.
    pub events: Vec<String>,
    /// Whether it starts enabled; otherwise it starts paused, without a hook.
    pub is_enabled: bool,
    /// The credential to use; `None` for any of the owner's that fits.
    pub credential: Option<CredentialId>,
}

/// What an operation asks its action of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A connection.
    Connection(ConnectionId),
    /// A repository, for [`Action::Connect`].
    Repository(Box<NewConnection>),
    /// The same, where hooks of others are replaced.
    Replacing {
        /// The repository.
        new: Box<NewConnection>,
        /// Which hooks are replaced.
        replaces: Replace,
    },
}

/// Some items of an operation. Chunks are deleted when the operation has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The operation.
    pub operation: OperationId,
    /// Which chunk, from zero.
    pub index: u32,
    /// The items: [`CHUNK_ITEMS`], in the last chunk maybe fewer.
    pub items: Vec<Item>,
}

/// An item that was begun and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which item, from zero.
    pub index: u32,
    /// Its connection and the command; `None` for a repository that is being connected.
    pub command: Option<(ConnectionId, CommandId)>,
}

named! {
    /// How an item ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum ItemOutcome {
        /// It was carried out, calls to the provider included.
        Applied = "applied",
        /// It was like that before.
        Unchanged = "unchanged",
        /// It was carried out, but a call to the provider failed. Where that helps, the
        /// connection retries.
        CallFailed = "call_failed",
        /// It was not carried out, and nothing changed.
        Failed = "failed",
        /// The connection was removed in the meantime.
        Gone = "gone",
    }
}

impl ItemOutcome {
    /// Whether it is as the user wanted.
    pub const fn is_success(self) -> bool {
        match self {
            Self::Applied | Self::Unchanged => true,
            Self::CallFailed | Self::Failed | Self::Gone => false,
        }
    }
}

/// How many items ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// [`ItemOutcome::Applied`].
    pub applied: u32,
    /// [`ItemOutcome::Unchanged`].
    pub unchanged: u32,
    /// [`ItemOutcome::CallFailed`].
    pub call_failed: u32,
    /// [`ItemOutcome::Failed`].
    pub failed: u32,
    /// [`ItemOutcome::Gone`].
    pub gone: u32,
}

impl Tally {
    /// The number of items with this outcome.
    pub const fn of(&self, outcome: ItemOutcome) -> u32 {
        match outcome {
            ItemOutcome::Applied => self.applied,
            ItemOutcome::Unchanged => self.unchanged,
            ItemOutcome::CallFailed => self.call_failed,
            ItemOutcome::Failed => self.failed,
            ItemOutcome::Gone => self.gone,
        }
    }

    /// All of them.
    pub fn sum(&self) -> u32 {
        let all = ItemOutcome::ALL.map(|outcome| self.of(outcome));
        all.into_iter().fold(0, u32::saturating_add)
    }

    fn add(&mut self, outcome: ItemOutcome) {
        let count = match outcome {
            ItemOutcome::Applied => &mut self.applied,
            ItemOutcome::Unchanged => &mut self.unchanged,
            ItemOutcome::CallFailed => &mut self.call_failed,
            ItemOutcome::Failed => &mut self.failed,
            ItemOutcome::Gone => &mut self.gone,
        };
        *count = count.saturating_add(1);
    }
}

/// An item that did not end as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFailure {
    /// The connection, if there was one.
    pub connection: Option<ConnectionId>,
    /// The repository, if it is known.
    pub full_name: Option<FullName>,
    /// How it ended.
    pub outcome: ItemOutcome,
    /// Why.
    pub code: ErrorCode,
}

named! {
    /// The progress of an operation.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum OperationState {
        /// Another operation of the owner that changes the same has to end first.
        Queued = "queued",
        /// Items are begun.
        Running = "running",
        /// A user cancelled it: no more items are begun. Those that were are followed to their
        /// end.
        Cancelled {
            /// The time.
            at: Timestamp,
        } = "cancelled",
        /// Every item is counted.
        Done {
            /// The time.
            at: Timestamp,
        } = "done",
    }
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// The owner of all its connections.
    pub owner: OwnerId,
    /// The user who asked for it.
    pub asked_by: UserId,
    /// The time of the request.
    pub asked_at: Timestamp,
    /// The request.
    pub action: Action,
    /// What was selected.
    pub selection: Selection,
    /// The number of items.
    pub total: u32,
    /// The number of items that were begun.
    pub position: u32,
    /// Those of them that have not ended.
    pub open: Vec<Open>,
    /// How the others ended.
    pub tally: Tally,
    /// The first [`FAILURES_MAX`] items that did not end as wanted.
    pub failures: Vec<ItemFailure>,
    /// When the first item was begun.
    pub started_at: Option<Timestamp>,
    /// The progress.
    pub state: OperationState,
}

impl Operation {
    /// Whether nothing more comes of it.
    pub const fn is_over(&self) -> bool {
        match self.state {
            OperationState::Queued | OperationState::Running => false,
            OperationState::Cancelled { .. } => self.open.is_empty(),
            OperationState::Done { .. } => true,
        }
    }

    /// When it ended or was cancelled.
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self.state {
            OperationState::Queued | OperationState::Running => None,
            OperationState::Cancelled { at } | OperationState::Done { at } => Some(at),
        }
    }

    /// The number of chunks.
    pub const fn chunks(&self) -> u32 {
        self.total.div_ceil(CHUNK_ITEMS)
    }

    /// How many more items may be begun now.
    pub fn room(&self) -> usize {
        match self.state {
            OperationState::Cancelled { .. } | OperationState::Done { .. } => 0,
            OperationState::Queued | OperationState::Running => {
                let left = self.total.saturating_sub(self.position);
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                left.min(self.action.open_max().saturating_sub(self.open.len()))
            }
        }
    }

    /// Begins the next item, with its command if it is a connection's.
    pub fn begin(&mut self, command: Option<(ConnectionId, CommandId)>, now: Timestamp) {
        let index = self.position;
        self.open.push(Open { index, command });
        self.step(now);
    }

    /// Counts the next item without beginning it: its connection is gone, or cannot be asked.
    pub fn pass(&mut self, failure: ItemFailure, now: Timestamp) {
        self.step(now);
        self.count(failure.outcome, Some(failure));
        self.settle(now);
    }

    fn step(&mut self, now: Timestamp) {
        debug_assert!(self.position < self.total);
        self.position = self.position.saturating_add(1);
        self.started_at.get_or_insert(now);
        if self.state == OperationState::Queued {
            self.state = OperationState::Running;
        }
    }

    /// An open item has ended. Nothing happens when it was counted before.
    pub fn end(
        &mut self,
        index: u32,
        outcome: ItemOutcome,
        failure: Option<ItemFailure>,
        now: Timestamp,
    ) {
        let before = self.open.len();
        self.open.retain(|open| open.index != index);
        if self.open.len() < before {
            self.count(outcome, failure);
            self.settle(now);
        }
    }

    fn count(&mut self, outcome: ItemOutcome, failure: Option<ItemFailure>) {
        self.tally.add(outcome);
        if self.failures.len() < FAILURES_MAX {
            self.failures.extend(failure);
        }
    }

    fn settle(&mut self, now: Timestamp) {
        let is_running = self.state == OperationState::Running;
        if is_running && self.position == self.total && self.open.is_empty() {
            self.state = OperationState::Done { at: now };
        }
    }

    /// Cancels it: no more items are begun. Returns whether that changed anything.
    pub fn cancel(&mut self, now: Timestamp) -> bool {
        match self.state {
            OperationState::Queued | OperationState::Running => {
                self.state = OperationState::Cancelled { at: now };
                true
            }
            OperationState::Cancelled { .. } | OperationState::Done { .. } => false,
        }
    }
}

/// The items of an operation, in chunks.
pub fn chunked(operation: OperationId, items: Vec<Item>) -> Vec<Chunk> {
    let mut items = items.into_iter().peekable();
    let mut chunks = Vec::new();
    for index in 0.. {
        if items.peek().is_none() {
            break;
        }
        let items = (0..CHUNK_ITEMS).map_while(|_| items.next()).collect();
        chunks.push(Chunk {
            operation,
            index,
            items,
        });
    }
    chunks
}

/// The operations that may run now, oldest first: of each owner and track the oldest. `unfinished`
/// may be in any order; those that were cancelled still have open items, and hold their turn until
/// these ended.
pub fn runnable<'a>(unfinished: impl IntoIterator<Item = &'a Operation>) -> Vec<OperationId> {
    let mut first = std::collections::BTreeMap::new();
    for operation in unfinished.into_iter().filter(|it| !it.is_over()) {
        let turn = first.entry((operation.owner, operation.action.track()));
        let turn = turn.or_insert(operation.id);
        *turn = operation.id.min(*turn);
    }
    let mut first: Vec<OperationId> = first.into_values().collect();
    first.sort_unstable();
    first
}

#[cfg(test)]
mod tests;
