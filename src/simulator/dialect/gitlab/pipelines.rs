//! Pipelines, their jobs, and the merge requests that they are for.

use super::answer::{error, page};
use super::asked::Asked;
use super::code;
use super::operation::Operation;
use crate::simulator::dialect::answer::{Answer, ok, text, value_of};
use crate::simulator::payload::gitlab::api_time;
use crate::simulator::state::gitlab::{Build, MAINTAINER, Pipeline, Project, REPORTER, State};
use serde_json::{Value, json};

/// What a pipeline is that another one started.
const CHILD: &str = "parent_pipeline";

pub(super) fn act(state: &State, project: u64, asked: &Asked<'_>) -> Answer {
    let of = &state.projects[&project];
    let level = of.members.get(&asked.login).copied().unwrap_or(0);
    if level < REPORTER {
        return error(403, "403 Forbidden");
    }
    let base = format!("{}/api/v4/projects/{project}", state.ground.url());
    let id: Option<u64> = asked.rest.get(1).and_then(|id| id.parse().ok());
    let nothing = || error(404, "404 Not found");
    if asked.operation == Operation::ListPipelines {
        return list(state, of, asked.query, &format!("{base}/pipelines"));
    }
    if let Some(answer) = code::act(of, asked, &base) {
        return answer;
    }
    if asked.operation == Operation::JobTrace {
        let mut builds = of.pipelines.values().flat_map(|p| &p.builds);
        let found = builds.find(|build| Some(build.id) == id);
        return found.map_or_else(nothing, |build| text(200, &build.spec.log));
    }
    if asked.operation == Operation::MergeRequest {
        let wanted = |p: &&Pipeline| {
            let wish = p.spec.merge_request.as_ref();
            wish.map(|wish| wish.iid) == id
        };
        let found = of.pipelines.values().find(wanted);
        return found.map_or_else(nothing, |found| ok(200, merge_request(of, found)));
    }
    let Some(found) = id.and_then(|id| of.pipelines.get(&id)) else {
        return nothing();
    };
    if asked.operation == Operation::GetPipeline {
        return ok(200, detail(state, of, found));
    }
    if asked.operation == Operation::PipelineVariables {
        return if level < MAINTAINER {
            error(403, "403 Forbidden")
        } else {
            ok(200, json!(found.variables()))
        };
    }
    if asked.operation == Operation::PipelineBridges {
        let url = format!("{base}/pipelines/{}/bridges", found.spec.id);
        return page(bridges(state, of, found), asked.query, &url);
    }
    let scope = value_of(asked.query, "scope[]");
    let fits = |build: &&Build| scope.as_deref().is_none_or(|scope| build.status == scope);
    let builds = found.builds.iter().filter(fits);
    let jobs = builds.map(|build| job(state, found, build));
    let url = format!("{base}/pipelines/{}/jobs", found.spec.id);
    page(jobs.collect(), asked.query, &url)
}

fn list(state: &State, of: &Project, query: &str, url: &str) -> Answer {
    let wanted = |name: &str| value_of(query, name);
    let (after, source) = (wanted("updated_after"), wanted("source"));
    let fits = |p: &&Pipeline| {
        let is_after = |from: &str| time(p.at_s).as_str() > from;
        let is_child = p.spec.source == CHILD;
        after.as_deref().is_none_or(is_after)
            && source
                .as_deref()
                .map_or(!is_child, |source| p.spec.source == source)
            && wanted("sha").is_none_or(|sha| p.sha() == sha)
            && wanted("status").is_none_or(|status| p.status == status)
            && wanted("ref").is_none_or(|name| git_ref(p) == name)
            && (wanted("scope").as_deref() != Some("finished") || p.is_over())
    };
    let mut all: Vec<&Pipeline> = of.pipelines.values().filter(fits).collect();
    let by_update = wanted("order_by").as_deref() == Some("updated_at");
    all.sort_by_key(|p| (by_update.then_some(p.at_s), p.spec.id));
    if wanted("sort").as_deref() != Some("asc") {
        all.reverse();
    }
    page(
        all.into_iter().map(|p| item(state, of, p)).collect(),
        query,
        url,
    )
}

/// A time with a fraction that the events do not have.
fn time(seconds: u64) -> String {
    api_time(seconds).replace(".000Z", ".737Z")
}

