//! The traps of each provider's log and lists.

use crate::contract_log::Case;
use crate::stand::Stand;
use hookherd::app::SystemClock;
use hookherd::domain::lifecycle::Failure;
use hookherd::domain::time::Clock;
use hookherd::provider::{Found, LogRead, LoggedPayload, Redelivered, Unsent};
use hookherd::simulator::{Misbehaviour, PipelineSpec, RunSpec};
use std::collections::BTreeSet;
use std::time::Duration;

const PROJECT: &str = "group/sub/app";
const REPOSITORY: &str = "ann/app";

#[actix_web::test]
async fn github_a_payload_that_was_not_kept_is_asked_for_again() {
    let case = Case::new(Stand::github()).await;
    let github = case.stand.simulator.github();
    github.push(REPOSITORY);
    case.settle();
    github.set_keeps_payloads(false);
    let logged = case.log().await[0].clone();
    assert_eq!(case.payload(&logged).await, None);
    assert_eq!(case.redeliver(logged.attempt).await, Redelivered::Sent);
    // The log does not show it any more.
    github.advance_clock(Duration::from_hours(80));
    assert!(case.log().await.is_empty());
    assert_eq!(case.payload(&logged).await, None);
    case.receiver.stop().await;
}

#[actix_web::test]
async fn github_one_call_reads_a_payload_and_one_redelivers() {
    let case = Case::new(Stand::github()).await;
    case.stand.simulator.github().push(REPOSITORY);
    case.settle();
    let logged = case.log().await[0].clone();
    let simulator = &case.stand.simulator;
    let looked_up = simulator.requests("repository");
    case.payload(&logged).await.expect("it is on record");
    assert_eq!(case.redeliver(logged.attempt).await, Redelivered::Sent);
    assert_eq!(simulator.requests("get_delivery"), 1);
    assert_eq!(simulator.requests("redeliver"), 1);
    assert_eq!(simulator.requests("repository"), looked_up);
    case.settle();
    case.receiver.stop().await;
}

#[actix_web::test]
async fn github_a_loss_of_access_is_not_taken_for_a_loss_of_payloads() {
    let case = Case::new(Stand::github()).await;
    case.stand.simulator.github().push(REPOSITORY);
    case.settle();
    let attempt = case.log().await[0].attempt;
    case.stand.demote();
    let (hooks, access) = (&case.stand.hooks, &case.stand.access);
    let known = case.stand.known();
    let read = hooks
        .logged_payload(access, &known, case.hook, attempt)
        .await;
    assert_eq!(read.map_err(|e| e.failure), Err(Failure::NoAccess));
    case.receiver.stop().await;
}

