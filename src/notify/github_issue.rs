//! Issues of a repository of GitHub: <https://docs.github.com/rest/issues>.
//!
//! The address is that of the repository in the API, and the key is a token. An incident is one
//! issue: it is opened, commented on, closed, and opened again.
//!
//! GitHub has no key against doubles. So each text has a hidden mark, with the ids of the incident
//! and of the notification. Before an issue is opened, or a comment added, those that were made
//! since are read: an earlier try may have made it, and its answer was lost. GitHub's search would
//! be one call, but lags behind.

mod address;
mod answers;
mod texts;

use super::card::Card;
use super::deliver::{Message, Prepared, Receipt, Unfit, Wish};
use super::outbound::{Outbound, Request};
use super::stored::{Stored, bearer, entered, sealed, token, unfit};
use super::verdict::{Said, unsent};
use super::{Destination, Outcome, SendError};
use crate::domain::notification::NotificationKind;
use crate::domain::time::Timestamp;
use address::Place;
use answers::{limit, refusal};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Issues or comments in a page.
const PAGE_ITEMS_MAX: usize = 20;
/// Most bytes of a page. A text has at most 65,536 characters.
const PAGE_BYTES_MAX: usize = 2 << 20;
/// Pages that are read of what has our label, or belongs to one issue.
const PAGES_MAX: usize = 25;
/// Pages that are read of what has any label or none.
const PAGES_OF_ALL_MAX: usize = 5;
/// How far our clock and GitHub's may be apart.
const CLOCKS_APART: Duration = Duration::from_hours(1);
/// The requests that may follow one another while an issue is looked for, by their longest time.
const SEARCH_TIMES: u32 = 6;

/// What starts workflows of a repository when this kind of sink is called.
/// <https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows>
const STARTED_BY_US: [&str; 3] = ["issues", "issue_comment", "label"];

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let url = wish.url.as_deref().unwrap_or_default().trim();
    let Some(place) = Place::parse(url) else {
        let why = "expected the address of a repository in the API, as in \
                   https://api.github.com/repos/octo/app or \
                   https://github.example.com/api/v3/repos/octo/app, and for another label than \
                   hookherd ?label=NAME";
        return Err(unfit("url", why));
    };
    let at_place = Wish {
        url: Some(place.url.to_owned()),
        ..Wish::default()
    };
    let (_, destination) = entered(outbound, &at_place)?;
    let Some(token) = token(wish)? else {
        let why = "enter a token that may write issues of the repository";
        return Err(unfit("secret", why));
    };
    let (url, secrets) = (url.to_owned(), vec![token.to_string()]);
    Ok(Stored { url, secrets }.prepared(&destination))
}

/// A new issue.
pub(super) fn new(message: &Message, label: &str) -> Request {
    let card = Card::of(message);
    let body = json!({
        "title": texts::title(&card),
        "body": texts::issue(message, &card),
        "labels": [label],
    });
    let segments = vec!["issues".to_owned()];
    Request {
        segments,
        ..Request::json(Method::POST, &body)
    }
}

fn below(number: u64, more: Option<&str>) -> Vec<String> {
    let path = ["issues".to_owned(), number.to_string()];
    path.into_iter().chain(more.map(str::to_owned)).collect()
}

/// A comment on an issue.
pub(super) fn comment(message: &Message, number: u64) -> Request {
    let body = json!({ "body": texts::comment(message, &Card::of(message)) });
    Request {
        segments: below(number, Some("comments")),
        ..Request::json(Method::POST, &body)
    }
}

/// Whether an issue is to be open after a notification. `None` when it stays as it is: a person may
/// have closed it.
const fn is_to_be_open(kind: NotificationKind) -> Option<bool> {
    match kind {
        NotificationKind::Opened | NotificationKind::Reopened | NotificationKind::Flapping => {
            Some(true)
        }
        NotificationKind::Resolved => Some(false),
        NotificationKind::Worse | NotificationKind::Reminded | NotificationKind::Digest => None,
    }
}

