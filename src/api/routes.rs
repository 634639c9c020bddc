//! Every route there is, in one table.
//!
//! The table registers the handlers and guards them, and the isolation test walks it: a route
//! that is not in the table does not exist, and one that the walk does not know does not compile.

pub use super::access::Access;
use super::auth;
use super::error::{Answer, Code, Problem};
use super::ingress;
use super::resources::{
    backup, commands, connections, credentials, deliveries, docs, gaps, health, history, hooks,
    incidents, notifications, oauth, operations, report, repositories, rules, runs, sinks, stats,
    tended_incidents, tokens, users, webhooks,
};
use super::scope::Shared;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard as guards;
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, ResponseError, Route as ActixRoute, web};

macro_rules! routes {
    (@group) => { &[] };
    (@group $group:ident) => { $group };
    ($($operation:ident = $method:ident $path:literal $access:ident $($segment:ident)::+
        $([$($code:ident),* $(; $group:ident)?])?;)*) => {
        /// What a route does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($method), " ", $path, "`")] $operation,)*
        }

        impl Operation {
            /// The row of this operation.
            pub const fn route(self) -> Route {
                match self {
                    $(Self::$operation => Route {
                        operation: self,
                        method: Method::$method,
                        path: $path,
                        access: Access::$access,
                        problems: [&[$($(Code::$code),*)?], routes!(@group $($($group)?)?)],
                    },)*
                }
            }

            fn handler(self, route: ActixRoute) -> ActixRoute {
                match self { $(Self::$operation => route.to($($segment)::+),)* }
            }

            /// Every operation, in order of the table; those of one path stand together.
            pub const ALL: &[Self] = &[$(Self::$operation),*];
        }

        /// What the comments and attributes of the handlers say.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($segment)::+),*))]
        pub(super) struct Handlers;
    };
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Route {
    /// What it does.
    pub operation: Operation,
    /// The method.
    pub method: Method,
    /// The path; what is in braces stands for one segment.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// The problems that it may answer with, besides those that routes of its kind have.
    pub(super) problems: [&'static [Code]; 2],
}

/// The problems of calls to a provider.
const PROVIDER: &[Code] = {
    let (first, end) = (
        Code::Unauthorized as usize,
        Code::HookDeletedRepeatedly as usize,
    );
    Code::ALL.split_at(end).0.split_at(first).1
};

routes! {
    Receive = POST "/api/v2/webhooks/{provider}" Ingress webhooks::receive;
    ReceiveForHook = POST "/api/v2/webhooks/{provider}/{hook_key}" Ingress
        webhooks::receive_for_hook;
    AddCredential = POST "/api/v2/credentials" User credentials::create
        [InvalidField, Forbidden, UnknownProvider, OauthNotConfigured, CredentialRefused,
            QuotaReached, NotNow; PROVIDER];
    ListCredentials = GET "/api/v2/credentials" User credentials::list;
    RemoveCredential = DELETE "/api/v2/credentials/{id}" User credentials::remove
        [CredentialInUse, NotNow];
    PatchCredential = PATCH "/api/v2/credentials/{id}" User credentials::patch [NotNow];
    Authorize = GET "/api/v2/oauth/{provider}/authorize" User oauth::authorize
        [UnknownProvider, OauthNotConfigured, QuotaReached];
    OauthCallback = GET "/api/v2/oauth/{provider}/callback" Public oauth::callback
        [OauthState, OauthDenied, OauthRefused, StoreUnavailable, Internal; PROVIDER];
    OauthDone = GET "/api/v2/oauth/{provider}/done" Public oauth::done;
    BeginDevice = POST "/api/v2/oauth/{provider}/device" User oauth::begin_device
        [InvalidField, UnknownProvider, OauthNotConfigured, OauthRefused, QuotaReached; PROVIDER];
    PollDevice = POST "/api/v2/oauth/{provider}/device/{id}" User oauth::poll_device
        [OauthDenied, OauthExpired, OauthRefused; PROVIDER];
    Connect = POST "/api/v2/repositories/connect" User repositories::connect
        [InvalidField, UnknownEvent, UnknownProvider, NoCredential, CredentialRefused,
            RepositoryNotFound, AlreadyConnected, QuotaReached, NotNow; PROVIDER];
    ListConnections = GET "/api/v2/repositories/connections" User connections::list;
    GetConnection = GET "/api/v2/repositories/connections/{id}" User connections::one;
    PatchConnection = PATCH "/api/v2/repositories/connections/{id}" User connections::patch
        [InvalidField, UnknownEvent, NotNow];
    Disconnect = DELETE "/api/v2/repositories/connections/{id}" User connections::disconnect
        [NotNow];
    Check = POST "/api/v2/repositories/connections/{id}/check" User connections::check [NotNow];
    Ping = POST "/api/v2/repositories/connections/{id}/ping" User connections::ping [NotNow];
    Recreate = POST "/api/v2/repositories/connections/{id}/recreate" User connections::recreate
        [NotNow];
    RotateSecret = POST "/api/v2/repositories/connections/{id}/rotate-secret" User
        connections::rotate_secret [NotNow];
    Reconcile = POST "/api/v2/repositories/connections/{id}/reconcile" User
        connections::reconcile [NotNow];
    ReplaceExisting = POST "/api/v2/repositories/connections/{id}/replace-existing" User
        connections::replace_existing [NotNow];
    ListCommands = GET "/api/v2/repositories/connections/{id}/commands" User commands::list;
    ListHistory = GET "/api/v2/repositories/connections/{id}/history" User history::list;
    Bulk = POST "/api/v2/repositories/bulk" User operations::bulk
        [InvalidField, UnknownEvent, UnknownProvider, NoCredential, BadCursor, NotFound,
            QuotaReached, NotNow];
    ListOperations = GET "/api/v2/operations" User operations::list;
    GetOperation = GET "/api/v2/operations/{id}" User operations::one;
    CancelOperation = POST "/api/v2/operations/{id}/cancel" User operations::cancel [NotNow];
    GetCommand = GET "/api/v2/commands/{id}" User commands::one;
    ListRepositories = GET "/api/v2/repositories/{provider}" User repositories::list
        [UnknownProvider, NoCredential, CredentialRefused, OwnerNotFound; PROVIDER];
    FindHooks = GET "/api/v2/hooks/{provider}" User hooks::list
        [UnknownProvider, NoCredential, CredentialRefused, RepositoryNotFound; PROVIDER];
    RemoveHook = POST "/api/v2/hooks/{provider}/remove" User hooks::remove
        [InvalidField, UnknownProvider, NoCredential, CredentialRefused, RepositoryNotFound,
            HookChanged, HookNotFree, HookInUse; PROVIDER];
    AdoptHook = POST "/api/v2/hooks/{provider}/adopt" User hooks::adopt
        [InvalidField, UnknownEvent, UnknownProvider, NoCredential, CredentialRefused, NotFound,
            RepositoryNotFound, AlreadyConnected, HookChanged, HookNotFree, HookInUse,
            QuotaReached, NotNow; PROVIDER];
    ListDeliveries = GET "/api/v2/deliveries" User deliveries::list [NotFound];
    FollowDeliveries = GET "/api/v2/deliveries/stream" User deliveries::follow
        [BadCursor, NotFound, Overloaded];
    GetDelivery = GET "/api/v2/deliveries/{id}" User deliveries::one;
    Replay = POST "/api/v2/deliveries/{id}/replay" User deliveries::replay [NotNow];
    ListGaps = GET "/api/v2/gaps" User gaps::list [NotFound];
    ListRuns = GET "/api/v2/workflows/runs" User runs::list [NotFound];
    GetRun = GET "/api/v2/workflows/runs/{id}" User runs::one;
    ListIncidents = GET "/api/v2/incidents" User incidents::list [NotFound];
    GetIncident = GET "/api/v2/incidents/{id}" User incidents::one;
    Acknowledge = POST "/api/v2/incidents/{id}/acknowledge" User incidents::acknowledge [NotNow];
    Resolve = POST "/api/v2/incidents/{id}/resolve" User incidents::resolve [NotNow];
    Assign = POST "/api/v2/incidents/{id}/assign" User tended_incidents::assign
        [UserUnfit, NotNow];
    Mute = POST "/api/v2/incidents/{id}/mute" User tended_incidents::mute
        [InvalidField, TimeUnfit, NotNow];
    Unmute = POST "/api/v2/incidents/{id}/unmute" User tended_incidents::unmute [NotNow];
    AddNote = POST "/api/v2/incidents/{id}/notes" User tended_incidents::note
        [InvalidField, NotNow];
    GetTimeline = GET "/api/v2/incidents/{id}/timeline" User tended_incidents::list;
    AddSink = POST "/api/v2/sinks" User sinks::create
        [InvalidField, SinkUnfit, QuotaReached, NotNow];
    ListSinks = GET "/api/v2/sinks" User sinks::list;
    GetSink = GET "/api/v2/sinks/{id}" User sinks::one;
    PatchSink = PATCH "/api/v2/sinks/{id}" User sinks::patch
        [InvalidField, SinkUnfit, NotNow];
    RemoveSink = DELETE "/api/v2/sinks/{id}" User sinks::remove;
    TestSink = POST "/api/v2/sinks/{id}/test" User sinks::test [NotNow];
    GetRules = GET "/api/v2/rules" User rules::show;
    SetRules = PUT "/api/v2/rules" User rules::set
        [InvalidField, RulesUnfit, NotNow];
    TestRules = POST "/api/v2/rules/test" User rules::test
        [InvalidField, RulesUnfit, NotFound];
    ListNotifications = GET "/api/v2/notifications" User notifications::list [NotFound];
    GetNotification = GET "/api/v2/notifications/{id}" User notifications::one;
    RetryNotification = POST "/api/v2/notifications/{id}/retry" User notifications::retry [NotNow];
    GetStats = GET "/api/v2/stats" User stats::show;
    GetReport = GET "/api/v2/report" User report::show [TimeUnfit];
    DownloadBackup = GET "/api/v2/admin/backup" Admin backup::download [Overloaded];
    AddUser = POST "/api/v2/users" Admin users::create [InvalidField, UserExists, QuotaReached];
    ListUsers = GET "/api/v2/users" Admin users::list;
    RemoveUser = DELETE "/api/v2/users/{id}" Admin users::remove
        [UserInUse, UserProtected, NotNow];
    WhoAmI = GET "/api/v2/whoami" User users::whoami;
    CreateToken = POST "/api/v2/tokens" User tokens::create
        [InvalidField, Forbidden, NotFound, QuotaReached, NotNow];
    ListTokens = GET "/api/v2/tokens" User tokens::list [Forbidden, NotFound];
    GetToken = GET "/api/v2/tokens/{id}" User tokens::one;
    RevokeToken = DELETE "/api/v2/tokens/{id}" User tokens::revoke;
    Openapi = GET "/api/v2/openapi.json" Public health::openapi;
    Docs = GET "/docs" Public docs::show;
    Healthz = GET "/healthz" Public health::live;
    Readyz = GET "/readyz" Public health::ready [StoreUnavailable];
    Metrics = GET "/metrics" Metrics health::metrics [NoSuchRoute];
}

/// The paths with their routes, in order of the table.
fn by_path() -> Vec<(&'static str, Vec<Route>)> {
    let mut paths: Vec<(&'static str, Vec<Route>)> = Vec::new();
    for route in Operation::ALL.iter().map(|operation| operation.route()) {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => paths.push((route.path, vec![route])),
        }
    }
    paths
}

/// Lets only those through that a route's class of access admits.
async fn guard(
    access: Access,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let shared = request.app_data::<web::Data<Shared>>().cloned();
    let shared = shared.expect("the server hands its data to every request");
    match auth::admit(&shared, request.request(), access).await {
        Ok(()) => next.call(request).await,
        Err(problem) => Ok(request.into_response(problem.error_response())),
    }
}

/// Registers every route of the table, and what answers when none fits. Deliveries are found by
/// the beginning of their path, before any pattern is looked at: most requests are deliveries.
pub fn register(config: &mut web::ServiceConfig) {
    config.service(web::scope(ingress::PATH).default_service(web::to(ingress::receive)));
    let by_pattern = |(_, routes): &(&str, Vec<Route>)| {
        let is_ingress = |route: &Route| route.access == Access::Ingress;
        !routes.iter().any(is_ingress)
    };
    for (path, routes) in by_path().into_iter().filter(by_pattern) {
        let mut allow: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
        if allow.contains(&"GET") {
            allow.push("HEAD");
        }
        let allow = allow.join(", ");
        let mut resource = web::resource(path).default_service(web::to(move || {
            let problem = Problem::method_not_allowed(allow.clone());
            async move { Answer::Err(problem) }
        }));
        for Route {
            operation,
            method,
            access,
            ..
        } in routes
        {
            // Load balancers ask with HEAD: whatever answers GET answers that, too.
            let answers_head = method == Method::GET;
            let asked = web::route().guard(guards::fn_guard(move |context| {
                let asked = &context.head().method;
                *asked == method || (answers_head && *asked == Method::HEAD)
            }));
            let route = operation.handler(asked);
            resource = resource
                .route(route.wrap(from_fn(move |request, next| guard(access, request, next))));
        }
        config.service(resource);
    }
    config.default_service(web::to(no_such_route));
}

async fn no_such_route(_: HttpRequest) -> Answer {
    Err(Problem::no_such_route())
}
