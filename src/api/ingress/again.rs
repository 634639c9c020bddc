//! What is stored already and comes again: mostly a duplicate, and sometimes more than that.
//!
//! A delivery that was stored without effects may deserve them now: it had been signed at a time
//! far from ours, or another sender had sent its body first, under the name of another event. The
//! name stands in a header that is not signed.

use super::commit::{OFFLOAD_BYTES, acknowledged, offloaded};
use super::verify::{Authentic, older_digest};
use crate::api::error::Problem;
use crate::api::scope::Shared;
use crate::domain::delivery::{BodyDigest, Delivery, DeliveryState, Outcome, Payload};
use crate::domain::event::Event;
use crate::domain::id::DeliveryId;
use crate::provider::{Decode, Proven};
use crate::store::{Batch, Change, CommitError, Guard, Priority, ReadError};
use actix_web::web;
use std::sync::Arc;
use std::time::Duration;

/// How often, and how long, to look whether what came first is processed.
const PROCESSED_LOOKS: u32 = 40;
const PROCESSED_PAUSE: Duration = Duration::from_millis(50);

/// Whether one that is recognised by its id is a duplicate and nothing more, as far as its headers
/// tell.
pub(super) async fn is_plain(
    shared: &Shared,
    first: DeliveryId,
    proven: &Proven,
) -> Result<bool, ReadError> {
    let stored = shared.ingress_store().delivery(first).await?;
    Ok(stored.is_none_or(|stored| {
        stored.event == proven.named_event() && (proven.is_stale() || !is_stale(&stored))
    }))
}

/// A delivery that is not new: it, or one with its body, is stored.
pub(super) struct Again {
    decoder: Arc<dyn Decode>,
    /// The event that it reports.
    event: String,
    digest: BodyDigest,
    payload: Payload,
}

impl Again {
    pub(super) fn of(authentic: &Authentic) -> Self {
        let verified = &authentic.verified;
        Self {
            decoder: Arc::clone(&authentic.decoder),
            event: verified.event().to_owned(),
            digest: authentic.digest,
            payload: Payload {
                headers: verified.headers().to_vec(),
                body: authentic.body.bytes.clone(),
            },
        }
    }

    /// Whether a stored delivery has this body.
    fn has_body_of(&self, stored: &Delivery) -> bool {
        stored.body_digest
            == match stored.body_digest {
                BodyDigest::Sha256(_) => older_digest(&self.payload.body),
                BodyDigest::Blake3(_) => self.digest,
            }
    }

    /// Whether the one that came first is to be processed after all, because of this one. It is
    /// committed as received then, once.
    pub(super) async fn look(
        self,
        shared: &web::Data<Shared>,
        first: DeliveryId,
    ) -> Result<bool, Problem> {
        let Some(stored) = shared.ingress_store().delivery(first).await? else {
            return Ok(false);
        };
        if is_stale(&stored) {
            let event = stored.event.clone();
            return put_back(shared, stored, event).await;
        }
        if stored.event == self.event || !self.has_body_of(&stored) {
            return Ok(false);
        }
        let event = self.event.clone();
        if !self.means_more(stored.event).await? {
            return Ok(false);
        }
        // Its actor must not be at it, and then write over what is put back.
        match settled(shared, first).await? {
            Some(stored) if nothing_followed(&stored.state) && stored.event != event => {
                put_back(shared, stored, event).await
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Whether something follows from the body under this name, and nothing did under `other`.
    async fn means_more(self, other: String) -> Result<bool, Problem> {
        let is_large = self.payload.body.len() >= OFFLOAD_BYTES;
        let judge = move || {
            let follows = |event: &str| {
                let decoded = self.decoder.decode(event, &self.payload);
                decoded.is_ok_and(|decoded| decoded.event != Event::Ignored)
            };
            follows(&self.event) && !follows(&other)
        };
        offloaded(is_large, judge).await
    }
}

fn is_stale(delivery: &Delivery) -> bool {
    match &delivery.state {
        DeliveryState::Processed { outcome, .. } => *outcome == Outcome::Stale,
        DeliveryState::Received => false,
    }
}

/// Whether processing a delivery came to nothing that could come twice.
fn nothing_followed(state: &DeliveryState) -> bool {
    match state {
        DeliveryState::Received => true,
        DeliveryState::Processed { outcome, .. } => match outcome {
            Outcome::Ignored | Outcome::Pong | Outcome::DeadLetter { .. } => true,
            Outcome::Run { .. }
            | Outcome::Recorded
            | Outcome::Paused
            | Outcome::ForeignRepository
            | Outcome::Mirrored
            | Outcome::Stale => false,
        },
    }
}

/// A delivery once it is processed, or as it is when that takes long.
async fn settled(shared: &Shared, id: DeliveryId) -> Result<Option<Delivery>, ReadError> {
    for _ in 0..PROCESSED_LOOKS {
        match shared.ingress_store().delivery(id).await? {
            Some(delivery) if delivery.state == DeliveryState::Received => {
                actix_web::rt::time::sleep(PROCESSED_PAUSE).await;
            }
            other => return Ok(other),
        }
    }
    shared.ingress_store().delivery(id).await
}

/// Commits a stored delivery as received, under this event's name; `false` when it has changed
/// meanwhile.
async fn put_back(
    shared: &web::Data<Shared>,
    stored: Delivery,
    event: String,
) -> Result<bool, Problem> {
    let connection = stored.connection;
    let received = Delivery {
        event,
        state: DeliveryState::Received,
        ..stored.clone()
    };
    let committing = shared.ingress_store().commit(Batch {
        priority: Priority::Ingress,
        guards: vec![
            Guard::ConnectionExists(connection),
            Guard::SameDelivery(Box::new(stored)),
        ],
        changes: vec![Change::progress(received)],
    });
    match acknowledged(shared, connection, committing).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
