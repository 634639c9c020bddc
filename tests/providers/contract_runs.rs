//! What `Logs` promises about runs, case by case, for each provider.

use crate::both;
use crate::contract_log::Case;
use crate::stand::Stand;
use hookherd::app::SystemClock;
use hookherd::domain::event::{Decoded, Event};
use hookherd::domain::lifecycle::Failure;
use hookherd::domain::repo::ProviderKind;
use hookherd::domain::run::{Conclusion, RunEvent, RunStatus};
use hookherd::domain::time::{Clock, Timestamp};
use hookherd::provider::{Found, Target};
use hookherd::simulator::{JobSpec, Misbehaviour, PipelineSpec, RunJobSpec, RunSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

both! {
    a_found_run_means_what_its_events_meant
    runs_are_found_since_a_moment_and_each_state_has_one_id
    a_run_that_is_run_again_is_found_with_its_last_attempt
    attempts_that_ended_since_are_found_the_oldest_first
    a_red_main_branch_is_found_however_much_runs_elsewhere
    what_decides_nothing_hides_no_red_main_branch
    runs_of_other_kinds_hide_no_red_main_branch
    a_red_schedule_is_found_however_much_is_pushed
    one_run_is_read_by_its_id
    without_the_right_there_is_an_error_and_no_empty_list
    runs_of_another_repository_with_the_old_name_are_never_read
}

/// Plays a run or a pipeline with a job that ends as it does.
pub(crate) fn play(stand: &Stand, id: u64, status: &str) {
    play_at(stand, id, status, "main");
}

fn play_at(stand: &Stand, id: u64, status: &str, branch: &str) {
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let conclusion = if status == "failed" {
                "failure"
            } else {
                status
            };
            let mut run = RunSpec::new(id, conclusion);
            run.branch = branch.to_owned();
            run.jobs = vec![
                RunJobSpec::new("unit", conclusion),
                RunJobSpec::new("lint", "success"),
            ];
            stand.simulator.github().play_run(name, &run);
        }
        ProviderKind::Gitlab => {
            let mut pipeline = PipelineSpec::new(id, status);
            pipeline.ref_name = branch.to_owned();
            pipeline.jobs.push(JobSpec::new("lint", "success"));
            stand.simulator.gitlab().play_pipeline(name, &pipeline);
        }
    }
}

/// Plays one for a pull or merge request.
fn play_request(stand: &Stand, id: u64, number: u64) {
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let run = RunSpec::new(id, "failure").for_pull_request(number, "change");
            stand.simulator.github().play_run(name, &run);
        }
        ProviderKind::Gitlab => {
            let pipeline = PipelineSpec::new(id, "failed").for_merge_request(number, "change");
            stand.simulator.gitlab().play_pipeline(name, &pipeline);
        }
    }
}

/// A pipeline of GitLab's with children, and one of these with a child of its own.
fn play_family(stand: &Stand) {
    let (name, gitlab) = (stand.target.full_name.as_str(), stand.simulator.gitlab());
    gitlab.play_pipeline(name, &PipelineSpec::new(20, "success"));
    for (id, parent, job, status) in [
        (21, 20, 501, "failed"),
        (22, 20, 502, "success"),
        (23, 22, 503, "failed"),
    ] {
        let mut child = PipelineSpec::new(id, status).started_by(name, parent, job);
        child.variables = vec![("PART".to_owned(), format!("number {job}"))];
        gitlab.play_pipeline(name, &child);
    }
}

/// Plays one again: it passes.
fn play_again(stand: &Stand, id: u64) {
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let mut run = RunSpec::new(id, "success");
            run.attempt = 2;
            stand.simulator.github().play_run(name, &run);
        }
        ProviderKind::Gitlab => stand.simulator.gitlab().retry_pipeline(name, id, "success"),
    }
}

fn advance(stand: &Stand, by: Duration) {
    // There is one clock for both.
    stand.simulator.github().advance_clock(by);
}

fn an_hour_ago() -> Timestamp {
    SystemClock.now().minus(Duration::from_hours(1))
}

