//! People sign in with the simulator through the whole daemon, and take back what they granted.

use crate::daemon::{ADMIN, Daemon, Stage};
use hookherd::domain::repo::ProviderKind;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const CLIENT: &str = "hookherd-client";
const SECRET: &str = "hookherd-client-secret";
const APP_ID: u64 = 4242;
const KEY_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/app/key.pem");
const PUBLIC_KEY: &str = include_str!("../fixtures/app/public.pem");
const KINDS: [ProviderKind; 2] = [ProviderKind::Github, ProviderKind::Gitlab];

/// A provider with a repository of Ann's, and a daemon that is registered with it.
struct Scene {
    kind: ProviderKind,
    stage: Stage,
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
    fn set(kind: ProviderKind) -> Self {
        let mut stage = Stage::checking("1s");
        let key = std::fs::read_to_string(KEY_FILE).expect("a fixture");
        for (name, value) in [
            ("GITHUB_OAUTH_CLIENT_ID", CLIENT),
            ("GITHUB_OAUTH_CLIENT_SECRET", SECRET),
            ("GITLAB_OAUTH_CLIENT_ID", CLIENT),
            ("GITLAB_OAUTH_CLIENT_SECRET", SECRET),
            ("GITHUB_APP_ID", &APP_ID.to_string()),
            ("GITHUB_APP_PRIVATE_KEY", &key),
        ] {
            stage.set(name, value);
        }
        let daemon = stage.start();
        let back = stage.url(&format!("/api/v2/oauth/{kind}/callback"));
        let simulator = &stage.simulator;
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
            stage,
            daemon,
        }
    }

    /// Ann signs in with her browser, which follows one redirect after the other.
    fn sign_in(&self) {
        let kind = self.kind;
        let url = format!("/api/v2/oauth/{kind}/authorize?format=json");
        let first = self.stage.request(Method::GET, &self.stage.url(&url));
        let browser = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("browser");
        let browser = browser.build().expect("a client");
        let place = self.stage.runtime.block_on(async {
            let begun = first.bearer_auth(ADMIN).send().await.expect("an answer");
            let cookie = begun.headers()["set-cookie"].to_str().expect("plain text");
            let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
            let begun: Value = begun.json().await.expect("JSON");
            let page = begun["authorize_url"].as_str().expect("a page");
            let agreed = browser
                .get(page)
                .send()
                .await
                .expect("the provider answers");
            let back = agreed.headers()["location"].to_str().expect("a place");
            let came = browser.get(back).header("cookie", cookie).send().await;
            let came = came.expect("the daemon answers");
            assert_eq!(came.status(), StatusCode::SEE_OTHER, "{kind}");
            let place = came.headers()["location"].to_str();
            place.expect("a place").to_owned()
        });
        assert!(place.ends_with("/done"), "{place}");
    }

    fn connect(&self) -> Value {
        let (kind, name) = (self.kind, repository(self.kind));
        let wish = json!({"provider": kind.as_str(), "repository_full_name": name});
        self.stage.connect(&wish)
    }

    fn is(&self, connection: &Value, status: &str) {
        let id = connection["id"].as_str().expect("an id");
        self.stage.wait_for_status(ADMIN, id, status);
    }

    fn revoke(&self) {
        match self.kind {
            ProviderKind::Github => self.stage.simulator.github().revoke_grants_of("ann"),
            ProviderKind::Gitlab => self.stage.simulator.gitlab().revoke_grants_of("ann"),
        }
    }

    fn approve(&self, user_code: &str) -> bool {
        match self.kind {
            ProviderKind::Github => self
                .stage
                .simulator
                .github()
                .approve_device(user_code, "ann"),
            ProviderKind::Gitlab => self
                .stage
                .simulator
                .gitlab()
                .approve_device(user_code, "ann"),
        }
    }

    fn credentials(&self) -> Vec<Value> {
        self.stage.list(ADMIN, "credentials")
    }
}

#[test]
fn signing_in_is_enough_to_connect_and_taking_it_back_is_told_once() {
    for kind in KINDS {
        let scene = Scene::set(kind);
        scene.sign_in();
        let credential = scene.credentials().remove(0);
        assert_eq!(credential["kind"], "oauth");
        assert_eq!(credential["account"]["login"], "ann");
        assert!(credential["expires_at"].is_string(), "{credential}");
        let connection = scene.connect();
        assert_eq!(connection["health"]["credential_id"], credential["id"]);
        scene.revoke();
        scene.is(&connection, "suspended");
        let incident = scene.stage.incident("credential_rejected", "open");
        assert!(incident["connection_id"].is_null());
        assert_eq!(scene.stage.incidents().len(), 1);
        scene.sign_in();
        scene.is(&connection, "active");
        scene.stage.incident("credential_rejected", "resolved");
        let again = scene.credentials();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0]["id"], credential["id"]);
        assert!(scene.daemon.terminate().success());
    }
}

#[test]
fn a_list_is_asked_for_once_more_with_a_new_token_when_the_old_one_has_ended_early() {
    for kind in KINDS {
        let scene = Scene::set(kind);
        scene.sign_in();
        // By the provider's clock the token has expired; by ours it has hours to go.
        match kind {
            ProviderKind::Github => scene.stage.simulator.github().advance_clock(LATER),
            ProviderKind::Gitlab => scene.stage.simulator.gitlab().advance_clock(LATER),
        }
        let path = format!("repositories/{kind}");
        let page = scene.stage.get(&path);
        assert_eq!(page["items"][0]["full_name"], repository(kind), "{page}");
        assert!(scene.daemon.terminate().success());
    }
}

#[test]
fn a_device_without_a_browser_signs_in_too() {
    for kind in KINDS {
        let scene = Scene::set(kind);
        let path = format!("oauth/{kind}/device");
        let begun = scene
            .stage
            .call(ADMIN, &format!("POST {path}"), &json!({}))
            .json;
        let poll = format!("POST {path}/{}", begun["id"].as_str().expect("an id"));
        let state = || scene.stage.call(ADMIN, &poll, &Value::Null).json;
        assert_eq!(state()["status"], "pending");
        assert!(scene.approve(begun["user_code"].as_str().expect("a code")));
        let is_connected = || state()["status"] == "connected";
        scene
            .stage
            .wait_until("the device is signed in", is_connected);
        scene.connect();
        assert!(scene.daemon.terminate().success());
    }
}

#[test]
fn an_installation_of_the_app_looks_after_its_repositories() {
    let scene = Scene::set(ProviderKind::Github);
    let github = scene.stage.simulator.github();
    assert!(github.add_app(APP_ID, "hookherd", PUBLIC_KEY));
    let install = || github.install_app(APP_ID, "ann", &["ann/app"]);
    let add = |id: u64| {
        let body = json!({"provider": "github", "installation": id.to_string()});
        scene.stage.call(ADMIN, "POST credentials", &body).json
    };
    let installation = install();
    let credential = add(installation);
    assert_eq!(credential["kind"], "app");
    let listed = scene.stage.get("repositories/github");
    assert_eq!(listed["items"][0]["full_name"], "ann/app");
    let connection = scene.connect();
    github.uninstall_app(installation);
    scene.is(&connection, "suspended");
    scene.stage.incident("credential_rejected", "open");
    add(install());
    scene.is(&connection, "active");
    assert!(scene.daemon.terminate().success());
}
