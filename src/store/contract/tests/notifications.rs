//! Sinks, notifications, and the list of incidents to announce.

use super::made::*;
use crate::domain::id::{IncidentId, NotificationId, SinkId};
use crate::domain::incident::{Incident, IncidentStatus, Severity};
use crate::domain::notification::{
    Announced, DropReason, Notification, NotificationState, Shown, Thread,
};
use crate::domain::samples;
use crate::domain::sink::{Sink, SinkState};
use crate::domain::time::Timestamp;
use crate::store::contract::{Subject, conflict, wait};
use crate::store::{After, Batch, Change, Conflict, Guard, NotificationFilter, Store};

const CHAT: SinkId = SinkId::from_u128(1);
const MAIL: SinkId = SinkId::from_u128(2);

fn open(id: u128) -> Incident {
    incident(id, 1, IncidentStatus::Open)
}

fn put_incident(incident: &Incident) -> Change {
    Change::PutIncident(Box::new(incident.clone()))
}

fn announced(incident: &Incident) -> Change {
    Change::PutAnnounced(Box::new(Announced {
        incident: incident.id,
        standing: incident.standing(),
        episode: 1,
        has_flapped: false,
    }))
}

fn put_notification(it: &Notification) -> Change {
    Change::PutNotification(Box::new(it.clone()))
}

fn waiting(id: u128, incident: u128, sink: SinkId, due_at: i64) -> Notification {
    Notification {
        state: NotificationState::Waiting {
            due_at: Timestamp(due_at),
            is_unsure: false,
            tried_at: None,
            error: None,
        },
        ..samples::notification(id, IncidentId::from_u128(incident), sink)
    }
}

pub(in crate::store) fn an_incident_is_listed_while_it_stands_otherwise_than_announced(
    subject: &impl Subject,
) {
    let store = subject.store();
    let listed = || wait(store.incidents_unannounced(None, 10)).unwrap();
    let mut news = store.incident_news();
    let seen = *news.borrow_and_update();
    let (first, over) = (open(1), incident(2, 1, IncidentStatus::Resolved));
    put(store, vec![put_incident(&first), put_incident(&over)]);
    assert_ne!(*news.borrow_and_update(), seen, "a reader is woken");
    assert_eq!(listed(), [first.id], "what was over before is no news");
    put(store, vec![announced(&first)]);
    assert_eq!(listed(), []);
    let again = Incident {
        occurrences: 7,
        ..first.clone()
    };
    put(store, vec![put_incident(&again)]);
    assert_eq!(listed(), [], "it stands as it did");
    let worse = Incident {
        severity: Severity::Critical,
        ..again.clone()
    };
    put(store, vec![put_incident(&worse)]);
    assert_eq!(listed(), [first.id]);
    put(store, vec![put_incident(&again)]);
    assert_eq!(listed(), [], "it stands as it was announced again");
    let resolved = Incident {
        status: IncidentStatus::Resolved,
        ..again.clone()
    };
    put(store, vec![put_incident(&resolved), put_incident(&open(3))]);
    let third = IncidentId::from_u128(3);
    assert_eq!(listed(), [first.id, third]);
    let page = |after| wait(store.incidents_unannounced(after, 1)).unwrap();
    assert_eq!(
        (page(None), page(Some(first.id))),
        (vec![first.id], vec![third])
    );
    assert_eq!(page(Some(third)), []);
    put(store, vec![announced(&resolved), announced(&open(3))]);
    assert_eq!(listed(), []);
    let found = wait(store.announced(third)).unwrap();
    assert_eq!(found.map(|it| it.episode), Some(1));
    // What was announced of an older state than the present one leaves it on the list.
    put(store, vec![announced(&open(1))]);
    assert_eq!(listed(), [first.id]);
}

fn list(store: &dyn Store, filter: NotificationFilter) -> Vec<u128> {
    let found = wait(store.notifications_of(ANN, filter, After::first(10))).unwrap();
    found.items.iter().map(|it| it.id.as_u128()).collect()
}

