//! Receives deliveries: `POST /api/v2/webhooks/{provider}[/{hook_key}]`.
//!
//! The order matters: cheap refusals by the head, the body within its limits, whose it may be,
//! the signature, the durable commit, and only then a 2xx. The answer does not reveal whether
//! a hook or a repository is known. No JSON is trusted before the signature, and none is built
//! into a tree at all. What an event means is for the connection's actor to find out.

mod again;
pub(in crate::api) mod body;
mod commit;
pub(in crate::api) mod fair;
pub(in crate::api) mod opened;
mod outcome;
pub(in crate::api) mod room;
mod verify;

use super::error::{Answer, Code, Problem};
use super::scope::Shared;
use super::server::client::client_of;
use super::server::socket::progress_of;
use crate::domain::connection::Connection;
use crate::domain::delivery::{self, BodyDigest, Delivery, DeliveryState, Payload, Source};
use crate::domain::id::{DeliveryId, HookKey};
use crate::domain::repo::ProviderKind;
use crate::domain::rotation::SecretNumber;
use crate::provider::{Claim, Decode, Verified};
use crate::store::{CommitError, Conflict, ReadError};
use crate::telemetry::{may_log, metric};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, ResponseError, web};
use again::Again;
use body::{Body, Limits};
use commit::{OFFLOAD_BYTES, commit, offloaded, stopping};
use fair::{Account, Who};
use metrics::{counter, histogram};
pub use outcome::IngressOutcome;
use std::sync::Arc;
use std::time::{Duration, Instant};
use verify::{Authentic, Inquiry, Whose, nobodys};

/// Where deliveries come in.
pub(super) const PATH: &str = "/api/v2/webhooks";

/// The provider and the hook's key that a path names behind [`PATH`].
fn places(path: &str) -> Option<(&str, Option<&str>)> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (provider, key) = (segments.next()?, segments.next());
    segments.next().is_none().then_some((provider, key))
}

/// `POST /api/v2/webhooks/{provider}[/{hook_key}]`
pub(super) async fn receive(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let began = Instant::now();
    let Some((name, key)) = places(request.match_info().unprocessed()) else {
        return Err(Problem::no_such_route());
    };
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed(Method::POST.to_string()));
    }
    let provider = name.parse::<ProviderKind>().ok();
    let decoder = provider.and_then(|p| Some((p, shared.providers.decoder(p)?)));
    let Some((provider, decoder)) = decoder else {
        return Err(Problem::new(
            Code::NoSuchRoute,
            "this daemon does not serve that provider",
        ));
    };
    let called = Called {
        provider,
        decoder: Arc::clone(decoder),
        key,
    };
    let named = named(&shared, &called).await;
    let hook = named
        .as_ref()
        .ok()
        .and_then(|named| named.as_ref().map(|c| c.id));
    let result = match named {
        Ok(named) => take_in(&shared, called, &request, payload, named).await,
        Err(error) => Err(error.into()),
    };
    let outcome = match &result {
        Ok((outcome, _)) => *outcome,
        Err(problem) => IngressOutcome::of(problem.code()),
    };
    count(provider, outcome, began.elapsed());
    if result.is_err() {
        // Strangers can cause these as often as they like: counted, and logged only on demand.
        tracing::debug!(%provider, outcome = outcome.as_str(), "webhook_refused");
    }
    if let (Err(problem), Some(hook)) = (&result, hook)
        && is_missed(problem)
    {
        shared.recovery.refused(hook);
    }
    result.map(|(outcome, id)| outcome.answer(id))
}

/// Whether a refused request may have been an authentic delivery, which the provider does not send
/// again: it was refused for a reason of this server's, not of the request's.
fn is_missed(problem: &Problem) -> bool {
    let status = problem.status_code();
    let of_ours = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::REQUEST_TIMEOUT,
    ];
    status.is_server_error() || of_ours.contains(&status)
}

/// Counts an answer. `took` runs from the first look at the request, without the time to send it.
fn count(provider: ProviderKind, outcome: IngressOutcome, took: Duration) {
    let (provider, outcome) = (provider.as_str(), outcome.as_str());
    histogram!(metric::ANSWER, "provider" => provider).record(took);
    counter!(metric::DELIVERIES, "provider" => provider, "outcome" => outcome).increment(1);
}

/// What a path calls.
struct Called<'a> {
    provider: ProviderKind,
    decoder: Arc<dyn Decode>,
    /// The hook's key, as it was sent.
    key: Option<&'a str>,
}

