//! Stories of hooks whose URL a person edits, and of a daemon that moves to another address.

use crate::daemon::{ADMIN, Daemon, Stage};
use hookherd::simulator::{Fault, Misbehaviour, PipelineSpec, RunSpec};
use reqwest::Method;
use serde_json::{Value, json};

const REPOSITORY: &str = "octo/app";
const PROJECT: &str = "group/sub/app";
const ELSEWHERE: &str = "http://127.0.0.1:9/somewhere/else";

/// One of the two providers, and a daemon that looks at its hook every second.
struct Scene {
    stage: Stage,
    is_gitlab: bool,
    token: String,
    daemon: Daemon,
    connection: Value,
}

impl Scene {
    fn set(is_gitlab: bool) -> Self {
        let mut stage = Stage::checking("1s");
        stage.set("HOOKHERD__PROVIDERS__GITLAB__CALL_TIMEOUT", "2s");
        let simulator = &stage.simulator;
        let (kind, name, token) = if is_gitlab {
            let token = simulator.gitlab().add_user("ann");
            simulator.gitlab().add_project(PROJECT, "ann");
            ("gitlab", PROJECT, token)
        } else {
            let token = simulator.github().add_user("ann");
            simulator.github().add_repository(REPOSITORY, "ann");
            ("github", REPOSITORY, token)
        };
        let daemon = stage.start();
        stage.add_credential(ADMIN, kind, &token);
        let connection = stage.connect(&json!({ "provider": kind, "repository_full_name": name }));
        Self {
            stage,
            is_gitlab,
            token,
            daemon,
            connection,
        }
    }

    /// The hooks with their URLs.
    fn hooks(&self) -> Vec<(u64, String)> {
        if self.is_gitlab {
            let hooks = self.stage.simulator.gitlab().hooks(PROJECT).into_iter();
            hooks.map(|hook| (hook.id, hook.url)).collect()
        } else {
            let hooks = self.stage.simulator.github().hooks(REPOSITORY).into_iter();
            hooks.map(|hook| (hook.id, hook.url)).collect()
        }
    }

    fn edit_url(&self, hook: u64, url: &str) {
        if self.is_gitlab {
            let gitlab = self.stage.simulator.gitlab();
            gitlab.edit_hook_url_by_hand(PROJECT, hook, url);
        } else {
            let github = self.stage.simulator.github();
            github.edit_hook_url_by_hand(REPOSITORY, hook, url);
        }
    }

    /// A person makes a hook of their own.
    fn make_hook(&self, url: &str) {
        let (base, body) = if self.is_gitlab {
            let api = self.stage.simulator.gitlab_api_url();
            let base = format!("{api}/projects/{}/hooks", PROJECT.replace('/', "%2F"));
            (base, json!({ "url": url, "issues_events": true }))
        } else {
            let base = format!(
                "{}/repos/{REPOSITORY}/hooks",
                self.stage.simulator.api_url()
            );
            let config = json!({ "url": url, "content_type": "json" });
            (base, json!({ "config": config, "events": ["issues"] }))
        };
        let request = self.stage.request(Method::POST, &base);
        let made = self
            .stage
            .send(request.bearer_auth(&self.token).json(&body));
        assert_eq!(made.expect("an answer").status, 201);
    }

    /// CI ends so, in a run of this number.
    fn play(&self, number: u64, is_good: bool) {
        if self.is_gitlab {
            let status = if is_good { "success" } else { "failed" };
            let spec = PipelineSpec::new(number, status);
            self.stage.simulator.gitlab().play_pipeline(PROJECT, &spec);
        } else {
            let conclusion = if is_good { "success" } else { "failure" };
            let spec = RunSpec::new(number, conclusion);
            self.stage.simulator.github().play_run(REPOSITORY, &spec);
        }
    }

    /// From now on no hook can be written.
    fn refuse_writes(&self) {
        let operation = if self.is_gitlab {
            "gitlab.update_hook"
        } else {
            "update_hook"
        };
        self.stage.simulator.faults().push(Fault {
            operation: operation.into(),
            misbehaviour: Misbehaviour::FailBefore(503),
            times: u32::MAX,
            after: 0,
        });
    }

