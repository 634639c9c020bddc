//! One reconcile of one connection.

use super::calls::Caller;
use super::reading::{Controls, Unread};
use super::room::Room;
use super::steps::{Records, Steps};
use super::trouble::Trouble;
use crate::domain::backoff::jittered;
use crate::domain::connection::Connection;
use crate::domain::errand::Priority;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::HookId;
use crate::domain::ledger::{Marks, Outage};
use crate::domain::time::Timestamp;
use crate::provider::ProviderError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Pending deliveries are looked at no more often than this.
const PENDING_MIN: Duration = Duration::from_secs(10);
/// How often a reconcile looks whether the delivery of a run has come that has just changed: of all
/// runs, because a provider's clock that is ahead makes each page look like that.
const ARRIVAL_LOOKS: u32 = 40;

/// Why a connection is reconciled now.
#[derive(Clone, Debug, Default)]
pub(super) struct Reason {
    /// A user requested it.
    pub(super) is_awaited: bool,
    /// Deliveries of this connection were refused.
    pub(super) refused: Option<Outage>,
}

/// A reconcile of a connection.
pub(super) struct Reconcile {
    pub(super) steps: Steps,
    pub(super) caller: Caller,
    pub(super) hook: HookId,
    pub(super) began: Timestamp,
    reason: Reason,
    /// The log has entries that cannot be read.
    pub(super) is_unsure: bool,
    /// Attempts whose payloads show whether the provider's log can be read at all.
    pub(super) controls: Controls,
    /// The runs that were read from lists, by the provider's id.
    pub(super) listed: BTreeSet<u64>,
    /// Those that could not be read.
    pub(super) unread: Unread,
    /// How often it may still look for the delivery of a run that has just changed.
    pub(super) looks: u32,
}

/// Reconciles a connection. Returns when it is due again.
pub(super) async fn reconcile(
    room: &Arc<Room>,
    connection: Connection,
    reason: Reason,
) -> Result<Duration, Trouble> {
    let began = room.ports.now();
    let hook = connection.lifecycle.hook.id();
    let mut steps = Steps::begin(room, connection).await?;
    steps.note_unsent(began).await?;
    let Some(hook) = hook else {
        return rest(&mut steps, began).await;
    };
    let caller = Caller::new(room, &steps.connection, reason.is_awaited).await?;
    let mut reconcile = Reconcile {
        steps,
        caller,
        hook,
        began,
        reason,
        is_unsure: false,
        controls: Controls::default(),
        listed: BTreeSet::new(),
        unread: Unread::default(),
        looks: ARRIVAL_LOOKS,
    };
    match reconcile.run().await {
        Ok(wait) => Ok(wait),
        Err(trouble) => {
            reconcile.failed(&trouble).await;
            Err(trouble)
        }
    }
}

/// When the next regular one is due.
fn regular(room: &Room, connection: &Connection) -> Duration {
    jittered(room.every(connection), room.ports.chance())
}

/// There is no hook, and so no log: nothing to compare now.
async fn rest(steps: &mut Steps, began: Timestamp) -> Result<Duration, Trouble> {
    let wait = regular(&steps.room, &steps.connection);
    let (due_at, answered) = (began.plus(wait), steps.answered(began));
    let edit = |records: &mut Records| {
        records.ledger.answered = answered;
        records.ledger.due_at = due_at;
    };
    steps.take((Vec::new(), Vec::new()), edit).await?;
    Ok(wait)
}

impl Reconcile {
    async fn run(&mut self) -> Result<Duration, Trouble> {
        match self.steps.records.ledger.hook {
            Some(known) if known == self.hook => {}
            Some(_) => self.leave_log().await?,
            None => self.steps.records.ledger.hook = Some(self.hook),
        }
        self.note_outages();
        self.note_window();
        self.look_at_requested().await?;
        let is_first = self.steps.records.ledger.read_at.is_none();
        let (marks, since) = loop {
            let Some(mut comparison) = self.read_log().await? else {
                let marks = self.steps.records.ledger.marks;
                break (marks, self.note_unlisted(None));
            };
            // What is recovered moves the marks, by which is judged where the log begins.
            let since = self.note_unlisted(Some(&comparison));
            if !self.recover(&mut comparison).await? {
                return self.pause().await;
            }
            if !comparison.is_partial() {
                self.retry_set_aside().await?;
                break (comparison.marks(), since);
            }
        };
        // Also when events have arrived before the first reconcile succeeds: what failed earlier
        // has sent none.
        if is_first {
            self.find_latest().await?;
        }
        if let Some(since) = since {
            self.find_since(since).await?;
        }
        self.finish(marks).await
    }

