//! Ingress: the door that deliveries come in by.
//!
//! Read within limits, find whose it may be, verify the raw bytes, store durably, answer. Nothing
//! is parsed before it is verified, except for where a delivery without a hook key says that it
//! belongs, which only chooses whose secrets are tried. The answer to something that nobody's
//! secret signed is the same whether the repository is known or not.

mod body;

pub use body::{Limits, Room};

use super::State;
use super::error::Problem;
use crate::domain::connection::Connection;
use crate::domain::delivery::{
    Delivery, DeliveryState, EVENT_NAME_BYTES_MAX, PROVIDER_DELIVERY_ID_BYTES_MAX, Payload, Source,
};
use crate::domain::id::{DeliveryId, HookKey};
use crate::domain::repo::ProviderKind;
use crate::domain::secret::HookSecret;
use crate::provider::{Claim, Decode, HeaderLookup, Inbound, Rejection, Verified};
use crate::store::{Batch, Change, CommitError, Conflict, Guard, Priority};
use crate::telemetry::metrics;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Instant;

/// Bodies above this are verified on another thread, so that one large delivery does not hold up
/// the small ones of its worker.
const VERIFY_ELSEWHERE_BYTES: usize = 512 * 1024;

/// `POST /api/v2/webhooks/{provider}` and `POST /api/v2/webhooks/{provider}/{hook_key}`.
pub async fn receive(
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let begun = Instant::now();
    let name = request.match_info().get("provider").unwrap_or_default();
    let provider = name.parse::<ProviderKind>().ok();
    let decoder = provider.and_then(|p| state.providers.decoder(p).map(|d| (p, Arc::clone(d))));
    let Some((provider, decoder)) = decoder else {
        return Err(Problem::not_found("provider"));
    };
    let result = accept(&state, provider, decoder, &request, payload).await;
    let outcome = match &result {
        Ok(accepted) => accepted.status,
        Err(problem) => label(problem),
    };
    metrics::delivery_answered(provider.as_str(), outcome, begun.elapsed());
    tracing::info!(
        provider = provider.as_str(),
        outcome,
        "github_webhook_received"
    );
    result.map(Accepted::answer)
}

/// What became of a delivery at the door.
struct Accepted {
    code: StatusCode,
    status: &'static str,
    id: DeliveryId,
}

impl Accepted {
    fn answer(self) -> HttpResponse {
        let body = json!({ "status": self.status, "delivery_id": self.id.to_string() });
        HttpResponse::build(self.code).json(body)
    }
}

/// How a refusal is counted.
fn label(problem: &Problem) -> &'static str {
    match problem.code() {
        "signature_rejected" => "rejected_signature",
        "body_too_large" => "rejected_size",
        "body_too_slow" => "rejected_slow",
        "content_encoding" => "rejected_encoding",
        "bad_header" => "rejected_header",
        "bad_body" => "rejected_body",
        "no_room" | "overloaded" => "refused_overloaded",
        _ => "refused_unavailable",
    }
}

/// The headers of a request, apart from it.
#[derive(Debug)]
struct Headers(HeaderMap);

impl HeaderLookup for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }
}

async fn accept(
    state: &State,
    provider: ProviderKind,
    decoder: Arc<dyn Decode>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Accepted, Problem> {
    let headers = Headers(request.headers().clone());
    refuse_by_head(&headers, &state.ingress)?;
    let declared = headers
        .get(CONTENT_LENGTH.as_str())
        .and_then(|text| text.parse().ok());
    let (body, _room) = body::read(payload, declared, &state.ingress, &state.room).await?;
    let key = request.match_info().get("hook_key");
    let candidates = candidates(state, provider, key, &*decoder, &headers, &body)?;
    let suspect = key
        .and(candidates.first())
        .map(|(connection, _)| connection.id);
    let verified = verify(decoder.clone(), headers, body.clone(), candidates).await;
    let (connection, verified) = match verified {
        Ok(verified) => verified,
        Err(rejection) => {
            if let (Some(id), Rejection::BadSignature) = (suspect, rejection) {
                tracing::warn!(connection.id = %id, "webhook_signature_verification_failed");
                state.herd.rejected(id);
            }
            return Err(rejected(rejection));
        }
    };
    store(state, &*decoder, &connection, &verified, body).await
}

/// What can be refused without reading the body.
fn refuse_by_head(headers: &Headers, limits: &Limits) -> Result<(), Problem> {
    let encoding = headers.0.get(CONTENT_ENCODING);
    if encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(
            status,
            "content_encoding",
            "send the body as it is",
        ));
    }
    let declared = headers
        .get(CONTENT_LENGTH.as_str())
        .and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limits.max_body_bytes as u64) {
        return Err(body::too_large(limits));
    }
    Ok(())
}

