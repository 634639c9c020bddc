//! Reading logs and runs: what all providers share.
//!
//! An attempt is addressed by the hook's id, under the name that is known, without a look-up
//! before: a hook's id belongs to no other hook, whatever the name leads to by now. Only a 404 is
//! looked into, because it has several reasons.

use super::access::{ProviderError, Target};
use super::dialect::Asked;
use super::http::Answer;
use super::inbound::HeaderLookup;
use super::logs::{Found, ListedRun, LogRead, Redelivered, RunsPage, RunsRead, Unsent};
use super::operations::Operations;
use super::ours;
use super::session::Session;
use crate::domain::delivery::Payload;
use crate::domain::id::HookId;
use crate::domain::time::Timestamp;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Longest cursor that is used; GitHub's are about 40 bytes.
const CURSOR_BYTES_MAX: usize = 256;
/// After this time no other run is begun to be read: an operation has its time, and what it has
/// read by then must not be lost.
const READ_FOR: Duration = Duration::from_secs(20);

/// What follows a 404 below a hook's path: `None` when the hook is gone, else where it is now.
async fn whereabouts<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
    answer: &Answer,
) -> Result<Option<Target>, ProviderError> {
    if answer.status.as_u16() != 404 {
        return Err(D::refusal(answer, Asked::Hooks(&target.full_name, None)));
    }
    let repository = ours::resolve(s, target).await?;
    let found = ours::find(s, &repository, hook).await?;
    Ok(found.map(|_| Target {
        repository: Some(repository.id),
        full_name: repository.full_name,
    }))
}

/// An operation below a hook's path: again under the present name, if that is another.
macro_rules! below_hook {
    ($name:ident($($argument:ident: $type:ty),*) -> $answer:ty,
        $without_hook:expr, $without_place:expr) => {
        pub(super) async fn $name<D: Operations>(
            s: &mut Session<'_, D>,
            target: &Target,
            hook: HookId,
            $($argument: $type),*
        ) -> Result<$answer, ProviderError> {
            let refused = match D::$name(s, target, hook, $($argument),*).await? {
                Ok(found) => return Ok(found),
                Err(refused) => refused,
            };
            let Some(now) = whereabouts(s, target, hook, &refused).await? else {
                return Ok($without_hook);
            };
            if now.full_name == target.full_name {
                return Ok($without_place);
            }
            match D::$name(s, &now, hook, $($argument),*).await? {
                Ok(found) => Ok(found),
                Err(refused) if refused.status.as_u16() == 404 => Ok($without_place),
                Err(refused) => Err(D::refusal(&refused, Asked::Hooks(&now.full_name, None))),
            }
        }
    };
}

below_hook!(delivery_log(cursor: Option<&str>) -> LogRead,
    LogRead::HookMissing, LogRead::Unsupported);
below_hook!(logged_payload(attempt: u64) -> Option<Payload>, None, None);
below_hook!(redeliver(attempt: u64) -> Redelivered,
    Redelivered::Refused(Unsent::Gone), Redelivered::Refused(Unsent::Gone));

pub(super) async fn runs_since<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    since: Timestamp,
    cursor: Option<&str>,
) -> Result<RunsPage, ProviderError> {
    let repository = ours::resolve(s, target).await?;
    D::runs_since(s, &repository, since, cursor).await
}

pub(super) async fn latest_runs<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
) -> Result<Vec<ListedRun>, ProviderError> {
    let repository = ours::resolve(s, target).await?;
    D::latest_runs(s, &repository).await
}

pub(super) async fn read_runs<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    listed: &[ListedRun],
    since: Option<Timestamp>,
) -> Result<RunsRead, ProviderError> {
    let repository = ours::resolve(s, target).await?;
    let (mut read, mut kin) = (RunsRead::default(), D::Kin::default());
    let began = Instant::now();
    for run in listed {
        match D::read_run(s, &repository, (run, since), &mut kin).await {
            Ok(found) => read.found.extend(found),
            Err(error) if read.count == 0 => return Err(error),
            Err(_) => break,
        }
        read.count += 1;
        if began.elapsed() >= READ_FOR {
            break;
        }
    }
    Ok(read)
}

