//! The pieces that a delivery passes, each by itself.

#[path = "common/bodies.rs"]
mod bodies;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use data_encoding::HEXLOWER;
use hookherd::app::{SystemClock, SystemEntropy};
use hookherd::domain::delivery::{BodyDigest, Delivery, DeliveryState, Payload, Source};
use hookherd::domain::event::Event;
use hookherd::domain::id::{ConnectionId, DeliveryId, Entropy, HookId, IncidentId, RunId, UserId};
use hookherd::domain::incident::track::{End, Reported, Track, TrackKey};
use hookherd::domain::lifecycle::{Input, Lifecycle, Reply, Timer, step};
use hookherd::domain::repo::{Host, Instance, ProviderKind};
use hookherd::domain::rule::{Reopening, Rules};
use hookherd::domain::run::{Run, RunEvent};
use hookherd::domain::secret::HookSecret;
use hookherd::domain::time::{Clock, Timestamp};
use hookherd::provider::Decode;
use hookherd::provider::github::GithubDecode;
use hookherd::provider::signature::{github_sign, github_verifies};
use hookherd::seal::ring::{KeyRing, MasterKey};
use hookherd::seal::{Purpose, Seal};
use hookherd::store::disk::{DiskStore, Options};
use hookherd::store::{Batch, Change, Guard, Priority, Store};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The repository's id in the bodies.
const REPOSITORY_ID: u64 = 4_711;
/// Submitters that share a group.
const SUBMITTERS: u64 = 64;
/// Deliveries in the journal that is replayed.
const REPLAYED: u64 = 2_048;

fn body(number: u64) -> Bytes {
    bodies::workflow_run(REPOSITORY_ID, number).into()
}

