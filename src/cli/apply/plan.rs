//! What has to be done so that it is as a file says. Pure.

use super::file::{Entry, Scope, Wanted};
use crate::cli::failed::Failed;
use crate::domain::repo::{FullName, Host, ProviderKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A connection, as far as a file is about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connected {
    pub(super) id: String,
    pub(super) provider: ProviderKind,
    pub(super) host: Host,
    pub(super) full_name: FullName,
    /// Sorted.
    pub(super) events: Vec<String>,
    pub(super) is_enabled: bool,
}

impl Connected {
    /// Of the API's answer; `None` when that has another form.
    pub(super) fn of(connection: &Value) -> Option<Self> {
        let text = |name: &str| connection[name].as_str();
        let events = connection["webhook_events"].as_array()?.iter();
        let events: Option<Vec<String>> = events.map(|e| e.as_str().map(str::to_owned)).collect();
        let mut events = events?;
        events.sort_unstable();
        Some(Self {
            id: text("id")?.to_owned(),
            provider: text("provider")?.parse().ok()?,
            host: text("host")?.parse().ok()?,
            full_name: text("repository_full_name")?.parse().ok()?,
            events,
            is_enabled: connection["is_enabled"].as_bool()?,
        })
    }

    /// What a file says of it.
    pub(super) fn entry(self) -> Entry {
        Entry {
            provider: self.provider,
            host: Some(self.host),
            full_name: self.full_name,
            events: Some(self.events),
            is_paused: !self.is_enabled,
            replaces: None,
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect(Entry),
    SetEvents(Connected, Vec<String>),
    Resume(Connected),
    Pause(Connected),
    Disconnect(Connected),
}

impl Step {
    const fn word(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::SetEvents(..) => "set_events",
            Self::Resume(_) => "resume",
            Self::Pause(_) => "pause",
            Self::Disconnect(_) => "disconnect",
        }
    }

    /// What is done first: nothing is disconnected before everything else was tried.
    const fn turn(&self) -> u8 {
        match self {
            Self::Connect(_) => 0,
            Self::SetEvents(..) => 1,
            Self::Resume(_) => 2,
            Self::Pause(_) => 3,
            Self::Disconnect(_) => 4,
        }
    }

    fn place(&self) -> (&FullName, ProviderKind, Option<&Host>) {
        match self {
            Self::Connect(entry) => (&entry.full_name, entry.provider, entry.host.as_ref()),
            Self::SetEvents(c, _) | Self::Resume(c) | Self::Pause(c) | Self::Disconnect(c) => {
                (&c.full_name, c.provider, Some(&c.host))
            }
        }
    }

    /// As it is listed.
    pub(super) fn to_json(&self) -> Value {
        let (full_name, provider, host) = self.place();
        let none: &[String] = &[];
        let (before, after) = match self {
            Self::Connect(entry) => (none, entry.events.as_deref().unwrap_or(none)),
            Self::SetEvents(connected, events) => (&connected.events[..], &events[..]),
            Self::Resume(_) | Self::Pause(_) | Self::Disconnect(_) => (none, none),
        };
        let without = |events: &[String], others: &[String]| -> Vec<String> {
            let left = events.iter().filter(|event| !others.contains(event));
            left.cloned().collect()
        };
        json!({
            "repository_full_name": full_name.as_str(),
            "provider": provider.as_str(),
            "host": host.map(Host::as_str),
            "step": self.word(),
            "added_events": without(after, before),
            "removed_events": without(before, after),
            "replaces_existing": matches!(self, Self::Connect(entry) if entry.replaces.is_some()),
        })
    }
}

/// What has to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// In the order in which it is done.
    pub(super) steps: Vec<Step>,
    /// Repositories of the file that are as it says.
    pub(super) unchanged: usize,
    /// Those that are connected already, so that no webhook is replaced, though the file says so.
    pub(super) not_replaced: usize,
}

fn bad(words: String) -> Failed {
    Failed::new(words).coded("bad_file")
}

/// What has to be done to the connections that there are. `prunes` disconnects those of the file's
/// owners that the file does not name.
pub(super) fn plan(wanted: &Wanted, connected: &[Connected], prunes: bool) -> Result<Plan, Failed> {
    let mut by_name: BTreeMap<(ProviderKind, String), Vec<&Connected>> = BTreeMap::new();
    for one in connected {
        let key = (one.provider, one.full_name.folded());
        by_name.entry(key).or_default().push(one);
    }
    let (mut plan, mut named) = (Plan::default(), BTreeSet::new());
    for entry in &wanted.entries {
        let key = (entry.provider, entry.full_name.folded());
        let fits = |c: &&&Connected| entry.host.as_ref().is_none_or(|host| *host == c.host);
        let found = by_name.get(&key).into_iter().flatten().filter(fits);
        match found.collect::<Vec<_>>()[..] {
            [] => plan.steps.push(Step::Connect(entry.clone())),
            [one] if named.insert(&one.id) => compare(entry, one, &mut plan),
            [_] => {
                let words = format!("{} is named twice, once without its host", entry.full_name);
                return Err(bad(words));
            }
            _ => {
                let words = format!(
                    "{} is connected at several hosts: name one",
                    entry.full_name
                );
                return Err(bad(words));
            }
        }
    }
    if prunes {
        check_hosts(&wanted.scopes, connected)?;
        let is_covered = |c: &&Connected| wanted.scopes.iter().any(|scope| covers(scope, c));
        let others = connected.iter().filter(|c| !named.contains(&c.id));
        let steps = others.filter(is_covered).cloned().map(Step::Disconnect);
        plan.steps.extend(steps);
    }
    plan.steps.sort_by_key(Step::turn);
    Ok(plan)
}

fn compare(entry: &Entry, connected: &Connected, plan: &mut Plan) {
    let before = plan.steps.len();
    if let Some(events) = entry
        .events
        .as_ref()
        .filter(|events| **events != connected.events)
    {
        plan.steps
            .push(Step::SetEvents(connected.clone(), events.clone()));
    }
    match (connected.is_enabled, entry.is_paused) {
        (true, true) => plan.steps.push(Step::Pause(connected.clone())),
        (false, false) => plan.steps.push(Step::Resume(connected.clone())),
        (true, false) | (false, true) => {}
    }
    plan.unchanged += usize::from(plan.steps.len() == before);
    plan.not_replaced += usize::from(entry.replaces.is_some());
}

fn covers(scope: &Scope, c: &Connected) -> bool {
    scope.provider == c.provider
        && scope.host.as_ref().is_none_or(|host| *host == c.host)
        && scope.owner.eq_ignore_ascii_case(c.full_name.owner())
}

/// A file that names no host is for the default one, which is unknown here: it must not reach
/// connections at another.
fn check_hosts(scopes: &[Scope], connected: &[Connected]) -> Result<(), Failed> {
    for scope in scopes.iter().filter(|scope| scope.host.is_none()) {
        let of = connected.iter().filter(|c| c.provider == scope.provider);
        let hosts: BTreeSet<&Host> = of.map(|c| &c.host).collect();
        if hosts.len() > 1 {
            let provider = scope.provider.name();
            let words = format!(
                "to prune, name the host of each {provider} repository: there are several hosts"
            );
            return Err(bad(words));
        }
    }
    Ok(())
}
