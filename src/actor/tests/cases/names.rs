//! Names that look alike are not the same: nothing mends another's failure by its looks.

use super::github::{fork, run};
use super::gitlab::pipeline;
use super::{Scene, story};
use serde_json::{Value, json};

/// Pairs that are shown alike, or are when they are cut.
fn alike() -> Vec<(String, String)> {
    let long = "é".repeat(600);
    let pairs = [
        ("main", "ma\u{200b}in"),
        ("main", "main\u{202e}"),
        ("main", "\u{feff}main"),
        ("ma\u{ad}in", "ma\u{34f}in"),
        ("\u{3164}", "\u{2800}"),
        ("main", "main\u{a0}"),
    ];
    let mut pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()))
        .collect();
    pairs.push((format!("{long}a"), format!("{long}b")));
    pairs.push((long.clone(), format!("{long}b")));
    pairs
}

/// What failed under one name is open after a pass under the other, and mended by its own.
async fn tells_apart(event: &str, told: impl Fn(u64, &str, &str) -> Value) {
    for (one, other) in alike() {
        let scene = Scene::set().await;
        scene.tell(event, &told(1, "failure", &one)).await;
        scene.tell(event, &told(2, "success", &other)).await;
        assert_eq!(scene.open().len(), 1, "{one:?} {other:?}");
        scene.tell(event, &told(3, "success", &one)).await;
        assert!(scene.open().is_empty(), "{one:?}");
    }
}

fn status(number: u64, state: &str, context: &str, branch: &str) -> Value {
    let (sha, time) = (
        format!("{number:040}"),
        format!("2026-11-28T10:{number:02}:00Z"),
    );
    json!({
        "sha": sha, "context": context, "state": state, "updated_at": time,
        "branches": [{"name": branch, "commit": {"sha": sha}}],
        "commit": {"commit": {"committer": {"date": time}}},
        "repository": {"id": 1001, "full_name": "o/r", "default_branch": "main"}
    })
}

#[actix::test]
async fn branches_that_look_alike_are_two() {
    let of_run = |n, end: &str, name: &str| run(n, end, &json!({"head_branch": name}));
    tells_apart("workflow_run", of_run).await;
    let of_fork = |n, end: &str, name: &str| fork(n, end, 7, "evil/r", name);
    tells_apart("workflow_run", of_fork).await;
    let of_suite = |n: u64, end: &str, name: &str| {
        json!({
            "action": "completed",
            "check_suite": {
                "id": n, "head_branch": name, "head_sha": format!("{n:040}"), "conclusion": end,
                "created_at": format!("2026-11-28T10:{n:02}:00Z"),
                "updated_at": format!("2026-11-28T10:{n:02}:30Z"), "app": {"id": 5}
            },
            "repository": {"id": 1001, "full_name": "o/r", "default_branch": "main"}
        })
    };
    tells_apart("check_suite", of_suite).await;
    let of_status = |n, end: &str, name: &str| status(n, end, "ci", name);
    tells_apart("status", of_status).await;
    let of_pipeline = |n, end: &str, name: &str| {
        let end = if end == "failure" { "failed" } else { end };
        pipeline(n, end, &json!({"ref": name}))
    };
    tells_apart("Pipeline Hook", of_pipeline).await;
}

#[actix::test]
async fn contexts_and_workflow_files_that_look_alike_are_two() {
    let of_status = |n, end: &str, name: &str| status(n, end, name, "main");
    tells_apart("status", of_status).await;
    let of_file =
        |n, end: &str, name: &str| run(n, end, &json!({"workflow_id": null, "path": name}));
    tells_apart("workflow_run", of_file).await;
}

#[actix::test]
async fn the_end_of_a_branch_is_not_that_of_one_that_looks_like_it() {
    let failed = || run(1, "failure", &json!({"head_branch": "to\u{200b}pic"}));
    let gone = |name| {
        json!({
            "ref": name, "ref_type": "branch",
            "repository": {"id": 1001, "pushed_at": "2026-11-28T10:09:00Z"}
        })
    };
    let title = "CI on topic~a4276bc3fbcbaae00fd28ffb";
    story(&[
        ("workflow_run", failed(), &[title]),
        ("delete", gone("topic"), &[title]),
        ("delete", gone("topic\u{200b}"), &[title]),
        ("delete", gone("to\u{200b}pic"), &[]),
    ])
    .await;
}
