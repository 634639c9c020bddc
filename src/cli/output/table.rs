//! Lists as tables: as wide as the terminal, or a whole line a row where there is none.

use super::record::words;
use super::text::{printable, shortened};
use super::when::{relative, to_the_second};
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Row, Table};
use serde_json::Value;
use time::OffsetDateTime;

/// Longest text of a cell: a foreign title must not fill the screen.
const CELL_CHARS_MAX: usize = 200;
/// Blanks between two columns.
const GAP: u16 = 2;

/// What a column holds, which decides how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Anything.
    Text,
    /// An id: it is copied, so it is never broken.
    Id,
    /// A time.
    Time,
    /// A word that has a colour.
    Status,
}

/// A column of a table: its head, and where its values stand in an item.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Column {
    head: &'static str,
    pointer: &'static str,
    kind: Kind,
    is_optional: bool,
}

impl Column {
    const fn of(head: &'static str, pointer: &'static str, kind: Kind) -> Self {
        Self {
            head,
            pointer,
            kind,
            is_optional: false,
        }
    }

    /// The same, left out on a terminal that is too narrow for all.
    pub(in crate::cli) const fn optional(self) -> Self {
        Self {
            is_optional: true,
            ..self
        }
    }

    /// A column of texts or numbers.
    pub(in crate::cli) const fn text(head: &'static str, pointer: &'static str) -> Self {
        Self::of(head, pointer, Kind::Text)
    }

    /// A column of ids.
    pub(in crate::cli) const fn id(head: &'static str, pointer: &'static str) -> Self {
        Self::of(head, pointer, Kind::Id)
    }

    /// A column of times.
    pub(in crate::cli) const fn time(head: &'static str, pointer: &'static str) -> Self {
        Self::of(head, pointer, Kind::Time)
    }

    /// A column of words such as `active` or `open`.
    pub(in crate::cli) const fn status(head: &'static str, pointer: &'static str) -> Self {
        Self::of(head, pointer, Kind::Status)
    }
}

/// How a table is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns of the terminal; `None`: each row is one line, however long.
    pub(super) width: Option<u16>,
    /// Whether words have colours.
    pub(super) color: bool,
    /// What times are relative to; `None`: they are absolute.
    pub(super) now: Option<OffsetDateTime>,
}

/// A table that is filled row by row: of an item only its cells are kept.
pub(in crate::cli) struct Sheet {
    table: Table,
    columns: &'static [Column],
    look: Look,
}

