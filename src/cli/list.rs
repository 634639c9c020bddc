//! Lists: page after page up to a limit, as a table or as JSON, of which no more is held than
//! what is printed.

use super::client::{Client, List};
use super::failed::{CommandResult, Failed};
use super::output::{Column, line, pretty};
use super::reference;
use super::session::Session;
use crate::domain::repo::ProviderKind;
use serde_json::Value;

/// Most items that a list shows unless more are wanted.
const LIMIT_DEFAULT: u32 = 50;
/// Largest `--limit`: programs that need more have the API.
const LIMIT_MAX: i64 = 10_000;

/// How much of a list is wanted.
#[derive(Debug, clap::Args)]
pub(super) struct Part {
    /// Maximum number of items, newest first; up to 10000.
    #[arg(long, value_name = "N", default_value_t = LIMIT_DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=LIMIT_MAX))]
    limit: u32,
    /// Continue after an earlier part of the list: the `next_cursor` of `--json`.
    #[arg(long)]
    cursor: Option<String>,
}

/// Whose items are wanted: of what belongs to a connection.
#[derive(Debug, clap::Args)]
pub(super) struct Whose {
    /// Only of this connection: OWNER/REPO, its URL, or an id.
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<String>,
    /// Only of this repository, connected or not, or of those that a pattern such as `octo/*`
    /// matches.
    #[arg(long, value_name = "OWNER/REPO")]
    repository: Option<String>,
    /// Only from `github` or `gitlab`.
    #[arg(long, value_parser = super::provider::parse)]
    provider: Option<ProviderKind>,
}

/// The same in the daemon's words.
pub(super) struct Filters {
    connection: Option<String>,
    repository: Option<String>,
    provider: Option<ProviderKind>,
}

impl Whose {
    /// Looks up what was named.
    pub(super) fn filters(&self, client: &Client) -> Result<Filters, Failed> {
        Ok(Filters {
            connection: reference::find::id_of(client, self.connection.as_deref())?,
            repository: reference::name_of(self.repository.as_deref())?,
            provider: self.provider,
        })
    }
}

impl Filters {
    /// With the filters that a list has besides.
    pub(super) fn and<'a>(&'a self, more: &[Filter<'a>]) -> Vec<Filter<'a>> {
        let mut all = vec![
            ("connection_id", self.connection.as_deref()),
            ("repository", self.repository.as_deref()),
            ("provider", self.provider.map(ProviderKind::as_str)),
        ];
        all.extend(more);
        all
    }
}

/// A parameter of a list, and its value if there is one.
pub(super) type Filter<'a> = (&'a str, Option<&'a str>);

/// How a list is shown.
pub(super) struct Listing {
    /// What the items are called in the answer.
    field: &'static str,
    /// What the items are called by people.
    what: &'static str,
    columns: &'static [Column],
}

impl Listing {
    /// A list of these, below `items` in the answer.
    pub(super) const fn of(what: &'static str) -> Self {
        let (field, columns) = ("items", &[]);
        Self {
            field,
            what,
            columns,
        }
    }

    pub(super) const fn below(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    pub(super) const fn with(self, columns: &'static [Column]) -> Self {
        Self { columns, ..self }
    }

    /// Shows a part of the list at this path.
    pub(super) fn show(
        &self,
        session: &Session,
        client: &Client,
        path: &str,
        filters: &[Filter],
        part: &Part,
    ) -> CommandResult {
        let printer = session.printer;
        let list = List {
            path,
            field: self.field,
            filters,
            cursor: part.cursor.as_deref(),
            limit: usize::try_from(part.limit).unwrap_or(usize::MAX),
        };
        if printer.json {
            return stream(client, &list);
        }
        let mut sheet = printer.sheet(self.columns);
        let mut count = 0_usize;
        let rest = client.pages(&list, |items| {
            count += items.len();
            for item in &items {
                sheet.add(item);
            }
        })?;
        printer.show(sheet);
        let what = self.what;
        if count == 0 && printer.is_terminal() {
            printer.beside(&format!("no {what}"));
        }
        if rest["next_cursor"].is_string() {
            printer.beside(&format!(
                "more {what} than these {count} exist: see --limit"
            ));
        }
        Ok(())
    }
}

/// The JSON of a list, written as its pages arrive. The form is the API's: the items, then what
/// the last page says beside them.
fn stream(client: &Client, list: &List) -> CommandResult {
    let mut writer = Writer::default();
    let rest = client.pages(list, |items| {
        for item in items {
            writer.item(list.field, &item);
        }
    })?;
    writer.end(list.field, Some(&rest));
    Ok(())
}

/// Writes an object with a list in it, an item at a time.
#[derive(Default)]
pub(super) struct Writer {
    /// The item before, which may or may not be the last.
    pending: Option<String>,
}

/// JSON, indented by two steps.
fn indented(value: &Value) -> String {
    let text = pretty(value);
    let lines: Vec<&str> = text.lines().collect();
    format!("    {}", lines.join("\n    "))
}

impl Writer {
    /// Writes an item of the list with this name.
    pub(super) fn item(&mut self, field: &str, item: &Value) {
        match self.pending.take() {
            Some(before) => line(&format!("{before},")),
            None => line(&format!("{{\n  \"{field}\": [")),
        }
        self.pending = Some(indented(item));
    }

    /// Writes what is left: the end of the list, and what an answer says beside it.
    pub(super) fn end(self, field: &str, rest: Option<&Value>) {
        let comma = if rest.is_some() { "," } else { "" };
        match self.pending {
            Some(last) => line(&format!("{last}\n  ]{comma}")),
            None => line(&format!("{{\n  \"{field}\": []{comma}")),
        }
        let Some(rest) = rest else {
            return line("}");
        };
        let others = rest.as_object().into_iter().flatten();
        let others = others.filter(|(name, _)| *name != field && *name != "next_cursor");
        for (name, value) in others {
            line(&format!("  \"{name}\": {},", pretty(value)));
        }
        line(&format!(
            "  \"next_cursor\": {}\n}}",
            pretty(&rest["next_cursor"])
        ));
    }
}