/// Closes an issue, or opens it again. The reason is of no account if that changes nothing.
pub(super) fn state(is_open: bool, number: u64) -> Request {
    let (state, reason) = if is_open {
        ("open", "reopened")
    } else {
        ("closed", "completed")
    };
    Request {
        segments: below(number, None),
        ..Request::json(
            Method::PATCH,
            &json!({ "state": state, "state_reason": reason }),
        )
    }
}

fn moment(at: Timestamp) -> String {
    let seconds = OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000));
    let text = seconds.ok().and_then(|at| at.format(&Rfc3339).ok());
    text.unwrap_or_default()
}

/// An issue or a comment, as far as it is read. A pull request is listed as an issue, too.
#[derive(Deserialize)]
struct Item {
    number: Option<u64>,
    body: Option<String>,
    state: Option<String>,
    created_at: Option<String>,
    pull_request: Option<serde::de::IgnoredAny>,
}

impl Item {
    fn says(&self, mark: &str) -> bool {
        self.body.as_deref().is_some_and(|body| body.contains(mark))
    }

    fn is_older_than(&self, at: Timestamp) -> bool {
        let created = self.created_at.as_deref();
        let created = created.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        created.is_some_and(|created| created.unix_timestamp() < at.0.div_euclid(1000))
    }
}

/// Why a call went no further.
enum Stop {
    /// The issue is not in the repository any more.
    Gone(Said),
    /// This is what became of the message.
    Receipt(Receipt),
}

/// What it means that there is no answer, or no end of one. What was written is done when its
/// status says so. What was to be read changed nothing.
fn without_answer(error: &SendError, is_read: bool) -> Result<Said, Stop> {
    let why = error.to_string();
    match error.outcome() {
        Outcome::Answered(status @ 200..=299) if !is_read => {
            Ok(Said::new(status, None, Bytes::new(), ""))
        }
        Outcome::Answered(_) | Outcome::Unknown if is_read => {
            Err(Stop::Receipt(Receipt::Later { after: None, why }))
        }
        Outcome::NotSent | Outcome::Answered(_) | Outcome::Unknown => {
            Err(Stop::Receipt(unsent(error)))
        }
    }
}

/// A repository that is called about a message.
struct Line<'a> {
    outbound: &'a Outbound,
    stored: &'a Stored,
    to: Destination,
    token: HeaderValue,
    label: &'a str,
    message: &'a Message,
}

