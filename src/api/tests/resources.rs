//! The shapes and the ways of the resources.

use super::connections::futures_now;
use super::stage::{Stage, connect};
use crate::domain::command::CommandKind;
use crate::domain::removal::HookOutcome;
use crate::store::{Batch, Change, Store};
use serde_json::Value;
use std::sync::atomic::Ordering;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn a_connection_and_an_incident_have_just_the_fields_that_were_promised() {
    let api = Stage::new();
    let path = format!("GET /api/v2/repositories/connections/{}", api.connection.id);
    let connection = api.call(Some(&api.owner), &path, None).json();
    let mut promised = vec![
        "id",
        "provider",
        "host",
        "repository_id",
        "repository_full_name",
        "repository_name",
        "owner_name",
        "webhook_id",
        "webhook_url",
        "webhook_status",
        "webhook_events",
        "webhook_created_at",
        "webhook_last_delivery_at",
        "is_enabled",
        "created_at",
        "last_event_at",
        "health",
        "last_error",
    ];
    promised.sort_unstable();
    assert_eq!(keys(&connection), promised);
    assert_eq!(connection["repository_id"], "4711");
    assert_eq!(connection["owner_name"], "canary");
    let url = format!(
        "http://127.0.0.1:8080/api/v2/webhooks/github/{}",
        api.connection.hook_key
    );
    assert_eq!(connection["webhook_url"], url);
    let path = format!("GET /api/v2/incidents/{}", api.incident);
    let incident = api.call(Some(&api.owner), &path, None).json();
    let mut promised = vec![
        "id",
        "status",
        "severity",
        "source",
        "failure_type",
        "title",
        "connection_id",
        "repository_full_name",
        "run_id",
        "workflow_name",
        "branch",
        "head_branch",
        "head_repository",
        "pull_request",
        "trigger",
        "commit_sha",
        "commit_message",
        "author",
        "run_url",
        "failed_jobs",
        "occurrences",
        "first_seen_at",
        "last_seen_at",
        "acknowledged_at",
        "resolved_at",
        "resolution",
    ];
    promised.sort_unstable();
    assert_eq!(keys(&incident), promised);
    assert_eq!(incident["repository_full_name"], "canary/repository");
    let job = serde_json::json!({"name": "canary job", "stage": null, "reason": "timed_out"});
    assert_eq!(incident["failed_jobs"], serde_json::json!([job]));
}

