//! Pipelines, their jobs, and deployments.

use super::{JobSpec, PipelineSpec, actor, api_time, project, repository, time};
use crate::simulator::state::gitlab::{Build, Pipeline, Project, State};
use serde_json::{Value, json};

/// How pipelines and jobs end.
const ENDS: [&str; 4] = ["success", "failed", "canceled", "skipped"];

type Events = Vec<(&'static str, Value)>;

impl Build {
    fn new(state: &State, spec: &JobSpec, at_s: u64, retries: u32) -> Self {
        Self {
            id: state.ground.fresh(),
            spec: spec.clone(),
            retries,
            status: "created".into(),
            created_at_s: at_s,
            finished_at_s: None,
        }
    }

    fn is_over(&self) -> bool {
        ENDS.contains(&self.status.as_str())
    }
}

/// Plays a pipeline from its beginning.
pub(crate) fn play(state: &State, of: &Project, spec: &PipelineSpec) -> (Pipeline, Events) {
    let now_s = state.now_s();
    let builds = spec.jobs.iter().map(|job| Build::new(state, job, now_s, 0));
    let parent = spec.parent.as_ref().filter(|it| it.project == of.path);
    let parent = parent.and_then(|it| of.pipelines.get(&it.pipeline_id));
    let mut pipeline = Pipeline {
        spec: spec.clone(),
        commit: spec
            .commit
            .unwrap_or_else(|| parent.map_or(spec.id, |parent| parent.commit)),
        builds: builds.collect(),
        status: "created".into(),
        created_at_s: now_s,
        at_s: now_s,
    };
    let steps = spec.steps.clone();
    let events = pipeline.go(state, of, &steps);
    (pipeline, events)
}

/// Plays a pipeline once more: what did not succeed is tried again under a new id, and ends as
/// the whole does.
pub(crate) fn repeat(
    state: &State,
    of: &Project,
    mut pipeline: Pipeline,
    status: &str,
) -> (Pipeline, Events) {
    pipeline.at_s = state.now_s().max(pipeline.at_s + 1);
    pipeline.spec.status = status.to_owned();
    let at_s = pipeline.at_s;
    for build in &mut pipeline.builds {
        if build.status == "success" {
            continue;
        }
        let mut spec = build.spec.clone();
        spec.status = status.to_owned();
        spec.failure_reason = (status == "failed").then(|| "script_failure".into());
        *build = Build::new(state, &spec, at_s, build.retries + 1);
    }
    let events = pipeline.go(state, of, &["running".to_owned()]);
    (pipeline, events)
}

impl Pipeline {
    /// Goes through the steps and to the end.
    fn go(&mut self, state: &State, of: &Project, steps: &[String]) -> Events {
        let mut events = Vec::new();
        for step in steps {
            let of_jobs = match step.as_str() {
                "running" => "running",
                _ => "created",
            };
            self.move_jobs(state, of, &mut events, |_| of_jobs.to_owned());
            self.step(state, of, step, &mut events);
        }
        self.move_jobs(state, of, &mut events, |spec| spec.status.clone());
        let status = self.spec.status.clone();
        self.step(state, of, &status, &mut events);
        events
    }

    fn move_jobs(
        &mut self,
        state: &State,
        of: &Project,
        events: &mut Events,
        to: impl Fn(&JobSpec) -> String,
    ) {
        let at_s = self.at_s;
        for at in 0..self.builds.len() {
            let build = &mut self.builds[at];
            let status = to(&build.spec);
            if build.is_over() || build.status == status {
                continue;
            }
            build.status = status;
            build.finished_at_s = build.is_over().then_some(at_s + 1);
            events.push(("Job Hook", self.job_event(state, of, &self.builds[at])));
        }
    }

    fn step(&mut self, state: &State, of: &Project, status: &str, events: &mut Events) {
        self.at_s += 1;
        self.status = status.to_owned();
        events.push(("Pipeline Hook", self.event(state, of)));
    }

    pub(crate) fn sha(&self) -> String {
        format!("{:040x}", self.commit)
    }

    /// As events list them, and the API.
    pub(crate) fn variables(&self) -> Vec<Value> {
        let all = self.spec.variables.iter();
        all.map(|(key, value)| json!({ "key": key, "value": value }))
            .collect()
    }

    pub(crate) fn is_over(&self) -> bool {
        ENDS.contains(&self.status.as_str())
    }

    fn is_protected(&self, of: &Project) -> bool {
        !self.spec.is_tag && of.protected.contains(&self.spec.ref_name)
    }

    fn detailed_status(&self) -> &str {
        let is_bad = |build: &Build| build.status == "failed" && build.spec.may_fail;
        match self.status.as_str() {
            "success" if self.builds.iter().any(is_bad) => "passed with warnings",
            "success" => "passed",
            other => other,
        }
    }

    fn event(&self, state: &State, of: &Project) -> Value {
        let (spec, base) = (&self.spec, state.ground.url());
        let mut stages: Vec<&str> = Vec::new();
        for build in &self.builds {
            if !stages.contains(&build.spec.stage.as_str()) {
                stages.push(&build.spec.stage);
            }
        }
        let user = state.user_json(actor(of));
        let duration_s = self.is_over().then_some(self.at_s - self.created_at_s);
        let mut event = json!({
            "object_kind": "pipeline",
            "object_attributes": {
                "id": spec.id, "iid": spec.iid, "name": spec.name, "ref": spec.ref_name,
                "tag": spec.is_tag, "sha": self.sha(), "before_sha": super::NO_COMMIT,
                "source": spec.source, "status": self.status,
                "detailed_status": self.detailed_status(), "stages": stages,
                "created_at": time(self.created_at_s),
                "finished_at": self.is_over().then(|| time(self.at_s)),
                "duration": duration_s, "queued_duration": 1,
                "protected_ref": self.is_protected(of),
                "variables": self.variables(),
                "url": format!("{base}/{}/-/pipelines/{}", of.path, spec.id),
            },
            "merge_request": self.merge_request(state, of), "user": user,
            "project": project(state, of),
            "commit": super::commit(state, of, &self.sha()),
            "builds": self.builds.iter().map(|b| build_json(b, &user)).collect::<Vec<_>>(),
        });
        if let Some(parent) = &spec.parent {
            let id = state.find(&parent.project);
            event["source_pipeline"] = json!({
                "project": {
                    "id": id, "web_url": format!("{base}/{}", parent.project),
                    "path_with_namespace": parent.project,
                },
                "job_id": parent.job_id, "pipeline_id": parent.pipeline_id,
            });
        }
        event
    }

    fn merge_request(&self, state: &State, of: &Project) -> Value {
        let Some(wish) = &self.spec.merge_request else {
            return Value::Null;
        };
        let base = state.ground.url();
        json!({
            "id": 7000 + wish.iid, "iid": wish.iid, "title": "A change",
            "source_branch": wish.source_branch, "source_project_id": of.id,
            "target_branch": wish.target_branch, "target_project_id": of.id,
            "state": "opened", "merge_status": "can_be_merged",
            "detailed_merge_status": "mergeable",
            "url": format!("{base}/{}/-/merge_requests/{}", of.path, wish.iid),
        })
    }

    fn job_event(&self, state: &State, of: &Project, build: &Build) -> Value {
        let user = state.user_json(actor(of));
        let started = (build.status != "created").then(|| build.created_at_s + 1);
        let reason = build.spec.failure_reason.as_deref();
        let reason = reason.filter(|_| build.status == "failed");
        let (namespace, name) = super::parts(&of.path);
        let mut event = json!({
            "object_kind": "build", "ref": self.spec.ref_name, "tag": self.spec.is_tag,
            "before_sha": super::NO_COMMIT, "sha": self.sha(), "build_id": build.id,
            "build_name": build.spec.name, "build_stage": build.spec.stage,
            "build_status": build.status, "build_created_at": time(build.created_at_s),
            "build_started_at": started.map(time), "build_duration": null,
            "build_finished_at": build.finished_at_s.map(time), "build_queued_duration": 1.0,
            "build_created_at_iso": api_time(build.created_at_s),
            "build_started_at_iso": started.map(api_time),
            "build_finished_at_iso": build.finished_at_s.map(api_time),
            "build_allow_failure": build.spec.may_fail,
            "build_failure_reason": reason.unwrap_or("unknown_failure"),
            "retries_count": build.retries, "pipeline_id": self.spec.id, "runner": null,
            "project_id": of.id, "project_name": format!("{namespace} / {name}"),
            "user": user, "project": project(state, of), "repository": repository(state, of),
            "environment": null,
        });
        // The id of the commit is that of the pipeline.
        event["commit"] = json!({
            "id": self.spec.id, "name": self.spec.name, "sha": self.sha(),
            "message": "Change something", "author_name": "Ann",
            "author_email": "ann@example.org", "author_url": "mailto:ann@example.org",
            "status": self.status, "duration": null, "started_at": null, "finished_at": null,
        });
        event
    }
}

fn build_json(build: &Build, user: &Value) -> Value {
    let started = (build.status != "created").then(|| time(build.created_at_s + 1));
    let reason = build.spec.failure_reason.as_deref();
    json!({
        "id": build.id, "stage": build.spec.stage, "name": build.spec.name,
        "status": build.status, "created_at": time(build.created_at_s), "started_at": started,
        "finished_at": build.finished_at_s.map(time), "duration": null, "queued_duration": 1.0,
        "failure_reason": reason.filter(|_| build.status == "failed"),
        "when": "on_success", "manual": build.status == "manual",
        "allow_failure": build.spec.may_fail, "user": user, "runner": null,
        "artifacts_file": { "filename": null, "size": null }, "environment": null,
    })
}

/// A deployment gets a status.
pub(crate) fn deployment(state: &State, of: &Project, environment: &str, status: &str) -> Value {
    let id = state.ground.fresh();
    let (base, user) = (state.ground.url(), state.user_json(actor(of)));
    let sha = format!("{id:040x}");
    json!({
        "object_kind": "deployment", "status": status,
        "status_changed_at": time(state.now_s()), "deployment_id": id, "deployable_id": id + 1,
        "deployable_url": format!("{base}/{}/-/jobs/{}", of.path, id + 1),
        "environment": environment, "environment_tier": "production",
        "environment_slug": environment, "environment_external_url": null,
        "project": project(state, of), "short_sha": &sha[..8], "user": user,
        "user_url": format!("{base}/{}", actor(of)), "commit_title": "Change something",
        "commit_url": format!("{base}/{}/-/commit/{sha}", of.path), "ref": super::DEFAULT_BRANCH,
    })
}
