//! What an actor knows between two turns, as far as it is not stored.

use super::cause::{Leaving, Waiter};
use super::doubts::Doubts;

use super::plan::Edit;
use super::tending::Tending;
use crate::domain::connection::Connection;
use crate::domain::id::DeliveryId;
use crate::domain::lifecycle::Input;
use crate::store::Lease;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// A step that no other part can repeat, and whose commit failed.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) input: Input,
    pub(super) edit: Edit,
}

/// What an actor knows. At rest it knows nothing that is not stored, and keeps none of it: a
/// hundred thousand connections are at rest most of the time.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all combinations occur"
)]
pub(super) struct State {
    /// The connection as committed; `None` before it was read, or when it is gone.
    pub(super) connection: Option<Connection>,
    /// The right to write it; `None` before it was claimed.
    pub(super) lease: Option<Lease>,
    /// Who waits for the outstanding call to end.
    pub(super) waiting: Vec<oneshot::Sender<()>>,
    /// Who has disconnected, and waits for what becomes of the hook.
    pub(super) leaving: Vec<Leaving>,
    /// Commands may be stored that were not carried out: since the start, or since one was asked.
    pub(super) has_commands: bool,
    /// Who waits for a command that is stored.
    pub(super) waiters: Vec<Waiter>,
    /// Steps to be taken as soon as the store takes them, in order.
    pub(super) owed: VecDeque<Owed>,
    /// Failures of the store since something could be stored or read.
    pub(super) store_failures: u32,
    /// After a panic deliveries are processed one at a time, each with its try counted first.
    pub(super) careful: bool,
    /// The delivery whose try is counted already, and which has not panicked since.
    pub(super) counted: Option<DeliveryId>,
    /// That it is this hook's turn to be moved.
    pub(super) has_move_turn: bool,
    /// What deliveries with wrong signatures have against the hook.
    pub(super) doubts: Doubts,
    /// What the events were before a user chose others, until these are written at the provider.
    pub(super) former_events: Vec<Vec<String>>,
    /// What it does about hooks of others.
    pub(super) tending: Tending,
    /// Deliveries could not be processed: there is a pause.
    pub(super) is_pausing: bool,
    /// A person waits for the call that is outstanding, or about to be.
    pub(super) is_awaited: bool,
    /// Deliveries came lately: more may come soon, and the state is kept for them.
    pub(super) lingers: bool,
}

impl State {
    pub(super) fn call_outstanding(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|c| c.lifecycle.call_outstanding())
    }

    /// Whether everything that it knows is stored.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.lingers
            && !self.call_outstanding()
            && self.waiting.is_empty()
            && self.leaving.is_empty()
            && !self.has_commands
            && self.waiters.is_empty()
            && self.owed.is_empty()
            && (self.store_failures == 0 || self.connection.is_some())
            && !self.careful
            && self.counted.is_none()
            && !self.has_move_turn
            && self.doubts.are_none()
            && self.tending.is_none()
            && !self.is_pausing
    }
}
