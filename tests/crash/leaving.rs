//! The daemon is killed at each of its commits in turn while an API token is revoked and a user is
//! removed. Afterwards either nothing has begun, or it continues to the end by itself; whatever was
//! answered holds, and a token that was revoked opens nothing, then and ever after.

use super::daemon::{ADMIN, Stage};
use super::traced::{kill_traced, spawn_to_die_at, strace_is_missing};
use serde_json::{Value, json};

/// A start and a removal have fewer commits than this.
const STOPS_MAX: usize = 60;
/// So many repositories has each of those who leave.
const REPOSITORIES: usize = 2;

/// A user who is to leave.
struct Leaver {
    name: String,
    id: String,
    /// Their first API token, and one more with its id.
    token: String,
    other: (String, String),
    repositories: Vec<String>,
    /// Whether their hooks are to be deleted.
    deletes: bool,
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().expect("a text").to_owned()
}

/// The answer to a token; `None` without one.
fn knocks(stage: &Stage, token: &str) -> Option<u16> {
    let answer = stage.try_ask(token, "GET whoami", None);
    answer.map(|answer| answer.status)
}

impl Leaver {
    /// A user with an API token more than they need, a credential and connections.
    fn arrive(stage: &Stage, nth: usize) -> Self {
        let name = format!("leaver-{nth}");
        let github = stage.simulator.github();
        let credential = github.add_user(&name);
        let user = stage
            .call(ADMIN, "POST users", &json!({ "name": name }))
            .json;
        let token = text(&user, "token");
        let ask = |line: &str, body: &Value| stage.call(&token, line, body).json;
        let other = ask("POST tokens", &json!({ "name": "other" }));
        let body = json!({ "provider": "github", "token": credential });
        ask("POST credentials", &body);
        let repositories = (0..REPOSITORIES).map(|n| format!("{name}/r{n}"));
        let repositories: Vec<_> = repositories.collect();
        for repository in &repositories {
            github.add_repository(repository, &name);
            let wish = json!({ "repository_full_name": repository });
            ask("POST repositories/connect", &wish);
            stage.wait_until("the hook", || github.hooks(repository).len() == 1);
        }
        Self {
            id: text(&user, "id"),
            other: (text(&other, "token"), text(&other, "id")),
            token,
            name,
            repositories,
            deletes: nth.is_multiple_of(2),
        }
    }

    /// Has one token revoked, then the user removed, as far as the daemon lives. Returns what was
    /// answered with success.
    fn leave(&self, stage: &Stage) -> [bool; 2] {
        let line = format!("DELETE tokens/{}", self.other.1);
        let revoked = stage.try_ask(&self.token, &line, None);
        let is_revoked = revoked.is_some_and(|answer| answer.status == 204);
        if is_revoked {
            let knocked = knocks(stage, &self.other.0);
            assert!(knocked.is_none_or(|status| status == 401), "{knocked:?}");
        }
        let left = self.remove(stage);
        if left {
            let knocked = knocks(stage, &self.token);
            assert!(knocked.is_none_or(|status| status == 401), "{knocked:?}");
        }
        [is_revoked, left]
    }

    fn remove(&self, stage: &Stage) -> bool {
        let (id, deletes) = (&self.id, self.deletes);
        let line = format!("DELETE users/{id}?connections=disconnect&delete_webhooks={deletes}");
        let answer = stage.try_call(&line, &Value::Null);
        answer.is_some_and(|(status, _)| status == 200)
    }

    /// What is left of them in the list of users.
    fn entry(&self, stage: &Stage) -> Option<Value> {
        let users = stage.list(ADMIN, "users?limit=100");
        users.into_iter().find(|user| user["name"] == *self.name)
    }

    /// A daemon that nothing stops was started after all that: is it so? The pair is what had been
    /// answered. Returns whether the removal had begun.
    fn check(&self, stage: &Stage, [is_revoked, is_begun]: [bool; 2]) -> bool {
        let other = knocks(stage, &self.other.0);
        let own = knocks(stage, &self.token);
        assert!(
            !is_revoked || other == Some(401),
            "{}: {other:?}",
            self.name
        );
        assert!(!is_begun || own == Some(401), "{}: {own:?}", self.name);
        let entry = self.entry(stage);
        let is_untouched = entry.is_some_and(|user| user["removal"].is_null());
        if is_untouched {
            assert_eq!(own, Some(200), "{}: it had not begun", self.name);
            assert!(self.remove(stage));
        } else if own != Some(401) {
            panic!("{}: {own:?} although it had begun", self.name);
        }
        stage.wait_until("the user to be gone", || self.entry(stage).is_none());
        for token in [&self.token, &self.other.0] {
            assert_eq!(knocks(stage, token), Some(401), "{}", self.name);
        }
        let github = stage.simulator.github();
        for repository in &self.repositories {
            let hooks = github.hooks(repository).len();
            assert_eq!(hooks, usize::from(!self.deletes), "{repository}");
        }
        !is_untouched
    }
}

#[test]
fn a_daemon_that_is_killed_at_any_commit_of_a_removal_has_not_begun_it_or_ends_it() {
    if strace_is_missing() {
        return;
    }
    let stage = Stage::new();
    let mut daemon = stage.start();
    let (mut begun, mut untouched) = (0, 0);
    for nth in 1..STOPS_MAX {
        let leaver = Leaver::arrive(&stage, nth);
        assert!(daemon.terminate().success());
        let nth = u32::try_from(nth).expect("few");
        let mut dying = spawn_to_die_at(&stage, "fdatasync", nth);
        let is_ready = stage.is_ready(&mut dying);
        let told = if is_ready {
            leaver.leave(&stage)
        } else {
            [false; 2]
        };
        // What the removal takes beyond the answer, until it is killed or it is done.
        let mut is_over = false;
        stage.wait_until("the removal, or the end", || {
            let users = stage.try_call("GET users?limit=100", &Value::Null);
            let is_gone = |users: &Value| {
                let all = users["items"].as_array().expect("a list");
                all.iter().all(|user| user["name"] != *leaver.name)
            };
            is_over = users.as_ref().is_some_and(|(_, users)| is_gone(users));
            users.is_none() || is_over
        });
        kill_traced(dying.pid());
        dying.kill();
        daemon = stage.start();
        let has_begun = leaver.check(&stage, told);
        (begun, untouched) = if has_begun {
            (begun + 1, untouched)
        } else {
            (begun, untouched + 1)
        };
        if is_over {
            break;
        }
    }
    eprintln!("killed {untouched} times before it had begun, {begun} times after");
    assert!(begun > 3 && untouched > 0 && begun + untouched < STOPS_MAX - 1);
    drop(daemon);
    stage.assert_no_panic();
}
