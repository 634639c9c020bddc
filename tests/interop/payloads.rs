//! Every payload example of GitHub's, whole and maltreated, given to the dialect. Pure: what the
//! daemon makes of them is in `ingress.rs`.

use crate::corpus::{self, Example, Headers, SOURCES};
use crate::mutate::Document;
use hookherd::domain::delivery::Payload;
use hookherd::domain::event::{Decoded, Event};
use hookherd::domain::id::Entropy;
use hookherd::domain::lane::place::Ended;
use hookherd::domain::run::{Conclusion, Family, RunEvent, RunStatus, Twin};
use hookherd::domain::secret::Proof;
use hookherd::domain::time::Timestamp;
use hookherd::provider::github::GithubDecode;
use hookherd::provider::signature::github_sign;
use hookherd::provider::{Decode, DecodeError, Inbound, VerifyError};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often each body is cut, and how often a byte of it is flipped.
const TAMPERINGS: usize = 200;

#[derive(Debug)]
struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn dialect() -> GithubDecode {
    GithubDecode::new(&Zeros)
}

fn verify(dialect: &GithubDecode, headers: &Headers, body: &[u8]) -> Result<(), VerifyError> {
    let inbound = Inbound {
        headers,
        body,
        received_at: Timestamp(0),
    };
    dialect
        .verify(inbound, &[corpus::secret()], Proof::Unknown)
        .map(|verified| assert_eq!(Some(verified.event()), header(headers, "x-github-event")))
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    hookherd::provider::HeaderLookup::get(headers, name)
}

/// Decodes, and distinguishes a panic from an error.
fn decode(
    dialect: &GithubDecode,
    event: &str,
    body: &[u8],
) -> Option<Result<Decoded, DecodeError>> {
    let payload = Payload {
        headers: Vec::new(),
        body: bytes::Bytes::copy_from_slice(body),
    };
    catch_unwind(AssertUnwindSafe(|| dialect.decode(event, &payload))).ok()
}

/// Runs `each` over all examples, on all cores.
fn for_each_example(each: impl Fn(&GithubDecode, &Example) + Sync) {
    let examples = corpus::examples();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let dialect = dialect();
                while let Some(example) = examples.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(&dialect, example);
                }
            });
        }
    });
}

#[test]
fn the_corpus_is_the_whole_package() {
    let mut counts = BTreeMap::<_, usize>::new();
    for example in corpus::examples() {
        *counts.entry(example.source).or_default() += 1;
    }
    assert_eq!(counts.len(), SOURCES.len());
    assert_eq!(counts.values().sum::<usize>(), 726);
    assert_eq!(counts["api.github.com"], 329);
}

#[test]
fn what_githubs_own_library_signs_is_verified_and_means_what_its_name_says() {
    for_each_example(|dialect, example| {
        let name = example.name();
        let body = example.body.as_bytes();
        let signed = github_sign(&corpus::secret(), body);
        assert_eq!(signed, example.signature, "{name}: we sign alike");
        assert_eq!(verify(dialect, &example.headers(), body), Ok(()), "{name}");
        let decoded = decode(dialect, &example.event, body).expect("no panic");
        let event = decoded.unwrap_or_else(|e| panic!("{name}: {e}")).event;
        let fits = match example.event.as_str() {
            "ping" => matches!(event, Event::Pong { hook: Some(_) }),
            "workflow_run" => matches!(event, Event::Run(_)),
            "workflow_job" | "check_suite" | "check_run" | "status" => {
                let twin = if is_of_actions(&parsed(example)) {
                    Twin::OfRun
                } else {
                    Twin::None
                };
                matches!(&event, Event::Run(run) if fits(run, example) && run.twin == twin)
            }
            "push" | "pull_request" => match &event {
                Event::Ended(ended) => is_end(ended, &parsed(example)),
                other => *other == Event::Recorded && !says_end(&parsed(example)),
            },
            "delete" => {
                matches!(&event, Event::Ended(ended) if is_end(ended, &parsed(example)))
            }
            "merge_group" | "deployment_status" => event == Event::Recorded,
            "repository" => match parsed(example)["action"].as_str() {
                Some("renamed" | "transferred" | "deleted") => event == Event::LookNow,
                Some(_) | None => event == Event::Recorded,
            },
            "meta" => event == Event::LookNow,
            _ => event == Event::Ignored,
        };
        assert!(fits, "{name}: {event:?}");
    });
}

fn parsed(example: &Example) -> Value {
    serde_json::from_str(&example.body).expect("examples are JSON")
}

/// Whether something has ended, by a plain reading.
fn says_end(body: &Value) -> bool {
    body["deleted"] == true || body["ref_type"].is_string() || body["action"] == "closed"
}

/// Whether an end has its place and its time.
fn is_end(ended: &Ended, body: &Value) -> bool {
    says_end(body) && !ended.places.is_empty() && ended.at.is_some()
}

fn is_of_actions(body: &Value) -> bool {
    let slugs = [
        "/check_suite/app/slug",
        "/check_run/app/slug",
        "/check_run/check_suite/app/slug",
    ];
    let mut slugs = slugs.iter().filter_map(|slug| body.pointer(slug));
    slugs.any(|slug| slug == "github-actions")
}

