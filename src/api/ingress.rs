//! Deliveries come in here: `POST /api/v2/webhooks/{provider}[/{hook_key}]`.
//!
//! The order matters: cheap refusals by the head, the body within its limits, whose it may be,
//! the signature, the durable commit, and only then a 2xx. The answer does not tell whether a
//! hook or a repository is known. No JSON is trusted before the signature, and none is built
//! into a tree at all. What an event means is for the connection's actor to find out.

mod again;
pub(in crate::api) mod body;
pub(in crate::api) mod fair;
mod outcome;
pub(in crate::api) mod room;

use super::error::{Answer, Code, Problem};
use super::scope::Shared;
use super::server::client::client_of;
use super::server::progress_of;
use crate::domain::connection::Connection;
use crate::domain::delivery::{self, Delivery, DeliveryState, Payload, Source};
use crate::domain::id::{ConnectionId, DeliveryId, HookKey};
use crate::domain::repo::ProviderKind;
use crate::domain::secret::{HookSecret, Proof};
use crate::provider::{Claim, Decode, HeaderLookup, Inbound, Verified, VerifyError};
use crate::store::{Batch, Change, CommitError, Committing, Conflict, Guard, Priority, ReadError};
use crate::telemetry::{may_tell, metric};
use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, web};
use again::Again;
use body::{Body, Limits};
use fair::{Account, Who};
use metrics::{counter, histogram};
pub use outcome::Outcome;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From this size on a body is hashed on another thread: below, hashing takes less than a
/// millisecond, and handing it over costs more than it saves.
const OFFLOAD_BYTES: usize = 512 * 1024;
/// Secrets that are tried for a delivery without a hook key, however many there are: each costs a
/// pass over the body, and the time must not tell how many connections a repository has. Hooks
/// that we made have a key in their URL.
const CLAIMED_TRIES: usize = 16;
/// Secrets that are tried for a delivery with one: the current one, and the one before it.
const KEYED_TRIES: usize = 2;

/// Headers as the decoder looks them up.
#[derive(Debug)]
struct Headers(HeaderMap);

impl HeaderLookup for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            (Some(_) | None, _) => None,
        }
    }
}

/// A delivery that was verified, with whose it is.
struct Authentic {
    connection: Connection,
    verified: Verified,
    digest: [u8; 32],
}

/// `POST /api/v2/webhooks/{provider}[/{hook_key}]`
pub(super) async fn receive(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let began = Instant::now();
    let name = request.match_info().get("provider").unwrap_or_default();
    let provider = name.parse::<ProviderKind>().ok();
    let decoder = provider.and_then(|p| Some((p, shared.providers.decoder(p)?)));
    let Some((provider, decoder)) = decoder else {
        return Err(Problem::new(
            Code::NoSuchRoute,
            "this daemon does not serve that provider",
        ));
    };
    let decoder = Arc::clone(decoder);
    let result = take_in(&shared, provider, decoder, &request, payload).await;
    let outcome = match &result {
        Ok((outcome, _)) => *outcome,
        Err(problem) => Outcome::of(problem.code()),
    };
    count(provider, outcome, began.elapsed());
    if result.is_err() {
        // Anybody can cause these as often as they like: counted, and told only on demand.
        tracing::debug!(%provider, outcome = outcome.as_str(), "webhook_refused");
    }
    result.map(|(outcome, id)| outcome.answer(id))
}

/// Counts an answer. `took` runs from the first look at the request, without the time to send it.
fn count(provider: ProviderKind, outcome: Outcome, took: Duration) {
    let (provider, outcome) = (provider.as_str(), outcome.as_str());
    histogram!(metric::ANSWER, "provider" => provider).record(took);
    counter!(metric::DELIVERIES, "provider" => provider, "outcome" => outcome).increment(1);
}