impl Line<'_> {
    /// Calls the API. Stops when that has no answer, or a limit is reached.
    async fn call(&self, mut request: Request) -> Result<Said, Stop> {
        let headers = &mut request.headers;
        headers.insert(AUTHORIZATION, self.token.clone());
        let form = "application/vnd.github+json, application/json;q=0.9";
        let form = HeaderValue::from_static(form);
        headers.insert(ACCEPT, form);
        let version = HeaderValue::from_static("2022-11-28");
        headers.insert("x-github-api-version", version);
        let is_read = request.method == Method::GET;
        let answer = match self.outbound.send(&self.to, request).await {
            Ok(answer) => answer,
            Err(error) => return without_answer(&error, is_read),
        };
        let wait = limit(&answer, self.message.at);
        let said = Said::of(self.stored, answer);
        match wait {
            Some(wait) => Err(Stop::Receipt(said.later(Some(wait)))),
            None => Ok(said),
        }
    }

    /// Calls the API for what succeeds or is refused.
    async fn done(&self, request: Request) -> Result<Said, Stop> {
        let said = self.call(request).await?;
        match said.status {
            200..=299 => Ok(said),
            _ => Err(Stop::Receipt(refusal(&said))),
        }
    }

    /// A page of a list.
    async fn page(
        &self,
        segments: &[String],
        query: &[(&str, &str)],
        number: usize,
    ) -> Result<Vec<Item>, Stop> {
        let (count, number) = (PAGE_ITEMS_MAX.to_string(), number.to_string());
        let paging = [("per_page", count.as_str()), ("page", number.as_str())];
        let pairs = query.iter().chain(&paging);
        let said = self
            .call(Request {
                segments: segments.to_vec(),
                query: pairs
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                answer_bytes_max: PAGE_BYTES_MAX,
                ..Request::new(Method::GET, HeaderMap::new(), "")
            })
            .await?;
        match said.status {
            200..=299 => serde_json::from_slice(&said.body).map_err(|_| {
                let why = "The list of issues cannot be read: it is too long, or not GitHub's.";
                let why = why.to_owned();
                Stop::Receipt(Receipt::Later { after: None, why })
            }),
            301 | 404 | 410 => Err(Stop::Gone(said)),
            _ => Err(Stop::Receipt(refusal(&said))),
        }
    }

    /// The oldest issue of the incident among those that are listed, newest first, and are not
    /// older than the incident. Others could quote its mark.
    async fn found_in(&self, query: &[(&str, &str)], most: usize) -> Result<Option<Item>, Stop> {
        let incident = &self.message.incident;
        let begun = incident.first_seen_at.min(incident.id.created_at());
        let begun = begun.minus(CLOCKS_APART);
        let since = moment(begun);
        let order = [
            ("state", "all"),
            ("sort", "created"),
            ("direction", "desc"),
            ("since", since.as_str()),
        ];
        let query: Vec<(&str, &str)> = query.iter().chain(&order).copied().collect();
        let (mark, path) = (texts::mark_of_incident(incident.id), ["issues".to_owned()]);
        let mut oldest = None;
        for number in 1..=most {
            let page = self.page(&path, &query, number).await?;
            let is_short = page.len() < PAGE_ITEMS_MAX;
            let is_past = page.last().is_some_and(|item| item.is_older_than(begun));
            let is_it = |item: &Item| item.pull_request.is_none() && item.says(&mark);
            oldest = page.into_iter().rfind(is_it).or(oldest);
            if is_short || is_past {
                break;
            }
        }
        Ok(oldest)
    }

    /// The issue of the incident. One without our label is looked for among the newest only: GitHub
    /// drops labels that the token may not set.
    async fn found(&self) -> Result<Option<Item>, Stop> {
        let labelled = [("labels", self.label)];
        if let Some(found) = self.found_in(&labelled, PAGES_MAX).await? {
            return Ok(Some(found));
        }
        self.found_in(&[], PAGES_OF_ALL_MAX).await
    }

    async fn found_in_time(&self) -> Result<Option<Item>, Stop> {
        let most = self.outbound.total_timeout() * SEARCH_TIMES;
        let found = tokio::time::timeout(most, self.found()).await;
        found.unwrap_or_else(|_| {
            let why = "Looking for the issue of the incident took too long.".to_owned();
            Err(Stop::Receipt(Receipt::Later { after: None, why }))
        })
    }

    /// Comments on an issue, unless that was done, and closes it or opens it again.
    async fn follow(&self, number: u64) -> Result<Receipt, Stop> {
        let path = below(number, Some("comments"));
        let since = moment(self.message.id.created_at().minus(CLOCKS_APART));
        let mark = texts::mark(self.message);
        let mut is_said = false;
        for page in 1..=PAGES_MAX {
            let comments = self.page(&path, &[("since", &since)], page).await?;
            is_said = comments.iter().any(|comment| comment.says(&mark));
            if is_said || comments.len() < PAGE_ITEMS_MAX {
                break;
            }
        }
        if !is_said {
            self.done(comment(self.message, number)).await?;
        }
        if let Some(is_open) = is_to_be_open(self.message.kind) {
            self.done(state(is_open, number)).await?;
        }
        Ok(accepted(Some(number)))
    }

    /// Looks for the issue of the incident, and opens one if there is none.
    async fn begin(&self) -> Result<Receipt, Stop> {
        let Some(found) = self.found_in_time().await? else {
            // There is nothing to close.
            if self.message.kind == NotificationKind::Resolved {
                return Ok(accepted(None));
            }
            let said = self.done(new(self.message, self.label)).await?;
            return Ok(accepted(number_in(&said)));
        };
        let number = found.number.unwrap_or_default();
        if !found.says(&texts::mark(self.message)) {
            return self.follow(number).await;
        }
        // An earlier try of this message has opened it.
        let is_closed = found.state.as_deref() == Some("closed");
        if is_closed && is_to_be_open(self.message.kind) == Some(true) {
            self.done(state(true, number)).await?;
        }
        Ok(accepted(Some(number)))
    }

    async fn send(&self) -> Result<Receipt, Stop> {
        let number = self.message.shown_as.as_deref().and_then(number_of);
        let Some(number) = number else {
            return self.begin().await;
        };
        match self.follow(number).await {
            // It was deleted or transferred, or the same is said of the repository.
            Err(Stop::Gone(_)) => self.begin().await,
            other => other,
        }
    }
}

