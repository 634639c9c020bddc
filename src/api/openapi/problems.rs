//! The problems among the components: an answer for each status, with an example for each code.

use crate::api::error::{Code, ProblemBody, status};
use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The codes by their statuses, each once.
pub(super) fn by_status(codes: impl IntoIterator<Item = Code>) -> BTreeMap<StatusCode, Vec<Code>> {
    let mut all: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let of = all.entry(status(code)).or_default();
        if !of.contains(&code) {
            of.push(code);
        }
    }
    all
}

/// `UnprocessableEntity` for 422.
pub(super) fn name_of(status: StatusCode) -> String {
    let words = status.canonical_reason().unwrap_or_default();
    words.split(' ').collect()
}

/// The answers, by the names of their statuses.
pub(super) fn problems() -> Value {
    let mut answers = Map::new();
    for (status, codes) in by_status(Code::ALL.iter().copied()) {
        let examples: Map<String, Value> = codes
            .iter()
            .map(|code| {
                let value = ProblemBody::of(*code, code.next_step(), None);
                (
                    code.as_str().to_owned(),
                    json!({ "summary": code.meaning(), "value": value }),
                )
            })
            .collect();
        let mut answer = json!({
            "description": status.canonical_reason(),
            "content": { "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" }, "examples": examples,
            } },
        });
        let header = match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some("Retry-After"),
            StatusCode::UNAUTHORIZED => Some("WWW-Authenticate"),
            StatusCode::METHOD_NOT_ALLOWED => Some("Allow"),
            _ => None,
        };
        if let Some(header) = header {
            let reference = format!("#/components/headers/{header}");
            answer["headers"] = json!({ header: { "$ref": reference } });
        }
        answers.insert(name_of(status), answer);
    }
    answers.into()
}

/// The headers that problems have.
pub(super) fn headers() -> Value {
    json!({
        "Retry-After": {
            "description": "Seconds after which to try again. With 429 it is missing when waiting \
                does not help.",
            "schema": { "type": "integer", "minimum": 1 },
        },
        "WWW-Authenticate": {
            "description": "`Bearer`, when an API token is needed.",
            "schema": { "type": "string" },
        },
        "Allow": {
            "description": "The methods of the route.",
            "schema": { "type": "string" },
        },
    })
}