async fn take_in(
    shared: &web::Data<Shared>,
    provider: ProviderKind,
    decoder: Arc<dyn Decode>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(Outcome, DeliveryId), Problem> {
    let key = request.match_info().get("hook_key").map(str::to_owned);
    let account = account_of(shared, provider, key.as_deref(), request).await?;
    let lane = shared.lanes.of(&account);
    let progress = progress_of(request);
    let limits = Limits {
        bytes_max: shared.settings.ingress_body_bytes_max,
        timeout: shared.settings.body_timeout,
        room: &lane.room,
        account,
        progress: Arc::clone(&progress),
    };
    body::check_head(request, &limits)?;
    let _turn = lane.enter(account, &progress).await?;
    let body = body::read(request, payload, limits).await?;
    let headers = Headers(request.headers().clone());
    let verifying = Verifying {
        shared: shared.clone(),
        provider,
        decoder,
        headers,
        key,
        body,
    };
    let is_large = verifying.body.bytes.len() >= OFFLOAD_BYTES;
    // Held until it is stored: hashing and compressing a large body takes time and memory.
    let _heavy = if is_large {
        Some(shared.heavy.acquire().await.map_err(|_| stopping())?)
    } else {
        None
    };
    let claiming = move || (verifying.claim(), verifying);
    let (claim, verifying) = offloaded(is_large, claiming).await?;
    let candidates = verifying.candidates(claim).await?;
    let verified = offloaded(is_large, move || verifying.run(candidates)).await?;
    let (authentic, body, decoder) = verified?;
    store(shared, decoder, authentic, body).await
}

/// Does what takes its time for a large body, away from the threads that serve.
async fn offloaded<T: Send + 'static>(
    is_large: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if !is_large {
        return Ok(work());
    }
    web::block(work).await.map_err(|_| stopping())
}

fn stopping() -> Problem {
    Problem::new(Code::Unavailable, "the daemon is shutting down")
}

/// Who is charged for a delivery: a hook that we know and its user, or else whoever sends it. Told
/// by nothing but how long one may have to wait while strangers are many: a key cannot be guessed.
async fn account_of(
    shared: &Shared,
    provider: ProviderKind,
    key: Option<&str>,
    request: &HttpRequest,
) -> Result<Account, ReadError> {
    let key = key.and_then(|key| key.parse::<HookKey>().ok());
    let found = match key {
        Some(key) => shared.door().by_hook_key(&key).await?,
        None => None,
    };
    let known = found.filter(|c| c.instance.provider == provider);
    if let Some(connection) = known {
        let who = Who::User(connection.owner);
        let hook = Some(connection.id);
        return Ok(Account { who, hook });
    }
    let peer = client_of(request, &shared.settings.trusted_proxies);
    Ok(Account::of(Who::Peer(peer)))
}

/// The answer to a delivery that is of no connection.
fn nobodys() -> Problem {
    Problem::new(
        Code::BadSignature,
        "the delivery is not signed with a known secret",
    )
}

/// All that verifying takes, so that it can go to another thread.
struct Verifying {
    shared: web::Data<Shared>,
    provider: ProviderKind,
    decoder: Arc<dyn Decode>,
    headers: Headers,
    key: Option<String>,
    body: Body,
}

