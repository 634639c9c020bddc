//! Ledgers, gaps and requests to reconcile.

use super::made::*;
use crate::domain::history::History;
use crate::domain::id::{ConnectionId, GapId};
use crate::domain::ledger::{Asked, AskedBy, Gap, Ledger, Totals, Uptime};
use crate::domain::samples;
use crate::domain::takeover::Takeover;
use crate::domain::time::Timestamp;
use crate::store::contract::{Subject, wait};
use crate::store::{After, Change, Of, Store};

const FIRST: ConnectionId = ConnectionId::from_u128(1);
const SECOND: ConnectionId = ConnectionId::from_u128(2);

fn asking(connection: ConnectionId, at: i64) -> Change {
    Change::AskReconcile(request(connection, at, None))
}

fn request(connection: ConnectionId, at: i64, unsent_since: Option<i64>) -> Asked {
    Asked {
        connection,
        at: Timestamp(at),
        by: AskedBy::User,
        unsent_since: unsent_since.map(Timestamp),
    }
}

/// What was not sent since a time is still to be found, whoever asks for whatever afterwards.
pub(in crate::store) fn a_request_to_reconcile_covers_those_before_it(subject: &impl Subject) {
    let store = subject.store();
    let of_hook = Asked {
        by: AskedBy::Hook,
        ..request(FIRST, 5, Some(3))
    };
    put(store, vec![Change::AskReconcile(of_hook)]);
    assert_eq!(wait(store.reconcile_asked(FIRST)).unwrap(), Some(of_hook));
    assert_eq!(wait(store.reconcile_asked(SECOND)).unwrap(), None);
    put(store, vec![asking(FIRST, 7)]);
    let later = Asked {
        by: AskedBy::Hook,
        ..request(FIRST, 9, Some(8))
    };
    put(store, vec![Change::AskReconcile(later)]);
    let all = request(FIRST, 9, Some(3));
    assert_eq!(wait(store.reconcile_asked(FIRST)).unwrap(), Some(all));
    let answered = Ledger {
        answered: Some(Timestamp(9)),
        ..samples::ledger(FIRST)
    };
    put(store, vec![put_ledger(&answered), asking(FIRST, 10)]);
    let alone = request(FIRST, 10, None);
    assert_eq!(wait(store.reconcile_asked(FIRST)).unwrap(), Some(alone));
}

fn asked(store: &dyn Store) -> Vec<(ConnectionId, i64)> {
    let asked = wait(store.reconciles_asked(None, 9)).unwrap();
    asked.iter().map(|it| (it.connection, it.at.0)).collect()
}

fn put_ledger(ledger: &Ledger) -> Change {
    Change::PutLedger(Box::new(ledger.clone()))
}

fn put_gap(gap: &Gap) -> Change {
    Change::PutGap(Box::new(gap.clone()))
}

pub(in crate::store) fn a_ledger_answers_requests_up_to_its_time_and_no_later_ones(
    subject: &impl Subject,
) {
    let store = subject.store();
    put(store, vec![asking(SECOND, 5), asking(FIRST, 3)]);
    assert_eq!(asked(store), [(FIRST, 3), (SECOND, 5)]);
    let first = wait(store.reconciles_asked(None, 1)).unwrap();
    assert_eq!(first.len(), 1);
    let rest = wait(store.reconciles_asked(Some(first[0].connection), 9)).unwrap();
    assert!(rest.iter().all(|it| it.connection > first[0].connection));
    assert_eq!(
        wait(store.reconciles_asked(None, 9)).unwrap().len(),
        1 + rest.len()
    );
    put(store, vec![asking(FIRST, 4)]);
    let ledger = Ledger {
        answered: Some(Timestamp(3)),
        ..samples::ledger(FIRST)
    };
    assert_eq!(wait(store.ledger(FIRST)).unwrap(), None);
    put(store, vec![put_ledger(&ledger)]);
    assert_eq!(wait(store.ledger(FIRST)).unwrap().as_ref(), Some(&ledger));
    assert_eq!(asked(store), [(FIRST, 4), (SECOND, 5)]);
    let ledger = Ledger {
        answered: Some(Timestamp(4)),
        ..ledger
    };
    put(store, vec![put_ledger(&ledger), put_ledger(&ledger)]);
    assert_eq!(asked(store), [(SECOND, 5)]);
}

