//! Recovering what a comparison found missing.
//!
//! Each missing delivery ends in one step: it is stored; or it is set aside, because the provider
//! does not answer for it alone; or it is requested again; or it is given up, and counts as that.
//! None of them keeps the others from being read. What is pending is the part of
//! [`super::pending`].

use super::case::Case;
use super::ingest::insertion;
use super::reading::{Reading, may_be_of_one};
use super::reconcile::Reconcile;
use super::steps::Records;
use super::trouble::Trouble;
use super::window::window;
use crate::domain::delivery::Payload;
use crate::domain::errand::Priority;
use crate::domain::ledger::{Comparison, Deferral, Deferred, Loss, Missing, next_try};
use crate::domain::time::Timestamp;
use crate::provider::{Hooks, Redelivered};
use crate::store::{CommitError, Conflict};
use std::sync::Arc;

/// How many of those that are set aside have their last chance at once, when there is no room for
/// another.
const ROOM_FOR: usize = 10;

impl Reconcile {
    /// Recovers what is missing, the oldest first. `false` when the rest has to wait for what is
    /// pending.
    pub(super) async fn recover(&mut self, comparison: &mut Comparison) -> Result<bool, Trouble> {
        let all: Vec<Missing> = comparison.take_missing().collect();
        self.count_missing(&all).await?;
        for newest in all.iter().rev().filter_map(|it| it.attempts.first()) {
            self.controls.add(*newest);
        }
        let last = all.last().filter(|_| comparison.is_partial());
        for (index, missing) in all.iter().enumerate() {
            let next = all.get(index + 1).or(last);
            let case = Case {
                missing: missing.clone(),
                gap: None,
                progress: Some((comparison.marks_at(missing), next.and_then(|it| it.at))),
                is_new: false,
            };
            let goes_on = match self.read(missing).await? {
                Reading::Payload(payload) => {
                    self.ingest(&case, payload).await?;
                    true
                }
                Reading::None => self.ask_again(&case, 1).await?,
                Reading::Unreadable => self.set_aside(&case, 1).await?,
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Counts what is missing. What was, and is no longer in the log, is lost if the log's window
    /// has passed; otherwise it arrived by itself.
    async fn count_missing(&mut self, all: &[Missing]) -> Result<(), Trouble> {
        let (count, now) = (all.len() as u64, self.began);
        let Records { ledger, gap, .. } = &self.steps.records;
        let logged_from = now.minus(window(&self.steps.connection.instance));
        let was = gap.as_ref().map_or(0, |gap| {
            let oldest = ledger.marks.settled_at.unwrap_or(gap.from);
            let outstanding = gap.totals.outstanding();
            let unread = outstanding.saturating_sub(ledger.pending_of(gap.id));
            if oldest < logged_from { unread } else { 0 }
        });
        let counted = all.iter().filter(|it| it.at <= ledger.counted_to).count();
        let expired = was.saturating_sub(counted as u64);
        let newest = all.iter().filter_map(|it| it.at).max();
        if count == 0 && expired == 0 {
            return Ok(());
        }
        let (first, fresh) = (all.first().cloned(), self.steps.fresh_id());
        let edit = |records: &mut Records| {
            if let Some(first) = &first {
                records.gap_with(fresh, None, (first, now));
                records.ledger.behind(first.at.or(Some(now)));
            }
            let Records { ledger, gap, .. } = records;
            ledger.counted_to = ledger.counted_to.max(newest);
            if let Some(gap) = gap {
                gap.lost_some(Loss::Expired, expired);
                gap.missing(count + ledger.pending_of(gap.id));
            }
        };
        Ok(self.steps.take((Vec::new(), Vec::new()), edit).await?)
    }

    /// Stores a missing delivery. One that arrived meanwhile, or whose body is stored under another
    /// id, is not missing.
    pub(super) async fn ingest(&mut self, case: &Case, payload: Payload) -> Result<(), Trouble> {
        let room = Arc::clone(&self.steps.room);
        let missing = &case.missing;
        let id = missing.delivery_id.as_str();
        let names = (id, missing.event.as_str());
        let (insert, guards) = insertion(&room, &self.steps.connection, names, payload);
        let (fresh, now) = (self.steps.fresh_id(), self.began);
        let edit = |records: &mut Records| {
            case.account(records, (fresh, now)).recovered();
            records.ledger.undefer(id);
            case.settle(records);
        };
        match self.steps.take((vec![insert], guards.into()), edit).await {
            Ok(()) => {
                (room.delivered)(self.steps.connection.id);
                Ok(())
            }
            Err(CommitError::Conflict(Conflict::Delivery(_))) => {
                let edit = |records: &mut Records| {
                    if !case.is_new {
                        case.account(records, (fresh, now)).not_missing();
                    }
                    records.ledger.undefer(id);
                    case.settle(records);
                };
                Ok(self.steps.take((Vec::new(), Vec::new()), edit).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lists a delivery as pending. `false` when there is no room.
    async fn defer(&mut self, case: &Case, state: Deferral) -> Result<bool, Trouble> {
        let (fresh, now) = (self.steps.fresh_id(), self.began);
        let mut fits = true;
        let edit = |records: &mut Records| {
            let gap = Some(case.account(records, (fresh, now)).id);
            let missing = case.missing.clone();
            let deferred = Deferred {
                missing,
                gap,
                state,
            };
            fits = records.ledger.defer(deferred);
            if fits {
                case.settle(records);
            }
        };
        self.steps.take((Vec::new(), Vec::new()), edit).await?;
        Ok(fits)
    }

    /// It could not be read so often, although others can. It is read again later. `false` when
    /// there is no room for it.
    pub(super) async fn set_aside(&mut self, case: &Case, tries: u32) -> Result<bool, Trouble> {
        let expires_at = self.expires_at(&case.missing);
        let now = self.steps.room.ports.now();
        let Some(due_at) = next_try(tries, now, expires_at) else {
            return self.request_again(case, Loss::Unreadable).await;
        };
        let state = Deferral::SetAside { tries, due_at };
        Ok(self.make_room(case).await? && self.defer(case, state).await?)
    }

    /// Room for another pending delivery: the oldest that are set aside have their last chance
    /// early, and nothing is dropped.
    async fn make_room(&mut self, case: &Case) -> Result<bool, Trouble> {
        let id = &case.missing.delivery_id;
        for _ in 0..ROOM_FOR {
            let ledger = &self.steps.records.ledger;
            if ledger.is_deferred(id) || ledger.has_room(true) {
                return Ok(true);
            }
            let Some(oldest) = ledger.oldest_set_aside() else {
                return Ok(false);
            };
            let reading = self.read(&oldest.missing).await?;
            self.steps.recall_gap(&oldest).await?;
            // It has a place already: this makes no room for itself.
            let oldest = Case {
                // All that was sent before the one that needs room is handled.
                progress: case.progress.map(|(marks, _)| (marks, case.missing.at)),
                ..Case::pending(&oldest)
            };
            let reason = match reading {
                Reading::Payload(payload) => {
                    self.ingest(&oldest, payload).await?;
                    continue;
                }
                Reading::None => Loss::PayloadGone,
                Reading::Unreadable => Loss::Unreadable,
            };
            Box::pin(self.request_again(&oldest, reason)).await?;
        }
        Ok(self.steps.records.ledger.has_room(true))
    }

    /// The provider says, for the `tries`-th time, that it does not have its payload: it is
    /// requested to send it again, and the payload is read again later, for the provider may be
    /// wrong. `false` when there is no room for it.
    pub(super) async fn ask_again(&mut self, case: &Case, tries: u32) -> Result<bool, Trouble> {
        let expires_at = self.expires_at(&case.missing);
        let now = self.steps.room.ports.now();
        let Some(due_at) = next_try(tries, now, expires_at) else {
            return self.request_again(case, Loss::PayloadGone).await;
        };
        if !self.make_room(case).await? {
            return Ok(false);
        }
        self.redeliver(case).await?;
        self.defer(case, Deferral::SetAside { tries, due_at }).await
    }

    /// Its last chance: the provider is asked to send it again. `reason` is why it is lost if the
    /// provider does not. `false` when there is no room for it.
    pub(super) async fn request_again(
        &mut self,
        case: &Case,
        reason: Loss,
    ) -> Result<bool, Trouble> {
        if !self.make_room(case).await? {
            return Ok(false);
        }
        if !self.redeliver(case).await? {
            self.give_up(case, reason).await?;
            return Ok(true);
        }
        let at = self.steps.room.ports.now();
        self.defer(case, Deferral::Asked { at }).await
    }

    /// Asks the provider to send a delivery again. Whether it may have.
    async fn redeliver(&mut self, case: &Case) -> Result<bool, Trouble> {
        let (hook, attempt) = (self.hook, case.missing.attempts.last().copied());
        let attempt = attempt.unwrap_or_default();
        let call = move |hooks: Arc<dyn Hooks>, access, target| async move {
            hooks.redeliver(&access, &target, hook, attempt).await
        };
        let id = self.steps.connection.id;
        let credentials = self.caller.credentials();
        match self.caller.ask(Priority::Recovery, call).await {
            Ok(Redelivered::Sent) => Ok(true),
            Ok(Redelivered::Refused(why)) => {
                let why = why.as_str();
                tracing::debug!(connection.id = %id, why, "a redelivery was refused");
                Ok(false)
            }
            // Whether it was sent shows.
            Err(error) if may_be_of_one(&error) && error.may_have_acted => Ok(true),
            Err(error) if may_be_of_one(&error) => {
                self.caller.set_credentials(credentials);
                if !self.is_alone(&case.missing).await? {
                    return Err(error.into());
                }
                tracing::debug!(connection.id = %id, %error, "a redelivery was refused");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// When the provider deletes it.
    fn expires_at(&self, missing: &Missing) -> Option<Timestamp> {
        let window = window(&self.steps.connection.instance);
        missing.at.map(|at| at.plus(window))
    }

    /// It cannot be recovered.
    pub(super) async fn give_up(&mut self, case: &Case, reason: Loss) -> Result<(), Trouble> {
        let (fresh, now) = (self.steps.fresh_id(), self.steps.room.ports.now());
        let has_expired = self.expires_at(&case.missing).is_some_and(|at| at <= now);
        let reason = match reason {
            Loss::PayloadGone | Loss::Unreadable if has_expired => Loss::Expired,
            reason => reason,
        };
        let marks = case.progress.map(|(marks, _)| marks);
        let marks = marks.unwrap_or(self.steps.records.ledger.marks);
        let given_up = Deferred::given_up(&case.missing, reason, (marks, now));
        let is_settled = given_up.is_settled(marks);
        // What this step settles is listed no longer.
        let mut after = self.steps.records.ledger.clone();
        after.settle(marks);
        if !is_settled && !after.has_room(false) {
            return Err(Trouble::TooManyLost);
        }
        let edit = |records: &mut Records| {
            case.account(records, (fresh, now)).lost(reason);
            records.ledger.undefer(&given_up.missing.delivery_id);
            case.settle(records);
            if !is_settled {
                records.ledger.defer(given_up);
            }
        };
        Ok(self.steps.take((Vec::new(), Vec::new()), edit).await?)
    }
}
