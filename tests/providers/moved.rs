//! Stories of both providers: hooks whose URL a person edits, a daemon that moves to another
//! address, and repositories that go out of reach.

use crate::daemon::{ADMIN, Daemon, Stage};
use hookherd::simulator::{Fault, Misbehaviour, PipelineSpec, RunSpec};
use reqwest::Method;
use serde_json::{Value, json};

const REPOSITORY: &str = "octo/app";
const PROJECT: &str = "group/sub/app";
/// Where the repository is transferred to.
const THEIRS: &str = "others/app";
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
        self.hooks_of(if self.is_gitlab { PROJECT } else { REPOSITORY })
    }

    fn hooks_of(&self, name: &str) -> Vec<(u64, String)> {
        if self.is_gitlab {
            let hooks = self.stage.simulator.gitlab().hooks(name).into_iter();
            hooks.map(|hook| (hook.id, hook.url)).collect()
        } else {
            let hooks = self.stage.simulator.github().hooks(name).into_iter();
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
        let name = if self.is_gitlab { PROJECT } else { REPOSITORY };
        self.play_in(name, number, is_good);
    }

    fn play_in(&self, name: &str, number: u64, is_good: bool) {
        if self.is_gitlab {
            let status = if is_good { "success" } else { "failed" };
            let spec = PipelineSpec::new(number, status);
            self.stage.simulator.gitlab().play_pipeline(name, &spec);
        } else {
            let conclusion = if is_good { "success" } else { "failure" };
            let spec = RunSpec::new(number, conclusion);
            self.stage.simulator.github().play_run(name, &spec);
        }
    }

    /// The simulator's name of an operation.
    fn operation(&self, name: &str) -> String {
        if self.is_gitlab {
            format!("gitlab.{name}")
        } else {
            name.to_owned()
        }
    }

    /// From now on an operation fails.
    fn breaks(&self, operation: &str, misbehaviour: Misbehaviour) {
        self.stage.simulator.faults().push(Fault {
            operation: self.operation(operation),
            misbehaviour,
            times: u32::MAX,
            after: 0,
        });
    }

    /// From now on no hook can be written.
    fn refuse_writes(&self) {
        self.breaks("update_hook", Misbehaviour::FailBefore(503));
    }

    /// The writes that the provider got.
    fn writes(&self) -> u64 {
        let operations = ["create_hook", "update_hook", "delete_hook"];
        let count = |name| self.stage.simulator.requests(&self.operation(name));
        operations.map(count).iter().sum()
    }

    /// What the history reports, oldest first.
    fn history(&self) -> Vec<Value> {
        let id = self.connection["id"].as_str().expect("an id");
        let path = format!("repositories/connections/{id}/history");
        let mut entries = self.stage.list(ADMIN, &path);
        entries.reverse();
        entries
    }

    /// How many entries of this kind it has.
    fn told(&self, kind: &str) -> usize {
        let history = self.history();
        history.iter().filter(|entry| entry["kind"] == kind).count()
    }

    fn now(&self) -> Value {
        self.stage.again(&self.connection)
    }

    /// The repository goes to other people, and Ann may not see it any more.
    fn transfer(&self) {
        if self.is_gitlab {
            let gitlab = self.stage.simulator.gitlab();
            gitlab.rename(PROJECT, THEIRS);
            gitlab.set_role("ann", THEIRS, 0);
            return;
        }
        self.stage.simulator.github().rename(REPOSITORY, THEIRS);
        let reads = ["repository", "list_hooks", "get_hook"];
        for operation in reads.into_iter().chain(["update_hook", "ping_hook"]) {
            self.breaks(operation, Misbehaviour::NotFoundForPermission);
        }
    }

    /// They let Ann see it again.
    fn let_in(&self) {
        if self.is_gitlab {
            let gitlab = self.stage.simulator.gitlab();
            gitlab.set_role("ann", THEIRS, 40);
        }
        self.stage.simulator.faults().clear();
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

fn scenario_09_an_edited_url_is_reported_then_mended_and_the_hook_is_the_same(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab);
    let before = scene.hooks();
    // What is found is reported before it is repaired: here nothing can be written for a while.
    scene.refuse_writes();
    scene.edit_url(before[0].0, ELSEWHERE);
    let is_told = || scene.told("drifted") == 1;
    scene.stage.wait_until("the drift is reported", is_told);
    let drifted = scene.history().pop().expect("an entry");
    let fields = drifted["fields"].as_array().expect("a list");
    assert!(fields.contains(&json!("url")), "{drifted}");
    scene.stage.wait_until("it is degraded", || {
        scene.now()["webhook_status"] == "degraded"
    });
    assert_eq!(scene.hooks(), [(before[0].0, ELSEWHERE.to_owned())]);
    assert_eq!(scene.told("repaired"), 0);
    scene.stage.simulator.faults().clear();
    let is_back = || scene.hooks() == before;
    scene.stage.wait_until("it has its URL again", is_back);
    let is_told = || scene.told("repaired") == 1;
    scene.stage.wait_until("the repair is reported", is_told);
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

/// The hook went with the repository: what it sends is still verified and processed, nothing is
/// written, and the owner can read why.
fn scenario_15_a_repository_transferred_out_of_access_keeps_its_hook_and_says_so(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab);
    let (before, writes) = (scene.hooks(), scene.writes());
    scene.transfer();
    let is_told = || scene.now()["last_error"]["code"] == "no_access";
    scene.stage.wait_until("it says why", is_told);
    let now = scene.now();
    assert_eq!(now["webhook_status"], "degraded", "{now}");
    assert_eq!(now["webhook_id"], before[0].0.to_string());
    scene.play_in(THEIRS, 1, false);
    scene.stage.incident("failure", "open");
    assert_eq!(scene.told("refused"), 1, "{:?}", scene.history());
    assert_eq!((scene.writes(), scene.told("lost")), (writes, 0));
    assert_eq!(scene.hooks_of(THEIRS), before);
    scene.let_in();
    let id = scene.connection["id"].as_str().expect("an id");
    let line = format!("POST repositories/connections/{id}/check");
    scene.stage.call(ADMIN, &line, &Value::Null);
    scene.stage.wait_for_status(ADMIN, id, "active");
    assert_eq!(scene.now()["repository_full_name"], THEIRS);
    assert_eq!((scene.writes(), scene.told("refused")), (writes, 1));
    assert_eq!(scene.hooks_of(THEIRS), before);
    scene.end();
}

/// A provider answers 404 to those without rights, too: a deleted repository looks like one out of
/// reach. Its connection stays until its user disconnects it.
fn scenario_16_a_deleted_repository_is_reported_and_its_connection_stays(is_gitlab: bool) {
    let scene = Scene::set(is_gitlab);
    let writes = scene.writes();
    if is_gitlab {
        scene.stage.simulator.gitlab().delete_project(PROJECT);
    } else {
        scene.stage.simulator.github().delete_repository(REPOSITORY);
    }
    let is_told = || scene.now()["last_error"]["code"] == "no_access";
    scene.stage.wait_until("it says why", is_told);
    assert_eq!(scene.now()["webhook_status"], "degraded");
    let look_up = if is_gitlab {
        "gitlab.project"
    } else {
        "repository"
    };
    let looks = || scene.stage.simulator.requests(look_up);
    let before = looks();
    scene
        .stage
        .wait_until("it is looked for again", || looks() > before + 2);
    assert_eq!((scene.writes(), scene.told("refused")), (writes, 1));
    assert_eq!((scene.told("lost"), scene.told("suspended")), (0, 0));
    let answer = scene.stage.disconnect(&scene.connection);
    assert_eq!(answer["webhook_outcome"], "pending", "{answer}");
    let left = scene.stage.get("repositories/connections");
    assert_eq!(left["connections"], json!([]));
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
    scenario_09_an_edited_url_is_reported_then_mended_and_the_hook_is_the_same
    scenario_15_a_repository_transferred_out_of_access_keeps_its_hook_and_says_so
    scenario_16_a_deleted_repository_is_reported_and_its_connection_stays
    a_new_address_moves_the_hook_and_the_former_one_is_answered_meanwhile
    a_hook_that_was_not_moved_yet_is_deleted_all_the_same
}
