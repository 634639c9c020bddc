//! What signing in brings along: clients' secrets, codes, tokens, and a key.

use super::search;
use super::wiretap::{Quoting, Wiretap};
use crate::scan::Canaries;
use crate::stage::{ADMIN, Answer, Daemon, Stage, master_key};
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::{PipelineSpec, RunSpec};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const CLIENT: &str = "hookherd-client";
const APP_ID: u64 = 4242;
const KEY: &str = include_str!("../../fixtures/app/key.pem");
const PUBLIC_KEY: &str = include_str!("../../fixtures/app/public.pem");
/// Where the App is installed.
const OF_APP: &str = "corp/tool";
/// Longer than any access token lives.
const A_DAY: Duration = Duration::from_hours(24);
/// A check is asked for as often as this: every half a second.
const LOOKS_PER_CHECK: u32 = 50;

const fn client_secret(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Github => "canary-client-secret-of-github",
        ProviderKind::Gitlab => "canary-client-secret-of-gitlab",
    }
}

const fn repository(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Github => "octo/app",
        ProviderKind::Gitlab => "group/sub/app",
    }
}

struct Story {
    kind: ProviderKind,
    stage: Stage,
    wiretap: Wiretap,
    canaries: Canaries,
    connection: String,
}

impl Story {
    fn begin(kind: ProviderKind) -> (Self, Daemon) {
        let mut stage = Stage::new();
        let wiretap = Wiretap::new(&stage.simulator.address().to_string());
        let (github, gitlab) = (wiretap.url(), format!("{}/api/v4", wiretap.url()));
        for (name, value) in [
            ("HOOKHERD_TOKEN", ADMIN),
            ("HOOKHERD__LOG__LEVEL", "trace"),
            ("HOOKHERD__PROVIDERS__GITHUB__API_URL", &github),
            ("HOOKHERD__PROVIDERS__GITLAB__API_URL", &gitlab),
            ("HOOKHERD__PROVIDERS__GITLAB__WRITE_PAUSE", "1ms"),
            ("GITHUB_OAUTH_CLIENT_ID", CLIENT),
            (
                "GITHUB_OAUTH_CLIENT_SECRET",
                client_secret(ProviderKind::Github),
            ),
            ("GITLAB_OAUTH_CLIENT_ID", CLIENT),
            (
                "GITLAB_OAUTH_CLIENT_SECRET",
                client_secret(ProviderKind::Gitlab),
            ),
            ("GITHUB_APP_ID", &APP_ID.to_string()),
            ("GITHUB_APP_PRIVATE_KEY", KEY),
        ] {
            stage.set(name, value);
        }
        let mut canaries = Canaries::default();
        canaries.add("admin token", ADMIN);
        canaries.add("master key", &master_key(1));
        for kind in ProviderKind::ALL {
            canaries.add("client secret", client_secret(kind));
        }
        let lines = KEY.lines().filter(|line| !line.starts_with("-----"));
        for line in lines.filter(|line| line.len() >= 32) {
            canaries.add("private key of the App", line);
        }
        let daemon = stage.start();
        let story = Self {
            kind,
            stage,
            wiretap,
            canaries,
            connection: String::new(),
        };
        story.open_the_provider();
        (story, daemon)
    }

    fn open_the_provider(&self) {
        let (kind, secret) = (self.kind, client_secret(self.kind));
        let back = self.stage.url(&format!("/api/v2/oauth/{kind}/callback"));
        match kind {
            ProviderKind::Github => {
                let github = self.stage.simulator.github();
                github.add_user("octo");
                github.add_user("corp");
                github.add_repository(repository(kind), "octo");
                github.add_repository(OF_APP, "corp");
                github.add_application(CLIENT, Some(secret), &back);
                github.set_expiring_tokens(true);
                github.set_device_interval(1);
                github.sign_in(Some("octo"));
                assert!(github.add_app(APP_ID, "hookherd", PUBLIC_KEY));
            }
            ProviderKind::Gitlab => {
                let gitlab = self.stage.simulator.gitlab();
                gitlab.add_user("octo");
                gitlab.add_project(repository(kind), "octo");
                gitlab.add_application(CLIENT, Some(secret), &back);
                gitlab.set_device_interval(1);
                gitlab.sign_in(Some("octo"));
            }
        }
    }

