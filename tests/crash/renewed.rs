//! The daemon is stopped while it renews a sign-in whose refresh token is used once. Afterwards
//! the grant works, or one incident reports that it is lost and signing in again resolves it: never
//! silence, and never two incidents.

use super::daemon::{ADMIN, Stage, killed_when};
use super::traced::{kill_traced, spawn_to_die_at, strace_is_missing};
use hookherd::simulator::{GitlabHandle, Misbehaviour};
use serde_json::{Value, json};
use std::time::Duration;

const PROJECT: &str = "group/sub/app";
/// The daemon's client at GitLab: its id, and its secret.
const OAUTH_CLIENT: (&str, &str) = ("crash-client", "crash-client-secret");
/// Longer than GitLab's access tokens live.
const LIFE: Duration = Duration::from_hours(3);
/// A start and a renewal have fewer calls of a kind than this.
const STOPS_MAX: u32 = 60;
/// The simulator's name of a renewal.
const REFRESH: &str = "gitlab.token_by_refresh";

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The grant works, and nothing had to be reported.
    Works,
    /// It was lost; that was reported, and resolved by signing in again.
    Mended,
}

fn gitlab(stage: &Stage) -> GitlabHandle {
    stage.simulator.gitlab()
}

/// Signs in without a browser.
fn sign_in(stage: &Stage) {
    let path = "oauth/gitlab/device";
    let begun = stage.call(ADMIN, &format!("POST {path}"), &json!({})).json;
    let code = begun["user_code"].as_str().expect("a code");
    assert!(gitlab(stage).approve_device(code, "ann"));
    let poll = format!("POST {path}/{}", begun["id"].as_str().expect("an id"));
    stage.wait_until("the device to be let in", || {
        stage.call(ADMIN, &poll, &Value::Null).json["status"] == "connected"
    });
}

fn connection(stage: &Stage) -> Value {
    stage.get("repositories/connections")["connections"][0].clone()
}

fn is_active(stage: &Stage) -> bool {
    connection(stage)["webhook_status"] == "active"
}

/// A connection of a user who signed in, whose access token has expired by now.
fn prepare() -> Stage {
    let mut stage = Stage::new();
    let (id, secret) = OAUTH_CLIENT;
    stage.set("GITLAB_OAUTH_CLIENT_ID", id);
    stage.set("GITLAB_OAUTH_CLIENT_SECRET", secret);
    let gitlab = gitlab(&stage);
    gitlab.add_user("ann");
    gitlab.add_project(PROJECT, "ann");
    gitlab.add_application(id, Some(secret), "http://127.0.0.1/nowhere");
    gitlab.set_device_interval(0);
    let daemon = stage.start();
    sign_in(&stage);
    let wish = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
    stage.call(ADMIN, "POST repositories/connect", &wish);
    stage.wait_until("the hook", || is_active(&stage));
    assert!(daemon.terminate().success());
    gitlab.advance_clock(LIFE);
    stage
}

/// Whether the grant works: asks the provider with it. If not, the connection is to look at its
/// hook, which renews what is refused. `None` when the daemon is gone.
fn works(stage: &Stage) -> Option<bool> {
    let ask = |line: &str| stage.try_call(line, &Value::Null);
    let (status, _) = ask("GET repositories/gitlab?limit=1")?;
    if status != 200 {
        let (_, list) = ask("GET repositories/connections")?;
        let id = list["connections"][0]["id"].as_str().unwrap_or_default();
        let line = format!("POST repositories/connections/{id}/check");
        ask(&line)?;
    }
    Some(status == 200)
}

/// Uses the grant until it works (`true`), or the daemon is gone (`false`).
fn uses(stage: &Stage) -> bool {
    let mut last = None;
    stage.wait_until("the grant to work", || {
        last = works(stage);
        last != Some(false)
    });
    last.is_some()
}

/// The incidents that tell of the grant.
fn told(stage: &Stage) -> Vec<Value> {
    let mut incidents = stage.list(ADMIN, "incidents");
    incidents.retain(|incident| incident["failure_type"] == "credential_rejected");
    incidents
}