async fn found_since(stand: &Stand, target: &Target, since: Timestamp) -> Vec<Found> {
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..100 {
        let page = stand
            .hooks
            .runs_since(&stand.access, target, since, cursor.as_deref())
            .await;
        let page = page.expect("they can be listed");
        all.extend(stand.read(target, &page.runs, Some(since)).await);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
    panic!("an endless list");
}

fn decoded(stand: &Stand, found: &Found) -> Decoded {
    let decoded = stand.decoder().decode(&found.event, &found.payload);
    decoded.expect("it is understood")
}

fn run_of(decoded: Decoded) -> RunEvent {
    match decoded.event {
        Event::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

/// The runs among what was found, without jobs that stand alone.
fn runs(stand: &Stand, all: &[Found]) -> Vec<RunEvent> {
    let runs = all.iter().filter(|found| found.event != "workflow_job");
    runs.map(|found| run_of(decoded(stand, found))).collect()
}

async fn a_found_run_means_what_its_events_meant(stand: Stand) {
    let case = Case::new(stand).await;
    let stand = &case.stand;
    play(stand, 7, "failed");
    play_at(stand, 8, "success", "other");
    play_at(stand, 10, "failed", "feature/other");
    play_request(stand, 9, 5);
    if stand.kind == ProviderKind::Gitlab {
        play_family(stand);
        let name = stand.target.full_name.as_str();
        stand
            .simulator
            .gitlab()
            .protect_branch(name, "release/next");
        play_at(stand, 11, "failed", "release/next");
    }
    case.settle();
    // The last event of each run, and each failed job that is an event of its own.
    let mut told: BTreeMap<(u64, Vec<u64>), Decoded> = BTreeMap::new();
    for delivery in case.received() {
        let (_, event, decoded) = case.ingested(&delivery);
        let Event::Run(run) = &decoded.event else {
            continue;
        };
        let of_a_job = event == "workflow_job";
        let jobs: Vec<u64> = run.failed_jobs.iter().map(|job| job.id).collect();
        if of_a_job && jobs.is_empty() {
            continue;
        }
        let key = if of_a_job { jobs } else { Vec::new() };
        // They may arrive in another order.
        let at = run.updated_at;
        let is_later = |known: &Decoded| run_of(known.clone()).updated_at > at;
        let key = (run.provider_run_id, key);
        if !told.get(&key).is_some_and(is_later) {
            told.insert(key, decoded);
        }
    }
    let all = found_since(stand, &stand.known(), an_hour_ago()).await;
    assert_eq!(all.len(), told.len());
    for found in &all {
        assert!(found.delivery_id.starts_with("found:"));
        let mut decoded = decoded(stand, found);
        let Event::Run(run) = &mut decoded.event else {
            panic!("{decoded:?}");
        };
        let jobs: Vec<u64> = run.failed_jobs.iter().map(|job| job.id).collect();
        let key = if found.event == "workflow_job" {
            jobs
        } else {
            Vec::new()
        };
        let mut expected = told[&(run.provider_run_id, key)].clone();
        // The message of a pipeline's commit is that of its jobs, which are not read if it passed.
        let has_passed = run.status == RunStatus::Completed(Conclusion::Success);
        let has_passed = has_passed && run.parent.is_none();
        if let (Event::Run(run), true) = (&mut expected.event, has_passed)
            && stand.kind == ProviderKind::Gitlab
        {
            run.facts.commit_message = None;
        }
        assert_eq!(decoded, expected);
    }
    case.receiver.stop().await;
}

async fn runs_are_found_since_a_moment_and_each_state_has_one_id(stand: Stand) {
    for id in 1..=15 {
        play(&stand, id, "success");
    }
    advance(&stand, Duration::from_hours(72));
    let since = SystemClock.now().plus(Duration::from_hours(71));
    for id in 101..=125 {
        play(&stand, id, "success");
    }
    let first = found_since(&stand, &stand.known(), since).await;
    let again = found_since(&stand, &stand.known(), since).await;
    let ids = |all: &[Found]| -> BTreeSet<String> {
        all.iter().map(|found| found.delivery_id.clone()).collect()
    };
    assert_eq!((ids(&first).len(), first.len()), (25, 25));
    assert_eq!(ids(&first), ids(&again));
    assert!(first.iter().all(|found| found.at >= since));
}

async fn a_run_that_is_run_again_is_found_with_its_last_attempt(stand: Stand) {
    play(&stand, 7, "failed");
    let before = found_since(&stand, &stand.known(), an_hour_ago()).await;
    let failed = runs(&stand, &before).remove(0);
    advance(&stand, Duration::from_hours(3));
    let since = SystemClock.now().plus(Duration::from_hours(2));
    assert!(found_since(&stand, &stand.known(), since).await.is_empty());
    play_again(&stand, 7);
    let after = found_since(&stand, &stand.known(), since).await;
    let passed = runs(&stand, &after).remove(0);
    assert_eq!(passed.provider_run_id, failed.provider_run_id);
    assert_eq!(passed.status, RunStatus::Completed(Conclusion::Success));
    assert!(passed.position > failed.position);
    assert_ne!(before[0].delivery_id, after[0].delivery_id);
}

/// GitLab has no attempts: a pipeline that is retried has one state, the present one.
async fn attempts_that_ended_since_are_found_the_oldest_first(stand: Stand) {
    let since = an_hour_ago();
    play(&stand, 7, "failed");
    play_again(&stand, 7);
    let found = found_since(&stand, &stand.known(), since).await;
    let found = runs(&stand, &found);
    let statuses: Vec<RunStatus> = found.iter().map(|run| run.status).collect();
    let passed = RunStatus::Completed(Conclusion::Success);
    match stand.kind {
        ProviderKind::Github => {
            assert_eq!(
                statuses,
                [RunStatus::Completed(Conclusion::Failure), passed]
            );
            assert!(found[0].position < found[1].position);
            assert_eq!(found[0].provider_run_id, found[1].provider_run_id);
        }
        ProviderKind::Gitlab => assert_eq!(statuses, [passed]),
    }
    // What ended before is not read again.
    advance(&stand, Duration::from_hours(3));
    let since = SystemClock.now().plus(Duration::from_hours(2));
    if stand.kind == ProviderKind::Github {
        let mut run = RunSpec::new(7, "failure");
        run.attempt = 3;
        let name = stand.target.full_name.as_str();
        stand.simulator.github().play_run(name, &run);
        let found = found_since(&stand, &stand.known(), since).await;
        assert_eq!(runs(&stand, &found).len(), 1);
    }
}

async fn a_red_main_branch_is_found_however_much_runs_elsewhere(stand: Stand) {
    play(&stand, 1, "success");
    play(&stand, 2, "failed");
    for id in 10..120 {
        play_at(&stand, id, "success", "busy");
    }
    start_on(&stand, 200, "topic");
    let latest = stand.hooks.latest_runs(&stand.access, &stand.known()).await;
    let latest = latest.expect("they can be listed");
    let latest = stand.read(&stand.known(), &latest, None).await;
    let found = runs(&stand, &latest);
    let ids: BTreeSet<u64> = found.iter().map(|run| run.provider_run_id).collect();
    let expected = [2, 119, 200].map(|n| match stand.kind {
        ProviderKind::Github => 900_000 + n,
        ProviderKind::Gitlab => n,
    });
    assert_eq!(ids, BTreeSet::from(expected));
    let main = found
        .iter()
        .find(|run| run.facts.branch.as_deref() == Some("main"));
    let main = main.expect("the run on main");
    assert_eq!(main.status, RunStatus::Completed(Conclusion::Failure));
    let jobs = latest
        .iter()
        .flat_map(|found| run_of(decoded(&stand, found)).failed_jobs);
    assert_eq!(jobs.map(|job| job.name).collect::<Vec<_>>(), ["unit"]);
}

/// Among the latest runs is this one: it has failed, and its failed job is read, too.
async fn assert_is_red(stand: &Stand, number: u64) {
    let latest = stand.hooks.latest_runs(&stand.access, &stand.known()).await;
    let latest = latest.expect("they can be listed");
    let latest = stand.read(&stand.known(), &latest, None).await;
    let id = match stand.kind {
        ProviderKind::Github => 900_000 + number,
        ProviderKind::Gitlab => number,
    };
    let told = latest.iter().map(|found| run_of(decoded(stand, found)));
    let told: Vec<RunEvent> = told.filter(|run| run.provider_run_id == id).collect();
    let failed = RunStatus::Completed(Conclusion::Failure);
    assert!(told.iter().any(|run| run.status == failed), "{told:?}");
    let jobs = told.into_iter().flat_map(|run| run.failed_jobs);
    assert_eq!(jobs.map(|job| job.name).collect::<Vec<_>>(), ["unit"]);
}

/// Plays one on `main` that passes, of another kind than a push to it.
fn play_other(stand: &Stand, id: u64, kind: &str) {
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let mut run = RunSpec::new(id, "success");
            match kind {
                "fork" => run = run.of_fork("eve/app", "main"),
                event => run.event = event.to_owned(),
            }
            stand.simulator.github().play_run(name, &run);
        }
        ProviderKind::Gitlab => {
            let mut pipeline = PipelineSpec::new(id, "success");
            match kind {
                "tag" => pipeline.is_tag = true,
                source => pipeline.source = source.to_owned(),
            }
            stand.simulator.gitlab().play_pipeline(name, &pipeline);
        }
    }
}

async fn what_decides_nothing_hides_no_red_main_branch(stand: Stand) {
    play(&stand, 1, "success");
    play(&stand, 2, "failed");
    let words = match stand.kind {
        ProviderKind::Github => "cancelled skipped neutral stale action_required",
        ProviderKind::Gitlab => "canceled skipped manual",
    };
    let words = words.split(' ');
    for (id, word) in (3..).zip(words.clone()) {
        play(&stand, id, word);
        assert_is_red(&stand, 2).await;
    }
    for word in words {
        for id in 0..110 {
            play(&stand, 100 + id, word);
        }
        assert_is_red(&stand, 2).await;
    }
}

async fn runs_of_other_kinds_hide_no_red_main_branch(stand: Stand) {
    play(&stand, 1, "success");
    play(&stand, 2, "failed");
    let kinds = match stand.kind {
        ProviderKind::Github => ["schedule", "workflow_dispatch", "fork"],
        ProviderKind::Gitlab => ["schedule", "web", "tag"],
    };
    for (id, kind) in (3..).zip(kinds) {
        play_other(&stand, id, kind);
        assert_is_red(&stand, 2).await;
    }
    for id in 100..210 {
        play_at(&stand, id, "success", "busy");
    }
    assert_is_red(&stand, 2).await;
    for (id, kind) in (300..).zip(kinds) {
        play_other(&stand, id, kind);
        assert_is_red(&stand, 2).await;
    }
    for (first, kind) in [(400, kinds[0]), (600, kinds[1])] {
        for id in first..first + 110 {
            play_other(&stand, id, kind);
        }
        assert_is_red(&stand, 2).await;
    }
}

async fn a_red_schedule_is_found_however_much_is_pushed(stand: Stand) {
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let mut run = RunSpec::new(2, "failure");
            run.event = "schedule".to_owned();
            run.jobs = vec![RunJobSpec::new("unit", "failure")];
            stand.simulator.github().play_run(name, &run);
        }
        ProviderKind::Gitlab => {
            let mut pipeline = PipelineSpec::new(2, "failed");
            pipeline.source = "schedule".to_owned();
            stand.simulator.gitlab().play_pipeline(name, &pipeline);
        }
    }
    for id in 100..210 {
        play(&stand, id, "success");
    }
    assert_is_red(&stand, 2).await;
}

