//! The table of ADR 14: GitLab.

use super::{pipeline, run_of};
use crate::domain::lane::{Code, Lane};
use crate::domain::repo::RepositoryId;
use crate::domain::run::Parent;
use serde_json::{Value, json};

fn with(path: &str, value: Value) -> Value {
    let mut body = pipeline();
    *body.pointer_mut(path).unwrap() = value;
    body
}

fn source(name: &str) -> Value {
    with("/object_attributes/source", json!(name))
}

fn push() -> Lane {
    Lane::Push {
        code: Code::Own,
        branch: "main".into(),
    }
}

fn other(trigger: &str) -> Lane {
    Lane::Other {
        trigger: trigger.into(),
        code: Code::Own,
        branch: "main".into(),
    }
}

/// A body, its lane, its workflow's key, and its name for people.
type Row = (Value, Lane, &'static str, &'static str);

fn check(table: impl IntoIterator<Item = Row>) {
    for (body, lane, key, name) in table {
        let facts = run_of(&body).facts;
        let words = (facts.workflow_key.as_str(), facts.workflow_name.as_str());
        assert_eq!((facts.lane, words), (lane, (key, name)), "{body}");
    }
}

#[test]
fn pipelines_that_run_side_by_side_are_in_lanes_of_their_own() {
    let branch = || "main".to_owned();
    let mut untold = source("push");
    untold["object_attributes"]["ref"] = json!(null);
    let commit = Lane::Commit {
        trigger: "push".into(),
        code: Code::Own,
        sha: "b".repeat(40),
    };
    let schedule = Lane::Schedule { branch: branch() };
    let tag = with("/object_attributes/tag", json!(true));
    let odd = "refs/merge-requests/8/merge";
    let named = with("/object_attributes/name", json!("Nightly"));
    let by_hand = Lane::Dispatch { branch: branch() };
    check([
        (source("push"), push(), "branch", "Pipeline"),
        (source(""), push(), "branch", "Pipeline"),
        (source("web"), by_hand, "other", "Pipeline"),
        (source("api"), other("api"), "other", "Pipeline"),
        (source("trigger"), other("trigger"), "other", "Pipeline"),
        (
            source("schedule"),
            schedule,
            "schedule",
            "Scheduled pipeline",
        ),
        (tag, Lane::Tag { name: branch() }, "tag", "Tag pipeline"),
        (
            with("/object_attributes/ref", json!(odd)),
            push_at(odd),
            "branch",
            "Pipeline",
        ),
        (untold, commit, "branch", "Pipeline"),
        (named, push(), "branch", "Nightly"),
    ]);
}

#[test]
fn merge_requests_are_known_by_number_or_else_by_where_they_come_from() {
    let trigger = || "merge_request_event".to_owned();
    let from = |code| Lane::PullRequestFrom {
        trigger: trigger(),
        code,
        branch: "main".into(),
    };
    let of = |merge_request: Value| with("/merge_request", merge_request);
    let mut train = with(
        "/object_attributes/ref",
        json!("refs/merge-requests/7/train"),
    );
    train["merge_request"] = json!({"iid": 7, "source_branch": "t", "target_branch": "main"});
    let queue = Lane::Queue {
        trigger: trigger(),
        base: "main".into(),
        number: 7,
    };
    let numbered = Lane::PullRequest {
        trigger: trigger(),
        number: 1,
    };
    let unnumbered = json!({"source_branch": "topic", "source_project_id": 701});
    let fork = from(Code::Fork(RepositoryId(701)));
    let (key, name) = ("merge_request", "Merge request pipeline");
    check([
        (
            of(json!({"iid": 1, "source_branch": "topic"})),
            numbered,
            key,
            name,
        ),
        (source("merge_request_event"), from(Code::Own), key, name),
        (of(unnumbered), fork, key, name),
        (train, queue, key, name),
    ]);
}

fn push_at(branch: &str) -> Lane {
    Lane::Push {
        code: Code::Own,
        branch: branch.into(),
    }
}

#[test]
fn a_child_says_which_job_of_which_pipeline_started_it() {
    let child = |project: u64, job: Value| {
        let mut body = source("parent_pipeline");
        body["object_attributes"]["name"] = json!("deploy");
        body["source_pipeline"] =
            json!({"project": {"id": project}, "pipeline_id": 30, "job_id": job});
        run_of(&body)
    };
    let like = child(380, json!(3401)).parent.unwrap().like;
    assert!(!like.jobs().is_empty());
    let parent = |project: Option<u64>, job| Parent {
        project: project.map(RepositoryId),
        pipeline: 30,
        job,
        like: like.clone(),
    };
    let own = child(380, json!(3401));
    assert_eq!(own.parent, Some(parent(None, 3401)));
    // As far as the child itself tells; the fold knows more of its parent.
    assert_eq!(own.facts.lane, push());
    assert_eq!(own.facts.workflow_key, "child", "a name is no key");
    let elsewhere = child(7, json!(null));
    assert_eq!(elsewhere.parent, Some(parent(Some(7), 31)));
    assert_eq!(run_of(&source("push")).parent, None);
}

#[test]
fn a_child_is_told_by_its_jobs_and_by_what_it_is_given_for_good() {
    let child = |variables: Value, job: &str| {
        let mut body = source("parent_pipeline");
        body["source_pipeline"] = json!({"pipeline_id": 30, "job_id": 1});
        body["object_attributes"]["sha"] = json!("0123456789abcdef");
        body["object_attributes"]["variables"] = variables;
        body["builds"] = json!([{"id": 1, "stage": "test", "name": job, "status": "created"}]);
        run_of(&body).parent.unwrap().like
    };
    let of = |key: &str, value: &str| child(json!([{"key": key, "value": value}]), "unit");
    let plain = child(json!([]), "unit");
    assert_eq!(plain.jobs().len(), 1);
    assert_ne!(plain.jobs(), child(json!([]), "lint").jobs());
    let service = of("SERVICE", "a");
    assert_eq!(service.variables().len(), 1);
    assert_ne!(service, of("SERVICE", "b"));
    // What names its parent or its commit is another one each time.
    for value in ["30", "refs/pipelines/30", "v1-01234567", "0123456789abcdef"] {
        assert_eq!(of("PARENT", value), plain, "{value}");
    }
    for strange in [
        json!(null),
        json!("x"),
        json!([1, {"key": 1}, {"key": "A"}]),
    ] {
        assert_eq!(child(strange, "unit"), plain);
    }
}
