//! Client libraries as the hands of a person: they change webhooks behind the daemon's back, the
//! daemon repairs them, and the same library reads the result. The simulator's own view of the
//! hooks is never asked.

use crate::daemon::{ADMIN, Daemon, Stage};
use crate::tools;
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::slice;
use std::time::Duration;

/// Nothing listens there.
const ELSEWHERE: &str = "http://127.0.0.1:9/elsewhere";
/// A signing token that the daemon did not make.
const FOREIGN_KEY: &[u8; 32] = b"fedcba9876543210fedcba9876543210";
/// Nothing is checked by itself during a test.
const SELDOM: &str = "1h";
/// Longest wait for a change.
const TIME_MAX: Duration = Duration::from_secs(30);
/// So many refused deliveries raise a doubt.
const REFUSALS: usize = 3;
/// Longest wait until a doubt has ended. It takes two times ten seconds.
const DOUBT_TIME_MAX: Duration = Duration::from_mins(1);
/// The owner, whose credential the daemon has, and a person who may change hooks, too.
const PEOPLE: [&str; 2] = ["ann", "bob"];

/// A client library, and what is changed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    PyGithub,
    PythonGitlab,
}

impl Library {
    const fn script(self) -> &'static str {
        match self {
            Self::PyGithub => "pygithub_hands.py",
            Self::PythonGitlab => "python_gitlab_hands.py",
        }
    }

    const fn provider(self) -> &'static str {
        match self {
            Self::PyGithub => "github",
            Self::PythonGitlab => "gitlab",
        }
    }

    const fn repository(self) -> &'static str {
        match self {
            Self::PyGithub => "ann/app",
            Self::PythonGitlab => "group/sub/app",
        }
    }

    /// Makes the repository; the tokens of both people, and the address that the library is given.
    fn prepare(self, stage: &Stage) -> ([String; 2], String) {
        let (repository, simulator) = (self.repository(), &stage.simulator);
        let [owner, person] = PEOPLE;
        match self {
            Self::PyGithub => {
                let tokens = PEOPLE.map(|login| simulator.github().add_user(login));
                simulator.github().add_repository(repository, owner);
                simulator.github().set_admin(person, repository, true);
                (tokens, simulator.api_url())
            }
            Self::PythonGitlab => {
                const MAINTAINER: u32 = 40;
                let tokens = PEOPLE.map(|login| simulator.gitlab().add_user(login));
                simulator.gitlab().add_project(repository, owner);
                simulator.gitlab().set_role(person, repository, MAINTAINER);
                (tokens, simulator.web_url())
            }
        }
    }
}

/// A running script of `clients/` that does what is asked of it. Ends with this.
struct Hands {
    script: Child,
    /// Taken away at the end: then the script ends.
    acts: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    log: String,
}

