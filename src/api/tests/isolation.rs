//! The walk: every route as nobody, as a foreign user, as the owner and as an admin.

use super::connections::got;
use super::stage::{CANARY, Person, Stage};
use crate::api::routes::{Access, Operation};
use crate::domain::id::{IncidentId, TokenId};
use crate::domain::incident::{Incident, Subject};
use crate::store::{Change, Read};

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

/// The request to a route about the owner's objects: its line and its body.
pub(super) fn request(operation: Operation, api: &Stage) -> (String, Option<String>) {
    let route = operation.route();
    let ids = [
        ("/device/{id}", api.device.clone()),
        ("/credentials/{id}", api.credential.to_string()),
        ("/connections/{id}", api.connection.id.to_string()),
        ("/deliveries/{id}", api.delivery.to_string()),
        ("/runs/{id}", api.run.to_string()),
        ("/incidents/{id}", api.incident.to_string()),
        ("/commands/{id}", api.command.to_string()),
        ("/operations/{id}", api.operation.to_string()),
        ("/users/{id}", api.foreign.user.to_string()),
        ("/tokens/{id}", token(api)),
        ("/sinks/{id}", api.sink.to_string()),
        ("/notifications/{id}", api.notification.to_string()),
    ];
    let mut path = route.path.replace("{provider}", "github");
    path = path.replace("{hook_key}", &api.connection.hook_key.to_string());
    for (part, id) in ids {
        path = path.replace(part, &part.replace("{id}", &id));
    }
    if operation == Operation::RemoveCredential {
        path += "?force=true";
    }
    let (credential, id) = (api.credential, api.connection.id);
    let body = match operation {
        Operation::AddCredential => r#"{"provider":"github","token":"ghp_x"}"#.into(),
        Operation::Connect => {
            format!(r#"{{"repository_full_name":"canary/other","credential_id":"{credential}"}}"#)
        }
        Operation::PatchConnection | Operation::PatchSink => r#"{"is_enabled":false}"#.into(),
        Operation::Bulk => {
            format!(r#"{{"action":"pause","select":{{"ids":["{id}"]}}}}"#)
        }
        Operation::RemoveHook | Operation::AdoptHook => format!(
            r#"{{"repository_full_name":"o/r","webhook_id":"5","fingerprint":"{}"}}"#,
            "0".repeat(32)
        ),
        Operation::AddSink => {
            r#"{"name":"chat","kind":"webhook","url":"https://127.0.0.1:9/x"}"#.into()
        }
        Operation::Assign => r#"{"user":null}"#.into(),
        Operation::Mute => r#"{"for":"4h"}"#.into(),
        Operation::AddNote => r#"{"text":"known"}"#.into(),
        Operation::PatchCredential => r#"{"is_shared":true}"#.into(),
        Operation::SetRules => r#"{"rules":[]}"#.into(),
        Operation::TestRules => format!(r#"{{"incident_id":"{}"}}"#, api.incident),
        Operation::AddUser => r#"{"name":"new"}"#.into(),
        Operation::Receive
        | Operation::ReceiveForHook
        | Operation::ReplaceExisting
        | Operation::CreateToken
        | Operation::BeginDevice => "{}".into(),
        _ => return (format!("{} {path}", route.method), None),
    };
    (format!("{} {path}", route.method), Some(body))
}

/// What a route touches, and what its rightful user gets. Exhaustive: a route that is not here does
/// not compile.
#[expect(clippy::too_many_lines, reason = "one line a route")]
fn probe(operation: Operation) -> (Touches, u16) {
    use Operation as O;
    match operation {
        O::Receive | O::ReceiveForHook | O::OauthCallback => (Nothing, 400),
        O::AddCredential | O::BeginDevice | O::CreateToken | O::AdoptHook | O::AddSink => {
            (Own, 201)
        }
        O::ListCredentials
        | O::ListConnections
        | O::ListRepositories
        | O::ListDeliveries
        | O::FollowDeliveries
        | O::ListRuns
        | O::ListGaps
        | O::FindHooks
        | O::RemoveHook
        | O::ListIncidents
        | O::ListOperations
        | O::ListTokens
        | O::ListSinks
        | O::ListNotifications
        | O::GetRules
        | O::SetRules
        | O::GetStats
        | O::GetReport
        | O::WhoAmI => (Own, 200),
        O::Authorize => (Own, 303),
        O::Connect => (Object, 201),
        O::RemoveCredential | O::RemoveSink => (Object, 204),
        O::PatchCredential
        | O::PatchConnection
        | O::GetConnection
        | O::Disconnect
        | O::ListCommands
        | O::ListHistory
        | O::GetCommand
        | O::GetOperation
        | O::CancelOperation
        | O::GetDelivery
        | O::GetRun
        | O::GetIncident
        | O::Acknowledge
        | O::Resolve
        | O::Assign
        | O::Mute
        | O::Unmute
        | O::AddNote
        | O::GetTimeline
        | O::GetSink
        | O::PatchSink
        | O::TestSink
        | O::GetNotification
        | O::TestRules
        | O::RetryNotification
        | O::PollDevice => (Object, 200),
        O::Check
        | O::Ping
        | O::Recreate
        | O::RotateSecret
        | O::Reconcile
        | O::Replay
        | O::Bulk
        | O::ReplaceExisting => (Object, 202),
        O::GetToken => (Managed, 200),
        O::RevokeToken => (Managed, 204),
        O::AddUser => (Nothing, 201),
        O::ListUsers
        | O::RemoveUser
        | O::OauthDone
        | O::DownloadBackup
        | O::Openapi
        | O::Docs
        | O::Healthz
        | O::Readyz
        | O::Metrics => (Nothing, 200),
    }
}

/// The owner's API token, or none that there is once it is revoked.
fn token(api: &Stage) -> String {
    let tokens = api.store.tokens_of(api.owner.user).ready().unwrap();
    let id = tokens
        .first()
        .map_or(TokenId::from_u128(0), |token| token.id);
    id.to_string()
}

/// Everything of the owner's that another user could have changed.
fn owners_things(api: &Stage) -> String {
    let store = &*api.store;
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.connection(api.connection.id).ready(),
        store.credential(api.credential).ready(),
        store.delivery(api.delivery).ready(),
        store.incident(api.incident).ready(),
        store.user(api.owner.user).ready(),
        store.operations_unfinished().ready(),
        store.sinks_of(api.owner.user).ready(),
        store.notification(api.notification).ready(),
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
            let (touches, rightful) = probe(*operation);
            let (line, body) = request(*operation, &api);
            let reply = api.call(who.person(&api), &line, body.as_deref());
            let allowed = expected(who, operation.route().access, &touches, rightful);
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
                let ids = [
                    api.connection.id.to_string(),
                    api.delivery.to_string(),
                    api.incident.to_string(),
                    api.command.to_string(),
                    api.operation.to_string(),
                    api.run.to_string(),
                    api.credential.to_string(),
                    api.sink.to_string(),
                    api.notification.to_string(),
                    token(&api),
                ];
                let made_up = |text: &str| {
                    let device = text.replace(&api.device, &"A".repeat(api.device.len()));
                    ids.iter().fold(device, |text, id| {
                        let (prefix, digits) = id.split_once('_').unwrap();
                        text.replace(id, &format!("{prefix}_{}", "0".repeat(digits.len())))
                    })
                };
                let none = (made_up(&line), body.as_deref().map(made_up));
                assert_ne!(none, (line.clone(), body.clone()));
                let none = api.call(who.person(&api), &none.0, none.1.as_deref());
                assert_eq!(none.without_date(), reply.without_date(), "{line}");
            }
            assert_eq!(owners_things(&api), untouched, "{who:?} {line}");
        }
    }
}

