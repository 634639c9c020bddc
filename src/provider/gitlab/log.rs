//! GitLab's log of a hook's events.
//!
//! Source: GitLab's documentation, "Project webhooks API", and its code (`web_hook_log.rb`): at
//! most 20 entries a page, newest first, no times, e-mail addresses replaced, and a substitute for
//! a body that was too large. Pages have numbers. New entries push older ones to later pages: a
//! page that is read later repeats entries and omits none.

use super::decode::{HEADERS_KEPT, event_name};
use super::dialect::{GitlabDialect, Talk};
use super::errors::{self, Problem};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::HookId;
use crate::domain::time::Timestamp;
use crate::provider::access::{ProviderError, Target};
use crate::provider::dialect::Dialect;
use crate::provider::http::Answer;
use crate::provider::inbound::HeaderLookup;
use crate::provider::logs::{LogPage, LogRead, Logged, LoggedPayload, Redelivered, Unsent};
use crate::provider::ours;
use crate::provider::reading::{LoggedHeaders, payload as read_payload};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;

/// Sizes of a page: the largest that GitLab allows, and smaller ones for when that is too large to
/// be read. Each holds a whole number of the next.
const SIZES: [u64; 3] = [20, 4, 1];
/// Highest page: beyond any log of seven days.
const PAGE_MAX: u64 = 1_000_000;
/// The substitute for a body that was too large is shorter than this.
const SUBSTITUTE_BYTES_MAX: usize = 64;

/// A place in the log: a page of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    size: u64,
    page: u64,
}

impl Place {
    const FIRST: Self = Self {
        size: SIZES[0],
        page: 1,
    };

    fn read(cursor: &str) -> Option<Self> {
        let (size, page) = cursor.split_once(':')?;
        let (size, page) = (size.parse().ok()?, page.parse().ok()?);
        let is_one = SIZES.contains(&size) && (1..=PAGE_MAX).contains(&page);
        is_one.then_some(Self { size, page })
    }

    /// The beginning of the same place in smaller pages; `None` when it is a single entry.
    fn smaller(self) -> Option<Self> {
        let size = SIZES.into_iter().find(|size| *size < self.size)?;
        let page = (self.page - 1) * (self.size / size) + 1;
        Some(Self { size, page })
    }

    /// The next place, with larger pages as soon as one begins there.
    fn next(self) -> String {
        let read = self.page * self.size;
        let size = SIZES.into_iter().find(|size| read.is_multiple_of(*size));
        let size = size.unwrap_or(self.size);
        format!("{size}:{}", read / size + 1)
    }
}

/// An entry of the log.
#[derive(Debug, Deserialize)]
struct EntryBody<'a> {
    id: u64,
    trigger: Option<String>,
    #[serde(default)]
    request_headers: Option<LoggedHeaders>,
    #[serde(borrow)]
    request_data: Option<&'a RawValue>,
    /// A number as text, or `internal error`.
    response_status: Option<Value>,
}

/// What the log keeps instead of a body that was too large.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Substitute {
    oversize: bool,
}

fn is_substitute(json: &str) -> bool {
    let read = || serde_json::from_str::<Substitute>(json).ok();
    json.len() < SUBSTITUTE_BYTES_MAX && read().is_some_and(|found| found.oversize)
}

/// The header's name of an event, from the log's: `pipeline_hooks` is `Pipeline Hook`.
fn named(trigger: &str) -> String {
    let words = trigger.strip_suffix('s').unwrap_or(trigger).split('_');
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(capital).collect::<Vec<_>>().join(" ")
}

impl EntryBody<'_> {
    fn into_logged(self) -> Logged {
        let headers = self.request_headers.unwrap_or_default();
        let data = self.request_data.map(RawValue::get);
        let event = data
            .and_then(|json| event_name(json.as_bytes()))
            .or_else(|| headers.get("x-gitlab-event"))
            .map_or_else(|| named(&self.trigger.unwrap_or_default()), str::to_owned);
        let id = headers.get("webhook-id");
        let id = id.or_else(|| headers.get("idempotency-key"));
        let at = headers.get("webhook-timestamp");
        let at = at.and_then(|at| at.parse::<i64>().ok()?.checked_mul(1000));
        let payload = match data {
            Some(json) if !is_substitute(json) => {
                LoggedPayload::Listed(read_payload(&headers, &HEADERS_KEPT, json))
            }
            Some(_) | None => LoggedPayload::Lost,
        };
        Logged {
            attempt: self.id,
            delivery_id: id.map(str::to_owned),
            event,
            action: None,
            at: at.map(Timestamp),
            status: self.response_status.as_ref().and_then(status),
            is_redelivery: false,
            payload,
        }
    }
}

