//! HTTP: the door for deliveries, and the API for users and programs.
//!
//! The API decides nothing about hooks: it checks who asks and what, and hands the wish to the
//! herd. It reads through [`scope::Owned`] and writes only what no actor owns: deliveries at the
//! door, users and their tokens.

pub mod auth;
mod dto;
pub mod error;
pub mod ingress;
pub mod openapi;
mod resources;
pub mod routes;
mod scope;

use crate::actor::Herd;
use crate::domain::id::{Entropy, UserId};
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::time::Clock;
use crate::provider::Providers;
use crate::store::Store;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, JsonConfig, PathConfig, QueryConfig, ServiceConfig};
use error::Problem;
use std::sync::Arc;

/// Largest body of an API call. Nothing a caller has to say is longer.
const JSON_BYTES_MAX: usize = 256 * 1024;

/// Gives the metrics as text.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the handlers need.
pub struct State {
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// The actors.
    pub herd: Arc<dyn Herd>,
    /// The providers.
    pub providers: Providers,
    /// The installations that are meant when no host is named.
    pub default_instances: Vec<Instance>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// BLAKE3 of the configured admin token, and the user that it stands for.
    pub admin: Option<([u8; 32], UserId)>,
    /// Where providers reach us.
    pub public_url: String,
    /// Limits of deliveries.
    pub ingress: ingress::Limits,
    /// Room for deliveries that are not verified yet.
    pub room: ingress::Room,
    /// The metrics; `None` when they are served elsewhere.
    pub metrics: Option<RenderMetrics>,
}

impl State {
    fn default_instance(&self, provider: ProviderKind) -> Option<&Instance> {
        self.default_instances
            .iter()
            .find(|instance| instance.provider == provider)
    }
}

/// Registers everything on an app whose data holds a [`State`].
pub fn configure(config: &mut ServiceConfig) {
    config
        .app_data(
            JsonConfig::default()
                .limit(JSON_BYTES_MAX)
                .error_handler(|error, _| json_problem(&error).into()),
        )
        .app_data(PathConfig::default().error_handler(|_, _| Problem::not_found("resource").into()))
        .app_data(
            QueryConfig::default().error_handler(|error, _| {
                Problem::bad_request("bad_query", error.to_string()).into()
            }),
        )
        .configure(routes::register)
        .default_service(web::to(|| async {
            let detail = "there is no such resource";
            let problem = Problem::new(StatusCode::NOT_FOUND, "no_such_route", detail);
            Err::<actix_web::HttpResponse, _>(problem)
        }));
}

fn json_problem(error: &actix_web::error::JsonPayloadError) -> Problem {
    use actix_web::error::JsonPayloadError as Error;
    match error {
        Error::OverflowKnownLength { .. } | Error::Overflow { .. } => {
            let detail = "an API call may have 256 KiB";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
        }
        Error::ContentType => {
            let detail = "send application/json";
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", detail)
        }
        Error::Deserialize(error) if error.is_data() => {
            // serde's words name fields and types, and never repeat a value of a secret field,
            // because those are plain texts that always fit.
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                error.to_string(),
            )
        }
        _ => Problem::bad_request("bad_json", "the body is no JSON"),
    }
}

/// Headers of every answer: nothing here is a page, and nothing may be cached or sniffed.
pub fn default_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::CACHE_CONTROL, "no-store"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
}