    /// A sign-in, as far as the page of the provider: its address, and the cookie.
    fn begin_sign_in(&mut self) -> (String, String) {
        let line = format!("GET /api/v2/oauth/{}/authorize?format=json", self.kind);
        let begun = self.stage.ask_in_secret(ADMIN, &line, None);
        let page = begun.field("authorize_url");
        let cookie = begun.quoted_after("\"set-cookie\": \"").unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let nonce = cookie.split_once('=').unwrap().1;
        let state = page.split_once("&state=").unwrap().1;
        let state = state.split('&').next().unwrap();
        for (name, secret) in [("nonce", nonce), ("state", state)] {
            self.canaries.add(name, secret);
            let times = begun.text.matches(secret).count();
            assert_eq!(times, 1, "{name} in {begun:?}");
        }
        (page, cookie)
    }

    /// The browser goes to the provider's page and comes back.
    fn sign_in(&mut self) -> Answer {
        let (page, cookie) = self.begin_sign_in();
        let agreed = self.stage.browse_in_secret(&page, &cookie);
        let back = agreed.quoted_after("\"location\": \"").unwrap();
        let came = self.stage.browse_in_secret(&back, &cookie);
        self.stage.hear("the way back", &came);
        // What is used up leads nowhere, and is not repeated either.
        let again = self.stage.browse_in_secret(&back, &cookie);
        assert_eq!(again.status, 400, "{again:?}");
        self.stage.hear("the same again", &again);
        came
    }

    fn connect(&mut self) {
        assert_eq!(self.sign_in().status, 303);
        let wish = json!({
            "provider": self.kind.as_str(), "repository_full_name": repository(self.kind)
        });
        let connected = self
            .stage
            .call(ADMIN, "POST /api/v2/repositories/connect", &wish);
        self.connection = connected.field("id");
        self.is("active");
        self.happen();
    }

    fn is(&self, status: &str) {
        self.stage.wait_for_status(ADMIN, &self.connection, status);
    }

    /// Something fails at the provider, and is delivered.
    fn happen(&self) {
        let simulator = &self.stage.simulator;
        match self.kind {
            ProviderKind::Github => {
                let run = RunSpec::new(1, "failure");
                simulator.github().play_run(repository(self.kind), &run);
            }
            ProviderKind::Gitlab => {
                let pipeline = PipelineSpec::new(1, "failed");
                simulator
                    .gitlab()
                    .play_pipeline(repository(self.kind), &pipeline);
            }
        }
        assert!(simulator.wait_quiet(Duration::from_secs(20)));
        let incidents = || self.stage.list(ADMIN, "incidents");
        self.stage
            .wait_until("an incident", || !incidents().is_empty());
    }

    fn refreshes(&self) -> u64 {
        let operation = match self.kind {
            ProviderKind::Github => "token_by_refresh",
            ProviderKind::Gitlab => "gitlab.token_by_refresh",
        };
        self.stage.simulator.requests(operation)
    }

    /// The access token has expired at the provider, and is used until something is so. A single
    /// check could be one with another in progress; too many would exhaust the provider's patience.
    fn outlive_the_token(&self, what: &str, is_so: impl Fn() -> bool) {
        self.stage.simulator.gitlab().advance_clock(A_DAY);
        let id = &self.connection;
        let line = format!("POST /api/v2/repositories/connections/{id}/check");
        let mut looks = 0;
        self.stage.wait_until(what, || {
            if looks % LOOKS_PER_CHECK == 0 {
                self.stage.call(ADMIN, &line, &Value::Null);
            }
            looks += 1;
            is_so()
        });
    }

    fn refresh(&self) {
        let before = (self.refreshes(), self.last_check());
        self.outlive_the_token("a refresh", || self.refreshes() > before.0);
        // The new token has to prove itself before it may be renewed once more.
        self.stage
            .wait_until("a check with it", || self.last_check() != before.1);
        self.is("active");
    }

    fn last_check(&self) -> Value {
        self.stage.connection(ADMIN, &self.connection)["health"]["last_check_at"].clone()
    }

    /// Signs in once more, without a browser.
    fn sign_in_on_a_device(&self) {
        let line = format!("POST /api/v2/oauth/{}/device", self.kind);
        let begun = self.stage.call(ADMIN, &line, &json!({}));
        let (code, simulator) = (begun.field("user_code"), &self.stage.simulator);
        let poll = format!("{line}/{}", begun.field("id"));
        let asked = || self.stage.call(ADMIN, &poll, &Value::Null);
        assert_eq!(asked().json["status"], "pending");
        assert!(match self.kind {
            ProviderKind::Github => simulator.github().approve_device(&code, "octo"),
            ProviderKind::Gitlab => simulator.gitlab().approve_device(&code, "octo"),
        });
        let is_in = || asked().json["status"] == "connected";
        self.stage.wait_until("the device to be let in", is_in);
    }