pub(in crate::store) fn notifications_are_found_by_owner_state_incident_and_sink(
    subject: &impl Subject,
) {
    let store = subject.store();
    let sent = Notification {
        state: NotificationState::Sent { at: Timestamp(9) },
        ..waiting(4, 1, CHAT, 0)
    };
    let theirs = Notification {
        owner: BOB,
        ..waiting(5, 9, SinkId::from_u128(7), 1)
    };
    let all = [
        waiting(1, 1, CHAT, 50),
        waiting(2, 1, CHAT, 20),
        waiting(3, 2, MAIL, 20),
        sent,
        theirs,
    ];
    put(store, all.iter().map(put_notification).collect());
    let any = NotificationFilter::default();
    assert_eq!(list(store, any), [4, 3, 2, 1], "newest first");
    let state = |state| NotificationFilter {
        state: Some(state),
        ..any
    };
    assert_eq!(list(store, state("waiting")), [3, 2, 1]);
    assert_eq!(list(store, state("sent")), [4]);
    let of = NotificationFilter {
        incident: Some(IncidentId::from_u128(1)),
        ..any
    };
    assert_eq!(list(store, of), [4, 2, 1]);
    let at_mail = NotificationFilter {
        sink: Some(MAIL),
        ..any
    };
    assert_eq!(list(store, at_mail), [3]);
    let foreign = NotificationFilter {
        incident: Some(IncidentId::from_u128(9)),
        ..any
    };
    assert_eq!(list(store, foreign), [] as [u128; 0]);

    let due = |limit| wait(store.notifications_due(CHAT, limit)).unwrap();
    assert_eq!(
        due(9),
        [all[1].clone(), all[0].clone()],
        "the soonest first"
    );
    assert_eq!(due(1), [all[1].clone()]);
    let of_sink = wait(store.notifications_of_sink(CHAT, 9)).unwrap();
    assert_eq!(of_sink, [all[0].clone(), all[1].clone()], "oldest first");
    let of_thread = wait(store.notifications_waiting(IncidentId::from_u128(1), CHAT)).unwrap();
    assert_eq!(of_thread, [all[0].clone(), all[1].clone()], "oldest first");
    let busy = wait(store.sinks_with_notifications()).unwrap();
    assert_eq!(busy, [CHAT, MAIL, SinkId::from_u128(7)]);

    let dropped = Notification {
        state: NotificationState::Dropped {
            at: Timestamp(9),
            why: DropReason::Superseded,
        },
        ..all[1].clone()
    };
    put(store, vec![put_notification(&dropped)]);
    assert_eq!(due(9), [all[0].clone()]);
    assert_eq!(list(store, state("waiting")), [3, 1]);
    assert_eq!(list(store, state("dropped")), [2]);
    let found = wait(store.notification(dropped.id)).unwrap();
    assert_eq!(found, Some(dropped));
}

pub(in crate::store) fn sinks_are_found_by_owner_and_are_written_by_who_knows_them(
    subject: &impl Subject,
) {
    let store = subject.store();
    let chat = samples::sink(CHAT);
    let theirs = Sink {
        owner: BOB,
        ..samples::sink(MAIL)
    };
    let put_sink = |sink: &Sink| Change::PutSink(Box::new(sink.clone()));
    put(store, vec![put_sink(&chat), put_sink(&theirs)]);
    let owned = wait(store.sinks_of(ANN)).unwrap();
    assert_eq!(owned, std::slice::from_ref(&chat));
    assert_eq!(wait(store.sink(MAIL)).unwrap(), Some(theirs));
    let paused = Sink {
        state: SinkState::Paused,
        ..chat.clone()
    };
    let guarded = |sink: &Sink| {
        let guard = Guard::SameSink(Box::new(chat.clone()));
        Batch::of(vec![put_sink(sink)]).guarded_by(guard)
    };
    let held = Sink {
        hold_until: Some(Timestamp(5)),
        ..chat.clone()
    };
    let answers = subject.together(vec![guarded(&paused), guarded(&held)]);
    assert_eq!(answers, [Ok(()), conflict(Conflict::Changed)]);
    assert_eq!(wait(store.sink(CHAT)).unwrap(), Some(paused));
    let it = waiting(1, 1, CHAT, 5);
    let sent = Notification {
        state: NotificationState::Sent { at: Timestamp(9) },
        ..it.clone()
    };
    put(store, vec![put_notification(&it)]);
    let guarded = |change: Change| {
        let guard = Guard::SameNotification(Box::new(it.clone()));
        Batch::of(vec![change]).guarded_by(guard)
    };
    let batches = vec![
        guarded(put_notification(&sent)),
        guarded(put_notification(&it)),
    ];
    let answers = subject.together(batches);
    assert_eq!(answers, [Ok(()), conflict(Conflict::Changed)]);
    put(
        store,
        vec![Change::DeleteSink(CHAT), Change::DeleteSink(CHAT)],
    );
    assert_eq!(wait(store.sink(CHAT)).unwrap(), None);
    assert_eq!(wait(store.sinks_of(ANN)).unwrap(), []);
}

