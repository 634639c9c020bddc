//! Deliveries as their senders write them, and what every dialect makes of bad ones.

use crate::domain::delivery::Payload;
use crate::domain::event::{Decoded, Event};
use crate::domain::run::RunEvent;
use crate::domain::samples;
use crate::provider::{Decode, DecodeError, HeaderLookup};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(in crate::provider) struct Headers(pub(in crate::provider) BTreeMap<&'static str, String>);

impl HeaderLookup for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl Headers {
    pub(in crate::provider) fn with(
        mut self,
        name: &'static str,
        value: impl Into<String>,
    ) -> Self {
        self.0.insert(name, value.into());
        self
    }

    pub(in crate::provider) fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }
}

pub(in crate::provider) fn decoded(
    decoder: &impl Decode,
    event: &str,
    body: impl AsRef<[u8]>,
) -> Result<Decoded, DecodeError> {
    let payload: Payload = samples::payload(body.as_ref());
    decoder.decode(event, &payload)
}

/// The run that a delivery tells of.
pub(in crate::provider) fn run_of(decoded: Result<Decoded, DecodeError>) -> RunEvent {
    match decoded.unwrap().event {
        Event::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

/// What cannot be read is refused for this reason, which quotes nothing.
#[track_caller]
pub(in crate::provider) fn is_unreadable(
    decoder: &impl Decode,
    event: &str,
    rows: &[(&str, &str)],
) {
    for (body, part) in rows {
        let error = decoded(decoder, event, body).unwrap_err().to_string();
        assert!(error.contains(part), "{body}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// The paths of everything below a value.
fn paths(value: &Value, at: &str, all: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(n, v)| (n.clone(), v)).collect(),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.map(|(n, v)| (n.to_string(), v)).collect()
        }
        _ => Vec::new(),
    };
    for (name, value) in below {
        let path = format!("{at}/{name}");
        paths(value, &path, all);
        all.push(path);
    }
}

/// Anything may stand in each of the fields of a body, of which there are so many at least, and
/// each may be missing: it can be read all the same.
#[track_caller]
pub(in crate::provider) fn no_field_is_needed(
    decoder: &impl Decode,
    event: &str,
    whole: &Value,
    fields: usize,
) {
    let mut all = Vec::new();
    paths(whole, "", &mut all);
    assert!(all.len() >= fields, "{event}: {}", all.len());
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("x"),
        json!([]),
        json!([{"id": 1}, 7, null]),
        json!({}),
        json!(u64::MAX),
    ];
    for path in &all {
        for other in &others {
            let mut body = whole.clone();
            *body.pointer_mut(path).unwrap() = other.clone();
            decoded(decoder, event, body.to_string()).unwrap();
        }
        let mut body = whole.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        if let Some(parent) = body.pointer_mut(parent).unwrap().as_object_mut() {
            parent.remove(name).unwrap();
        }
        decoded(decoder, event, body.to_string()).unwrap();
    }
}
