//! What a request says: in its query, as JSON, or as a form, all one to GitLab.

use super::super::answer::Answer;
use super::answer::refused;
use serde_json::{Map, Value};

/// The parameters of a request.
#[derive(Debug, Default)]
pub(in super::super) struct Params(Map<String, Value>);

impl Params {
    pub(in super::super) fn of(query: &str, kind: &str, body: &[u8]) -> Result<Self, Answer> {
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

    pub(in super::super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text; an empty one is none.
    pub(in super::super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(is_so) => Some(is_so.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Yes or no, as loosely as GitLab takes it.
    pub(in super::super) fn flag(&self, name: &str) -> Result<Option<bool>, Answer> {
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
    pub(in super::super) fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let items = self.0.get(name).and_then(Value::as_array);
        let pair = |item: &Value| {
            let text = |part: &str| item[part].as_str().map(str::to_owned);
            text("key").zip(text("value"))
        };
        items.into_iter().flatten().filter_map(pair).collect()
    }
}
