//! Every route there is, in one table: what is registered is what is documented and tested.

use super::error::Problem;
use super::resources::{
    connections, credentials, deliveries, health, incidents, repositories, runs, stats, users,
};
use super::{ingress, openapi};
use actix_web::web::{self, ServiceConfig};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever holds a hook's secret.
    Signed,
    /// Users; each sees what is theirs.
    User,
    /// Admins.
    Admin,
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

macro_rules! routes {
    ($($path:literal: $($method:ident $access:ident $handler:path),+ => $allow:literal;)*) => {
        /// All routes.
        pub const ROUTES: &[Route] = &[$($(Route {
            method: stringify!($method),
            path: $path,
            access: Access::$access,
        }),+),*];

        /// Registers all routes.
        pub fn register(config: &mut ServiceConfig) {
            $(config.service(
                web::resource($path)
                    $(.route(web::$method().to($handler)))+
                    .default_service(web::to(|| async {
                        Err::<actix_web::HttpResponse, _>(Problem::method_not_allowed($allow))
                    })),
            );)*
        }
    };
}

routes! {
    "/api/v2/webhooks/{provider}": post Signed ingress::receive => "POST";
    "/api/v2/webhooks/{provider}/{hook_key}": post Signed ingress::receive => "POST";
    "/api/v2/users": get Admin users::list, post Admin users::add => "GET, POST";
    "/api/v2/user": get User users::me => "GET";
    "/api/v2/tokens": post User users::create_token => "POST";
    "/api/v2/credentials": get User credentials::list, post User credentials::add => "GET, POST";
    "/api/v2/credentials/{id}": delete User credentials::remove => "DELETE";
    "/api/v2/repositories/connect": post User connections::connect => "POST";
    "/api/v2/repositories/connections": get User connections::list => "GET";
    "/api/v2/repositories/connections/{id}":
        get User connections::get, patch User connections::change,
        delete User connections::disconnect => "GET, PATCH, DELETE";
    "/api/v2/repositories/connections/{id}/check": post User connections::check => "POST";
    "/api/v2/repositories/connections/{id}/ping": post User connections::ping => "POST";
    "/api/v2/repositories/connections/{id}/recreate": post User connections::recreate => "POST";
    "/api/v2/repositories/connections/{id}/rotate-secret":
        post User connections::rotate_secret => "POST";
    "/api/v2/repositories/{provider}": get User repositories::list => "GET";
    "/api/v2/deliveries": get User deliveries::list => "GET";
    "/api/v2/deliveries/{id}": get User deliveries::get => "GET";
    "/api/v2/deliveries/{id}/replay": post User deliveries::replay => "POST";
    "/api/v2/workflows/runs": get User runs::list => "GET";
    "/api/v2/workflows/runs/{id}": get User runs::get => "GET";
    "/api/v2/incidents": get User incidents::list => "GET";
    "/api/v2/incidents/{id}": get User incidents::get => "GET";
    "/api/v2/incidents/{id}/acknowledge": post User incidents::acknowledge => "POST";
    "/api/v2/incidents/{id}/resolve": post User incidents::resolve => "POST";
    "/api/v2/stats": get User stats::get => "GET";
    "/api/v2/openapi.json": get Public openapi::get => "GET";
    "/healthz": get Public health::live => "GET";
    "/readyz": get Public health::ready => "GET";
    "/metrics": get Public health::metrics => "GET";
}
