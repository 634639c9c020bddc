//! What the rules of an owner decide about an incident, and why.

use super::fitting::{fits, patterns};
use super::quiet::QuietHours;
use super::{Look, Remind, Rule, Rulebook, Then, When};
use crate::domain::id::SinkId;
use crate::domain::incident::Severity;
use crate::domain::pattern::Pattern;
use std::time::Duration;

named! {
    /// A condition of a rule.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Condition {
        /// What it is about.
        About = "about",
        /// The repository.
        Repositories = "repositories",
        /// The connection.
        Connections = "connections",
        /// The branch.
        Branches = "branches",
        /// The workflow.
        Workflows = "workflows",
        /// The trigger.
        Triggers = "triggers",
        /// The kind of failure.
        Failures = "failures",
        /// The severity.
        Severities = "severities",
    }
}

/// A setting, and the rule that it is of, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The setting.
    pub value: T,
    /// The rule.
    pub rule: usize,
}

/// What the rules decide. What is `None` is as the defaults have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The severity.
    pub severity: Option<Setting<Severity>>,
    /// The sinks that are notified, without those that are removed.
    pub sinks: Option<Setting<Vec<SinkId>>>,
    /// What is resolved within this time is not sent.
    pub delay: Option<Setting<Duration>>,
    /// Reminders.
    pub remind: Option<Setting<Remind>>,
    /// Whether quiet hours are kept.
    pub quiet: Option<Setting<bool>>,
}

impl Decision {
    /// Whether a sink is among those that are notified.
    pub fn includes(&self, sink: SinkId) -> bool {
        let sinks = self.sinks.as_ref();
        sinks.is_none_or(|sinks| sinks.value.contains(&sink))
    }

    /// The interval of reminders.
    pub fn remind_every(&self) -> Option<Duration> {
        let remind = self.remind.as_ref()?;
        remind.value.every()
    }

    /// Whether quiet hours are kept.
    pub fn keeps_quiet(&self) -> bool {
        self.quiet.as_ref().is_none_or(|quiet| quiet.value)
    }
}

/// The conditions of a rule, ready to be applied.
#[derive(Clone, Debug)]
struct Ready {
    when: When,
    repositories: Vec<Pattern>,
    branches: Vec<Pattern>,
    workflows: Vec<Pattern>,
    triggers: Vec<Pattern>,
    then: Then,
}

impl Ready {
    fn new(rule: &Rule) -> Self {
        let when = rule.when.clone();
        Self {
            repositories: patterns(&when.repositories, Pattern::any_case),
            branches: patterns(&when.branches, Pattern::exact_case),
            workflows: patterns(&when.workflows, Pattern::any_case),
            triggers: patterns(&when.triggers, Pattern::exact_case),
            then: rule.then.clone(),
            when,
        }
    }

    /// The first condition that does not hold.
    fn mismatch(&self, look: &Look<'_>) -> Option<Condition> {
        let when = &self.when;
        let connection = |id| look.connection == Some(id);
        let holds = [
            (
                Condition::About,
                when.about.is_none_or(|it| it == look.about),
            ),
            (
                Condition::Repositories,
                fits(&when.repositories, &self.repositories, look.repository),
            ),
            (
                Condition::Connections,
                when.connections.is_empty() || when.connections.iter().copied().any(connection),
            ),
            (
                Condition::Branches,
                fits(&when.branches, &self.branches, look.branch),
            ),
            (
                Condition::Workflows,
                fits(&when.workflows, &self.workflows, look.workflow),
            ),
            (
                Condition::Triggers,
                fits(&when.triggers, &self.triggers, look.trigger),
            ),
            (
                Condition::Failures,
                when.failures.is_empty() || when.failures.iter().any(|it| it == look.failure),
            ),
            (
                Condition::Severities,
                when.severities.is_empty() || when.severities.contains(&look.severity),
            ),
        ];
        let broken = holds.into_iter().find(|(_, holds)| !holds);
        broken.map(|(condition, _)| condition)
    }
}

/// The rules of an owner, ready to be applied.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Ready>,
    quiet: Option<QuietHours>,
}

impl Rules {
    /// Of a document that was checked.
    pub fn new(book: &Rulebook) -> Self {
        Self {
            rules: book.rules.iter().map(Ready::new).collect(),
            quiet: book.quiet.clone(),
        }
    }

    /// When sinks are not disturbed.
    pub const fn quiet(&self) -> Option<&QuietHours> {
        self.quiet.as_ref()
    }

    /// The first of the settings that rules which apply have.
    fn first<T>(
        &self,
        look: &Look<'_>,
        setting: impl Fn(&Then) -> Option<T>,
    ) -> Option<Setting<T>> {
        let mut all = self.rules.iter().enumerate();
        all.find_map(|(rule, ready)| {
            let value = setting(&ready.then)?;
            let applies = ready.mismatch(look).is_none();
            applies.then_some(Setting { value, rule })
        })
    }

    /// What is looked at, with the severity that the rules decide.
    fn severe<'a>(&self, look: &Look<'a>) -> (Look<'a>, Option<Setting<Severity>>) {
        // A rule that sets it has no condition of it.
        let severity = self.first(look, |then| then.severity);
        let decided = severity.as_ref().map_or(look.severity, |it| it.value);
        let look = Look {
            severity: decided,
            ..*look
        };
        (look, severity)
    }

    /// What the rules decide. Sinks that are not present are left out.
    pub fn decide(&self, look: &Look<'_>, is_present: impl Fn(SinkId) -> bool) -> Decision {
        let (look, severity) = self.severe(look);
        let sinks = |then: &Then| {
            let named = then.sinks.as_ref()?;
            let present = named.iter().copied().filter(|sink| is_present(*sink));
            let present: Vec<SinkId> = present.collect();
            (named.is_empty() || !present.is_empty()).then_some(present)
        };
        Decision {
            severity,
            sinks: self.first(&look, sinks),
            delay: self.first(&look, |then| {
                then.delay.map(|delay| Duration::from_secs(delay.into()))
            }),
            remind: self.first(&look, |then| then.remind),
            quiet: self.first(&look, |then| then.quiet),
        }
    }

    /// For each rule, in order, the first condition that does not hold; `None` if it applies.
    pub fn mismatches(&self, look: &Look<'_>) -> Vec<Option<Condition>> {
        let (look, _) = self.severe(look);
        self.rules.iter().map(|rule| rule.mismatch(&look)).collect()
    }
}

#[cfg(test)]
mod tests;
