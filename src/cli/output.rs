//! What commands print: text for people, or the API's JSON as it is.

use serde_json::Value;
use std::io::Write;

/// Prints answers in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    /// JSON instead of text.
    pub(super) json: bool,
}

/// Writes a line to standard output. A reader that went away (`| head`) is no error.
fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes a failure to standard error.
pub(super) fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "hookherd: {message}");
}

impl Printer {
    /// Words, whatever form was asked for.
    #[expect(clippy::unused_self, reason = "printing goes through the printer")]
    pub(super) fn say(self, words: &str) {
        line(words);
    }

    /// Words for the person in front, beside the answer: on standard error, so that JSON stays
    /// whole.
    #[expect(clippy::unused_self, reason = "printing goes through the printer")]
    pub(super) fn beside(self, words: &str) {
        let _ = writeln!(std::io::stderr(), "{words}");
    }

    /// The answer as JSON, or these words.
    pub(super) fn words(self, answer: &Value, words: &str) {
        if self.json {
            line(&pretty(answer));
        } else {
            line(words);
        }
    }

    /// The answer as JSON, or the items as a table with a column per pointer.
    pub(super) fn table(self, answer: &Value, items: &str, columns: &[(&str, &str)]) {
        if self.json {
            return line(&pretty(answer));
        }
        let empty = Vec::new();
        let items = answer
            .get(items)
            .and_then(Value::as_array)
            .unwrap_or(&empty);
        for row in layout(items, columns) {
            line(&row);
        }
    }

    /// The answer as JSON, or its fields one a line.
    pub(super) fn record(self, answer: &Value) {
        if self.json {
            return line(&pretty(answer));
        }
        for (name, value) in answer.as_object().into_iter().flatten() {
            line(&format!("{name}: {}", cell(value)));
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value can always be printed")
}

/// A value in one line, with control characters escaped: names come from outside.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    printable(&text)
}

/// A text with control characters escaped: it comes from outside.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

fn layout(items: &[Value], columns: &[(&str, &str)]) -> Vec<String> {
    let head: Vec<String> = columns
        .iter()
        .map(|(title, _)| (*title).to_owned())
        .collect();
    let rows = items.iter().map(|item| {
        columns
            .iter()
            .map(|(_, p)| cell(item.pointer(p).unwrap_or(&Value::Null)))
            .collect()
    });
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| {
            rows.iter()
                .map(|row| row[i].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(text, width)| format!("{text:width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_line_up_and_missing_values_are_dashes() {
        let items = [json!({"id": "a", "n": 1}), json!({"id": "long", "n": null})];
        let rows = layout(&items, &[("ID", "/id"), ("N", "/n")]);
        assert_eq!(rows, ["ID    N", "a     1", "long  -"]);
    }

    #[test]
    fn names_from_outside_cannot_play_with_the_terminal() {
        assert_eq!(cell(&json!("a\u{1b}[2Jb\n")), "a\\u{1b}[2Jb\\n");
    }
}