impl Verifying {
    fn inbound(&self) -> Inbound<'_> {
        Inbound {
            headers: &self.headers,
            body: &self.body.bytes,
            received_at: self.shared.now(),
        }
    }

    /// Whose it says that it is, where no key says so.
    fn claim(&self) -> Option<Claim> {
        let is_keyed = self.key.is_some();
        (!is_keyed).then(|| self.decoder.claim(self.inbound()))?
    }

    fn run(
        self,
        candidates: Vec<Connection>,
    ) -> Result<(Authentic, Body, Arc<dyn Decode>), Problem> {
        let inbound = self.inbound();
        let verified = self.verify(inbound, candidates);
        let (connection, verified) = verified.map_err(|rejection| match rejection {
            // Nothing here may depend on what is known about the hook or the repository.
            VerifyError::BadSignature => nobodys(),
            VerifyError::BadHeader(name) => Problem::new(
                Code::BadDeliveryHeader,
                format!("the header {name} is missing or malformed"),
            ),
        })?;
        let digest = Sha256::digest(&self.body.bytes).into();
        Ok((
            Authentic {
                connection,
                verified,
                digest,
            },
            self.body,
            self.decoder,
        ))
    }

    /// The connections that the delivery may belong to.
    async fn candidates(&self, claim: Option<Claim>) -> Result<Vec<Connection>, Problem> {
        let door = self.shared.door();
        if let Some(key) = &self.key {
            let found = match key.parse::<HookKey>() {
                Ok(key) => door.by_hook_key(&key).await?,
                Err(_) => None,
            };
            let found = found.filter(|c| c.instance.provider == self.provider);
            return Ok(found.into_iter().collect());
        }
        match claim {
            Some(claim) => Ok(door.by_claim(self.provider, &claim).await?),
            None => Ok(Vec::new()),
        }
    }

    /// The connection whose secret verifies. Where none does, the same number of secrets was tried
    /// whatever is known: what is missing is made up with a secret that nobody has.
    fn verify(
        &self,
        inbound: Inbound<'_>,
        candidates: Vec<Connection>,
    ) -> Result<(Connection, Verified), VerifyError> {
        let is_keyed = self.key.is_some();
        let mut tries = if is_keyed { KEYED_TRIES } else { CLAIMED_TRIES };
        let mut rejection = VerifyError::BadSignature;
        for connection in candidates {
            let mut secrets = self.shared.herd.hook_secrets(&connection);
            secrets.truncate(tries);
            tries -= secrets.len();
            if secrets.is_empty() {
                continue;
            }
            match self.decoder.verify(inbound, &secrets, connection.proof) {
                Ok(verified) => {
                    let verified = self.at_some_time(inbound, &connection, &secrets, verified);
                    return Ok((connection, verified));
                }
                Err(why) => {
                    // Only who knows the unguessable key may make a connection doubt its hook.
                    if why == VerifyError::BadSignature && is_keyed {
                        let id = connection.id;
                        if may_tell("webhook_signature_verification_failed") {
                            tracing::warn!(
                                connection.id = %id,
                                "webhook_signature_verification_failed"
                            );
                        }
                        self.shared.herd.rejected(id);
                    }
                    rejection = why;
                }
            }
        }
        for _ in 0..tries {
            if let Err(why) = self.decoder.verify(inbound, &[], Proof::Unknown) {
                rejection = why;
            }
        }
        Err(rejection)
    }
}

impl Verifying {
    /// A delivery whose time is far from our clock's is judged by what else we know of time: a
    /// clock of ours that is wrong must not cost what the provider sends once.
    fn at_some_time(
        &self,
        inbound: Inbound<'_>,
        connection: &Connection,
        secrets: &[HookSecret],
        verified: Verified,
    ) -> Verified {
        let clock = &self.shared.clock;
        let times = [clock.steady(), clock.trusted()].into_iter();
        let again = times.filter_map(|received_at| {
            let inbound = Inbound {
                received_at,
                ..inbound
            };
            let verified = self.decoder.verify(inbound, secrets, connection.proof);
            verified.ok().filter(|verified| !verified.is_stale())
        });
        let mut again = again.take_while(|_| verified.is_stale());
        again.next().unwrap_or(verified)
    }
}

/// What will become of a delivery that is new.
fn expected(decoder: &dyn Decode, connection: &Connection, verified: &Verified) -> Outcome {
    if verified.is_stale() {
        if may_tell("webhook_stale") {
            tracing::warn!(
                connection.id = %connection.id,
                "a delivery was signed at a time far from ours: kept, without effects; \
                 compare the clocks"
            );
        }
        Outcome::Stale
    } else if verified.is_ping() {
        Outcome::Pong
    } else if decoder.is_known_event(verified.event()) {
        Outcome::Accepted
    } else {
        Outcome::Ignored
    }
}

