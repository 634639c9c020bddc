//! Tokens, of people, of applications, and of installations.

use crate::simulator::state::oauth::Customs;
use std::collections::BTreeSet;

/// Calls of an hour.
pub(crate) const RATE_LIMIT: u32 = 5000;

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) login: String,
    pub(crate) remaining: u32,
    pub(crate) expires_at_s: Option<u64>,
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
            expires_at_s: None,
            scope: None,
            installation: None,
        }
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
