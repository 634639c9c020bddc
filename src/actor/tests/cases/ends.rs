//! What ends without a pass.

use super::github::{fork, run};
use super::gitlab::{merge_request, pipeline};
use super::{Scene, story};
use crate::domain::incident::Resolution;
use serde_json::{Value, json};

/// 2026-11-28T10:00:00Z in seconds.
const TEN: i64 = 1_795_860_000;

fn repository(minute: i64) -> Value {
    json!({
        "id": 1001, "full_name": "o/r", "default_branch": "main", "pushed_at": TEN + minute * 60
    })
}

/// A push at this minute that deletes a branch or tag.
fn push_away(git_ref: &str, minute: i64) -> Value {
    json!({
        "ref": git_ref, "deleted": true, "after": "0".repeat(40), "repository": repository(minute)
    })
}

fn delete(kind: &str, name: &str, minute: i64) -> Value {
    let mut repository = repository(0);
    repository["pushed_at"] = json!(format!("2026-11-28T10:{minute:02}:00Z"));
    json!({"ref": name, "ref_type": kind, "repository": repository})
}

fn closed(number: u64, is_merged: bool, head: &Value, minute: i64) -> Value {
    json!({
        "action": "closed", "number": number,
        "pull_request": {
            "number": number, "merged": is_merged, "head": head,
            "closed_at": format!("2026-11-28T10:{minute:02}:00Z"),
        },
        "repository": repository(minute)
    })
}

fn topic(number: u64, conclusion: &str) -> Value {
    run(number, conclusion, &json!({"head_branch": "topic"}))
}

fn of_pull(number: u64, conclusion: &str, pull: u64) -> Value {
    let pulls = json!([{"number": pull}]);
    let fields = json!({
        "event": "pull_request", "head_branch": "topic", "pull_requests": pulls,
    });
    run(number, conclusion, &fields)
}

/// Both orders of a failure and of what ends it come to the same, and what fails later is new.
async fn ends_it(failure: (&str, Value), end: (&str, Value), why: Resolution, later: Value) {
    for is_late in [false, true] {
        let scene = Scene::set().await;
        let mut told = [&failure, &end];
        if is_late {
            told.reverse();
        }
        for (event, body) in told {
            scene.tell(event, body).await;
        }
        assert_eq!(scene.ends(), [Some(why)], "late: {is_late} {}", end.1);
        scene.tell(failure.0, &later).await;
        assert_eq!(scene.ends(), [Some(why), None], "{}", end.1);
    }
}

#[actix::test]
async fn a_deleted_branch_is_not_waited_for_however_it_is_told() {
    let failure = || ("workflow_run", topic(1, "failure"));
    let (why, later) = (Resolution::BranchDeleted, || topic(9, "failure"));
    let push = ("push", push_away("refs/heads/topic", 5));
    ends_it(failure(), push, why, later()).await;
    let delete = ("delete", delete("branch", "topic", 5));
    ends_it(failure(), delete, why, later()).await;
}

#[actix::test]
async fn a_deleted_tag_is_not_waited_for_and_is_no_branch() {
    let tag = |number, conclusion| run(number, conclusion, &json!({"head_branch": "v1"}));
    let why = Resolution::TagDeleted;
    let end = ("delete", delete("tag", "v1", 5));
    ends_it(
        ("workflow_run", tag(1, "failure")),
        end,
        why,
        tag(9, "failure"),
    )
    .await;
    let end = ("push", push_away("refs/tags/v1", 5));
    ends_it(
        ("workflow_run", tag(1, "failure")),
        end,
        why,
        tag(9, "failure"),
    )
    .await;
    let main = run(1, "failure", &json!({}));
    story(&[
        ("workflow_run", main, &["CI on main"]),
        ("delete", delete("tag", "main", 5), &["CI on main"]),
        ("delete", delete("branch", "other", 5), &["CI on main"]),
        ("push", push_away("refs/heads/mai", 5), &["CI on main"]),
    ])
    .await;
}