/// Of a merge request the API shows the ref that stands for it, not the branch.
fn git_ref(pipeline: &Pipeline) -> String {
    let wish = pipeline.spec.merge_request.as_ref();
    wish.map_or_else(
        || pipeline.spec.ref_name.clone(),
        |wish| format!("refs/merge-requests/{}/head", wish.iid),
    )
}

fn item(state: &State, of: &Project, pipeline: &Pipeline) -> Value {
    let spec = &pipeline.spec;
    json!({
        "id": spec.id, "iid": spec.iid, "project_id": of.id, "sha": pipeline.sha(),
        "ref": git_ref(pipeline), "status": pipeline.status, "source": spec.source,
        "created_at": time(pipeline.created_at_s), "updated_at": time(pipeline.at_s),
        "web_url": format!("{}/{}/-/pipelines/{}", state.ground.url(), of.path, spec.id),
        "name": spec.name,
    })
}

fn detail(state: &State, of: &Project, pipeline: &Pipeline) -> Value {
    let mut value = item(state, of, pipeline);
    value["tag"] = json!(pipeline.spec.is_tag);
    value["before_sha"] = json!("0".repeat(40));
    value["user"] = of.members.keys().next().map_or(Value::Null, |login| {
        let mut user = state.user_json(login);
        user["state"] = json!("active");
        user
    });
    value["started_at"] = json!(time(pipeline.created_at_s + 1));
    value["finished_at"] = json!(pipeline.is_over().then(|| time(pipeline.at_s)));
    value["committed_at"] = Value::Null;
    value["detailed_status"] = json!({ "text": pipeline.status, "group": pipeline.status });
    value
}

fn job(state: &State, pipeline: &Pipeline, build: &Build) -> Value {
    let started = (build.status != "created").then(|| time(build.created_at_s + 1));
    let mut value = json!({
        "id": build.id, "status": build.status, "stage": build.spec.stage,
        "name": build.spec.name, "ref": git_ref(pipeline), "tag": pipeline.spec.is_tag,
        "coverage": null, "allow_failure": build.spec.may_fail,
        "created_at": time(build.created_at_s), "started_at": started,
        "finished_at": build.finished_at_s.map(time), "erased_at": null, "duration": null,
        "queued_duration": 1.0, "user": state.user_json("ann"),
        "commit": {
            "id": pipeline.sha(), "short_id": &pipeline.sha()[..8], "title": "Change something",
            "message": "Change something\n\nFor a reason.", "author_name": "Ann",
            "author_email": "ann@example.org",
        },
        "pipeline": { "id": pipeline.spec.id, "status": pipeline.status },
    });
    // Only a failed job has the field.
    if build.status == "failed" {
        value["failure_reason"] = json!(build.spec.failure_reason);
    }
    value
}

/// The jobs that started other pipelines: none of them is among the jobs.
fn bridges(state: &State, of: &Project, parent: &Pipeline) -> Vec<Value> {
    let all = state.projects.values();
    let pipelines = all.flat_map(|project| project.pipelines.values().map(move |p| (project, p)));
    let started = pipelines.filter_map(|(project, child)| {
        let by = child.spec.parent.as_ref()?;
        let is_it = by.project == of.path && by.pipeline_id == parent.spec.id;
        is_it.then_some((project, child, by.job_id))
    });
    let shown = |(project, child, job_id): (&Project, &Pipeline, u64)| {
        json!({
            "id": job_id, "name": format!("start-{job_id}"), "stage": "test",
            "status": "success", "ref": git_ref(parent), "allow_failure": false,
            "pipeline": item(state, of, parent), "downstream_pipeline": item(state, project, child),
        })
    };
    started.map(shown).collect()
}

fn merge_request(of: &Project, pipeline: &Pipeline) -> Value {
    pipeline
        .spec
        .merge_request
        .as_ref()
        .map_or(Value::Null, |wish| {
            json!({
                "id": 7000 + wish.iid, "iid": wish.iid, "project_id": of.id, "title": "A change",
                "source_branch": wish.source_branch, "target_branch": wish.target_branch,
                "source_project_id": of.id, "target_project_id": of.id, "state": "opened",
            })
        })
}
