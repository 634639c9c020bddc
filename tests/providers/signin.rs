//! People sign in with the simulator through the whole daemon, and take back what they granted.

use crate::daemon::Daemon;
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::{Simulator, SimulatorConfig};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write as _;

const CLIENT: &str = "hookherd-client";
const SECRET: &str = "hookherd-client-secret";
const APP_ID: u64 = 4242;
const KEY_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/app/key.pem");
const PUBLIC_KEY: &str = include_str!("../fixtures/app/public.pem");
const KINDS: [ProviderKind; 2] = [ProviderKind::Github, ProviderKind::Gitlab];

/// A provider with a repository of Ann's, and a daemon that is registered with it.
struct Scene {
    kind: ProviderKind,
    simulator: Simulator,
    daemon: Daemon,
}

/// Longer than access tokens of either provider live.
const LATER: std::time::Duration = std::time::Duration::from_hours(9);

fn repository(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Github => "ann/app",
        ProviderKind::Gitlab => "group/sub/app",
    }
}

impl Scene {
    async fn set(kind: ProviderKind) -> Self {
        let simulator = Simulator::start(&SimulatorConfig::default()).expect("a simulator");
        let mut sections = String::new();
        let (github, gitlab) = match kind {
            ProviderKind::Github => (simulator.api_url(), String::new()),
            ProviderKind::Gitlab => (String::new(), simulator.gitlab_api_url()),
        };
        let key = std::fs::read_to_string(KEY_FILE).expect("a fixture");
        for (name, api_url) in [("github", github), ("gitlab", gitlab)] {
            let _ = write!(
                sections,
                "[providers.{name}]\napi_url = \"{api_url}\"\nwrite_pause = \"0s\"\n\
                 [providers.{name}.oauth]\nclient_id = \"{CLIENT}\"\n\
                 client_secret = \"{SECRET}\"\n"
            );
        }
        let app = format!("id = \"{APP_ID}\"\nprivate_key = \"\"\"{key}\"\"\"\n");
        let _ = write!(sections, "[providers.github.app]\n{app}");
        let daemon = Daemon::with(&sections, "1s").await;
        let back = format!("{}/api/v2/oauth/{kind}/callback", daemon.url());
        match kind {
            ProviderKind::Github => {
                let github = simulator.github();
                github.add_user("ann");
                github.add_repository(repository(kind), "ann");
                github.add_application(CLIENT, Some(SECRET), &back);
                github.set_expiring_tokens(true);
                github.set_device_interval(1);
                github.sign_in(Some("ann"));
            }
            ProviderKind::Gitlab => {
                let gitlab = simulator.gitlab();
                gitlab.add_user("ann");
                gitlab.add_project(repository(kind), "ann");
                gitlab.add_application(CLIENT, Some(SECRET), &back);
                gitlab.set_device_interval(1);
                gitlab.sign_in(Some("ann"));
            }
        }
        Self {
            kind,
            simulator,
            daemon,
        }
    }

    /// Ann signs in with her browser, which follows one redirect after the other.
    async fn sign_in(&self) {
        let kind = self.kind;
        let path = format!("oauth/{kind}/authorize?format=json");
        let (begun, cookie) = self.daemon.ask_with_cookie(&path).await;
        let page = begun["authorize_url"].as_str().expect("a page");
        let browser = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("browser");
        let browser = browser.build().expect("a client");
        let agreed = browser
            .get(page)
            .send()
            .await
            .expect("the provider answers");
        let back = agreed.headers()["location"].to_str().expect("a place");
        let came = browser.get(back).header("cookie", cookie).send().await;
        let came = came.expect("the daemon answers");
        assert_eq!(came.status(), StatusCode::SEE_OTHER, "{kind}");
        let place = came.headers()["location"].to_str().expect("a place");
        assert!(place.ends_with("/done"), "{place}");
    }

    async fn connect(&self) -> Value {
        let (kind, name) = (self.kind, repository(self.kind));
        let body = json!({"provider": kind.as_str(), "repository_full_name": name});
        let path = "repositories/connect";
        let connection = self.daemon.ask(Method::POST, path, Some(body)).await;
        assert_eq!(connection["webhook_status"], "active", "{connection}");
        connection
    }

    async fn is(&self, connection: &Value, status: &str) {
        let what = format!("{}: {status}", self.kind);
        let is_so = async || self.daemon.connection(connection).await["webhook_status"] == status;
        self.daemon.until(&what, is_so).await;
    }

