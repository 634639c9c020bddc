//! Who signs in, at either provider: applications, and the person at the browser.

use super::super::state::oauth::Client;
use super::{GithubHandle, GitlabHandle, Sim};
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Deserialize;

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

        /// Somebody types in the code of a device and agrees. Tells whether there is such a code.
        pub fn approve_device(&self, user_code: &str, login: &str) -> bool {
            self.0.$state().desk.decide(user_code, Some(login))
        }

        /// Somebody types in the code of a device and refuses. Tells whether there is such a code.
        pub fn deny_device(&self, user_code: &str) -> bool {
            self.0.$state().desk.decide(user_code, None)
        }

        /// How many seconds a device must let pass between two questions.
        pub fn set_device_interval(&self, seconds: u64) {
            self.0.$state().desk.customs.interval_s = seconds;
        }

        /// Somebody takes back what they granted to an application: all tokens of it die.
        pub fn revoke_grant(&self, token: &str) {
            self.0.$state().revoke_grant(token);
        }

        /// Somebody takes back all that they granted and that can be refreshed.
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

pub(super) fn register(config: &mut ServiceConfig) {
    config
        .route("/_sim/oauth/applications", web::post().to(add_application))
        .route("/_sim/oauth/sign_in", web::post().to(sign_in))
        .route("/_sim/oauth/devices", web::post().to(decide))
        .route("/_sim/oauth/apps", web::post().to(add_app));
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Provider {
    Github,
    Gitlab,
}

fn github(shared: &Sim) -> GithubHandle {
    GithubHandle(shared.clone().into_inner())
}

fn gitlab(shared: &Sim) -> GitlabHandle {
    GitlabHandle(shared.clone().into_inner())
}

#[derive(Deserialize)]
struct Application {
    provider: Provider,
    client_id: String,
    client_secret: Option<String>,
    redirect_uri: String,
}

async fn add_application(shared: Sim, wish: web::Json<Application>) -> HttpResponse {
    let (id, secret, uri) = (
        &wish.client_id,
        wish.client_secret.as_deref(),
        &wish.redirect_uri,
    );
    match wish.provider {
        Provider::Github => github(&shared).add_application(id, secret, uri),
        Provider::Gitlab => gitlab(&shared).add_application(id, secret, uri),
    }
    HttpResponse::Accepted().finish()
}

#[derive(Deserialize)]
struct SignIn {
    provider: Provider,
    login: Option<String>,
}

async fn sign_in(shared: Sim, who: web::Json<SignIn>) -> HttpResponse {
    match who.provider {
        Provider::Github => github(&shared).sign_in(who.login.as_deref()),
        Provider::Gitlab => gitlab(&shared).sign_in(who.login.as_deref()),
    }
    HttpResponse::Accepted().finish()
}

#[derive(Deserialize)]
struct Decision {
    provider: Provider,
    user_code: String,
    /// Who lets the device in; nobody turns it away.
    login: Option<String>,
}

async fn decide(shared: Sim, decision: web::Json<Decision>) -> HttpResponse {
    let code = &decision.user_code;
    let is_there = match (decision.provider, &decision.login) {
        (Provider::Github, Some(login)) => github(&shared).approve_device(code, login),
        (Provider::Github, None) => github(&shared).deny_device(code),
        (Provider::Gitlab, Some(login)) => gitlab(&shared).approve_device(code, login),
        (Provider::Gitlab, None) => gitlab(&shared).deny_device(code),
    };
    if is_there {
        HttpResponse::Accepted().finish()
    } else {
        HttpResponse::NotFound().finish()
    }
}

#[derive(Deserialize)]
struct NewApp {
    id: u64,
    slug: String,
    public_key: String,
    account: String,
    repositories: Vec<String>,
}

/// Registers an App of GitHub and installs it; the number of the installation.
async fn add_app(shared: Sim, app: web::Json<NewApp>) -> HttpResponse {
    if !github(&shared).add_app(app.id, &app.slug, &app.public_key) {
        return HttpResponse::BadRequest().finish();
    }
    let names: Vec<&str> = app.repositories.iter().map(String::as_str).collect();
    let id = github(&shared).install_app(app.id, &app.account, &names);
    HttpResponse::Ok().json(serde_json::json!({ "id": id }))
}