pub(super) async fn run<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    run: u64,
) -> Result<Vec<Found>, ProviderError> {
    let repository = ours::resolve(s, target).await?;
    D::run(s, &repository, run).await
}

/// When a run of a list changed: at the time of its last change, if the provider says it; else at
/// another time of its own, and not before the list begins, because what changed before is stored;
/// else now.
pub(super) fn changed_at(
    changed: Option<Timestamp>,
    other: Option<Timestamp>,
    (since, now): (Option<Timestamp>, Timestamp),
) -> Timestamp {
    changed.or_else(|| other.max(since)).unwrap_or(now)
}

/// A cursor that may be used in a URL, escaped; `None` for one that no provider gave.
pub(super) fn escaped(cursor: &str) -> Option<String> {
    let fits = (1..=CURSOR_BYTES_MAX).contains(&cursor.len());
    fits.then(|| url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect())
}

/// A time in whole seconds, as both APIs read it in queries: `2026-11-24T10:00:00Z`.
pub(super) fn written(at: Timestamp) -> String {
    let seconds = at.0.div_euclid(1000);
    let moment = time::OffsetDateTime::from_unix_timestamp(seconds);
    let moment = moment.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let format = &time::format_description::well_known::Rfc3339;
    moment.format(format).unwrap_or_default()
}

/// Headers as a log shows them.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(from = "BTreeMap<String, Value>")]
pub(super) struct LoggedHeaders(BTreeMap<String, String>);

impl From<BTreeMap<String, Value>> for LoggedHeaders {
    fn from(all: BTreeMap<String, Value>) -> Self {
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let all = all.into_iter();
        Self(
            all.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), text(value)?)))
                .collect(),
        )
    }
}

impl HeaderLookup for LoggedHeaders {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        let is_plain = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        (is_plain && !value.is_empty()).then_some(value)
    }
}

/// A payload from headers of a log and a JSON text.
pub(super) fn payload(headers: &LoggedHeaders, allowed: &[&'static str], json: &str) -> Payload {
    Payload {
        headers: super::payload::kept(headers, allowed),
        body: Bytes::copy_from_slice(json.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case_and_nothing_odd_among_them() {
        let json = r#"{"X-GitHub-Event":"push","idempotency-key":7,"X-Odd":"a\nb","Empty":"",
            "List":["a"],"Accept":"*/*"}"#;
        let headers: LoggedHeaders = serde_json::from_str(json).unwrap();
        let found = |name| headers.get(name);
        assert_eq!(found("x-github-event"), Some("push"));
        assert_eq!(found("idempotency-key"), Some("7"));
        assert_eq!(found("accept"), Some("*/*"));
        for odd in ["x-odd", "empty", "list", "X-GitHub-Event"] {
            assert_eq!(found(odd), None, "{odd}");
        }
        let payload = payload(&headers, &["x-github-event", "user-agent"], "{}");
        let event = ("x-github-event".to_owned(), "push".to_owned());
        assert_eq!(
            (payload.headers, &payload.body[..]),
            (vec![event], &b"{}"[..])
        );
    }

    #[test]
    fn times_are_written_in_whole_seconds() {
        let at = Timestamp(1_795_514_400_999);
        assert_eq!(written(at), "2026-11-24T10:00:00Z");
        assert_eq!(written(Timestamp(i64::MIN)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_cursor_is_escaped_and_bounded() {
        assert_eq!(escaped("v1_9&x=1").as_deref(), Some("v1_9%26x%3D1"));
        assert_eq!(escaped(""), None);
        assert_eq!(escaped(&"a".repeat(CURSOR_BYTES_MAX + 1)), None);
    }
}
