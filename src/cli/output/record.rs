//! One object, a line a field, for reading.

use super::text::printable;
use super::when::{relative, to_the_second};
use serde_json::Value;
use time::OffsetDateTime;

/// Deepest object whose fields get lines of their own.
const DEPTH_MAX: usize = 4;

/// What somebody looks for first; the other fields stand behind in the order of their names.
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
        let name = printable(name);
        match value {
            Value::Object(inner) if !inner.is_empty() && depth < DEPTH_MAX => {
                lines.push(format!("{indent}{name}:"));
                fields(value, depth + 1, now, lines);
            }
            Value::Array(items) if items.iter().any(Value::is_object) && depth < DEPTH_MAX => {
                lines.push(format!("{indent}{name}:"));
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
                lines.push(format!("{indent}{name}: {}", words(value, now)));
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
                let (told, whole) = (relative(text, now), to_the_second(text));
                if told == whole {
                    printable(&told)
                } else {
                    printable(&format!("{whole} ({told})"))
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
                .map(|(name, value)| format!("{}: {}", printable(name), words(value, None)))
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
    fn objects_are_indented_and_what_is_absent_is_a_dash() {
        let value = json!({
            "id": "x", "health": {"last_check_at": "2026-11-28T11:58:00.000Z", "failed": 0},
            "events": ["push", "status"], "jobs": [{"name": "a\u{1b}[2J", "stage": null}],
            "error": null, "none": [],
        });
        let lines = [
            "id: x",
            "error: -",
            "events: push, status",
            "health:",
            "  failed: 0",
            "  last_check_at: 2026-11-28T11:58:00.000Z",
            "jobs:",
            "  - name: a\\u{1b}[2J",
            "none: -",
        ];
        assert_eq!(layout(&value, None), lines);
        let now = OffsetDateTime::parse("2026-11-28T12:00:00Z", &Rfc3339).unwrap();
        let line = "  last_check_at: 2026-11-28T11:58:00Z (2 min ago)";
        assert!(layout(&value, Some(now)).contains(&line.to_owned()));
    }
}
