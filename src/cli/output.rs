//! What commands print: text for people, or the API's JSON as it is.
//!
//! Names, titles and messages come from outside: whatever is printed is made harmless for a
//! terminal first. A terminal gets tables of its own width, relative times and colours; anything
//! else gets whole lines, times in RFC 3339 and no colour, so that `grep` and `awk` see everything.

mod explained;
mod record;
mod table;
mod text;
mod when;

pub(super) use table::{Column, Sheet};
pub(super) use text::{harmless_json, pretty, printable};
pub(in crate::cli) use when::relative as from_now;

use super::failed::Failed;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use time::OffsetDateTime;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Prints answers in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    /// JSON instead of text.
    pub(super) json: bool,
    color: bool,
    /// Columns of the terminal that standard output is; `None` when it is none.
    width: Option<u16>,
}

/// Narrowest terminal that tables are made for; a narrower one breaks the lines itself.
const WIDTH_MIN: u16 = 40;
/// Width of a terminal that reports none.
const WIDTH_DEFAULT: u16 = 80;

/// Columns of the terminal behind standard output.
fn width_of_terminal() -> Option<u16> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(&out).map_or(0, |size| size.ws_col);
    let columns = if columns == 0 { WIDTH_DEFAULT } else { columns };
    Some(columns.max(WIDTH_MIN))
}

/// Writes a line to standard output. A reader that went away (`| head`) is no error.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Words for the person in front, beside the answer: on standard error, so that JSON stays whole.
pub(super) fn beside(words: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable(words));
}

impl Printer {
    /// A printer for this process's standard output.
    pub(super) fn new(json: bool, color: Color) -> Self {
        let width = width_of_terminal();
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => width.is_some() && !is_set("NO_COLOR") && !is_dumb,
        };
        Self { json, color, width }
    }

    /// A printer of plain text without a terminal.
    #[cfg(test)]
    pub(super) const fn plain() -> Self {
        Self {
            json: false,
            color: false,
            width: None,
        }
    }

    /// Whether a person looks at what is printed.
    pub(super) const fn is_terminal(self) -> bool {
        self.width.is_some()
    }

    /// Words, whatever form was asked for. Each line stands by itself.
    #[expect(clippy::unused_self, reason = "printing goes through the printer")]
    pub(super) fn say(self, words: &str) {
        for one in words.split('\n') {
            line(&printable(one));
        }
    }

    /// Words for the person in front, beside the answer.
    #[expect(clippy::unused_self, reason = "printing goes through the printer")]
    pub(super) fn beside(self, words: &str) {
        beside(words);
    }

    /// The answer as JSON, or these words. An answer without a body is an empty object.
    pub(super) fn words(self, answer: &Value, words: &str) {
        if self.json && answer.is_null() {
            line("{}");
        } else if self.json {
            line(&pretty(answer));
        } else {
            self.say(words);
        }
    }

    /// The answer as JSON, or the API token in it and nothing else, so that it can be piped on. A
    /// terminal also shows what it is.
    pub(super) fn token(self, answer: &Value, user: &str) {
        if self.is_terminal() && !self.json {
            self.beside(&format!("API token for {user}; it is shown only once:"));
        }
        self.words(answer, text_of(answer, "/token"));
    }

    /// A table of these columns, to be filled.
    pub(super) fn sheet(self, columns: &'static [Column]) -> Sheet {
        let look = table::Look {
            width: self.width,
            color: self.color,
            now: self.now(),
        };
        Sheet::new(columns, look)
    }

    /// Prints a table.
    #[expect(clippy::unused_self, reason = "printing goes through the printer")]
    pub(super) fn show(self, sheet: Sheet) {
        for row in sheet.lines() {
            line(&row);
        }
    }

    /// The answer as JSON, or the items below this name as a table.
    pub(super) fn table(self, answer: &Value, items: &str, columns: &'static [Column]) {
        if self.json {
            return line(&pretty(answer));
        }
        let items = answer.get(items).and_then(Value::as_array);
        let mut sheet = self.sheet(columns);
        for item in items.into_iter().flatten() {
            sheet.add(item);
        }
        self.show(sheet);
    }

    /// The answer as JSON, or its fields, one a line.
    pub(super) fn record(self, answer: &Value) {
        if self.json {
            return line(&pretty(answer));
        }
        for row in record::layout(answer, self.now()) {
            line(&row);
        }
    }

    /// An incident as JSON, or its fields, one a line, and below what the provider says about it.
    pub(super) fn incident(self, answer: &Value) {
        let mut rest = answer.clone();
        let explanation = rest.as_object_mut().and_then(|it| it.remove("explanation"));
        match explanation.filter(|_| !self.json) {
            Some(explanation) => {
                self.record(&rest);
                for row in explained::layout(&explanation) {
                    line(&row);
                }
            }
            None => self.record(answer),
        }
    }

    /// A delivery as JSON, or its fields, one a line, and its payload below. Of the payload every
    /// digit is kept.
    pub(super) fn delivery(self, text: &str) -> Result<(), Failed> {
        if self.json {
            line(&text::harmless_json(text));
            return Ok(());
        }
        let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text)?;
        let payload = fields.remove("payload");
        let summary: Value = serde_json::from_str(&serde_json::to_string(&fields)?)?;
        self.record(&summary);
        let payload = payload.map_or_else(|| "-".to_owned(), |raw| raw.get().to_owned());
        line(&format!("Payload: {}", printable(&payload)));
        Ok(())
    }

    /// What relative times are counted from; none where times are printed whole.
    fn now(self) -> Option<OffsetDateTime> {
        self.width.map(|_| OffsetDateTime::now_utc())
    }
}

/// A text field of an answer, or a dash.
pub(super) fn text_of<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or("-")
}