/// Whether a run is reported as the example has it.
fn fits(run: &RunEvent, example: &Example) -> bool {
    let body = parsed(example);
    let (family, id, branch, is_verdict) = match example.event.as_str() {
        "workflow_job" => {
            let job = &body["workflow_job"];
            (Family::Actions, &job["run_id"], &job["head_branch"], false)
        }
        "check_suite" => {
            let suite = &body["check_suite"];
            let is_verdict = body["action"] == "completed" && suite["conclusion"].is_string();
            (
                Family::Checks,
                &suite["id"],
                &suite["head_branch"],
                is_verdict,
            )
        }
        "check_run" => {
            let suite = &body["check_run"]["check_suite"];
            (Family::Checks, &suite["id"], &suite["head_branch"], false)
        }
        // No branch of an example's has its commit as its head; all are in the default one.
        "status" => {
            let default = &body["repository"]["default_branch"];
            let is_verdict = body["state"] != "pending";
            return (run.family, run.status.conclusion().is_some())
                == (Family::Statuses, is_verdict)
                && run.facts.branch.as_deref() == default.as_str()
                && run.facts.workflow_key == body["context"]
                && run.position.attempt > 1;
        }
        other => panic!("{other}"),
    };
    (run.family, run.status.conclusion().is_some()) == (family, is_verdict)
        && Some(run.provider_run_id) == id.as_u64()
        && run.facts.branch.as_deref() == branch.as_str()
        && run.position.attempt > 0
}

/// There are few examples of failures: they are made of the others.
#[test]
fn examples_whose_conclusion_is_made_a_failure_fail() {
    let counts = Mutex::new(BTreeMap::<_, usize>::new());
    for_each_example(|dialect, example| {
        let mut body = parsed(example);
        let event = example.event.as_str();
        let (path, name) = match event {
            "workflow_job" => ("/workflow_job/conclusion", "/workflow_job/name"),
            "check_run" => ("/check_run/conclusion", "/check_run/name"),
            "check_suite" => ("/check_suite/conclusion", "/check_suite/app/name"),
            "workflow_run" => ("/workflow_run/conclusion", "/workflow_run/name"),
            "status" => ("/state", "/context"),
            _ => return,
        };
        if is_of_actions(&body) {
            return;
        }
        *body.pointer_mut(path).expect("a conclusion") = "failure".into();
        if body.get("action").is_some() {
            body["action"] = "completed".into();
        }
        let decoded = decode(dialect, event, body.to_string().as_bytes());
        let Some(Ok(Decoded {
            event: Event::Run(run),
            ..
        })) = decoded
        else {
            panic!("{}: {decoded:?}", example.name());
        };
        let name = body.pointer(name).and_then(Value::as_str).expect("a name");
        if matches!(event, "workflow_job" | "check_run") {
            assert_eq!(run.status, RunStatus::InProgress, "{}", example.name());
            assert_eq!(run.failed_jobs.len(), 1, "{}", example.name());
            assert_eq!(run.failed_jobs[0].name, name);
            assert_eq!(run.failed_jobs[0].reason.as_deref(), Some("failure"));
        } else {
            let failed = RunStatus::Completed(Conclusion::Failure);
            assert_eq!(run.status, failed, "{}", example.name());
            // One example's run has no name of its own.
            assert!(name.is_empty() || run.facts.workflow_name == name);
        }
        let mut counts = counts.lock();
        *counts.entry(event.to_owned()).or_default() += 1;
    });
    let counts = counts.into_inner();
    assert_eq!(counts.len(), 5, "{counts:?}");
}

#[test]
fn the_repository_of_a_payload_is_found_wherever_there_is_one() {
    for_each_example(|dialect, example| {
        let value: serde_json::Value = serde_json::from_str(&example.body).expect("JSON");
        let id = value["repository"]["id"].as_u64();
        let decoded = decode(dialect, &example.event, example.body.as_bytes());
        let decoded = decoded.expect("no panic").expect("no error");
        assert_eq!(decoded.repository.map(|r| r.0), id, "{}", example.name());
    });
}

#[test]
fn a_body_that_was_cut_or_flipped_never_verifies_and_never_panics() {
    for_each_example(|dialect, example| {
        // A seed of each example's own, the same in every run.
        let mut rng = SmallRng::seed_from_u64(crate::corpus::seed(&example.name()));
        let headers = example.headers();
        let whole = example.body.as_bytes();
        let check = |body: &[u8], how: &str| {
            let verified = verify(dialect, &headers, body);
            let name = example.name();
            assert_eq!(verified, Err(VerifyError::BadSignature), "{name} {how}");
            let decoded = decode(dialect, &example.event, body);
            assert!(decoded.is_some(), "{name} {how}: panic");
        };
        for _ in 0..TAMPERINGS {
            let end = rng.random_range(0..whole.len());
            check(&whole[..end], &format!("cut at {end}"));
            let mut flipped = whole.to_vec();
            let place = rng.random_range(0..whole.len());
            flipped[place] ^= rng.random_range(1..=u8::MAX);
            check(&flipped, &format!("flipped at {place}"));
        }
    });
}

#[test]
fn every_field_may_be_missing_null_or_of_another_type() {
    let changes = AtomicUsize::new(0);
    for_each_example(|dialect, example| {
        let document = Document::parse(&example.body);
        document.for_each_change(|what, body| {
            changes.fetch_add(1, Ordering::Relaxed);
            let decoded = decode(dialect, &example.event, body.as_bytes());
            let is_fine = matches!(decoded, Some(Ok(_)));
            assert!(is_fine, "{}: {}: {decoded:?}", example.name(), what());
        });
    });
    // 820,254 when this was written: a corpus that shrank unnoticed would prove less.
    assert!(changes.into_inner() > 800_000);
}
