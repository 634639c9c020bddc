//! Tokens, of people, of applications, and of installations.

use super::super::oauth::{Customs, Grant};
use super::{RATE_LIMIT, State};
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub(in super::super::super) struct Token {
    pub(in super::super::super) login: String,
    pub(in super::super::super) remaining: u32,
    pub(in super::super::super) expires_at_s: Option<u64>,
    /// What it may do, when it is of an application.
    pub(in super::super::super) scope: Option<String>,
    /// The installation that it stands for, and what it reaches there.
    pub(in super::super::super) installation: Option<(u64, BTreeSet<u64>)>,
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

impl State {
    pub(in super::super::super) fn add_token(&mut self, login: &str, scopes: &[&str]) -> String {
        let text = self.add_user(login);
        if let Some(token) = self.tokens.get_mut(&text) {
            token.scope = Some(scopes.join(" "));
        }
        text
    }

    /// Whether the tokens of applications expire.
    pub(in super::super::super) fn set_expiring_tokens(&mut self, do_expire: bool) {
        let customs = &mut self.desk.customs;
        *customs = LASTING;
        if do_expire {
            customs.access_prefix = "ghu_";
            customs.access_s = Some(8 * 3600);
            customs.refresh_s = Some(184 * 24 * 3600);
        }
    }

    /// A grant was given out: its token is good, and the one before no longer.
    pub(in super::super::super) fn settle(&mut self, grant: &Grant) {
        if let Some(old) = &grant.replaces {
            self.tokens.remove(old);
        }
        let mut token = Token::new(&grant.login);
        token.scope = Some(grant.scope.clone());
        token.expires_at_s = grant.expires_in_s.map(|s| self.now_s() + s);
        self.tokens.insert(grant.access.clone(), token);
    }

    /// Takes back the whole grant that a token belongs to.
    pub(in super::super::super) fn revoke_grant(&mut self, token: &str) {
        self.tokens.remove(token);
        if let Some(access) = self.desk.revoke(token) {
            self.tokens.remove(&access);
        }
    }
}
