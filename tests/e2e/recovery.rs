//! Missed deliveries: the daemon is down, refuses, or is not reached, and stores them in the end.

use super::commands::{done, json, with_ann};
use super::stage::{ADMIN, REPOSITORY, Stage};
use hookherd::simulator::{DeliveryView, PipelineSpec, RunSpec};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) const PROJECT: &str = "group/sub/app";

/// The ids of all deliveries that a provider sent or tried to send to this hook, each once.
pub(super) fn sent(views: Vec<DeliveryView>, hook: u64) -> BTreeSet<String> {
    let ours = views.into_iter().filter(|view| view.hook == hook);
    ours.map(|view| view.guid).collect()
}

/// Those of them that this server has not answered.
pub(super) fn unanswered(views: Vec<DeliveryView>) -> BTreeSet<String> {
    let missed = views.into_iter().filter(|view| view.status.is_none());
    missed.map(|view| view.guid).collect()
}

/// The ids of the stored deliveries that are processed, and how often each is stored.
fn stored(stage: &Stage, user: &str) -> BTreeMap<String, usize> {
    let (mut stored, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let line = format!("GET deliveries?limit=100{cursor}");
        let page = stage.call(user, &line, &Value::Null).json;
        for delivery in page["items"].as_array().expect("a list") {
            if delivery["state"] == "processed" {
                let id = delivery["provider_delivery_id"].as_str().expect("an id");
                *stored.entry(id.to_owned()).or_default() += 1;
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return stored,
        }
    }
}

/// Waits until every delivery of the provider's is stored and processed, exactly once.
#[track_caller]
pub(super) fn wait_for_all(stage: &Stage, user: &str, sent: &BTreeSet<String>) {
    let mut missing = 0;
    stage.wait_until("all deliveries", || {
        let stored = stored(stage, user);
        missing = sent.iter().filter(|id| !stored.contains_key(*id)).count();
        missing == 0
    });
    let stored = stored(stage, user);
    assert!(stored.values().all(|count| *count == 1), "{stored:?}");
}

pub(super) fn totals(stage: &Stage, user: &str, id: &str) -> Value {
    stage.connection(user, id)["health"]["gaps"]["totals"].clone()
}

/// Waits until a reconcile that began after the present moment has ended.
#[track_caller]
fn wait_for_reconcile(stage: &Stage, user: &str, id: &str) -> Value {
    let line = format!("POST repositories/connections/{id}/reconcile");
    let at = |connection: &Value| connection["health"]["gaps"]["reconciled_at"].clone();
    let before = at(&stage.call(user, &line, &Value::Null).json);
    let mut now = Value::Null;
    stage.wait_until("a reconcile", || {
        now = stage.connection(user, id);
        at(&now) != before && !at(&now).is_null()
    });
    now
}

pub(super) fn quiet(stage: &Stage) {
    assert!(stage.simulator.wait_quiet(Duration::from_secs(20)));
}

/// The incidents of CI: their titles and states.
pub(super) fn incidents(stage: &Stage, user: &str) -> Vec<(String, String, String)> {
    let text = |incident: &Value, name: &str| incident[name].as_str().unwrap_or("-").to_owned();
    let all = stage.list(user, "incidents?limit=100");
    let all = all.iter().filter(|incident| incident["source"] != "health");
    let mut all: Vec<_> = all
        .map(|it| (text(it, "title"), text(it, "status"), text(it, "source")))
        .collect();
    all.sort();
    all
}

#[test]
fn what_github_sent_while_the_daemon_was_down_is_recovered_once() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let daemon = stage.start();
    let (ann, id) = stage.ann_connected();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    quiet(&stage);
    drop(daemon);
    let on = |number, conclusion, branch: &str| RunSpec {
        branch: branch.into(),
        ..RunSpec::new(number, conclusion)
    };
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    github.play_run(REPOSITORY, &on(3, "failure", "topic"));
    github.play_run(REPOSITORY, &on(4, "failure", "gone"));
    github.delete_branch(REPOSITORY, "gone");
    github.push(REPOSITORY);
    quiet(&stage);
    let hook = github.hooks(REPOSITORY)[0].id;
    let all = sent(github.deliveries(REPOSITORY), hook);
    let _daemon = stage.start();
    wait_for_all(&stage, &ann, &all);
    stage.wait_until("the gap to be closed", || {
        let gaps = stage.list(&ann, &format!("gaps?connection_id={id}"));
        gaps.first().is_some_and(|gap| gap["closed_at"].is_string())
    });
    let gap = &stage.list(&ann, "gaps")[0];
    assert_eq!(
        (&gap["cause"], &gap["repository_full_name"]),
        (&json!("down"), &json!(REPOSITORY))
    );
    let totals = totals(&stage, &ann, &id);
    assert!(totals["missed"].as_u64() >= Some(8), "{totals}");
    assert_eq!(totals["recovered"], totals["missed"]);
    assert_eq!(
        (&totals["unrecoverable"], &totals["unlogged_seconds"]),
        (&json!(0), &json!(0))
    );
    let stats = stage.call(&ann, "GET stats", &Value::Null).json;
    assert_eq!(stats["gaps"], totals);
    let resolved = |title: &str, source: &str| {
        (
            format!("CI failed: {title}"),
            "resolved".to_owned(),
            source.to_owned(),
        )
    };
    let open = (
        "CI failed: CI on topic".into(),
        "open".into(),
        "reconcile".into(),
    );
    let expected = [
        resolved("CI on gone", "reconcile"),
        resolved("CI on main", "webhook"),
        open,
    ];
    stage.wait_until("the incidents", || incidents(&stage, &ann) == expected);
    // The webhook of the provider was not proven by what was read from its log.
    let metrics = stage.ask(ADMIN, "GET /metrics", None).text;
    let recovered = format!("hookherd_deliveries_recovered_total {}", totals["missed"]);
    assert!(metrics.contains(&recovered), "{metrics}");
}

