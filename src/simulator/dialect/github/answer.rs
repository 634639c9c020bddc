//! Answers: statuses, pages, tags, and connections that are cut.

use super::super::super::state::RATE_LIMIT;
use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Items of a page unless asked otherwise, and at most.
const PER_PAGE: (usize, usize) = (30, 100);

/// An answer in the making.
pub(super) struct Answer {
    pub(super) status: u16,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
}

/// An answer with a body.
pub(super) fn ok(status: u16, body: Value) -> Answer {
    Answer {
        status,
        body: Some(body),
        headers: Vec::new(),
    }
}

/// An answer without one.
pub(super) fn empty(status: u16) -> Answer {
    Answer {
        status,
        body: None,
        headers: Vec::new(),
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
    if let Some(body) = &mut answer.body {
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

fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// The hour's budget is spent.
pub(super) fn rate_limited(reset_s: u64) -> Answer {
    error(403, "API rate limit exceeded")
        .with("x-ratelimit-limit", RATE_LIMIT.to_string())
        .with("x-ratelimit-remaining", "0".into())
        .with("x-ratelimit-reset", (now_s() + reset_s).to_string())
        .with("x-ratelimit-resource", "core".into())
}

/// An answer whose body never comes: the connection is closed in the middle.
pub(super) fn cut_off() -> HttpResponse {
    let broken = futures_util::stream::once(async {
        Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    HttpResponse::Ok().body(SizedStream::new(1000, Box::pin(broken)))
}

/// A number in a query.
pub(super) fn number(query: &str, name: &str) -> Option<usize> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .filter(|(key, _)| key == name)
        .find_map(|(_, value)| value.parse().ok())
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
    let link =
        |page: usize, rel: &str| format!("<{base}?per_page={per_page}&page={page}>; rel=\"{rel}\"");
    answer.with(
        "link",
        format!("{}, {}", link(next, "next"), link(last, "last")),
    )
}

impl Answer {
    /// With a header.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With what is left of the budget.
    pub(super) fn with_rate(self, remaining: u32) -> Self {
        if self
            .headers
            .iter()
            .any(|(name, _)| *name == "x-ratelimit-remaining")
        {
            return self;
        }
        let used = RATE_LIMIT.saturating_sub(remaining);
        self.with("x-ratelimit-limit", RATE_LIMIT.to_string())
            .with("x-ratelimit-remaining", remaining.to_string())
            .with("x-ratelimit-used", used.to_string())
            .with("x-ratelimit-reset", (now_s() + 3600).to_string())
            .with("x-ratelimit-resource", "core".into())
    }

    /// As it goes out; `known` is the tag of what the client has already.
    pub(super) fn into_response(self, known: Option<&str>) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let text = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let tag = format!("\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..32]);
        let is_known = self.status == 200 && known == Some(tag.as_str());
        let status = if is_known {
            StatusCode::NOT_MODIFIED
        } else {
            status
        };
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers {
            response.insert_header((name, value));
        }
        response.insert_header(("x-github-media-type", "github.v3; format=json"));
        if self.status == 200 {
            response.insert_header(("etag", tag));
        }
        if is_known || self.body.is_none() {
            return response.finish();
        }
        response
            .insert_header(("content-type", "application/json; charset=utf-8"))
            .body(text)
    }
}
