//! A hook of a project, and when it is switched off.

use super::event::EVENTS;
use std::collections::BTreeMap;

/// Failures in a row from which on a hook is switched off for a while.
const FAILURES_UNTIL_PAUSE: u32 = 4;
/// Failures in a row after which it stays off.
const FAILURES_UNTIL_END: u32 = 40;
/// The first pause; each further one is twice as long.
const PAUSE_FIRST_S: u64 = 60;
/// The longest pause.
const PAUSE_MAX_S: u64 = 24 * 3600;

/// Whether a hook is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alert {
    Executable,
    TemporarilyDisabled,
    Disabled,
}

impl Alert {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::TemporarilyDisabled => "temporarily_disabled",
            Self::Disabled => "disabled",
        }
    }
}

/// A hook as GitLab keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) id: u64,
    pub(crate) url: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) signing_token: Option<String>,
    pub(crate) flags: BTreeMap<&'static str, bool>,
    pub(crate) verifies_tls: bool,
    pub(crate) branch_filter: Option<String>,
    pub(crate) branch_filter_strategy: String,
    pub(crate) template: Option<String>,
    pub(crate) custom_headers: BTreeMap<String, String>,
    pub(crate) created_at_s: u64,
    pub(crate) failures: u32,
    pub(crate) disabled_until_s: Option<u64>,
}

impl Hook {
    /// As it is when nothing is said: pushes are wanted, and certificates are looked at.
    pub(crate) fn new(url: String) -> Self {
        let flags = EVENTS.iter().map(|event| (event.flag, false));
        let mut flags: BTreeMap<&'static str, bool> = flags.collect();
        flags.insert("push_events", true);
        Self {
            id: 0,
            url,
            name: None,
            description: None,
            token: None,
            signing_token: None,
            flags,
            verifies_tls: true,
            branch_filter: None,
            branch_filter_strategy: "wildcard".into(),
            template: None,
            custom_headers: BTreeMap::new(),
            created_at_s: 0,
            failures: 0,
            disabled_until_s: None,
        }
    }

    /// Whether it is fed now, where failing hooks are switched off.
    pub(crate) fn alert(&self, now_s: u64) -> Alert {
        if self.failures >= FAILURES_UNTIL_END {
            Alert::Disabled
        } else if self.disabled_until_s.is_some_and(|until| until >= now_s) {
            Alert::TemporarilyDisabled
        } else {
            Alert::Executable
        }
    }

    /// An answer came that counts as good.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.disabled_until_s = None;
    }

    /// None came, or a bad one. What fails while the hook is off does not count.
    pub(super) fn failed(&mut self, now_s: u64) {
        if self.alert(now_s) != Alert::Executable {
            return;
        }
        self.failures += 1;
        if self.failures >= FAILURES_UNTIL_PAUSE {
            let doubled = self.failures - FAILURES_UNTIL_PAUSE;
            let pause = PAUSE_FIRST_S.saturating_mul(1 << doubled.min(32));
            self.disabled_until_s = Some(now_s + pause.min(PAUSE_MAX_S));
        }
    }

    /// Whether a push to this branch is wanted. Wildcards are stars.
    pub(crate) fn wants_branch(&self, branch: &str) -> bool {
        let filter = self.branch_filter.as_deref().filter(|f| !f.is_empty());
        let (Some(filter), "wildcard") = (filter, self.branch_filter_strategy.as_str()) else {
            return true;
        };
        let glob = globset::Glob::new(filter);
        glob.is_ok_and(|glob| glob.compile_matcher().is_match(branch))
    }
}
