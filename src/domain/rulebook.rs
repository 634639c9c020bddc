//! The rules of an owner: who is notified of an incident, how soon, how often, and how severe it
//! counts.
//!
//! Conditions and settings are plain data here. [`decide`] applies them, and [`check`] says what
//! will not do. See ADR 35.

pub mod check;
pub mod decide;
mod fitting;
pub mod opening;
pub mod quiet;

use super::id::{ConnectionId, OwnerId, SinkId};
use super::incident::{Incident, IncidentSource, Severity};
use super::pattern::Pattern;
use super::repo::FullName;
use super::time::Timestamp;
use fitting::{fits, patterns};
use opening::Opening;
use quiet::QuietHours;
use std::time::Duration;

/// Most rules of an owner.
pub const RULES_MAX: usize = 100;
/// Most entries of a list in a rule.
pub const ENTRIES_MAX: usize = 50;
/// Most patterns in all rules of an owner.
pub const PATTERNS_MAX: usize = 500;
/// Longest name of a rule, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest delay: as long as a sink may ask us to wait.
pub const DELAY_MAX: Duration = Duration::from_hours(24);
/// The interval of reminders, when none is given.
pub const REMIND_DEFAULT: Duration = Duration::from_hours(4);
/// Shortest interval of reminders.
pub const REMIND_MIN: Duration = Duration::from_mins(5);
/// Longest interval of reminders.
pub const REMIND_MAX: Duration = Duration::from_hours(7 * 24);

named! {
    /// What an incident is about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum About {
        /// Failing CI.
        Ci = "ci",
        /// A webhook, a credential or a provider.
        Health = "health",
    }
}

/// The conditions of a rule. All that are given must hold; without any, it applies to everything.
/// Of a list, one entry has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// What it is about.
    pub about: Option<About>,
    /// Patterns of repositories, in any case.
    pub repositories: Vec<String>,
    /// Connections.
    pub connections: Vec<ConnectionId>,
    /// Patterns of branches and tags of the repository itself: those of forks do not fit.
    pub branches: Vec<String>,
    /// Patterns of names of workflows, in any case.
    pub workflows: Vec<String>,
    /// Patterns of triggers, such as `schedule`.
    pub triggers: Vec<String>,
    /// Kinds of failures: conclusions, and those that our own checks report.
    pub failures: Vec<String>,
    /// Severities.
    pub severities: Vec<Severity>,
}

/// Whether sinks are reminded of an incident that no user has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remind {
    /// They are not.
    Never,
    /// At this interval, in seconds.
    Every(u32),
}

impl Remind {
    /// The interval.
    pub fn every(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Every(seconds) => Some(Duration::from_secs(seconds.into())),
        }
    }
}

/// The settings of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Then {
    /// The severity.
    pub severity: Option<Severity>,
    /// The sinks that are notified; none if the list is empty.
    pub sinks: Option<Vec<SinkId>>,
    /// What is resolved within this time is not sent, in seconds.
    pub delay: Option<u32>,
    /// Reminders.
    pub remind: Option<Remind>,
    /// Whether quiet hours are kept.
    pub quiet: Option<bool>,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for people; may be empty.
    pub name: String,
    /// Its conditions.
    pub when: When,
    /// Its settings.
    pub then: Then,
}

/// The rules of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rulebook {
    /// The owner.
    pub owner: OwnerId,
    /// Which one it is: the first is 1.
    pub version: u64,
    /// When it was stored.
    pub changed_at: Timestamp,
    /// When sinks are not disturbed.
    pub quiet: Option<QuietHours>,
    /// The rules, in order.
    pub rules: Vec<Rule>,
    /// Which ends of runs open incidents: of each connection, the first that is about it.
    pub opening: Vec<Opening>,
}

impl Rulebook {
    /// The first rule about the runs of a connection, and its place.
    pub fn opening_of(
        &self,
        connection: ConnectionId,
        repository: &FullName,
    ) -> Option<(usize, &Opening)> {
        let mut all = self.opening.iter().enumerate();
        all.find(|(_, rule)| {
            let is_named = rule.connections.is_empty() || rule.connections.contains(&connection);
            is_named
                && fits(
                    &rule.repositories,
                    &patterns(&rule.repositories, Pattern::any_case),
                    Some(repository.as_str()),
                )
        })
    }
}

/// What conditions look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look<'a> {
    /// What it is about.
    pub about: About,
    /// The repository.
    pub repository: Option<&'a str>,
    /// The connection.
    pub connection: Option<ConnectionId>,
    /// The branch or tag, of the repository itself.
    pub branch: Option<&'a str>,
    /// The name of the workflow.
    pub workflow: Option<&'a str>,
    /// The trigger.
    pub trigger: Option<&'a str>,
    /// The kind of failure.
    pub failure: &'a str,
    /// The severity.
    pub severity: Severity,
}

impl Incident {
    /// What conditions look at.
    pub fn look(&self) -> Look<'_> {
        let ci = self.ci.as_ref();
        let about = match self.source {
            IncidentSource::Health => About::Health,
            IncidentSource::Webhook | IncidentSource::Reconcile => About::Ci,
        };
        Look {
            about,
            repository: self.repository.as_ref().map(FullName::as_str),
            connection: self.subject.connection(),
            branch: ci
                .filter(|ci| ci.head.is_none())
                .and_then(|ci| ci.branch.as_deref()),
            workflow: ci.map(|ci| ci.workflow_name.as_str()),
            trigger: ci.map(|ci| ci.trigger.as_str()),
            failure: &self.failure_type,
            severity: self.severity,
        }
    }
}