fn rejected(rejection: Rejection) -> Problem {
    match rejection {
        Rejection::BadHeader(name) => Problem::bad_request(
            "bad_header",
            format!("the header {name} is missing or malformed"),
        ),
        Rejection::BadSignature => {
            let detail = "the signature is missing or wrong";
            Problem::new(StatusCode::UNAUTHORIZED, "signature_rejected", detail)
        }
    }
}

type Candidates = Vec<(Connection, Vec<HookSecret>)>;

/// Whose delivery it may be, with the secrets to try.
fn candidates(
    state: &State,
    provider: ProviderKind,
    key: Option<&str>,
    decoder: &dyn Decode,
    headers: &Headers,
    body: &Bytes,
) -> Result<Candidates, Problem> {
    let found = match key {
        Some(key) => match key.parse::<HookKey>() {
            Ok(key) => state
                .store
                .connection_by_hook_key(&key)?
                .into_iter()
                .collect(),
            Err(_) => Vec::new(),
        },
        None => match decoder.claim(Inbound { headers, body }) {
            Some(Claim::Repository(id)) => state.store.connections_by_repository(provider, id)?,
            Some(Claim::Name(name)) => state.store.connections_by_name(provider, &name)?,
            None => Vec::new(),
        },
    };
    let fits = found
        .into_iter()
        .filter(|c| c.instance.provider == provider);
    Ok(fits
        .map(|c| {
            let secrets = state.herd.hook_secrets(&c);
            (c, secrets)
        })
        .collect())
}

async fn verify(
    decoder: Arc<dyn Decode>,
    headers: Headers,
    body: Bytes,
    candidates: Candidates,
) -> Result<(Connection, Verified), Rejection> {
    let is_large = body.len() > VERIFY_ELSEWHERE_BYTES;
    let work = move || {
        let inbound = Inbound {
            headers: &headers,
            body: &body,
        };
        let mut rejection = None;
        for (connection, secrets) in candidates {
            match decoder.verify(inbound, &secrets) {
                Ok(verified) => return Ok((connection, verified)),
                Err(error) => rejection = Some(error),
            }
        }
        // Nobody's: the same work is done all the same.
        match rejection {
            Some(rejection) => Err(rejection),
            None => Err(decoder
                .verify(inbound, &[])
                .err()
                .unwrap_or(Rejection::BadSignature)),
        }
    };
    if is_large {
        return web::block(work)
            .await
            .unwrap_or(Err(Rejection::BadSignature));
    }
    work()
}

async fn store(
    state: &State,
    decoder: &dyn Decode,
    connection: &Connection,
    verified: &Verified,
    body: Bytes,
) -> Result<Accepted, Problem> {
    let (id, event) = (verified.provider_delivery_id(), verified.event());
    if id.len() > PROVIDER_DELIVERY_ID_BYTES_MAX || event.len() > EVENT_NAME_BYTES_MAX {
        return Err(Problem::bad_request(
            "bad_header",
            "a header of the delivery is too long",
        ));
    }
    let now = state.clock.now();
    let delivery = Delivery {
        id: DeliveryId::generate(now, &*state.entropy),
        connection: connection.id,
        owner: connection.owner,
        provider_delivery_id: id.to_owned(),
        event: event.to_owned(),
        action: None,
        received_at: now,
        body_digest: Sha256::digest(&body).into(),
        body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
        source: Source::Webhook,
        state: DeliveryState::Received,
        tries: 0,
    };
    let guard = Guard::NewDelivery {
        connection: connection.id,
        provider_delivery_id: delivery.provider_delivery_id.clone(),
        body_digest: delivery.body_digest,
    };
    let (id, payload) = (
        delivery.id,
        Payload {
            headers: verified.headers().to_vec(),
            body,
        },
    );
    let changes = vec![Change::InsertDelivery(Box::new(delivery), payload)];
    let batch = Batch {
        priority: Priority::Ingress,
        guards: vec![guard],
        changes,
    };
    let (code, status, id) = match state.store.commit(batch).await {
        Ok(()) if verified.is_ping() => (StatusCode::OK, "pong", id),
        Ok(()) if decoder.is_known_event(event) => (StatusCode::ACCEPTED, "accepted", id),
        Ok(()) => (StatusCode::OK, "ignored", id),
        Err(CommitError::Conflict(Conflict::Delivery(known))) => {
            return Ok(Accepted {
                code: StatusCode::OK,
                status: "duplicate",
                id: known,
            });
        }
        Err(error) => return Err(error.into()),
    };
    state.herd.delivered(connection.id);
    Ok(Accepted { code, status, id })
}
