//! The log of a hook, and sending once more what stands in it.

use super::answer::{error, page_of, refused, too_often};
use super::asked::{Asked, Step};
use crate::simulator::dialect::answer::{Answer, number, ok, value_of};
use crate::simulator::state::gitlab::{Alert, Attempt, Hook, State};
use crate::simulator::transport::Outcome;
use serde_json::{Map, Value, json};

/// Items of a page, unless asked otherwise and at most.
const PER_PAGE_MAX: usize = 20;

fn fields<'a>(pairs: impl Iterator<Item = (&'a str, &'a String)>) -> Value {
    let pairs = pairs.map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn item(attempt: &Attempt) -> Value {
    let outcome = attempt.outcome.clone().unwrap_or_default();
    let answered = outcome
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    json!({
        "id": attempt.view.id, "url": attempt.url, "trigger": attempt.event.trigger(),
        "request_headers": fields(attempt.headers.iter().map(|(name, value)| (*name, value))),
        "request_data": attempt.data, "response_headers": fields(answered),
        "response_body": outcome.text, "execution_duration": outcome.took.as_secs_f64(),
        "response_status": attempt.response_status(),
    })
}

/// Whether an attempt is one of those asked for.
fn is_wanted(attempt: &Attempt, wanted: &str) -> bool {
    let status = attempt.outcome.as_ref().and_then(|outcome| outcome.status);
    match wanted {
        "successful" => matches!(status, Some(200..=299)),
        "client_failure" => matches!(status, Some(400..=499)),
        "server_failure" => matches!(status, Some(500..=599) | None),
        code => attempt.response_status() == code,
    }
}

pub(super) fn list(state: &State, project: u64, hook: &Hook, asked: &Asked<'_>) -> Answer {
    let per_page = number(asked.query, "per_page").unwrap_or(PER_PAGE_MAX);
    if per_page == 0 || per_page > PER_PAGE_MAX {
        return refused(400, "per_page does not have a valid value");
    }
    let wanted = value_of(asked.query, "status").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|word| !word.is_empty()).collect();
    let fits = |a: &&Attempt| wanted.is_empty() || wanted.iter().any(|word| is_wanted(a, word));
    let all = state.log(hook.id).into_iter().filter(fits).collect();
    let base = state.ground.url();
    let url = format!("{base}/api/v4/projects/{project}/hooks/{}/events", hook.id);
    page_of(all, item, asked.query, &url)
}

/// Sends what the log kept, which need not be what was sent.
pub(super) fn resend(state: &mut State, project: u64, hook: &Hook, asked: &Asked<'_>) -> Step {
    if !state.may("resend", &asked.login, project) {
        return Step::Say(too_often());
    }
    let id: Option<u64> = asked.rest.get(3).and_then(|id| id.parse().ok());
    let log = state.log(hook.id);
    let old = log
        .into_iter()
        .find(|attempt| Some(attempt.view.id) == id)
        .cloned();
    let Some(old) = old else {
        return Step::Say(error(404, "404 Not found"));
    };
    if old.url != hook.url {
        let words = "The hook URL has changed, and this log entry cannot be retried";
        return Step::Say(error(422, words));
    }
    if state.alert(hook) != Alert::Executable {
        return Step::Say(error(422, "Hook disabled"));
    }
    match state.job(project, hook, old.event, &old.data, Some(old.view.guid)) {
        Some(job) => Step::Send(Box::new(job), resent),
        None => Step::Say(error(422, "Request payload too large")),
    }
}

fn resent(outcome: &Outcome) -> Answer {
    match outcome.status {
        Some(status) => ok(201, json!({ "response_status": status })),
        None => error(422, "Failed to open TCP connection"),
    }
}
