//! Who signs in, at both providers.

use super::super::state::oauth::Client;
use super::{GithubHandle, GitlabHandle};

impl GitlabHandle {
    /// Registers an application; without a secret it is a public one.
    pub fn add_application(&self, id: &str, secret: Option<&str>, redirect_uri: &str) {
        let client = Client {
            secret: secret.map(str::to_owned),
            redirect_uri: redirect_uri.to_owned(),
        };
        self.0.gitlab().desk.clients.insert(id.to_owned(), client);
    }

    /// Who sits at the browser and agrees to what applications ask for; `None` refuses.
    pub fn sign_in(&self, login: Option<&str>) {
        self.0.gitlab().desk.signed_in = login.map(str::to_owned);
    }

    /// Somebody types in the code of a device and agrees. Tells whether there is such a code.
    pub fn approve_device(&self, user_code: &str, login: &str) -> bool {
        self.0.gitlab().desk.decide(user_code, Some(login))
    }

    /// Somebody types in the code of a device and refuses. Tells whether there is such a code.
    pub fn deny_device(&self, user_code: &str) -> bool {
        self.0.gitlab().desk.decide(user_code, None)
    }

    /// How many seconds a device must let pass between two questions.
    pub fn set_device_interval(&self, seconds: u64) {
        self.0.gitlab().desk.customs.interval_s = seconds;
    }

    /// Somebody takes back what they granted to an application: all tokens of it die.
    pub fn revoke_grant(&self, token: &str) {
        self.0.gitlab().revoke_grant(token);
    }

    /// Somebody takes back all that they granted and that can be refreshed.
    pub fn revoke_grants_of(&self, login: &str) {
        let mut state = self.0.gitlab();
        for token in state.desk.refreshes_of(login) {
            state.revoke_grant(&token);
        }
    }
}

impl GithubHandle {
    /// Registers an application; without a secret it is a public one.
    pub fn add_application(&self, id: &str, secret: Option<&str>, redirect_uri: &str) {
        let client = Client {
            secret: secret.map(str::to_owned),
            redirect_uri: redirect_uri.to_owned(),
        };
        self.0.github().desk.clients.insert(id.to_owned(), client);
    }

    /// Who sits at the browser and agrees to what applications ask for; `None` refuses.
    pub fn sign_in(&self, login: Option<&str>) {
        self.0.github().desk.signed_in = login.map(str::to_owned);
    }

    /// Somebody types in the code of a device and agrees. Tells whether there is such a code.
    pub fn approve_device(&self, user_code: &str, login: &str) -> bool {
        self.0.github().desk.decide(user_code, Some(login))
    }

    /// Somebody types in the code of a device and refuses. Tells whether there is such a code.
    pub fn deny_device(&self, user_code: &str) -> bool {
        self.0.github().desk.decide(user_code, None)
    }

    /// How many seconds a device must let pass between two questions.
    pub fn set_device_interval(&self, seconds: u64) {
        self.0.github().desk.customs.interval_s = seconds;
    }

    /// Somebody takes back what they granted to an application: all tokens of it die.
    pub fn revoke_grant(&self, token: &str) {
        self.0.github().revoke_grant(token);
    }

    /// Somebody takes back all that they granted and that can be refreshed.
    pub fn revoke_grants_of(&self, login: &str) {
        let mut state = self.0.github();
        for token in state.desk.refreshes_of(login) {
            state.revoke_grant(&token);
        }
    }

    /// Whether the tokens of applications expire after eight hours, and can be refreshed.
    pub fn set_expiring_tokens(&self, do_expire: bool) {
        self.0.github().set_expiring_tokens(do_expire);
    }

    /// Registers an App with its public key (PEM), of the account `owner`.
    ///
    /// Tells whether that is a key.
    pub fn add_app(&self, id: u64, slug: &str, public_key: &str) -> bool {
        self.0.github().add_app(id, slug, public_key)
    }

    /// Installs an App on these repositories of an account; the number of the installation.
    pub fn install_app(&self, app: u64, account: &str, repositories: &[&str]) -> u64 {
        self.0.github().install_app(app, account, repositories)
    }

    /// Takes an installation away, with all its tokens.
    pub fn uninstall_app(&self, installation: u64) {
        self.0.github().uninstall_app(installation);
    }
}