pub(in crate::store) fn gaps_are_listed_newest_first_by_owner_and_by_connection(
    subject: &impl Subject,
) {
    let store = subject.store();
    let theirs = Gap {
        owner: BOB,
        ..samples::gap(4, ConnectionId::from_u128(9))
    };
    let all = [samples::gap(1, FIRST), samples::gap(3, SECOND), theirs];
    put(store, all.iter().map(put_gap).collect());
    let of = |of, limit| {
        let page = wait(store.gaps(of, After::first(limit))).unwrap();
        let ids = page.items.iter().map(|gap| gap.id.as_u128());
        (ids.collect::<Vec<_>>(), page.has_more)
    };
    assert_eq!(of(Of::Owner(ANN), 9), (vec![3, 1], false));
    assert_eq!(of(Of::Owner(ANN), 1), (vec![3], true));
    assert_eq!(of(Of::Owner(BOB), 9), (vec![4], false));
    assert_eq!(of(Of::Connection(FIRST), 9), (vec![1], false));
    let changed = Gap {
        to: Timestamp(99),
        ..all[0].clone()
    };
    put(store, vec![put_gap(&changed), put_gap(&changed)]);
    let found = wait(store.gap(GapId::from_u128(1))).unwrap();
    assert_eq!(found, Some(changed));
    let forget = Change::ForgetGap(GapId::from_u128(1));
    put(store, vec![forget.clone(), forget]);
    assert_eq!(wait(store.gap(GapId::from_u128(1))).unwrap(), None);
    assert_eq!(of(Of::Owner(ANN), 9), (vec![3], false));
    assert_eq!(of(Of::Connection(FIRST), 9), (vec![], false));
}

pub(in crate::store) fn the_totals_of_an_owner_are_the_sum_of_their_ledgers(
    subject: &impl Subject,
) {
    let store = subject.store();
    let totals = samples::gap(1, FIRST).totals;
    let ledger = |connection, totals: &Totals| Ledger {
        totals: totals.clone(),
        ..samples::ledger(connection)
    };
    let sum = || wait(store.gap_totals(ANN)).unwrap();
    assert_eq!(sum(), Totals::default());
    put(store, vec![connected(1), connected(2)]);
    let first = put_ledger(&ledger(FIRST, &totals));
    put(store, vec![first.clone(), first.clone()]);
    assert_eq!(sum(), totals);
    let twice = totals.clone().plus(&totals);
    put(store, vec![put_ledger(&ledger(SECOND, &twice)), first]);
    assert_eq!(sum(), twice.clone().plus(&totals));
    assert_eq!(wait(store.gap_totals(BOB)).unwrap(), Totals::default());
    put(store, vec![Change::DeleteConnection(SECOND)]);
    assert_eq!(sum(), totals);
}

pub(in crate::store) fn the_oldest_missing_delivery_of_an_owner_is_known(subject: &impl Subject) {
    let store = subject.store();
    put(store, vec![connected(1), connected(2)]);
    let behind = |connection, since: Option<i64>| {
        let ledger = Ledger {
            behind_since: since.map(Timestamp),
            ..samples::ledger(connection)
        };
        put(store, vec![put_ledger(&ledger)]);
        let all = wait(store.all_behind_since()).unwrap();
        assert_eq!(wait(store.behind_since(ANN)).unwrap(), all);
        assert_eq!(wait(store.behind_since(BOB)).unwrap(), None);
        all
    };
    assert_eq!(behind(FIRST, None), None);
    assert_eq!(behind(FIRST, Some(300)), Some(Timestamp(300)));
    assert_eq!(behind(SECOND, Some(70_000)), Some(Timestamp(300)));
    assert_eq!(behind(FIRST, Some(80_000)), Some(Timestamp(70_000)));
    assert_eq!(behind(SECOND, None), Some(Timestamp(80_000)));
    put(store, vec![Change::DeleteConnection(FIRST)]);
    assert_eq!(wait(store.behind_since(ANN)).unwrap(), None);
}