    /// The outages since the last complete reconcile are one gap.
    fn note_outages(&mut self) {
        let records = &self.steps.records;
        let since = records
            .ledger
            .read_at
            .unwrap_or(self.steps.connection.created_at);
        let outages = self.steps.room.uptime.lock().since(since);
        let outages: Vec<Outage> = outages.chain(self.reason.refused).collect();
        let longest = outages.iter().max_by_key(|it| it.to.since(it.from));
        let Some(cause) = longest.map(|it| it.cause) else {
            return;
        };
        let length = outages.iter().map(|it| it.to.since(it.from.max(since)));
        let length: Duration = length.sum();
        let fresh = self.steps.fresh_id();
        for outage in outages {
            let times = (outage.from.max(since), outage.to);
            let gap = self.steps.records.gap_of(fresh, cause, times);
            gap.outages(length);
        }
    }

    pub(super) fn is_stored(
        &self,
        delivery_id: &str,
    ) -> impl Future<Output = Result<bool, Trouble>> + Send + use<> {
        let store = Arc::clone(&self.steps.room.ports.store);
        let (connection, id) = (self.steps.connection.id, delivery_id.to_owned());
        async move { Ok(store.delivery_known(connection, &id, &[]).await?.is_some()) }
    }

    /// How urgent the calls that read lists are. Users wait for theirs.
    pub(super) const fn priority(&self) -> Priority {
        if self.reason.is_awaited {
            Priority::Person
        } else {
            Priority::Recovery
        }
    }

    /// All of the log is compared.
    async fn finish(&mut self, marks: Marks) -> Result<Duration, Trouble> {
        let room = Arc::clone(&self.steps.room);
        let began = self.began;
        let (now, wait) = (room.ports.now(), self.wait());
        let (answered, is_unread) = (self.steps.answered(began), self.unread.is_kept);
        let edit = |records: &mut Records| {
            let ledger = &mut records.ledger;
            ledger.settle(marks);
            ledger.stretches.clear();
            ledger.unlisted_since = None;
            ledger.read_at = Some(began);
            ledger.answered = answered;
            ledger.due_at = now.plus(wait);
            ledger.failures = 0;
            ledger.last_error = None;
            ledger.behind(None);
            if !is_unread {
                records.close_gap(now);
            }
        };
        self.steps.take((Vec::new(), Vec::new()), edit).await?;
        let old = self.steps.old_gaps().await?;
        if !old.is_empty() {
            self.steps.take((old, Vec::new()), |_| {}).await?;
        }
        Ok(wait)
    }

    /// As many deliveries are pending as can be: the rest waits for them.
    async fn pause(&mut self) -> Result<Duration, Trouble> {
        let (now, wait) = (self.steps.room.ports.now(), self.wait());
        let edit = |records: &mut Records| records.ledger.due_at = now.plus(wait);
        self.steps.take((Vec::new(), Vec::new()), edit).await?;
        Ok(wait)
    }

    /// When the next one is due: as soon as something can be done about a pending delivery, or
    /// about a run that could not be read.
    fn wait(&self) -> Duration {
        let room = &self.steps.room;
        let ledger = &self.steps.records.ledger;
        let due_at = ledger.pending_due_at(room.settings.redelivery_wait);
        let due_in = due_at.map(|at| at.since(room.ports.now()).max(PENDING_MIN));
        let unread = self.unread.is_kept.then_some(room.settings.retry.cap);
        let regular = regular(room, &self.steps.connection);
        let soon = due_in.into_iter().chain(unread).min();
        soon.map_or(regular, |soon| soon.min(regular))
    }

    /// Stores why it failed. A request is answered when it cannot succeed by itself.
    async fn failed(&mut self, trouble: &Trouble) {
        let now = self.steps.room.ports.now();
        let (answered, error) = (self.steps.answered(self.began), trouble.shown(now));
        let (is_final, is_limit) = (trouble.passes().is_none(), trouble.is_limit());
        let edit = |records: &mut Records| {
            let ledger = &mut records.ledger;
            if !is_limit {
                ledger.failures = ledger.failures.saturating_add(1);
            }
            ledger.last_error = Some(error);
            if is_final {
                ledger.answered = answered;
            }
        };
        if let Err(error) = self.steps.take((Vec::new(), Vec::new()), edit).await {
            let id = self.steps.connection.id;
            let words = "the failure of a reconcile is not stored";
            tracing::debug!(connection.id = %id, %error, words);
        }
    }
}

pub(super) fn unusable(what: &str) -> ProviderError {
    let words = format!("The provider returned {what}.");
    ProviderError::retryable(ErrorCode::BadAnswer, words, None, false)
}