#[test]
fn connecting_uses_the_defaults_and_answers_201() {
    let api = Stage::new();
    let body = Some(r#"{"repository_full_name":"o/r"}"#);
    let reply = api.call(Some(&api.owner), "POST /api/v2/repositories/connect", body);
    assert_eq!(reply.status, 201);
    let connection = reply.json();
    assert_eq!(
        connection["webhook_events"],
        serde_json::json!([
            "check_run",
            "check_suite",
            "delete",
            "deployment_status",
            "pull_request",
            "push",
            "repository",
            "status",
            "workflow_job",
            "workflow_run"
        ])
    );
    assert_eq!(
        (&connection["provider"], &connection["webhook_status"]),
        (&"github".into(), &"pending".into())
    );
}

#[test]
fn a_list_is_walked_with_its_cursor_newest_first() {
    let api = Stage::new();
    for n in 0..6 {
        connect(
            &api.connections,
            api.owner.user,
            &format!("o/r{n}"),
            api.credential,
        );
    }
    let mut seen = Vec::new();
    let mut line = "GET /api/v2/repositories/connections?limit=3".to_owned();
    loop {
        let page = api.call(Some(&api.owner), &line, None).json();
        assert_eq!(page["total"], 7);
        let names = page["connections"].as_array().unwrap();
        seen.extend(
            names
                .iter()
                .map(|c| c["repository_name"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        line = format!("GET /api/v2/repositories/connections?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, ["r5", "r4", "r3", "r2", "r1", "r0", "repository"]);
}

#[test]
fn repositories_are_paged_within_the_providers_pages() {
    let api = Stage::new();
    let (mut seen, mut line) = (
        Vec::new(),
        "GET /api/v2/repositories/github?limit=2".to_owned(),
    );
    loop {
        let page = api.call(Some(&api.owner), &line, None).json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|r| r["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        line = format!("GET /api/v2/repositories/github?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5"]);
    let none = api.call(Some(&api.foreign), "GET /api/v2/repositories/github", None);
    none.is(422, "no_credential");
}

#[test]
fn repositories_are_narrowed_down_to_an_owner_who_must_be_there() {
    let api = Stage::new();
    let ask = |query: &str| {
        let line = format!("GET /api/v2/repositories/{query}");
        api.call(Some(&api.owner), &line, None)
    };
    let count = |query: &str| ask(query).json()["items"].as_array().unwrap().len();
    assert_eq!((count("github?owner=O"), count("github?owner=o2")), (3, 0));
    ask("github?owner=nobody").is(404, "owner_not_found");
    ask("github?owner=a/b").is(404, "owner_not_found");
    for bad in ["", "a%20b", "%2F"] {
        ask(&format!("github?owner={bad}")).is(400, "bad_query");
    }
    // Whoever tries names is stopped, and not by asking the provider.
    let refused = (0..1000).find(|_| ask("github?owner=nobody").status != 404);
    assert!(refused.is_some());
    ask("github?owner=o").is(429, "too_many_requests");
    assert_eq!(count("github"), 3, "the list itself goes on");
}

#[test]
fn patching_sends_both_commands_and_shows_the_result() {
    let api = Stage::new();
    let line = format!(
        "PATCH /api/v2/repositories/connections/{}",
        api.connection.id
    );
    let body = Some(r#"{"is_enabled":false,"webhook_events":["push","check_run"]}"#);
    let connection = api.call(Some(&api.owner), &line, body).json();
    assert_eq!(connection["is_enabled"], false);
    assert_eq!(connection["webhook_status"], "inactive");
    assert_eq!(
        connection["webhook_events"],
        serde_json::json!(["check_run", "push"])
    );
    assert_eq!(api.connections.commands.lock().len(), 2);
}

#[test]
fn disconnecting_succeeds_with_the_provider_down_and_is_over_for_the_user() {
    let api = Stage::new();
    let path = format!("/api/v2/repositories/connections/{}", api.connection.id);
    let reply = api.call(Some(&api.owner), &format!("DELETE {path}"), None);
    let answer = reply.json();
    assert_eq!(
        (reply.status, &answer["success"], &answer["webhook_deleted"]),
        (200, &true.into(), &false.into())
    );
    assert_eq!(answer["webhook_outcome"], "pending");
    assert_eq!(answer["repository_full_name"], "canary/repository");
    let wanted = (
        api.connection.id,
        CommandKind::Disconnect { delete_hook: true },
    );
    assert_eq!(*api.connections.commands.lock(), [wanted]);
    for line in [
        format!("GET {path}"),
        format!("DELETE {path}"),
        format!("POST {path}/check"),
    ] {
        api.call(Some(&api.owner), &line, None).is(404, "not_found");
    }
    let list = api
        .call(
            Some(&api.owner),
            "GET /api/v2/repositories/connections",
            None,
        )
        .json();
    assert_eq!(list["total"], 0);
}

#[test]
fn a_webhook_is_said_to_be_deleted_only_when_the_provider_has_shown_it() {
    for farewell in HookOutcome::ALL {
        let api = Stage::new();
        *api.connections.outcome.lock() = farewell;
        let id = api.connection.id;
        let line = format!("DELETE /api/v2/repositories/connections/{id}");
        let answer = api.call(Some(&api.owner), &line, None).json();
        let is_deleted = farewell == HookOutcome::Deleted;
        assert_eq!(answer["webhook_deleted"], is_deleted, "{answer}");
        assert_eq!(answer["webhook_outcome"], farewell.as_str());
        let message = answer["message"].as_str().unwrap();
        assert_eq!(message.contains("was deleted"), is_deleted, "{answer}");
    }
}

#[test]
fn a_hook_can_be_left_and_a_misspelt_wish_is_no_wish() {
    let api = Stage::new();
    let path = format!(
        "DELETE /api/v2/repositories/connections/{}",
        api.connection.id
    );
    for bad in ["delete_webhok=false", "delete_webhook=no", "delete_webhook"] {
        let reply = api.call(Some(&api.owner), &format!("{path}?{bad}"), None);
        reply.is(400, "bad_query");
    }
    assert!(api.connections.commands.lock().is_empty());
    let reply = api.call(
        Some(&api.owner),
        &format!("{path}?delete_webhook=false"),
        None,
    );
    assert_eq!(reply.json()["webhook_deleted"], false);
    let wanted = (
        api.connection.id,
        CommandKind::Disconnect { delete_hook: false },
    );
    assert_eq!(*api.connections.commands.lock(), [wanted]);
}

#[test]
fn users_are_added_by_admins_with_a_token_that_works() {
    let api = Stage::new();
    let new = Some(r#"{"name":"ann"}"#);
    let reply = api.call(Some(&api.admin), "POST /api/v2/users", new);
    assert_eq!(reply.status, 201);
    let token = reply.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("hhk_"));
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let me = super::wire::send(api.at, "GET /api/v2/whoami", &headers, None).json();
    assert_eq!(
        (&me["name"], &me["is_admin"]),
        (&"ann".into(), &false.into())
    );
    api.call(Some(&api.admin), "POST /api/v2/users", new)
        .is(409, "user_exists");
    let bad = Some(r#"{"name":"a b"}"#);
    api.call(Some(&api.admin), "POST /api/v2/users", bad)
        .is(422, "invalid_field");
    let users = api.call(Some(&api.admin), "GET /api/v2/users", None).json();
    let names: Vec<_> = users["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| &u["name"])
        .collect();
    assert_eq!(names[0], "ann");
    assert_eq!(names.len(), 4);
    let for_ann = api.call(
        Some(&api.admin),
        "POST /api/v2/tokens",
        Some(r#"{"user":"ann"}"#),
    );
    assert_eq!(for_ann.status, 201);
    let nobody = api.call(
        Some(&api.admin),
        "POST /api/v2/tokens",
        Some(r#"{"user":"bob"}"#),
    );
    nobody.is(404, "not_found");
}

#[test]
fn a_delivery_is_shown_with_headers_and_payload() {
    let api = Stage::new();
    let path = format!("GET /api/v2/deliveries/{}", api.delivery);
    let delivery = api.call(Some(&api.owner), &path, None).json();
    assert_eq!(delivery["payload"], serde_json::json!({"canary": 1}));
    assert_eq!(delivery["headers"]["x-github-event"], "push");
    assert_eq!(
        (&delivery["state"], &delivery["outcome"]),
        (&"received".into(), &Value::Null)
    );
}

#[test]
fn totals_are_the_callers_own() {
    let api = Stage::new();
    let stats = api.call(Some(&api.owner), "GET /api/v2/stats", None).json();
    assert_eq!(stats["connections_total"], 1);
    assert_eq!(stats["connections_by_status"]["pending"], 1);
    assert_eq!(stats["webhooks_to_delete"], 0);
    assert_eq!(stats["webhooks_to_move"], Value::Null, "not known yet");
    assert_eq!(stats["incidents"]["by_status"]["open"], 1);
    assert_eq!(stats["incidents"]["opened_last_hour"], 1);
    assert_eq!(stats["deliveries"]["pending"], 1);
    let none = api
        .call(Some(&api.foreign), "GET /api/v2/stats", None)
        .json();
    assert_eq!(
        (&none["connections_total"], &none["deliveries"]["sampled"]),
        (&0.into(), &0.into())
    );
}

/// What is known of a repository goes with its connection; an incident still says which it was.
#[test]
fn incidents_keep_the_name_of_their_repository_after_a_disconnect() {
    let api = Stage::new();
    let of = |line: &str| api.call(Some(&api.owner), &format!("GET {line}"), None);
    let one = format!("/api/v2/incidents/{}", api.incident);
    let all = "/api/v2/incidents";
    let named = "/api/v2/incidents?repository=canary/repository&provider=github";
    let name = |reply: &Value| reply["repository_full_name"].clone();
    let before = of(&one).json();
    assert_eq!(name(&before), "canary/repository");
    let gone = Change::DeleteConnection(api.connection.id);
    futures_now(api.store.commit(Batch::of(vec![gone]))).unwrap();
    let connection = format!("/api/v2/repositories/connections/{}", api.connection.id);
    of(&connection).is(404, "not_found");
    assert_eq!(of(&one).json(), before);
    for list in [all, named] {
        let items = of(list).json()["items"].clone();
        assert_eq!(items.as_array().map(Vec::len), Some(1), "{list}");
        assert_eq!(name(&items[0]), "canary/repository", "{list}");
    }
    let elsewhere = of("/api/v2/incidents?repository=canary/other").json();
    assert_eq!(elsewhere["items"].as_array().map(Vec::len), Some(0));
}

/// Who was answered that something is pending finds it, and what it led to.
#[test]
fn pending_commands_are_answered_with_202_and_found_in_the_list_of_their_connection() {
    let api = Stage::new();
    let connection = format!("/api/v2/repositories/connections/{}", api.connection.id);
    let (incident, delivery) = (
        format!("/api/v2/incidents/{}", api.incident),
        format!("/api/v2/deliveries/{}", api.delivery),
    );
    api.connections.is_slow.store(true, Ordering::SeqCst);
    let both = r#"{"is_enabled":false,"webhook_events":["push"]}"#;
    let mut wanted = vec![Value::from(api.command.to_string())];
    for (line, kind) in [
        (format!("PATCH {connection}"), "pause"),
        (format!("POST {connection}/check"), "check"),
        (format!("POST {incident}/acknowledge"), "acknowledge"),
        (format!("POST {incident}/resolve"), "resolve"),
        (format!("POST {delivery}/replay"), "replay"),
    ] {
        let body = (kind == "pause").then_some(both);
        let is_whole = ["acknowledge", "resolve"].contains(&kind);
        let at = if is_whole { "" } else { "/command" };
        let reply = api.call(Some(&api.owner), &line, body);
        assert_eq!(reply.status, 202, "{line}: {reply:?}");
        let command = reply.json().pointer(at).unwrap().clone();
        let (state, given) = (command["state"].clone(), command["kind"].clone());
        assert_eq!((state, given), ("asked".into(), kind.into()), "{line}");
        let line = format!("GET /api/v2/commands/{}", command["id"].as_str().unwrap());
        assert_eq!(api.call(Some(&api.owner), &line, None).json(), command);
        wanted.push(command["id"].clone());
    }
    let list = |rest: &str| {
        let line = format!("GET {connection}/commands{rest}");
        api.call(Some(&api.owner), &line, None).json()
    };
    let ids = |list: &Value| -> Vec<Value> {
        let items = list["items"].as_array().unwrap();
        items.iter().map(|command| command["id"].clone()).collect()
    };
    let all = list("");
    let kinds: Vec<&Value> = (all["items"].as_array().unwrap().iter())
        .map(|command| &command["kind"])
        .collect();
    let expected = "replay resolve acknowledge check pause set_events check";
    assert_eq!(kinds, expected.split(' ').collect::<Vec<_>>());
    let mut newest_first = ids(&all);
    newest_first.remove(5);
    newest_first.reverse();
    assert_eq!(newest_first, wanted);
    let page = list("?limit=3");
    let next = format!("?limit=4&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!([ids(&page), ids(&list(&next))].concat(), ids(&all));
    assert!(list(&next)["next_cursor"].is_null());
}
