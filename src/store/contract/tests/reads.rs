//! What reads show.

use super::made::*;
use crate::domain::connection::{CredentialUse, WebhookStatus};
use crate::domain::delivery::Outcome;
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, HookId, HookKey, IncidentId, RunId, TokenId,
};
use crate::domain::incident::{IncidentStatus, Subject as About};
use crate::domain::lifecycle::{Desired, Hook, Phase};
use crate::domain::pattern::Pattern;
use crate::domain::repo::{ProviderKind, RepositoryId};
use crate::domain::run::Family;
use crate::domain::time::Timestamp;
use crate::store::contract::{Subject, wait};
use crate::store::{
    After, Change, ConnectionFilter, DeliveryFilter, IncidentFilter, Of, Scope, Store, pages,
};

use futures_util::TryStreamExt;

const FIRST: ConnectionId = ConnectionId::from_u128(1);

fn numbers<T>(found: &[T], id: impl Fn(&T) -> u128) -> Vec<u128> {
    found.iter().map(id).collect()
}

pub(in crate::store) fn what_is_not_there_is_none_or_nothing(subject: &impl Subject) {
    let store = subject.store();
    let none = DeliveryId::from_u128(1);
    assert_eq!(wait(store.user(ANN)), Ok(None));
    assert_eq!(wait(store.user_by_name("ann")), Ok(None));
    assert_eq!(wait(store.users()), Ok(Vec::new()));
    assert_eq!(wait(store.token(TokenId::from_u128(1))), Ok(None));
    assert_eq!(wait(store.token_by_hash(&[1; 32])), Ok(None));
    assert_eq!(wait(store.tokens_of(ANN)), Ok(Vec::new()));
    assert_eq!(wait(store.credential(CredentialId::from_u128(1))), Ok(None));
    assert_eq!(wait(store.shared_credentials()), Ok(Vec::new()));
    assert_eq!(wait(store.connection(FIRST)), Ok(None));
    let key = HookKey::from_bytes([1; 20]);
    assert_eq!(wait(store.connection_by_hook_key(&key)), Ok(None));
    let name = "o/r1".parse().unwrap();
    let by_name = store.connections_by_name(ProviderKind::Github, &name);
    assert_eq!(wait(by_name), Ok(Vec::new()));
    assert_eq!(
        wait(store.connections_of(ANN, After::first(9)))
            .unwrap()
            .items,
        []
    );
    assert_eq!(
        wait(store.all_connections(After::first(9))).unwrap().items,
        []
    );
    assert_eq!(
        wait(store.all_credentials(After::first(9))).unwrap().items,
        []
    );
    assert_eq!(wait(store.connection_ids()), Ok(Vec::new()));
    assert_eq!(wait(store.delivery(none)), Ok(None));
    assert_eq!(wait(store.payload(none)), Ok(None));
    let deliveries = store.deliveries(Of::Owner(ANN), After::first(9));
    assert_eq!(wait(deliveries).unwrap().items, []);
    assert_eq!(wait(store.pending(FIRST, 9)), Ok(Vec::new()));
    assert_eq!(wait(store.run(RunId::from_u128(1))), Ok(None));
    let run = store.run_by_provider_id(FIRST, Family::Actions, 1);
    assert_eq!(wait(run), Ok(None));
    assert_eq!(wait(store.incident(IncidentId::from_u128(1))), Ok(None));
    let unresolved = store.unresolved_incidents(About::Connection(FIRST));
    assert_eq!(wait(unresolved), Ok(Vec::new()));
    assert_eq!(wait(store.command(CommandId::from_u128(1))), Ok(None));
    assert_eq!(wait(store.latest_deliveries()).unwrap().len(), 0);
    assert_eq!(wait(store.canary()), Ok(None));
}

