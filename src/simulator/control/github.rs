//! `/_sim`: what the handle of GitHub can do.

use super::super::{DeliveryView, GithubHandle, HookView, RunJobSpec, RunSpec};
use super::Sim;
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn register(config: &mut ServiceConfig) {
    config
        .route("/_sim/users", web::post().to(add_user))
        .route("/_sim/repositories", web::post().to(add_repository))
        .route("/_sim/hooks", web::get().to(hooks))
        .route("/_sim/hooks/url", web::post().to(edit_url))
        .route("/_sim/deliveries", web::get().to(deliveries))
        .route("/_sim/runs", web::post().to(run))
        .route("/_sim/push", web::post().to(push));
}

fn github(shared: &Sim) -> GithubHandle {
    GithubHandle(shared.clone().into_inner())
}

#[derive(Deserialize)]
struct User {
    login: String,
}

async fn add_user(shared: Sim, user: web::Json<User>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "token": github(&shared).add_user(&user.login) }))
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    owner: String,
}

async fn add_repository(shared: Sim, wish: web::Json<Repository>) -> HttpResponse {
    let id = github(&shared).add_repository(&wish.full_name, &wish.owner);
    HttpResponse::Ok().json(json!({ "id": id }))
}

#[derive(Deserialize)]
struct Named {
    repository: String,
}

async fn hooks(shared: Sim, named: web::Query<Named>) -> HttpResponse {
    let hooks = github(&shared).hooks(&named.repository);
    let show = |h: HookView| {
        json!({ "id": h.id, "url": h.url, "events": h.events, "secret": h.secret,
            "active": h.is_active })
    };
    HttpResponse::Ok().json(hooks.into_iter().map(show).collect::<Vec<Value>>())
}

#[derive(Deserialize)]
struct Edited {
    repository: String,
    hook: u64,
    url: String,
}

async fn edit_url(shared: Sim, wish: web::Json<Edited>) -> HttpResponse {
    github(&shared).edit_hook_url_by_hand(&wish.repository, wish.hook, &wish.url);
    HttpResponse::Accepted().finish()
}

async fn deliveries(shared: Sim, named: web::Query<Named>) -> HttpResponse {
    let show = |d: DeliveryView| {
        json!({ "id": d.id, "guid": d.guid, "hook": d.hook, "event": d.event,
            "status": d.status, "answer": d.answer })
    };
    let all = github(&shared).deliveries(&named.repository);
    HttpResponse::Ok().json(all.into_iter().map(show).collect::<Vec<Value>>())
}

#[derive(Deserialize)]
struct Run {
    repository: String,
    number: u64,
    conclusion: String,
    #[serde(default = "first")]
    attempt: u32,
    workflow: Option<String>,
    branch: Option<String>,
    #[serde(default)]
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    name: String,
    conclusion: String,
}

fn first() -> u32 {
    1
}

async fn run(shared: Sim, run: web::Json<Run>) -> HttpResponse {
    let run = run.into_inner();
    let mut spec = RunSpec::new(run.number, &run.conclusion);
    spec.attempt = run.attempt;
    spec.workflow = run.workflow.unwrap_or(spec.workflow);
    spec.branch = run.branch.unwrap_or(spec.branch);
    let jobs = run.jobs.iter();
    spec.jobs = jobs
        .map(|job| RunJobSpec::new(&job.name, &job.conclusion))
        .collect();
    github(&shared).play_run(&run.repository, &spec);
    HttpResponse::Accepted().finish()
}

async fn push(shared: Sim, named: web::Json<Named>) -> HttpResponse {
    github(&shared).push(&named.repository);
    HttpResponse::Accepted().finish()
}
