//! Scenarios of hooks that people touch by hand, and of repositories that change, with the whole
//! daemon. The numbers are those of the list of reliability scenarios.

use crate::daemon::{ADMIN, Daemon, Stage};
use crate::stand::Stand;
use hookherd::domain::secret::Proof;
use hookherd::provider::{CheckReport, Repaired};
use hookherd::simulator::{Hook, RunSpec};
use reqwest::Method;
use serde_json::{Value, json};

const REPOSITORY: &str = "octo/app";
const URL: &str = "https://hooks.example/api/v2/webhooks/github/0123456789abcdefghjkmnpqrstvwxyz";

/// A GitHub, and a daemon that looks at its hook every second.
struct Scene {
    stage: Stage,
    daemon: Daemon,
    connection: Value,
    token: String,
}

/// The hooks by id and URL.
fn places(hooks: &[Hook]) -> Vec<(u64, String)> {
    hooks
        .iter()
        .map(|hook| (hook.id, hook.url.clone()))
        .collect()
}

impl Scene {
    fn set() -> Self {
        let stage = Stage::checking("1s");
        let token = stage.simulator.github().add_user("ann");
        stage.simulator.github().add_repository(REPOSITORY, "ann");
        let daemon = stage.start();
        stage.add_credential(ADMIN, "github", &token);
        let connection = stage.connect(&json!({ "repository_full_name": REPOSITORY }));
        Self {
            stage,
            daemon,
            connection,
            token,
        }
    }

    fn end(self) {
        assert!(self.daemon.terminate().success());
    }

    fn id(&self) -> &str {
        self.connection["id"].as_str().expect("an id")
    }

    fn hooks(&self) -> Vec<Hook> {
        self.stage.simulator.github().hooks(REPOSITORY)
    }

    /// The writes that the provider got.
    fn writes(&self) -> u64 {
        let operations = ["create_hook", "update_hook", "delete_hook"];
        let counts = operations.map(|name| self.stage.simulator.requests(name));
        counts.iter().sum()
    }

    /// What the history reports, oldest first.
    fn history(&self) -> Vec<String> {
        let path = format!("repositories/connections/{}/history", self.id());
        let mut items = self.stage.list(ADMIN, &path);
        items.reverse();
        let kind = |item: Value| item["kind"].as_str().expect("a kind").to_owned();
        items.into_iter().map(kind).collect()
    }

    fn now(&self) -> Value {
        self.stage.again(&self.connection)
    }

    /// Writes over the hook's settings by hand.
    fn edit(&self, body: &Value) {
        let (api, hook) = (self.stage.simulator.api_url(), self.hooks()[0].id);
        let url = format!("{api}/repos/{REPOSITORY}/hooks/{hook}");
        let request = self.stage.request(Method::PATCH, &url);
        let written = self.stage.send(request.bearer_auth(&self.token).json(body));
        assert_eq!(written.expect("an answer").status, 200, "{body}");
    }
}

/// Recreated twice; the third time in a day it asks, and a resume starts from the beginning.
#[test]
fn scenario_08_a_hook_deleted_by_hand_is_recreated_and_the_third_time_it_asks() {
    let scene = Scene::set();
    let github = scene.stage.simulator.github();
    for _ in 0..2 {
        let hook = scene.hooks()[0].id;
        github.delete_hook_by_hand(REPOSITORY, hook);
        let is_new = || scene.hooks().first().is_some_and(|new| new.id != hook);
        scene.stage.wait_until("another hook is there", is_new);
        scene.stage.wait_for_status(ADMIN, scene.id(), "active");
    }
    github.delete_hook_by_hand(REPOSITORY, scene.hooks()[0].id);
    scene.stage.wait_for_status(ADMIN, scene.id(), "suspended");
    let writes = scene.writes();
    let now = scene.now();
    let because = &now["health"]["suspended_because"];
    assert_eq!(because, "hook_deleted_repeatedly", "{now}");
    assert!(scene.hooks().is_empty());
    scene.stage.incident("hook_suspended", "open");
    assert_eq!(scene.writes(), writes, "it waits for an answer");
    // The third loss and the suspension are one step.
    let told = [
        "lost",
        "recreated",
        "lost",
        "recreated",
        "suspended",
        "lost",
    ];
    let history = scene.history();
    assert!(history.ends_with(&told.map(str::to_owned)), "{history:?}");
    let line = format!("POST repositories/connections/{}/check", scene.id());
    scene.stage.call(ADMIN, &line, &Value::Null);
    scene.stage.wait_for_status(ADMIN, scene.id(), "active");
    assert_eq!(scene.hooks().len(), 1);
    scene.stage.incident("hook_suspended", "resolved");
    scene.end();
}

/// What is signed with the other secret is never accepted, and nothing of it is missed.
#[test]
fn scenario_10_a_secret_changed_by_hand_is_written_again_and_what_was_refused_is_recovered() {
    let scene = Scene::set();
    let github = scene.stage.simulator.github();
    let config = json!({
        "url": scene.connection["webhook_url"], "content_type": "json", "insecure_ssl": "0",
        "secret": "a secret of somebody else's",
    });
    scene.edit(&json!({ "config": config }));
    let writes = scene.stage.simulator.requests("update_hook");
    let is_written = || scene.stage.simulator.requests("update_hook") > writes;
    for number in 1..=3 {
        github.play_run(REPOSITORY, &RunSpec::new(number, "failure"));
    }
    let incidents = scene.stage.list(ADMIN, "incidents");
    // It is quick: then they are recovered already.
    assert!(incidents.is_empty() || is_written());
    scene.stage.wait_until("our secret is written", is_written);
    github.play_run(REPOSITORY, &RunSpec::new(4, "failure"));
    scene.stage.incident("failure", "open");
    let line = format!("POST repositories/connections/{}/reconcile", scene.id());
    scene.stage.call(ADMIN, &line, &Value::Null);
    let counted = || {
        let incident = scene.stage.incident("failure", "open");
        incident["occurrences"] == 4
    };
    scene
        .stage
        .wait_until("the refused ones are recovered", counted);
    scene.end();
}

