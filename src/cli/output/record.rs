//! One object, a line a field, for reading.

use super::text::printable;
use super::when::{relative, to_the_second};
use serde_json::Value;
use time::OffsetDateTime;

/// Deepest object whose fields get lines of their own.
const DEPTH_MAX: usize = 4;

/// Fields that come first; the others follow in the order of their names.
const FIRST: [&str; 12] = [
    "id",
    "name",
    "repository_full_name",
    "title",
    "provider",
    "host",
    "event",
    "status",
    "conclusion",
    "outcome",
    "webhook_status",
    "last_error",
];

/// Fields whose names say less than these words.
const LABELS: [(&str, &str); 4] = [
    ("repository_full_name", "Repository"),
    ("webhook_status", "Webhook"),
    ("is_enabled", "Enabled"),
    ("body_sha256", "SHA-256 of the body"),
];

/// A field's name in words: `last_check_at` is the last check, `run_id` a run's ID.
pub(super) fn label(name: &str) -> String {
    if let Some((_, label)) = LABELS.iter().find(|(field, _)| *field == name) {
        return (*label).to_owned();
    }
    // A header's name stays what it is.
    if name.contains('-') {
        return printable(name);
    }
    let name = name.strip_prefix("is_").unwrap_or(name);
    let name = name.strip_suffix("_at").unwrap_or(name);
    let words: Vec<String> = name
        .split('_')
        .enumerate()
        .map(|(place, word)| match word {
            "id" | "url" | "api" | "http" | "ci" | "sha" => word.to_uppercase(),
            _ if place == 0 => {
                let mut rest = word.chars();
                let first = rest.next().map(|letter| letter.to_ascii_uppercase());
                first.into_iter().chain(rest).collect()
            }
            _ => word.to_owned(),
        })
        .collect();
    printable(&words.join(" "))
}

/// The lines of an object. Objects within it are indented, lists of texts stand on one line.
pub(super) fn layout(value: &Value, now: Option<OffsetDateTime>) -> Vec<String> {
    let mut lines = Vec::new();
    fields(value, 0, now, &mut lines);
    lines
}

fn fields(value: &Value, depth: usize, now: Option<OffsetDateTime>, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let mut all: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
    let place = |name: &str| FIRST.iter().position(|first| *first == name);
    all.sort_by_key(|(name, _)| place(name).unwrap_or(FIRST.len()));
    for (name, value) in all {
        let label = label(name);
        match value {
            Value::Object(inner) if !inner.is_empty() && depth < DEPTH_MAX => {
                lines.push(format!("{indent}{label}:"));
                fields(value, depth + 1, now, lines);
            }
            Value::Array(items) if items.iter().any(Value::is_object) && depth < DEPTH_MAX => {
                lines.push(format!("{indent}{label}:"));
                for item in items {
                    lines.push(format!("{indent}  - {}", words(item, None)));
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                // Only a field that is named as one is a time: a commit's message is none.
                let now = now.filter(|_| name.ends_with("_at"));
                lines.push(format!("{indent}{label}: {}", words(value, now)));
            }
        }
    }
}

/// A value in one line.
pub(super) fn words(value: &Value, now: Option<OffsetDateTime>) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => match now {
            Some(now) => {
                let (ago, whole) = (relative(text, now), to_the_second(text));
                if ago == whole {
                    printable(&ago)
                } else {
                    printable(&format!("{whole} ({ago})"))
                }
            }
            None => printable(text),
        },
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            printable(&texts.join(", "))
        }
        Value::Object(inner) => {
            let pairs = inner.iter().filter(|(_, value)| !value.is_null());
            let pairs: Vec<String> = pairs
                .map(|(name, value)| format!("{}: {}", label(name), words(value, None)))
                .collect();
            pairs.join(", ")
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => printable(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::format_description::well_known::Rfc3339;

    #[test]
    fn names_of_fields_become_words() {
        for (name, words) in [
            ("repository_full_name", "Repository"),
            ("is_admin", "Admin"),
            ("last_delivery_at", "Last delivery"),
            ("html_url", "Html URL"),
            ("run_id", "Run ID"),
        ] {
            assert_eq!(label(name), words);
        }
    }

    #[test]
    fn objects_are_indented_and_what_is_absent_is_a_dash() {
        let value = json!({
            "id": "x", "health": {"last_check_at": "2026-11-28T11:58:00.000Z", "failed": 0},
            "events": ["push", "status"], "jobs": [{"name": "a\u{1b}[2J", "stage": null}],
            "error": null, "none": [],
        });
        let lines = [
            "ID: x",
            "Error: -",
            "Events: push, status",
            "Health:",
            "  Failed: 0",
            "  Last check: 2026-11-28T11:58:00.000Z",
            "Jobs:",
            "  - Name: a\\u{1b}[2J",
            "None: -",
        ];
        assert_eq!(layout(&value, None), lines);
        let now = OffsetDateTime::parse("2026-11-28T12:00:00Z", &Rfc3339).unwrap();
        let line = "  Last check: 2026-11-28T11:58:00Z (2 min ago)";
        assert!(layout(&value, Some(now)).contains(&line.to_owned()));
    }
}
