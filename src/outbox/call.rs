//! A call of a sink, and what its answer means for the sink.

use super::disabled;
use super::health::Health;
use super::room::Room;
use super::trouble::Trouble;
use crate::domain::notification::retry;
use crate::domain::sink::{DisableReason, Sink, SinkState};
use crate::domain::time::Timestamp;
use crate::domain::wording;
use crate::notify::{DigestMessage, Lasting, Message, Receipt};
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// What a sink is sent.
pub(super) enum Call<'a> {
    /// A message.
    Message(&'a Message),
    /// A digest.
    Digest(&'a DigestMessage),
    /// Incidents that it would forget, and until when it is to remember them.
    Again(&'a [Lasting], Timestamp),
}

/// Calls a sink, as soon as its owner may have another call made.
pub(super) async fn call(room: &Room, sink: &Sink, health: &Health, what: Call<'_>) -> Receipt {
    let target = match room.tools.target(sink) {
        Ok(target) => target,
        Err(error) => {
            return Receipt::Disabled {
                reason: DisableReason::Sealed,
                why: error.to_string(),
            };
        }
    };
    let calls = room.calls_of(sink.owner, health.line());
    let _permit = calls.acquire().await;
    room.paces.take(sink);
    let deliver = &room.tools.deliver;
    let sent = match what {
        Call::Message(message) => deliver.deliver(&target, message),
        Call::Digest(digest) => deliver.digest(&target, digest),
        Call::Again(all, expires_at) => deliver.repeat(&target, all, expires_at),
    };
    let sent = AssertUnwindSafe(sent).catch_unwind().await;
    sent.unwrap_or_else(|_| {
        let why = wording::SINK_PANICKED.to_owned();
        Receipt::Rejected { why }
    })
}

/// What an answer says of how the sink does. A refusal that continues disables it.
pub(super) fn judged(receipt: Receipt, health: &mut Health, now: Timestamp) -> Receipt {
    match receipt {
        Receipt::Refused { reason, why } if health.refused() => Receipt::Disabled { reason, why },
        // A refusal is counted already.
        Receipt::Disabled { .. } | Receipt::Refused { .. } => receipt,
        Receipt::Accepted { .. } | Receipt::Partly { .. } | Receipt::Rejected { .. } => {
            health.answered(now);
            receipt
        }
        // Also with a wait that it asks for: that may be short, and for hours.
        Receipt::Later { .. } | Receipt::Unsure { .. } => {
            health.failed();
            receipt
        }
    }
}

/// The sink as it is after a call, when that changes it.
fn sink_after(sink: &Sink, receipt: &Receipt, now: Timestamp) -> Option<Sink> {
    // One in the future is of a clock that was ahead.
    let since = sink.failing_since.filter(|since| *since <= now);
    let failing = Sink {
        failing_since: since.or(Some(now)),
        ..sink.clone()
    };
    let after = match receipt {
        // Another process may have found the same.
        Receipt::Disabled { .. } if matches!(sink.state, SinkState::Disabled { .. }) => {
            return None;
        }
        Receipt::Disabled { reason, .. } => Sink {
            state: SinkState::Disabled {
                at: now,
                reason: *reason,
            },
            ..failing
        },
        Receipt::Later {
            after: Some(after), ..
        } => Sink {
            hold_until: Some(now.plus((*after).min(retry::WAIT_MAX))),
            ..failing
        },
        Receipt::Refused { .. } | Receipt::Later { after: None, .. } | Receipt::Unsure { .. } => {
            failing
        }
        // It works: this message alone is none that it takes.
        Receipt::Accepted { .. } | Receipt::Partly { .. } | Receipt::Rejected { .. } => Sink {
            failing_since: None,
            ..failing
        },
    };
    (after != *sink).then_some(after)
}

/// Stores these changes, and what an answer changes of the sink.
pub(super) async fn store_answer(
    room: &Room,
    sink: &Sink,
    receipt: &Receipt,
    changes: Vec<Change>,
) -> Result<(), Trouble> {
    let store = &room.tools.store;
    // A user may change the sink meanwhile; what the call came to is true in any case.
    let mut present = Some(sink.clone());
    loop {
        let mut batch = Batch::of(changes.clone());
        if let Some(sink) = present.take()
            && let Some(after) = sink_after(&sink, receipt, room.tools.now())
        {
            if !matches!(sink.state, SinkState::Disabled { .. }) {
                batch.changes.extend(disabled::opened(&after));
            }
            batch.changes.push(Change::PutSink(Box::new(after)));
            batch = batch.guarded_by(Guard::SameSink(Box::new(sink)));
        }
        if batch.changes.is_empty() {
            return Ok(());
        }
        match store.commit(batch).await {
            Err(CommitError::Conflict(Conflict::Changed)) => {
                let stored = store.sink(sink.id).await?;
                // Another address may well accept what the former one refused.
                present = stored.filter(|stored| stored.target == sink.target);
            }
            stored => return Ok(stored?),
        }
    }
}
