//! The list of deliveries.

use super::made::{BOB, connected, delivery, payload, put};
use crate::domain::delivery::{Delivery, Source};
use crate::domain::id::{ConnectionId, DeliveryId};
use crate::domain::pattern::Pattern;
use crate::domain::samples::ANN;
use crate::domain::time::Timestamp;
use crate::store::contract::{Subject, wait};
use crate::store::{After, Change, DeliveryFilter, Order, Store};

/// The `n`th delivery of a connection, which arrived at `ms`.
fn arrived(n: u32, connection: u8, ms: i64) -> Delivery {
    let first = DeliveryId::first_at(Timestamp(ms)).as_u128();
    let mut delivery = delivery(n, connection);
    delivery.id = DeliveryId::from_u128(first + u128::from(n));
    delivery.action = Some(
        if n.is_multiple_of(2) {
            "completed"
        } else {
            "requested"
        }
        .into(),
    );
    delivery.source = if n == 3 {
        Source::Reconcile
    } else {
        Source::Webhook
    };
    delivery
}

fn some_deliveries(store: &dyn Store) {
    put(store, vec![connected(1), connected(2)]);
    let mut of_bob = arrived(5, 2, 3000);
    of_bob.owner = BOB;
    let shared = |mut delivery: Delivery| {
        delivery.provider_delivery_id = "one-event".into();
        delivery
    };
    let all = [
        arrived(1, 1, 1000),
        arrived(2, 2, 1000),
        shared(arrived(3, 1, 2000)),
        shared(arrived(4, 2, 3000)),
        of_bob,
    ];
    let insert = |d: Delivery| Change::InsertDelivery(Box::new(d), payload(1));
    put(store, all.into_iter().map(insert).collect());
}

/// The last digits of the ids that are found, over pages of two, in either order.
fn found(store: &dyn Store, filter: &DeliveryFilter) -> Vec<u128> {
    let upward = DeliveryFilter {
        order: Order::OldestFirst,
        ..filter.clone()
    };
    let mut risen = in_order(store, &upward);
    risen.reverse();
    let found = in_order(store, filter);
    assert_eq!(found, risen, "{filter:?}");
    found
}

fn in_order(store: &dyn Store, filter: &DeliveryFilter) -> Vec<u128> {
    let (mut seen, mut last) = (Vec::new(), None);
    loop {
        let page = wait(store.deliveries_of(ANN, filter, After { last, limit: 2 })).unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|d| d.id.as_u128() & 0xFF));
        let Some(next) = page.next else { return seen };
        last = Some(next);
    }
}

pub(in crate::store) fn deliveries_are_found_in_a_span_of_time(subject: &impl Subject) {
    let store = subject.store();
    some_deliveries(store);
    for (since, until, wanted) in [
        (None, None, vec![4, 3, 2, 1]),
        (Some(1001), None, vec![4, 3]),
        (Some(1000), Some(2000), vec![2, 1]),
        (None, Some(3000), vec![3, 2, 1]),
        (Some(2000), Some(2000), vec![]),
        (Some(9000), None, vec![]),
        (Some(i64::MIN), Some(i64::MAX), vec![4, 3, 2, 1]),
        (Some(i64::MAX), None, vec![]),
        (None, Some(i64::MIN), vec![]),
    ] {
        let filter = DeliveryFilter {
            since: since.map(Timestamp),
            until: until.map(Timestamp),
            ..Default::default()
        };
        assert_eq!(found(store, &filter), wanted, "{since:?} to {until:?}");
    }
}

pub(in crate::store) fn deliveries_are_found_by_action_source_and_the_providers_id(
    subject: &impl Subject,
) {
    let store = subject.store();
    some_deliveries(store);
    let completed = DeliveryFilter {
        action: Some("completed".into()),
        ..Default::default()
    };
    assert_eq!(found(store, &completed), [4, 2]);
    let fetched = DeliveryFilter {
        source: Some(Source::Reconcile),
        ..Default::default()
    };
    assert_eq!(found(store, &fetched), [3]);
    // Two connections may receive the same event, with one id. Another owner's is not shown.
    let by_id = |id: &str| DeliveryFilter {
        provider_delivery_id: Some(id.into()),
        ..Default::default()
    };
    assert_eq!(found(store, &by_id("one-event")), [4, 3]);
    assert_eq!(found(store, &by_id("no-event")), [0; 0]);
    let mut narrowed = by_id("one-event");
    narrowed.whose.connection = Some(ConnectionId::from_u128(1));
    assert_eq!(found(store, &narrowed), [3]);
    narrowed.source = Some(Source::Webhook);
    assert_eq!(found(store, &narrowed), [0; 0]);
    let mut named = by_id("one-event");
    named.whose.repository = Some(Pattern::any_case("O/R2").unwrap());
    assert_eq!(found(store, &named), [4]);
}
