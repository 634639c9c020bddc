//! The latest runs of a repository with many, and how many calls they take.

use super::*;
use crate::provider::Logs;
use std::collections::BTreeMap;

/// A run as a list has it.
#[derive(Clone, Copy)]
struct Spec {
    id: u64,
    workflow: u64,
    event: &'static str,
    branch: &'static str,
    conclusion: &'static str,
    head: u64,
}

const PUSHED: Spec = Spec {
    id: 0,
    workflow: 7,
    event: "push",
    branch: "main",
    conclusion: "success",
    head: 1,
};

fn item(run: &Spec) -> Value {
    json!({
        "id": run.id, "run_number": run.id, "run_attempt": 1, "workflow_id": run.workflow,
        "name": "CI", "path": ".github/workflows/ci.yml", "event": run.event,
        "head_branch": run.branch, "head_sha": "8a1f0c2f4b3d9e7a6c5b4d3e2f1a0b9c8d7e6f5a",
        "status": "completed", "conclusion": run.conclusion, "pull_requests": [],
        "created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:00:00Z",
        "head_repository": {"id": run.head, "full_name": "o/r"}
    })
}

/// A page of the runs that fit a query, the newest first.
fn page(all: &[Spec], workflow: Option<u64>, query: &str) -> Reply {
    let asked: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let is = |name: &str, value: &str| asked.get(name).is_none_or(|wanted| wanted == value);
    let fits = |run: &&Spec| {
        workflow.is_none_or(|id| run.workflow == id)
            && is("event", run.event)
            && is("branch", run.branch)
            && (is("status", "completed") || is("status", run.conclusion))
    };
    let mut found: Vec<&Spec> = all.iter().filter(fits).collect();
    found.sort_by_key(|run| std::cmp::Reverse(run.id));
    let size: usize = asked["per_page"].parse().unwrap();
    let runs: Vec<Value> = found.iter().take(size).map(|run| item(run)).collect();
    let body = json!({"total_count": found.len(), "workflow_runs": runs});
    let next = r#"<https://api.github.com/repositories/1/actions/runs?page=2>; rel="next""#;
    let links: &[_] = if found.len() > size {
        &[("link", next)]
    } else {
        &[]
    };
    with(200, links, &body)
}

/// GitHub with these runs and workflows.
async fn with_runs(all: Vec<Spec>, workflows: Vec<Value>) -> Server {
    Server::start(move |seen| {
        let Some(path) = seen.path.strip_prefix("/repos/o/r/actions/") else {
            let mut repo = repo();
            repo["default_branch"] = "main".into();
            return answer(200, &repo);
        };
        let (path, query) = path.split_once('?').unwrap();
        match path.split('/').collect::<Vec<_>>()[..] {
            ["runs"] => page(&all, None, query),
            ["workflows"] => answer(200, &json!({"total_count": 1, "workflows": workflows})),
            ["workflows", id, "runs"] => page(&all, id.parse().ok(), query),
            _ => answer(404, &json!({})),
        }
    })
    .await
}

fn active(id: u64) -> Value {
    json!({"id": id, "state": "active"})
}

/// The ids of the latest runs that failed, each with whether its jobs are to be read.
async fn failed(server: &Server) -> Vec<(u64, bool)> {
    let (access, target) = (access(), target());
    let latest = github(server).latest_runs(&access, &target).await.unwrap();
    let failed = latest.iter().filter(|run| {
        let conclusion = run.status.conclusion();
        conclusion.is_some_and(|it| it.as_str() == "failure")
    });
    let mut failed: Vec<_> = failed.map(|run| (run.id, run.with_jobs)).collect();
    failed.sort_unstable();
    failed
}

/// What was asked of the lists, without the repository.
fn asked(server: &Server) -> Vec<String> {
    let seen = server.seen().into_iter();
    seen.filter_map(|seen| {
        let below = seen.path.strip_prefix("/repos/o/r/actions/")?;
        Some(below.to_owned())
    })
    .collect()
}

fn failure(id: u64, workflow: u64) -> Spec {
    Spec {
        id,
        workflow,
        conclusion: "failure",
        ..PUSHED
    }
}