/// One that has begun, and has not ended.
fn start_on(stand: &Stand, id: u64, branch: &str) {
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let mut run = RunSpec::new(id, "success");
            run.branch = branch.to_owned();
            stand.simulator.github().start_run(name, &run);
        }
        ProviderKind::Gitlab => {
            let mut pipeline = PipelineSpec::new(id, "running");
            pipeline.ref_name = branch.to_owned();
            stand.simulator.gitlab().play_pipeline(name, &pipeline);
        }
    }
}

async fn one_run_is_read_by_its_id(stand: Stand) {
    play(&stand, 7, "failed");
    let id = match stand.kind {
        ProviderKind::Github => 900_007,
        ProviderKind::Gitlab => 7,
    };
    let found = stand.hooks.run(&stand.access, &stand.known(), id).await;
    let found = found.expect("it can be read");
    let events = found.iter().map(|found| run_of(decoded(&stand, found)));
    let names: Vec<String> = events
        .flat_map(|run| run.failed_jobs)
        .map(|job| job.name)
        .collect();
    assert_eq!(names, ["unit"]);
    let none = stand.hooks.run(&stand.access, &stand.known(), 1).await;
    assert_eq!(none, Ok(Vec::new()));
}

async fn without_the_right_there_is_an_error_and_no_empty_list(stand: Stand) {
    let (list, one) = match stand.kind {
        ProviderKind::Github => ("list_runs", "get_run"),
        ProviderKind::Gitlab => ("gitlab.list_pipelines", "gitlab.get_pipeline"),
    };
    let (hooks, access, known) = (&stand.hooks, &stand.access, stand.known());
    let refuse = |operation: &str| {
        let fault = Misbehaviour::NotFoundForPermission;
        stand.simulator.faults().next(operation, fault);
    };
    refuse(list);
    let since = hooks.runs_since(access, &known, an_hour_ago(), None).await;
    refuse(list);
    let latest = hooks.latest_runs(access, &known).await;
    refuse(one);
    refuse(list);
    let run = hooks.run(access, &known, 7).await;
    for error in [since.map(drop), latest.map(drop), run.map(drop)] {
        let error = error.expect_err("it may not be seen");
        assert_eq!(error.failure, Failure::NoAccess);
        assert!(error.message.starts_with("No access to the "), "{error}");
    }
}

async fn runs_of_another_repository_with_the_old_name_are_never_read(stand: Stand) {
    play(&stand, 7, "failed");
    let old = stand.target.full_name.as_str().to_owned();
    stand.rename();
    match stand.kind {
        ProviderKind::Github => {
            let github = stand.simulator.github();
            github.add_repository(&old, "ann");
            github.play_run(&old, &RunSpec::new(8, "failure"));
        }
        ProviderKind::Gitlab => {
            let gitlab = stand.simulator.gitlab();
            gitlab.add_project(&old, "ann");
            gitlab.play_pipeline(&old, &PipelineSpec::new(8, "failed"));
        }
    }
    let all = found_since(&stand, &stand.known(), an_hour_ago()).await;
    let numbers: Vec<u64> = runs(&stand, &all)
        .iter()
        .map(|run| run.provider_run_id % 100)
        .collect();
    assert_eq!(numbers, [7]);
}
