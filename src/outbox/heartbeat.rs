//! Heartbeats: some sinks forget an incident that is not sent again for a while. So an incident
//! ends there by itself when this process does not run any more.
//!
//! The task of the sink sends them between its messages, one call at a time: so none is under way
//! while an end is sent. What is stored decides: only an incident that is open, and that the sink
//! shows as open, is sent as open; and none with a message whose answer is lost, which may have
//! been its end. A call that the network holds back longer than its own timeout could still arrive
//! after an end. Therefore an end is sent again for a while, too.

use super::call::{Call, call, judged, store_answer};
use super::explained::explained;
use super::health::Health;
use super::room::Room;
use super::trouble::Trouble;
use super::worded::worded;
use crate::domain::backoff::jittered;
use crate::domain::id::IncidentId;
use crate::domain::notification::{Notification, Shown};
use crate::domain::sink::Sink;
use crate::notify::template::About;
use crate::notify::{Lasting, Receipt, Words};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;
use tokio::time::Instant;

/// Incidents that are sent in one call.
pub(super) const PAGE: usize = 100;
/// An end is sent again for so many intervals: longer than what came before it lasts.
const END_BEATS: u32 = 5;

/// What a round sends next.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Incidents that the sink shows as open, after this one.
    Open(Option<IncidentId>),
    /// Those that ended lately, after this one.
    Ended(Option<IncidentId>),
    /// Nothing: the round has ended.
    End,
}

/// The heartbeats of one sink.
pub(super) struct Heartbeat {
    /// When the next call is due; `None` while the sink shows nothing.
    due_at: Option<Instant>,
    place: Place,
    /// Whether this round has found any incident.
    has_any: bool,
    /// Incidents whose ends are sent again, until then. It is not stored: they were accepted.
    ended: BTreeMap<IncidentId, Instant>,
    /// Whether the last call was a heartbeat: a message that is due comes next.
    was_last: bool,
}

impl Heartbeat {
    /// When a task begins it is not known when the last one was sent.
    pub(super) fn new() -> Self {
        Self {
            due_at: Some(Instant::now()),
            place: Place::Open(None),
            has_any: false,
            ended: BTreeMap::new(),
            was_last: false,
        }
    }

    /// How long until the next call; `None` when there is nothing to send.
    pub(super) fn wait(&self) -> Option<Duration> {
        let due_at = self.due_at?;
        Some(due_at.saturating_duration_since(Instant::now()))
    }

    /// Whether a call is to be made now. Messages that are due alternate with heartbeats.
    pub(super) fn is_due(&self, is_message_due: bool) -> bool {
        self.wait() == Some(Duration::ZERO) && !(is_message_due && self.was_last)
    }

    /// A message was sent, after which the sink shows this of an incident.
    pub(super) fn learn(&mut self, room: &Room, incident: IncidentId, shown: Option<Shown>) {
        self.was_last = false;
        let interval = room.settings.heartbeat;
        match shown {
            Some(Shown::Open) => {
                self.ended.remove(&incident);
            }
            Some(Shown::Resolved) => {
                let until = Instant::now() + interval * END_BEATS;
                self.ended.insert(incident, until);
            }
            Some(Shown::Nothing) | None => return,
        }
        self.due_at.get_or_insert(Instant::now() + interval);
    }

    /// Makes the next call of a round, or ends the round. Returns whether it has called.
    pub(super) async fn beat(
        &mut self,
        room: &Room,
        sink: &Sink,
        health: &mut Health,
    ) -> Result<bool, Trouble> {
        let owner = room.tools.store.user(sink.owner).await?;
        if !owner.is_some_and(|user| user.is_present()) {
            self.due_at = Some(Instant::now() + room.settings.heartbeat);
            return Ok(false);
        }
        loop {
            let (ids, next) = self.page(room, sink).await?;
            let mut all = Vec::new();
            for id in ids {
                all.extend(lasting(room, sink, id).await?);
            }
            if !all.is_empty() {
                if send(room, sink, &all, health).await? {
                    self.place = next;
                }
                self.was_last = true;
                return Ok(true);
            }
            self.place = next;
            if matches!(next, Place::End) {
                self.end_round(room);
                return Ok(false);
            }
        }
    }

