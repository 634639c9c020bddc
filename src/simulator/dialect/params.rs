//! The parameters of a request: in its query, as JSON, or as a form. GitLab and the token endpoints
//! accept each of them.

use super::answer::{Answer, empty, ok};
use actix_web::HttpRequest;
use data_encoding::BASE64;
use serde_json::{Map, Value, json};

fn refused(status: u16, word: &str) -> Answer {
    ok(status, json!({ "error": word }))
}

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    pub(super) fn of(query: &str, kind: &str, body: &[u8]) -> Result<Self, Answer> {
        let mut all = Map::new();
        let mut add = |pairs: &[u8]| {
            for (name, value) in url::form_urlencoded::parse(pairs) {
                all.insert(name.into_owned(), Value::String(value.into_owned()));
            }
        };
        add(query.as_bytes());
        if kind.starts_with("application/x-www-form-urlencoded") {
            add(body);
        } else if !body.is_empty() {
            match serde_json::from_slice(body) {
                Ok(Value::Object(fields)) => all.extend(fields),
                Ok(Value::Null) => {}
                Ok(_) | Err(_) => return Err(refused(400, "Problem parsing JSON body")),
            }
        }
        Ok(Self(all))
    }

    pub(super) fn of_request(request: &HttpRequest, body: &[u8]) -> Result<Self, Answer> {
        let kind = request.headers().get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        Self::of(request.query_string(), kind, body)
    }

    /// The id and the secret of a client, from the body or from basic authentication.
    pub(super) fn applicant(&self, request: &HttpRequest) -> (String, Option<String>) {
        if let Some(id) = self.text("client_id") {
            return (id, self.text("client_secret"));
        }
        let header = request.headers().get("authorization");
        let basic = header.and_then(|v| v.to_str().ok()?.strip_prefix("Basic "));
        let bytes = basic.and_then(|basic| BASE64.decode(basic.as_bytes()).ok());
        let text = bytes
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default();
        let pair = text.split_once(':');
        pair.map_or((String::new(), None), |(id, secret)| {
            (id.into(), Some(secret.into()))
        })
    }

    /// Sends the browser back, with its state and with this.
    pub(super) fn back_to(&self, url: &str, pairs: &[(&str, &str)]) -> Answer {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        if let Some(state) = self.text("state") {
            query.append_pair("state", &state);
        }
        let joint = if url.contains('?') { '&' } else { '?' };
        empty(302).with("location", format!("{url}{joint}{}", query.finish()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(is_so) => Some(is_so.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Yes or no, as loosely as GitLab takes it.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Answer> {
        if !self.has(name) || self.0[name].is_null() {
            return Ok(None);
        }
        match self.text(name).as_deref() {
            Some("true" | "1" | "t" | "yes" | "on") => Ok(Some(true)),
            Some("false" | "0" | "f" | "no" | "off") => Ok(Some(false)),
            Some(_) | None => Err(refused(400, &format!("{name} is invalid"))),
        }
    }

    /// Pairs of a key and a value, such as `[{"key":"a","value":"b"}]`.
    pub(super) fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let items = self.0.get(name).and_then(Value::as_array);
        let pair = |item: &Value| {
            let text = |part: &str| item[part].as_str().map(str::to_owned);
            text("key").zip(text("value"))
        };
        items.into_iter().flatten().filter_map(pair).collect()
    }
}