    /// The provider repeats our secrets in its errors.
    fn be_quoted(&mut self) {
        for quoting in [Quoting::AsError, Quoting::AsDescription] {
            let before = self.wiretap.quoted();
            self.wiretap.quote(quoting);
            let refused = self.sign_in();
            assert!(refused.status >= 400, "{refused:?}");
            // The exchange is asked for once; a renewal may have been refused beside it already.
            let is_quoted = || self.wiretap.quoted() > before + 1;
            self.outlive_the_token("a refusal that quotes", is_quoted);
            if quoting == Quoting::AsDescription {
                self.is("suspended");
            }
            self.look_around();
            self.wiretap.quote(Quoting::No);
            assert_eq!(self.sign_in().status, 303);
            self.is("active");
        }
    }

    /// The App makes hooks, too.
    fn install_the_app(&self) {
        let github = self.stage.simulator.github();
        let installation = github.install_app(APP_ID, "corp", &[OF_APP]).to_string();
        let body = json!({ "provider": "github", "installation": installation });
        self.stage.call(ADMIN, "POST /api/v2/credentials", &body);
        let wish = json!({ "repository_full_name": OF_APP });
        let connected = self
            .stage
            .call(ADMIN, "POST /api/v2/repositories/connect", &wish);
        let id = connected.field("id");
        self.stage.wait_for_status(ADMIN, &id, "active");
    }

    fn look_around(&self) {
        for path in [
            "/api/v2/credentials",
            "/api/v2/repositories/connections",
            "/api/v2/deliveries?limit=100",
            "/api/v2/incidents",
            "/api/v2/stats",
            "/metrics",
            "/readyz",
        ] {
            self.stage.ask(ADMIN, &format!("GET {path}"), None);
        }
        for delivery in self.stage.list(ADMIN, "deliveries?limit=100") {
            let id = delivery["id"].as_str().unwrap();
            self.stage
                .ask(ADMIN, &format!("GET /api/v2/deliveries/{id}"), None);
        }
        for words in [&["connections"][..], &["credential", "list"], &["doctor"]] {
            self.stage.run(words);
        }
    }

    /// Adds what passed on the wire to what is searched for, and returns its names.
    fn learn(&mut self) -> BTreeSet<String> {
        let heard = self.wiretap.heard();
        for (name, secret) in &heard {
            self.canaries.add(name, secret);
        }
        let refresh_tokens = heard.iter().filter(|(name, _)| name == "refresh_token");
        assert!(refresh_tokens.count() >= 4, "before and after refreshes");
        heard.into_iter().map(|(name, _)| name).collect()
    }
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

fn play(kind: ProviderKind, expected: &[&str]) {
    let (mut story, daemon) = Story::begin(kind);
    story.connect();
    story.refresh();
    story.sign_in_on_a_device();
    story.refresh();
    story.be_quoted();
    if kind == ProviderKind::Github {
        story.install_the_app();
    }
    story.look_around();
    assert!(daemon.terminate().success());
    story.stage.set("HOOKHERD__LOG__FORMAT", "json");
    let daemon = story.stage.start();
    story.refresh();
    story.look_around();
    assert!(daemon.terminate().success());
    let exported = story.stage.run(&["store", "export", "export"]);
    assert!(exported.status.success(), "{exported:?}");
    let learnt = story.learn();
    assert!(learnt.is_superset(&names(expected)), "{learnt:?}");
    search(&story.stage, &story.canaries, &story.connection);
}

const OF_GRANTS: [&str; 8] = [
    "access_token",
    "authorization",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "refresh_token",
    "state",
];

#[test]
fn no_secret_of_a_sign_in_with_github_stands_anywhere() {
    // The hook's secret, and the installation's token.
    let expected = [&OF_GRANTS[..], &["secret", "token"]].concat();
    play(ProviderKind::Github, &expected);
}

#[test]
fn no_secret_of_a_sign_in_with_gitlab_stands_anywhere() {
    let expected = [&OF_GRANTS[..], &["signing_token", "token"]].concat();
    play(ProviderKind::Gitlab, &expected);
}
