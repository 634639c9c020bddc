//! The rules for incidents: which ends of runs, on which branches, open and resolve them.

use super::run::Conclusion;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::BTreeSet;
use std::time::Duration;

/// The meaning of an ended attempt for incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Opens an incident, or counts in the open one.
    Failed,
    /// Resolves earlier failures.
    Passed,
}

impl Verdict {
    /// The meaning of a conclusion where nothing else is configured; `None` when it decides
    /// nothing.
    pub fn by_default(conclusion: Conclusion) -> Option<Self> {
        Self::of(conclusion, Rules::FAILING_DEFAULT.contains(&conclusion))
    }

    fn of(conclusion: Conclusion, is_failing: bool) -> Option<Self> {
        if is_failing {
            Some(Self::Failed)
        } else if conclusion == Conclusion::Success {
            Some(Self::Passed)
        } else {
            None
        }
    }
}

/// When a failure after a pass belongs to the incident before that pass: the rule that was in force
/// when the failure was reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reopening {
    /// It failed within this time after the pass, by the provider's clock. Whole seconds.
    pub within: Duration,
    /// The track flaps. Without this, flapping is of no account.
    pub when_flapping: bool,
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a conclusion's name.
    #[error("unknown conclusion {0:?}")]
    UnknownConclusion(String),
    /// `success` cannot open incidents.
    #[error("the conclusion \"success\" cannot count as failing")]
    SuccessFails,
    /// Not a glob pattern.
    #[error("bad branch pattern {0:?}")]
    BadPattern(String),
}

/// Which conclusions and branches count. Made once from the configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    reopening: Reopening,
    failing: BTreeSet<Conclusion>,
    branches: GlobSet,
    ignored_branches: GlobSet,
}

fn globs(patterns: &[String]) -> Result<GlobSet, RuleError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|_| RuleError::BadPattern(pattern.clone()))?);
    }
    set.build()
        .map_err(|_| RuleError::BadPattern(patterns.join(", ")))
}

impl Rules {
    /// The conclusions that count as failures when nothing else is configured.
    pub const FAILING_DEFAULT: [Conclusion; 3] = [
        Conclusion::Failure,
        Conclusion::TimedOut,
        Conclusion::StartupFailure,
    ];

    /// Rules from names of conclusions and glob patterns of branches (`*` matches slashes too).
    pub fn new(
        failing: &[String],
        branches: &[String],
        ignored_branches: &[String],
    ) -> Result<Self, RuleError> {
        let mut set = BTreeSet::new();
        for name in failing {
            let conclusion = Conclusion::from_name(name)
                .ok_or_else(|| RuleError::UnknownConclusion(name.clone()))?;
            if conclusion == Conclusion::Success {
                return Err(RuleError::SuccessFails);
            }
            set.insert(conclusion);
        }
        let branches = globs(branches)?;
        Ok(Self {
            reopening: Reopening::default(),
            failing: set,
            branches,
            ignored_branches: globs(ignored_branches)?,
        })
    }

    /// The same with this rule for failures after a pass. Without, each begins an incident.
    #[must_use]
    pub fn reopens(self, reopening: Reopening) -> Self {
        Self { reopening, ..self }
    }

    /// When a failure after a pass belongs to the incident before it.
    pub const fn reopening(&self) -> Reopening {
        self.reopening
    }

    /// Whether a branch is among those that count.
    pub fn chooses(&self, branch: &str) -> bool {
        self.branches.is_match(branch)
    }

    /// Whether a branch is among those that do not count even so.
    pub fn ignores(&self, branch: &str) -> bool {
        self.ignored_branches.is_match(branch)
    }

    /// Whether a conclusion counts as a failure.
    pub fn is_failing(&self, conclusion: Conclusion) -> bool {
        self.failing.contains(&conclusion)
    }

    /// The meaning of `conclusion` on `branch`; `None` when it has none for incidents. A run
    /// without a branch counts as one on a branch named `""`.
    pub fn verdict(&self, conclusion: Conclusion, branch: Option<&str>) -> Option<Verdict> {
        let branch = branch.unwrap_or("");
        if !self.chooses(branch) || self.ignores(branch) {
            return None;
        }
        Verdict::of(conclusion, self.is_failing(conclusion))
    }
}

impl Default for Rules {
    fn default() -> Self {
        let names: Vec<String> = Self::FAILING_DEFAULT
            .iter()
            .map(|c| c.as_str().to_owned())
            .collect();
        Self::new(&names, &["*".to_owned()], &[]).expect("the defaults are valid rules")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_count_real_failures_on_every_branch() {
        let rules = Rules::default();
        for conclusion in Conclusion::ALL {
            let expected = match conclusion {
                Conclusion::Failure | Conclusion::TimedOut | Conclusion::StartupFailure => {
                    Some(Verdict::Failed)
                }
                Conclusion::Success => Some(Verdict::Passed),
                Conclusion::ActionRequired
                | Conclusion::Neutral
                | Conclusion::Cancelled
                | Conclusion::Skipped
                | Conclusion::Stale
                | Conclusion::Unknown => None,
            };
            assert_eq!(Verdict::by_default(conclusion), expected, "{conclusion:?}");
            for branch in [Some("main"), Some("feature/x"), None] {
                assert_eq!(
                    rules.verdict(conclusion, branch),
                    expected,
                    "{conclusion:?} {branch:?}"
                );
            }
        }
    }

    #[test]
    fn branches_can_be_chosen_and_left_out() {
        let rules = Rules::new(
            &["failure".into(), "action_required".into()],
            &["main".into(), "release/*".into()],
            &["release/old*".into()],
        )
        .unwrap();
        let failed = |branch| rules.verdict(Conclusion::Failure, Some(branch));
        assert_eq!(failed("main"), Some(Verdict::Failed));
        assert_eq!(failed("release/2"), Some(Verdict::Failed));
        assert_eq!(failed("release/old-1"), None);
        assert_eq!(failed("topic"), None);
        assert_eq!(rules.verdict(Conclusion::TimedOut, Some("main")), None);
        let waits = rules.verdict(Conclusion::ActionRequired, Some("main"));
        assert_eq!(waits, Some(Verdict::Failed));
    }

    #[test]
    fn bad_rules_are_refused_with_a_reason() {
        let new =
            |failing: &str, branch: &str| Rules::new(&[failing.into()], &[branch.into()], &[]);
        assert_eq!(
            new("failed", "*").unwrap_err(),
            RuleError::UnknownConclusion("failed".into())
        );
        assert_eq!(new("success", "*").unwrap_err(), RuleError::SuccessFails);
        assert_eq!(
            new("failure", "[").unwrap_err(),
            RuleError::BadPattern("[".into())
        );
    }
}
