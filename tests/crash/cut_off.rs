//! The real daemon is killed again and again while it reads a long log. Each process continues
//! where the one before it was, and what is sent meanwhile is found, too.

use super::daemon::{ADMIN, Stage};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const PROJECT: &str = "group/long";
/// Pages of the log, with 20 entries each.
const PAGES: u64 = 120;
/// Pages that a process reads before it is killed.
const LIFE: u64 = 20;
/// Most of them that the next process reads once more: what was read since it was last remembered
/// how far the reading had come, the newest page, and those in which the place is looked for.
const LOST: u64 = 12;
/// Deliveries that are sent between two processes.
const MORE: u64 = 5;
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn a_daemon_that_is_killed_again_and_again_comes_to_the_end_of_a_long_log() {
    let stage = Stage::new();
    let gitlab = stage.simulator.gitlab();
    // A version whose log has no times.
    gitlab.set_version(18, 5);
    gitlab.set_rate_limit(None);
    gitlab.set_auto_disabling(false);
    let daemon = stage.start();
    stage.add_credential(ADMIN, "gitlab", &gitlab.add_user("lab"));
    gitlab.add_project(PROJECT, "lab");
    let wish = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
    let connection = stage.call(ADMIN, "POST repositories/connect", &wish);
    let id = connection.json["id"].as_str();
    let path = format!("repositories/connections/{}", id.expect("an id"));
    let reconciled = || stage.get(&path)["health"]["gaps"]["reconciled_at"].clone();
    stage.wait_until("the first reconcile", || !reconciled().is_null());
    let before = reconciled();
    drop(daemon);

    let send = |count: u64| {
        (0..count).for_each(|_| gitlab.push(PROJECT));
        assert!(stage.simulator.wait_quiet(PATIENCE));
    };
    send(PAGES * 20);
    let read = || stage.simulator.requests("gitlab.list_events");
    let mut lives = 0;
    while reconciled_or_killed(&stage, (&read, LIFE), || reconciled() != before).is_none() {
        lives += 1;
        assert!(lives <= PAGES / (LIFE - LOST) + 1, "{}", stage.end_of_log());
        send(MORE);
    }
    assert!(lives >= PAGES / LIFE, "it was killed {lives} times");
}

/// Starts a daemon, and kills it after so many requests unless this comes true before.
fn reconciled_or_killed(
    stage: &Stage,
    (requests, most): (&dyn Fn() -> u64, u64),
    is_so: impl Fn() -> bool,
) -> Option<()> {
    let before = requests();
    let _daemon = stage.start();
    let mut is_through = false;
    stage.wait_long("the log to be read", PATIENCE, || {
        is_through = is_so();
        is_through || requests() >= before + most
    });
    if !is_through {
        return None;
    }
    let sent = stage.simulator.gitlab().deliveries(PROJECT);
    let stored = stage.stored();
    let guid = |it: &Value| it["provider_delivery_id"].as_str().map(str::to_owned);
    let stored: BTreeSet<_> = stored.iter().filter_map(guid).collect();
    let missing = sent.iter().filter(|it| !stored.contains(&it.guid)).count();
    assert_eq!(missing, 0, "of {}", sent.len());
    Some(())
}
