//! The rules for incidents.

use super::ConfigError;
use super::values::{bad, duration};
use crate::domain::rule::{Reopening, RuleError, Rules};
use crate::domain::run::Conclusion;
use serde::Deserialize;
use std::time::Duration;

/// The section as it is written.
#[derive(Deserialize)]
pub(super) struct Incidents {
    failing_conclusions: Vec<String>,
    branches: Vec<String>,
    ignored_branches: Vec<String>,
    pub(super) log_excerpts: bool,
    #[serde(deserialize_with = "duration")]
    reopen_within: Duration,
    flapping: bool,
}

/// Longest time after a pass in which a failure opens the incident before again.
const REOPEN_WITHIN_MAX: Duration = Duration::from_hours(7 * 24);

impl Incidents {
    pub(super) fn rules(&self) -> Result<Rules, ConfigError> {
        let failing = "incidents.failing_conclusions";
        // A list that lets nothing through would never open an incident.
        let lists = [
            (failing, &self.failing_conclusions),
            ("incidents.branches", &self.branches),
        ];
        if let Some((key, _)) = lists.into_iter().find(|(_, list)| list.is_empty()) {
            return Err(bad(key, "[]", "at least one, or omit the key"));
        }
        let within = self.reopen_within;
        if within.subsec_nanos() != 0 || within > REOPEN_WITHIN_MAX {
            let written = format!("{within:?}");
            let expected = "whole seconds, at most 7days; \"0s\" for never";
            return Err(bad("incidents.reopen_within", &written, expected));
        }
        let reopening = Reopening {
            within,
            when_flapping: self.flapping,
        };
        let rules = Rules::new(
            &self.failing_conclusions,
            &self.branches,
            &self.ignored_branches,
        );
        let rules = rules.map(|rules| rules.reopens(reopening));
        rules.map_err(|error| match error {
            RuleError::UnknownConclusion(name) => {
                let all = Conclusion::ALL.map(Conclusion::as_str).join(", ");
                bad(failing, &name, &format!("some of {all}; not success"))
            }
            RuleError::SuccessFails => bad(failing, "success", "conclusions other than success"),
            RuleError::BadPattern(pattern) => {
                let is_ignored = self.ignored_branches.contains(&pattern);
                let name = if is_ignored {
                    "ignored_branches"
                } else {
                    "branches"
                };
                let expected = "globs, such as \"main\" or \"release/*\"";
                bad(&format!("incidents.{name}"), &pattern, expected)
            }
        })
    }
}