fn payload(number: u64) -> Payload {
    let kept = [
        ("x-github-event", "workflow_run"),
        ("content-type", "application/json"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Payload {
        headers: kept.map(owned).into(),
        body: body(number),
    }
}

/// What the completed run in the body of this number decodes to.
fn run_event(number: u64) -> RunEvent {
    let decoded = GithubDecode::new(&SystemEntropy).decode("workflow_run", &payload(number));
    match decoded.expect("the body is well-formed").event {
        Event::Run(run) => *run,
        other => panic!("{other:?} is no run"),
    }
}

fn inbound(c: &mut Criterion) {
    let secret = HookSecret::generate(&SystemEntropy);
    let (body, payload) = (body(2), payload(2));
    let signature = github_sign(&secret, &body);
    let secrets = [secret];
    let decoder = GithubDecode::new(&SystemEntropy);
    let mut group = c.benchmark_group("inbound");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("verify a signature", |b| {
        b.iter(|| github_verifies(black_box(&secrets), black_box(&body), &signature));
    });
    group.bench_function("decode a run", |b| {
        b.iter(|| decoder.decode("workflow_run", black_box(&payload)));
    });
    group.finish();
}

fn lifecycle(c: &mut Criterion) {
    let ensured = Reply::Ensured {
        hook: HookId(7),
        known: None,
        revision: 1,
    };
    c.bench_function("lifecycle: create, check, hear a delivery", |b| {
        b.iter(|| {
            let inputs = [
                Input::Recovered,
                Input::Replied(ensured.clone()),
                Input::TimerFired(Timer::Check),
                Input::Replied(Reply::Intact),
                Input::DeliveryArrived { hook: None },
            ];
            let act = |lifecycle, input| black_box(step(lifecycle, input)).0;
            inputs.into_iter().fold(Lifecycle::default(), act)
        });
    });
}

/// Three events of a run folded, and its end taken into a track that has no room left.
fn fold(c: &mut Criterion) {
    let connection = ConnectionId::from_u128(1);
    let owner = UserId::from_u128(1);
    let events = [run_event(0), run_event(1), run_event(2)];
    let key = TrackKey::of(connection, events[2].family, &events[2].facts);
    let (rules, mut full) = (Rules::default(), Track::new(key));
    let mut incident = 0;
    let mut new_incident = move || {
        incident += 1;
        IncidentId::from_u128(incident)
    };
    let mut take = move |track: &mut Track, event: &RunEvent, number: u64| {
        let mut position = event.position;
        position.number = number;
        let conclusion = event.status.conclusion().expect("it is completed");
        let verdict = rules.verdict(conclusion, Some("main")).expect("it counts");
        let (run, at) = (RunId::from_u128(u128::from(number)), event.updated_at);
        let end = End {
            position,
            at,
            conclusion,
        };
        let told = Reported {
            end,
            verdict,
            run,
            began: event.began_at,
            mark: 0,
            reopening: Reopening::default(),
        };
        track.take(told, &mut new_incident)
    };
    let ends: Vec<RunEvent> = (0..300).map(|run| run_event(run * 3 + 2)).collect();
    for (number, event) in (0..).zip(&ends) {
        take(&mut full, event, number);
    }
    let mut number = 1_000;
    c.bench_function("fold a run and take it into a full track", |b| {
        b.iter(|| {
            number += 1;
            let id = RunId::from_u128(u128::from(number));
            let mut run = Run::begin(id, connection, owner, &events[0], Timestamp(0));
            run.fold(&events[1]);
            run.fold(black_box(&events[2]));
            black_box(take(&mut full, &events[2], number));
            run
        });
    });
}

fn seal(c: &mut Criterion) {
    let ring = KeyRing::new(
        &[MasterKey::generate(&SystemEntropy)],
        Arc::new(SystemEntropy),
    );
    let ring = ring.expect("there is a key");
    let instance = Instance {
        provider: ProviderKind::Github,
        host: "github.com".parse::<Host>().expect("it is a host"),
    };
    let purpose = Purpose::HookSecret {
        connection: ConnectionId::from_u128(1),
        owner: UserId::from_u128(2),
        instance: &instance,
    };
    let secret = HookSecret::generate(&SystemEntropy);
    let sealed = ring.seal(&purpose, secret.expose().as_bytes());
    let mut group = c.benchmark_group("seal");
    group.bench_function("seal a secret", |b| {
        b.iter(|| ring.seal(&purpose, black_box(secret.expose().as_bytes())));
    });
    group.bench_function("open a secret", |b| {
        b.iter(|| ring.open(&purpose, black_box(&sealed)));
    });
    group.finish();
}

/// What ingress commits for a delivery.
fn insertion(number: u64) -> Batch {
    let (mut digest, payload) = ([0; 32], payload(number));
    SystemEntropy.fill(&mut digest);
    let body_digest = BodyDigest::Blake3(digest);
    let now = SystemClock.now();
    let delivery = Delivery {
        id: DeliveryId::generate(now, &SystemEntropy),
        connection: ConnectionId::from_u128(1),
        owner: UserId::from_u128(1),
        provider_delivery_id: HEXLOWER.encode(&digest),
        event: "workflow_run".into(),
        action: None,
        received_at: now,
        body_digest,
        body_bytes: u32::try_from(payload.body.len()).expect("bodies are small"),
        source: Source::Webhook,
        signed_by: None,
        state: DeliveryState::Received,
        tries: 0,
    };
    let guard = Guard::NewDelivery {
        connection: delivery.connection,
        provider_delivery_id: delivery.provider_delivery_id.clone(),
        body_digest,
    };
    let change = Change::InsertDelivery(Box::new(delivery), payload);
    Batch {
        priority: Priority::Ingress,
        guards: vec![guard],
        changes: vec![change],
    }
}

fn open(dir: &Path) -> DiskStore {
    let opened = DiskStore::open(dir, &Options::default());
    opened.expect("the directory is ours").0
}

async fn commit_all(store: &DiskStore, batches: Vec<Batch>) {
    let commits = batches.into_iter().map(|batch| store.commit(batch));
    // All are submitted before the first is waited for: they share groups.
    for commit in commits.collect::<Vec<_>>() {
        commit.await.expect("the disk has room");
    }
}

fn store(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without a driver");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target is writable");
    let mut group = c.benchmark_group("store");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(SUBMITTERS));
    let disk = open(&dir.path().join("commit"));
    group.bench_function("commit deliveries, 64 at a time", |b| {
        b.iter_batched(
            || (0..SUBMITTERS).map(insertion).collect(),
            |batches| runtime.block_on(commit_all(&disk, batches)),
            BatchSize::PerIteration,
        );
    });
    disk.close();

    let path = dir.path().join("replay");
    let disk = open(&path);
    runtime.block_on(commit_all(&disk, (0..REPLAYED).map(insertion).collect()));
    disk.close();
    drop(disk);
    group
        .sample_size(10)
        .throughput(Throughput::Elements(REPLAYED));
    group.bench_function("replay a journal of 2,048 deliveries", |b| {
        b.iter_custom(|count| {
            let mut took = Duration::ZERO;
            for _ in 0..count {
                // Without its view, a store is made anew from the journal.
                std::fs::remove_dir_all(path.join("view")).expect("the view is there");
                let begun = Instant::now();
                let disk = open(&path);
                took += begun.elapsed();
                disk.close();
            }
            took
        });
    });
    group.finish();
}

criterion_group!(benches, inbound, lifecycle, fold, seal, store);
criterion_main!(benches);