    fn restart_at(mut self, address: &str) -> Self {
        assert!(self.daemon.terminate().success());
        self.stage.set("WEBHOOK_BASE_URL", address);
        let daemon = self.stage.start();
        Self { daemon, ..self }
    }

    fn end(self) {
        assert!(self.daemon.terminate().success());
    }
}

fn scenario_09_an_edited_url_is_mended_and_the_hook_is_the_same(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab);
    let before = scene.hooks();
    scene.edit_url(before[0].0, ELSEWHERE);
    let is_back = || scene.hooks() == before;
    scene.stage.wait_until("it has its URL again", is_back);
    scene.play(1, false);
    scene.stage.incident("failure", "open");
    assert_eq!(scene.hooks(), before);
    // And when it is edited just before it is disconnected, it is deleted, too.
    scene.make_hook("http://127.0.0.1:9/somebodys");
    scene.edit_url(before[0].0, ELSEWHERE);
    let answer = scene.stage.disconnect(&scene.connection);
    assert_eq!(answer["webhook_deleted"], true, "{answer}");
    let left: Vec<_> = scene.hooks().into_iter().map(|(_, url)| url).collect();
    assert_eq!(left, ["http://127.0.0.1:9/somebodys"]);
    scene.end();
}

fn a_new_address_moves_the_hook_and_the_former_one_is_answered_meanwhile(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab);
    let before = scene.hooks();
    let former = scene.stage.url("");
    let address = former.replace("127.0.0.1", "localhost");
    scene.refuse_writes();
    let scene = scene.restart_at(&address);
    let waits = || {
        let c = scene.stage.again(&scene.connection);
        c["health"]["is_to_move"] == true && c["last_error"]["code"] == "provider_unavailable"
    };
    scene.stage.wait_until("the move was tried", waits);
    let c = scene.stage.again(&scene.connection);
    assert_eq!(c["webhook_status"], "active", "{c}");
    assert_eq!(c["webhook_url"], json!(before[0].1));
    scene.play(1, false);
    scene.stage.incident("failure", "open");
    assert_eq!(scene.hooks(), before);

    scene.stage.simulator.faults().clear();
    let moved = vec![(before[0].0, before[0].1.replace(&former, &address))];
    let is_moved = || scene.hooks() == moved;
    scene.stage.wait_until("the hook is moved", is_moved);
    let is_known = || {
        let c = scene.stage.again(&scene.connection);
        c["health"]["is_to_move"] == false && c["webhook_url"] == json!(moved[0].1)
    };
    scene.stage.wait_until("the daemon knows", is_known);
    scene.play(2, true);
    scene.stage.incident("failure", "resolved");
    // A copy at the former address goes with it.
    scene.make_hook(&before[0].1);
    let answer = scene.stage.disconnect(&scene.connection);
    assert_eq!(answer["webhook_deleted"], true, "{answer}");
    assert_eq!(scene.hooks(), []);
    scene.end();
}

fn a_hook_that_was_not_moved_yet_is_deleted_all_the_same(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab);
    let address = scene.stage.url("").replace("127.0.0.1", "localhost");
    scene.refuse_writes();
    let scene = scene.restart_at(&address);
    let answer = scene.stage.disconnect(&scene.connection);
    let gone = || scene.hooks().is_empty();
    scene.stage.wait_until("no hook is left", gone);
    assert_eq!(answer["success"], true);
    scene.end();
}

macro_rules! at_both {
    ($($story:ident)*) => {
        mod github {
            $(#[test]
            fn $story() {
                super::$story(false);
            })*
        }
        mod gitlab {
            $(#[test]
            fn $story() {
                super::$story(true);
            })*
        }
    };
}

at_both! {
    scenario_09_an_edited_url_is_mended_and_the_hook_is_the_same
    a_new_address_moves_the_hook_and_the_former_one_is_answered_meanwhile
    a_hook_that_was_not_moved_yet_is_deleted_all_the_same
}
