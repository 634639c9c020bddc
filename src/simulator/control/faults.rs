//! What goes wrong, what was asked, and the time: the same for all providers.

use super::super::faults::{Fault, Misbehaviour};
use super::super::refusals::Refusal;
use super::Sim;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, error};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

pub(super) fn register(config: &mut ServiceConfig) {
    config
        .route("/_sim/faults", web::post().to(fault))
        .route("/_sim/outage", web::post().to(outage))
        .route("/_sim/busy", web::get().to(busy))
        .route("/_sim/clock", web::post().to(clock))
        .route("/_sim/requests", web::get().to(requests));
}

fn first() -> u32 {
    1
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

async fn fault(shared: Sim, wrong: web::Json<Wrong>) -> Result<HttpResponse, actix_web::Error> {
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
        other => {
            let refusal = Refusal::from_name(other);
            let refusal = refusal.ok_or_else(|| error::ErrorBadRequest("no such fault"))?;
            Misbehaviour::Refuse(refusal)
        }
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

async fn outage(shared: Sim, outage: web::Json<Outage>) -> HttpResponse {
    shared.faults.outage(outage.lasts);
    HttpResponse::Accepted().finish()
}

async fn busy(shared: Sim) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "busy": shared.sender.is_busy() }))
}

async fn requests(shared: Sim) -> HttpResponse {
    HttpResponse::Ok().json(shared.ground.requests())
}

#[derive(Deserialize)]
struct Clock {
    advance_s: u64,
}

async fn clock(shared: Sim, clock: web::Json<Clock>) -> HttpResponse {
    shared
        .ground
        .advance_clock(Duration::from_secs(clock.advance_s));
    HttpResponse::Accepted().finish()
}