#[actix::test]
async fn a_run_that_was_under_way_when_its_branch_was_deleted_is_over_with_it() {
    let mut late = topic(1, "failure");
    late["workflow_run"]["updated_at"] = json!("2026-11-28T10:20:00Z");
    let end = ("delete", delete("branch", "topic", 5));
    let why = Resolution::BranchDeleted;
    ends_it(("workflow_run", late), end, why, topic(30, "failure")).await;
}

#[actix::test]
async fn what_passed_before_the_branch_was_deleted_has_passed() {
    for order in [[0, 1, 2], [0, 2, 1], [2, 0, 1], [2, 1, 0]] {
        let scene = Scene::set().await;
        let told = [
            ("workflow_run", topic(1, "failure")),
            ("workflow_run", topic(2, "success")),
            ("delete", delete("branch", "topic", 5)),
        ];
        for nth in order {
            scene.tell(told[nth].0, &told[nth].1).await;
        }
        let ends = scene.ends();
        assert!(
            matches!(ends[..], [Some(Resolution::Passed(_))]),
            "{order:?}"
        );
    }
}

#[actix::test]
async fn a_closed_pull_request_is_not_waited_for() {
    let own = json!({"ref": "topic", "sha": "a".repeat(40), "repo": {"id": 1001}});
    for (is_merged, why) in [
        (true, Resolution::Merged),
        (false, Resolution::PullRequestClosed),
    ] {
        let end = ("pull_request", closed(12, is_merged, &own, 5));
        let failure = ("workflow_run", of_pull(1, "failure", 12));
        ends_it(failure, end, why, of_pull(9, "failure", 12)).await;
    }
    let open = "CI on #13";
    story(&[
        ("workflow_run", of_pull(1, "failure", 13), &[open]),
        ("pull_request", closed(12, true, &own, 5), &[open]),
        // Its branch goes, and with it whatever could pass.
        ("delete", delete("branch", "topic", 6), &[]),
    ])
    .await;
}

#[actix::test]
async fn a_closed_pull_request_of_a_fork_ends_its_runs_and_what_is_told_of_its_commit() {
    let sha = "c".repeat(40);
    let head = json!({"ref": "main", "sha": sha, "repo": {"id": 5555, "full_name": "x/r"}});
    let end = || ("pull_request", closed(12, false, &head, 5));
    let failed = |number| fork(number, "failure", 5555, "x/r", "main");
    let why = Resolution::PullRequestClosed;
    ends_it(("workflow_run", failed(1)), end(), why, failed(9)).await;
    let status = |minute: i64| {
        json!({
            "sha": sha, "context": "ci/jenkins", "state": "failure", "branches": [],
            "commit": {"commit": {"committer": {"date": "2026-11-28T10:00:00Z"}}},
            "updated_at": format!("2026-11-28T10:{minute:02}:00Z"), "repository": repository(0)
        })
    };
    let scene = Scene::set().await;
    scene.tell("status", &status(1)).await;
    scene
        .tell("workflow_run", &run(1, "failure", &json!({})))
        .await;
    scene.tell("pull_request", &end().1).await;
    assert_eq!(scene.open(), ["CI failed: CI on main"]);
}

/// A run for an entry of the merge queue into `main`.
fn queued(number: u64, conclusion: &str, pull: u64, commit: char) -> Value {
    let branch = queue_branch(pull, commit);
    let fields = json!({"event": "merge_group", "head_branch": branch});
    run(number, conclusion, &fields)
}

fn queue_branch(pull: u64, commit: char) -> String {
    let commit = commit.to_string().repeat(40);
    format!("gh-readonly-queue/main/pr-{pull}-{commit}")
}

