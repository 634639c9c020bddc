//! What `Explain` promises, case by case, for each provider.

use crate::both;
use crate::stand::Stand;
use hookherd::domain::error_code::ErrorCode;
use hookherd::domain::explanation::{Explained, ExplainedCommit, ExplainedRequest, Unread};
use hookherd::domain::repo::ProviderKind;
use hookherd::domain::run::Family;
use hookherd::provider::FailedRun;
use hookherd::simulator::{Fault, JobSpec, Misbehaviour, PipelineSpec, RunJobSpec, RunSpec};

both! {
    the_failed_jobs_have_the_end_of_their_logs
    the_commits_since_the_last_run_that_passed_are_named_the_latest_first
    without_a_run_that_passed_there_is_no_range
    the_commit_and_the_request_by_which_it_came_are_named
    logs_are_read_only_if_they_are_wanted_and_of_the_first_jobs
    what_the_provider_has_not_has_a_reason
    a_call_that_fails_costs_its_part_only
    a_provider_in_trouble_is_an_error
    a_refused_token_is_an_error_that_says_so
}

const ACTIONS_LOG: &str = "2026-11-30T02:00:00.1Z make test\n\
    2026-11-30T02:00:01.1Z assertion failed: left == right\n\
    2026-11-30T02:00:02.1Z ##[error]Process completed with exit code 2.\n\
    2026-11-30T02:00:03.1Z Post job cleanup.\n";
const GITLAB_LOG: &str = "section_start:1700000001:step_script\r\u{1b}[0K$ make test\n\
    assertion failed: left == right\n\
    section_end:1700000009:step_script\r\u{1b}[0K\u{1b}[31;1mERROR: Job failed: exit code 2\n";

/// Plays a run or pipeline of a branch with two jobs, of which one ends as it does.
fn play(stand: &Stand, id: u64, passes: bool, branch: &str) {
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let conclusion = if passes { "success" } else { "failure" };
            let mut run = RunSpec::new(id, conclusion);
            run.branch = branch.to_owned();
            run.jobs = vec![
                RunJobSpec::new("unit", conclusion).with_log(ACTIONS_LOG),
                RunJobSpec::new("lint", "success"),
            ];
            stand.simulator.github().play_run(name, &run);
        }
        ProviderKind::Gitlab => {
            let status = if passes { "success" } else { "failed" };
            let mut pipeline = PipelineSpec::new(id, status);
            pipeline.ref_name = branch.to_owned();
            pipeline.jobs = vec![
                JobSpec::new("unit", status).with_log(GITLAB_LOG),
                JobSpec::new("lint", "success"),
            ];
            stand.simulator.gitlab().play_pipeline(name, &pipeline);
        }
    }
}

/// The run as our own record of it would name it.
fn failed(stand: &Stand, number: u64) -> FailedRun {
    // As the simulator numbers them: see its specs.
    let (family, id, workflow) = match stand.kind {
        ProviderKind::Github => {
            let workflow = "CI"
                .bytes()
                .fold(7, |n: u64, b| n * 31 % 1_000_003 + u64::from(b));
            (Family::Actions, 900_000 + number, Some(workflow))
        }
        ProviderKind::Gitlab => (Family::Pipelines, number, None),
    };
    FailedRun {
        family,
        id,
        number,
        attempt: 1,
        workflow,
        branch: Some("main".to_owned()),
        commit: format!("{id:040x}"),
        request: None,
        with_logs: true,
    }
}

async fn explained(stand: &Stand, run: &FailedRun) -> Explained {
    let explaining = stand.hooks.explain(&stand.access, &stand.target, run);
    explaining.await.expect("it is explained")
}

async fn the_failed_jobs_have_the_end_of_their_logs(stand: Stand) {
    play(&stand, 5, false, "main");
    let found = explained(&stand, &failed(&stand, 5)).await;
    let Ok([job]) = found.jobs.as_deref() else {
        panic!("{found:?}");
    };
    assert_eq!(job.name, "unit");
    let log = job.log.as_ref().expect("its log");
    assert!(
        log.text.contains("assertion failed: left == right\n"),
        "{log:?}"
    );
    let (steps, last) = match stand.kind {
        ProviderKind::Github => (vec!["Test"], "Error: Process completed with exit code 2.\n"),
        ProviderKind::Gitlab => (Vec::new(), "ERROR: Job failed: exit code 2\n"),
    };
    assert_eq!(job.steps, steps);
    assert!(log.text.ends_with(last) && !log.is_cut, "{log:?}");
}