pub(in crate::store) fn an_owner_has_so_many_sinks_also_within_a_group(subject: &impl Subject) {
    let adding = |id: u128, owner| {
        let sink = Sink {
            owner,
            ..samples::sink(SinkId::from_u128(id))
        };
        let guard = Guard::NewSink { owner, most: 3 };
        Batch::of(vec![Change::PutSink(Box::new(sink))]).guarded_by(guard)
    };
    let store = subject.store();
    assert_eq!(commit(store, adding(1, ANN)), Ok(()));
    let full = conflict(Conflict::Sinks(ANN));
    let more = [2, 3, 4, 5].map(|id| adding(id, ANN));
    let more = more.into_iter().chain([adding(9, BOB)]).collect();
    let answers = subject.together(more);
    assert_eq!(
        answers,
        [Ok(()), Ok(()), full.clone(), full.clone(), Ok(())]
    );
    put(store, vec![Change::DeleteSink(SinkId::from_u128(2))]);
    assert_eq!(commit(store, adding(6, ANN)), Ok(()));
    assert_eq!(commit(store, adding(7, ANN)), full);
}

pub(in crate::store) fn a_forgotten_incident_takes_what_was_announced_of_it_along(
    subject: &impl Subject,
) {
    let store = subject.store();
    let (one, two) = (open(1), open(2));
    let thread = |incident: &Incident| Thread::new(incident.id, CHAT);
    let put_thread = |incident| Change::PutThread(Box::new(thread(incident)));
    put(
        store,
        vec![
            put_incident(&one),
            put_incident(&two),
            announced(&one),
            put_thread(&one),
            put_thread(&two),
            put_notification(&waiting(1, 1, CHAT, 5)),
            put_notification(&waiting(2, 2, CHAT, 5)),
        ],
    );
    assert_eq!(wait(store.threads(one.id)).unwrap(), [thread(&one)]);
    put(store, vec![Change::ForgetIncident(one.id)]);
    assert_eq!(wait(store.threads(one.id)).unwrap(), []);
    assert_eq!(wait(store.announced(one.id)).unwrap(), None);
    let gone = NotificationId::from_u128(1);
    assert_eq!(wait(store.notification(gone)).unwrap(), None);
    assert_eq!(list(store, NotificationFilter::default()), [2]);
    assert_eq!(wait(store.notifications_due(CHAT, 9)).unwrap().len(), 1);
    let found = wait(store.thread(two.id, CHAT)).unwrap();
    assert_eq!(found, Some(thread(&two)));
    put(store, vec![Change::ForgetIncident(two.id)]);
    assert_eq!(wait(store.incidents_unannounced(None, 9)).unwrap(), []);
    assert_eq!(wait(store.sinks_with_notifications()).unwrap(), []);
}

pub(in crate::store) fn what_a_sink_shows_as_open_is_listed_until_it_shows_its_end(
    subject: &impl Subject,
) {
    let store = subject.store();
    let thread = |n: u128, sink: SinkId, shown: Shown| {
        let new = Thread::new(IncidentId::from_u128(n), sink);
        Change::PutThread(Box::new(Thread { shown, ..new }))
    };
    let listed = |sink: SinkId, after: Option<u128>, limit: usize| {
        let after = after.map(IncidentId::from_u128);
        let found = wait(store.incidents_shown_open(sink, after, limit)).unwrap();
        found
            .into_iter()
            .map(IncidentId::as_u128)
            .collect::<Vec<_>>()
    };
    put(store, (1..=5).map(|n| put_incident(&open(n))).collect());
    put(
        store,
        vec![
            thread(1, CHAT, Shown::Open),
            thread(2, CHAT, Shown::Nothing),
            thread(3, CHAT, Shown::Open),
            thread(4, CHAT, Shown::Resolved),
            thread(5, CHAT, Shown::Open),
            thread(3, MAIL, Shown::Open),
        ],
    );
    assert_eq!(listed(CHAT, None, 9), [1, 3, 5]);
    assert_eq!(listed(CHAT, None, 2), [1, 3]);
    assert_eq!(listed(CHAT, Some(3), 9), [5]);
    assert_eq!(wait(store.sinks_showing_open()).unwrap(), [CHAT, MAIL]);
    put(
        store,
        vec![
            thread(1, CHAT, Shown::Resolved),
            thread(2, CHAT, Shown::Open),
            thread(3, MAIL, Shown::Resolved),
            Change::ForgetIncident(IncidentId::from_u128(5)),
        ],
    );
    assert_eq!(listed(CHAT, None, 9), [2, 3]);
    assert_eq!(wait(store.sinks_showing_open()).unwrap(), [CHAT]);
}