fn status(value: &Value) -> Option<u16> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    let code = number.and_then(|number| u16::try_from(number).ok());
    code.filter(|code| (100..600).contains(code))
}

/// The path of a hook. By the project's id when it is known: paths may be reused.
fn path_of(target: &Target, hook: HookId) -> String {
    let project = match target.repository {
        Some(id) => id.to_string(),
        None => target.full_name.as_str().replace('/', "%2F"),
    };
    format!("projects/{project}/hooks/{}", hook.0)
}

/// The cursor of the page before the one with the entry before which so many are listed: entries
/// that could not be read may have been counted twice.
pub(super) fn place(before: u64) -> String {
    let size = SIZES[0];
    let page = (before / size).clamp(1, PAGE_MAX);
    format!("{size}:{page}")
}

pub(super) async fn page(
    s: &mut Talk<'_>,
    target: &Target,
    hook: HookId,
    cursor: Option<&str>,
) -> Result<Result<LogRead, Answer>, ProviderError> {
    let Some(mut place) = cursor.map_or(Some(Place::FIRST), Place::read) else {
        return Ok(Ok(LogRead::CursorLost));
    };
    loop {
        let Place { size, page } = place;
        let path = format!(
            "{}/events?per_page={size}&page={page}",
            path_of(target, hook)
        );
        let Some(answer) = s.get_if_fits(s.url(&path)).await? else {
            if let Some(smaller) = place.smaller() {
                place = smaller;
                continue;
            }
            return Ok(Ok(LogRead::Page(LogPage {
                attempts: Vec::new(),
                unreadable: 1,
                next: Some(place.next()),
            })));
        };
        return match answer.status.as_u16() {
            200 => Ok(Ok(LogRead::Page(read(&answer, place)?))),
            _ => Ok(Err(answer)),
        };
    }
}

fn read(answer: &Answer, place: Place) -> Result<LogPage, ProviderError> {
    let entries: Vec<EntryBody<'_>> = serde_json::from_slice(&answer.body)
        .map_err(|_| errors::bad_answer("not the expected JSON"))?;
    let has_next = GitlabDialect::has_next(answer);
    Ok(LogPage {
        attempts: entries.into_iter().map(EntryBody::into_logged).collect(),
        unreadable: 0,
        next: has_next.then(|| place.next()),
    })
}

/// Parts of GitLab's message, in lower case, when it does not send again.
/// Source: GitLab's `WebHooks::Events::ResendService`.
const REFUSALS: [(&str, Unsent); 2] = [
    ("url has changed", Unsent::AddressChanged),
    ("disabled", Unsent::HookDisabled),
];

/// Sends again what the log kept, with the same id. GitLab answers when it has our answer to it.
pub(super) async fn redeliver(
    s: &mut Talk<'_>,
    target: &Target,
    hook: HookId,
    attempt: u64,
) -> Result<Result<Redelivered, Answer>, ProviderError> {
    let project = match target.repository {
        Some(id) => id,
        None => ours::resolve(s, target).await?.id,
    };
    let resends = &s.dialect().resends;
    resends.admit(s.token_key(), project).map_err(too_many)?;
    let path = format!("{}/events/{attempt}/resend", path_of(target, hook));
    let answer = s.post(&path, None).await?;
    let problem = Problem::of(&answer);
    let refused = |why| Ok(Ok(Redelivered::Refused(why)));
    match answer.status.as_u16() {
        200..=299 => Ok(Ok(Redelivered::Sent)),
        429 => Err(too_many(errors::wait(&answer))),
        422 => {
            let known = REFUSALS.iter().find(|(part, _)| problem.says(part));
            refused(known.map_or(Unsent::Unreached, |(_, why)| *why))
        }
        400 => refused(Unsent::Rejected),
        _ => Ok(Err(answer)),
    }
}

fn too_many(after: Duration) -> ProviderError {
    let words = "GitLab allows five resends a minute for a project. The next one waits.";
    ProviderError::retryable(ErrorCode::RateLimited, words, Some(after), false)
}
