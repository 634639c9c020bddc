//! The file of `apply` and `export`: the repositories that should be connected. All of it is
//! understood before anything is done; what is wrong is named with its line.

use crate::app::is_event;
use crate::cli::failed::Failed;
use crate::domain::connection::EVENTS_MAX;
use crate::domain::repo::{FullName, Host, ProviderKind};
use crate::domain::takeover::Replace;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use toml::Spanned;

/// Largest file: 100,000 repositories of 300 bytes each are far below.
pub(super) const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most repositories.
const ENTRIES_MAX: usize = 100_000;
/// Mistakes that are shown.
const MISTAKES_SHOWN: usize = 20;

/// A repository that should be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) provider: ProviderKind,
    /// `None` for the default one.
    pub(super) host: Option<Host>,
    pub(super) full_name: FullName,
    /// Sorted, each once; `None` for the defaults of a new connection, and for those that it has of
    /// another.
    pub(super) events: Option<Vec<String>>,
    pub(super) is_paused: bool,
    /// The hooks of others that a new connection replaces.
    pub(super) replaces: Option<Replace>,
}

impl Entry {
    /// What there is one of, in the order of files.
    pub(super) fn key(&self) -> (ProviderKind, Option<Host>, String) {
        (self.provider, self.host.clone(), self.full_name.folded())
    }
}

/// A user, organisation or group whose other connections `--prune` disconnects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    pub(super) provider: ProviderKind,
    pub(super) host: Option<Host>,
    /// In lower case.
    pub(super) owner: String,
}

/// What should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The number of repositories that the file says it names.
    pub(super) count: Option<usize>,
    pub(super) entries: Vec<Entry>,
    /// Those of the entries, and those that are written down.
    pub(super) scopes: Vec<Scope>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    count: Option<Spanned<usize>>,
    /// For every repository that says nothing of it.
    replace_existing: Option<Spanned<RawReplace>>,
    #[serde(default)]
    repository: Vec<Spanned<RawEntry>>,
    #[serde(default)]
    scope: Vec<Spanned<RawScope>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: Spanned<String>,
    provider: Option<Spanned<String>>,
    host: Option<Spanned<String>>,
    events: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    paused: bool,
    replace_existing: Option<Spanned<RawReplace>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected true, false, or a pattern of URLs")]
enum RawReplace {
    Flag(bool),
    Matching(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScope {
    owner: Spanned<String>,
    provider: Option<Spanned<String>>,
    host: Option<Spanned<String>>,
}

/// It is among the mistakes.
struct Wrong;

/// What is wrong, by line.
struct Mistakes<'a> {
    text: &'a str,
    found: Vec<(usize, String)>,
}

impl Mistakes<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    fn add(&mut self, at: &Range<usize>, why: impl Into<String>) {
        let line = self.line(at.start);
        self.found.push((line, why.into()));
    }

    /// A value that is parsed from a text.
    fn parsed<T>(&mut self, text: &Spanned<String>) -> Option<T>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        match text.get_ref().trim().parse() {
            Ok(value) => Some(value),
            Err(why) => {
                self.add(&text.span(), why.to_string());
                None
            }
        }
    }

    fn place(
        &mut self,
        provider: Option<&Spanned<String>>,
        host: Option<&Spanned<String>>,
    ) -> Option<(ProviderKind, Option<Host>)> {
        let provider = match provider {
            None => Some(ProviderKind::Github),
            Some(text) => self.parsed(text),
        };
        let host = match host {
            None => Some(None),
            Some(text) => self.parsed(text).map(Some),
        };
        Some((provider?, host?))
    }

    fn entry(&mut self, raw: &Spanned<RawEntry>) -> Option<Entry> {
        let raw = raw.get_ref();
        let place = self.place(raw.provider.as_ref(), raw.host.as_ref());
        let full_name: Option<FullName> = self.parsed(&raw.name);
        let (provider, host) = place?;
        let full_name = full_name?;
        if provider == ProviderKind::Github && full_name.owner().contains('/') {
            self.add(
                &raw.name.span(),
                "expected owner/name, as GitHub has no groups",
            );
            return None;
        }
        let events = match &raw.events {
            None => None,
            Some(events) => Some(self.events(provider, events)?),
        };
        let replaces = match &raw.replace_existing {
            None => None,
            Some(said) => self.replaces(said).ok()?,
        };
        Some(Entry {
            provider,
            host,
            full_name,
            events,
            is_paused: raw.paused,
            replaces,
        })
    }

    fn replaces(&mut self, said: &Spanned<RawReplace>) -> Result<Option<Replace>, Wrong> {
        match said.get_ref() {
            RawReplace::Flag(false) => Ok(None),
            RawReplace::Flag(true) => Ok(Some(Replace::SameReceiver)),
            RawReplace::Matching(text) => match Replace::matching(text) {
                Ok(which) => Ok(Some(which)),
                Err(why) => {
                    self.add(&said.span(), why.to_string());
                    Err(Wrong)
                }
            },
        }
    }

    fn events(
        &mut self,
        provider: ProviderKind,
        given: &Spanned<Vec<String>>,
    ) -> Option<Vec<String>> {
        let mut events = given.get_ref().clone();
        events.sort_unstable();
        events.dedup();
        let before = self.found.len();
        if events.is_empty() || events.len() > EVENTS_MAX {
            self.add(&given.span(), format!("expected 1 to {EVENTS_MAX} events"));
        }
        if events.len() > 1 && events.iter().any(|event| event == "*") {
            self.add(
                &given.span(),
                "\"*\" stands for all events and must stand alone",
            );
        }
        for event in events.iter().filter(|event| !is_event(provider, event)) {
            let name = provider.name();
            self.add(&given.span(), format!("{name} has no event `{event}`"));
        }
        (self.found.len() == before).then_some(events)
    }

    fn scope(&mut self, raw: &Spanned<RawScope>) -> Option<Scope> {
        let raw = raw.get_ref();
        let place = self.place(raw.provider.as_ref(), raw.host.as_ref());
        let owner = raw.owner.get_ref().trim();
        let is_owner = format!("{owner}/x").parse::<FullName>().is_ok();
        if !is_owner {
            self.add(
                &raw.owner.span(),
                "expected a user, an organisation or a group",
            );
        }
        let (provider, host) = place?;
        is_owner.then(|| Scope {
            provider,
            host,
            owner: owner.to_ascii_lowercase(),
        })
    }

    fn failed(mut self, name: &str) -> Failed {
        self.found.sort();
        let all = self.found.len();
        let mut lines: Vec<String> = self
            .found
            .iter()
            .take(MISTAKES_SHOWN)
            .map(|(line, why)| format!("line {line}: {why}"))
            .collect();
        if all > MISTAKES_SHOWN {
            lines.push(format!("and {} more", all - MISTAKES_SHOWN));
        }
        let items = lines.iter().map(|line| serde_json::json!(line)).collect();
        Failed::new(format!("{name} is not valid; nothing changed"))
            .coded("bad_file")
            .among("mistakes", items, lines)
    }
}

