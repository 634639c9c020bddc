//! Every payload example of GitHub's, signed by GitHub's own library with the secrets of real
//! connections, sent to a running daemon; whole, tampered with, and maltreated but authentic.

use crate::corpus::{self, Example};
use crate::daemon::Stage;
use crate::mutate::Document;
use crate::stub::{Hook, Stub, full_name};
use crate::tools;
use futures_util::StreamExt;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::process::Command;

/// Requests at once.
const AT_ONCE: usize = 16;
/// Bodies with another signature's body, for each example.
const TAMPERED: usize = 6;
/// Authentic bodies with one field changed, for each example. All of them are tried on the
/// dialect; the daemon gets a sample.
const MALTREATED: usize = 5;

/// A delivery to be sent.
#[derive(Clone, Debug)]
struct Sending {
    name: String,
    event: String,
    hook: Hook,
    body: String,
    signature: String,
}

/// The hooks of the connections under test, by repository.
struct Hooks {
    hooks: BTreeMap<u64, Hook>,
    /// Takes the payloads that speak of no repository, such as an organisation's.
    fallback: Hook,
}

impl Hooks {
    /// One connection for each repository that the examples speak of.
    fn connect(stage: &Stage, stub: &Stub, examples: &[Example]) -> Self {
        let mut hooks = BTreeMap::new();
        let ids: BTreeSet<u64> = examples.iter().filter_map(repository).collect();
        for id in ids {
            stage.connect(&full_name(id));
            let hook = stub.hook(id);
            hooks.insert(id, hook.expect("an active connection has a hook"));
        }
        let fallback = hooks.values().next().expect("examples have repositories");
        let fallback = fallback.clone();
        Self { hooks, fallback }
    }

    fn of(&self, example: &Example) -> Hook {
        let id = repository(example);
        let hook = id.and_then(|id| self.hooks.get(&id));
        hook.unwrap_or(&self.fallback).clone()
    }
}

fn repository(example: &Example) -> Option<u64> {
    let value: Value = serde_json::from_str(&example.body).expect("JSON");
    value["repository"]["id"].as_u64()
}

/// Signs with the real library.
fn sign(sendings: &mut [Sending]) {
    let path = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = path.path();
    let lines = sendings.iter().map(|s| {
        let line = json!({"secret": s.hook.secret, "body": s.body});
        format!("{line}\n")
    });
    fs::write(path, lines.collect::<String>()).expect("target is writable");
    let signed = Command::new(tools::out_dir().join("node"))
        .arg(tools::source_dir().join("sign.mjs"))
        .stdin(File::open(path).expect("it was just written"))
        .output()
        .expect("node runs");
    let signed = String::from_utf8(signed.stdout).expect("signatures are text");
    assert_eq!(signed.lines().count(), sendings.len());
    for (sending, signature) in sendings.iter_mut().zip(signed.lines()) {
        signature.clone_into(&mut sending.signature);
    }
}

/// Sends all; what was answered, in the order of sending.
fn send(stage: &Stage, sendings: &[Sending]) -> Vec<(u16, Value)> {
    let each = |s: Sending| async move {
        let body = s.body.into_bytes();
        let (url, id) = (&s.hook.url, &s.name);
        stage.deliver(url, &s.event, id, &s.signature, body).await
    };
    let all = futures_util::stream::iter(sendings.to_vec()).map(each);
    stage.runtime.block_on(all.buffered(AT_ONCE).collect())
}

/// What became of a stored delivery, once something did.
fn outcome(stage: &Stage, answer: &Value) -> String {
    let id = answer["delivery_id"].as_str().expect("an id");
    let path = format!("deliveries/{id}");
    let processed = |delivery: &Value| delivery["outcome"].as_str().map(str::to_owned);
    stage.wait_for(&path, "outcome", processed)
}

/// The example, cut somewhere or with a byte changed, under the signature of the whole.
fn tampered(sending: &Sending) -> Vec<Vec<u8>> {
    let mut rng = SmallRng::seed_from_u64(corpus::seed(&sending.name));
    let whole = sending.body.as_bytes();
    let each = |nth| {
        let place = rng.random_range(0..whole.len());
        let mut body = whole.to_vec();
        if nth % 2 == 0 {
            body.truncate(place);
        } else {
            body[place] ^= rng.random_range(1..=u8::MAX);
        }
        body
    };
    (0..TAMPERED).map(each).collect()
}

