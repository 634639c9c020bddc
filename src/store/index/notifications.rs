//! Sinks, notifications, and what was announced of incidents: which keys they write, and how they
//! are read.

use super::key::{Key, Kind, last_id};
use super::write::{gone, mark, put, replaced};
use super::{Index, Kv, Scan, Write, explanations, record};
use crate::domain::id::{IncidentId, NotificationId, OwnerId, SinkId};
use crate::domain::incident::Incident;
use crate::domain::notification::{Announced, Notification, Shown, Thread};
use crate::domain::rulebook::Rulebook;
use crate::domain::sink::Sink;
use crate::domain::time::Timestamp;
use crate::store::{After, Listing, NotificationFilter, Order, ReadError};

/// Notifications of one incident that wait for one sink, and sinks of one incident, that are read:
/// far more than are ever planned.
const OF_ONE_MAX: usize = 1000;

pub(super) fn sink_key(id: SinkId) -> Key {
    Key::of(Kind::Sink).id(id.as_u128())
}

pub(super) fn notification_key(id: NotificationId) -> Key {
    Key::of(Kind::Notification).id(id.as_u128())
}

fn sink_by_owner(sink: &Sink) -> Key {
    let by_owner = Key::of(Kind::SinkByOwner).id(sink.owner.as_u128());
    by_owner.id(sink.id.as_u128())
}

fn thread_key(incident: IncidentId, sink: SinkId) -> Key {
    let of_incident = Key::of(Kind::Thread).id(incident.as_u128());
    of_incident.id(sink.as_u128())
}

fn announced_key(incident: IncidentId) -> Key {
    Key::of(Kind::Announced).id(incident.as_u128())
}

fn unannounced_key(incident: IncidentId) -> Key {
    Key::of(Kind::IncidentUnannounced).id(incident.as_u128())
}

fn due_key(sink: SinkId, due_at: Timestamp) -> Key {
    let of_sink = Key::of(Kind::NotificationDue).id(sink.as_u128());
    of_sink.number(u64::try_from(due_at.0).unwrap_or(0))
}

fn by_sink_key(sink: SinkId) -> Key {
    Key::of(Kind::NotificationBySink).id(sink.as_u128())
}

fn waiting_key(incident: IncidentId, sink: SinkId) -> Key {
    let of_incident = Key::of(Kind::NotificationWaiting).id(incident.as_u128());
    of_incident.id(sink.as_u128())
}

fn by_incident_key(incident: IncidentId) -> Key {
    Key::of(Kind::NotificationByIncident).id(incident.as_u128())
}

fn by_owner_key(owner: OwnerId, state: Option<&'static str>) -> Key {
    match state {
        None => Key::of(Kind::NotificationByOwner).id(owner.as_u128()),
        Some(state) => {
            let by_state = Key::of(Kind::NotificationByState).id(owner.as_u128());
            by_state.word(state)
        }
    }
}

pub(super) fn rulebook_key(owner: OwnerId) -> Key {
    Key::of(Kind::Rulebook).id(owner.as_u128())
}

pub(super) fn put_rulebook(book: &Rulebook) -> Write {
    put(rulebook_key(book.owner), book)
}

/// Digests that it no longer keeps are deleted.
pub(super) fn put_sink<K: Kv>(index: &Index<K>, sink: &Sink) -> Result<Vec<Write>, ReadError> {
    let mut writes = vec![put(sink_key(sink.id), sink), mark(sink_by_owner(sink))];
    if let Some(old) = index.sink(sink.id)? {
        let kept = kept(sink);
        let lost = self::kept(&old).iter().filter(|id| !kept.contains(id));
        for id in lost {
            writes.extend(index.notification(*id)?.iter().flat_map(without));
        }
    }
    Ok(writes)
}

/// The notifications that are deleted with a sink: incidents have all others.
fn kept(sink: &Sink) -> &[NotificationId] {
    sink.digest.as_ref().map_or(&[], |digest| &digest.kept)
}

pub(super) fn delete_sink<K: Kv>(index: &Index<K>, id: SinkId) -> Result<Vec<Write>, ReadError> {
    let Some(sink) = index.sink(id)? else {
        return Ok(Vec::new());
    };
    let mut writes = vec![gone(sink_key(id)), gone(sink_by_owner(&sink))];
    for id in kept(&sink) {
        writes.extend(index.notification(*id)?.iter().flat_map(without));
    }
    Ok(writes)
}

