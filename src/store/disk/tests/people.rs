//! API tokens and users who go: they stay gone, whatever is read when the store opens.

use super::derived::copy;
use super::*;
use crate::domain::pattern::Pattern;
use crate::domain::samples::ANN;
use crate::domain::user::{Removal, TokenRecord, User};
use crate::store::disk::snapshot_dir;
use crate::store::snapshot;
use crate::store::{Of, Scope};

fn user(removal: Option<Removal>) -> User {
    User {
        removal,
        ..samples::user(ANN, "ann")
    }
}

fn leaving() -> User {
    user(Some(Removal {
        at: Timestamp(2),
        by: ANN,
        delete_hooks: true,
    }))
}

fn token(id: u8) -> TokenRecord {
    TokenRecord {
        name: Some("ci".into()),
        expires_at: Some(Timestamp(9)),
        ..samples::token(id, ANN)
    }
}

fn commit(store: &DiskStore, changes: Vec<Change>) {
    wait(store.commit(Batch::of(changes))).unwrap();
}

#[test]
fn a_revoked_token_stays_revoked_after_a_crash_an_orderly_end_and_from_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        snapshot_bytes: 1000,
        upkeep_interval: Duration::from_millis(1),
        ..options()
    };
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    let put = [3, 4].map(token).map(Change::PutToken);
    let user = Change::PutUser(user(None));
    commit(&store, [user].into_iter().chain(put).collect());
    let (id, at) = (token(3).id, Timestamp(5));
    commit(&store, vec![Change::TokenUsed { id, at }]);
    assert_eq!(
        store.token(id).ready().unwrap().unwrap().last_used_at,
        Some(at)
    );
    commit(&store, vec![Change::DeleteToken(id)]);
    // Noted late: it does not come back.
    commit(&store, vec![Change::TokenUsed { id, at }]);
    let is_gone = |store: &DiskStore| {
        store
            .token_by_hash(&token(3).hash)
            .ready()
            .unwrap()
            .is_none()
            && store.token(id).ready().unwrap().is_none()
            && store.tokens_of(ANN).ready().unwrap() == [token(4)]
    };
    assert!(is_gone(&store));
    crash(store);
    let (store, report) = open_with(dir.path(), &options, Arc::new(RealDisk));
    assert!(report.is_rebuilt && is_gone(&store));
    end(store);
    let (store, report) = open_with(dir.path(), &options, Arc::new(RealDisk));
    assert!(!report.is_rebuilt && is_gone(&store));
    (0..20).for_each(|n| insert(&store, n).unwrap());
    until("no snapshot was taken", || {
        !snapshot::list(&snapshot_dir(dir.path()))
            .unwrap()
            .is_empty()
    });
    crash(store);
    let (store, report) = open_with(dir.path(), &options, Arc::new(RealDisk));
    assert!(report.is_rebuilt && is_gone(&store));
}

#[test]
fn a_removal_that_was_begun_is_known_after_a_crash_and_a_removed_user_stays_gone() {
    let (dir, store) = new_store();
    let changes = [Change::PutUser(user(None)), Change::PutToken(token(3))];
    commit(&store, changes.to_vec());
    commit(&store, vec![Change::PutUser(leaving())]);
    crash(store);
    let (store, _) = open(dir.path());
    assert_eq!(store.user(ANN).ready().unwrap(), Some(leaving()));
    commit(&store, vec![Change::DeleteUser(ANN)]);
    crash(store);
    let (store, _) = open(dir.path());
    assert_eq!(store.user(ANN).ready().unwrap(), None);
    assert_eq!(store.user_by_name("ann").ready().unwrap(), None);
    assert_eq!(store.token_by_hash(&token(3).hash).ready().unwrap(), None);
    assert_eq!(store.all_tokens().ready().unwrap(), []);
}

/// A data directory of version 0.1 has records and no keys of the newer lists: they are found all
/// the same once it was opened.
#[test]
fn lists_lead_to_what_version_0_1_stored() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1");
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture, dir.path());
    let (store, _) = open(dir.path());
    let users = store.users().ready().unwrap();
    assert!(!users.is_empty() && users.iter().all(User::is_present));
    for token in store.all_tokens().ready().unwrap() {
        assert!(
            store
                .tokens_of(token.user)
                .ready()
                .unwrap()
                .contains(&token)
        );
        assert_eq!((token.expires_at, token.last_used_at), (None, None));
    }
    let mut live = 0;
    for id in store.connection_ids().ready().unwrap() {
        let connection = store.connection(id).ready().unwrap().unwrap();
        let named = crate::store::ConnectionFilter {
            repository: Some(Pattern::any_case(connection.full_name.as_str()).unwrap()),
            ..Default::default()
        };
        let found = store
            .connections(connection.owner, &named, After::first(1000))
            .ready();
        let is_found = found.unwrap().items.contains(&connection);
        assert_eq!(is_found, !connection.is_removed());
        live += usize::from(is_found);
        let all = store
            .deliveries(Of::Connection(id), After::first(1000))
            .ready()
            .unwrap()
            .items;
        let processed = all.iter().filter(|d| d.state != DeliveryState::Received);
        let mut by_outcome = 0;
        for outcome in Outcome::NAMES {
            let filter = crate::store::DeliveryFilter {
                outcome: Some(outcome),
                ..Default::default()
            };
            let found = store
                .deliveries_of(connection.owner, &filter, After::first(1000))
                .ready();
            let found = found.unwrap().items.into_iter();
            by_outcome += found.filter(|d| d.connection == id).count();
        }
        assert_eq!(by_outcome, processed.count());
    }
    let present = |user: &User| {
        let counts = store.counts(Scope::Owner(user.id)).ready().unwrap();
        counts.connections_present()
    };
    let counted: usize = users.iter().map(present).sum();
    assert_eq!(counted, live);
}
