//! What lets callers in: tokens, grants and installations, given and taken.

use super::State;
use super::app::{App, Installation};
use super::token::{LASTING, Token};
use crate::simulator::state::oauth::Grant;
use std::collections::BTreeSet;

/// How long the token of an installation is good for, in seconds.
const TOKEN_S: u64 = 3600;

impl State {
    pub(crate) fn add_token(&mut self, login: &str, scopes: &[&str]) -> String {
        let text = self.add_user(login);
        if let Some(token) = self.tokens.get_mut(&text) {
            token.scope = Some(scopes.join(" "));
        }
        text
    }

    /// Whether the tokens of applications expire.
    pub(crate) fn set_expiring_tokens(&mut self, do_expire: bool) {
        let customs = &mut self.desk.customs;
        *customs = LASTING;
        if do_expire {
            customs.access_prefix = "ghu_";
            customs.access_s = Some(8 * 3600);
            customs.refresh_s = Some(184 * 24 * 3600);
        }
    }

    /// A grant was given out: its token is good, and the one before no longer.
    pub(crate) fn settle(&mut self, grant: &Grant) {
        if let Some(old) = &grant.replaces {
            self.tokens.remove(old);
        }
        let mut token = Token::new(&grant.login);
        token.scope = Some(grant.scope.clone());
        token.expires_at_s = grant.expires_in_s.map(|s| self.now_s() + s);
        self.tokens.insert(grant.access.clone(), token);
    }

    /// Takes back the whole grant that a token belongs to.
    pub(crate) fn revoke_grant(&mut self, token: &str) {
        self.tokens.remove(token);
        if let Some(access) = self.desk.revoke(token) {
            self.tokens.remove(&access);
        }
    }

    /// Registers an App. Whether its key is one.
    pub(crate) fn add_app(&mut self, id: u64, slug: &str, pem: &str) -> bool {
        let app = App::new(id, slug, pem);
        app.is_some_and(|app| self.apps.insert(id, app).is_none())
    }

    /// Puts an App on repositories. Its bot administers their hooks.
    pub(crate) fn install_app(&mut self, app: u64, account: &str, names: &[&str]) -> u64 {
        let id = self.ground.fresh();
        let found = names.iter().filter_map(|name| self.find(name));
        let repositories: BTreeSet<u64> = found.collect();
        let bot = self.bot(app);
        for repository in &repositories {
            if let Some(repository) = self.repositories.get_mut(repository) {
                repository.admins.insert(bot.clone());
            }
        }
        let account = account.to_owned();
        let installation = Installation {
            id,
            app,
            account,
            repositories,
        };
        self.installations.insert(id, installation);
        id
    }

    pub(crate) fn uninstall_app(&mut self, id: u64) {
        self.installations.remove(&id);
        self.tokens
            .retain(|_, token| token.installation.as_ref().is_none_or(|(of, _)| *of != id));
    }

    fn bot(&self, app: u64) -> String {
        let slug = self.apps.get(&app).map_or("app", |app| app.slug.as_str());
        format!("{slug}[bot]")
    }

    /// A token for some of an installation's repositories, or for all; and when it ends.
    pub(crate) fn installation_token(
        &mut self,
        installation: &Installation,
        repositories: BTreeSet<u64>,
    ) -> (String, u64) {
        let text = self.ground.secret("ghs_", 36);
        let expires_at_s = self.now_s() + TOKEN_S;
        let mut token = Token::new(&self.bot(installation.app));
        token.expires_at_s = Some(expires_at_s);
        token.installation = Some((installation.id, repositories));
        self.tokens.insert(text.clone(), token);
        (text, expires_at_s)
    }
}
