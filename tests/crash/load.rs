//! Deliveries that follow from their number, so that a checker knows what must be there.

use bytes::Bytes;
use hookherd::domain::connection::Connection;
use hookherd::domain::delivery::{BodyDigest, Delivery, DeliveryState, Outcome, Payload, Source};
use hookherd::domain::id::{ConnectionId, DeliveryId, HookKey, UserId};
use hookherd::domain::repo::{Instance, ProviderKind};
use hookherd::domain::time::Timestamp;
use hookherd::store::{Batch, Change, Guard, Priority};

/// The connection that all deliveries belong to.
pub(crate) const CONNECTION: ConnectionId = ConnectionId::from_u128(1);
/// Longest ordinary body; every 200th is a large one.
const BODY_BYTES: u64 = 30_000;
const LARGE_BODY_BYTES: usize = 1 << 20;

/// The connection that all deliveries hang on.
pub(crate) fn connecting() -> Batch {
    let github = Instance {
        provider: ProviderKind::Github,
        host: "github.com".parse().expect("a host"),
    };
    let connection = Connection::new(
        CONNECTION,
        UserId::from_u128(1),
        github,
        "octo/app".parse().expect("a name"),
        HookKey::from_bytes([1; 20]),
        Timestamp(1),
    );
    Batch::of(vec![Change::PutConnection(Box::new(connection))])
}

/// Bytes that do not compress; quick also in a build without optimisation (splitmix64).
fn fill_with_noise(bytes: &mut [u8], seed: u64) {
    let mut state = seed;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
    }
}

fn body_bytes(n: u64) -> usize {
    if n % 200 == 199 {
        return LARGE_BODY_BYTES;
    }
    let mut random = [0; 8];
    fill_with_noise(&mut random, n);
    usize::try_from(9 + u64::from_le_bytes(random) % BODY_BYTES).expect("bodies are small")
}

/// The delivery with this number.
pub(crate) fn delivery(n: u64) -> Delivery {
    Delivery {
        id: DeliveryId::from_u128(u128::from(n) + 1),
        connection: CONNECTION,
        owner: UserId::from_u128(1),
        provider_delivery_id: format!("guid-{n}"),
        event: "push".into(),
        action: None,
        received_at: Timestamp(i64::try_from(n).expect("numbers are small")),
        body_digest: BodyDigest::Blake3(*blake3::hash(&n.to_le_bytes()).as_bytes()),
        body_bytes: u32::try_from(body_bytes(n)).expect("bodies are small"),
        source: Source::Webhook,
        signed_by: None,
        state: DeliveryState::Received,
        tries: 0,
    }
}

/// Its payload: sizes from nine bytes to a mebibyte, three in four bodies do not compress.
pub(crate) fn payload(n: u64) -> Payload {
    let mut body = vec![b'h'; body_bytes(n)];
    if !n.is_multiple_of(4) {
        fill_with_noise(&mut body, n);
    }
    // No two bodies are alike, also of those that compress.
    body[..8].copy_from_slice(&n.to_le_bytes());
    Payload {
        headers: vec![("x-number".into(), n.to_string())],
        body: Bytes::from(body),
    }
}

/// What the ingress commits for it.
pub(crate) fn insertion(n: u64) -> Batch {
    let delivery = delivery(n);
    let guard = Guard::NewDelivery {
        connection: delivery.connection,
        provider_delivery_id: delivery.provider_delivery_id.clone(),
        body_digest: delivery.body_digest,
    };
    let changes = vec![Change::InsertDelivery(Box::new(delivery), payload(n))];
    let mut batch = Batch::of(changes).guarded_by(guard);
    batch.priority = Priority::Ingress;
    batch
}

/// What is committed when it was processed.
pub(crate) fn processing(n: u64) -> Batch {
    let mut delivery = delivery(n);
    delivery.state = DeliveryState::Processed {
        at: Timestamp(1),
        outcome: Outcome::Recorded,
    };
    Batch::of(vec![Change::progress(delivery)])
}
