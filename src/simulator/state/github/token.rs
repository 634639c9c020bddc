//! Tokens, of people, of applications, and of installations.

use crate::simulator::state::oauth::Customs;
use std::collections::BTreeSet;

/// Calls of an hour.
pub(crate) const RATE_LIMIT: u32 = 5000;
/// An hour.
pub(crate) const RATE_WINDOW_S: u64 = 3600;

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) login: String,
    /// Calls that are left of this hour.
    pub(crate) remaining: u32,
    /// When the hour ends; it begins with a call.
    pub(crate) resets_at_s: u64,
    pub(crate) expires_at_s: Option<u64>,
    /// Whether a person has made it, and set its end.
    pub(crate) is_personal: bool,
    /// What it may do, when it is of an application.
    pub(crate) scope: Option<String>,
    /// The installation that it stands for, and what it reaches there.
    pub(crate) installation: Option<(u64, BTreeSet<u64>)>,
}

impl Token {
    pub(super) fn new(login: &str) -> Self {
        Self {
            login: login.to_owned(),
            remaining: RATE_LIMIT,
            resets_at_s: 0,
            expires_at_s: None,
            is_personal: false,
            scope: None,
            installation: None,
        }
    }

    /// Counts a call. Whether it is within the limit.
    pub(crate) fn spend(&mut self, now_s: u64) -> bool {
        if now_s >= self.resets_at_s {
            (self.remaining, self.resets_at_s) = (RATE_LIMIT, now_s + RATE_WINDOW_S);
        }
        self.remaining = self.remaining.saturating_sub(1);
        self.remaining > 0
    }
}

/// How signing in works where tokens do not expire.
pub(super) const LASTING: Customs = Customs {
    access_prefix: "gho_",
    refresh_prefix: "ghr_",
    access_s: None,
    refresh_s: None,
    device_s: 900,
    interval_s: 5,
    is_redirect_exact: false,
};