/// The keys that lead to a notification.
fn ways_to(it: &Notification) -> Vec<Key> {
    let id = it.id.as_u128();
    let mut keys = vec![
        by_owner_key(it.owner, None).id(id),
        by_owner_key(it.owner, Some(it.state.as_str())).id(id),
    ];
    if let Some(incident) = it.incident() {
        keys.push(by_incident_key(incident).id(id));
    }
    if let Some(due_at) = it.due_at() {
        keys.push(due_key(it.sink, due_at).id(id));
        keys.push(by_sink_key(it.sink).id(id));
        if let Some(incident) = it.incident() {
            keys.push(waiting_key(incident, it.sink).id(id));
        }
    }
    keys
}

pub(super) fn put_notification<K: Kv>(
    index: &Index<K>,
    it: &Notification,
) -> Result<Vec<Write>, ReadError> {
    let old = index.notification(it.id)?;
    let was = old.as_ref().map_or_else(Vec::new, ways_to);
    let record = put(notification_key(it.id), it);
    Ok(replaced(&was, &ways_to(it), record, mark))
}

fn without(it: &Notification) -> impl Iterator<Item = Write> {
    let ways = ways_to(it).into_iter().map(gone);
    ways.chain([gone(notification_key(it.id))])
}

fn open_key(sink: SinkId) -> Key {
    Key::of(Kind::ThreadOpen).id(sink.as_u128())
}

pub(super) fn put_thread(thread: &Thread) -> Vec<Write> {
    let open = open_key(thread.sink).id(thread.incident.as_u128());
    let listed = match thread.shown {
        Shown::Open => mark(open),
        Shown::Nothing | Shown::Resolved => gone(open),
    };
    vec![
        put(thread_key(thread.incident, thread.sink), thread),
        listed,
    ]
}

/// Whether an incident is on the list of those to announce.
fn listed(incident: &Incident, announced: Option<&Announced>) -> Write {
    let key = unannounced_key(incident.id);
    if Announced::is_due(incident, announced) {
        mark(key)
    } else {
        gone(key)
    }
}

pub(super) fn put_announced<K: Kv>(
    index: &Index<K>,
    announced: &Announced,
) -> Result<Vec<Write>, ReadError> {
    let mut writes = vec![put(announced_key(announced.incident), announced)];
    if let Some(incident) = index.incident(announced.incident)? {
        writes.push(listed(&incident, Some(announced)));
        writes.extend(explanations::of_announced(index, &incident, announced)?);
    }
    Ok(writes)
}

/// What an incident that is put does to the list of those to announce.
pub(super) fn of_incident<K: Kv>(
    index: &Index<K>,
    incident: &Incident,
) -> Result<Write, ReadError> {
    let announced = index.announced(incident.id)?;
    Ok(listed(incident, announced.as_ref()))
}

/// Without all that hangs on an incident.
pub(super) fn forget_incident<K: Kv>(
    index: &Index<K>,
    id: IncidentId,
) -> Result<Vec<Write>, ReadError> {
    let mut writes = vec![gone(unannounced_key(id)), gone(announced_key(id))];
    for thread in index.threads(id)? {
        writes.push(gone(thread_key(id, thread.sink)));
        writes.push(gone(open_key(thread.sink).id(id.as_u128())));
    }
    for of_incident in index.ids(&by_incident_key(id), None, false, usize::MAX)? {
        let found = index.notification(NotificationId::from_u128(of_incident))?;
        writes.extend(found.iter().flat_map(without));
    }
    Ok(writes)
}

impl<K: Kv> Index<K> {
    pub(in crate::store) fn sink(&self, id: SinkId) -> Result<Option<Sink>, ReadError> {
        self.record(&sink_key(id))
    }

    pub(super) fn rulebook(&self, owner: OwnerId) -> Result<Option<Rulebook>, ReadError> {
        self.record(&rulebook_key(owner))
    }

    /// The ids of an owner's sinks.
    pub(super) fn sink_ids(
        &self,
        owner: OwnerId,
    ) -> Result<impl Iterator<Item = SinkId> + use<K>, ReadError> {
        let by_owner = Key::of(Kind::SinkByOwner).id(owner.as_u128());
        let ids = self.ids(&by_owner, None, false, usize::MAX)?;
        Ok(ids.into_iter().map(SinkId::from_u128))
    }