#[test]
fn what_gitlab_sent_while_the_daemon_was_down_is_recovered_once() {
    let stage = Stage::new();
    let gitlab = stage.simulator.gitlab();
    let daemon = stage.start();
    let ann = stage.add_user("ann");
    let token = gitlab.add_user("ann");
    gitlab.add_project(PROJECT, "ann");
    stage.add_credential(&ann, "gitlab", &token);
    let wish = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
    let line = "POST repositories/connect";
    let id = stage.call(&ann, line, &wish).field("id");
    stage.wait_for_status(&ann, &id, "active");
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(1, "failed"));
    quiet(&stage);
    drop(daemon);
    gitlab.retry_pipeline(PROJECT, 1, "success");
    let topic = PipelineSpec {
        ref_name: "topic".into(),
        ..PipelineSpec::new(2, "failed")
    };
    gitlab.play_pipeline(PROJECT, &topic);
    for _ in 0..25 {
        gitlab.push(PROJECT);
    }
    quiet(&stage);
    let hook = gitlab.hooks(PROJECT)[0].id;
    let all = sent(gitlab.deliveries(PROJECT), hook);
    assert!(all.len() > 20, "more than a page");
    let daemon = stage.start();
    wait_for_all(&stage, &ann, &all);
    let expected = [
        (
            "CI failed: Pipeline on main".into(),
            "resolved".into(),
            "webhook".into(),
        ),
        (
            "CI failed: Pipeline on topic".into(),
            "open".into(),
            "reconcile".into(),
        ),
    ];
    stage.wait_until("the incidents", || incidents(&stage, &ann) == expected);
    let now = wait_for_reconcile(&stage, &ann, &id);
    let totals = &now["health"]["gaps"]["totals"];
    assert_eq!(
        (&totals["missed"], &totals["unrecoverable"]),
        (&totals["recovered"], &json!(0))
    );
    // Reading the log again finds nothing new, also after another restart.
    let missed = totals["missed"].clone();
    drop(daemon);
    let _daemon = stage.start();
    let now = wait_for_reconcile(&stage, &ann, &id);
    assert_eq!(now["health"]["gaps"]["totals"]["missed"], missed);
}

/// The daemon is killed again and again while it recovers.
#[test]
fn a_recovery_that_is_killed_continues_and_ingests_nothing_twice() {
    const RUNS: u64 = 40;
    let stage = Stage::new();
    let github = stage.simulator.github();
    let daemon = stage.start();
    let (ann, id) = stage.ann_connected();
    // The ping is answered, or it would be stored and look unanswered.
    quiet(&stage);
    drop(daemon);
    for number in 1..=RUNS {
        let conclusion = if number == RUNS { "success" } else { "failure" };
        github.play_run(REPOSITORY, &RunSpec::new(number, conclusion));
    }
    quiet(&stage);
    let hook = github.hooks(REPOSITORY)[0].id;
    let all = sent(github.deliveries(REPOSITORY), hook);
    let missed = unanswered(github.deliveries(REPOSITORY)).len() as u64;
    let calls = || stage.simulator.requests("get_delivery");
    for part in 1..4 {
        let daemon = stage.start();
        let wanted = missed * part / 4;
        stage.wait_until("a part of the recovery", || calls() >= wanted);
        drop(daemon);
    }
    let _daemon = stage.start();
    wait_for_all(&stage, &ann, &all);
    stage.wait_until("the account to add up", || {
        let totals = totals(&stage, &ann, &id);
        totals["missed"] == missed && totals["recovered"] == missed
    });
    // What was fetched and not stored when the daemon was killed is fetched again.
    assert!(
        calls() <= all.len() as u64 + 3,
        "{} for {}",
        calls(),
        all.len()
    );
    let open: Vec<_> = incidents(&stage, &ann)
        .into_iter()
        .filter(|it| it.1 == "open")
        .collect();
    assert_eq!(open, []);
}

