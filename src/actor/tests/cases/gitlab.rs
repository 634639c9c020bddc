//! Whose code it was, and what kind of run: GitLab.

use super::story;
use serde_json::{Value, json};

const PIPELINE: &str = "Pipeline Hook";

/// A pipeline that ended, with other attributes as given.
pub(super) fn pipeline(id: u64, status: &str, attributes: &Value) -> Value {
    let mut told = json!({
        "id": id, "ref": "main", "tag": false, "sha": "b".repeat(40), "source": "push",
        "status": status, "created_at": "2026-11-28 10:00:00 UTC",
        "finished_at": format!("2026-11-28 10:{:02}:00 UTC", id % 60),
    });
    for (name, value) in attributes.as_object().unwrap() {
        told[name] = value.clone();
    }
    json!({
        "object_kind": "pipeline", "object_attributes": told, "builds": [],
        "project": {"id": 380, "path_with_namespace": "g/p"}
    })
}

pub(super) fn merge_request(id: u64, status: &str, iid: u64, project: u64, branch: &str) -> Value {
    let attributes = json!({"ref": branch, "source": "merge_request_event"});
    let mut body = pipeline(id, status, &attributes);
    body["merge_request"] = json!({
        "iid": iid, "source_branch": branch, "source_project_id": project,
        "target_branch": "main", "target_project_id": 380
    });
    body
}

fn push(id: u64, status: &str) -> Value {
    pipeline(id, status, &json!({}))
}

#[actix::test]
async fn a_merge_request_is_mended_by_its_own_pipelines_alone() {
    let merge_request =
        |id, status, iid, project| (PIPELINE, merge_request(id, status, iid, project, "patch-1"));
    let open: &[&str] = &["Merge request pipeline on !1"];
    let with = |(event, body), open| (event, body, open);
    story(&[
        with(merge_request(201, "failed", 1, 701), open),
        with(merge_request(202, "success", 2, 702), open),
        // A push to a branch of ours with the same name.
        (
            PIPELINE,
            pipeline(203, "success", &json!({"ref": "patch-1"})),
            open,
        ),
        with(merge_request(204, "success", 1, 701), &[]),
    ])
    .await;
}

#[actix::test]
async fn a_merge_request_from_a_forks_main_says_nothing_of_ours() {
    story(&[
        (PIPELINE, push(1, "failed"), &["Pipeline on main"]),
        (
            PIPELINE,
            merge_request(2, "success", 9, 701, "main"),
            &["Pipeline on main"],
        ),
        (PIPELINE, push(3, "success"), &[]),
        (
            PIPELINE,
            merge_request(4, "failed", 9, 701, "main"),
            &["Merge request pipeline on !9"],
        ),
    ])
    .await;
}

#[actix::test]
async fn kinds_of_pipelines_mend_only_their_own() {
    let of = |id, status, source: &str| pipeline(id, status, &json!({"source": source}));
    let tag = |id, status| pipeline(id, status, &json!({"tag": true, "ref": "main"}));
    let scheduled = "Scheduled pipeline on main (schedule)";
    story(&[
        (PIPELINE, of(1, "failed", "schedule"), &[scheduled]),
        (PIPELINE, push(2, "success"), &[scheduled]),
        (PIPELINE, of(3, "success", "web"), &[scheduled]),
        (PIPELINE, tag(4, "success"), &[scheduled]),
        (PIPELINE, of(5, "success", "api"), &[scheduled]),
        (PIPELINE, of(6, "success", "schedule"), &[]),
        (
            PIPELINE,
            of(7, "failed", "web"),
            &["Pipeline on main (manual)"],
        ),
        (PIPELINE, push(8, "success"), &["Pipeline on main (manual)"]),
        (PIPELINE, of(9, "success", "web"), &[]),
    ])
    .await;
}

#[actix::test]
async fn a_name_made_from_a_commits_title_is_no_key() {
    let named = |id, status, name: &str| pipeline(id, status, &json!({"name": name}));
    story(&[
        (PIPELINE, named(1, "failed", "Fix it"), &["Fix it on main"]),
        (PIPELINE, named(2, "success", "Fix it again"), &[]),
    ])
    .await;
}

