//! `/_sim`: what the handle can do, for those in another process.

use super::faults::{Fault, Misbehaviour};
use super::{GithubHandle, RunSpec, Shared};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, error};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn register(config: &mut ServiceConfig) {
    config
        .route("/_sim/users", web::post().to(add_user))
        .route("/_sim/repositories", web::post().to(add_repository))
        .route("/_sim/hooks", web::get().to(hooks))
        .route("/_sim/deliveries", web::get().to(deliveries))
        .route("/_sim/runs", web::post().to(run))
        .route("/_sim/push", web::post().to(push))
        .route("/_sim/faults", web::post().to(fault))
        .route("/_sim/outage", web::post().to(outage))
        .route("/_sim/busy", web::get().to(busy))
        .route("/_sim/requests", web::get().to(requests));
}

type Data = web::Data<Shared>;

fn github(shared: &Data) -> GithubHandle {
    GithubHandle(shared.clone().into_inner())
}

#[derive(Deserialize)]
struct User {
    login: String,
}

async fn add_user(shared: Data, user: web::Json<User>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "token": github(&shared).add_user(&user.login) }))
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    owner: String,
}

async fn add_repository(shared: Data, wish: web::Json<Repository>) -> HttpResponse {
    let id = github(&shared).add_repository(&wish.full_name, &wish.owner);
    HttpResponse::Ok().json(json!({ "id": id }))
}

#[derive(Deserialize)]
struct Named {
    repository: String,
}

async fn hooks(shared: Data, named: web::Query<Named>) -> HttpResponse {
    let hooks = github(&shared).hooks(&named.repository);
    let show = |h: super::HookView| {
        json!({ "id": h.id, "url": h.url, "events": h.events, "secret": h.secret,
            "active": h.is_active })
    };
    HttpResponse::Ok().json(hooks.into_iter().map(show).collect::<Vec<Value>>())
}

async fn deliveries(shared: Data, named: web::Query<Named>) -> HttpResponse {
    let show = |d: super::DeliveryView| {
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
}

fn first() -> u32 {
    1
}

async fn run(shared: Data, run: web::Json<Run>) -> HttpResponse {
    let run = run.into_inner();
    let mut spec = RunSpec::new(run.number, &run.conclusion);
    spec.attempt = run.attempt;
    spec.workflow = run.workflow.unwrap_or(spec.workflow);
    spec.branch = run.branch.unwrap_or(spec.branch);
    github(&shared).play_run(&run.repository, &spec);
    HttpResponse::Accepted().finish()
}

async fn push(shared: Data, named: web::Json<Named>) -> HttpResponse {
    github(&shared).push(&named.repository);
    HttpResponse::Accepted().finish()
}

#[derive(Deserialize)]
struct Wrong {
    operation: String,
    fault: String,
    #[serde(default)]
    number: u64,
    #[serde(default = "first")]
    times: u32,
    #[serde(default)]
    after: u32,
}

async fn fault(shared: Data, wrong: web::Json<Wrong>) -> Result<HttpResponse, actix_web::Error> {
    let status = u16::try_from(wrong.number).unwrap_or(500);
    let misbehaviour = match wrong.fault.as_str() {
        "fail_before" => Misbehaviour::FailBefore(status),
        "act_then_fail" => Misbehaviour::ActThenFail(status),
        "drop_before" => Misbehaviour::DropBefore,
        "act_then_drop" => Misbehaviour::ActThenDrop,
        "hang" => Misbehaviour::Hang,
        "act_then_hang" => Misbehaviour::ActThenHang,
        "truncated_json" => Misbehaviour::TruncatedJson,
        "rate_limited_primary" => Misbehaviour::RateLimitedPrimary {
            reset_s: wrong.number,
        },
        "rate_limited_secondary" => Misbehaviour::RateLimitedSecondary {
            retry_after_s: wrong.number,
        },
        "not_found_for_permission" => Misbehaviour::NotFoundForPermission,
        _ => return Err(error::ErrorBadRequest("no such fault")),
    };
    let (operation, times, after) = (wrong.operation.clone(), wrong.times, wrong.after);
    shared.faults.push(Fault {
        operation,
        misbehaviour,
        times,
        after,
    });
    Ok(HttpResponse::Accepted().finish())
}

#[derive(Deserialize)]
struct Outage {
    lasts: bool,
}

async fn outage(shared: Data, outage: web::Json<Outage>) -> HttpResponse {
    shared.faults.outage(outage.lasts);
    HttpResponse::Accepted().finish()
}

async fn busy(shared: Data) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "busy": shared.sender.is_busy() }))
}

async fn requests(shared: Data) -> HttpResponse {
    HttpResponse::Ok().json(&shared.state().requests)
}
