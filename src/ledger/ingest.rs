//! From what a provider's API returned to a delivery that is stored.
//!
//! Such a body is not signed, and no `Verified` is made of it: it was read with our token from the
//! API of the connection's own installation, over TLS. It is stored with the source `reconcile`,
//! and decoded by the connection's actor, which compares its repository as always.

use super::room::Room;
use crate::domain::connection::Connection;
use crate::domain::delivery::{BodyDigest, Delivery, DeliveryState, Payload, Source};
use crate::domain::id::DeliveryId;
use crate::store::{Change, Guard};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The id under which ingress stores a delivery that has none: GitLab before 17.4.
pub(super) fn id_of_body(payload: &Payload) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(&payload.body)))
}

/// The insertion of a delivery that was read, and what must hold for it.
pub(super) fn insertion(
    room: &Room,
    connection: &Connection,
    (delivery_id, event): (&str, &str),
    payload: Payload,
) -> (Change, [Guard; 2]) {
    let ports = &room.ports;
    let body_digest = BodyDigest::Blake3(*blake3::hash(&payload.body).as_bytes());
    let delivery = Delivery {
        id: DeliveryId::generate(ports.clock.now_for_id(), &*ports.entropy),
        connection: connection.id,
        owner: connection.owner,
        provider_delivery_id: delivery_id.to_owned(),
        event: event.to_owned(),
        action: None,
        received_at: ports.now(),
        body_digest,
        body_bytes: u32::try_from(payload.body.len()).unwrap_or(u32::MAX),
        source: Source::Reconcile,
        signed_by: None,
        state: DeliveryState::Received,
        tries: 0,
    };
    let is_new = Guard::NewDelivery {
        connection: connection.id,
        provider_delivery_id: delivery_id.to_owned(),
        body_digest,
    };
    let insert = Change::InsertDelivery(Box::new(delivery), payload);
    (insert, [is_new, Guard::ConnectionExists(connection.id)])
}