/// The example with one field changed, to be signed again.
fn maltreated(sending: &Sending) -> Vec<Sending> {
    let document = Document::parse(&sending.body);
    let mut changes = 0_usize;
    document.for_each_change(|_, _| changes += 1);
    let mut rng = SmallRng::seed_from_u64(corpus::seed(&sending.name));
    let picked: BTreeSet<_> = (0..MALTREATED)
        .map(|_| rng.random_range(0..changes))
        .collect();
    let (mut nth, mut made) = (0, Vec::new());
    document.for_each_change(|what, body| {
        if picked.contains(&nth) {
            let mut sending = sending.clone();
            sending.name = format!("{}-{nth}", sending.name);
            body.clone_into(&mut sending.body);
            sending.signature = what();
            made.push(sending);
        }
        nth += 1;
    });
    made
}

#[test]
fn a_running_daemon_takes_every_payload_and_no_tampered_one() {
    let stub = Stub::start();
    let (stage, daemon) = Stage::with_github(&stub.url, "ghp_interop");
    let examples = corpus::examples();
    let hooks = Hooks::connect(&stage, &stub, &examples);
    let sending = |example: &Example| Sending {
        name: example.name(),
        event: example.event.clone(),
        hook: hooks.of(example),
        body: example.body.clone(),
        signature: String::new(),
    };
    let mut sendings: Vec<_> = examples.iter().map(sending).collect();
    // Some releases share examples; those are repetitions to their connection.
    let mut seen = BTreeSet::new();
    let is_new = |s: &Sending| seen.insert((s.hook.url.clone(), s.body.clone()));
    let (mut first, repeated): (Vec<_>, Vec<_>) = sendings.drain(..).partition(is_new);
    sign(&mut first);

    take_no_tampered(&stage, &first);
    take_each_whole(&stage, &first);
    let mut repeated = repeated;
    // And once more to the address without a hook key, where the payload says whose it is.
    repeated.extend(
        examples
            .iter()
            .filter(|e| repository(e).is_some())
            .map(|e| {
                let mut again = sending(e);
                let (keyless, _) = again.hook.url.rsplit_once('/').expect("a key");
                again.hook.url = keyless.to_owned();
                again.name.push_str("-keyless");
                again
            }),
    );
    sign(&mut repeated);
    for ((status, answer), s) in send(&stage, &repeated).iter().zip(&repeated) {
        let status = (*status, answer["status"].as_str());
        assert_eq!(status, (200, Some("duplicate")), "{}", s.name);
    }
    take_each_maltreated(&stage, &first);

    stage.must("GET /healthz");
    stage.end(daemon);
}

/// GitHub has no example of a failed run; one is made of its example of a successful one.
#[test]
fn an_example_of_githubs_that_failed_opens_an_incident_and_the_next_run_resolves_it() {
    let stub = Stub::start();
    let (stage, daemon) = Stage::with_github(&stub.url, "ghp_interop");
    let mut examples = corpus::examples();
    examples.retain(|e| e.event == "workflow_run" && e.body.contains("\"conclusion\":\"success\""));
    let example = &examples[0];
    let hooks = Hooks::connect(&stage, &stub, &examples[..1]);
    let run = |conclusion: &str, later: u64| {
        let mut body: Value = serde_json::from_str(&example.body).expect("JSON");
        body["action"] = json!("completed");
        let run = &mut body["workflow_run"];
        run["conclusion"] = json!(conclusion);
        for field in ["id", "run_number"] {
            run[field] = json!(run[field].as_u64().expect("a number") + later);
        }
        Sending {
            name: format!("{conclusion}-{later}"),
            event: "workflow_run".to_owned(),
            hook: hooks.of(example),
            body: body.to_string(),
            signature: String::new(),
        }
    };
    // A job of the run that is going to fail is reported first.
    let mut sendings = [job_of(&run("failure", 1))];
    sign(&mut sendings);
    let (code, answer) = send(&stage, &sendings).remove(0);
    assert_eq!(code, 202, "{answer}");
    // Out of order: the older run's success comes last and changes nothing.
    let story = [
        ("failure", 1, "open"),
        ("success", 2, "resolved"),
        ("success", 0, "resolved"),
    ];
    for (conclusion, later, status) in story {
        let mut sendings = [run(conclusion, later)];
        sign(&mut sendings);
        let (code, answer) = send(&stage, &sendings).remove(0);
        assert_eq!(code, 202, "{answer}");
        assert_eq!(outcome(&stage, &answer), "run");
        assert_eq!(stage.wait_for_incident(status).len(), 1);
    }
    let incidents = stage.wait_for_incident("resolved");
    let jobs = json!([{"name": "linters", "stage": null, "reason": "failure"}]);
    assert_eq!(incidents[0]["failed_jobs"], jobs);
    stage.end(daemon);
}