    /// The incidents that are next, and what follows them.
    async fn page(
        &mut self,
        room: &Room,
        sink: &Sink,
    ) -> Result<(Vec<IncidentId>, Place), Trouble> {
        match self.place {
            Place::Open(after) => {
                let store = &room.tools.store;
                let ids = store.incidents_shown_open(sink.id, after, PAGE).await?;
                self.has_any |= !ids.is_empty();
                let next = match ids.last().filter(|_| ids.len() == PAGE) {
                    Some(last) => Place::Open(Some(*last)),
                    None => Place::Ended(None),
                };
                Ok((ids, next))
            }
            Place::Ended(after) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let ids = self.ended.range((from, Bound::Unbounded)).take(PAGE);
                let ids: Vec<IncidentId> = ids.map(|(id, _)| *id).collect();
                let next = match ids.last() {
                    Some(last) => Place::Ended(Some(*last)),
                    None => Place::End,
                };
                Ok((ids, next))
            }
            Place::End => Ok((Vec::new(), Place::End)),
        }
    }

    fn end_round(&mut self, room: &Room) {
        let now = Instant::now();
        self.ended.retain(|_, until| *until > now);
        let lasts = self.has_any || !self.ended.is_empty();
        let interval = jittered(room.settings.heartbeat, room.tools.chance());
        self.due_at = lasts.then(|| now + interval);
        self.place = Place::Open(None);
        self.has_any = false;
    }
}

/// An incident as the sink is sent it again; `None` when it is not.
async fn lasting(room: &Room, sink: &Sink, id: IncidentId) -> Result<Option<Lasting>, Trouble> {
    let store = &room.tools.store;
    let Some(incident) = store.incident(id).await? else {
        return Ok(None);
    };
    let Some(thread) = store.thread(id, sink.id).await? else {
        return Ok(None);
    };
    let is_resolved = match thread.shown {
        Shown::Open => false,
        Shown::Resolved => true,
        Shown::Nothing => return Ok(None),
    };
    // A message that says otherwise is on its way. But while it flaps, one that passes lasts.
    let lasts = incident.is_flapping && !is_resolved;
    if incident.standing().is_resolved != is_resolved && !lasts {
        return Ok(None);
    }
    let shown_as = thread.message_at(sink.address).map(str::to_owned);
    let waiting = store.notifications_waiting(id, sink.id).await?;
    let is_unsure = waiting.iter().any(Notification::is_unsure);
    let explained = explained(room, &incident).await;
    if is_unsure {
        return Ok(None);
    }
    let mut lasting = Lasting {
        incident,
        explained,
        is_resolved,
        shown_as,
        words: Words::default(),
    };
    (lasting.words, _) = worded(sink, &About::from(&lasting));
    Ok(Some(lasting))
}

/// Sends incidents again. Returns whether that is done: else they are sent once more.
async fn send(
    room: &Room,
    sink: &Sink,
    all: &[Lasting],
    health: &mut Health,
) -> Result<bool, Trouble> {
    let expires_at = room.expiry(room.tools.now());
    let receipt = call(room, sink, health, Call::Again(all, expires_at)).await;
    let receipt = judged(receipt, health, room.tools.now());
    let is_done = match &receipt {
        Receipt::Accepted { .. } | Receipt::Partly { .. } => true,
        // Each of them was accepted once: those that still are were accepted now.
        Receipt::Rejected { why } => {
            tracing::warn!(sink.id = %sink.id, why, "heartbeat_rejected");
            true
        }
        Receipt::Disabled { why, .. } => {
            tracing::error!(sink.id = %sink.id, why, "sink_disabled");
            false
        }
        Receipt::Refused { why, .. } | Receipt::Later { why, .. } | Receipt::Unsure { why } => {
            tracing::warn!(sink.id = %sink.id, why, "heartbeat_delayed");
            false
        }
    };
    store_answer(room, sink, &receipt, Vec::new()).await?;
    Ok(is_done)
}