async fn take_in(
    shared: &web::Data<Shared>,
    called: Called<'_>,
    request: &HttpRequest,
    payload: web::Payload,
    named: Option<Connection>,
) -> Result<(IngressOutcome, DeliveryId), Problem> {
    let account = account_of(shared, named.as_ref(), request);
    let lane = shared.lanes.of(&account);
    let progress = progress_of(request);
    let limits = Limits {
        bytes_max: shared.settings.ingress_body_bytes_max,
        timeout: shared.settings.body_timeout,
        room: &lane.room,
        account,
        progress: Arc::clone(&progress),
    };
    let announced = body::check_head(request, &limits)?;
    let _turn = lane.enter(account, &progress).await?;
    let body = body::read(payload, announced, limits).await?;
    if body.bytes.len() >= OFFLOAD_BYTES {
        return Box::pin(take_in_large(shared, called, request, named, body)).await;
    }
    let inquiry = Inquiry {
        shared,
        decoder: &*called.decoder,
        headers: request.headers(),
        is_keyed: called.key.is_some(),
        body: &body.bytes,
    };
    let candidates = candidates(shared, called.provider, named, inquiry.claim()).await?;
    let Whose {
        connection,
        signed_by,
        proven,
    } = inquiry.prove(candidates)?;
    // What comes again is recognised before anything else is done with it.
    let (id, ingress_store) = (proven.provider_delivery_id(), shared.ingress_store());
    let mut known = ingress_store.known(connection.id, id, &[]).await?;
    if let Some(first) = known
        && again::is_plain(shared, first, &proven).await?
    {
        let is_stale = proven.is_stale();
        return Ok(duplicate(shared, (&connection, signed_by), first, is_stale));
    }
    let digest = verify::digest(&body.bytes);
    // By its present digest the committer recognises it.
    if known.is_none() && ingress_store.has_older_digests().await? {
        let digests = [verify::older_digest(&body.bytes), digest];
        known = ingress_store.known(connection.id, id, &digests).await?;
    }
    let verified = inquiry.describe(proven);
    let authentic = Authentic {
        connection,
        signed_by,
        decoder: called.decoder,
        verified,
        digest,
        body,
    };
    match known {
        Some(first) => Box::pin(repeated(shared, &authentic, first)).await,
        None => store(shared, authentic).await,
    }
}

/// Hashing and compressing a large body takes time, and memory: few at a time, and elsewhere.
async fn take_in_large(
    shared: &web::Data<Shared>,
    called: Called<'_>,
    request: &HttpRequest,
    named: Option<Connection>,
    body: Body,
) -> Result<(IngressOutcome, DeliveryId), Problem> {
    // Held until it is stored.
    let _heavy = shared.heavy.acquire().await.map_err(|_| stopping())?;
    let ingress_store = shared.ingress_store();
    let has_older_digests = ingress_store.has_older_digests().await?;
    let (provider, decoder, is_keyed) = (called.provider, called.decoder, called.key.is_some());
    let (share, headers) = (shared.clone(), request.headers().clone());
    let claiming = move || {
        let inquiry = Inquiry {
            shared: &share,
            decoder: &*decoder,
            headers: &headers,
            is_keyed,
            body: &body.bytes,
        };
        let claim = inquiry.claim();
        (claim, share, decoder, headers, body)
    };
    let (claim, share, decoder, headers, body) = offloaded(true, claiming).await?;
    let candidates = candidates(shared, provider, named, claim).await?;
    let verifying = move || {
        let inquiry = Inquiry {
            shared: &share,
            decoder: &*decoder,
            headers: &headers,
            is_keyed,
            body: &body.bytes,
        };
        let Whose {
            connection,
            signed_by,
            proven,
        } = inquiry.prove(candidates)?;
        let digest = verify::digest(&body.bytes);
        let older = has_older_digests.then(|| verify::older_digest(&body.bytes));
        let verified = inquiry.describe(proven);
        let authentic = Authentic {
            connection,
            signed_by,
            decoder,
            verified,
            digest,
            body,
        };
        let digests: Vec<BodyDigest> = older.into_iter().chain([digest]).collect();
        Ok::<_, Problem>((authentic, digests))
    };
    let (authentic, digests) = offloaded(true, verifying).await??;
    let id = authentic.verified.provider_delivery_id();
    match ingress_store
        .known(authentic.connection.id, id, &digests)
        .await?
    {
        Some(first) => Box::pin(repeated(shared, &authentic, first)).await,
        None => store(shared, authentic).await,
    }
}

