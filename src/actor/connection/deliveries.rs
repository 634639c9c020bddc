//! Processing deliveries: decode, fold, commit, a batch at a time.
//!
//! The store is the queue. A notification only says that there may be pending deliveries; after a
//! crash, the next start finds them.

use super::cause::OwnCause;
use super::plan::Edit;
use super::turn::{Doing, Turn};
use crate::actor::incidents::Fold;
use crate::actor::interface::CommandError;
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, DeliveryState, Outcome, Source};
use crate::domain::event::{Decoded, Event};
use crate::domain::id::HookId;
use crate::domain::lifecycle::{Input, Phase};
use crate::domain::repo::RepositoryId;
use crate::domain::rhythm::hour_of;
use crate::domain::rotation::SecretNumber;
use crate::domain::time::Timestamp;
use crate::domain::wording;
use crate::store::{Change, ReadError};
use crate::telemetry::{may_log, metric};
use futures_util::FutureExt;
use metrics::counter;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

/// Deliveries that are processed in one commit. Between batches, other messages and the other
/// actors of the thread have their turn.
const BATCH_MAX: usize = 256;
/// The same while other connections have some to process, too: one with many delays another by no
/// more than that at a time.
const BATCH_CROWDED: usize = 32;
/// Deliveries that are marked in one commit when their connection has ended.
const ENDED_MAX: usize = 100;
/// A delivery whose processing panicked this often becomes a dead letter.
const TRIES_MAX: u32 = 3;

impl Turn {
    /// Carries out the stored commands, then processes a batch of pending deliveries, and repeats.
    pub(super) async fn drain(&mut self) {
        if self.state.connection.is_none() {
            return;
        }
        let mut drained = Ok(());
        if self.state.has_commands {
            drained = self.drain_commands().await;
            self.state.has_commands = drained.is_err();
        }
        if drained.is_ok() && !self.state.is_pausing && self.state.connection.is_some() {
            drained = self.process().await;
        }
        if let Err(error) = drained {
            tracing::error!(connection.id = %self.id, %error, "pending work cannot be processed");
            self.pause();
        }
    }

    /// Deliveries are processed again after a pause.
    pub(super) fn pause(&mut self) {
        if !std::mem::replace(&mut self.state.is_pausing, true) {
            self.later(OwnCause::ProcessAgain);
        }
    }

    async fn process(&mut self) -> Result<(), CommandError> {
        let limit = match (self.state.careful, self.services.news.is_crowded(self.id)) {
            (true, _) => 1,
            (false, true) => BATCH_CROWDED,
            (false, false) => BATCH_MAX,
        };
        let pending = self.services.ports.store.pending(self.id, limit).await?;
        let Some(first) = pending.first() else {
            self.state.careful = false;
            self.services.news.note_backlog(self.id, false);
            return Ok(());
        };
        self.linger();
        let is_full = pending.len() == limit;
        self.services.news.note_backlog(self.id, is_full);
        let folded = if self.state.careful {
            let first = first.clone();
            self.try_carefully(first).await?
        } else {
            Some(self.fold(pending).await?)
        };
        if let Some(folded) = folded {
            self.finish(folded).await?;
        }
        if is_full {
            self.doings.push(Doing::Next(OwnCause::More));
        }
        Ok(())
    }

    /// Counts the attempt durably, and only then processes: so a delivery that crashes the process
    /// is detected. `None` when it panicked.
    async fn try_carefully(
        &mut self,
        mut delivery: Delivery,
    ) -> Result<Option<Folded>, CommandError> {
        // Only a panic counts as an attempt: a temporary failure of the store says nothing about
        // the delivery, and must not make it a dead letter.
        if self.state.counted != Some(delivery.id) {
            if delivery.tries >= TRIES_MAX {
                let reason = wording::PROCESSING_FAILED.to_owned();
                return Ok(Some(Folded {
                    has_arrived: delivery.source == Source::Webhook,
                    outcomes: vec![(delivery, Outcome::DeadLetter { reason })],
                    ..Folded::default()
                }));
            }
            delivery.tries += 1;
            self.commit(vec![Change::progress(delivery.clone())])
                .await?;
            self.state.counted = Some(delivery.id);
        }
        let folding = AssertUnwindSafe(self.fold(vec![delivery])).catch_unwind();
        let folded = folding.await;
        if let Ok(folded) = folded {
            return Ok(Some(folded?));
        }
        self.state.counted = None;
        counter!(metric::PANICS).increment(1);
        Ok(None)
    }