pub(in crate::store) fn a_walk_shows_once_what_was_there_all_the_time(subject: &impl Subject) {
    let store = subject.store();
    for n in 10..30 {
        commit(store, arriving(&delivery(n, 1), n)).unwrap();
    }
    let (mut seen, mut last, mut newer) = (Vec::new(), None, 30);
    loop {
        let after = After { last, limit: 4 };
        let page = wait(store.deliveries(Of::Connection(FIRST), after)).unwrap();
        seen.extend(page.items.iter().map(|d| d.id));
        last = page.items.last().map(|d| d.id);
        if !page.has_more {
            break;
        }
        // What is newer than the first page, and the record that the next page goes on after.
        commit(store, arriving(&delivery(newer, 1), newer)).unwrap();
        put(store, vec![Change::ForgetDelivery(last.unwrap())]);
        newer += 1;
    }
    let all: Vec<_> = (10..30).rev().map(|n| delivery(n, 1).id).collect();
    assert_eq!(seen, all);
}

pub(in crate::store) fn every_credential_and_connection_is_in_a_page(subject: &impl Subject) {
    let store = subject.store();
    let count = 450_u16;
    let mut changes = Vec::new();
    for n in 0..count {
        let mut connection = connection(1, &format!("o/r{n}"));
        connection.id = ConnectionId::from_u128(n.into());
        let credential = credential(n.into(), if n % 2 == 0 { ANN } else { BOB });
        changes.push(Change::PutConnection(Box::new(connection)));
        changes.push(Change::PutCredential(credential));
    }
    put(store, changes);
    let credentials = pages(|after| store.all_credentials(after), |c| c.id);
    let connections = pages(|after| store.all_connections(after), |c| c.id);
    let all: Vec<u128> = (0..count).rev().map(u128::from).collect();
    let found = wait(credentials.try_concat()).unwrap();
    assert_eq!(numbers(&found, |c| c.id.as_u128()), all);
    let found = wait(connections.try_concat()).unwrap();
    assert_eq!(numbers(&found, |c| c.id.as_u128()), all);
}

pub(in crate::store) fn pending_deliveries_are_shown_in_order_until_they_are_processed(
    subject: &impl Subject,
) {
    let store = subject.store();
    for (n, connection) in [(5, 1), (3, 1), (4, 2), (1, 1)] {
        commit(store, arriving(&delivery(n, connection), n)).unwrap();
    }
    let pending = |limit| {
        let found = wait(store.pending(FIRST, limit)).unwrap();
        numbers(&found, |d| d.id.as_u128())
    };
    assert_eq!((pending(9), pending(2)), (vec![1, 3, 5], vec![1, 3]));
    put(
        store,
        vec![processed(&delivery(3, 1)), processed(&delivery(4, 2))],
    );
    assert_eq!(pending(9), [1, 5]);
    assert_eq!(wait(store.connections_with_pending()).unwrap(), [FIRST]);
    put(store, vec![Change::progress(delivery(3, 1))]);
    assert_eq!(pending(9), [1, 3, 5], "it is to be processed again");
}

