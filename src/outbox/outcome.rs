//! One try to send a notification, and what came of it.

use super::health::Health;
use super::room::Room;
use super::trouble::Trouble;
use crate::domain::incident::Incident;
use crate::domain::notification::{
    DropReason, Notification, NotificationKind, NotificationState, Shown, Thread, retry,
};
use crate::domain::sink::{DisableReason, Sink, SinkState};
use crate::domain::time::Timestamp;
use crate::domain::wording;
use crate::notify::{Message, Receipt, Target};
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use crate::telemetry::metric;
use futures_util::FutureExt;
use metrics::counter;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// How a try may end, as it is counted.
pub const OUTCOMES: [&str; 6] = [
    "sent", "rejected", "disabled", "given_up", "refused", "unsure",
];

/// What is tried.
pub(super) struct Try<'a> {
    pub(super) sink: &'a Sink,
    pub(super) incident: Incident,
    /// The number of its episode.
    pub(super) episode: u32,
    pub(super) thread: Thread,
    pub(super) notification: &'a Notification,
}

impl Try<'_> {
    /// The id of the message at the sink that shows the incident already.
    fn shown_as(&self) -> Option<String> {
        let message = self.thread.message_at(self.sink.address);
        message.map(str::to_owned)
    }
}

/// The notification is not needed.
pub(super) fn dropped(room: &Room, it: &Notification, why: DropReason) -> Change {
    let at = room.tools.now();
    Change::PutNotification(Box::new(Notification {
        state: NotificationState::Dropped { at, why },
        ..it.clone()
    }))
}

/// The notification waits for another one.
pub(super) fn postponed(it: &Notification, until: Timestamp) -> Change {
    let mut it = it.clone();
    if let NotificationState::Waiting { due_at, .. } = &mut it.state {
        *due_at = until;
    }
    Change::PutNotification(Box::new(it))
}

/// What a sink shows when it has accepted a notification of this kind.
pub(super) const fn shown_by(kind: NotificationKind) -> Shown {
    match kind {
        NotificationKind::Opened | NotificationKind::Reopened | NotificationKind::Worse => {
            Shown::Open
        }
        NotificationKind::Resolved => Shown::Resolved,
    }
}

/// Sends a notification: the intent is stored with `changes` before the call, and the outcome after
/// it.
pub(super) async fn send(
    room: &Room,
    this: Try<'_>,
    mut changes: Vec<Change>,
    health: &mut Health,
) -> Result<(), Trouble> {
    let store = &room.tools.store;
    let was_unsure = this.notification.is_unsure();
    let due_at = this.notification.due_at();
    let now = room.tools.now();
    let begun = Notification {
        tries: this.notification.tries.saturating_add(1),
        state: NotificationState::Waiting {
            due_at: due_at.unwrap_or(now),
            is_unsure: true,
            tried_at: Some(now),
            error: None,
        },
        ..this.notification.clone()
    };
    changes.push(Change::PutNotification(Box::new(begun.clone())));
    store.commit(Batch::of(changes)).await?;
    let receipt = settled(call(room, &this, now).await, health);
    let outcome = judge(room, &begun, was_unsure, &receipt);
    count(&this, &begun, &receipt, &outcome);
    match &receipt {
        Receipt::Accepted { .. } | Receipt::Rejected { .. } => {
            health.answered(room.tools.now(), pace());
        }
        // A refusal is counted already.
        Receipt::Disabled { .. } | Receipt::Refused { .. } => {}
        // Also with a wait that it asks for: that may be short, and for hours.
        Receipt::Later { .. } | Receipt::Unsure { .. } => health.failed(),
    }
    store_outcome(room, this, &receipt, outcome).await
}

/// A refusal that continues disables the sink.
fn settled(receipt: Receipt, health: &mut Health) -> Receipt {
    match receipt {
        Receipt::Refused { reason, why } if health.refused() => Receipt::Disabled { reason, why },
        receipt => receipt,
    }
}

/// The pause between two calls of one sink.
const fn pace() -> Duration {
    Duration::from_millis(20)
}

async fn call(room: &Room, this: &Try<'_>, at: Timestamp) -> Receipt {
    let target: Target = match room.tools.target(this.sink) {
        Ok(target) => target,
        Err(error) => {
            return Receipt::Disabled {
                reason: DisableReason::Sealed,
                why: error.to_string(),
            };
        }
    };
    let message = Message {
        id: this.notification.id,
        kind: this.notification.kind,
        incident: this.incident.clone(),
        episode: this.episode,
        at,
        shown_as: this.shown_as(),
    };
    let calls = room.calls_of(this.sink.owner);
    let _permit = calls.acquire().await;
    let sent = AssertUnwindSafe(room.tools.deliver.deliver(&target, &message));
    sent.catch_unwind().await.unwrap_or_else(|_| {
        let why = wording::SINK_PANICKED.to_owned();
        Receipt::Rejected { why }
    })
}

/// What becomes of the notification, and what its sink shows then, if that changes.
struct Outcome {
    notification: Notification,
    shown: Option<Shown>,
}