impl Hands {
    fn start(library: Library, host: &str, token: &str, log: &str) -> Self {
        let log = tools::out_dir().join(format!("{log}.log"));
        let errors = File::create(&log).expect("target is writable");
        let signing_token = format!("whsec_{}", BASE64.encode(FOREIGN_KEY));
        let mut script = tools::client(library.script())
            .envs([("HOST", host), ("TOKEN", token), ("ELSEWHERE", ELSEWHERE)])
            .env("PROJECT", library.repository())
            .env("SIGNING_TOKEN", signing_token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("setpriv of util-linux is installed");
        let answers = script.stdout.take().expect("it is a pipe");
        Self {
            acts: script.stdin.take(),
            answers: BufReader::new(answers),
            log: log.display().to_string(),
            script,
        }
    }

    /// Has something done to a hook; what the script says of it.
    #[track_caller]
    fn act(&mut self, act: &str, hook: u64) -> Value {
        let acts = self.acts.as_mut().expect("it is taken at the end");
        let written = writeln!(acts, "{act} {hook}").and_then(|()| acts.flush());
        let mut answer = String::new();
        let read = written.and_then(|()| self.answers.read_line(&mut answer));
        let is_answered = read.is_ok_and(|bytes| bytes > 0);
        assert!(is_answered, "{act}: the script ended, see {}", self.log);
        serde_json::from_str(&answer).expect("the script prints JSON")
    }

    /// All hooks, as the library reads them.
    fn look(&mut self) -> Vec<Value> {
        let hooks = self.act("look", 0);
        hooks.as_array().expect("a list").clone()
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        drop(self.acts.take());
        // Fails only when it was waited for already.
        let _ = self.script.wait();
    }
}

fn id_of(hook: &Value) -> u64 {
    hook["id"].as_u64().expect("an id")
}

/// Our hooks as the library reads them. The person's own is always left alone.
#[track_caller]
fn ours(hands: &mut Hands, own: &Value) -> Vec<Value> {
    let (others, ours): (Vec<_>, Vec<_>) =
        (hands.look().into_iter()).partition(|hook| hook["id"] == own["id"]);
    assert_eq!(others, slice::from_ref(own), "not touched");
    ours
}

/// A hook without what differs in one that is created again.
fn settings(hook: &Value) -> Value {
    let mut hook = hook.clone();
    let fields = hook.as_object_mut().expect("a hook");
    fields.retain(|name, _| !["id", "created_at"].contains(&name.as_str()));
    hook
}

/// A daemon with a connection, and a person who has a webhook of their own in the repository.
struct Scene {
    library: Library,
    hands: Hands,
    stage: Stage,
    daemon: Daemon,
    /// The path of the connection in the API.
    path: String,
    /// Our hook as the library read it when it was right.
    right: Value,
    /// The person's own hook.
    own: Value,
    /// How many entries of the history are known.
    known: usize,
    /// Whether checks are asked for.
    asks: bool,
}

impl Scene {
    fn start(library: Library, check_interval: &str, log: &str) -> Self {
        tools::require();
        let mut stage = Stage::new();
        stage.set("HOOKHERD__HEALTH__CHECK_INTERVAL", check_interval);
        stage.set("HOOKHERD_TOKEN", ADMIN);
        let ([owner, person], host) = library.prepare(&stage);
        let daemon = stage.start();
        stage.add_credential(ADMIN, library.provider(), &owner);
        let wish = json!({
            "provider": library.provider(), "repository_full_name": library.repository(),
        });
        let connection = stage.call(ADMIN, "POST repositories/connect", &wish).json;
        let id = connection["id"].as_str().expect("an id");
        stage.wait_for_status(ADMIN, id, "active");
        let mut hands = Hands::start(library, &host, &person, log);
        let mut hooks = hands.look();
        assert_eq!(hooks.len(), 1, "the daemon has made one: {hooks:?}");
        let made = hands.act("make", 0);
        let all = hands.look();
        let own = all.into_iter().find(|hook| hook["id"] == made);
        let mut scene = Self {
            path: format!("repositories/connections/{id}"),
            right: hooks.remove(0),
            own: own.expect("it was just made"),
            asks: check_interval == SELDOM,
            known: 0,
            library,
            hands,
            stage,
            daemon,
        };
        assert_eq!(scene.news(1), [entry("created", "write", "none", &[])]);
        scene
    }

    /// Runs a command of Hookherd's for this connection.
    #[track_caller]
    fn command(&self, command: &str) {
        let words = [command, self.library.repository()];
        let output = self.stage.program(&[], &words).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{command}: {output:?}");
    }

    /// Waits for so many new entries of the history, and returns all new ones, the oldest first:
    /// of the hook that is ours now.
    #[track_caller]
    fn news(&mut self, count: usize) -> Vec<Value> {
        self.news_in(TIME_MAX, count)
    }

