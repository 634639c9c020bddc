//! Runs of lists of which GitHub does not say all times.

use super::*;
use crate::domain::event::{Decoded, Event};
use crate::domain::samples::Same;
use crate::domain::time::{Clock, Timestamp};
use crate::provider::github::GithubDecode;
use crate::provider::{Decode, Found, ListedRun, Logs, RunsPage};

/// 2026-11-24T10:00:00Z.
const SINCE: Timestamp = Timestamp(1_795_514_400_000);
const HOUR: &str = "2026-11-24T11:00:00Z";

fn after(hours: i64) -> Timestamp {
    Timestamp(SINCE.0 + hours * 3_600_000)
}

/// A failed run as GitHub lists it: created, begun, changed.
fn run(id: u64, times: [Option<&str>; 3]) -> Value {
    let [created, began, updated] = times;
    let path = format!("/o/r/actions/runs/{id}");
    json!({
        "id": id, "name": "CI", "node_id": "WFR_kwLOABCD", "head_branch": "main",
        "head_sha": "8a1f0c2f4b3d9e7a6c5b4d3e2f1a0b9c8d7e6f5a", "path": ".github/workflows/ci.yml",
        "display_title": "Parse the empty list", "run_number": id - 9_000, "event": "push",
        "status": "completed", "conclusion": "failure", "workflow_id": 161_335,
        "check_suite_id": id + 40, "url": format!("https://api.github.com/repos{path}"),
        "html_url": format!("https://github.com{path}"), "pull_requests": [],
        "created_at": created, "updated_at": updated, "run_started_at": began,
        "actor": {"login": "octocat", "id": 1}, "triggering_actor": {"login": "octocat", "id": 1},
        "run_attempt": 1, "previous_attempt_url": null,
        "repository": {"id": 1, "full_name": "o/r"},
        "head_repository": {"id": 1, "full_name": "o/r"}
    })
}

/// The failed job of a run, of which only its begin is known, or nothing.
fn job(run: u64, began: Option<&str>) -> Value {
    json!({
        "id": 21, "run_id": run, "run_attempt": 1, "name": "unit", "status": "completed",
        "conclusion": "failure", "started_at": began, "completed_at": null, "steps": [],
        "head_sha": "8a1f0c2f4b3d9e7a6c5b4d3e2f1a0b9c8d7e6f5a", "workflow_name": "CI"
    })
}

/// GitHub with these runs, and links to a next page.
async fn with_runs(runs: Vec<Value>, job_began: Option<&'static str>) -> Server {
    Server::start(move |seen| {
        let path = seen.path.as_str();
        if path.contains("/jobs?") {
            answer(
                200,
                &json!({"total_count": 1, "jobs": [job(9_003, job_began)]}),
            )
        } else if path.starts_with("/repos/o/r/actions/runs?") {
            let next = r#"<https://api.github.com/repositories/1/actions/runs?page=2>; rel="next""#;
            let body = json!({"total_count": runs.len(), "workflow_runs": runs});
            with(200, &[("link", next)], &body)
        } else if path == "/repos/o/r/actions/workflows?per_page=100" {
            answer(200, &json!({"total_count": 0, "workflows": []}))
        } else {
            let mut repo = repo();
            repo["default_branch"] = "main".into();
            answer(200, &repo)
        }
    })
    .await
}

async fn page(server: &Server, cursor: Option<&str>) -> RunsPage {
    let (access, target) = (access(), target());
    let github = github(server);
    let page = github.runs_since(&access, &target, SINCE, cursor).await;
    page.unwrap()
}

async fn read(server: &Server, listed: &[ListedRun]) -> Vec<Found> {
    let (access, target, github) = (access(), target(), github(server));
    let read = github
        .read_runs(&access, &target, listed, Some(SINCE))
        .await;
    read.unwrap().found
}

#[tokio::test]
async fn a_run_without_times_is_listed_and_read_with_the_best_time_that_is_known() {
    let runs = vec![
        run(
            9_001,
            [Some(HOUR), Some(HOUR), Some("2026-11-24T12:00:00Z")],
        ),
        run(9_002, [Some("2026-11-24T09:00:00Z"), None, None]),
        run(9_003, [None, Some(HOUR), None]),
        run(9_004, [None, None, None]),
        // It changed before, and GitHub says so.
        run(
            9_005,
            [
                Some("2026-11-24T08:00:00Z"),
                None,
                Some("2026-11-24T09:00:00Z"),
            ],
        ),
    ];
    let server = with_runs(runs, None).await;
    let listed = page(&server, None).await.runs;
    let times: Vec<_> = listed.iter().map(|run| (run.id, run.at)).collect();
    let expected = [
        (9_001, after(2)),
        (9_002, SINCE),
        (9_003, after(1)),
        (9_004, SINCE),
    ];
    assert_eq!(times, expected);
    let found = read(&server, &listed).await;
    let runs: Vec<_> = found
        .iter()
        .filter(|it| it.event == "workflow_run")
        .collect();
    assert_eq!(runs.len(), 4);
    for (found, (id, at)) in runs.into_iter().zip(expected) {
        assert_eq!(found.at, at, "{id}");
        let decoded = GithubDecode::new(&Same(9)).decode(&found.event, &found.payload);
        let Ok(Decoded {
            event: Event::Run(run),
            ..
        }) = decoded
        else {
            panic!("a run: {decoded:?}");
        };
        assert_eq!(run.provider_run_id, id);
    }
}

/// A job of a run that could not start has no end.
#[tokio::test]
async fn a_failed_job_without_an_end_is_found_with_its_begin_or_its_runs_time() {
    for (began, expected) in [(Some(HOUR), after(1)), (None, after(2))] {
        let ended = Some("2026-11-24T12:00:00Z");
        let runs = vec![run(9_003, [Some(HOUR), Some(HOUR), ended])];
        let server = with_runs(runs, began).await;
        let listed = page(&server, None).await.runs;
        assert!(listed[0].with_jobs);
        let found = read(&server, &listed).await;
        let job = found.iter().find(|it| it.event == "workflow_job").unwrap();
        assert_eq!(job.at, expected);
    }
}

/// A search of a thousand runs is continued before the earliest of its last page.
#[tokio::test]
async fn a_run_without_times_at_the_end_of_a_search_hides_no_earlier_ones() {
    let mut runs: Vec<_> = (9_001..9_100).map(|id| run(id, [Some(HOUR); 3])).collect();
    runs.push(run(9_100, [None; 3]));
    let server = with_runs(runs, None).await;
    let page = page(&server, Some(":10")).await;
    assert_eq!(page.next, Some(format!("{}:1", after(1).0)));
}

#[tokio::test]
async fn of_the_latest_one_without_times_may_have_changed_now() {
    let runs = vec![run(9_001, [Some(HOUR), None, None])];
    let mut other = run(9_002, [None; 3]);
    other["head_branch"] = "next".into();
    let server = with_runs([runs, vec![other]].concat(), None).await;
    let (access, target) = (access(), target());
    let latest = github(&server).latest_runs(&access, &target).await.unwrap();
    let times: Vec<_> = latest.iter().map(|run| (run.id, run.at)).collect();
    assert_eq!(times, [(9_001, after(1)), (9_002, Noon.now())]);
}