async fn the_commits_since_the_last_run_that_passed_are_named_the_latest_first(stand: Stand) {
    for (id, passes, branch) in [
        (1, true, "main"),
        (2, true, "main"),
        (3, true, "other"),
        (5, false, "main"),
        (9, true, "main"),
    ] {
        play(&stand, id, passes, branch);
    }
    let run = failed(&stand, 5);
    let range = explained(&stand, &run).await.range.expect("a range");
    let passed = failed(&stand, 2);
    assert_eq!((range.run, range.base), (passed.id, passed.commit));
    let shas: Vec<_> = range.commits.iter().map(|it| it.sha.clone()).collect();
    let expected: Vec<_> = (0..3).map(|n| format!("{:040x}", run.id - n)).collect();
    assert_eq!((shas, range.has_more), (expected, false));
    let (author, author_id) = match stand.kind {
        ProviderKind::Github => ("ann", Some(4001)),
        ProviderKind::Gitlab => ("Ann", None),
    };
    let latest = ExplainedCommit {
        sha: run.commit.clone(),
        title: format!("Change {}", run.id),
        author_id,
        author: Some(author.to_owned()),
    };
    assert_eq!(range.commits[0], latest);
    // Of many the latest are named.
    play(&stand, 309, false, "main");
    let run = failed(&stand, 309);
    let range = explained(&stand, &run).await.range.expect("a range");
    assert_eq!((range.commits.len(), range.has_more), (50, true));
    assert_eq!(range.commits[0].sha, run.commit);
    assert_eq!(range.commits[49].sha, format!("{:040x}", run.id - 49));
}

async fn without_a_run_that_passed_there_is_no_range(stand: Stand) {
    play(&stand, 3, true, "other");
    play(&stand, 4, false, "main");
    play(&stand, 5, false, "main");
    play(&stand, 6, true, "main");
    let found = explained(&stand, &failed(&stand, 5)).await;
    assert_eq!(found.jobs.map(|jobs| jobs.len()), Ok(1));
    assert_eq!(found.range, Err(Unread::NoPassedRun));
    let tag = FailedRun {
        branch: None,
        ..failed(&stand, 5)
    };
    assert_eq!(explained(&stand, &tag).await.range, Err(Unread::NoBranch));
}

async fn the_commit_and_the_request_by_which_it_came_are_named(stand: Stand) {
    let author_id = match stand.kind {
        ProviderKind::Github => Some(4001),
        ProviderKind::Gitlab => None,
    };
    // Without a range its commit is asked for.
    play(&stand, 10, false, "main");
    let run = failed(&stand, 10);
    let found = explained(&stand, &run).await;
    assert_eq!(found.range, Err(Unread::NoPassedRun));
    let commit = found.commit.expect("its commit");
    assert_eq!((commit.sha, commit.author_id), (run.commit, author_id));
    assert_eq!(commit.title, format!("Change {}", run.id));
    let merged = ExplainedRequest {
        number: run.id / 10,
        title: format!("Request {}", run.id / 10),
        author_id: Some(4001),
        author: Some("ann".to_owned()),
    };
    assert_eq!(found.request, Ok(merged));
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let run = RunSpec::new(11, "failure").for_pull_request(7, "topic");
            stand.simulator.github().play_run(name, &run);
        }
        ProviderKind::Gitlab => {
            let pipeline = PipelineSpec::new(11, "failed").for_merge_request(7, "topic");
            stand.simulator.gitlab().play_pipeline(name, &pipeline);
        }
    }
    let of_request = FailedRun {
        request: Some(7),
        ..failed(&stand, 11)
    };
    let found = explained(&stand, &of_request).await;
    assert_eq!(found.request.map(|it| it.number), Ok(7));
    let found = explained(&stand, &failed(&stand, 13)).await;
    assert_eq!(found.request, Err(Unread::NotFound), "of a push");
}