#[test]
fn filters_by_a_foreign_connection_are_as_if_it_did_not_exist() {
    let api = Stage::new();
    let id = api.connection.id;
    for list in ["deliveries", "workflows/runs", "incidents"] {
        let path = format!("{list}?connection_id={id}");
        assert_eq!(api.owner.get(&path).status, 200);
        api.foreign.get(&path).is(404, "not_found");
    }
    let path = "incidents?repository=canary/repository";
    let count = |who: &Person| who.show(path)["items"].as_array().unwrap().len();
    assert_eq!((count(&api.owner), count(&api.foreign)), (1, 0));
}

#[test]
fn two_users_of_one_repository_act_on_their_own_connection_only() {
    let api = Stage::new();
    let body = r#"{"repository_full_name":"canary/repository"}"#;
    let connect = || api.foreign.post("repositories/connect", body);
    let (mine, again) = (connect().text("id"), connect());
    again.is(409, "already_connected");
    assert_eq!(again.text("connection_id"), mine);
    let path = format!("repositories/connections/{mine}");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let own = api.foreign.patch(&path, r#"{"is_enabled":false}"#);
                assert_eq!(own.status, 200);
                assert_eq!(own.json()["is_enabled"], false);
                api.foreign.delete(api.path()).is(404, "not_found");
            });
        }
    });
    let owners = got(api.store.connection(api.connection.id));
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
            Operation::DownloadBackup,
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

/// Also an administrator sees their own incidents about the server only.
#[test]
fn incidents_about_the_server_and_about_a_sink_are_their_owners_alone() {
    let api = Stage::new();
    for (n, subject) in [(8, Subject::Server), (9, Subject::Sink(api.sink))] {
        let incident = Incident {
            id: IncidentId::from_u128(n),
            subject,
            ..got(api.store.incident(api.incident))
        };
        let path = format!("incidents/{}", incident.id);
        api.commit(vec![Change::PutIncident(Box::new(incident))]);
        let sink = api.owner.show(&path)["sink_id"].clone();
        assert_eq!(sink.is_string(), n == 9, "{sink}");
        for other in [&api.foreign, &api.admin] {
            other.get(&path).is(404, "not_found");
            other
                .post(format!("{path}/resolve"), "")
                .is(404, "not_found");
        }
    }
    let count = |who: &Person, query: &str| {
        let list = who.show(format!("incidents{query}"));
        list["items"].as_array().unwrap().len()
    };
    assert_eq!(count(&api.owner, ""), 3);
    assert_eq!((count(&api.foreign, ""), count(&api.admin, "")), (0, 0));
    // They are of no provider, and of no repository.
    for query in ["?provider=github", "?repository=canary/repository"] {
        assert_eq!(count(&api.owner, query), 1, "{query}");
    }
}
