//! `/_sim/oauth`: applications, and the person at the browser, at either provider.

use super::super::{GithubHandle, GitlabHandle};
use super::Sim;
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Deserialize;

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