#[actix::test]
async fn an_entry_of_a_merge_queue_is_told_and_ends_by_itself() {
    let open: &[&str] = &["CI on #12 in the merge queue of main"];
    let failed = || ("workflow_run", queued(1, "failure", 12, 'a'), open);
    // Queued again, it passes.
    let again = queued(2, "success", 12, 'b');
    let passed = story(&[failed(), ("workflow_run", again, &[])]).await;
    assert!(matches!(passed.ends()[..], [Some(Resolution::Passed(_))]));
    // Neither main nor another entry that was queued before it had failed says anything of it.
    let mut beside = queued(2, "success", 13, 'b');
    beside["workflow_run"]["created_at"] = json!("2026-11-28T10:01:10Z");
    let main = run(3, "success", &json!({}));
    // The queue goes on with another one: nothing waits for the first any more.
    let next = queued(4, "requested", 14, 'c');
    let moved = story(&[
        failed(),
        ("workflow_run", beside, open),
        ("workflow_run", main, open),
        ("workflow_run", next, &[]),
    ])
    .await;
    assert_eq!(moved.ends(), [Some(Resolution::LeftQueue)]);
    // Its branch is deleted, its pull request leaves the queue or is closed.
    let branch = queue_branch(12, 'a');
    let head_ref = format!("refs/heads/{branch}");
    let dequeued = json!({
        "action": "dequeued", "reason": "CI_FAILURE",
        "pull_request": {"number": 12, "updated_at": "2026-11-28T10:05:00Z"},
        "repository": repository(5)
    });
    let destroyed = json!({
        "action": "destroyed", "merge_group": {"head_ref": head_ref}, "repository": repository(5)
    });
    let table = [
        (
            "delete",
            delete("branch", &branch, 5),
            Resolution::BranchDeleted,
        ),
        ("push", push_away(&head_ref, 5), Resolution::BranchDeleted),
        ("pull_request", dequeued, Resolution::LeftQueue),
        ("merge_group", destroyed, Resolution::LeftQueue),
        (
            "pull_request",
            closed(12, false, &json!(null), 5),
            Resolution::PullRequestClosed,
        ),
    ];
    for (event, body, why) in table {
        // That a group is gone has no time of its own: it is when that arrives.
        let mut long_ago = failed();
        long_ago.1["workflow_run"]["created_at"] = json!("2001-11-28T10:00:00Z");
        let ended = story(&[long_ago, (event, body, &[])]).await;
        assert_eq!(ended.ends(), [Some(why)], "{event}");
    }
}

fn gitlab_push(kind: &str, git_ref: &str, after: &str) -> Value {
    json!({
        "object_kind": kind, "ref": git_ref, "after": after, "before": "b".repeat(40),
        "project": {"id": 380, "path_with_namespace": "g/p"}
    })
}

fn gitlab_merge_request(iid: u64, action: &str, minute: i64) -> Value {
    json!({
        "object_kind": "merge_request",
        "object_attributes": {
            "iid": iid, "action": action, "source_branch": "topic", "source_project_id": 701,
            "updated_at": format!("2026-11-28 10:{minute:02}:00 UTC"),
        },
        "project": {"id": 380, "path_with_namespace": "g/p"}
    })
}

#[actix::test]
async fn a_merge_request_that_is_merged_or_closed_is_not_waited_for() {
    let of = |id: u64, iid, minute: u32| {
        let mut body = merge_request(id, "failed", iid, 701, "topic");
        body["object_attributes"]["created_at"] =
            json!(format!("2026-11-28 10:{minute:02}:00 UTC"));
        body
    };
    for (action, why) in [
        ("merge", Resolution::Merged),
        ("close", Resolution::PullRequestClosed),
    ] {
        let end = ("Merge Request Hook", gitlab_merge_request(1, action, 5));
        ends_it(("Pipeline Hook", of(1, 1, 0)), end, why, of(20, 1, 9)).await;
    }
    let open = "Merge request pipeline on !1";
    story(&[
        ("Pipeline Hook", of(1, 1, 0), &[open]),
        (
            "Merge Request Hook",
            gitlab_merge_request(2, "merge", 5),
            &[open],
        ),
        (
            "Merge Request Hook",
            gitlab_merge_request(1, "update", 5),
            &[open],
        ),
        (
            "Merge Request Hook",
            gitlab_merge_request(1, "close", 5),
            &[],
        ),
    ])
    .await;
}