    /// The results of a batch, without changing anything yet.
    async fn fold(&self, pending: Vec<Delivery>) -> Result<Folded, ReadError> {
        let Some(connection) = &self.state.connection else {
            return Ok(Folded::default());
        };
        let rules = &self.services.settings.rules;
        let mut fold = Fold::new(&self.services.ports, rules, connection);
        let mut folded = Folded::default();
        let mut connection = Cow::Borrowed(connection);
        for mut delivery in pending {
            folded.has_arrived |= delivery.source == Source::Webhook;
            let outcome = match self.decode(&connection, &delivery).await? {
                Ok(mut decoded) => {
                    delivery.action = decoded.action.take();
                    let is_reason_to_look = decoded.event == Event::LookNow;
                    let (hook, repository) = (named_hook(&decoded), decoded.repository);
                    let outcome = outcome_of(&connection, decoded, &delivery, &mut fold).await?;
                    // Known from here on: it may be renamed before it is looked up.
                    if connection.repository.is_none()
                        && delivery.source == Source::Webhook
                        && outcome != Outcome::ForeignRepository
                        && repository.is_some()
                    {
                        connection.to_mut().repository = repository;
                        folded.repository = repository;
                    }
                    folded.look_now |= is_reason_to_look && outcome == Outcome::Recorded;
                    if outcome == Outcome::Pong && delivery.source == Source::Webhook {
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

    async fn decode(
        &self,
        connection: &Connection,
        delivery: &Delivery,
    ) -> Result<Result<Decoded, String>, ReadError> {
        let ports = &self.services.ports;
        let Some(decoder) = ports.providers.decoder(connection.instance.provider) else {
            return Ok(Err(wording::DECODER_MISSING.to_owned()));
        };
        if !self.state.careful
            && let Some(decoded) = self.services.ahead.take(delivery)
        {
            return Ok(Ok(decoded));
        }
        let payload = match ports.store.payload(delivery.id).await {
            Ok(Some(payload)) => payload,
            Ok(None) => return Ok(Err(wording::PAYLOAD_GONE.to_owned())),
            Err(ReadError::Damaged { .. }) => return Ok(Err(wording::PAYLOAD_DAMAGED.to_owned())),
            Err(error @ ReadError::Unavailable(_)) => return Err(error),
        };
        Ok(decoder
            .decode(&delivery.event, &payload)
            .map_err(|error| error.to_string()))
    }

    /// Commits a batch with its outcomes.
    async fn finish(&mut self, folded: Folded) -> Result<(), CommandError> {
        let now = self.services.ports.now();
        let mut edit = Edit::of(folded.changes);
        edit.repository_id = folded.repository;
        let has_proof = folded.has_arrived && self.has_proof(&folded.outcomes);
        let mut names = Vec::with_capacity(folded.outcomes.len());
        for (delivery, outcome) in folded.outcomes {
            if let Outcome::DeadLetter { reason } = &outcome {
                edit.unreadable.push(reason.clone());
            }
            note_arrival(&mut edit, &delivery, &outcome);
            names.push(outcome.as_str());
            let state = DeliveryState::Processed { at: now, outcome };
            edit.changes
                .push(Change::progress(Delivery { state, ..delivery }));
        }
        // What was read from the provider's log proves nothing about the way from there to here.
        if folded.has_arrived {
            self.state.doubts.hear();
            self.state.tending.hear();
        }
        let input = has_proof.then_some(Input::DeliveryArrived { hook: folded.hook });
        self.step(input, edit).await?;
        self.services.note_change();
        for name in names {
            counter!(metric::PROCESSED, "outcome" => name).increment(1);
        }
        if folded.look_now {
            self.look().await;
        }
        Ok(())
    }

    /// The connection is gone, and no delivery for it can be stored any more: marks those that are
    /// pending, a page in each commit. The store's retention marks what a crash leaves.
    pub(super) async fn mark_pending(&mut self) -> Result<(), CommandError> {
        loop {
            let ports = &self.services.ports;
            let (now, pending) = (ports.now(), ports.store.pending(self.id, ENDED_MAX).await?);
            if pending.is_empty() {
                return Ok(());
            }
            let paused = |delivery| {
                let (at, outcome) = (now, Outcome::Paused);
                let state = DeliveryState::Processed { at, outcome };
                Change::progress(Delivery { state, ..delivery })
            };
            self.commit(pending.into_iter().map(paused).collect())
                .await?;
        }
    }

    /// Checks the current state at the provider: a payload is not trusted. If no call is possible
    /// now, the end of that state causes the check.
    async fn look(&mut self) {
        let phase = self.state.connection.as_ref().map(|c| c.lifecycle.phase);
        if phase == Some(Phase::Active) {
            self.must(Input::CheckRequested, Edit::default()).await;
        }
    }

    /// The path from the provider works. Stored only if that is new: a delivery that is repeated
    /// all day causes no writes. If it cannot be stored now, the next delivery does it.
    pub(super) async fn hear(&mut self, signed_by: BTreeSet<SecretNumber>) {
        self.state.doubts.hear();
        self.state.tending.hear();
        let Some(connection) = &self.state.connection else {
            return;
        };
        let (now, rotation) = (self.services.ports.now(), &connection.rotation);
        let lifecycle = &connection.lifecycle;
        let is_awaited = !lifecycle.heard || lifecycle.pings_unanswered > 0;
        let has_proof = signed_by.iter().any(|by| rotation.is_proof(Some(*by)));
        let is_news = signed_by.iter().any(|by| rotation.is_news(*by, now));
        let is_to_store = is_news || (is_awaited && has_proof);
        if !is_to_store {
            return;
        }
        let edit = Edit {
            delivery_at: Some(now),
            signed: signed_by.into_iter().map(|by| (by, now)).collect(),
            ..Edit::default()
        };
        let input = has_proof.then_some(Input::DeliveryArrived { hook: None });
        if let Err(error) = self.step(input, edit).await {
            self.complain(&error);
        }
    }

    /// Whether one of these shows that the hook works as it is now: the provider sent it, signed
    /// with the secret that it has confirmed.
    fn has_proof(&self, outcomes: &[(Delivery, Outcome)]) -> bool {
        let Some(connection) = &self.state.connection else {
            return false;
        };
        let mut sent = outcomes.iter().map(|(delivery, _)| delivery);
        sent.any(|delivery| {
            delivery.source == Source::Webhook && connection.rotation.is_proof(delivery.signed_by)
        })
    }
}

/// The results of a batch.
#[derive(Default)]
struct Folded {
    /// The deliveries with their outcomes.
    outcomes: Vec<(Delivery, Outcome)>,
    /// The other changes.
    changes: Vec<Change>,
    /// Whether a delivery requires a check at the provider.
    look_now: bool,
    /// The hook named in a ping.
    hook: Option<HookId>,
    /// The repository by which a delivery with the connection's name for it was sent.
    repository: Option<RepositoryId>,
    /// Whether the provider sent one of them here.
    has_arrived: bool,
}

/// The hook that a ping names. Only one of a repository: its owner must be known.
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
    if delivery.source == Source::Webhook {
        edit.delivery_at = edit.delivery_at.max(at);
        if let Some(by) = delivery.signed_by {
            let last = edit.signed.entry(by).or_insert(delivery.received_at);
            *last = delivery.received_at.max(*last);
        }
        if *outcome != Outcome::Pong {
            edit.hours.insert(hour_of(delivery.received_at));
        }
    }
    if *outcome != Outcome::Pong {
        edit.event_at = edit.event_at.max(at);
    }
}

/// What comes of a delivery; what it changes is in the fold.
pub(in crate::actor) async fn outcome_of(
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
        // No incident is opened meanwhile; but a branch that is deleted now is never reported
        // again.
        Event::Ended(ended) if !connection.is_enabled() => {
            fold.end(&ended, delivery.received_at, delivery.source)
                .await?;
            Ok(Outcome::Paused)
        }
        _ if !connection.is_enabled() => Ok(Outcome::Paused),
        Event::Run(run) => fold.take(&run, delivery.source).await,
        Event::Ended(ended) => {
            fold.end(&ended, delivery.received_at, delivery.source)
                .await
        }
        Event::Recorded | Event::LookNow => Ok(Outcome::Recorded),
        Event::Ignored => Ok(Outcome::Ignored),
    }
}

/// Whether a payload is of another repository than the connection's. By id; by name only while the
/// id is unknown.
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
