//! Answers of either provider, before they are sent.

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::time::Duration;

/// Between half an answer and the end of the connection.
const HALF_TIME: Duration = Duration::from_millis(50);

const JSON: &str = "application/json";

/// What an answer says.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Nothing,
    Json(Value),
    Text(String),
    Page(String),
    Form(String),
}

/// An answer in the making.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) said: Said,
    headers: Vec<(&'static str, String)>,
}

/// An answer with a body of JSON.
pub(super) fn ok(status: u16, body: Value) -> Answer {
    answer(status, Said::Json(body))
}

/// An answer without a body.
pub(super) fn empty(status: u16) -> Answer {
    answer(status, Said::Nothing)
}

/// An answer in plain words.
pub(super) fn text(status: u16, words: &str) -> Answer {
    answer(status, Said::Text(words.to_owned()))
}

pub(super) fn answer(status: u16, said: Said) -> Answer {
    let headers = Vec::new();
    Answer {
        status,
        said,
        headers,
    }
}

/// An answer whose body never comes: the connection is closed in the middle.
pub(super) fn cut_off() -> HttpResponse {
    let broken = stream::once(async {
        Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    HttpResponse::Ok().body(SizedStream::new(1000, Box::pin(broken)))
}

/// Half of an answer's JSON, and then the connection is closed.
pub(super) fn half_of(answer: &Answer) -> HttpResponse {
    let Said::Json(value) = &answer.said else {
        return cut_off();
    };
    let text = value.to_string();
    let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    let begin = stream::once(async { Ok(half) });
    let end = stream::once(async {
        // Until the half is on its way.
        tokio::time::sleep(HALF_TIME).await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let mut response = answer.begin();
    response.insert_header(("content-type", JSON));
    let parts = Box::pin(begin.chain(end));
    response.body(SizedStream::new(text.len() as u64, parts))
}

/// A number in a query.
pub(super) fn number(query: &str, name: &str) -> Option<usize> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .filter(|(key, _)| key == name)
        .find_map(|(_, value)| value.parse().ok())
}

/// A value in a query.
pub(super) fn value_of(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

impl Answer {
    /// With a header.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Whether it has a header.
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| *known == name)
    }

    /// Puts a list into an object that counts it.
    pub(super) fn wrap(&mut self, name: &str, total: usize) {
        if let Said::Json(list) = &mut self.said {
            *list = json!({ "total_count": total, name: list.take() });
        }
    }

    fn begin(&self) -> HttpResponseBuilder {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::build(status);
        for (name, value) in &self.headers {
            response.insert_header((*name, value.as_str()));
        }
        response
    }

    /// As it goes out.
    pub(super) fn into_response(self) -> HttpResponse {
        let mut response = self.begin();
        let (kind, body) = match self.said {
            Said::Nothing => return response.finish(),
            Said::Json(value) => (JSON, value.to_string()),
            Said::Text(words) => ("text/plain", words),
            Said::Page(page) => ("text/html; charset=utf-8", page),
            Said::Form(pairs) => ("application/x-www-form-urlencoded; charset=utf-8", pairs),
        };
        response.insert_header(("content-type", kind)).body(body)
    }

    /// The same with a tag; `known` is the tag of what the client has already.
    pub(super) fn into_tagged_response(self, known: Option<&str>) -> HttpResponse {
        let Said::Json(value) = &self.said else {
            return self.into_response();
        };
        if self.status != 200 {
            return self.into_response();
        }
        let text = value.to_string();
        let digits = blake3::hash(text.as_bytes()).to_hex();
        let tag = format!("\"{}\"", &digits[..32]);
        if known == Some(tag.as_str()) {
            let not_modified = answer(304, Said::Nothing);
            let headers = self.headers;
            let tagged = Answer {
                headers,
                ..not_modified
            };
            return tagged.with("etag", tag).into_response();
        }
        let mut response = self.with("etag", tag).begin();
        response.insert_header(("content-type", JSON)).body(text)
    }
}

/// The request that a commit has merged, by its number: each tenth commit has merged one.
pub(super) fn merged_by(commit: u64) -> Option<u64> {
    commit.is_multiple_of(10).then_some(commit / 10)
}