/// GitLab does not say when a branch was deleted: it is when that arrives, long after these runs.
#[actix::test]
async fn a_branch_or_tag_that_is_deleted_at_gitlab_is_not_waited_for() {
    let zeros = "0".repeat(40);
    let far = |body: &mut Value| {
        body["object_attributes"]["created_at"] = json!("2001-11-28 10:00:00 UTC");
        let id = body["object_attributes"]["id"].as_u64().unwrap();
        let finished_at = format!("2001-11-28 10:0{id}:00 UTC");
        body["object_attributes"]["finished_at"] = json!(finished_at);
    };
    let mut branch = pipeline(1, "failed", &json!({"ref": "topic"}));
    let mut tag = pipeline(2, "failed", &json!({"ref": "v1", "tag": true}));
    far(&mut branch);
    far(&mut tag);
    let (on_branch, on_tag) = ("Pipeline on topic", "Tag pipeline on tag v1");
    let scene = story(&[
        ("Pipeline Hook", branch, &[on_branch]),
        ("Pipeline Hook", tag, &[on_branch, on_tag]),
        (
            "Push Hook",
            gitlab_push("push", "refs/heads/topic", &"c".repeat(40)),
            &[on_branch, on_tag],
        ),
        (
            "Push Hook",
            gitlab_push("push", "refs/heads/v1", &zeros),
            &[on_branch, on_tag],
        ),
        (
            "Push Hook",
            gitlab_push("push", "refs/heads/topic", &zeros),
            &[on_tag],
        ),
        (
            "Tag Push Hook",
            gitlab_push("tag_push", "refs/tags/v1", &zeros),
            &[],
        ),
    ])
    .await;
    let ends = [Resolution::BranchDeleted, Resolution::TagDeleted];
    assert_eq!(scene.ends(), ends.map(Some));
}

#[actix::test]
async fn what_is_run_again_after_an_end_is_not_over() {
    let again = |mut body: Value| {
        body["workflow_run"]["run_attempt"] = json!(2);
        body["workflow_run"]["run_started_at"] = json!("2026-11-28T10:20:00Z");
        body["workflow_run"]["updated_at"] = json!("2026-11-28T10:21:00Z");
        body
    };
    let head = json!({"ref": "topic", "repo": {"id": 1001}});
    let cases = [
        (
            of_pull(1, "failure", 12),
            ("pull_request", closed(12, false, &head, 10)),
            "CI on #12",
        ),
        (
            topic(1, "failure"),
            ("delete", delete("branch", "topic", 10)),
            "CI on topic",
        ),
    ];
    for (failure, (event, end), open) in cases {
        story(&[
            ("workflow_run", failure.clone(), &[open]),
            (event, end.clone(), &[]),
            ("workflow_run", again(failure.clone()), &[open]),
        ])
        .await;
        let late = story(&[
            ("workflow_run", again(failure.clone()), &[open]),
            (event, end, &[open]),
            ("workflow_run", failure, &[open]),
        ])
        .await;
        assert_eq!(
            late.incidents().len(),
            2,
            "what was over, and what came after"
        );
    }
}

#[actix::test]
async fn a_pipeline_that_is_retried_after_an_end_is_not_over() {
    let failed = |job: u64, made: &str, ended: &str| {
        let mut body = merge_request(201, "failed", 1, 380, "patch-1");
        body["object_attributes"]["finished_at"] = json!(ended);
        body["builds"] = json!([
            {"id": 1, "name": "lint", "status": "failed", "allow_failure": true,
                "created_at": "2026-11-28 11:00:00 UTC"},
            {"id": job, "name": "test", "status": "failed", "created_at": made},
            {"id": 9, "name": "deploy", "status": "skipped",
                "created_at": "2026-11-28 11:00:00 UTC"},
        ]);
        body
    };
    let first = failed(5, "2026-11-28 10:00:01 UTC", "2026-11-28 10:05:00 UTC");
    let again = failed(6, "2026-11-28 10:20:00 UTC", "2026-11-28 10:21:00 UTC");
    let closed = json!({
        "object_kind": "merge_request", "project": {"id": 380},
        "object_attributes": {
            "iid": 1, "action": "close", "updated_at": "2026-11-28 10:10:00 UTC",
            "source_branch": "patch-1", "source_project_id": 380
        }
    });
    let open = "Merge request pipeline on !1";
    story(&[
        ("Pipeline Hook", first, &[open]),
        ("Merge Request Hook", closed, &[]),
        ("Pipeline Hook", again, &[open]),
    ])
    .await;
}