impl Sheet {
    /// A table with nothing but its head.
    pub(super) fn new(columns: &'static [Column], look: Look) -> Self {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        match look.width {
            // The last column's gap hangs over the edge, and is cut off.
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width.saturating_add(GAP)),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        if look.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(columns.iter().map(|column| {
            let head = Cell::new(column.head);
            if look.color {
                head.add_attribute(Attribute::Bold)
            } else {
                head
            }
        }));
        Self {
            table,
            columns,
            look,
        }
    }

    /// Adds an item's row.
    pub(in crate::cli) fn add(&mut self, item: &Value) {
        let look = &self.look;
        let cells = self.columns.iter().map(|column| cell(item, *column, look));
        self.table.add_row(Row::from(cells.collect::<Vec<_>>()));
    }

    /// Which columns are left out, so that the others fit: optional ones, from the left.
    fn left_out(&self) -> Vec<bool> {
        let mut out = vec![false; self.columns.len()];
        let Some(width) = self.look.width else {
            return out;
        };
        let natural = self.table.column_max_content_widths();
        let mut needed: u32 = natural.iter().map(|width| u32::from(width + GAP)).sum();
        for (index, column) in self.columns.iter().enumerate() {
            if column.is_optional && needed > u32::from(width + GAP) {
                out[index] = true;
                needed -= u32::from(natural[index] + GAP);
            }
        }
        out
    }

    /// The lines of the table.
    pub(super) fn lines(mut self) -> Vec<String> {
        let left_out = self.left_out();
        let shapes = self.table.column_iter_mut().zip(left_out);
        for (column, (shape, is_left_out)) in self.columns.iter().zip(shapes) {
            shape.set_padding((0, GAP));
            if is_left_out {
                shape.set_constraint(ColumnConstraint::Hidden);
            } else if matches!(column.kind, Kind::Id | Kind::Status | Kind::Time) {
                shape.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let lines = self.table.lines();
        lines.map(|line| line.trim_end().to_owned()).collect()
    }
}

/// The colour of a word: healthy, waiting, needs attention.
fn color_of(word: &str) -> Option<comfy_table::Color> {
    use comfy_table::Color::{Green, Red, Yellow};
    match word {
        "active" | "resolved" | "success" | "run" | "recorded" | "ok" | "connect" => Some(Green),
        "pending" | "degraded" | "acknowledged" | "medium" | "warning" | "in_progress"
        | "queued" | "received" => Some(Yellow),
        "failed" | "suspended" | "open" | "failure" | "critical" | "high" | "dead_letter"
        | "timed_out" | "startup_failure" | "FAILED" => Some(Red),
        _ => None,
    }
}

fn cell(item: &Value, column: Column, look: &Look) -> Cell {
    let value = item.pointer(column.pointer).unwrap_or(&Value::Null);
    let text = match (column.kind, value) {
        (Kind::Time, Value::String(at)) => {
            let ago = look.now.map(|now| relative(at, now));
            printable(&ago.unwrap_or_else(|| to_the_second(at)))
        }
        (Kind::Text | Kind::Id | Kind::Time | Kind::Status, value) => words(value, None),
    };
    let text = shortened(&text, CELL_CHARS_MAX);
    let color = color_of(&text).filter(|_| look.color && column.kind == Kind::Status);
    let cell = Cell::new(text);
    match color {
        Some(color) => cell.fg(color),
        None => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::format_description::well_known::Rfc3339;

    const COLUMNS: [Column; 5] = [
        Column::id("ID", "/id"),
        Column::status("STATUS", "/status"),
        Column::text("NOTE", "/note").optional(),
        Column::time("SEEN", "/seen"),
        Column::text("TITLE", "/title"),
    ];

    fn layout(items: &[Value], look: Look) -> Vec<String> {
        let mut sheet = Sheet::new(&COLUMNS, look);
        for item in items {
            sheet.add(item);
        }
        sheet.lines()
    }

    fn item(title: &str) -> Value {
        let id = "inc_01krjbjp8f0000000000000000";
        json!({
            "id": id, "status": "open", "note": "n", "seen": "2026-11-28T11:58:00.250Z",
            "title": title,
        })
    }

    #[test]
    fn without_a_terminal_a_row_is_a_line_and_what_is_absent_is_a_dash() {
        let look = Look {
            width: None,
            color: false,
            now: None,
        };
        let long = "x".repeat(150);
        let rows = layout(
            &[item("a\u{1b}[2J\n"), item(&long), json!({"id": "b"})],
            look,
        );
        let head = "ID                              STATUS  NOTE  SEEN                  TITLE";
        assert_eq!(rows[0], head);
        let start = "inc_01krjbjp8f0000000000000000  open    n     2026-11-28T11:58:00Z  ";
        assert_eq!(rows[1], format!("{start}a\\u{{1b}}[2J\\n"));
        assert_eq!(rows[2], format!("{start}{long}"));
        assert_eq!(
            rows[3],
            format!("b{}-       -     -{}-", " ".repeat(31), " ".repeat(21))
        );
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn a_terminal_of_80_columns_is_filled_and_no_id_is_broken() {
        let now = OffsetDateTime::parse("2026-11-28T12:00:00Z", &Rfc3339).unwrap();
        let look = Look {
            width: Some(80),
            color: false,
            now: Some(now),
        };
        let title = "the release workflow of this repository failed on branch release/1 again";
        let rows = layout(&[item(title)], look);
        assert!(
            rows.iter().all(|row| row.chars().count() <= 80),
            "{rows:#?}"
        );
        assert!(rows.len() > 2, "the title is broken: {rows:#?}");
        let start = "inc_01krjbjp8f0000000000000000  open    1 min ago  ";
        assert!(rows[1].starts_with(start), "{rows:#?}");
    }

    #[test]
    fn colours_stand_for_words_and_do_not_move_anything() {
        let plain = Look {
            width: None,
            color: false,
            now: None,
        };
        let coloured = Look {
            color: true,
            ..plain
        };
        let (plain, coloured) = (layout(&[item("t")], plain), layout(&[item("t")], coloured));
        assert!(coloured[1].contains("\u{1b}["), "{coloured:?}");
        assert!(!plain[1].contains('\u{1b}'));
        let start = coloured[1].find("2026").unwrap();
        let visible = coloured[1][..start].replace("\u{1b}[38;5;9m", "");
        let visible = visible.replace("\u{1b}[39m", "").replace("\u{1b}[0m", "");
        assert_eq!(
            visible.chars().count(),
            plain[1].find("2026").unwrap(),
            "{coloured:?}"
        );
    }
}
