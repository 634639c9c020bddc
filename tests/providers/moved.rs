//! Stories of hooks whose URL somebody edits, and of a daemon that moves to another address.

use crate::daemon::Daemon;
use hookherd::simulator::{Fault, Misbehaviour, PipelineSpec, RunSpec, Simulator, SimulatorConfig};
use reqwest::Method;
use serde_json::{Value, json};

const REPOSITORY: &str = "octo/app";
const PROJECT: &str = "group/sub/app";
const ELSEWHERE: &str = "http://127.0.0.1:9/somewhere/else";

/// One of the two providers, and a daemon that looks at its hook every second.
struct Scene {
    simulator: Simulator,
    is_gitlab: bool,
    token: String,
    daemon: Daemon,
    connection: Value,
}

impl Scene {
    async fn set(is_gitlab: bool) -> Self {
        let simulator = Simulator::start(&SimulatorConfig::default()).expect("a simulator");
        let (api, kind, name, token) = if is_gitlab {
            let token = simulator.gitlab().add_user("ann");
            simulator.gitlab().add_project(PROJECT, "ann");
            (simulator.gitlab_api_url(), "gitlab", PROJECT, token)
        } else {
            let token = simulator.github().add_user("ann");
            simulator.github().add_repository(REPOSITORY, "ann");
            (simulator.api_url(), "github", REPOSITORY, token)
        };
        let providers = format!(
            "[providers.{kind}]\napi_url = \"{api}\"\nwrite_pause = \"0s\"\n\
             call_timeout = \"2s\"\n"
        );
        let daemon = Daemon::with(&providers, "1s").await;
        let body = json!({ "provider": kind, "token": token });
        daemon.ask(Method::POST, "credentials", Some(body)).await;
        let body = json!({ "provider": kind, "repository_full_name": name });
        let path = "repositories/connect";
        let connection = daemon.ask(Method::POST, path, Some(body)).await;
        assert_eq!(connection["webhook_status"], "active", "{connection}");
        Self {
            simulator,
            is_gitlab,
            token,
            daemon,
            connection,
        }
    }

    /// The hooks with their URLs.
    fn hooks(&self) -> Vec<(u64, String)> {
        if self.is_gitlab {
            let hooks = self.simulator.gitlab().hooks(PROJECT).into_iter();
            hooks.map(|hook| (hook.id, hook.url)).collect()
        } else {
            let hooks = self.simulator.github().hooks(REPOSITORY).into_iter();
            hooks.map(|hook| (hook.id, hook.url)).collect()
        }
    }

    fn edit_url(&self, hook: u64, url: &str) {
        if self.is_gitlab {
            let gitlab = self.simulator.gitlab();
            gitlab.edit_hook_url_by_hand(PROJECT, hook, url);
        } else {
            let github = self.simulator.github();
            github.edit_hook_url_by_hand(REPOSITORY, hook, url);
        }
    }

    /// Somebody makes a hook of their own.
    async fn make_hook(&self, url: &str) {
        let (base, body) = if self.is_gitlab {
            let api = self.simulator.gitlab_api_url();
            let base = format!("{api}/projects/{}/hooks", PROJECT.replace('/', "%2F"));
            (base, json!({ "url": url, "issues_events": true }))
        } else {
            let base = format!("{}/repos/{REPOSITORY}/hooks", self.simulator.api_url());
            let config = json!({ "url": url, "content_type": "json" });
            (base, json!({ "config": config, "events": ["issues"] }))
        };
        let http = reqwest::Client::builder().no_proxy().user_agent("somebody");
        let http = http.build().expect("a client");
        let made = http.post(base).bearer_auth(&self.token).json(&body).send();
        assert_eq!(made.await.expect("an answer").status(), 201);
    }

    /// CI ends so, in a run of this number.
    fn play(&self, number: u64, is_good: bool) {
        if self.is_gitlab {
            let status = if is_good { "success" } else { "failed" };
            let spec = PipelineSpec::new(number, status);
            self.simulator.gitlab().play_pipeline(PROJECT, &spec);
        } else {
            let conclusion = if is_good { "success" } else { "failure" };
            let spec = RunSpec::new(number, conclusion);
            self.simulator.github().play_run(REPOSITORY, &spec);
        }
    }

