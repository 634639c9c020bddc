//! One try to send a notification, and what came of it.

use super::call::{Call, call, judged, store_answer};
use super::explained::explained;
use super::health::Health;
use super::room::Room;
use super::trouble::Trouble;
use super::waiting::planned;
use super::worded::worded;
use crate::domain::incident::Incident;
use crate::domain::notification::{
    DropReason, Notification, NotificationKind, NotificationState, Shown, Thread, retry,
};
use crate::domain::sink::Sink;
use crate::notify::template::About;
use crate::notify::{Message, Receipt, Words};
use crate::store::{Batch, Change};
use crate::telemetry::metric;
use metrics::counter;
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
    /// The interval of reminders.
    pub(super) remind: Option<Duration>,
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

/// What a sink shows when it has accepted a notification of this kind.
pub(super) const fn shown_by(kind: NotificationKind) -> Shown {
    match kind {
        NotificationKind::Opened
        | NotificationKind::Reopened
        | NotificationKind::Flapping
        | NotificationKind::Worse
        | NotificationKind::Reminded => Shown::Open,
        NotificationKind::Resolved => Shown::Resolved,
        NotificationKind::Digest => Shown::Nothing,
    }
}

/// A notification whose call begins: it may reach the sink from now on.
pub(super) fn begun(room: &Room, it: &Notification) -> Notification {
    let now = room.tools.now();
    Notification {
        tries: it.tries.saturating_add(1),
        state: NotificationState::Waiting {
            due_at: it.due_at().unwrap_or(now),
            is_unsure: true,
            tried_at: Some(now),
            error: None,
        },
        ..it.clone()
    }
}

/// Sends a notification: the intent is stored with `changes` before the call, and the outcome after
/// it. Returns what the sink shows then, if that has changed.
pub(super) async fn send(
    room: &Room,
    this: Try<'_>,
    mut changes: Vec<Change>,
    health: &mut Health,
) -> Result<Option<Shown>, Trouble> {
    let store = &room.tools.store;
    let was_unsure = this.notification.is_unsure();
    let now = room.tools.now();
    let begun = begun(room, this.notification);
    changes.push(Change::PutNotification(Box::new(begun.clone())));
    store.commit(Batch::of(changes)).await?;
    let mut message = Message {
        id: this.notification.id,
        kind: this.notification.kind,
        explained: explained(room, &this.incident).await,
        incident: this.incident.clone(),
        episode: this.episode,
        at: now,
        expires_at: room.expiry(now),
        shown_as: this.shown_as(),
        words: Words::default(),
    };
    (message.words, _) = worded(this.sink, &About::from(&message));
    let receipt = call(room, this.sink, health, Call::Message(&message)).await;
    let receipt = judged(receipt, health, room.tools.now());
    let outcome = judge(room, &begun, was_unsure, &receipt);
    count(this.sink, &begun, &receipt, &outcome);
    let shown = outcome.shown;
    store_outcome(room, this, &receipt, outcome).await?;
    Ok(shown)
}

/// What becomes of the notification, and what its sink shows then, if that changes.
pub(super) struct Outcome {
    pub(super) notification: Notification,
    shown: Option<Shown>,
}

/// What an answer means for a notification.
pub(super) fn judge(
    room: &Room,
    begun: &Notification,
    was_unsure: bool,
    receipt: &Receipt,
) -> Outcome {
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
        Receipt::Accepted { .. } | Receipt::Partly { .. } => {
            with(NotificationState::Sent { at: now }, Some(shown))
        }
        Receipt::Rejected { why } => failed(was_unsure, why),
        // It is kept until a person has changed something.
        Receipt::Disabled { why, .. } => waiting(Duration::ZERO, was_unsure, why),
        Receipt::Refused { why, .. } => again(None, was_unsure, why),
        Receipt::Later { after, why } => again(*after, was_unsure, why),
        Receipt::Unsure { why } => again(None, true, why),
    }
}

async fn store_outcome(
    room: &Room,
    this: Try<'_>,
    receipt: &Receipt,
    outcome: Outcome,
) -> Result<(), Trouble> {
    let mut changes = vec![Change::PutNotification(Box::new(outcome.notification))];
    if let Some(shown) = outcome.shown {
        let message = match receipt {
            Receipt::Accepted { message } | Receipt::Partly { message, .. } => {
                message.clone().or_else(|| this.shown_as())
            }
            Receipt::Rejected { .. }
            | Receipt::Disabled { .. }
            | Receipt::Refused { .. }
            | Receipt::Later { .. }
            | Receipt::Unsure { .. } => this.shown_as(),
        };
        // The next one is counted from this answer: a clock that jumps causes one at most.
        let is_accepted = matches!(receipt, Receipt::Accepted { .. } | Receipt::Partly { .. });
        if let (Some(every), true, Shown::Open) = (this.remind, is_accepted, shown) {
            let due_at = room.tools.now().plus(every);
            let kind = NotificationKind::Reminded;
            changes.push(planned(room, &this.incident, this.sink.id, kind, due_at));
        }
        let thread = Thread {
            shown,
            severity: Some(this.incident.severity),
            message,
            address: this.sink.address,
            ..this.thread
        };
        changes.push(Change::PutThread(Box::new(thread)));
    }
    store_answer(room, this.sink, receipt, changes).await
}

/// Counts and logs what a try came to.
pub(super) fn count(sink: &Sink, begun: &Notification, receipt: &Receipt, outcome: &Outcome) {
    let (kind, sink, id) = (sink.kind.as_str(), sink.id, begun.id);
    let has_failed = matches!(outcome.notification.state, NotificationState::Failed { .. });
    let result = match receipt {
        Receipt::Accepted { .. } | Receipt::Partly { .. } => "sent",
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
        Receipt::Accepted { .. } | Receipt::Partly { .. } => {
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
