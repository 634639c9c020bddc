//! A report of a time: what broke, how long it was red, what is flaky, what took longest to
//! resolve, and which hooks needed repair.
//!
//! A [`Reporter`] is shown incidents and histories, in any order. It needs memory for the workflows
//! and hooks that it is shown, and shows the first [`LINES_MAX`] of each list.

use super::history::{EntryKind, History};
use super::id::{ConnectionId, IncidentId};
use super::incident::{CiFailure, Incident, Resolution};
use super::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most lines of each list.
pub const LINES_MAX: usize = 20;

/// What broke: a workflow on a branch; for an incident that is not about CI, its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Culprit {
    /// The repository; `None` for a credential, and for a provider.
    pub repository: Option<String>,
    /// The workflow's name, or else the kind of failure.
    pub what: String,
    /// The branch, for CI; one of another repository with the name of that.
    pub branch: Option<String>,
}

impl Culprit {
    fn of(incident: &Incident) -> Self {
        let ci = incident.ci.as_ref();
        let name = incident.repository.as_ref();
        Self {
            repository: name.map(|name| name.as_str().to_owned()),
            what: ci
                .map_or(&incident.failure_type, |ci| &ci.workflow_name)
                .clone(),
            branch: ci.and_then(CiFailure::shown_branch),
        }
    }
}

/// How often and how long something was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What.
    pub culprit: Culprit,
    /// Incidents that were open at some time of the report.
    pub incidents: u32,
    /// Those that a pass of the commit that had failed resolved.
    pub flaky: u32,
    /// Those that are not resolved at the end of the report.
    pub unresolved: u32,
    /// How long they were open within the report, in all: from the first failure to the end.
    pub red: Duration,
}

/// An incident that was resolved in the time of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    /// The incident.
    pub incident: IncidentId,
    /// What was broken.
    pub culprit: Culprit,
    /// From the first failure to the end, also before the report.
    pub took: Duration,
}

/// A hook that was repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The connection.
    pub connection: ConnectionId,
    /// Its repository.
    pub repository: String,
    /// How often settings were written again, or the hook was created again.
    pub repairs: u32,
    /// When this was done last.
    pub last_at: Timestamp,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its beginning.
    pub since: Timestamp,
    /// Its end: what happens at this moment is not in it.
    pub until: Timestamp,
    /// Incidents that began in it.
    pub opened: u32,
    /// Incidents that were resolved in it.
    pub resolved: u32,
    /// Incidents that are open at its end.
    pub unresolved: u32,
    /// Of those that were resolved, the flaky ones.
    pub flaky: u32,
    /// The time from the first failure to the end that half of the resolved ones did not exceed.
    pub median: Option<Duration>,
    /// What was broken, the longest first.
    pub broken: Vec<Broken>,
    /// What was flaky, the most frequent first.
    pub flaking: Vec<Broken>,
    /// What took longest to resolve, the longest first, without flaky ones.
    pub slowest: Vec<Slow>,
    /// Hooks that needed repair, the most frequent first.
    pub repaired: Vec<Repaired>,
}

impl Report {
    /// Whether nothing has happened in its time, and nothing is open.
    pub const fn is_empty(&self) -> bool {
        self.opened == 0 && self.resolved == 0 && self.unresolved == 0 && self.repaired.is_empty()
    }
}

/// Collects a report.
#[derive(Debug)]
pub struct Reporter {
    since: Timestamp,
    until: Timestamp,
    opened: u32,
    broken: BTreeMap<Culprit, Broken>,
    /// The times of all that were resolved.
    times: Vec<Duration>,
    slow: Vec<Slow>,
    flaky: u32,
    repaired: Vec<Repaired>,
}

impl Reporter {
    /// Of the time from `since` until `until`.
    pub const fn new(since: Timestamp, until: Timestamp) -> Self {
        Self {
            since,
            until,
            opened: 0,
            broken: BTreeMap::new(),
            times: Vec::new(),
            slow: Vec::new(),
            flaky: 0,
            repaired: Vec::new(),
        }
    }

