//! Answers: statuses, pages, tags, and connections that are cut.

use crate::simulator::dialect::answer::Said;
pub(super) use crate::simulator::dialect::answer::{Answer, empty, number, ok};
use crate::simulator::dialect::wrong::Voice;
use crate::simulator::state::github::RATE_LIMIT;
use serde_json::{Value, json};

/// Items of a page unless asked otherwise, and at most.
const PER_PAGE: (usize, usize) = (30, 100);

/// How GitHub words its troubles, at its time in seconds.
pub(super) struct Github(pub(super) u64);

impl Voice for Github {
    fn broken(&self, status: u16) -> Answer {
        error(status, "Something went wrong")
    }

    fn not_found(&self) -> Answer {
        error(404, "Not Found")
    }

    fn spent(&self, reset_s: u64) -> Answer {
        rate_limited(self.0, reset_s)
    }

    fn throttled(&self, retry_after_s: u64) -> Answer {
        let words = "You have exceeded a secondary rate limit";
        error(403, words).with("retry-after", retry_after_s.to_string())
    }
}

/// An error as GitHub words it.
pub(super) fn error(status: u16, message: &str) -> Answer {
    let url = "https://docs.github.com/rest";
    ok(
        status,
        json!({ "message": message, "documentation_url": url, "status": status.to_string() }),
    )
}

/// A validation error with one entry.
pub(super) fn invalid(code: &str, message: &str) -> Answer {
    let errors = json!([{ "resource": "Hook", "code": code, "message": message }]);
    let mut answer = error(422, "Validation Failed");
    if let Said::Json(body) = &mut answer.said {
        body["errors"] = errors;
    }
    answer
}

/// The repository is elsewhere.
pub(super) fn moved(url: &str) -> Answer {
    let body = json!({
        "message": "Moved Permanently", "url": url, "documentation_url": "https://docs.github.com",
    });
    ok(301, body).with("location", url.to_owned())
}

/// The hour's budget is spent.
pub(super) fn rate_limited(now_s: u64, reset_s: u64) -> Answer {
    error(403, "API rate limit exceeded")
        .with("x-ratelimit-limit", RATE_LIMIT.to_string())
        .with("x-ratelimit-remaining", "0".into())
        .with("x-ratelimit-reset", (now_s + reset_s).to_string())
        .with("x-ratelimit-resource", "core".into())
}

/// A page of a list, with the links to its neighbours.
pub(super) fn page(all: Vec<Value>, query: &str, base: &str) -> Answer {
    let per_page = number(query, "per_page")
        .unwrap_or(PER_PAGE.0)
        .clamp(1, PER_PAGE.1);
    let page = number(query, "page").unwrap_or(1).max(1);
    let (total, from) = (all.len(), (page - 1) * per_page);
    let items: Vec<Value> = all.into_iter().skip(from).take(per_page).collect();
    let answer = ok(200, Value::Array(items));
    if from + per_page >= total {
        return answer;
    }
    let (next, last) = (page + 1, total.div_ceil(per_page));
    let joint = if base.contains('?') { '&' } else { '?' };
    let link = |page: usize, rel: &str| {
        format!("<{base}{joint}per_page={per_page}&page={page}>; rel=\"{rel}\"")
    };
    answer.with(
        "link",
        format!("{}, {}", link(next, "next"), link(last, "last")),
    )
}

/// With what is left of the budget, for how many seconds, and what GitHub puts on every answer.
pub(super) fn with_rate(answer: Answer, (remaining, reset_s): (u32, u64), now_s: u64) -> Answer {
    let answer = answer.with("x-github-media-type", "github.v3; format=json".to_owned());
    if answer.has("x-ratelimit-remaining") {
        return answer;
    }
    let used = RATE_LIMIT.saturating_sub(remaining);
    answer
        .with("x-ratelimit-limit", RATE_LIMIT.to_string())
        .with("x-ratelimit-remaining", remaining.to_string())
        .with("x-ratelimit-used", used.to_string())
        .with("x-ratelimit-reset", (now_s + reset_s).to_string())
        .with("x-ratelimit-resource", "core".into())
}
