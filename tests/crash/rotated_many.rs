//! The secrets of many connections are rotated while deliveries come for all of them and the daemon
//! is killed again and again: none is refused, and what was missed is recovered.
//!
//! Sixty connections, unless `HOOKHERD_ROTATED` says so: GitLab's, which allows that many writes.

use super::daemon::{ADMIN, Ended, Stage};
use hookherd::simulator::{DeliveryView, PipelineSpec};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often the daemon is killed.
const KILLS: u64 = 20;
/// Between two deliveries.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the last deliveries may take to be answered, and everything else.
const QUIET: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_mins(10);

fn connections() -> u64 {
    let wish = std::env::var("HOOKHERD_ROTATED").ok();
    wish.map_or(60, |text| text.parse().expect("a number of connections"))
}

fn project(number: u64) -> String {
    format!("group/p{number}")
}

/// Connects everything in one operation.
fn connect(stage: &Stage) {
    let gitlab = stage.simulator.gitlab();
    gitlab.set_rate_limit(None);
    gitlab.set_auto_disabling(false);
    stage.add_credential(ADMIN, "gitlab", &gitlab.add_user("lab"));
    let mut wishes = Vec::new();
    for number in 0..connections() {
        gitlab.add_project(&project(number), "lab");
        wishes.push(json!({
            "provider": "gitlab", "repository_full_name": project(number),
        }));
    }
    let body = json!({ "action": "connect", "repositories": wishes });
    let operation = operate(stage, &body);
    wait_done(stage, &operation);
    stage.wait_long("all hooks", PATIENCE, || {
        (0..connections()).all(|number| gitlab.hooks(&project(number)).len() == 1)
    });
}

/// Begins an operation; returns its path.
fn operate(stage: &Stage, body: &Value) -> String {
    let answer = stage.call(ADMIN, "POST repositories/bulk", body);
    let id = answer.json["operation"]["id"].as_str().expect("an id");
    format!("operations/{id}")
}

fn wait_done(stage: &Stage, path: &str) -> Value {
    let mut now = Value::Null;
    stage.wait_long("the end of the operation", PATIENCE, || {
        now = stage.get(path);
        now["state"] == "done"
    });
    now
}

fn tokens(stage: &Stage) -> BTreeMap<String, String> {
    let all = 0..connections();
    let token_of = |number| {
        let hooks = stage.simulator.gitlab().hooks(&project(number));
        let [hook] = &hooks[..] else {
            panic!("one hook: {hooks:?}");
        };
        let token = hook.signing_token.clone().expect("it signs");
        (project(number), token)
    };
    all.map(token_of).collect()
}

fn sent(stage: &Stage) -> Vec<DeliveryView> {
    let of = |number| stage.simulator.gitlab().deliveries(&project(number));
    (0..connections()).flat_map(of).collect()
}

#[test]
fn no_delivery_is_refused_while_many_secrets_are_rotated_and_the_daemon_is_killed() {
    let mut stage = Stage::new();
    stage.set("HOOKHERD__HEALTH__CHECK_INTERVAL", "1h");
    let mut daemon = Some(stage.start());
    connect(&stage);
    let before = tokens(&stage);
    let (is_over, played) = (AtomicBool::new(false), AtomicU64::new(0));
    let body = json!({ "action": "rotate_secret", "select": { "all": true } });
    std::thread::scope(|scope| {
        let _end = Ended(&is_over);
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let number = played.fetch_add(1, Ordering::SeqCst);
                let spec = PipelineSpec::new(number + 1, "failed");
                let path = project(number % connections());
                stage.simulator.gitlab().play_pipeline(&path, &spec);
                std::thread::sleep(PAUSE);
            }
        });
        let path = operate(&stage, &body);
        for kill in 1..=KILLS {
            let wanted = connections() * kill / (KILLS + 1);
            stage.wait_long("some more to be begun", PATIENCE, || {
                stage.get(&path)["begun"].as_u64() >= Some(wanted)
            });
            drop(daemon.take());
            daemon = Some(stage.start());
        }
        let operation = wait_done(&stage, &path);
        assert_eq!(operation["ended"], connections(), "{operation}");
        stage.wait_long("all secrets to be new", PATIENCE, || {
            let now = tokens(&stage);
            before.iter().all(|(path, token)| now[path] != *token)
        });
    });
    assert!(stage.simulator.wait_quiet(QUIET));
    let sent = sent(&stage);
    let refused = |d: &&DeliveryView| d.status.is_some_and(|status| (400..500).contains(&status));
    let refused: Vec<_> = sent.iter().filter(refused).collect();
    assert!(refused.is_empty(), "of {}: {refused:?}", sent.len());

    let mut missing = BTreeSet::new();
    stage.wait_long("what was missed", PATIENCE, || {
        let stored = stage.stored();
        let guid = |d: &Value| d["provider_delivery_id"].as_str().map(str::to_owned);
        let stored: BTreeSet<_> = stored.iter().filter_map(guid).collect();
        missing = sent.iter().map(|d| d.guid.clone()).collect();
        missing.retain(|guid| !stored.contains(guid));
        missing.is_empty()
    });
    let answered = sent.iter().filter(|d| d.status.is_some()).count();
    println!(
        "{} rotated, {KILLS} kills: {} deliveries, {answered} answered at once, 0 refused",
        connections(),
        sent.len()
    );
    stage.assert_no_panic();
    drop(daemon);
}