#[test]
fn what_did_not_reach_the_daemon_is_recovered_when_a_user_requests_it() {
    let (stage, _daemon) = with_ann();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    super::commands::done_with(&stage, &["credential", "add", "github"], &token);
    done(&stage, &["connect", "github", REPOSITORY]);
    let hook = github.hooks(REPOSITORY)[0].clone();
    github.edit_hook_url_by_hand(REPOSITORY, hook.id, "http://127.0.0.1:9/nowhere");
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    quiet(&stage);
    github.edit_hook_url_by_hand(REPOSITORY, hook.id, &hook.url);
    let missed = unanswered(github.deliveries(REPOSITORY)).len();
    let words = format!("{missed} missed in total, {missed} recovered, 0 unrecoverable");
    let said = done(&stage, &["reconcile", REPOSITORY]);
    let expected = format!("delivery log compared; {words}");
    assert!(said.contains(&expected), "{said}");
    let gaps = json(&done(
        &stage,
        &["gaps", "--connection", REPOSITORY, "--json"],
    ));
    assert_eq!(gaps["items"][0]["cause"], "unreachable");
    assert_eq!(gaps["items"][0]["totals"]["recovered"], missed);
    let table = done(&stage, &["gaps"]);
    assert!(
        table.contains("unreachable") && table.contains(REPOSITORY),
        "{table}"
    );
    let open = json(&done(&stage, &["incidents", "--status", "open", "--json"]));
    assert_eq!(open["items"][0]["source"], "reconcile");
    let again = done(&stage, &["reconcile", REPOSITORY]);
    assert!(again.contains(&words), "{again}");
}

/// A branch that fails before the repository is connected is an incident from the first minute.
#[test]
fn a_first_connect_finds_the_latest_runs_of_both_providers() {
    let stage = Stage::new();
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    let _daemon = stage.start();
    let (ann, token) = stage.ann_and_octo();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let gitlab_token = gitlab.add_user("ann");
    gitlab.add_project(PROJECT, "ann");
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(1, "failed"));
    quiet(&stage);
    let id = stage.connect(&ann, &token, REPOSITORY);
    stage.add_credential(&ann, "gitlab", &gitlab_token);
    let wish = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
    stage.call(&ann, "POST repositories/connect", &wish);
    let found = |title: &str| {
        (
            format!("CI failed: {title}"),
            "open".to_owned(),
            "reconcile".to_owned(),
        )
    };
    let expected = [found("CI on main"), found("Pipeline on main")];
    stage.wait_until("the incidents", || incidents(&stage, &ann) == expected);
    assert_eq!(
        stage.list(&ann, "gaps"),
        [] as [Value; 0],
        "nothing was missed"
    );
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    stage.wait_until("the pass", || incidents(&stage, &ann)[0].1 == "resolved");
    // What webhooks reported is not found again.
    let now = wait_for_reconcile(&stage, &ann, &id);
    assert_eq!(now["health"]["gaps"]["totals"]["found"], 0);
}

/// The log no longer has what was missed: the state of runs is right in the end.
#[test]
fn what_the_log_has_lost_is_found_by_listing_runs() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let daemon = stage.start();
    let (ann, id) = stage.ann_connected();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    quiet(&stage);
    wait_for_reconcile(&stage, &ann, &id);
    drop(daemon);
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    quiet(&stage);
    github.advance_clock(Duration::from_hours(4 * 24));
    github.push(REPOSITORY);
    quiet(&stage);
    let _daemon = stage.start();
    let expected = [(
        "CI failed: CI on main".to_owned(),
        "resolved".to_owned(),
        "webhook".to_owned(),
    )];
    stage.wait_until("the incident to end", || {
        incidents(&stage, &ann) == expected
    });
    let gap = &stage.list(&ann, "gaps")[0];
    assert_eq!(gap["totals"]["found"], 1, "{gap}");
}

/// GitHub sends nothing to a hook that is switched off, and its log shows nothing.
#[test]
fn what_a_hook_that_was_switched_off_did_not_get_is_found() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let (ann, id) = stage.ann_connected();
    wait_for_reconcile(&stage, &ann, &id);
    let hook = github.hooks(REPOSITORY)[0].id;
    let before = github.deliveries(REPOSITORY).len();
    github.change_hook_by_hand(REPOSITORY, hook, |hook| hook.is_active = false);
    let run = RunSpec {
        branch: "topic".into(),
        ..RunSpec::new(1, "failure")
    };
    github.play_run(REPOSITORY, &run);
    quiet(&stage);
    assert_eq!(github.deliveries(REPOSITORY).len(), before);
    let line = format!("POST repositories/connections/{id}/check");
    stage.call(&ann, &line, &Value::Null);
    let mut found = Vec::new();
    stage.wait_until("the failed run", || {
        found = incidents(&stage, &ann);
        !found.is_empty()
    });
    assert_eq!(found[0].0, "CI failed: CI on topic");
    assert_eq!(found[0].2, "reconcile");
    stage.wait_until("the gap to be closed", || {
        let gaps = stage.list(&ann, &format!("gaps?connection_id={id}"));
        let closed = gaps.iter().filter(|gap| gap["closed_at"].is_string());
        closed.clone().any(|gap| gap["cause"] == "hook_changed")
    });
}