    fn revoke(&self) {
        match self.kind {
            ProviderKind::Github => self.simulator.github().revoke_grants_of("ann"),
            ProviderKind::Gitlab => self.simulator.gitlab().revoke_grants_of("ann"),
        }
    }

    fn approve(&self, user_code: &str) -> bool {
        match self.kind {
            ProviderKind::Github => self.simulator.github().approve_device(user_code, "ann"),
            ProviderKind::Gitlab => self.simulator.gitlab().approve_device(user_code, "ann"),
        }
    }

    async fn credentials(&self) -> Vec<Value> {
        let page = self.daemon.ask(Method::GET, "credentials", None).await;
        page["items"].as_array().expect("a list").clone()
    }
}

#[actix_web::test]
async fn signing_in_is_enough_to_connect_and_taking_it_back_is_told_once() {
    for kind in KINDS {
        let scene = Scene::set(kind).await;
        scene.sign_in().await;
        let credential = scene.credentials().await.remove(0);
        assert_eq!(credential["kind"], "oauth");
        assert_eq!(credential["account"]["login"], "ann");
        assert!(credential["expires_at"].is_string(), "{credential}");
        let connection = scene.connect().await;
        assert_eq!(connection["health"]["credential_id"], credential["id"]);
        scene.revoke();
        scene.is(&connection, "suspended").await;
        let incident = scene.daemon.incident("credential_rejected", "open").await;
        assert!(incident["connection_id"].is_null());
        assert_eq!(scene.daemon.incidents().await.len(), 1);
        scene.sign_in().await;
        scene.is(&connection, "active").await;
        scene
            .daemon
            .incident("credential_rejected", "resolved")
            .await;
        let again = scene.credentials().await;
        assert_eq!(again.len(), 1);
        assert_eq!(again[0]["id"], credential["id"]);
        scene.daemon.stop().await;
    }
}

#[actix_web::test]
async fn a_list_is_asked_for_once_more_with_a_new_token_when_the_old_one_has_ended_early() {
    for kind in KINDS {
        let scene = Scene::set(kind).await;
        scene.sign_in().await;
        // By the provider's clock the token is over; by ours it has hours to go.
        match kind {
            ProviderKind::Github => scene.simulator.github().advance_clock(LATER),
            ProviderKind::Gitlab => scene.simulator.gitlab().advance_clock(LATER),
        }
        let path = format!("repositories/{kind}");
        let page = scene.daemon.ask(Method::GET, &path, None).await;
        assert_eq!(page["items"][0]["full_name"], repository(kind), "{page}");
        scene.daemon.stop().await;
    }
}

#[actix_web::test]
async fn a_device_without_a_browser_signs_in_too() {
    for kind in KINDS {
        let scene = Scene::set(kind).await;
        let path = format!("oauth/{kind}/device");
        let begun = scene.daemon.ask(Method::POST, &path, Some(json!({}))).await;
        let poll = format!("{path}/{}", begun["id"].as_str().expect("an id"));
        let state = async || scene.daemon.ask(Method::POST, &poll, None).await;
        assert_eq!(state().await["status"], "pending");
        assert!(scene.approve(begun["user_code"].as_str().expect("a code")));
        let is_connected = async || state().await["status"] == "connected";
        scene
            .daemon
            .until("the device is signed in", is_connected)
            .await;
        scene.connect().await;
        scene.daemon.stop().await;
    }
}

#[actix_web::test]
async fn an_installation_of_the_app_looks_after_its_repositories() {
    let scene = Scene::set(ProviderKind::Github).await;
    let github = scene.simulator.github();
    assert!(github.add_app(APP_ID, "hookherd", PUBLIC_KEY));
    let install = || github.install_app(APP_ID, "ann", &["ann/app"]);
    let add = async |id: u64| {
        let body = json!({"provider": "github", "installation": id.to_string()});
        scene
            .daemon
            .ask(Method::POST, "credentials", Some(body))
            .await
    };
    let installation = install();
    let credential = add(installation).await;
    assert_eq!(credential["kind"], "app");
    let listed = scene
        .daemon
        .ask(Method::GET, "repositories/github", None)
        .await;
    assert_eq!(listed["items"][0]["full_name"], "ann/app");
    let connection = scene.connect().await;
    github.uninstall_app(installation);
    scene.is(&connection, "suspended").await;
    scene.daemon.incident("credential_rejected", "open").await;
    add(install()).await;
    scene.is(&connection, "active").await;
    scene.daemon.stop().await;
}
