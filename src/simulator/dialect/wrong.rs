//! Faults, in the words of the one who fails.

use super::answer::{Answer, Said, answer, cut_off, half_of, ok};
use crate::simulator::faults::Misbehaviour;
use crate::simulator::refusals::Words;
use crate::simulator::shared::Shared;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use std::time::Duration;

/// A request that is never answered is held for this long.
const HANG: Duration = Duration::from_mins(1);

/// How a provider words what it does not do.
pub(super) trait Voice {
    /// Something went wrong.
    fn broken(&self, status: u16) -> Answer;
    /// There is no such thing, or none for you.
    fn not_found(&self) -> Answer;
    /// The budget is spent, and there is a new one in `reset_s`.
    fn spent(&self, reset_s: u64) -> Answer;
    /// Too much at once: come again in `retry_after_s`.
    fn throttled(&self, retry_after_s: u64) -> Answer;
}

/// The host of the provider, as in the request.
pub(super) fn host_of(request: &HttpRequest) -> String {
    request.connection_info().host().to_owned()
}

fn refused((status, header, body): Words) -> Answer {
    let answer = match body {
        Value::String(page) => answer(status, Said::Page(page)),
        body => ok(status, body),
    };
    match header {
        Some((name, value)) => answer.with(name, value),
        None => answer,
    }
}

/// Counts a request. The fault that it meets; an answer, if that comes before anything is done.
pub(super) async fn before(
    shared: &Shared,
    operation: &str,
    host: &str,
    voice: &impl Voice,
) -> Result<Option<Misbehaviour>, HttpResponse> {
    shared.ground.count(operation);
    if shared.faults.is_out() {
        return Err(voice.broken(503).into_response());
    }
    let fault = shared.faults.take(operation);
    let answer = match fault {
        Some(Misbehaviour::FailBefore(status)) => voice.broken(status),
        Some(Misbehaviour::NotFoundForPermission) => voice.not_found(),
        Some(Misbehaviour::RateLimitedPrimary { reset_s }) => voice.spent(reset_s),
        Some(Misbehaviour::RateLimitedSecondary { retry_after_s }) => {
            voice.throttled(retry_after_s)
        }
        Some(Misbehaviour::Refuse(refusal)) => refused(refusal.words(host)),
        Some(Misbehaviour::DropBefore) => return Err(cut_off()),
        Some(Misbehaviour::Hang) => {
            tokio::time::sleep(HANG).await;
            voice.broken(504)
        }
        Some(
            Misbehaviour::ActThenFail(_)
            | Misbehaviour::ActThenDrop
            | Misbehaviour::ActThenHang
            | Misbehaviour::TruncatedJson,
        )
        | None => return Ok(fault),
    };
    Err(answer.into_response())
}

/// Faults that come after everything is done; nothing if there is none.
pub(super) async fn after(
    fault: Option<Misbehaviour>,
    voice: &impl Voice,
    answer: &Answer,
) -> Option<HttpResponse> {
    match fault? {
        Misbehaviour::ActThenFail(status) => Some(voice.broken(status).into_response()),
        Misbehaviour::ActThenDrop => Some(cut_off()),
        Misbehaviour::TruncatedJson => Some(half_of(answer)),
        Misbehaviour::ActThenHang => {
            tokio::time::sleep(HANG).await;
            Some(voice.broken(504).into_response())
        }
        Misbehaviour::FailBefore(_)
        | Misbehaviour::DropBefore
        | Misbehaviour::Hang
        | Misbehaviour::RateLimitedPrimary { .. }
        | Misbehaviour::RateLimitedSecondary { .. }
        | Misbehaviour::Refuse(_)
        | Misbehaviour::NotFoundForPermission => None,
    }
}
