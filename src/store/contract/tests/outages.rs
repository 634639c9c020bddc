//! Outages of providers, and the waits that they ask for.

use super::made::*;
use crate::domain::id::CredentialId;
use crate::domain::incident::Subject as About;
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::Hold;
use crate::domain::samples;
use crate::domain::server_trouble::ServerTrouble;
use crate::domain::time::Timestamp;
use crate::domain::trouble::TroubleKind;
use crate::store::contract::{Subject, wait};
use crate::store::{After, Change, IncidentFilter, Whose};

pub(in crate::store) fn the_last_outage_of_each_installation_is_kept(subject: &impl Subject) {
    let store = subject.store();
    assert_eq!(wait(store.outages()).unwrap(), []);
    let first = samples::outage();
    let elsewhere = ProviderOutage {
        instance: samples::instance("ghe.example"),
        ..first.clone()
    };
    let over = ProviderOutage {
        ended_at: Some(Timestamp(9)),
        ..first.clone()
    };
    for outage in [&first, &elsewhere, &over] {
        put(store, vec![Change::PutOutage(Box::new(outage.clone()))]);
    }
    let mut all = wait(store.outages()).unwrap();
    all.sort_by_key(|outage| outage.instance.clone());
    assert_eq!(all, [elsewhere, over]);
    // The incidents about one: of the owners, and of no connection.
    let incident = first.incident(ANN, 7, None);
    put(store, vec![Change::PutIncident(Box::new(incident.clone()))]);
    let about = About::Provider(first.instance.id());
    assert_eq!(wait(store.unresolved_incidents(about)).unwrap(), [incident]);
    for (provider, count) in [("github", 1), ("gitlab", 0)] {
        let filter = IncidentFilter {
            whose: Whose {
                provider: Some(provider.parse().unwrap()),
                ..Whose::default()
            },
            ..IncidentFilter::default()
        };
        let found = wait(store.incidents_of(ANN, &filter, After::first(9))).unwrap();
        assert_eq!(found.items.len(), count, "{provider}");
        let bobs = wait(store.incidents_of(BOB, &filter, After::first(9))).unwrap();
        assert!(bobs.items.is_empty());
    }
}

pub(in crate::store) fn the_last_trouble_of_each_kind_is_kept(subject: &impl Subject) {
    let store = subject.store();
    assert_eq!(wait(store.troubles()).unwrap(), []);
    let [disk, waiting] = TroubleKind::ALL.map(|kind| ServerTrouble::begun(kind, Timestamp(5)));
    let ended = ServerTrouble {
        ended_at: Some(Timestamp(9)),
        ..disk
    };
    for trouble in [disk, waiting, ended] {
        put(store, vec![Change::PutTrouble(trouble)]);
    }
    let mut all = wait(store.troubles()).unwrap();
    all.sort_by_key(|trouble| trouble.kind);
    assert_eq!(all, [ended, waiting]);
}

pub(in crate::store) fn a_wait_is_replaced_and_goes_with_its_credential(subject: &impl Subject) {
    let store = subject.store();
    let hold = |id: u128, until: i64| Hold {
        credential: CredentialId::from_u128(id),
        until: Timestamp(until),
    };
    put(store, vec![Change::PutCredential(credential(1, ANN))]);
    for wait_of in [hold(1, 5), hold(2, 6), hold(1, 9)] {
        put(store, vec![Change::PutHold(wait_of)]);
    }
    assert_eq!(wait(store.holds()).unwrap(), [hold(1, 9), hold(2, 6)]);
    let removed = Change::DeleteCredential(CredentialId::from_u128(1));
    put(store, vec![removed]);
    assert_eq!(wait(store.holds()).unwrap(), [hold(2, 6)]);
}
