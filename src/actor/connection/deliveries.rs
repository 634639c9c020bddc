//! Processing what arrived: decode, fold, commit, a batch at a time.
//!
//! The store is the queue. A nudge only says that there may be something in it; whatever dies on
//! the way, the next start finds what is pending.

use super::{COMMIT_RETRY, ConnectionActor, Nudge};
use crate::actor::incidents::Fold;
use crate::actor::plan::Edit;
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, DeliveryState, Outcome};
use crate::domain::event::{Decoded, Event};
use crate::domain::id::HookId;
use crate::domain::lifecycle::{Input, Phase};
use crate::domain::time::Timestamp;
use crate::domain::wording;
use crate::store::{Batch, Change, ReadError};
use crate::telemetry::{may_log, metric};
use actix::prelude::*;
use metrics::counter;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Deliveries that are processed in one commit. Between batches the other actors of the thread
/// have their turn.
const BATCH_MAX: usize = 32;
/// A delivery whose processing panicked this often is set aside.
const TRIES_MAX: u32 = 3;

impl ConnectionActor {
    /// Processes a batch of what is pending, and comes back for more.
    pub(super) fn drain(&mut self, ctx: &mut Context<Self>) {
        if self.is_draining || self.connection.is_none() {
            return;
        }
        let limit = if self.careful { 1 } else { BATCH_MAX };
        let pending = match self.services.ports.store.pending(self.id, limit).ready() {
            Ok(pending) => pending,
            Err(error) => {
                tracing::error!(
                    connection.id = %self.id,
                    %error,
                    "pending deliveries cannot be read"
                );
                self.is_draining = true;
                return self.rest(ctx);
            }
        };
        if pending.is_empty() {
            self.careful = false;
            return;
        }
        self.is_draining = true;
        if self.careful {
            for delivery in pending {
                self.try_carefully(ctx, delivery);
            }
        } else {
            self.process(ctx, pending);
        }
    }

    /// Counts the try durably, and only then processes: a delivery that takes the process down is
    /// found out.
    fn try_carefully(&mut self, ctx: &mut Context<Self>, mut delivery: Delivery) {
        // Only a panic uses up a try: a store that fails for a moment says nothing about the
        // delivery, and must not have a good one set aside.
        if self.counted == Some(delivery.id) {
            return self.attempt(ctx, delivery);
        }
        if delivery.tries >= TRIES_MAX {
            let reason = wording::PROCESSING_FAILED.to_owned();
            let outcomes = vec![(delivery, Outcome::DeadLetter { reason })];
            return self.finish(
                ctx,
                Folded {
                    outcomes,
                    ..Folded::default()
                },
            );
        }
        delivery.tries += 1;
        let counted = Change::PutDelivery(Box::new(delivery.clone()));
        let committing = self
            .services
            .ports
            .store
            .commit(Batch::of(vec![counted]))
            .into_actor(self);
        ctx.wait(committing.map(move |result, actor, ctx| {
            if result.is_err() {
                return actor.rest(ctx);
            }
            actor.counted = Some(delivery.id);
            actor.attempt(ctx, delivery);
        }));
    }

    /// Processes a delivery whose try is counted.
    fn attempt(&mut self, ctx: &mut Context<Self>, delivery: Delivery) {
        let processed = catch_unwind(AssertUnwindSafe(|| self.fold(vec![delivery])));
        match processed {
            Ok(Ok(folded)) => self.finish(ctx, folded),
            Ok(Err(error)) => {
                tracing::error!(connection.id = %self.id, %error, "a delivery cannot be processed");
                self.rest(ctx);
            }
            Err(_) => {
                self.counted = None;
                counter!(metric::PANICS).increment(1);
                self.is_draining = false;
                ctx.address().do_send(Nudge);
            }
        }
    }

    fn process(&mut self, ctx: &mut Context<Self>, pending: Vec<Delivery>) {
        match self.fold(pending) {
            Ok(folded) => self.finish(ctx, folded),
            Err(error) => {
                tracing::error!(connection.id = %self.id, %error, "deliveries cannot be processed");
                self.rest(ctx);
            }
        }
    }