/// Each combination of what people change is found, and restored in place.
#[actix_web::test]
async fn scenario_11_whatever_is_changed_by_hand_is_restored_in_place() {
    let stand = Stand::github();
    let (access, spec) = (&stand.access, stand.spec(URL));
    let made = stand.hooks.ensure(access, &stand.target, None, &spec).await;
    let (hook, before) = (made.expect("it is created").hook, stand.seen());
    let target = stand.known();
    let check = async || {
        let checked = stand.hooks.check(access, &target, hook, &spec, None);
        checked.await.expect("an answer").report
    };
    for changed in 1..32_u32 {
        let has = |bit: u32| changed & (1 << bit) != 0;
        let mut config = json!({ "url": URL });
        config["content_type"] = json!(if has(0) { "form" } else { "json" });
        config["insecure_ssl"] = json!(if has(1) { "1" } else { "0" });
        if !has(2) {
            config["secret"] = json!("x".repeat(40));
        }
        let mut body = json!({ "active": !has(3), "config": config });
        if has(4) {
            body["events"] = json!(["push"]);
        }
        assert_eq!(stand.write(Some(hook.0), &body).await, 200, "{body}");
        let names = ["content_type", "insecure_ssl", "secret", "active", "events"];
        let CheckReport::Drifted { mut fields, .. } = check().await else {
            panic!("the drift is not seen: {body}");
        };
        let place = |field: &&str| names.iter().position(|name| name == field);
        fields.sort_unstable_by_key(place);
        let changes = (0..).zip(names).filter(|(bit, _)| has(*bit));
        let expected: Vec<_> = changes.map(|(_, name)| name).collect();
        assert_eq!(fields, expected, "{body}");
        let repaired = stand.hooks.repair(access, &target, hook, &spec).await;
        let proof = Proof::Signature;
        assert!(matches!(repaired, Ok(Repaired::Done { proof: now, .. }) if now == proof));
        assert_eq!(check().await, CheckReport::Intact, "{body}");
        assert_eq!(stand.seen(), before, "the same hook, and no other");
    }
}

/// A hook behind a 404 is not gone: nothing is created, and all is well once it may be seen again.
#[test]
fn scenario_14_a_404_for_lack_of_permission_is_never_taken_for_a_deleted_hook() {
    let scene = Scene::set();
    let github = scene.stage.simulator.github();
    let before = places(&scene.hooks());
    github.set_admin("ann", REPOSITORY, false);
    scene.stage.wait_for_status(ADMIN, scene.id(), "degraded");
    let writes = scene.writes();
    let now = scene.now();
    assert_eq!(now["last_error"]["code"], "no_access", "{now}");
    assert_eq!(now["webhook_id"], before[0].0.to_string());
    // What the hook sends is still verified.
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    scene.stage.incident("failure", "open");
    assert_eq!((scene.writes(), places(&scene.hooks())), (writes, before));
    github.set_admin("ann", REPOSITORY, true);
    let line = format!("POST repositories/connections/{}/check", scene.id());
    scene.stage.call(ADMIN, &line, &Value::Null);
    scene.stage.wait_for_status(ADMIN, scene.id(), "active");
    assert_eq!(scene.writes(), writes);
    scene.end();
}

/// The name follows from the provider's answer by number; the hook is the same.
#[test]
fn scenario_15_a_renamed_repository_is_followed_with_the_same_hook() {
    let scene = Scene::set();
    let before = places(&scene.hooks());
    scene
        .stage
        .simulator
        .github()
        .rename(REPOSITORY, "octo/new");
    let has_name = || scene.now()["repository_full_name"] == "octo/new";
    scene.stage.wait_until("the new name is known", has_name);
    let now = scene.stage.simulator.github().hooks("octo/new");
    assert_eq!(places(&now), before);
    scene.stage.wait_for_status(ADMIN, scene.id(), "active");
    assert!(scene.history().contains(&"renamed".to_owned()));
    scene.end();
}

/// An archived repository accepts no changes: none is attempted, and its owner sees why.
#[test]
fn scenario_16_an_archived_repository_is_not_written_to() {
    let scene = Scene::set();
    let github = scene.stage.simulator.github();
    github.edit_hook_by_hand(REPOSITORY, scene.hooks()[0].id, &["push"]);
    github.archive(REPOSITORY);
    let writes = scene.writes();
    let is_told = || scene.now()["last_error"]["code"] == "repository_archived";
    scene.stage.wait_until("it says why", is_told);
    scene.stage.wait_for_status(ADMIN, scene.id(), "degraded");
    // It is looked at again and again, and not written to.
    let looks = || scene.stage.simulator.requests("repository");
    let before = looks();
    scene
        .stage
        .wait_until("more looks", || looks() > before + 3);
    assert_eq!(scene.writes(), writes);
    let refusals = scene.history().into_iter().filter(|kind| kind == "refused");
    assert_eq!(refusals.count(), 1, "its owner is told once");
    let reasons = scene.now()["health"]["reasons"].clone();
    let refused = |reason: &Value| reason["code"] == "repository_archived";
    assert!(
        reasons
            .as_array()
            .is_some_and(|all| all.iter().any(refused))
    );
    assert!(!scene.history().contains(&"repaired".to_owned()));
    github.set_archived(REPOSITORY, false);
    scene.stage.wait_for_status(ADMIN, scene.id(), "active");
    assert!(scene.history().contains(&"repaired".to_owned()));
    scene.end();
}