fn judge(room: &Room, begun: &Notification, was_unsure: bool, receipt: &Receipt) -> Outcome {
    let now = room.tools.now();
    let shown = shown_by(begun.kind);
    let with = |state, shown| Outcome {
        notification: Notification {
            state,
            ..begun.clone()
        },
        shown,
    };
    let failed = |is_unsure: bool, why: &str| {
        let (at, error) = (now, why.to_owned());
        // It may be there, and then its end has to be, too.
        with(
            NotificationState::Failed { at, error },
            is_unsure.then_some(shown),
        )
    };
    let waiting = |wait: Duration, is_unsure: bool, why: &str| {
        let state = NotificationState::Waiting {
            due_at: now.plus(wait.min(retry::WAIT_MAX)),
            is_unsure,
            tried_at: Some(now),
            error: Some(why.to_owned()),
        };
        with(state, None)
    };
    // No sooner than the schedule wants it: a sink may ask for short waits for hours.
    let again = |after: Option<Duration>, is_unsure: bool, why: &str| {
        let age = now.since(begun.planned_at);
        match retry::wait(begun.tries, age, room.tools.chance()) {
            Some(wait) => waiting(wait.max(after.unwrap_or_default()), is_unsure, why),
            None => failed(is_unsure, why),
        }
    };
    match receipt {
        Receipt::Accepted { .. } => with(NotificationState::Sent { at: now }, Some(shown)),
        Receipt::Rejected { why } => failed(was_unsure, why),
        // It is kept until a person has changed something.
        Receipt::Disabled { why, .. } => waiting(Duration::ZERO, was_unsure, why),
        Receipt::Refused { why, .. } => again(None, was_unsure, why),
        Receipt::Later { after, why } => again(*after, was_unsure, why),
        Receipt::Unsure { why } => again(None, true, why),
    }
}

/// The sink as it is after a call, when that changes it.
fn sink_after(sink: &Sink, receipt: &Receipt, now: Timestamp) -> Option<Sink> {
    match receipt {
        Receipt::Disabled { reason, .. } => Some(Sink {
            state: SinkState::Disabled {
                at: now,
                reason: *reason,
            },
            ..sink.clone()
        }),
        Receipt::Later {
            after: Some(after), ..
        } => Some(Sink {
            hold_until: Some(now.plus((*after).min(retry::WAIT_MAX))),
            ..sink.clone()
        }),
        Receipt::Accepted { .. }
        | Receipt::Rejected { .. }
        | Receipt::Refused { .. }
        | Receipt::Later { after: None, .. }
        | Receipt::Unsure { .. } => None,
    }
}

async fn store_outcome(
    room: &Room,
    this: Try<'_>,
    receipt: &Receipt,
    outcome: Outcome,
) -> Result<(), Trouble> {
    let store = &room.tools.store;
    let mut changes = vec![Change::PutNotification(Box::new(outcome.notification))];
    if let Some(shown) = outcome.shown {
        let message = match receipt {
            Receipt::Accepted { message: Some(new) } => Some(new.clone()),
            Receipt::Accepted { message: None }
            | Receipt::Rejected { .. }
            | Receipt::Disabled { .. }
            | Receipt::Refused { .. }
            | Receipt::Later { .. }
            | Receipt::Unsure { .. } => this.shown_as(),
        };
        let thread = Thread {
            shown,
            message,
            address: this.sink.address,
            ..this.thread
        };
        changes.push(Change::PutThread(Box::new(thread)));
    }
    // A user may change the sink meanwhile; what the call came to is true in any case.
    let mut present = Some(this.sink.clone());
    loop {
        let mut batch = Batch::of(changes.clone());
        if let Some(sink) = present.take()
            && let Some(after) = sink_after(&sink, receipt, room.tools.now())
        {
            batch.changes.push(Change::PutSink(Box::new(after)));
            batch = batch.guarded_by(Guard::SameSink(Box::new(sink)));
        }
        match store.commit(batch).await {
            Err(CommitError::Conflict(Conflict::Changed)) => {
                let stored = store.sink(this.sink.id).await?;
                // Another address may well accept what the former one refused.
                present = stored.filter(|sink| sink.target == this.sink.target);
            }
            stored => return Ok(stored?),
        }
    }
}

fn count(this: &Try<'_>, begun: &Notification, receipt: &Receipt, outcome: &Outcome) {
    let (kind, sink, id) = (this.sink.kind.as_str(), this.sink.id, begun.id);
    let has_failed = matches!(outcome.notification.state, NotificationState::Failed { .. });
    let result = match receipt {
        Receipt::Accepted { .. } => "sent",
        Receipt::Rejected { .. } => "rejected",
        Receipt::Disabled { .. } => "disabled",
        Receipt::Refused { .. } | Receipt::Later { .. } | Receipt::Unsure { .. } if has_failed => {
            "given_up"
        }
        Receipt::Refused { .. } | Receipt::Later { .. } => "refused",
        Receipt::Unsure { .. } => "unsure",
    };
    counter!(metric::NOTIFICATIONS, "sink" => kind, "outcome" => result).increment(1);
    match receipt {
        Receipt::Accepted { .. } => {
            tracing::info!(notification.id = %id, sink.id = %sink, "notification_sent");
        }
        Receipt::Rejected { why } => {
            tracing::error!(notification.id = %id, sink.id = %sink, why, "notification_failed");
        }
        Receipt::Disabled { why, .. } => {
            tracing::error!(notification.id = %id, sink.id = %sink, why, "sink_disabled");
        }
        Receipt::Refused { why, .. } | Receipt::Later { why, .. } | Receipt::Unsure { why }
            if has_failed =>
        {
            tracing::error!(notification.id = %id, sink.id = %sink, why, "notification_failed");
        }
        Receipt::Refused { why, .. } | Receipt::Later { why, .. } | Receipt::Unsure { why } => {
            tracing::warn!(notification.id = %id, sink.id = %sink, why, "notification_delayed");
        }
    }
}