#[actix_web::test]
async fn github_a_search_of_more_than_a_thousand_runs_is_continued() {
    let stand = Stand::patient_github();
    let github = stand.simulator.github();
    for number in 0..1150 {
        if number % 50 == 0 {
            github.advance_clock(Duration::from_secs(1));
        }
        github.start_run(REPOSITORY, &RunSpec::new(number, "success"));
    }
    let since = SystemClock.now().minus(Duration::from_hours(1));
    let (mut seen, mut cursor) = (BTreeSet::new(), None);
    for pages in 1.. {
        assert!(pages < 20, "an endless list");
        let page = stand
            .hooks
            .runs_since(&stand.access, &stand.known(), since, cursor.as_deref())
            .await;
        let page = page.expect("it can be listed");
        seen.extend(page.runs.into_iter().map(|run| run.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 1150);
}

#[actix_web::test]
async fn gitlab_a_body_that_was_too_large_is_reported_as_lost() {
    let case = Case::new(Stand::gitlab()).await;
    case.stand.simulator.gitlab().set_log_bytes_max(10);
    case.stand.simulator.gitlab().push(PROJECT);
    case.settle();
    let logged = case.log().await[0].clone();
    assert_eq!(logged.payload, LoggedPayload::Lost);
    assert_eq!(logged.event, "Push Hook");
    assert!(logged.was_answered() && logged.delivery_id.is_some());
    case.receiver.stop().await;
}

#[actix_web::test]
async fn gitlab_before_17_3_has_no_log_and_17_3_no_ids() {
    let case = Case::new(Stand::gitlab()).await;
    let gitlab = case.stand.simulator.gitlab();
    gitlab.set_version(17, 2);
    let read = case.read(&case.stand.known(), None).await;
    assert_eq!(read, LogRead::Unsupported);
    gitlab.set_version(17, 3);
    gitlab.push(PROJECT);
    case.settle();
    let logged = case.log().await[0].clone();
    assert_eq!(
        (logged.delivery_id, logged.event.as_str()),
        (None, "Push Hook")
    );
    let never = Redelivered::Refused(Unsent::Gone);
    assert_eq!(case.redeliver(logged.attempt).await, never);
    case.receiver.stop().await;
}

#[actix_web::test]
async fn gitlab_a_sixth_resend_in_a_minute_waits_and_tests_are_counted_apart() {
    let case = Case::new(Stand::gitlab()).await;
    case.stand.simulator.gitlab().push(PROJECT);
    case.settle();
    let attempt = case.log().await[0].attempt;
    let (hooks, access) = (&case.stand.hooks, &case.stand.access);
    let known = case.stand.known();
    for _ in 0..5 {
        assert_eq!(case.redeliver(attempt).await, Redelivered::Sent);
    }
    let sixth = hooks.redeliver(access, &known, case.hook, attempt).await;
    let error = sixth.expect_err("five a minute");
    assert!(matches!(
        error.failure,
        Failure::Retryable { after: Some(_) }
    ));
    assert_eq!(case.stand.simulator.requests("gitlab.resend"), 5);
    hooks
        .ping(access, &known, case.hook)
        .await
        .expect("a test delivery");
    case.receiver.stop().await;
}

#[actix_web::test]
async fn gitlab_says_why_it_does_not_send_again() {
    let case = Case::new(Stand::gitlab()).await;
    let gitlab = case.stand.simulator.gitlab();
    gitlab.push(PROJECT);
    case.settle();
    let attempt = case.log().await[0].attempt;
    let refused = |why| Redelivered::Refused(why);
    // At another address, and nothing listens there.
    let url = case.spec.url.clone();
    gitlab.set_auto_disabling(true);
    let spec = case.stand.spec("http://127.0.0.1:9/hook");
    let (hooks, access) = (&case.stand.hooks, &case.stand.access);
    let known = case.stand.known();
    let moved = hooks.repair(access, &known, case.hook, &spec).await;
    moved.expect("it can be moved");
    assert_eq!(
        case.redeliver(attempt).await,
        refused(Unsent::AddressChanged)
    );
    gitlab.push(PROJECT);
    case.settle();
    let there = case.log().await[0].attempt;
    assert_eq!(case.redeliver(there).await, refused(Unsent::Unreached));
    for _ in 0..4 {
        gitlab.push(PROJECT);
        case.settle();
    }
    assert_eq!(case.redeliver(there).await, refused(Unsent::HookDisabled));
    assert_ne!(url, spec.url);
    case.receiver.stop().await;
}

/// The ids of the pipelines that are found, page by page.
async fn pipelines_found(stand: &Stand) -> Vec<u64> {
    let since = SystemClock.now().minus(Duration::from_hours(1));
    let (hooks, access, known) = (&stand.hooks, &stand.access, stand.known());
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = hooks.runs_since(access, &known, since, cursor.as_deref());
        let page = page.await.expect("they can be listed");
        let id_of = |found: &Found| -> u64 {
            let id = found.delivery_id.split(':').nth(2);
            id.expect("an id").parse().expect("a number")
        };
        let found = stand.read(&known, &page.runs, Some(since)).await;
        all.extend(found.iter().map(id_of));
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

#[actix_web::test]
async fn gitlab_children_are_found_with_their_parents_and_what_others_started_is_not() {
    let stand = Stand::gitlab();
    let gitlab = stand.simulator.gitlab();
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(1, "failed"));
    let child = PipelineSpec::new(2, "failed").started_by(PROJECT, 1, 77);
    gitlab.play_pipeline(PROJECT, &child);
    let mut downstream = PipelineSpec::new(3, "failed").started_by("other/app", 1, 77);
    downstream.source = "pipeline".into();
    gitlab.play_pipeline(PROJECT, &downstream);
    // Its parent was deleted.
    let orphan = PipelineSpec::new(5, "failed").started_by(PROJECT, 4, 78);
    gitlab.play_pipeline(PROJECT, &orphan);
    assert_eq!(pipelines_found(&stand).await, [1, 2]);
    let (hooks, access, known) = (&stand.hooks, &stand.access, stand.known());
    for (id, count) in [(1, 1), (2, 1), (3, 0), (5, 0)] {
        let found = hooks.run(access, &known, id).await;
        assert_eq!(found.expect("it can be read").len(), count, "{id}");
    }
    let latest = hooks.latest_runs(access, &known).await;
    let latest = latest.expect("they can be listed");
    let latest = stand.read(&known, &latest, None).await;
    assert_eq!(latest.len(), 2, "a first connect finds children, too");
}

/// Many children of many pipelines: for each its detail, its jobs and its variables; for each
/// pipeline two lists and its trigger jobs, again for each ten that are read.
#[actix_web::test]
async fn gitlab_children_cost_a_bounded_number_of_calls() {
    const PARENTS: u64 = 15;
    let stand = Stand::gitlab();
    let gitlab = stand.simulator.gitlab();
    for number in 0..PARENTS {
        let id = 10 * number + 1;
        gitlab.play_pipeline(PROJECT, &PipelineSpec::new(id, "success"));
        for child in 1..=2 {
            let spec = PipelineSpec::new(id + child, "failed");
            let spec = spec.started_by(PROJECT, id, 1000 + id + child);
            gitlab.play_pipeline(PROJECT, &spec);
        }
    }
    let found = pipelines_found(&stand).await;
    assert_eq!(found.len() as u64, 3 * PARENTS);
    let calls = |operation: &str| stand.simulator.requests(operation);
    // A family may stand on two pages.
    let pages = 3 * PARENTS / 10 + 2;
    assert!(calls("gitlab.pipeline_bridges") <= 2 * (PARENTS + pages));
    assert!(calls("gitlab.list_pipelines") <= pages + 2 * (PARENTS + pages));
    assert_eq!(calls("gitlab.pipeline_variables"), 2 * PARENTS);
}

/// More children than a list shows at a time, of one pipeline.
#[actix_web::test]
async fn gitlab_all_children_of_a_monorepo_are_found_after_their_parents() {
    const CHILDREN: u64 = 120;
    let stand = Stand::patient_gitlab();
    let gitlab = stand.simulator.gitlab();
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(1, "success"));
    for id in 2..2 + CHILDREN {
        let child = PipelineSpec::new(id, "failed").started_by(PROJECT, 1, 1000 + id);
        gitlab.play_pipeline(PROJECT, &child);
    }
    // And the children of two of them.
    for (id, parent) in [(201, 3), (202, 100)] {
        let child = PipelineSpec::new(id, "failed").started_by(PROJECT, parent, 1000 + id);
        gitlab.play_pipeline(PROJECT, &child);
    }
    let found = pipelines_found(&stand).await;
    assert!(found.is_sorted(), "{found:?}");
    let missing: Vec<u64> = (1..2 + CHILDREN).filter(|id| !found.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?} of {CHILDREN}");
    assert!(found.contains(&202), "a child of a late child");
    let pages = CHILDREN / 10 + 3;
    let bridges = stand.simulator.requests("gitlab.pipeline_bridges");
    assert!(bridges <= 2 * pages + 2 * 51, "{bridges}");
}

/// Only those who may read the variables of a pipeline get them; the rest is still found.
#[actix_web::test]
async fn gitlab_children_are_found_without_the_right_to_read_variables() {
    let stand = Stand::gitlab();
    let gitlab = stand.simulator.gitlab();
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(1, "success"));
    let child = PipelineSpec::new(2, "failed").started_by(PROJECT, 1, 77);
    gitlab.play_pipeline(PROJECT, &child);
    let fault = Misbehaviour::FailBefore(403);
    let faults = stand.simulator.faults();
    faults.next("gitlab.pipeline_variables", fault);
    assert_eq!(pipelines_found(&stand).await, [1, 2]);
}