/// Commits the delivery and says what became of it. The commit goes on when the sender hangs up.
async fn store(
    shared: &web::Data<Shared>,
    decoder: Arc<dyn Decode>,
    authentic: Authentic,
    body: Body,
) -> Result<(Outcome, DeliveryId), Problem> {
    let Authentic {
        connection,
        verified,
        digest,
    } = authentic;
    let outcome = expected(&*decoder, &connection, &verified);
    let now = shared.now();
    let id = DeliveryId::generate(shared.clock.now_for_id(), shared.entropy.as_ref());
    let delivery = Delivery {
        id,
        connection: connection.id,
        owner: connection.owner,
        provider_delivery_id: verified.provider_delivery_id().to_owned(),
        event: verified.event().to_owned(),
        action: None,
        received_at: now,
        body_digest: digest,
        body_bytes: u32::try_from(body.bytes.len()).unwrap_or(u32::MAX),
        source: Source::Webhook,
        state: if verified.is_stale() {
            let outcome = delivery::Outcome::Stale;
            DeliveryState::Processed { at: now, outcome }
        } else {
            DeliveryState::Received
        },
        tries: 0,
    };
    let payload = Payload {
        headers: verified.headers().to_vec(),
        body: body.bytes.clone(),
    };
    let again = Again {
        decoder,
        event: delivery.event.clone(),
        digest,
        payload: payload.clone(),
    };
    let committed = commit(shared, connection.id, delivery, payload).await;
    let (outcome, id) = match committed {
        Ok(()) => (outcome, id),
        Err(CommitError::Conflict(Conflict::Delivery(first))) => {
            let is_late = !verified.is_stale() && again.look(shared, first).await?;
            // A test delivery often has the body of one before it.
            if !verified.is_stale() && !is_late {
                shared.herd.heard(connection.id);
            }
            (if is_late { outcome } else { Outcome::Duplicate }, first)
        }
        // It was removed a moment ago: as if it had never been.
        Err(CommitError::Conflict(Conflict::NoConnection(_))) => return Err(nobodys()),
        Err(error) => return Err(error.into()),
    };
    let (provider, outcome_name) = (connection.instance.provider, outcome.as_str());
    // Whoever has seen a delivery can send it again as often as they like.
    if outcome != Outcome::Duplicate || may_tell("webhook_duplicate") {
        tracing::info!(
            connection.id = %connection.id,
            delivery.id = %id,
            outcome = outcome_name,
            "{provider}_webhook_received"
        );
    }
    Ok((outcome, id))
}

async fn commit(
    shared: &web::Data<Shared>,
    connection: ConnectionId,
    delivery: Delivery,
    payload: Payload,
) -> Result<(), CommitError> {
    let guard = Guard::NewDelivery {
        connection,
        provider_delivery_id: delivery.provider_delivery_id.clone(),
        body_digest: delivery.body_digest,
    };
    let is_large = payload.body.len() >= OFFLOAD_BYTES;
    let batch = Batch {
        priority: Priority::Ingress,
        guards: vec![Guard::ConnectionExists(connection), guard],
        changes: vec![Change::InsertDelivery(Box::new(delivery), payload)],
    };
    // A batch is put into bytes, and its body compressed, when it is submitted.
    let store = shared.clone();
    let submitting = offloaded(is_large, move || store.door().commit(batch));
    let committing = submitting.await.map_err(|_| CommitError::Closed)?;
    told(shared, connection, committing).await
}

/// Waits for a commit that leaves something to process, and says so to the connection's actor.
async fn told(
    shared: &web::Data<Shared>,
    connection: ConnectionId,
    committing: Committing,
) -> Result<(), CommitError> {
    let herd = Arc::clone(&shared.herd);
    // A task of its own: a sender that hangs up now must not keep the actor from being told.
    let task = actix_web::rt::spawn(async move {
        let result = committing.await;
        if result.is_ok() {
            herd.delivered(connection);
        }
        result
    });
    task.await.unwrap_or(Err(CommitError::Closed))
}
