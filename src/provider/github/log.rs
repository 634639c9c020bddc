//! GitHub's delivery log.
//!
//! Source: GitHub's API description, "Repository webhook deliveries". Pages are found by the cursor
//! in the `Link` header. The filter by status is never used: `failure` means the status codes 400
//! to 599, and leaves out attempts without an answer.

use super::decode::HEADERS_KEPT;
use super::dialect::Talk;
use super::errors;
use crate::domain::delivery::Payload;
use crate::domain::id::HookId;
use crate::provider::access::{ProviderError, Target};
use crate::provider::http::Answer;
use crate::provider::logs::{LogPage, LogRead, Logged, LoggedPayload, Redelivered, Unsent};
use crate::provider::payload::moment_of;
use crate::provider::reading::{LoggedHeaders, escaped, payload};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An entry of the log.
#[derive(Debug, Deserialize)]
struct AttemptBody {
    id: u64,
    guid: String,
    event: String,
    action: Option<String>,
    delivered_at: Option<String>,
    #[serde(default)]
    redelivery: bool,
    /// 0, or absent, when there was no answer.
    status_code: Option<u64>,
}

impl AttemptBody {
    fn into_logged(self) -> Logged {
        let status = self.status_code.and_then(|code| u16::try_from(code).ok());
        Logged {
            attempt: self.id,
            delivery_id: Some(self.guid),
            event: self.event,
            action: self.action,
            at: self.delivered_at.as_deref().and_then(moment_of),
            status: status.filter(|code| (100..600).contains(code)),
            is_redelivery: self.redelivery,
            payload: LoggedPayload::Separate,
        }
    }
}

/// An entry with its request.
#[derive(Debug, Deserialize)]
struct DetailBody<'a> {
    #[serde(borrow)]
    request: Option<RequestBody<'a>>,
}

#[derive(Debug, Deserialize)]
struct RequestBody<'a> {
    #[serde(default)]
    headers: Option<LoggedHeaders>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

fn log_path(target: &Target, hook: HookId) -> String {
    format!("repos/{}/hooks/{}/deliveries", target.full_name, hook.0)
}

pub(super) async fn page(
    s: &mut Talk<'_>,
    target: &Target,
    hook: HookId,
    cursor: Option<&str>,
) -> Result<Result<LogRead, Answer>, ProviderError> {
    let mut path = format!("{}?per_page=100", log_path(target, hook));
    if let Some(cursor) = cursor {
        let Some(cursor) = escaped(cursor) else {
            return Ok(Ok(LogRead::CursorLost));
        };
        path.push_str("&cursor=");
        path.push_str(&cursor);
    }
    let answer = s.get(s.url(&path)).await?;
    match answer.status.as_u16() {
        200 => Ok(Ok(LogRead::Page(read(&answer)?))),
        400 | 422 if cursor.is_some() => Ok(Ok(LogRead::CursorLost)),
        _ => Ok(Err(answer)),
    }
}

fn read(answer: &Answer) -> Result<LogPage, ProviderError> {
    let attempts: Vec<AttemptBody> = errors::parse(answer)?;
    let next = answer.next_parameter("cursor");
    if next.is_none() && answer.links_to_next() {
        return Err(errors::bad_answer("a next page without a cursor"));
    }
    let attempts = attempts.into_iter().map(AttemptBody::into_logged);
    Ok(LogPage {
        attempts: attempts.collect(),
        unreadable: 0,
        next,
    })
}

/// The payload is `null` where GitHub did not keep it.
pub(super) async fn detail(
    s: &mut Talk<'_>,
    target: &Target,
    hook: HookId,
    attempt: u64,
) -> Result<Result<Option<Payload>, Answer>, ProviderError> {
    let path = format!("{}/{attempt}", log_path(target, hook));
    let Some(answer) = s.get_if_fits(s.url(&path)).await? else {
        return Ok(Ok(None));
    };
    if answer.status.as_u16() != 200 {
        return Ok(Err(answer));
    }
    let detail: DetailBody<'_> = serde_json::from_slice(&answer.body)
        .map_err(|_| errors::bad_answer("not the expected JSON"))?;
    let found = detail.request.and_then(|request| {
        let headers = request.headers.unwrap_or_default();
        Some(payload(&headers, &HEADERS_KEPT, request.payload?.get()))
    });
    Ok(Ok(found))
}

pub(super) async fn redeliver(
    s: &mut Talk<'_>,
    target: &Target,
    hook: HookId,
    attempt: u64,
) -> Result<Result<Redelivered, Answer>, ProviderError> {
    let path = format!("{}/{attempt}/attempts", log_path(target, hook));
    let answer = s.post(&path, None).await?;
    match answer.status.as_u16() {
        202 | 200 | 201 | 204 => Ok(Ok(Redelivered::Sent)),
        400 | 422 => Ok(Ok(Redelivered::Refused(Unsent::Rejected))),
        _ => Ok(Err(answer)),
    }
}
