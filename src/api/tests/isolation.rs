//! The walk: every route as nobody, as a foreign user, as the owner and as an admin.

use super::stage::{CANARY, Person, Stage};
use crate::api::routes::{Access, Operation};
use crate::store::Read;

/// What a route shows or touches, which says what a foreign user must get.
enum Touches {
    /// One object of the owner's: not there for anybody else.
    Object,
    /// One object of the owner's that admins manage, too.
    Managed,
    /// The caller's own objects: nothing of the owner's for anybody else.
    Own,
    /// Nothing that belongs to anybody.
    Nothing,
}

use Touches::{Managed, Nothing, Object, Own};

/// A request to a route: its path, its body, what it touches, and what its rightful user gets.
/// Exhaustive: a route that is not here does not compile.
fn probe(operation: Operation, api: &Stage) -> (String, Option<String>, Touches, u16) {
    let connections = "/api/v2/repositories/connections";
    let connection = format!("{connections}/{}", api.connection.id);
    let delivery = format!("/api/v2/deliveries/{}", api.delivery);
    let incident = format!("/api/v2/incidents/{}", api.incident);
    let hook = format!("/api/v2/webhooks/github/{}", api.connection.hook_key);
    let credential = format!("/api/v2/credentials/{}", api.credential);
    let run = format!("/api/v2/workflows/runs/{}", api.run);
    let body = |text: &str| Some(text.to_owned());
    let connect = format!(
        r#"{{"repository_full_name":"canary/other","credential_id":"{}"}}"#,
        api.credential
    );
    match operation {
        Operation::Receive => ("/api/v2/webhooks/github".into(), body("{}"), Nothing, 400),
        Operation::ReceiveForHook => (hook, body("{}"), Nothing, 400),
        Operation::AddCredential => {
            let new = r#"{"provider":"github","token":"ghp_x"}"#;
            ("/api/v2/credentials".into(), body(new), Own, 201)
        }
        Operation::ListCredentials => ("/api/v2/credentials".into(), None, Own, 200),
        Operation::RemoveCredential => (format!("{credential}?force=true"), None, Object, 204),
        Operation::PatchCredential => (credential, body(r#"{"is_shared":true}"#), Object, 200),
        Operation::Authorize
        | Operation::OauthCallback
        | Operation::OauthDone
        | Operation::BeginDevice
        | Operation::PollDevice => probe_sign_in(operation, api),
        Operation::Connect => (
            "/api/v2/repositories/connect".into(),
            Some(connect),
            Object,
            201,
        ),
        Operation::ListConnections => (connections.into(), None, Own, 200),
        Operation::PatchConnection => (connection, body(r#"{"is_enabled":false}"#), Object, 200),
        Operation::GetConnection | Operation::Disconnect => (connection, None, Object, 200),
        Operation::ListCommands => (format!("{connection}/commands"), None, Object, 200),
        Operation::GetCommand => {
            let command = format!("/api/v2/commands/{}", api.command);
            (command, None, Object, 200)
        }
        Operation::Check => (format!("{connection}/check"), None, Object, 202),
        Operation::Ping => (format!("{connection}/ping"), None, Object, 202),
        Operation::Recreate => (format!("{connection}/recreate"), None, Object, 202),
        Operation::RotateSecret => (format!("{connection}/rotate-secret"), None, Object, 202),
        Operation::ListRepositories => ("/api/v2/repositories/github".into(), None, Own, 200),
        Operation::ListDeliveries => ("/api/v2/deliveries".into(), None, Own, 200),
        Operation::GetDelivery => (delivery, None, Object, 200),
        Operation::Replay => (format!("{delivery}/replay"), None, Object, 202),
        Operation::ListRuns => ("/api/v2/workflows/runs".into(), None, Own, 200),
        Operation::GetRun => (run, None, Object, 200),
        Operation::ListIncidents => ("/api/v2/incidents".into(), None, Own, 200),
        Operation::GetIncident => (incident, None, Object, 200),
        Operation::Acknowledge => (format!("{incident}/acknowledge"), None, Object, 200),
        Operation::Resolve => (format!("{incident}/resolve"), None, Object, 200),
        Operation::GetStats => ("/api/v2/stats".into(), None, Own, 200),
        Operation::AddUser
        | Operation::ListUsers
        | Operation::RemoveUser
        | Operation::WhoAmI
        | Operation::CreateToken
        | Operation::ListTokens
        | Operation::GetToken
        | Operation::RevokeToken => probe_account(operation, api),
        Operation::Openapi => ("/api/v2/openapi.json".into(), None, Nothing, 200),
        Operation::Docs => ("/docs".into(), None, Nothing, 200),
        Operation::Healthz => ("/healthz".into(), None, Nothing, 200),
        Operation::Readyz => ("/readyz".into(), None, Nothing, 200),
        Operation::Metrics => ("/metrics".into(), None, Nothing, 200),
    }
}

fn probe_account(operation: Operation, api: &Stage) -> (String, Option<String>, Touches, u16) {
    let body = |text: &str| Some(text.to_owned());
    match operation {
        Operation::AddUser => (
            "/api/v2/users".into(),
            body(r#"{"name":"new"}"#),
            Nothing,
            201,
        ),
        Operation::ListUsers => ("/api/v2/users".into(), None, Nothing, 200),
        Operation::WhoAmI => ("/api/v2/whoami".into(), None, Own, 200),
        Operation::RemoveUser => {
            let user = format!("/api/v2/users/{}", api.foreign.user);
            (user, None, Nothing, 200)
        }
        Operation::CreateToken => ("/api/v2/tokens".into(), body("{}"), Own, 201),
        Operation::ListTokens => ("/api/v2/tokens".into(), None, Own, 200),
        Operation::GetToken => (token(api), None, Managed, 200),
        Operation::RevokeToken => (token(api), None, Managed, 204),
        _ => unreachable!("the others have their own"),
    }
}

/// The owner's API token.
fn token(api: &Stage) -> String {
    let tokens = api.store.tokens_of(api.owner.user).ready().unwrap();
    format!("/api/v2/tokens/{}", tokens[0].id)
}

fn probe_sign_in(operation: Operation, api: &Stage) -> (String, Option<String>, Touches, u16) {
    let path = |rest: &str| format!("/api/v2/oauth/github/{rest}");
    match operation {
        Operation::Authorize => (path("authorize"), None, Own, 303),
        Operation::OauthCallback => (path("callback"), None, Nothing, 400),
        Operation::OauthDone => (path("done"), None, Nothing, 200),
        Operation::BeginDevice => (path("device"), Some("{}".into()), Own, 201),
        Operation::PollDevice => {
            let device = path(&format!("device/{}", api.device));
            (device, None, Object, 200)
        }
        _ => unreachable!("the others have their own"),
    }
}

/// Everything of the owner's that somebody else could have changed.
fn owners_things(api: &Stage) -> String {
    let store = &*api.store;
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        store.connection(api.connection.id).ready(),
        store.credential(api.credential).ready(),
        store.delivery(api.delivery).ready(),
        store.incident(api.incident).ready(),
        store.user(api.owner.user).ready(),
        api.connections.commands.lock(),
    )
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    Foreign,
    Owner,
    Admin,
}

impl Who {
    fn person(self, api: &Stage) -> Option<&Person> {
        match self {
            Self::Nobody => None,
            Self::Foreign => Some(&api.foreign),
            Self::Owner => Some(&api.owner),
            Self::Admin => Some(&api.admin),
        }
    }
}

fn expected(who: Who, access: Access, touches: &Touches, rightful: u16) -> Vec<u16> {
    match (access, who) {
        (Access::Public | Access::Ingress, _)
        | (Access::User, Who::Owner)
        | (Access::Metrics, Who::Foreign | Who::Owner | Who::Admin)
        | (Access::Admin, Who::Admin) => vec![rightful],
        (Access::Metrics | Access::User | Access::Admin, Who::Nobody) => vec![401],
        (Access::Admin, Who::Foreign | Who::Owner) => vec![403],
        // Being an admin opens no other user's objects.
        (Access::User, Who::Foreign | Who::Admin) => match touches {
            // 422: a foreign credential in a body is a field that will not do, or there is none.
            Object => vec![404, 422],
            Managed if who == Who::Admin => vec![rightful],
            Managed => vec![404],
            Own => vec![rightful, 422],
            Nothing => vec![rightful],
        },
    }
}

#[test]
fn every_route_shows_and_does_only_what_its_caller_may() {
    for who in [Who::Nobody, Who::Foreign, Who::Admin, Who::Owner] {
        // One api for those who change nothing of the owner's: it must stay as it is.
        let mut api = Stage::new();
        let untouched = owners_things(&api);
        for operation in Operation::ALL {
            if who == Who::Owner {
                api = Stage::new();
            }
            let route = operation.route();
            let (path, body, touches, rightful) = probe(*operation, &api);
            let line = format!("{} {path}", route.method);
            let reply = api.call(who.person(&api), &line, body.as_deref());
            let allowed = expected(who, route.access, &touches, rightful);
            assert!(
                allowed.contains(&reply.status),
                "{who:?} {line}: {allowed:?} {reply:?}"
            );
            if who == Who::Owner {
                continue;
            }
            assert!(!reply.body.contains(CANARY), "{who:?} {line}: {reply:?}");
            if matches!(touches, Object | Managed) && who != Who::Nobody && reply.status == 404 {
                // What is another's is answered exactly like what is not there.
                let made_up = line.replace(&api.connection.id.to_string(), NO_CONNECTION);
                let made_up = made_up
                    .replace(&api.device, &"A".repeat(api.device.len()))
                    .replace(
                        &api.delivery.to_string(),
                        &NO_CONNECTION.replace("con", "dlv"),
                    )
                    .replace(
                        &api.incident.to_string(),
                        &NO_CONNECTION.replace("con", "inc"),
                    )
                    .replace(
                        &api.command.to_string(),
                        &NO_CONNECTION.replace("con", "cmd"),
                    )
                    .replace(&api.run.to_string(), &NO_CONNECTION.replace("con", "run"))
                    .replace(
                        &api.credential.to_string(),
                        &NO_CONNECTION.replace("con", "crd"),
                    )
                    .replace(&token(&api), &format!("/api/v2/tokens/{NO_TOKEN}"));
                assert_ne!(made_up, line);
                let none = api.call(who.person(&api), &made_up, body.as_deref());
                assert_eq!(none.without_date(), reply.without_date(), "{line}");
            }
            assert_eq!(owners_things(&api), untouched, "{who:?} {line}");
        }
    }
}

const NO_TOKEN: &str = "tok_00000000000000000000000000";
const NO_CONNECTION: &str = "con_00000000000000000000000000";

#[test]
fn a_walked_path_is_the_path_of_its_route() {
    let api = Stage::new();
    for operation in Operation::ALL {
        let route = operation.route();
        let (path, ..) = probe(*operation, &api);
        let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        let (walked, wanted) = (segments(&path), segments(route.path));
        assert_eq!(walked.len(), wanted.len(), "{path}");
        for (walked, wanted) in walked.iter().zip(&wanted) {
            assert!(
                wanted.starts_with('{') || walked == wanted,
                "{path} is not {}",
                route.path
            );
        }
    }
}

#[test]
fn filters_by_a_foreign_connection_are_as_if_it_did_not_exist() {
    let api = Stage::new();
    let id = api.connection.id;
    for list in ["deliveries", "workflows/runs", "incidents"] {
        let line = format!("GET /api/v2/{list}?connection_id={id}");
        assert_eq!(api.call(Some(&api.owner), &line, None).status, 200);
        api.call(Some(&api.foreign), &line, None)
            .is(404, "not_found");
    }
    let line = "GET /api/v2/incidents?repository=canary/repository";
    let items = |who: &Person| api.call(Some(who), line, None).json()["items"].clone();
    assert_eq!(items(&api.owner).as_array().unwrap().len(), 1);
    assert_eq!(items(&api.foreign).as_array().unwrap().len(), 0);
}

#[test]
fn two_users_of_one_repository_act_on_their_own_connection_only() {
    let api = Stage::new();
    let connect = r#"{"repository_full_name":"canary/repository"}"#;
    let line = "POST /api/v2/repositories/connect";
    let mine = api.call(Some(&api.foreign), line, Some(connect)).json();
    let again = api.call(Some(&api.foreign), line, Some(connect));
    again.is(409, "already_connected");
    assert_eq!(again.json()["connection_id"], mine["id"]);
    let path = |id: &str| format!("/api/v2/repositories/connections/{id}");
    let pause = Some(r#"{"is_enabled":false}"#);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let own = path(mine["id"].as_str().unwrap());
                let own = api.call(Some(&api.foreign), &format!("PATCH {own}"), pause);
                assert_eq!(
                    (own.status, own.json()["is_enabled"].clone()),
                    (200, false.into())
                );
                let other = path(&api.connection.id.to_string());
                let other = api.call(Some(&api.foreign), &format!("DELETE {other}"), None);
                other.is(404, "not_found");
            });
        }
    });
    let owners = api
        .store
        .connection(api.connection.id)
        .ready()
        .unwrap()
        .unwrap();
    assert_eq!(owners, api.connection);
}

/// The walk takes what a route demands from the table; this holds the table itself.
#[test]
fn only_these_routes_are_open_or_for_admins() {
    let of = |access| -> Vec<Operation> {
        let all = Operation::ALL.iter().copied();
        all.filter(|o| o.route().access == access).collect()
    };
    let ingress = [Operation::Receive, Operation::ReceiveForHook];
    assert_eq!(of(Access::Ingress), ingress);
    assert_eq!(
        of(Access::Admin),
        [
            Operation::AddUser,
            Operation::ListUsers,
            Operation::RemoveUser
        ]
    );
    let open = [
        Operation::OauthCallback,
        Operation::OauthDone,
        Operation::Openapi,
        Operation::Docs,
        Operation::Healthz,
        Operation::Readyz,
    ];
    assert_eq!(of(Access::Metrics), [Operation::Metrics]);
    assert_eq!(of(Access::Public), open);
}