    /// The same, of which the last takes up to so long.
    #[track_caller]
    fn news_in(&mut self, time_max: Duration, count: usize) -> Vec<Value> {
        let mut items = Vec::new();
        let history = format!("{}/history?limit=100", self.path);
        self.stage
            .wait_long("entries of the history", time_max, || {
                items = self.stage.list(ADMIN, &history);
                items.len() >= self.known + count
            });
        items.reverse();
        let new = items.split_off(self.known);
        self.known += new.len();
        let last = new.last().map(|entry| entry["webhook_id"].clone());
        assert_eq!(last, Some(json!(id_of(&self.right).to_string())));
        let shown = |entry: &Value| {
            json!([
                entry["kind"],
                entry["proof"],
                entry["action"],
                entry["fields"]
            ])
        };
        new.iter().map(shown).collect()
    }

    #[track_caller]
    fn ours(&mut self) -> Vec<Value> {
        ours(&mut self.hands, &self.own)
    }

    /// Waits until our only hook is so, after a check if those are asked for, and returns it.
    #[track_caller]
    fn wait_for_repair(&mut self, act: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        if self.asks {
            self.command("check");
        }
        let (hands, own, mut seen) = (&mut self.hands, &self.own, Vec::new());
        self.stage.wait_until(&format!("a repair of {act}"), || {
            seen = ours(hands, own);
            matches!(&seen[..], [hook] if is_so(hook))
        });
        seen.remove(0)
    }

    /// Changes our hook. A check finds these fields changed, and all becomes as it was, with the
    /// same id.
    #[track_caller]
    fn change(&mut self, act: &str, fields: &[&str]) {
        let id = id_of(&self.right);
        self.hands.act(act, id);
        if self.asks {
            assert_ne!(self.ours(), slice::from_ref(&self.right), "{act}");
        }
        let right = self.right.clone();
        self.wait_for_repair(act, |hook| *hook == right);
        let drifted = entry("drifted", "check", "repair", fields);
        let repaired = entry("repaired", "write", "none", &[]);
        assert_eq!(self.news(2), [drifted, repaired], "{act}");
    }

    /// Deletes our hook. A check misses it, and there is one again, with the same settings.
    #[track_caller]
    fn delete(&mut self) {
        let (gone, wanted) = (id_of(&self.right), settings(&self.right));
        self.hands.act("delete", gone);
        let is_another = |hook: &Value| id_of(hook) != gone && settings(hook) == wanted;
        self.right = self.wait_for_repair("delete", is_another);
        let lost = entry("lost", "check", "ensure", &[]);
        let again = entry("recreated", "write", "none", &[]);
        assert_eq!(self.news(2), [lost, again]);
        assert!(self.is_accepted(), "the new one delivers");
    }

    /// Replaces the secret, which no provider shows: a check finds nothing. But when deliveries are
    /// refused, and a test delivery of the daemon's too, it writes all settings again.
    #[track_caller]
    fn replace_secret(&mut self, act: &str, expected: &[Value]) {
        self.hands.act(act, id_of(&self.right));
        self.command("check");
        assert_eq!(self.ours(), slice::from_ref(&self.right), "nothing is seen");
        for _ in 0..REFUSALS {
            assert!(!self.is_accepted(), "{act}");
        }
        assert_eq!(
            self.news_in(DOUBT_TIME_MAX, expected.len()),
            expected,
            "{act}"
        );
        assert!(self.is_accepted(), "{act}");
        assert_eq!(self.ours(), slice::from_ref(&self.right), "{act}");
    }

    /// Whether a delivery that the person asks the provider for is accepted, so that the secret is
    /// right, says the library.
    #[track_caller]
    fn is_accepted(&mut self) -> bool {
        let id = id_of(&self.right);
        if self.library == Library::PythonGitlab {
            return self.hands.act("test", id) == true;
        }
        let (hands, mut newest) = (&mut self.hands, Value::Null);
        let log = |hands: &mut Hands| {
            let log = hands.act("log", id);
            log.as_array().expect("a list").clone()
        };
        let before = log(hands).len();
        hands.act("ping", id);
        self.stage.wait_until("an answer to the ping", || {
            let log = log(hands);
            newest = log.first().cloned().unwrap_or_default();
            log.len() > before && newest[1] != 0
        });
        assert!(
            [json!(["ping", 200]), json!(["ping", 401])].contains(&newest),
            "{newest}"
        );
        newest[1] == 200
    }

