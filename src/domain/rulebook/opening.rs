//! Which ends of runs open incidents, where an owner wants it otherwise than the operator has it.

use super::fitting::{fits, patterns};
use crate::domain::id::ConnectionId;
use crate::domain::pattern::Pattern;
use crate::domain::rule::{Rules, Verdict};
use crate::domain::run::{Conclusion, RunFacts};

/// Most of these rules of an owner.
pub const OPENING_MAX: usize = 100;

/// A rule about the runs of some connections. What is not given is as the operator has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Patterns of repositories, in any case.
    pub repositories: Vec<String>,
    /// Connections.
    pub connections: Vec<ConnectionId>,
    /// The conclusions that count as failures; none of them opens an incident if the list is empty.
    pub conclusions: Option<Vec<Conclusion>>,
    /// Patterns of branches that count.
    pub branches: Option<Vec<String>>,
    /// Patterns of branches that do not count even so.
    pub ignored_branches: Option<Vec<String>>,
    /// Patterns of names of workflows that count, in any case; all if there are none.
    pub workflows: Vec<String>,
    /// Patterns of triggers that count; all if there are none.
    pub triggers: Vec<String>,
}

/// A rule that is ready to be applied.
#[derive(Clone, Debug)]
pub struct Opens {
    rule: Opening,
    branches: Vec<Pattern>,
    ignored_branches: Vec<Pattern>,
    workflows: Vec<Pattern>,
    triggers: Vec<Pattern>,
}

fn of_branches(texts: Option<&Vec<String>>) -> Vec<Pattern> {
    patterns(texts.map_or(&[], Vec::as_slice), Pattern::exact_case)
}

impl Opens {
    /// Of a rule that was checked.
    pub fn new(rule: &Opening) -> Self {
        Self {
            branches: of_branches(rule.branches.as_ref()),
            ignored_branches: of_branches(rule.ignored_branches.as_ref()),
            workflows: patterns(&rule.workflows, Pattern::any_case),
            triggers: patterns(&rule.triggers, Pattern::exact_case),
            rule: rule.clone(),
        }
    }

    /// Whether runs on a branch count. One without a branch counts as on a branch named `""`.
    fn counts(&self, rules: &Rules, branch: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits(branch));
        let is_chosen = match &self.rule.branches {
            Some(_) => any(&self.branches),
            None => rules.chooses(branch),
        };
        let is_ignored = match &self.rule.ignored_branches {
            Some(_) => any(&self.ignored_branches),
            None => rules.ignores(branch),
        };
        is_chosen && !is_ignored
    }

    /// The meaning of the end of a run; see [`Rules::verdict`]. `rules` are the operator's.
    pub fn verdict(
        &self,
        rules: &Rules,
        conclusion: Conclusion,
        facts: &RunFacts,
    ) -> Option<Verdict> {
        let is_meant = self.counts(rules, facts.own_branch().unwrap_or(""))
            && fits(
                &self.rule.workflows,
                &self.workflows,
                Some(&facts.workflow_name),
            )
            && fits(&self.rule.triggers, &self.triggers, Some(&facts.trigger));
        if !is_meant {
            return None;
        }
        let has_failed = match &self.rule.conclusions {
            Some(conclusions) => conclusions.contains(&conclusion),
            None => rules.is_failing(conclusion),
        };
        if has_failed {
            Some(Verdict::Failed)
        } else {
            (conclusion == Conclusion::Success).then_some(Verdict::Passed)
        }
    }
}

#[cfg(test)]
mod tests;