    /// Tries again after a while.
    #[expect(
        clippy::unused_self,
        reason = "it is a step of this actor like the others"
    )]
    fn rest(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(COMMIT_RETRY, |actor, ctx| {
            actor.in_turn(ctx, |actor, ctx| {
                actor.is_draining = false;
                actor.drain(ctx);
            });
        });
    }

    /// What comes of a batch, without changing anything yet.
    fn fold(&self, pending: Vec<Delivery>) -> Result<Folded, ReadError> {
        let Some(connection) = &self.connection else {
            return Ok(Folded::default());
        };
        let mut fold = Fold::new(
            &self.services.ports,
            &self.services.settings.rules,
            connection,
        );
        let mut folded = Folded::default();
        for mut delivery in pending {
            let outcome = match self.decode(connection, &delivery)? {
                Ok(mut decoded) => {
                    delivery.action = decoded.action.take();
                    let is_reason_to_look = decoded.event == Event::LookNow;
                    let hook = named_hook(&decoded);
                    let outcome = outcome(connection, decoded, &delivery, &mut fold)?;
                    folded.look_now |= is_reason_to_look && outcome == Outcome::Recorded;
                    if outcome == Outcome::Pong {
                        folded.hook = hook.or(folded.hook);
                    }
                    outcome
                }
                Err(reason) => Outcome::DeadLetter { reason },
            };
            folded.outcomes.push((delivery, outcome));
        }
        folded.changes = fold.finish();
        Ok(folded)
    }

    fn decode(
        &self,
        connection: &Connection,
        delivery: &Delivery,
    ) -> Result<Result<Decoded, String>, ReadError> {
        let Some(decoder) = self
            .services
            .ports
            .providers
            .decoder(connection.instance.provider)
        else {
            return Ok(Err(wording::DECODER_MISSING.to_owned()));
        };
        let payload = match self.services.ports.store.payload(delivery.id).ready() {
            Ok(Some(payload)) => payload,
            Ok(None) => return Ok(Err(wording::PAYLOAD_GONE.to_owned())),
            Err(ReadError::Damaged { .. }) => return Ok(Err(wording::PAYLOAD_DAMAGED.to_owned())),
            Err(error @ ReadError::Unavailable(_)) => return Err(error),
        };
        Ok(decoder
            .decode(&delivery.event, &payload)
            .map_err(|error| error.to_string()))
    }

    /// Commits a batch with its outcomes, and comes back for more.
    fn finish(&mut self, ctx: &mut Context<Self>, folded: Folded) {
        let Folded {
            outcomes,
            mut changes,
            look_now,
            hook,
        } = folded;
        let now = self.services.ports.now();
        let mut edit = Edit::default();
        let mut names = Vec::with_capacity(outcomes.len());
        for (delivery, outcome) in outcomes {
            if let Outcome::DeadLetter { reason } = &outcome {
                edit.unreadable.push(reason.clone());
            }
            note_arrival(&mut edit, &delivery, &outcome);
            names.push(outcome.as_str());
            let state = DeliveryState::Processed { at: now, outcome };
            changes.push(Change::PutDelivery(Box::new(Delivery {
                state,
                ..delivery
            })));
        }
        edit.changes = changes;
        self.doubts.hear();
        self.go(
            ctx,
            Some(Input::DeliveryArrived { hook }),
            edit,
            Box::new(move |actor, ctx, result| {
                if let Err(error) = result {
                    actor.complain(&error);
                    return actor.rest(ctx);
                }
                for name in names {
                    counter!(metric::PROCESSED, "outcome" => name).increment(1);
                }
                actor.is_draining = false;
                ctx.address().do_send(Nudge);
                if look_now {
                    actor.look(ctx);
                }
            }),
        );
    }

    /// Asks the provider what is so now: a payload is not believed. When nobody can be asked at
    /// this moment, whatever ends that state asks.
    fn look(&mut self, ctx: &mut Context<Self>) {
        let phase = self.connection.as_ref().map(|c| c.lifecycle.phase);
        if phase == Some(Phase::Active) {
            self.must(ctx, Input::CheckRequested, Edit::default());
        }
    }
}

/// What comes of a batch.
#[derive(Default)]
struct Folded {
    /// The deliveries with their outcomes.
    outcomes: Vec<(Delivery, Outcome)>,
    /// What else changed.
    changes: Vec<Change>,
    /// Whether something was told that has to be seen at the provider.
    look_now: bool,
    /// The hook that a ping says it comes from.
    hook: Option<HookId>,
}

/// The hook that a ping names. Only one of a repository: whose it is, has to be known.
fn named_hook(decoded: &Decoded) -> Option<HookId> {
    match (&decoded.event, decoded.repository) {
        (Event::Pong { hook }, Some(_)) => *hook,
        (Event::Pong { .. }, None)
        | (
            Event::Run(_) | Event::Recorded | Event::Ended(_) | Event::LookNow | Event::Ignored,
            _,
        ) => None,
    }
}

fn note_arrival(edit: &mut Edit, delivery: &Delivery, outcome: &Outcome) {
    let at: Option<Timestamp> = Some(delivery.received_at);
    edit.delivery_at = edit.delivery_at.max(at);
    if *outcome != Outcome::Pong {
        edit.event_at = edit.event_at.max(at);
    }
}

fn outcome(
    connection: &Connection,
    decoded: Decoded,
    delivery: &Delivery,
    fold: &mut Fold<'_>,
) -> Result<Outcome, ReadError> {
    if is_foreign(connection, &decoded) {
        if may_log("foreign_repository") {
            tracing::warn!(
                connection.id = %connection.id, delivery.id = %delivery.id,
                "a delivery speaks of another repository; it has no effect"
            );
        }
        return Ok(Outcome::ForeignRepository);
    }
    match decoded.event {
        Event::Pong { .. } => Ok(Outcome::Pong),
        // Nothing is opened meanwhile; but a branch that is deleted now is never told of again.
        Event::Ended(ended) if !connection.is_enabled() => {
            fold.end(&ended, delivery.received_at, delivery.source)?;
            Ok(Outcome::Paused)
        }
        _ if !connection.is_enabled() => Ok(Outcome::Paused),
        Event::Run(run) => fold.take(&run, delivery.source),
        Event::Ended(ended) => fold.end(&ended, delivery.received_at, delivery.source),
        Event::Recorded | Event::LookNow => Ok(Outcome::Recorded),
        Event::Ignored => Ok(Outcome::Ignored),
    }
}

/// Whether a payload speaks of another repository than the connection's. By id; by name only
/// while the id is not known yet.
fn is_foreign(connection: &Connection, decoded: &Decoded) -> bool {
    match (connection.repository, decoded.repository) {
        (Some(ours), Some(theirs)) => ours != theirs,
        (None, Some(_)) => {
            let theirs = decoded
                .full_name
                .as_ref()
                .map(crate::domain::repo::FullName::folded);
            theirs != Some(connection.full_name.folded())
        }
        (_, None) => false,
    }
}