    pub(super) fn sinks_of(&self, owner: OwnerId) -> Result<Vec<Sink>, ReadError> {
        let by_owner = Key::of(Kind::SinkByOwner).id(owner.as_u128());
        let ids = self.ids(&by_owner, None, true, usize::MAX)?;
        self.each(Kind::Sink, &ids)
    }

    pub(super) fn notification(
        &self,
        id: NotificationId,
    ) -> Result<Option<Notification>, ReadError> {
        self.record(&notification_key(id))
    }

    pub(super) fn notifications_of(
        &self,
        owner: OwnerId,
        filter: NotificationFilter,
        after: After<NotificationId>,
    ) -> Result<Listing<Notification, NotificationId>, ReadError> {
        let last = after.last.map(NotificationId::as_u128);
        let limit = after.limit;
        let keys = match (filter.incident, filter.state) {
            (Some(incident), _) => by_incident_key(incident),
            (None, state) => by_owner_key(owner, state),
        };
        let after = After { last, limit };
        let found = self.walk_span(&[keys], after, Order::NewestFirst, None, |id| {
            let found = self.notification(NotificationId::from_u128(id))?;
            Ok(found.filter(|it| it.owner == owner && filter.fits(it)))
        })?;
        Ok(Listing {
            items: found.items,
            next: found.next.map(NotificationId::from_u128),
        })
    }

    pub(super) fn notifications_waiting(
        &self,
        incident: IncidentId,
        sink: SinkId,
    ) -> Result<Vec<Notification>, ReadError> {
        let ids = self.ids(&waiting_key(incident, sink), None, false, OF_ONE_MAX)?;
        self.each(Kind::Notification, &ids)
    }

    pub(super) fn notifications_due(
        &self,
        sink: SinkId,
        limit: usize,
    ) -> Result<Vec<Notification>, ReadError> {
        let list = Key::of(Kind::NotificationDue).id(sink.as_u128());
        let found = self.kv.scan(Scan {
            prefix: list.bytes(),
            after: None,
            newest_first: false,
            limit,
        })?;
        let ids: Vec<u128> = found.iter().filter_map(|(key, _)| last_id(key)).collect();
        self.each(Kind::Notification, &ids)
    }

    pub(super) fn notifications_of_sink(
        &self,
        sink: SinkId,
        limit: usize,
    ) -> Result<Vec<Notification>, ReadError> {
        let ids = self.ids(&by_sink_key(sink), None, false, limit)?;
        self.each(Kind::Notification, &ids)
    }

    pub(super) fn sinks_with_notifications(&self) -> Result<Vec<SinkId>, ReadError> {
        let ids = self.firsts(Kind::NotificationBySink)?;
        Ok(ids.into_iter().map(SinkId::from_u128).collect())
    }

    pub(super) fn thread(
        &self,
        incident: IncidentId,
        sink: SinkId,
    ) -> Result<Option<Thread>, ReadError> {
        self.record(&thread_key(incident, sink))
    }

    pub(super) fn threads(&self, incident: IncidentId) -> Result<Vec<Thread>, ReadError> {
        let list = Key::of(Kind::Thread).id(incident.as_u128());
        let found = self.kv.scan(Scan {
            prefix: list.bytes(),
            after: None,
            newest_first: false,
            limit: OF_ONE_MAX,
        })?;
        found.iter().map(|(_, value)| record(value)).collect()
    }

    pub(super) fn incidents_shown_open(
        &self,
        sink: SinkId,
        after: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<IncidentId>, ReadError> {
        let after = after.map(IncidentId::as_u128);
        let ids = self.ids(&open_key(sink), after, false, limit)?;
        Ok(ids.into_iter().map(IncidentId::from_u128).collect())
    }

    pub(super) fn sinks_showing_open(&self) -> Result<Vec<SinkId>, ReadError> {
        let ids = self.firsts(Kind::ThreadOpen)?;
        Ok(ids.into_iter().map(SinkId::from_u128).collect())
    }

    pub(super) fn announced(&self, incident: IncidentId) -> Result<Option<Announced>, ReadError> {
        self.record(&announced_key(incident))
    }

    pub(super) fn incidents_unannounced(
        &self,
        after: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<IncidentId>, ReadError> {
        let list = Key::of(Kind::IncidentUnannounced);
        let ids = self.ids(&list, after.map(IncidentId::as_u128), false, limit)?;
        Ok(ids.into_iter().map(IncidentId::from_u128).collect())
    }
}