/// A child of the pipeline `parent`, started by its job `job`.
fn child(id: u64, status: &str, parent: u64, job: u64) -> Value {
    let mut body = pipeline(id, status, &json!({"source": "parent_pipeline"}));
    body["source_pipeline"] = json!({"project": {"id": 380}, "pipeline_id": parent, "job_id": job});
    body
}

#[actix::test]
async fn a_sibling_mends_nothing_and_a_child_of_a_later_parent_in_the_same_place_does() {
    let open = "Child pipeline on main (child pipeline 1)";
    story(&[
        (PIPELINE, push(1, "running"), &[]),
        (PIPELINE, child(2, "failed", 1, 501), &[open]),
        (PIPELINE, child(3, "success", 1, 502), &[open]),
        (PIPELINE, push(1, "success"), &[open]),
        // The next parent's second child, though it is the first to end.
        (PIPELINE, child(12, "running", 11, 601), &[open]),
        (PIPELINE, child(13, "success", 11, 602), &[open]),
        (PIPELINE, child(12, "success", 11, 601), &[]),
    ])
    .await;
    // The same child, retried.
    let mut retried = child(2, "success", 1, 501);
    retried["object_attributes"]["finished_at"] = json!("2026-11-28 10:30:00 UTC");
    story(&[
        (PIPELINE, child(2, "failed", 1, 501), &[open]),
        (PIPELINE, retried, &[]),
    ])
    .await;
}

#[actix::test]
async fn a_childs_chain_is_its_parents() {
    let scheduled = |id, status| pipeline(id, status, &json!({"source": "schedule"}));
    let grandchild = |id, status, parent, job| {
        let mut body = child(id, status, parent, job);
        body["object_attributes"]["name"] = json!("Nightly");
        body
    };
    let open = "Nightly on main (schedule) (child pipeline 1) (child pipeline 1)";
    story(&[
        (PIPELINE, scheduled(1, "running"), &[]),
        (PIPELINE, child(2, "running", 1, 501), &[]),
        (PIPELINE, grandchild(3, "failed", 2, 502), &[open]),
        // The same place below a push: another chain.
        (PIPELINE, push(11, "running"), &[open]),
        (PIPELINE, child(12, "running", 11, 601), &[open]),
        (PIPELINE, grandchild(13, "success", 12, 602), &[open]),
        (PIPELINE, child(12, "success", 11, 601), &[open]),
        (PIPELINE, scheduled(21, "running"), &[open]),
        (PIPELINE, child(22, "running", 21, 701), &[open]),
        (PIPELINE, grandchild(23, "success", 22, 702), &[]),
    ])
    .await;
}

#[actix::test]
async fn a_pipeline_told_again_with_its_jobs_in_another_order_counts_once() {
    let job = |id: u64, name: &str| json!({"id": id, "name": name, "status": "failed"});
    let told = |jobs: [Value; 2]| {
        let mut body = push(1, "failed");
        body["builds"] = json!(jobs);
        body
    };
    let open: &[&str] = &["Pipeline on main"];
    let scene = story(&[
        (PIPELINE, told([job(1, "a"), job(2, "b")]), open),
        (PIPELINE, told([job(2, "b"), job(1, "a")]), open),
    ])
    .await;
    assert_eq!(scene.incidents()[0].occurrences, 1);
}

#[actix::test]
async fn the_author_falls_back_to_who_wrote_the_commit() {
    let table = [
        (json!({"username": "ann", "name": "Ann A"}), "ann"),
        (json!({"username": " ", "name": "Ann A"}), "Bob B"),
        (json!(null), "Bob B"),
    ];
    for (user, author) in table {
        let mut body = push(1, "failed");
        body["user"] = user.clone();
        body["commit"] = json!({"title": "t", "author": {"name": "Bob B"}});
        let scene = story(&[(PIPELINE, body, &["Pipeline on main"])]).await;
        let ci = scene.incidents()[0].ci.clone().unwrap();
        assert_eq!(ci.author.as_deref(), Some(author), "{user}");
    }
}