    /// From now on no hook can be written.
    fn refuse_writes(&self) {
        let operation = if self.is_gitlab {
            "gitlab.update_hook"
        } else {
            "update_hook"
        };
        self.simulator.faults().push(Fault {
            operation: operation.into(),
            misbehaviour: Misbehaviour::FailBefore(503),
            times: u32::MAX,
            after: 0,
        });
    }

    async fn restart_at(self, address: &str) -> Self {
        let daemon = self.daemon.restart_at(address).await;
        Self { daemon, ..self }
    }

    async fn disconnect(&self) -> Value {
        let id = self.connection["id"].as_str().expect("an id");
        let path = format!("repositories/connections/{id}");
        self.daemon.ask(Method::DELETE, &path, None).await
    }
}

async fn an_edited_url_is_mended_and_the_hook_is_the_same(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab).await;
    let before = scene.hooks();
    scene.edit_url(before[0].0, ELSEWHERE);
    let is_back = async || scene.hooks() == before;
    scene.daemon.until("it has its URL again", is_back).await;
    scene.play(1, false);
    scene.daemon.incident("failure", "open").await;
    assert_eq!(scene.hooks(), before);
    // And when it is edited just before it is disconnected, it goes all the same.
    scene.make_hook("http://127.0.0.1:9/somebodys").await;
    scene.edit_url(before[0].0, ELSEWHERE);
    let answer = scene.disconnect().await;
    assert_eq!(answer["webhook_deleted"], true, "{answer}");
    let left: Vec<_> = scene.hooks().into_iter().map(|(_, url)| url).collect();
    assert_eq!(left, ["http://127.0.0.1:9/somebodys"]);
    scene.daemon.stop().await;
}

async fn a_new_address_moves_the_hook_and_the_former_one_is_answered_meanwhile(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab).await;
    let before = scene.hooks();
    let former = scene.daemon.url().to_owned();
    let address = former.replace("127.0.0.1", "localhost");
    scene.refuse_writes();
    let scene = scene.restart_at(&address).await;
    let waits = async || {
        let c = scene.daemon.connection(&scene.connection).await;
        c["health"]["is_to_move"] == true && c["last_error"]["code"] == "provider_unavailable"
    };
    scene.daemon.until("the move was tried", waits).await;
    let c = scene.daemon.connection(&scene.connection).await;
    assert_eq!(c["webhook_status"], "active", "{c}");
    assert_eq!(c["webhook_url"], json!(before[0].1));
    scene.play(1, false);
    scene.daemon.incident("failure", "open").await;
    assert_eq!(scene.hooks(), before);

    scene.simulator.faults().clear();
    let moved = vec![(before[0].0, before[0].1.replace(&former, &address))];
    let is_moved = async || scene.hooks() == moved;
    scene.daemon.until("the hook is moved", is_moved).await;
    let is_known = async || {
        let c = scene.daemon.connection(&scene.connection).await;
        c["health"]["is_to_move"] == false && c["webhook_url"] == json!(moved[0].1)
    };
    scene.daemon.until("the daemon knows", is_known).await;
    scene.play(2, true);
    scene.daemon.incident("failure", "resolved").await;
    // A copy at the former address goes with it.
    scene.make_hook(&before[0].1).await;
    let answer = scene.disconnect().await;
    assert_eq!(answer["webhook_deleted"], true, "{answer}");
    assert_eq!(scene.hooks(), []);
    scene.daemon.stop().await;
}

async fn a_hook_that_was_not_moved_yet_is_deleted_all_the_same(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab).await;
    let address = scene.daemon.url().replace("127.0.0.1", "localhost");
    scene.refuse_writes();
    let scene = scene.restart_at(&address).await;
    let answer = scene.disconnect().await;
    let gone = async || scene.hooks().is_empty();
    scene.daemon.until("no hook is left", gone).await;
    assert_eq!(answer["success"], true);
    scene.daemon.stop().await;
}

macro_rules! at_both {
    ($($story:ident)*) => {
        mod github {
            $(#[actix_web::test]
            async fn $story() {
                super::$story(false).await;
            })*
        }
        mod gitlab {
            $(#[actix_web::test]
            async fn $story() {
                super::$story(true).await;
            })*
        }
    };
}

at_both! {
    an_edited_url_is_mended_and_the_hook_is_the_same
    a_new_address_moves_the_hook_and_the_former_one_is_answered_meanwhile
    a_hook_that_was_not_moved_yet_is_deleted_all_the_same
}