#[actix_web::test]
async fn what_was_read_before_a_failure_is_the_answer_and_the_next_call_is_of_the_rest() {
    let stand = Stand::gitlab();
    let gitlab = stand.simulator.gitlab();
    for (id, status) in [(1, "failed"), (2, "success"), (3, "success")] {
        gitlab.play_pipeline(PROJECT, &PipelineSpec::new(id, status));
    }
    let since = SystemClock.now().minus(Duration::from_hours(1));
    let (hooks, access, known) = (&stand.hooks, &stand.access, stand.known());
    let page = hooks.runs_since(access, &known, since, None).await;
    let listed = page.expect("they are listed").runs;
    assert_eq!(stand.simulator.requests("gitlab.get_pipeline"), 0);
    let ids: Vec<u64> = listed.iter().map(|run| run.id).collect();
    assert_eq!(ids, [3, 2, 1]);
    let fail = || {
        for _ in 0..3 {
            let fault = Misbehaviour::TruncatedJson;
            stand.simulator.faults().next("gitlab.pipeline_jobs", fault);
        }
    };
    fail();
    let read = hooks.read_runs(access, &known, &listed, Some(since)).await;
    let read = read.expect("two of them");
    assert_eq!((read.count, read.found.len()), (2, 2));
    fail();
    let rest = &listed[read.count..];
    let failed = hooks.read_runs(access, &known, rest, Some(since)).await;
    failed.expect_err("its jobs are missing");
    let read = hooks.read_runs(access, &known, rest, Some(since)).await;
    assert_eq!(read.expect("it works again").found.len(), 1);
}