/// GitHub's example of a failed job, as one of this run.
fn job_of(run: &Sending) -> Sending {
    let mut examples = corpus::examples();
    examples.retain(|e| e.event == "workflow_job" && e.body.contains("\"name\":\"linters\""));
    let mut body: Value = serde_json::from_str(&examples[0].body).expect("JSON");
    let of: Value = serde_json::from_str(&run.body).expect("JSON");
    body["repository"] = of["repository"].clone();
    let (job, of) = (&mut body["workflow_job"], &of["workflow_run"]);
    (job["run_id"], job["run_attempt"]) = (of["id"].clone(), of["run_attempt"].clone());
    Sending {
        name: "job".to_owned(),
        event: "workflow_job".to_owned(),
        body: body.to_string(),
        ..run.clone()
    }
}

fn take_no_tampered(stage: &Stage, sendings: &[Sending]) {
    let each = |s: Sending| async move {
        for (nth, body) in tampered(&s).into_iter().enumerate() {
            let id = format!("{}-tampered-{nth}", s.name);
            let answer = stage.deliver(&s.hook.url, &s.event, &id, &s.signature, body);
            let (status, answer) = answer.await;
            assert_eq!(status, 401, "{id}: {answer}");
        }
    };
    let all = futures_util::stream::iter(sendings.to_vec());
    stage
        .runtime
        .block_on(all.for_each_concurrent(AT_ONCE, each));
}

fn take_each_whole(stage: &Stage, sendings: &[Sending]) {
    for ((status, answer), s) in send(stage, sendings).iter().zip(sendings) {
        let accepted = (202, "accepted");
        let (answered, became) = match s.event.as_str() {
            "ping" => ((200, "pong"), "pong"),
            "workflow_run" | "workflow_job" => (accepted, "run"),
            // Depends on what the connection has heard before: they are sent at once.
            "check_suite" | "check_run" | "status" => (accepted, "run or mirrored"),
            "push" | "pull_request" | "deployment_status" | "repository" | "meta" | "delete"
            | "merge_group" => (accepted, "recorded"),
            _ => ((200, "ignored"), "ignored"),
        };
        let told = answer["status"].as_str().unwrap_or_default();
        assert_eq!((*status, told), answered, "{}: {answer}", s.name);
        let outcome = outcome(stage, answer);
        let mut expected = became.split(" or ");
        assert!(expected.any(|e| e == outcome), "{}: {outcome}", s.name);
    }
}

fn take_each_maltreated(stage: &Stage, sendings: &[Sending]) {
    let mut changed: Vec<_> = sendings.iter().flat_map(maltreated).collect();
    let whats: Vec<_> = changed.iter().map(|s| s.signature.clone()).collect();
    sign(&mut changed);
    let answers = send(stage, &changed);
    let mut counts = BTreeMap::<_, usize>::new();
    for (((status, answer), s), what) in answers.iter().zip(&changed).zip(&whats) {
        assert!((200..300).contains(status), "{}: {what}: {answer}", s.name);
        *counts.entry(outcome(stage, answer)).or_default() += 1;
    }
    // All of them are JSON; some lost what their event's name promises, some their repository.
    assert!(!counts.contains_key("dead_letter"), "{counts:?}");
    assert!(
        counts["ignored"] > 0 && counts["recorded"] > 0,
        "{counts:?}"
    );
}