async fn logs_are_read_only_if_they_are_wanted_and_of_the_first_jobs(stand: Stand) {
    let name = stand.target.full_name.as_str();
    match stand.kind {
        ProviderKind::Github => {
            let mut run = RunSpec::new(5, "failure");
            let job = |n| RunJobSpec::new(&format!("job {n}"), "failure").with_log(ACTIONS_LOG);
            run.jobs = (0..5).map(job).collect();
            stand.simulator.github().play_run(name, &run);
        }
        ProviderKind::Gitlab => {
            let mut pipeline = PipelineSpec::new(5, "failed");
            let job = |n| JobSpec::new(&format!("job {n}"), "failed").with_log(GITLAB_LOG);
            pipeline.jobs = (0..5).map(job).collect();
            stand.simulator.gitlab().play_pipeline(name, &pipeline);
        }
    }
    let found = explained(&stand, &failed(&stand, 5)).await;
    let jobs = found.jobs.expect("jobs");
    let unread: Vec<_> = jobs.iter().map(|job| job.log.as_ref().err()).collect();
    let beyond = Some(&Unread::Beyond);
    assert_eq!(unread, [None, None, None, beyond, beyond]);
    let without = FailedRun {
        with_logs: false,
        ..failed(&stand, 5)
    };
    let jobs = explained(&stand, &without).await.jobs.expect("jobs");
    assert!(jobs.iter().all(|job| job.log == Err(Unread::Off)));
}

fn fail(stand: &Stand, operation: &str, misbehaviour: Misbehaviour, times: u32) {
    stand.simulator.faults().push(Fault {
        operation: operation.to_owned(),
        misbehaviour,
        times,
        after: 0,
    });
}

async fn what_the_provider_has_not_has_a_reason(stand: Stand) {
    let nothing = explained(&stand, &failed(&stand, 5)).await;
    assert_eq!(nothing.range, Err(Unread::NoPassedRun));
    // GitHub has a list of jobs of an attempt that it does not have; GitLab's client finds none.
    assert!(
        nothing.jobs.is_err() || nothing.jobs == Ok(Vec::new()),
        "{nothing:?}"
    );
    play(&stand, 1, true, "main");
    play(&stand, 5, false, "main");
    let log = match stand.kind {
        ProviderKind::Github => "job_log",
        ProviderKind::Gitlab => "gitlab.job_trace",
    };
    for (status, reason) in [
        (403, Unread::Refused),
        (404, Unread::NotFound),
        (410, Unread::Gone),
        (500, Unread::Failed),
    ] {
        fail(&stand, log, Misbehaviour::FailBefore(status), 1);
        let found = explained(&stand, &failed(&stand, 5)).await;
        let jobs = found.jobs.expect("jobs");
        assert_eq!(jobs[0].log, Err(reason), "{status}");
        assert!(found.range.is_ok());
    }
    let odd = FailedRun {
        commit: "main".to_owned(),
        ..failed(&stand, 5)
    };
    let found: Explained = explained(&stand, &odd).await;
    assert_eq!(found.range, Err(Unread::NoBranch));
    assert_eq!(found.commit, Err(Unread::NotFound));
    let statuses = FailedRun {
        family: Family::Statuses,
        ..failed(&stand, 5)
    };
    let found = explained(&stand, &statuses).await;
    assert_eq!(found.jobs, Err(Unread::NoJobs));
}

async fn a_call_that_fails_costs_its_part_only(stand: Stand) {
    play(&stand, 1, true, "main");
    play(&stand, 5, false, "main");
    let (range, request) = match stand.kind {
        ProviderKind::Github => ("compare", "commit_pulls"),
        ProviderKind::Gitlab => ("gitlab.list_commits", "gitlab.commit_merge_requests"),
    };
    fail(&stand, range, Misbehaviour::Hang, 9);
    fail(&stand, request, Misbehaviour::FailBefore(502), 9);
    let found = explained(&stand, &failed(&stand, 5)).await;
    assert_eq!(found.range, Err(Unread::Failed));
    assert_eq!(found.request, Err(Unread::Failed));
    let jobs = found.jobs.expect("jobs");
    assert!(jobs[0].log.is_ok() && found.commit.is_ok());
}

async fn a_provider_in_trouble_is_an_error(stand: Stand) {
    play(&stand, 5, false, "main");
    stand.simulator.faults().outage(true);
    let run = failed(&stand, 5);
    let explaining = stand.hooks.explain(&stand.access, &stand.target, &run);
    let error = explaining.await.expect_err("it does not answer");
    assert!(!error.may_have_acted, "{error:?}");
}

async fn a_refused_token_is_an_error_that_says_so(mut stand: Stand) {
    play(&stand, 5, false, "main");
    let token = hookherd::domain::secret::ProviderToken::new("unknown-token".to_owned());
    stand.access.token = token.expect("a token");
    let run = failed(&stand, 5);
    let explaining = stand.hooks.explain(&stand.access, &stand.target, &run);
    let error = explaining.await.expect_err("it is refused");
    assert_eq!(error.code, ErrorCode::Unauthorized);
}
