//! Explanations of incidents, and the list of incidents to explain.

use super::made::*;
use crate::domain::explanation::samples::{ci_incident, explanation};
use crate::domain::explanation::{Explanation, ExplanationState};
use crate::domain::id::{ConnectionId, IncidentId};
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::notification::Announced;
use crate::domain::time::Timestamp;
use crate::store::contract::{Subject, wait};
use crate::store::{Change, Store};

fn put_incident(incident: &Incident) -> Change {
    Change::PutIncident(Box::new(incident.clone()))
}

fn put_explanation(it: &Explanation) -> Change {
    Change::PutExplanation(Box::new(it.clone()))
}

fn pending(id: u128, connection: u128, due_at: i64) -> Explanation {
    Explanation {
        state: ExplanationState::Pending {
            tries: 1,
            due_at: Timestamp(due_at),
            error: None,
        },
        explained: None,
        ..explanation(id, connection)
    }
}

fn announced(incident: &Incident, episode: u32) -> Change {
    Change::PutAnnounced(Box::new(Announced {
        incident: incident.id,
        standing: incident.standing(),
        episode,
        has_flapped: false,
    }))
}

fn listed(store: &dyn Store) -> Vec<(i64, u128)> {
    let found = wait(store.incidents_unexplained(None, 10)).unwrap();
    found.iter().map(|(at, id)| (at.0, id.as_u128())).collect()
}

pub(in crate::store) fn an_incident_about_ci_is_listed_until_it_is_explained_in_each_episode(
    subject: &impl Subject,
) {
    let store = subject.store();
    let open = ci_incident(1, 9);
    let resolved = Incident {
        status: IncidentStatus::Resolved,
        ..open.clone()
    };
    let health = incident(2, 9, IncidentStatus::Open);
    put(store, vec![put_incident(&open), put_incident(&health)]);
    assert_eq!(listed(store), [(0, 1)]);
    put(store, vec![announced(&open, 1)]);
    assert_eq!(listed(store), [(0, 1)]);
    put(store, vec![put_incident(&resolved)]);
    assert_eq!(listed(store), [], "nothing is to be explained any more");
    put(store, vec![put_incident(&open)]);
    put(store, vec![put_explanation(&pending(1, 9, 50))]);
    assert_eq!(listed(store), [(50, 1)]);
    put(store, vec![put_explanation(&explanation(1, 9))]);
    assert_eq!(listed(store), []);
    assert_eq!(
        wait(store.explanation(open.id)).unwrap(),
        Some(explanation(1, 9))
    );
    let again = Incident {
        occurrences: 7,
        ..open.clone()
    };
    put(store, vec![put_incident(&again), announced(&again, 1)]);
    assert_eq!(listed(store), [], "it is the same episode");
    put(store, vec![put_incident(&resolved), put_incident(&open)]);
    put(store, vec![announced(&open, 2)]);
    assert_eq!(listed(store), [(0, 1)]);
    put(store, vec![put_explanation(&pending(1, 9, 50))]);
    assert_eq!(listed(store), [(0, 1)], "that is of the first episode");
    let of_second = Explanation {
        episode: 2,
        ..pending(1, 9, 60)
    };
    put(store, vec![put_explanation(&of_second)]);
    assert_eq!(listed(store), [(60, 1)]);
}

pub(in crate::store) fn incidents_are_listed_by_when_they_are_due(subject: &impl Subject) {
    let store = subject.store();
    for id in 1..=4 {
        put(store, vec![put_incident(&ci_incident(id, 9))]);
    }
    for (id, due_at) in [(1, 90), (2, 7), (3, 30), (1, 20)] {
        put(store, vec![put_explanation(&pending(id, 9, due_at))]);
    }
    let all = [(0, 4), (7, 2), (20, 1), (30, 3)];
    assert_eq!(listed(store), all);
    let page = |after| wait(store.incidents_unexplained(after, 2)).unwrap();
    let of = |(at, id): (i64, u128)| (Timestamp(at), IncidentId::from_u128(id));
    assert_eq!(page(None), [of(all[0]), of(all[1])]);
    assert_eq!(page(Some(of(all[1]))), [of(all[2]), of(all[3])]);
    assert_eq!(page(Some(of(all[3]))), []);
}

pub(in crate::store) fn an_explanation_goes_with_its_incident_and_with_its_connection(
    subject: &impl Subject,
) {
    let store = subject.store();
    put(store, vec![connected(8), connected(9)]);
    for (id, connection) in [(1, 9), (2, 9), (3, 8), (4, 9)] {
        put(store, vec![put_incident(&ci_incident(id, connection))]);
        put(store, vec![put_explanation(&pending(id, connection, 5))]);
    }
    let there = || {
        let ids = (1..=4).filter(|id| {
            let found = wait(store.explanation(IncidentId::from_u128(*id))).unwrap();
            found.is_some()
        });
        ids.collect::<Vec<u128>>()
    };
    assert_eq!(there(), [1, 2, 3, 4]);
    put(
        store,
        vec![Change::ForgetIncident(IncidentId::from_u128(1))],
    );
    assert_eq!(there(), [2, 3, 4]);
    assert_eq!(listed(store), [(5, 2), (5, 3), (5, 4)]);
    let gone = ConnectionId::from_u128(9);
    put(store, vec![Change::DeleteConnection(gone)]);
    assert_eq!(there(), [3]);
    assert_eq!(listed(store), [(5, 3)]);
}