    fn end(self) {
        drop(self.hands);
        self.stage.end(self.daemon);
    }
}

/// An entry of the history: kind, proof, action, fields.
fn entry(kind: &str, proof: &str, action: &str, fields: &[&str]) -> Value {
    json!([kind, proof, action, fields])
}

#[test]
fn what_pygithub_does_to_a_hook_a_check_finds_and_repairs() {
    let mut scene = Scene::start(Library::PyGithub, SELDOM, "pygithub-hands");
    let everything = [
        "active",
        "events",
        "url",
        "content_type",
        "insecure_ssl",
        "secret",
    ];
    for (act, fields) in [
        ("events", &["events"][..]),
        ("added_event", &["events"]),
        ("url", &["url"]),
        ("content_type", &["content_type"]),
        ("insecure_ssl", &["insecure_ssl"]),
        ("inactive", &["active"]),
        ("no_secret", &["secret"]),
        ("everything", &everything),
    ] {
        scene.change(act, fields);
        assert!(scene.is_accepted(), "{act}: the secret is right");
    }
    scene.delete();
    scene.end();
}

#[test]
fn what_python_gitlab_does_to_a_hook_a_check_finds_and_repairs() {
    let mut scene = Scene::start(Library::PythonGitlab, SELDOM, "python-gitlab-hands");
    // GitLab allows a person five tests a minute: two of these, and one of the new hook.
    for (act, fields, is_tested) in [
        ("url", &["token", "signing_token", "url"][..], true),
        ("no_pipelines", &["pipeline_events"], false),
        (
            "events",
            &["push_events", "issues_events", "pipeline_events"],
            false,
        ),
        ("tls", &["enable_ssl_verification"], false),
        (
            "branches",
            &["push_events_branch_filter", "branch_filter_strategy"],
            false,
        ),
        ("template", &["custom_webhook_template"], false),
        ("no_token", &["token"], false),
        ("no_signing_token", &["signing_token"], true),
    ] {
        scene.change(act, fields);
        assert!(
            !is_tested || scene.is_accepted(),
            "{act}: the secrets are right"
        );
    }
    scene.delete();
    scene.end();
}

#[test]
fn what_pygithub_does_to_a_hook_is_repaired_without_being_asked() {
    let mut scene = Scene::start(Library::PyGithub, "1s", "pygithub-timer");
    scene.change("inactive", &["active"]);
    scene.delete();
    scene.end();
}

#[test]
fn what_python_gitlab_does_to_a_hook_is_repaired_without_being_asked() {
    let mut scene = Scene::start(Library::PythonGitlab, "1s", "python-gitlab-timer");
    scene.change("no_pipelines", &["pipeline_events"]);
    scene.delete();
    scene.end();
}

#[test]
fn a_secret_that_pygithub_replaces_by_its_mask_is_written_again() {
    let mut scene = Scene::start(Library::PyGithub, SELDOM, "pygithub-secret");
    scene.replace_secret("masked", &[entry("rewritten", "write", "none", &[])]);
    scene.end();
}

#[test]
fn a_signing_token_that_python_gitlab_replaces_is_written_again() {
    let mut scene = Scene::start(Library::PythonGitlab, SELDOM, "python-gitlab-secret");
    // Unlike GitHub, GitLab reports that its test delivery was refused; the next check is answered.
    let expected = [
        entry("refused", "refusal", "none", &[]),
        entry("accepted", "answer", "none", &[]),
        entry("rewritten", "write", "none", &[]),
    ];
    scene.replace_secret("another_signing_token", &expected);
    scene.end();
}
