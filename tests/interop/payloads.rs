//! Every payload example of GitHub's, whole and maltreated, given to the dialect. Pure: what the
//! daemon makes of them is in `ingress.rs`.

use crate::corpus::{self, Example, Headers, SOURCES};
use crate::mutate::Document;
use hookherd::domain::delivery::Payload;
use hookherd::domain::event::{Decoded, Event};
use hookherd::domain::id::Entropy;
use hookherd::domain::secret::Proof;
use hookherd::domain::time::Timestamp;
use hookherd::provider::github::GithubDecode;
use hookherd::provider::signature::github_sign;
use hookherd::provider::{Decode, DecodeError, Inbound, Rejection};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
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

fn verify(dialect: &GithubDecode, headers: &Headers, body: &[u8]) -> Result<(), Rejection> {
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

/// Decodes, and tells a panic from an error.
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
            "push" | "pull_request" => event == Event::Recorded,
            _ => event == Event::Ignored,
        };
        assert!(fits, "{name}: {event:?}");
    });
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
            assert_eq!(verified, Err(Rejection::BadSignature), "{name} {how}");
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