/// The connection whose hook's key stands in the path.
async fn named(shared: &Shared, called: &Called<'_>) -> Result<Option<Connection>, ReadError> {
    let key = called.key.and_then(|key| key.parse::<HookKey>().ok());
    let found = match key {
        Some(key) => shared.ingress_store().by_hook_key(&key).await?,
        None => None,
    };
    Ok(found.filter(|c| c.instance.provider == called.provider))
}

/// The connections that a delivery may belong to.
async fn candidates(
    shared: &Shared,
    provider: ProviderKind,
    named: Option<Connection>,
    claim: Option<Claim>,
) -> Result<Vec<Connection>, ReadError> {
    match claim {
        Some(claim) => shared.ingress_store().by_claim(provider, &claim).await,
        None => Ok(named.into_iter().collect()),
    }
}

/// Who is charged for a delivery: a hook that we know and its user, or else its sender. Only the
/// wait while strangers are many could reveal which: a key cannot be guessed.
fn account_of(shared: &Shared, named: Option<&Connection>, request: &HttpRequest) -> Account {
    if let Some(connection) = named {
        let who = Who::User(connection.owner);
        let hook = Some(connection.id);
        return Account { who, hook };
    }
    let peer = client_of(request, &shared.settings.trusted_proxies);
    Account::of(Who::Peer(peer))
}

/// What will become of a delivery that is new.
fn expected(decoder: &dyn Decode, connection: &Connection, verified: &Verified) -> IngressOutcome {
    if verified.is_stale() {
        if may_log("webhook_stale") {
            tracing::warn!(
                connection.id = %connection.id,
                "a delivery was signed at a time far from ours: kept, without effects; \
                 compare the clocks"
            );
        }
        IngressOutcome::Stale
    } else if verified.is_ping() {
        IngressOutcome::Pong
    } else if decoder.is_known_event(verified.event()) {
        IngressOutcome::Accepted
    } else {
        IngressOutcome::Ignored
    }
}

/// Commits the delivery. Returns its outcome. The commit continues when the sender hangs up.
async fn store(
    shared: &web::Data<Shared>,
    mut authentic: Authentic,
) -> Result<(IngressOutcome, DeliveryId), Problem> {
    let decoded = authentic.verified.take_decoded();
    let Authentic {
        connection,
        signed_by,
        decoder,
        verified,
        digest,
        body,
    } = &authentic;
    let outcome = expected(&**decoder, connection, verified);
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
        body_digest: *digest,
        body_bytes: u32::try_from(body.bytes.len()).unwrap_or(u32::MAX),
        source: Source::Webhook,
        signed_by: Some(*signed_by),
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
    if let Some(decoded) = decoded.filter(|_| !verified.is_stale()) {
        shared.connections.decoded(&delivery, decoded);
    }
    match commit(shared, connection.id, delivery, payload).await {
        Ok(()) => {
            note(connection, id, outcome);
            Ok((outcome, id))
        }
        // It came at the same moment.
        Err(CommitError::Conflict(Conflict::Delivery(first))) => {
            Box::pin(repeated(shared, &authentic, first)).await
        }
        // It was removed a moment ago: as if it had never been.
        Err(CommitError::Conflict(Conflict::NoConnection(_))) => Err(nobodys()),
        Err(error) => Err(error.into()),
    }
}

/// A delivery is stored already, durably: mostly that is all.
async fn repeated(
    shared: &web::Data<Shared>,
    authentic: &Authentic,
    first: DeliveryId,
) -> Result<(IngressOutcome, DeliveryId), Problem> {
    let (connection, verified) = (&authentic.connection, &authentic.verified);
    let signed = (connection, authentic.signed_by);
    let is_late = !verified.is_stale() && Again::of(authentic).look(shared, first).await?;
    if !is_late {
        return Ok(duplicate(shared, signed, first, verified.is_stale()));
    }
    let outcome = expected(&*authentic.decoder, connection, verified);
    note(connection, first, outcome);
    Ok((outcome, first))
}

/// The answer to what is stored already. A test delivery often has the body of one before it.
fn duplicate(
    shared: &Shared,
    (connection, signed_by): (&Connection, SecretNumber),
    first: DeliveryId,
    is_stale: bool,
) -> (IngressOutcome, DeliveryId) {
    if !is_stale {
        shared.connections.heard(connection.id, signed_by);
    }
    note(connection, first, IngressOutcome::Duplicate);
    (IngressOutcome::Duplicate, first)
}

/// A line for those who look closely: what came is in the list of deliveries, and counted.
fn note(connection: &Connection, id: DeliveryId, outcome: IngressOutcome) {
    tracing::debug!(
        connection.id = %connection.id,
        delivery.id = %id,
        outcome = outcome.as_str(),
        "webhook_received"
    );
}