pub(in crate::store) fn a_connection_is_found_by_all_that_leads_to_it_and_by_nothing_older(
    subject: &impl Subject,
) {
    let store = subject.store();
    let (old, mut new) = (connection(1, "o/r1"), connection(1, "o/new"));
    let credential = CredentialId::from_u128(7);
    new.repository = Some(RepositoryId(99));
    new.credential_used = Some(CredentialUse::Own(credential));
    put(store, vec![Change::PutConnection(Box::new(old.clone()))]);
    let by_name = |name: &str| {
        let found = store.connections_by_name(ProviderKind::Github, &name.parse().unwrap());
        wait(found).unwrap().len()
    };
    let by_number = |number| {
        let id = RepositoryId(number);
        let found = store.connections_by_repository(ProviderKind::Github, id);
        wait(found).unwrap().len()
    };
    let using = |id| {
        wait(store.connections_using(id, BOB, After::first(9)))
            .unwrap()
            .items
            .len()
    };
    assert_eq!(
        (by_name("O/R1"), by_number(1), using(credential)),
        (1, 1, 0)
    );
    let of_ann = wait(store.connections_using(credential, ANN, After::first(9)))
        .unwrap()
        .items;
    assert_eq!(
        of_ann.len(),
        1,
        "one that has none may come to use any of its owner's"
    );
    put(store, vec![Change::PutConnection(Box::new(new.clone()))]);
    assert_eq!((by_name("o/r1"), by_number(1)), (0, 0));
    assert_eq!(
        (by_name("o/new"), by_number(99), using(credential)),
        (1, 1, 1)
    );
    let counts = wait(store.counts(Scope::Credential(credential))).unwrap();
    assert_eq!(counts.connections_kept, 1);
    let by_key = wait(store.connection_by_hook_key(&new.hook_key)).unwrap();
    assert_eq!(by_key, Some(new));
    put(store, vec![Change::DeleteConnection(FIRST)]);
    assert_eq!(
        (by_name("o/new"), by_number(99), using(credential)),
        (0, 0, 0)
    );
}

pub(in crate::store) fn connections_whose_hook_is_not_known_to_work_are_unsettled(
    subject: &impl Subject,
) {
    let store = subject.store();
    some_of_everything(store);
    let mut working = connection(7, "o/r7");
    working.lifecycle.phase = Phase::Active;
    working.lifecycle.hook = Hook::Present(HookId(7));
    put(store, vec![Change::PutConnection(Box::new(working))]);
    let mut found = wait(store.connections_unsettled()).unwrap();
    found.sort_unstable();
    let ids = [1, 2, 3, 4, 6].map(ConnectionId::from_u128);
    assert_eq!(
        found, ids,
        "neither the one that works nor the one that is gone"
    );
    let all = wait(store.connection_ids()).unwrap();
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 7].map(ConnectionId::from_u128));
}

/// Connections of Ann in every state, one of Bob, deliveries and incidents.
fn some_of_everything(store: &dyn Store) {
    for (id, desired, phase) in [
        (1, Desired::Active, Phase::Idle),
        (2, Desired::Paused, Phase::Idle),
        (3, Desired::Active, Phase::Idle),
        (
            4,
            Desired::Removed { delete_hook: true },
            Phase::Deleting { attempt: 1 },
        ),
        (5, Desired::Removed { delete_hook: true }, Phase::Removed),
        (6, Desired::Active, Phase::Idle),
    ] {
        let mut connection = connection(id, &format!("o/r{id}"));
        (connection.lifecycle.desired, connection.lifecycle.phase) = (desired, phase);
        connection.last_delivery_at = (id == 2).then_some(Timestamp(17));
        if id == 6 {
            connection.owner = BOB;
        }
        put(store, vec![Change::PutConnection(Box::new(connection))]);
    }
    for n in 1..6 {
        commit(store, arriving(&delivery(n, 1), n)).unwrap();
    }
    put(
        store,
        vec![processed(&delivery(2, 1)), processed(&delivery(4, 1))],
    );
    let statuses = [
        IncidentStatus::Open,
        IncidentStatus::Open,
        IncidentStatus::Resolved,
        IncidentStatus::Acknowledged,
    ];
    for (id, status) in (1..).zip(statuses) {
        let about = if id == 2 { 2 } else { 1 };
        put(
            store,
            vec![Change::PutIncident(Box::new(incident(id, about, status)))],
        );
    }
}

