//! The time from a failure to its message, by the clock of the receiver.

use super::notifications::{Receiver, add, stage, wait_for};
use super::stage::{REPOSITORY, Stage};
use hookherd::simulator::RunSpec;
use serde_json::json;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const RUNS: u64 = 300;
const REPOSITORIES: [&str; 5] = [
    REPOSITORY,
    "octo/api",
    "octo/docs",
    "octo/web",
    "octo/worker",
];
const BOUND: Duration = Duration::from_millis(500);
/// A message needs the deliveries of its run, what the connection and the outbox store, and a call:
/// on a machine that is busy with something else, not more than so many deliveries that are only
/// stored.
const DELIVERIES_MAX: u32 = 10;

/// The time of which 99 of 100 are no longer.
fn p99(times: &[Duration]) -> Duration {
    times[times.len() * 99 / 100]
}

/// All repositories, connected; and a sink that never answers beside the receiver.
fn connect(stage: &Stage, receiver: &Receiver, silent: &TcpListener) {
    let github = stage.simulator.github();
    let (ann, token) = stage.ann_and_octo();
    stage.add_credential(&ann, "github", &token);
    for repository in REPOSITORIES {
        if repository != REPOSITORY {
            github.add_repository(repository, "octo");
        }
        let wish = json!({ "repository_full_name": repository });
        let answer = stage.call(&ann, "POST repositories/connect", &wish);
        stage.wait_for_status(&ann, &answer.field("id"), "active");
    }
    add(stage, &ann, receiver);
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let hangs = json!({ "kind": "webhook", "name": "hangs", "url": url });
    stage.ask_in_secret(&ann, "POST sinks", Some(&hangs.to_string()));
}

/// Each run, on a branch of its own, fails. After each, a delivery that means nothing is the
/// control: it is only stored, and answered then.
#[test]
fn a_failure_reaches_its_sink_within_half_a_second_also_beside_one_that_hangs() {
    let (receiver, silent) = (Receiver::start(), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut stage = stage(&receiver);
    let allowed = format!("{},{}", receiver.address, silent.local_addr().unwrap());
    stage.set("HOOKHERD__SINKS__ALLOW", &allowed);
    let _daemon = stage.start();
    connect(&stage, &receiver, &silent);
    let github = stage.simulator.github();
    let hook = github.hooks(REPOSITORY).remove(0);
    let secret = hook.secret.expect("ours always have one");
    let (mut took, mut controls) = (Vec::new(), Vec::new());
    for (number, repository) in (1..=RUNS).zip(REPOSITORIES.iter().cycle()) {
        let spec = RunSpec {
            branch: format!("topic-{number}"),
            ..RunSpec::new(number, "failure")
        };
        let begun = Instant::now();
        github.play_run(repository, &spec);
        let of_run = usize::try_from(number).unwrap();
        took.push(wait_for(&stage, &receiver, of_run)[of_run - 1].at - begun);
        let begun = Instant::now();
        let id = format!("control-{number}");
        let stored = stage.deliver(&hook.url, &secret, &id, &[]);
        controls.push(begun.elapsed());
        assert!([200, 202].contains(&stored.status), "{stored:?}");
    }
    took.sort_unstable();
    controls.sort_unstable();
    let (median, all, control) = (took[took.len() / 2], p99(&took), p99(&controls));
    println!("from the failure to the message: {median:?}, p99 {all:?}; control: p99 {control:?}");
    let bound = BOUND.max(control * DELIVERIES_MAX);
    assert!(all < bound, "p99 {all:?}, control {control:?}: {took:?}");
    assert!(silent.accept().is_ok(), "the other was called");
}
