//! `/_sim/gitlab`: what the handle of GitLab can do.

use super::super::{DeliveryView, GitlabHandle, JobSpec, PipelineSpec, ProjectHookView};
use super::Sim;
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn register(config: &mut ServiceConfig) {
    config
        .route("/_sim/gitlab/users", web::post().to(add_user))
        .route("/_sim/gitlab/projects", web::post().to(add_project))
        .route("/_sim/gitlab/roles", web::post().to(set_role))
        .route("/_sim/gitlab/hooks", web::get().to(hooks))
        .route("/_sim/gitlab/hooks/url", web::post().to(edit_url))
        .route("/_sim/gitlab/deliveries", web::get().to(deliveries))
        .route("/_sim/gitlab/pipelines", web::post().to(pipeline))
        .route("/_sim/gitlab/retries", web::post().to(retry))
        .route("/_sim/gitlab/push", web::post().to(push))
        .route("/_sim/gitlab/settings", web::post().to(settings));
}

fn gitlab(shared: &Sim) -> GitlabHandle {
    GitlabHandle(shared.clone().into_inner())
}

#[derive(Deserialize)]
struct User {
    login: String,
    scopes: Option<Vec<String>>,
}

async fn add_user(shared: Sim, user: web::Json<User>) -> HttpResponse {
    let scopes = user
        .scopes
        .as_ref()
        .map(|all| all.iter().map(String::as_str).collect());
    let scopes: Vec<&str> = scopes.unwrap_or_else(|| vec!["api"]);
    let token = gitlab(&shared).add_token(&user.login, &scopes);
    HttpResponse::Ok().json(json!({ "token": token }))
}

#[derive(Deserialize)]
struct Project {
    path: String,
    owner: String,
}

async fn add_project(shared: Sim, wish: web::Json<Project>) -> HttpResponse {
    let id = gitlab(&shared).add_project(&wish.path, &wish.owner);
    HttpResponse::Ok().json(json!({ "id": id }))
}

#[derive(Deserialize)]
struct Role {
    login: String,
    project: String,
    access_level: u32,
}

async fn set_role(shared: Sim, role: web::Json<Role>) -> HttpResponse {
    gitlab(&shared).set_role(&role.login, &role.project, role.access_level);
    HttpResponse::Accepted().finish()
}

#[derive(Deserialize)]
struct Named {
    project: String,
}

async fn hooks(shared: Sim, named: web::Query<Named>) -> HttpResponse {
    let show = |h: ProjectHookView| {
        json!({ "id": h.id, "url": h.url, "token": h.token, "signing_token": h.signing_token,
            "events": h.events, "alert_status": h.alert_status, "failures": h.failures })
    };
    let hooks = gitlab(&shared).hooks(&named.project);
    HttpResponse::Ok().json(hooks.into_iter().map(show).collect::<Vec<Value>>())
}

#[derive(Deserialize)]
struct Edited {
    project: String,
    hook: u64,
    url: String,
}

async fn edit_url(shared: Sim, wish: web::Json<Edited>) -> HttpResponse {
    gitlab(&shared).edit_hook_url_by_hand(&wish.project, wish.hook, &wish.url);
    HttpResponse::Accepted().finish()
}

async fn deliveries(shared: Sim, named: web::Query<Named>) -> HttpResponse {
    let show = |d: DeliveryView| {
        json!({ "id": d.id, "guid": d.guid, "hook": d.hook, "event": d.event,
            "status": d.status, "answer": d.answer })
    };
    let all = gitlab(&shared).deliveries(&named.project);
    HttpResponse::Ok().json(all.into_iter().map(show).collect::<Vec<Value>>())
}

#[derive(Deserialize)]
struct Job {
    name: String,
    status: String,
    stage: Option<String>,
    #[serde(default)]
    may_fail: bool,
}

impl Job {
    fn spec(&self) -> JobSpec {
        let mut spec = JobSpec::new(&self.name, &self.status);
        spec.may_fail = self.may_fail;
        if let Some(stage) = &self.stage {
            spec.stage.clone_from(stage);
        }
        spec
    }
}

#[derive(Deserialize)]
struct Pipeline {
    project: String,
    id: u64,
    status: String,
    #[serde(rename = "ref")]
    ref_name: Option<String>,
    source: Option<String>,
    jobs: Option<Vec<Job>>,
}

async fn pipeline(shared: Sim, wish: web::Json<Pipeline>) -> HttpResponse {
    let wish = wish.into_inner();
    let mut spec = PipelineSpec::new(wish.id, &wish.status);
    spec.ref_name = wish.ref_name.unwrap_or(spec.ref_name);
    spec.source = wish.source.unwrap_or(spec.source);
    if let Some(jobs) = wish.jobs {
        spec.jobs = jobs.iter().map(Job::spec).collect();
    }
    gitlab(&shared).play_pipeline(&wish.project, &spec);
    HttpResponse::Accepted().finish()
}

#[derive(Deserialize)]
struct Retry {
    project: String,
    id: u64,
    status: String,
}

async fn retry(shared: Sim, retry: web::Json<Retry>) -> HttpResponse {
    gitlab(&shared).retry_pipeline(&retry.project, retry.id, &retry.status);
    HttpResponse::Accepted().finish()
}

async fn push(shared: Sim, named: web::Json<Named>) -> HttpResponse {
    gitlab(&shared).push(&named.project);
    HttpResponse::Accepted().finish()
}

#[derive(Deserialize)]
struct Settings {
    version: Option<(u16, u16)>,
    auto_disabling: Option<bool>,
}

async fn settings(shared: Sim, wish: web::Json<Settings>) -> HttpResponse {
    if let Some((major, minor)) = wish.version {
        gitlab(&shared).set_version(major, minor);
    }
    if let Some(disables) = wish.auto_disabling {
        gitlab(&shared).set_auto_disabling(disables);
    }
    HttpResponse::Accepted().finish()
}