fn elsewhere(ids: std::ops::Range<u64>) -> impl Iterator<Item = Spec> {
    ids.map(|id| Spec {
        id,
        branch: "busy",
        ..PUSHED
    })
}

#[tokio::test]
async fn a_repository_with_few_runs_takes_one_list() {
    let mut runs = vec![failure(1, 7)];
    runs.extend(elsewhere(2..90));
    let server = with_runs(runs, vec![active(7)]).await;
    assert_eq!(failed(&server).await, [(1, true)]);
    assert_eq!(asked(&server), ["runs?per_page=100"]);
}

#[tokio::test]
async fn what_was_pushed_and_scheduled_on_main_is_asked_for_whatever_else_ran_there() {
    // A fork's pull request from its `main`, a nightly run, and much elsewhere.
    let mut runs = vec![failure(1, 7), failure(2, 8), failure(3, 9)];
    runs[1].event = "schedule";
    // Of workflows that will not pass: disabled, and deleted.
    runs.extend([failure(4, 11), failure(5, 12)]);
    runs.extend(elsewhere(6..110));
    for (id, event, head) in [
        (110, "pull_request", 5),
        (111, "schedule", 1),
        (112, "push", 1),
    ] {
        let workflow = if event == "push" { 8 } else { 7 };
        runs.push(Spec {
            id,
            workflow,
            event,
            head,
            ..PUSHED
        });
    }
    let disabled = json!({"id": 11, "state": "disabled_inactivity"});
    let workflows = vec![active(7), active(8), active(9), disabled];
    let server = with_runs(runs, workflows).await;
    assert_eq!(failed(&server).await, [(1, true), (2, true), (3, true)]);
    let lists = [
        "runs?per_page=100",
        "workflows?per_page=100",
        "runs?per_page=100&status=completed&event=push&branch=main",
        "runs?per_page=100&status=completed&event=schedule&branch=main",
    ];
    assert_eq!(asked(&server), lists);
}

/// One workflow was skipped for a long time, another has run on main so often that the list of all
/// has nothing else, a third has pull requests only.
#[tokio::test]
async fn a_workflow_is_asked_by_conclusion_when_a_page_has_none_that_decides() {
    let mut runs = vec![failure(1, 7), failure(2, 8), failure(3, 8)];
    runs.extend((10..150).map(|id| Spec {
        id,
        conclusion: "skipped",
        ..PUSHED
    }));
    runs.extend((150..400).map(|id| Spec {
        id,
        workflow: 9,
        ..PUSHED
    }));
    let pull_request = Spec {
        id: 5,
        workflow: 10,
        event: "pull_request",
        head: 5,
        ..PUSHED
    };
    runs.push(pull_request);
    let workflows = vec![active(7), active(8), active(9), active(10)];
    let server = with_runs(runs, workflows).await;
    assert_eq!(failed(&server).await, [(1, true), (3, true)]);
    let of = |workflow: u64, rest: &str| {
        format!("workflows/{workflow}/runs?per_page=20&branch=main{rest}")
    };
    let lists = [
        of(7, "&event=push&status=completed"),
        of(7, "&event=push&status=success"),
        of(7, "&event=push&status=failure"),
        of(7, "&event=push&status=timed_out"),
        of(8, "&event=push&status=completed"),
        of(10, "&event=push&status=completed"),
        of(10, "&status=completed"),
    ];
    assert_eq!(asked(&server)[4..], lists);
}

#[tokio::test]
async fn so_many_workflows_are_asked_and_none_that_is_not_active() {
    let mut runs: Vec<Spec> = (1..=120).map(|id| failure(id, id)).collect();
    runs.extend((1_000..1_200).map(|id| Spec {
        id,
        workflow: 500,
        ..PUSHED
    }));
    let mut workflows: Vec<Value> = (1..=120).map(active).collect();
    workflows[0]["state"] = "disabled_manually".into();
    workflows.push(active(500));
    let server = with_runs(runs, workflows).await;
    let expected: Vec<_> = (2..=51).map(|id| (id, true)).collect();
    assert_eq!(failed(&server).await, expected);
    assert_eq!(asked(&server).len(), 4 + 50);
}