fn accepted(number: Option<u64>) -> Receipt {
    let message = number.map(|number| number.to_string());
    Receipt::Accepted { message }
}

/// The number of the issue in an answer.
fn number_in(said: &Said) -> Option<u64> {
    let item: Item = serde_json::from_slice(&said.body).ok()?;
    item.number
}

/// The number of an issue, as [`accepted`] names it.
fn number_of(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number > 0)
}

/// Whether issues of this repository start the workflow whose failure this is about. It would run
/// again for the issue about it, fail, and so on. An issue that is there is closed in any case.
fn comes_back(message: &Message, place: &Place<'_>) -> bool {
    let is_end = message.kind == NotificationKind::Resolved;
    let is_new = message.shown_as.is_none() && !is_end;
    let ci = message.incident.ci.as_ref();
    let is_started = ci.is_some_and(|ci| STARTED_BY_US.contains(&ci.trigger.as_str()));
    let repository = message.incident.repository.as_ref();
    is_new && is_started && repository.is_some_and(|name| name.folded() == place.name.folded())
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    let stored = match Stored::read(plain) {
        Ok(stored) => stored,
        Err(receipt) => return receipt,
    };
    let token = stored.secrets.first().and_then(|token| bearer(token));
    let (Some(place), Some(token)) = (Place::parse(&stored.url), token) else {
        return sealed();
    };
    let to = match super::stored::address(outbound, place.url) {
        Ok(to) => to,
        Err(receipt) => return receipt,
    };
    if comes_back(message, &place) {
        let why = "Issues start this workflow. An issue about it would start it again.".to_owned();
        return Receipt::Rejected { why };
    }
    let line = Line {
        outbound,
        stored: &stored,
        to,
        token,
        label: &place.label,
        message,
    };
    match line.send().await {
        Ok(receipt) | Err(Stop::Receipt(receipt)) => receipt,
        Err(Stop::Gone(said)) => refusal(&said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_from_one_is_an_issue() {
        assert_eq!(number_of("1347"), Some(1347));
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "1/2",
            "..",
            "99999999999999999999",
            "x",
        ] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    #[test]
    fn moments_are_written_to_the_second_as_github_reads_them() {
        assert_eq!(moment(Timestamp(1_700_000_000_999)), "2023-11-14T22:13:20Z");
        assert_eq!(moment(Timestamp(-1)), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn an_issue_is_closed_with_its_incident_and_open_with_it() {
        for (kind, expected) in [
            (NotificationKind::Opened, Some(true)),
            (NotificationKind::Reopened, Some(true)),
            (NotificationKind::Flapping, Some(true)),
            (NotificationKind::Worse, None),
            (NotificationKind::Reminded, None),
            (NotificationKind::Digest, None),
            (NotificationKind::Resolved, Some(false)),
        ] {
            assert_eq!(is_to_be_open(kind), expected, "{kind:?}");
        }
    }
}
