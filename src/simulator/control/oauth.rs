//! Who signs in, at either provider: applications, and the person at the browser.

use super::{GithubHandle, GitlabHandle};
use crate::simulator::state::oauth::Client;

macro_rules! signing_in {
    ($($handle:ident $state:ident;)*) => {$(impl $handle {
        /// Registers an application; without a secret it is a public one.
        pub fn add_application(&self, id: &str, secret: Option<&str>, redirect_uri: &str) {
            let client = Client {
                secret: secret.map(str::to_owned),
                redirect_uri: redirect_uri.to_owned(),
            };
            self.0.$state().desk.clients.insert(id.to_owned(), client);
        }

        /// Who sits at the browser and agrees to what applications ask for; `None` refuses.
        pub fn sign_in(&self, login: Option<&str>) {
            self.0.$state().desk.signed_in = login.map(str::to_owned);
        }

        /// A person enters the code of a device and agrees. Whether there is such a code.
        pub fn approve_device(&self, user_code: &str, login: &str) -> bool {
            self.0.$state().desk.decide(user_code, Some(login))
        }

        /// A person enters the code of a device and refuses. Whether there is such a code.
        pub fn deny_device(&self, user_code: &str) -> bool {
            self.0.$state().desk.decide(user_code, None)
        }

        /// How many seconds a device must let pass between two questions.
        pub fn set_device_interval(&self, seconds: u64) {
            self.0.$state().desk.customs.interval_s = seconds;
        }

        /// A person revokes what they granted to an application, with all its tokens.
        pub fn revoke_grant(&self, token: &str) {
            self.0.$state().revoke_grant(token);
        }

        /// A person revokes all that they granted and that can be refreshed.
        pub fn revoke_grants_of(&self, login: &str) {
            let mut state = self.0.$state();
            for token in state.desk.refreshes_of(login) {
                state.revoke_grant(&token);
            }
        }
    })*};
}

signing_in! {
    GithubHandle github;
    GitlabHandle gitlab;
}

impl GithubHandle {
    /// Whether the tokens of applications expire after eight hours, and can be refreshed.
    pub fn set_expiring_tokens(&self, do_expire: bool) {
        self.0.github().set_expiring_tokens(do_expire);
    }

    /// Registers an App with its public key (PEM), of the account `owner`.
    ///
    /// Whether that is a key.
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