    fn includes(&self, at: Timestamp) -> bool {
        self.since <= at && at < self.until
    }

    /// Looks at an incident. One that belongs to another has its failures counted there.
    pub fn take(&mut self, incident: &Incident) {
        let (begun, ended) = (incident.first_seen_at, incident.resolved_at);
        let is_joined = incident.resolution == Some(Resolution::Joined);
        let is_over = ended.is_some_and(|ended| ended < self.since);
        if is_joined || is_over || begun >= self.until {
            return;
        }
        let is_resolved = ended.is_some_and(|ended| ended < self.until);
        let is_flaky = is_resolved && incident.is_flaky;
        let culprit = Culprit::of(incident);
        self.opened += u32::from(self.includes(begun));
        self.flaky += u32::from(is_flaky);
        let last = ended.unwrap_or(self.until).min(self.until);
        let broken = self.broken.entry(culprit.clone());
        let broken = broken.or_insert_with(|| Broken {
            culprit: culprit.clone(),
            incidents: 0,
            flaky: 0,
            unresolved: 0,
            red: Duration::ZERO,
        });
        broken.incidents += 1;
        broken.flaky += u32::from(is_flaky);
        broken.unresolved += u32::from(!is_resolved);
        broken.red = broken.red.saturating_add(last.since(begun.max(self.since)));
        let Some(ended) = ended.filter(|_| is_resolved) else {
            return;
        };
        let took = ended.since(begun);
        self.times.push(took);
        if !is_flaky {
            self.slow.push(Slow {
                incident: incident.id,
                culprit,
                took,
            });
            if self.slow.len() > LINES_MAX * 2 {
                first(&mut self.slow, LINES_MAX, |it| it.took);
            }
        }
    }

    /// Looks at the history of a connection.
    pub fn take_history(&mut self, connection: ConnectionId, repository: &str, of: &History) {
        let is_repair = |kind| matches!(kind, EntryKind::Repaired | EntryKind::Recreated);
        let repairs = of.entries.iter().filter(|entry| is_repair(entry.kind));
        // Repeated ones are one entry, with the time of the last.
        let within: Vec<_> = repairs.filter(|it| self.includes(it.last_at)).collect();
        if let Some(last_at) = within.iter().map(|it| it.last_at).max() {
            self.repaired.push(Repaired {
                connection,
                repository: repository.to_owned(),
                repairs: within
                    .iter()
                    .fold(0, |sum: u32, it| sum.saturating_add(it.times)),
                last_at,
            });
        }
    }

    /// The report.
    pub fn finish(mut self) -> Report {
        self.times.sort_unstable();
        let middle = self.times.len().saturating_sub(1) / 2;
        let broken: Vec<Broken> = self.broken.into_values().collect();
        let mut flaking: Vec<Broken> = broken.iter().filter(|it| it.flaky > 0).cloned().collect();
        let unresolved = broken.iter().map(|it| it.unresolved).sum();
        let mut report = Report {
            since: self.since,
            until: self.until,
            opened: self.opened,
            resolved: u32::try_from(self.times.len()).unwrap_or(u32::MAX),
            unresolved,
            flaky: self.flaky,
            median: self.times.get(middle).copied(),
            broken,
            flaking: Vec::new(),
            slowest: self.slow,
            repaired: self.repaired,
        };
        first(&mut report.broken, LINES_MAX, |it| (it.red, it.incidents));
        first(&mut flaking, LINES_MAX, |it| (it.flaky, it.red));
        report.flaking = flaking;
        first(&mut report.slowest, LINES_MAX, |it| it.took);
        first(&mut report.repaired, LINES_MAX, |it| {
            (it.repairs, it.last_at)
        });
        report
    }
}

/// Leaves this many, the greatest first. Equal ones stay in their order.
fn first<T, K: Ord>(all: &mut Vec<T>, most: usize, key: impl Fn(&T) -> K) {
    all.sort_by_key(|it| std::cmp::Reverse(key(it)));
    all.truncate(most);
}

#[cfg(test)]
mod tests;
