//! GitHub's error object, as far as it is read.

use crate::provider::http::Answer;
use serde::Deserialize;

/// Longest list of rights quoted from a header.
const RIGHTS_BYTES_MAX: usize = 200;

/// GitHub's error object, as far as it is read. Never quoted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    message: String,
    errors: Vec<serde_json::Value>,
}

impl Problem {
    pub(super) fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Whether the message, or that of a detail, holds `part`.
    pub(super) fn says(&self, part: &str) -> bool {
        let details = self.errors.iter().filter_map(|detail| {
            let text = detail.as_str();
            text.or_else(|| detail.get("message")?.as_str())
        });
        details
            .chain([self.message.as_str()])
            .any(|text| text.to_ascii_lowercase().contains(part))
    }
}

/// The rights that GitHub reports as needed, if they can be shown.
pub(super) fn rights(answer: &Answer) -> Option<&str> {
    ["x-accepted-github-permissions", "x-accepted-oauth-scopes"]
        .into_iter()
        .filter_map(|name| answer.header(name))
        .find(|text| {
            (1..=RIGHTS_BYTES_MAX).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_:=,; ".contains(&b))
        })
}
