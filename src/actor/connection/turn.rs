//! Moving the hook to our present address when its turn comes.

use super::ConnectionActor;
use crate::actor::plan::Edit;
use crate::domain::connection::Connection;
use crate::domain::lifecycle::{Failure, Hook, Input, Phase, Reply};
use crate::telemetry::metric;
use actix::prelude::*;
use metrics::gauge;

/// It is this connection's turn to have its hook moved.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actor) struct MoveTurn;

impl Handler<MoveTurn> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, _: MoveTurn, ctx: &mut Context<Self>) {
        let (ports, settings) = (&self.services.ports, &self.services.settings);
        let can_move = |c: &Connection| {
            let is_at_rest = matches!(c.lifecycle.phase, Phase::Active | Phase::Idle);
            let is_there = matches!(c.lifecycle.hook, Hook::Present(_));
            is_at_rest && is_there && c.is_to_move(&ports.public_url)
        };
        if self.connection.as_ref().is_some_and(can_move) {
            self.move_turn = Some(MoveTurn);
            self.must(ctx, Input::RewriteDue, Edit::default());
        } else {
            self.services.moves.over(self.id, None, settings.retry);
        }
    }
}

impl ConnectionActor {
    /// Takes note of where the hook is, and says so when it was moved.
    pub(super) fn note_address(&self, next: &Connection) {
        let ports = &self.services.ports;
        if self.services.moves.note(next, &ports.public_url) {
            let count = self.services.moves.count() as u64;
            gauge!(metric::TO_MOVE).set(metric::float(count));
        }
        let before = self.connection.as_ref().and_then(|c| c.address.as_ref());
        let (Some(from), Some(to)) = (before, &next.address) else {
            return;
        };
        if from != to {
            tracing::info!(connection.id = %self.id, %from, %to, "webhook_moved");
        }
    }

    /// A call has ended: with success the note above ends the turn.
    pub(super) fn end_turn(&mut self, input: &Input) {
        if self.move_turn.take().is_none() {
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
        self.services
            .moves
            .over(self.id, wish, self.services.settings.retry);
    }
}
