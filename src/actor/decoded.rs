//! Deliveries that were decoded on the way in, kept until their connection's actor takes them:
//! a body is read once. The actor decodes what is not here.

use crate::domain::delivery::Delivery;
use crate::domain::event::Decoded;
use crate::domain::id::DeliveryId;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

/// Bytes of the bodies whose contents are kept: nothing that is decoded is larger than its body.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a delivery takes besides that.
const ENTRY_BYTES: usize = 1024;

/// Decoded deliveries.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<DeliveryId, Entry>,
    /// In the order in which they came; some may be gone.
    order: VecDeque<DeliveryId>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    event: String,
    bytes: usize,
    decoded: Decoded,
}

impl Inner {
    fn take(&mut self, id: DeliveryId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }
}

impl Ahead {
    /// Keeps what a delivery was decoded to. The oldest ones make room.
    pub(super) fn keep(&self, delivery: &Delivery, decoded: Decoded) {
        let bytes = delivery.body_bytes as usize + ENTRY_BYTES;
        let event = delivery.event.clone();
        let mut inner = self.0.lock();
        inner.bytes += bytes;
        let entry = Entry {
            event,
            bytes,
            decoded,
        };
        inner.entries.insert(delivery.id, entry);
        inner.order.push_back(delivery.id);
        while let Some(first) = inner.order.front().copied()
            && (inner.bytes > BYTES_MAX || !inner.entries.contains_key(&first))
        {
            inner.order.pop_front();
            drop(inner.take(first));
        }
    }

    /// What a delivery was decoded to, if it was not taken yet. Its event may be another by now.
    pub(super) fn take(&self, delivery: &Delivery) -> Option<Decoded> {
        let entry = self.0.lock().take(delivery.id)?;
        (entry.event == delivery.event).then_some(entry.decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::{BodyDigest, DeliveryState, Source};
    use crate::domain::event::Event;
    use crate::domain::id::{ConnectionId, UserId};
    use crate::domain::time::Timestamp;

    fn large(n: u32) -> Delivery {
        Delivery {
            id: DeliveryId::from_u128(u128::from(n)),
            connection: ConnectionId::from_u128(1),
            owner: UserId::from_u128(1),
            provider_delivery_id: n.to_string(),
            event: "push".into(),
            action: None,
            received_at: Timestamp(0),
            body_digest: BodyDigest::Blake3([0; 32]),
            body_bytes: 1024 * 1024,
            source: Source::Webhook,
            signed_by: None,
            state: DeliveryState::Received,
            tries: 0,
        }
    }

    #[test]
    fn each_is_taken_once_and_they_are_bounded() {
        let (ahead, decoded) = (Ahead::default(), || Decoded {
            repository: None,
            full_name: None,
            action: None,
            event: Event::Recorded,
        });
        for n in 1..100 {
            ahead.keep(&large(n), decoded());
            if n < 50 {
                assert_eq!(ahead.take(&large(n)), Some(decoded()));
                assert_eq!(ahead.take(&large(n)), None);
            }
            let inner = ahead.0.lock();
            assert!(inner.bytes <= BYTES_MAX && inner.order.len() <= inner.entries.len() + 1);
        }
        assert_eq!(ahead.take(&large(51)), None, "it had to make room");
        let renamed = Delivery {
            event: "ping".into(),
            ..large(98)
        };
        assert_eq!(
            ahead.take(&renamed),
            None,
            "it would be decoded to something else"
        );
        assert_eq!(ahead.take(&large(99)), Some(decoded()));
    }
}