/// Continues with a daemon that nothing stops.
fn finish(stage: &Stage) -> End {
    let daemon = stage.start();
    let mut does_work = false;
    stage.wait_until("the grant to work, or a word", || {
        does_work = works(stage) == Some(true);
        does_work || !told(stage).is_empty()
    });
    let end = if does_work { End::Works } else { End::Mended };
    if end == End::Mended {
        let incidents = told(stage);
        assert_eq!(incidents.len(), 1, "{incidents:?}");
        assert_eq!(incidents[0]["status"], "open");
        let is_suspended = || connection(stage)["webhook_status"] == "suspended";
        stage.wait_until("the connection to be suspended", is_suspended);
        sign_in(stage);
        assert_eq!(works(stage), Some(true));
    }
    check(stage);
    let incidents = told(stage);
    assert_eq!(incidents.len(), usize::from(end == End::Mended));
    assert!(incidents.iter().all(|i| i["status"] == "resolved"));
    assert_eq!(gitlab(stage).hooks(PROJECT).len(), 1);
    assert_eq!(
        stage.get("credentials")["items"].as_array().map(Vec::len),
        Some(1)
    );
    drop(daemon);
    stage.assert_no_panic();
    end
}

/// The connection looks at its hook with the grant, and is content.
fn check(stage: &Stage) {
    let at = |connection: &Value| connection["health"]["last_check_at"].clone();
    let before = at(&connection(stage));
    let id = connection(stage)["id"].as_str().expect("an id").to_owned();
    let line = format!("POST repositories/connections/{id}/check");
    stage.call(ADMIN, &line, &Value::Null);
    stage.wait_until("a check", || {
        is_active(stage) && at(&connection(stage)) != before
    });
}

/// Renews, each time with a daemon that strace kills as it makes the nth system call of a kind,
/// until it makes fewer. How each ended that was stopped.
fn stop_at_each(call: &str) -> Vec<End> {
    let mut ends = Vec::new();
    for nth in 1..STOPS_MAX {
        let stage = prepare();
        let mut daemon = spawn_to_die_at(&stage, call, nth);
        let is_whole = stage.is_ready(&mut daemon) && uses(&stage);
        kill_traced(daemon.pid());
        daemon.kill();
        if is_whole {
            assert_eq!(stage.simulator.requests(REFRESH), 1);
            break;
        }
        ends.push(finish(&stage));
    }
    ends
}

/// What is being committed is written then: the intent before the provider hears of it, and the
/// new tokens before they are used. So nothing is lost.
#[test]
fn a_daemon_that_is_stopped_at_any_commit_of_a_renewal_has_its_grant_afterwards() {
    if strace_is_missing() {
        return;
    }
    let ends = stop_at_each("fdatasync");
    eprintln!("stopped at {} commits: {ends:?}", ends.len());
    assert!((2..STOPS_MAX as usize).contains(&ends.len()));
    assert!(ends.iter().all(|end| *end == End::Works));
}

/// The provider gets the refresh token and does not answer. Either it did nothing, or the old
/// tokens have expired and the new ones are lost.
#[test]
fn a_daemon_that_is_stopped_in_the_call_of_a_renewal_works_or_tells() {
    for (misbehaviour, expected) in [
        (Misbehaviour::Hang, End::Works),
        (Misbehaviour::ActThenHang, End::Mended),
    ] {
        let stage = prepare();
        // Before the start: the daemon may renew the grant as soon as it runs.
        let faults = stage.simulator.faults();
        faults.next(REFRESH, misbehaviour);
        let mut daemon = stage.spawn(&[], &[]);
        assert!(stage.is_ready(&mut daemon));
        let is_time = || !faults.are_pending();
        let (is_whole, _) = killed_when(daemon, is_time, || uses(&stage));
        assert!(!is_whole, "{misbehaviour:?}");
        assert_eq!(finish(&stage), expected, "{misbehaviour:?}");
    }
}
