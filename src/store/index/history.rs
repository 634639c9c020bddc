//! The list of deliveries: by connection, event, outcome and source, in a span of time, or by the
//! provider's id.

use super::apply::provider_id_key;
use super::key::{Key, Kind};
use super::{Index, Kv};
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::id::{ConnectionId, DeliveryId, OwnerId};
use crate::domain::time::Timestamp;
use crate::store::{After, DeliveryFilter, Listing, Order, ReadError};

/// Whether a delivery fits, apart from the connections that are asked for.
fn fits(delivery: &Delivery, owner: OwnerId, filter: &DeliveryFilter) -> bool {
    let outcome = match &delivery.state {
        DeliveryState::Received => None,
        DeliveryState::Processed { outcome, .. } => Some(outcome.as_str()),
    };
    let action = delivery.action.as_ref();
    let arrived = delivery.id.created_at();
    delivery.owner == owner
        && filter.event.as_ref().is_none_or(|e| *e == delivery.event)
        && (filter.action.as_ref()).is_none_or(|wanted| action == Some(wanted))
        && filter.source.is_none_or(|source| source == delivery.source)
        && filter.outcome.is_none_or(|wanted| outcome == Some(wanted))
        && filter.is_processed.is_none_or(|is| is == outcome.is_some())
        && filter.since.is_none_or(|since| arrived >= since)
        && filter.until.is_none_or(|until| arrived < until)
        && (filter.provider_delivery_id.as_ref())
            .is_none_or(|id| *id == delivery.provider_delivery_id)
}

impl<K: Kv> Index<K> {
    /// See [`crate::store::Read::deliveries_of`].
    pub(super) fn deliveries_of(
        &self,
        owner: OwnerId,
        filter: &DeliveryFilter,
        after: After<DeliveryId>,
    ) -> Result<Listing<Delivery, DeliveryId>, ReadError> {
        if let Some(id) = &filter.provider_delivery_id {
            return self.deliveries_by_provider_id(owner, id, filter, after);
        }
        let by = (Kind::DeliveryByOwner, Kind::DeliveryByConnection);
        let mut lists = self.lists(owner, &filter.whose, by.0, by.1)?;
        if let Some(outcome) = filter.outcome.filter(|_| lists.is_owners) {
            let by_outcome = Key::of(Kind::DeliveryByOutcome).id(owner.as_u128());
            lists.keys = vec![by_outcome.word(outcome)];
        }
        // The span is open: `before` and `until` are not in it.
        let first = |at: Timestamp| DeliveryId::first_at(at).as_u128();
        let before = filter.since.map(|at| first(at).saturating_sub(1));
        let until = filter.until.map(first);
        let last = after.last.map(DeliveryId::as_u128);
        let (last, end) = match filter.order {
            Order::NewestFirst => ([last, until].into_iter().flatten().min(), before),
            Order::OldestFirst => ([last, before].into_iter().flatten().max(), until),
        };
        let (limit, order) = (after.limit, filter.order);
        let mut whose = self.fitting(&filter.whose);
        let found = self.walk_span(&lists.keys, After { last, limit }, order, end, |id| {
            let Some((_, delivery)) = self.delivery_at(DeliveryId::from_u128(id))? else {
                return Ok(None);
            };
            let is_wanted = fits(&delivery, owner, filter)
                && (lists.is_exact || whose.has(delivery.connection)?);
            Ok(is_wanted.then_some(delivery))
        })?;
        Ok(Listing {
            items: found.items,
            next: found.next.map(DeliveryId::from_u128),
        })
    }

    /// One look a connection: each has at most one delivery with this id.
    fn deliveries_by_provider_id(
        &self,
        owner: OwnerId,
        provider_delivery_id: &str,
        filter: &DeliveryFilter,
        after: After<DeliveryId>,
    ) -> Result<Listing<Delivery, DeliveryId>, ReadError> {
        let single = filter.whose.repository.as_ref();
        let connections = match (filter.whose.connection, single.and_then(|n| n.single())) {
            (Some(id), _) => vec![id.as_u128()],
            (None, Some(name)) => self.named(owner, name)?,
            (None, None) => {
                let all = Key::of(Kind::ConnectionByOwner).id(owner.as_u128());
                self.ids(&all, None, true, usize::MAX)?
            }
        };
        let mut whose = self.fitting(&filter.whose);
        let mut items = Vec::new();
        for connection in connections {
            let connection = ConnectionId::from_u128(connection);
            let key = provider_id_key(connection, provider_delivery_id);
            let id = self.id_at(&key)?.map(DeliveryId::from_u128);
            let is_after = |id: &DeliveryId| match filter.order {
                Order::NewestFirst => after.last.is_none_or(|last| *id < last),
                Order::OldestFirst => after.last.is_none_or(|last| *id > last),
            };
            let id = id.filter(is_after);
            let found = id.map(|id| self.delivery_at(id)).transpose()?.flatten();
            if let Some((_, delivery)) = found
                && fits(&delivery, owner, filter)
                && whose.has(connection)?
            {
                items.push(delivery);
            }
        }
        items.sort_unstable_by_key(|delivery| delivery.id);
        if filter.order == Order::NewestFirst {
            items.reverse();
        }
        let has_more = items.len() > after.limit;
        items.truncate(after.limit);
        let next = items.last().filter(|_| has_more).map(|d| d.id);
        Ok(Listing { items, next })
    }
}