impl Wanted {
    /// Reads a file of this name. Everything that is wrong is reported at once.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, Failed> {
        let mut mistakes = Mistakes {
            text,
            found: Vec::new(),
        };
        let raw: Raw = match toml::from_str(text) {
            Ok(raw) => raw,
            Err(error) => {
                let at = error.span().unwrap_or_default();
                mistakes.add(&at, error.message());
                return Err(mistakes.failed(name));
            }
        };
        let mut wanted = Self {
            count: raw.count.as_ref().map(|count| *count.get_ref()),
            ..Self::default()
        };
        let of_all = raw.replace_existing.as_ref();
        let of_all = of_all.and_then(|said| mistakes.replaces(said).ok()?);
        let mut seen = BTreeMap::new();
        for one in &raw.repository {
            let Some(mut entry) = mistakes.entry(one) else {
                continue;
            };
            if one.get_ref().replace_existing.is_none() {
                entry.replaces.clone_from(&of_all);
            }
            let key = entry.key();
            let line = mistakes.line(one.get_ref().name.span().start);
            if let Some(first) = seen.insert(key, line) {
                let why = format!("{} is named in line {first} already", entry.full_name);
                mistakes.add(&one.get_ref().name.span(), why);
            }
            wanted.scopes.push(Scope {
                provider: entry.provider,
                host: entry.host.clone(),
                owner: entry.full_name.owner().to_ascii_lowercase(),
            });
            wanted.entries.push(entry);
        }
        let scopes = raw.scope.iter().filter_map(|scope| mistakes.scope(scope));
        let scopes: Vec<Scope> = scopes.collect();
        wanted.scopes.extend(scopes);
        wanted.scopes.sort();
        wanted.scopes.dedup();
        if let Some(count) = raw.count
            && *count.get_ref() != raw.repository.len()
        {
            let (said, found) = (count.get_ref(), raw.repository.len());
            let why = format!("count is {said}, but {found} repositories follow: is it complete?");
            mistakes.add(&count.span(), why);
        }
        if raw.repository.len() > ENTRIES_MAX {
            mistakes.add(&(0..0), format!("more than {ENTRIES_MAX} repositories"));
        }
        if mistakes.found.is_empty() {
            Ok(wanted)
        } else {
            Err(mistakes.failed(name))
        }
    }
}

/// A text in TOML. Names, hosts and events have no characters that it must escape.
fn quoted(text: &str) -> String {
    debug_assert!(!text.contains(['"', '\\']) && !text.contains(char::is_control));
    format!("\"{text}\"")
}

/// The file that names these repositories. The name comes last and must be there, so that a file
/// that was cut off within a repository is refused.
pub(super) fn written(entries: &[Entry]) -> String {
    let mut text = format!(
        "# Repositories that Hookherd connects. `hookherd apply FILE` makes it so.\n\
         # `apply --prune` also disconnects the others of the same owners.\n\
         count = {}\n",
        entries.len()
    );
    for entry in entries {
        text.push_str("\n[[repository]]\n");
        let _ = writeln!(text, "provider = {}", quoted(entry.provider.as_str()));
        if let Some(host) = &entry.host {
            let _ = writeln!(text, "host = {}", quoted(host.as_str()));
        }
        if let Some(events) = &entry.events {
            let events: Vec<String> = events.iter().map(|event| quoted(event)).collect();
            let _ = writeln!(text, "events = [{}]", events.join(", "));
        }
        if entry.is_paused {
            text.push_str("paused = true\n");
        }
        let _ = writeln!(text, "name = {}", quoted(entry.full_name.as_str()));
    }
    text
}