pub(in crate::store) fn filters_show_what_fits_and_no_other_owners(subject: &impl Subject) {
    let store = subject.store();
    some_of_everything(store);
    let connections = |filter: ConnectionFilter| {
        let found = wait(store.connections(ANN, &filter, After::first(9))).unwrap();
        numbers(&found.items, |c| c.id.as_u128())
    };
    let plain = ConnectionFilter::default();
    let (mut leaving, mut inactive, mut third) = (plain.clone(), plain.clone(), plain.clone());
    leaving.are_leaving = true;
    inactive.status = Some(WebhookStatus::Inactive);
    third.repository = Some(Pattern::any_case("O/R3").unwrap());
    assert_eq!(connections(plain), [3, 2, 1]);
    assert_eq!(connections(leaving), [4]);
    assert_eq!(connections(inactive), [2]);
    assert_eq!(connections(third), [3]);

    for page in [1, 2] {
        let found = wait(store.connections(ANN, &ConnectionFilter::default(), After::first(page)));
        let found = found.unwrap();
        assert_eq!(found.items.len(), page);
        assert_eq!(found.next, found.items.last().map(|c| c.id));
    }
}

pub(in crate::store) fn filters_of_history_show_what_fits(subject: &impl Subject) {
    let store = subject.store();
    some_of_everything(store);
    let deliveries = |outcome, is_processed| {
        let filter = DeliveryFilter {
            outcome,
            is_processed,
            ..Default::default()
        };
        let found = wait(store.deliveries_of(ANN, &filter, After::first(9))).unwrap();
        numbers(&found.items, |d| d.id.as_u128())
    };
    assert_eq!(deliveries(None, None), [5, 4, 3, 2, 1]);
    assert_eq!(deliveries(Some(Outcome::Recorded.as_str()), None), [4, 2]);
    assert_eq!(deliveries(None, Some(false)), [5, 3, 1]);

    let incidents = |of: Option<ConnectionId>, status| {
        let mut filter = IncidentFilter {
            status,
            ..Default::default()
        };
        filter.whose.connection = of;
        let found = wait(store.incidents_of(ANN, &filter, After::first(9))).unwrap();
        numbers(&found.items, |i| i.id.as_u128())
    };
    assert_eq!(incidents(None, Some(IncidentStatus::Open)), [2, 1]);
    assert_eq!(incidents(Some(FIRST), None), [4, 3, 1]);
    assert_eq!(incidents(Some(FIRST), Some(IncidentStatus::Open)), [1]);
    let unresolved = wait(store.unresolved_incidents(About::Connection(FIRST))).unwrap();
    assert_eq!(numbers(&unresolved, |i| i.id.as_u128()), [1, 4]);
}

pub(in crate::store) fn counts_are_what_a_walk_finds(subject: &impl Subject) {
    let store = subject.store();
    some_of_everything(store);
    let counts = wait(store.counts(Scope::Owner(ANN))).unwrap();
    for status in WebhookStatus::ALL {
        let filter = ConnectionFilter {
            status: Some(status),
            ..Default::default()
        };
        let found = wait(store.connections(ANN, &filter, After::first(9)))
            .unwrap()
            .items
            .len();
        assert_eq!(counts.connections[&status], found, "{status:?}");
    }
    let kept = wait(store.connections_of(ANN, After::first(9)))
        .unwrap()
        .items
        .len();
    assert_eq!(
        (counts.connections_leaving, counts.connections_kept),
        (1, kept)
    );
    for status in IncidentStatus::ALL {
        let filter = IncidentFilter {
            status: Some(status),
            ..Default::default()
        };
        let found = wait(store.incidents_of(ANN, &filter, After::first(9)))
            .unwrap()
            .items
            .len();
        assert_eq!(counts.incidents[&status], found, "{status:?}");
    }
    let of_first = wait(store.counts(Scope::Subject(About::Connection(FIRST)))).unwrap();
    assert_eq!(of_first.incidents.values().sum::<usize>(), 3);
    let all = wait(store.counts(Scope::All)).unwrap();
    assert_eq!((all.connections_present(), all.connections_leaving), (4, 1));
    let unresolved: usize = all.unresolved.iter().map(|found| found.count).sum();
    assert_eq!(unresolved, 3);
    let latest = wait(store.latest_deliveries()).unwrap();
    assert_eq!(latest.get(&ProviderKind::Github), Some(&Timestamp(17)));
}
