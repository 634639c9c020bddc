//! The walk through a log, from its newest attempt back to what is settled.
//!
//! What it has compared is remembered every few pages, so that a walk that is cut off is continued
//! by the next, however often that happens.

use super::case::Case;
use super::ingest::id_of_body;
use super::reconcile::{Reconcile, unusable};
use super::steps::Records;
use super::trouble::Trouble;
use crate::domain::ledger::{Comparison, Loss, Marks, Missing, Progress, Seen, Step};
use crate::domain::time::Timestamp;
use crate::provider::{Hooks, LogPage, LogRead, Logged, LoggedPayload, ProviderError};
use std::sync::Arc;

/// How often the reading of a log begins again because a place in it was lost.
const RESTARTS_MAX: u32 = 3;
/// Pages after which it is remembered how far a walk has come.
const REMEMBERED_AFTER: u32 = 5;

/// A walk that has begun.
struct Walk {
    comparison: Comparison,
    progress: Progress,
    /// The page that is read next; `None` for the first.
    cursor: Option<String>,
    /// Pages that were read since it was remembered how far this has come.
    unremembered: u32,
}

/// Where a walk is after a page.
enum Walked {
    /// There is more to read.
    On,
    /// It has come to its end.
    Through,
    /// The provider has no log, or does not list the hook.
    Nowhere,
    /// Its place is lost: it begins again.
    Lost,
}

impl Reconcile {
    /// Reads the log back to what is settled, without what earlier walks have compared. What a list
    /// contains with its payload is ingested at once. `None` when there is no log to read.
    pub(super) async fn read_log(&mut self) -> Result<Option<Comparison>, Trouble> {
        for _ in 0..=RESTARTS_MAX {
            let ledger = &self.steps.records.ledger;
            let mut walk = Walk {
                // One that begins again has seen the newest attempt only now.
                comparison: Comparison::new(ledger.marks, self.steps.room.ports.now()),
                progress: Progress::new(ledger.stretches.clone()),
                cursor: None,
                unremembered: 0,
            };
            loop {
                match self.read_on(&mut walk).await? {
                    Walked::On => {}
                    Walked::Through => return Ok(Some(walk.comparison)),
                    Walked::Nowhere => return Ok(None),
                    Walked::Lost => break,
                }
            }
            // The place may have been one that was remembered.
            self.steps.records.ledger.stretches.clear();
        }
        Err(unusable("a lost place in its log").into())
    }

    /// Reads the next page of a walk.
    async fn read_on(&mut self, walk: &mut Walk) -> Result<Walked, Trouble> {
        let LogPage {
            attempts,
            unreadable,
            next,
        } = match self.read_page(walk.cursor.clone()).await? {
            LogRead::Page(page) => page,
            LogRead::CursorLost if walk.cursor.is_some() => return Ok(Walked::Lost),
            LogRead::CursorLost => return Err(unusable("a lost place in its log").into()),
            LogRead::HookMissing | LogRead::Unsupported => return Ok(Walked::Nowhere),
        };
        self.is_unsure |= unreadable > 0;
        let ids: Vec<u64> = attempts.iter().map(|it| it.attempt).collect();
        let last = attempts.last().map(|last| (last.attempt, last.at));
        for logged in attempts {
            self.compare(&mut walk.comparison, logged).await?;
        }
        let wants_more = last.is_none_or(|(last, at)| walk.comparison.wants_more(last, at));
        let next = next.filter(|_| wants_more);
        let (unreadable, is_last) = (u64::from(unreadable), next.is_none());
        let step = walk.progress.pass(&ids, unreadable, is_last);
        if let Some(page) = walk.cursor.take().filter(|_| !is_last) {
            if next.as_ref() == Some(&page) {
                return Err(unusable("the same page of its log twice").into());
            }
            self.remember(walk, &page).await?;
        }
        walk.cursor = match (step, next) {
            (Step::Lost, _) => return Ok(Walked::Lost),
            (Step::Next, None) => return Ok(Walked::Through),
            (Step::Next, next) => next,
            (Step::Jump(stretch, before), _) => {
                walk.comparison.join(stretch.sight);
                self.is_unsure |= stretch.is_unsure;
                Some(self.caller.place_in_log(&stretch.page, before))
            }
        };
        Ok(Walked::On)
    }

    pub(super) async fn read_page(
        &mut self,
        cursor: Option<String>,
    ) -> Result<LogRead, ProviderError> {
        let (hook, priority) = (self.hook, self.priority());
        let call = move |hooks: Arc<dyn Hooks>, access, target| {
            let cursor = cursor.clone();
            async move {
                let cursor = cursor.as_deref();
                hooks.delivery_log(&access, &target, hook, cursor).await
            }
        };
        self.caller.ask(priority, call).await
    }

    /// Remembers how far a walk has come, every few pages. While something is missing whose payload
    /// is not read yet (GitHub), nothing is remembered: the marks move with what is recovered.
    async fn remember(&mut self, walk: &mut Walk, page: &str) -> Result<(), Trouble> {
        walk.unremembered += 1;
        if walk.unremembered < REMEMBERED_AFTER || walk.comparison.count() > 0 {
            return Ok(());
        }
        let sight = walk.comparison.sight();
        let Some(stretches) = walk.progress.stretches(page, sight, self.is_unsure) else {
            return Ok(());
        };
        walk.unremembered = 0;
        let edit = |records: &mut Records| records.ledger.stretches = stretches;
        Ok(self.steps.take((Vec::new(), Vec::new()), edit).await?)
    }

    async fn compare(
        &mut self,
        comparison: &mut Comparison,
        logged: Logged,
    ) -> Result<(), Trouble> {
        let id = logged
            .delivery_id
            .clone()
            .or_else(|| match &logged.payload {
                LoggedPayload::Listed(payload) => Some(id_of_body(payload)),
                LoggedPayload::Separate | LoggedPayload::Lost => None,
            });
        let id = id.unwrap_or_default();
        let seen = Seen {
            attempt: logged.attempt,
            delivery_id: &id,
            event: &logged.event,
            at: logged.at,
            status: logged.status,
        };
        let ledger = &mut self.steps.records.ledger;
        ledger.saw_attempt(&id, logged.attempt, logged.at);
        // One without an id and a payload cannot be named.
        let is_settled = id.is_empty()
            || comparison.is_settled(logged.attempt, logged.at)
            || self.steps.records.ledger.is_deferred(&id);
        let is_stored = !is_settled && self.is_stored(&id).await?;
        if is_stored && logged.payload == LoggedPayload::Separate {
            self.controls.add(logged.attempt);
        }
        if is_settled || is_stored {
            comparison.take(seen, true);
            return Ok(());
        }
        match logged.payload {
            LoggedPayload::Separate => comparison.take(seen, false),
            LoggedPayload::Listed(payload) => {
                let case = Case::listed(alone(seen));
                self.ingest(&case, payload).await?;
                comparison.take(seen, true);
            }
            LoggedPayload::Lost => {
                let case = Case::listed(alone(seen));
                self.give_up(&case, Loss::TooLarge).await?;
                comparison.take(seen, true);
            }
        }
        Ok(())
    }
}

/// A missing delivery of which one attempt is known.
fn alone(seen: Seen<'_>) -> Missing {
    let mut comparison = Comparison::new(Marks::default(), Timestamp(0));
    comparison.take(seen, false);
    let mut missing = comparison.take_missing();
    missing.next().expect("it was taken as missing")
}
