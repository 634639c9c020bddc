//! Answers as GitLab words them, and its pages.

use crate::simulator::dialect::answer::{Answer, number, ok, text};
use crate::simulator::dialect::wrong::Voice;
use serde_json::{Value, json};

/// Items of a page unless asked otherwise, and at most.
const PER_PAGE: (usize, usize) = (20, 100);

/// How GitLab words its troubles, at its time in seconds.
pub(crate) struct Gitlab(pub(crate) u64);

impl Voice for Gitlab {
    fn broken(&self, status: u16) -> Answer {
        error(status, &format!("{status} Something went wrong"))
    }

    fn not_found(&self) -> Answer {
        error(404, "404 Project Not Found")
    }

    fn spent(&self, reset_s: u64) -> Answer {
        too_many(self.0, reset_s)
    }

    fn throttled(&self, retry_after_s: u64) -> Answer {
        too_many(self.0, retry_after_s)
    }
}

/// An error with its message.
pub(super) fn error(status: u16, message: &str) -> Answer {
    ok(status, json!({ "message": message }))
}

/// An error with its word. What checks parameters speaks so.
pub(super) fn refused(status: u16, word: &str) -> Answer {
    ok(status, json!({ "error": word }))
}

/// The minute's requests are spent.
pub(super) fn too_many(now_s: u64, retry_after_s: u64) -> Answer {
    text(429, "Retry later\n")
        .with("retry-after", retry_after_s.to_string())
        .with("ratelimit-remaining", "0".into())
        .with("ratelimit-reset", (now_s + retry_after_s).to_string())
}

/// Something that only a few may do in a minute was done too often.
pub(super) fn too_often() -> Answer {
    let words = "This endpoint has been requested too many times. Try again later.";
    ok(429, json!({ "message": { "error": words } })).with("retry-after", "60".into())
}

/// What identifies itself wrongly, or not at all.
pub(super) fn unauthorized() -> Answer {
    error(401, "401 Unauthorized")
}

/// A token that was good once.
pub(super) fn invalid_token(description: &str) -> Answer {
    let challenge = format!(
        "Bearer realm=\"Protected by OAuth 2.0\", error=\"invalid_token\", \
         error_description=\"{description}\""
    );
    let body = json!({ "error": "invalid_token", "error_description": description });
    ok(401, body).with("www-authenticate", challenge)
}

/// A token that may not do this.
pub(super) fn insufficient_scope(scopes: &str) -> Answer {
    let words = "The request requires higher privileges than provided by the access token.";
    let challenge = format!(
        "Bearer realm=\"Protected by OAuth 2.0\", error=\"insufficient_scope\", \
         error_description=\"{words}\", scope=\"{scopes}\""
    );
    let body = json!({
        "error": "insufficient_scope", "error_description": words, "scope": scopes,
    });
    ok(403, body).with("www-authenticate", challenge)
}

/// The project is elsewhere.
pub(super) fn moved(url: &str) -> Answer {
    let words = format!("This resource has been moved permanently to {url}.");
    text(301, &words).with("location", url.to_owned())
}

/// A page of a list, with what leads to its neighbours.
pub(super) fn page(all: Vec<Value>, query: &str, url: &str) -> Answer {
    page_of(all, |item| item, query, url)
}

/// The same, where only what is on the page is written as JSON: a list may be long.
pub(super) fn page_of<T>(
    all: Vec<T>,
    written: impl Fn(T) -> Value,
    query: &str,
    url: &str,
) -> Answer {
    let per_page = number(query, "per_page").unwrap_or(PER_PAGE.0);
    let per_page = per_page.clamp(1, PER_PAGE.1);
    let page = number(query, "page").unwrap_or(1).max(1);
    let total = all.len();
    let pages = total.div_ceil(per_page).max(1);
    let items: Vec<Value> = all
        .into_iter()
        .skip((page - 1) * per_page)
        .take(per_page)
        .map(written)
        .collect();
    let next = (page < pages).then_some(page + 1);
    let previous = (page > 1).then(|| (page - 1).min(pages));
    // The links repeat what was asked, but for the page.
    let kept: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name != "page" && name != "per_page")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let link = |page: usize, rel: &str| {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        let pairs = pairs.extend_pairs(&kept);
        let pairs = pairs.append_pair("page", &page.to_string());
        let pairs = pairs.append_pair("per_page", &per_page.to_string());
        format!("<{url}?{}>; rel=\"{rel}\"", pairs.finish())
    };
    let mut links = Vec::new();
    links.extend(previous.map(|page| link(page, "prev")));
    links.extend(next.map(|page| link(page, "next")));
    links.push(link(1, "first"));
    links.push(link(pages, "last"));
    let or_empty = |page: Option<usize>| page.map(|page| page.to_string()).unwrap_or_default();
    ok(200, Value::Array(items))
        .with("link", links.join(", "))
        .with("x-next-page", or_empty(next))
        .with("x-page", page.to_string())
        .with("x-per-page", per_page.to_string())
        .with("x-prev-page", or_empty(previous))
        .with("x-total", total.to_string())
        .with("x-total-pages", pages.to_string())
}
