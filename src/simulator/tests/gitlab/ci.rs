//! Pipelines and jobs.

use super::super::receiver::Seen;
use super::*;

async fn listening() -> (Lab, Receiver) {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    lab.create(json!({
        "url": receiver.url("a"), "push_events": false, "pipeline_events": true,
        "job_events": true,
    }))
    .await;
    (lab, receiver)
}

fn of_kind(receiver: &Receiver, kind: &str) -> Vec<Value> {
    let mut all: Vec<Value> = receiver.seen().iter().map(Seen::json).collect();
    all.retain(|body| body["object_kind"] == kind);
    all
}

fn ended(receiver: &Receiver) -> Vec<Value> {
    let mut all = of_kind(receiver, "pipeline");
    all.retain(|body| !body["object_attributes"]["finished_at"].is_null());
    all
}

#[tokio::test]
async fn a_pipeline_goes_through_its_states_and_names_its_jobs() {
    let (lab, receiver) = listening().await;
    let mut spec = PipelineSpec::new(31, "failed");
    let mut lint = JobSpec::new("lint", "failed");
    lint.may_fail = true;
    spec.jobs = vec![
        JobSpec::new("unit", "failed"),
        lint,
        JobSpec::new("build", "success"),
    ];
    lab.gitlab().play_pipeline(PROJECT, &spec);
    lab.settle();
    let mut states: Vec<Value> = of_kind(&receiver, "pipeline");
    states.sort_by_key(|body| body["builds"][0]["status"].to_string());
    assert_eq!(states.len(), 3);
    let last = ended(&receiver).remove(0);
    let attributes = &last["object_attributes"];
    assert_eq!(attributes["id"], 31);
    assert_eq!(attributes["status"], "failed");
    let created = attributes["created_at"].as_str().unwrap();
    assert!(
        created.ends_with(" UTC") && created.len() == 23,
        "{created}"
    );
    assert_eq!(
        (&last["merge_request"], last.get("source_pipeline")),
        (&Value::Null, None)
    );
    let builds = last["builds"].as_array().unwrap();
    assert_eq!(builds[0]["failure_reason"], "script_failure");
    assert_eq!(builds[1]["allow_failure"], true);
    assert_eq!(builds[1]["status"], "failed");
    assert_eq!(builds[2]["failure_reason"], Value::Null);
    let jobs = of_kind(&receiver, "build");
    let over = jobs.iter().find(|j| j["build_status"] == "failed").unwrap();
    assert_eq!(over["commit"]["id"], 31);
    assert_eq!(over["pipeline_id"], 31);
    assert_eq!(jobs.len(), 6, "each job runs and ends");
}

#[tokio::test]
async fn a_retry_keeps_the_pipeline_and_makes_new_jobs_of_what_failed() {
    let (lab, receiver) = listening().await;
    let mut spec = PipelineSpec::new(31, "failed");
    spec.jobs.push(JobSpec::new("build", "success"));
    lab.gitlab().play_pipeline(PROJECT, &spec);
    lab.settle();
    lab.gitlab().retry_pipeline(PROJECT, 31, "success");
    lab.settle();
    let ended = ended(&receiver);
    let by_status = |status: &str| {
        let mut all = ended.iter();
        all.find(|b| b["object_attributes"]["status"] == status)
            .unwrap()
    };
    let (first, second) = (by_status("failed"), by_status("success"));
    assert_eq!(second["object_attributes"]["id"], 31);
    assert_eq!(second["object_attributes"]["detailed_status"], "passed");
    let finished = |b: &Value| {
        b["object_attributes"]["finished_at"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(finished(second) > finished(first));
    assert_ne!(first["builds"][0]["id"], second["builds"][0]["id"]);
    assert_eq!(
        first["builds"][1]["id"], second["builds"][1]["id"],
        "it had succeeded"
    );
    let retried = of_kind(&receiver, "build");
    assert!(retried.iter().any(|job| job["retries_count"] == 1));
}

#[tokio::test]
async fn pipelines_of_merge_requests_and_of_other_pipelines_say_so() {
    let (lab, receiver) = listening().await;
    let spec = PipelineSpec::new(32, "success").for_merge_request(5, "change");
    lab.gitlab().play_pipeline(PROJECT, &spec);
    let mut child = PipelineSpec::new(33, "failed").started_by(PROJECT, 32, 900);
    child.jobs[0].may_fail = true;
    lab.gitlab().play_pipeline(PROJECT, &child);
    lab.settle();
    let all = of_kind(&receiver, "pipeline");
    let of = |id: u64| {
        all.iter()
            .find(|b| b["object_attributes"]["id"] == id)
            .unwrap()
    };
    assert_eq!(of(32)["object_attributes"]["source"], "merge_request_event");
    assert_eq!(of(32)["object_attributes"]["ref"], "change");
    assert_eq!(of(32)["merge_request"]["iid"], 5);
    assert_eq!(of(33)["object_attributes"]["source"], "parent_pipeline");
    assert_eq!(of(33)["source_pipeline"]["pipeline_id"], 32);
    assert_eq!(
        of(33)["source_pipeline"]["project"]["path_with_namespace"],
        PROJECT
    );
}
