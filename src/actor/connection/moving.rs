//! Moving the hook to our current address when its turn comes.

use super::plan::Edit;
use super::turn::Turn;
use crate::domain::connection::Connection;
use crate::domain::lifecycle::{Failure, Hook, Input, Phase, Reply};
use std::time::Duration;

impl Turn {
    pub(super) async fn take_move_turn(&mut self) {
        let address = &self.services.ports.public_url;
        let can_move = |c: &Connection| {
            let is_at_rest = matches!(c.lifecycle.phase, Phase::Active | Phase::Idle);
            let is_there = matches!(c.lifecycle.hook, Hook::Present(_));
            is_at_rest && is_there && c.is_to_move(address)
        };
        if self.state.connection.as_ref().is_some_and(can_move) {
            self.state.has_move_turn = true;
            self.must(Input::RewriteDue, Edit::default()).await;
        } else {
            self.give_turn_back(None);
        }
    }

    /// Records where the hook is: once it is moved, its turn ends.
    pub(super) fn note_address(&self, next: &Connection) {
        let (moves, address) = (&self.services.moves, &self.services.ports.public_url);
        moves.note(next, address);
    }

    /// A call has ended: with success the note above ends the turn.
    pub(super) fn end_move_turn(&mut self, input: &Input) {
        if !std::mem::take(&mut self.state.has_move_turn) {
            return;
        }
        if let Input::Replied(Reply::Repaired { .. }) = input {
            return;
        }
        let mut wish = None;
        if let Input::CallFailed { failure, .. } = input
            && let Failure::Retryable { after } = failure
        {
            wish = *after;
        }
        self.give_turn_back(wish);
    }

    /// It moved nothing. The provider may require a pause.
    pub(super) fn give_turn_back(&self, wish: Option<Duration>) {
        let pause = self.services.settings.retry;
        self.services.moves.over(self.id, wish, pause);
    }
}