pub(in crate::store) fn a_deleted_connection_takes_its_ledger_and_its_gaps_along(
    subject: &impl Subject,
) {
    let store = subject.store();
    put(store, vec![connected(1), connected(2)]);
    for (id, connection) in [(1, FIRST), (2, SECOND)] {
        let ledger = samples::ledger(connection);
        let gap = put_gap(&samples::gap(id, connection));
        put(store, vec![put_ledger(&ledger), gap, asking(connection, 9)]);
    }
    let gone = Change::DeleteConnection(FIRST);
    put(store, vec![gone.clone(), gone]);
    assert_eq!(wait(store.ledger(FIRST)).unwrap(), None);
    assert_eq!(wait(store.gap(GapId::from_u128(1))).unwrap(), None);
    assert_eq!(asked(store), [(SECOND, 9)]);
    let page = wait(store.gaps(Of::Owner(ANN), After::first(9))).unwrap();
    assert_eq!(page.items, [samples::gap(2, SECOND)]);
    assert!(wait(store.ledger(SECOND)).unwrap().is_some());
}

pub(in crate::store) fn the_last_uptime_is_kept(subject: &impl Subject) {
    let store = subject.store();
    assert_eq!(wait(store.uptime()).unwrap(), None);
    let mut uptime = Uptime::started(None, Timestamp(5));
    for at in [Timestamp(900_000), Timestamp(70)] {
        uptime = Uptime::started(Some(uptime), at);
        put(store, vec![Change::PutUptime(uptime.clone())]);
        assert_eq!(wait(store.uptime()).unwrap().as_ref(), Some(&uptime));
    }
}

pub(in crate::store) fn a_takeover_is_replaced_and_goes_with_its_connection(
    subject: &impl Subject,
) {
    let store = subject.store();
    let takeover = samples::takeover(FIRST);
    assert_eq!(wait(store.takeover(FIRST)).unwrap(), None);
    let first = Takeover {
        others: Vec::new(),
        ..takeover.clone()
    };
    for kept in [first, takeover] {
        put(store, vec![Change::PutTakeover(Box::new(kept.clone()))]);
        assert_eq!(wait(store.takeover(FIRST)).unwrap(), Some(kept));
    }
    assert_eq!(wait(store.takeover(SECOND)).unwrap(), None);
    let connection = samples::connection(1, "o/r");
    put(store, vec![Change::PutConnection(Box::new(connection))]);
    put(store, vec![Change::DeleteConnection(FIRST)]);
    assert_eq!(wait(store.takeover(FIRST)).unwrap(), None);
}

pub(in crate::store) fn a_history_is_replaced_and_goes_with_its_connection(subject: &impl Subject) {
    let store = subject.store();
    let history = samples::history(FIRST);
    assert_eq!(wait(store.history(FIRST)).unwrap(), None);
    let first = History {
        entries: Vec::new(),
        ..history.clone()
    };
    for kept in [first, history] {
        put(store, vec![Change::PutHistory(Box::new(kept.clone()))]);
        assert_eq!(wait(store.history(FIRST)).unwrap(), Some(kept));
    }
    assert_eq!(wait(store.history(SECOND)).unwrap(), None);
    let connection = samples::connection(1, "o/r");
    assert_eq!(connection.id, FIRST);
    put(store, vec![Change::PutConnection(Box::new(connection))]);
    put(store, vec![Change::DeleteConnection(FIRST)]);
    assert_eq!(wait(store.history(FIRST)).unwrap(), None);
}
