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
use crate::domain::lifecycle::Input;
use crate::domain::time::Timestamp;
use crate::store::{Batch, Change, ReadError};
use actix::prelude::*;
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
        let pending = match self.world.store.pending(self.id, limit) {
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
            let reason = "processing it failed again and again".to_owned();
            return self.finish(
                ctx,
                vec![(delivery, Outcome::DeadLetter { reason })],
                Vec::new(),
                (0, 0),
            );
        }
        delivery.tries += 1;
        let counted = Change::PutDelivery(Box::new(delivery.clone()));
        let committing = self
            .world
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
            Ok(Ok((outcomes, changes, counts))) => self.finish(ctx, outcomes, changes, counts),
            Ok(Err(error)) => {
                tracing::error!(connection.id = %self.id, %error, "a delivery cannot be processed");
                self.rest(ctx);
            }
            Err(_) => {
                self.counted = None;
                self.world.watch.actor_panicked();
                self.is_draining = false;
                ctx.address().do_send(Nudge);
            }
        }
    }

    fn process(&mut self, ctx: &mut Context<Self>, pending: Vec<Delivery>) {
        match self.fold(pending) {
            Ok((outcomes, changes, counts)) => self.finish(ctx, outcomes, changes, counts),
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
        let mut fold = Fold::new(&self.world, connection);
        let mut outcomes = Vec::with_capacity(pending.len());
        for mut delivery in pending {
            let outcome = match self.decode(connection, &delivery)? {
                Ok(mut decoded) => {
                    delivery.action = decoded.action.take();
                    outcome(connection, decoded, &delivery, &mut fold)?
                }
                Err(reason) => Outcome::DeadLetter { reason },
            };
            outcomes.push((delivery, outcome));
        }
        let (changes, opened, resolved) = fold.finish();
        Ok((outcomes, changes, (opened, resolved)))
    }

    fn decode(
        &self,
        connection: &Connection,
        delivery: &Delivery,
    ) -> Result<Result<Decoded, String>, ReadError> {
        let Some(decoder) = self.world.providers.decoder(connection.instance.provider) else {
            return Ok(Err("this provider is no longer configured".to_owned()));
        };
        let payload = match self.world.store.payload(delivery.id) {
            Ok(Some(payload)) => payload,
            Ok(None) => return Ok(Err("its payload is gone".to_owned())),
            Err(ReadError::Damaged { .. }) => return Ok(Err("its payload is damaged".to_owned())),
            Err(error @ ReadError::Unavailable(_)) => return Err(error),
        };
        Ok(decoder
            .decode(&delivery.event, &payload)
            .map_err(|error| error.to_string()))
    }

    /// Commits a batch with its outcomes, and comes back for more.
    fn finish(
        &mut self,
        ctx: &mut Context<Self>,
        outcomes: Vec<(Delivery, Outcome)>,
        mut changes: Vec<Change>,
        (opened, resolved): (u32, u32),
    ) {
        let now = self.world.now();
        let mut edit = Edit::default();
        let mut names = Vec::with_capacity(outcomes.len());
        for (delivery, outcome) in outcomes {
            note_arrival(&mut edit, &delivery, &outcome);
            names.push(outcome.as_str());
            let state = DeliveryState::Processed { at: now, outcome };
            changes.push(Change::PutDelivery(Box::new(Delivery {
                state,
                ..delivery
            })));
        }
        edit.changes = changes;
        self.rejections = 0;
        self.go(
            ctx,
            Some(Input::DeliveryArrived),
            edit,
            Box::new(move |actor, ctx, result| {
                if let Err(error) = result {
                    actor.complain(&error);
                    return actor.rest(ctx);
                }
                let watch = &actor.world.watch;
                for name in names {
                    watch.delivery_processed(name);
                }
                (0..opened).for_each(|_| watch.incident_opened());
                (0..resolved).for_each(|_| watch.incident_resolved());
                actor.is_draining = false;
                ctx.address().do_send(Nudge);
            }),
        );
    }
}

/// Deliveries with their outcomes, what else changed, and incidents opened and resolved.
type Folded = (Vec<(Delivery, Outcome)>, Vec<Change>, (u32, u32));

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
        tracing::warn!(
            connection.id = %connection.id, delivery.id = %delivery.id,
            "a delivery speaks of another repository; it has no effect"
        );
        return Ok(Outcome::ForeignRepository);
    }
    match decoded.event {
        Event::Pong { .. } => Ok(Outcome::Pong),
        _ if !connection.is_enabled() => Ok(Outcome::Paused),
        Event::Run(run) => fold.take(&run, delivery.source),
        Event::Recorded => Ok(Outcome::Recorded),
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
