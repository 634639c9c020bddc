//! The shapes and the ways of the resources.

use super::stage::{Stage, connect};
use super::wire::send;
use crate::domain::command::CommandKind;
use crate::domain::removal::HookOutcome;
use crate::store::Change;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[track_caller]
fn items(list: &Value) -> &Vec<Value> {
    list["items"].as_array().unwrap()
}

fn sorted(words: &str) -> Vec<&str> {
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.sort_unstable();
    words
}

#[test]
fn a_connection_and_an_incident_have_just_the_fields_that_were_promised() {
    let api = Stage::new();
    let connection = api.owner.show(api.path());
    let promised = "id provider host repository_id repository_full_name repository_name owner_name
        webhook_id webhook_url webhook_status webhook_events webhook_created_at
        webhook_last_delivery_at is_enabled created_at last_event_at health last_error
        existing_webhooks replaces_existing";
    assert_eq!(keys(&connection), sorted(promised));
    assert_eq!(connection["repository_id"], "4711");
    assert_eq!(connection["owner_name"], "canary");
    let key = &api.connection.hook_key;
    let url = format!("http://127.0.0.1:8080/api/v2/webhooks/github/{key}");
    assert_eq!(connection["webhook_url"], url);
    let incident = api.owner.show(format!("incidents/{}", api.incident));
    let promised = "id status severity source failure_type title connection_id
        repository_full_name sink_id provider host connections_affected
        run_id workflow_name branch head_branch head_repository pull_request
        trigger commit_sha commit_message author run_url failed_jobs occurrences first_seen_at
        last_seen_at acknowledged_at resolved_at resolution flaky flapping
        assignee_id muted_until notes explanation";
    assert_eq!(keys(&incident), sorted(promised));
    assert_eq!(incident["repository_full_name"], "canary/repository");
    let job = json!({"name": "canary job", "stage": null, "reason": "timed_out"});
    assert_eq!(incident["failed_jobs"], json!([job]));
}

#[test]
fn connecting_uses_the_defaults_and_answers_201() {
    let api = Stage::new();
    let body = r#"{"repository_full_name":"o/r"}"#;
    let reply = api.owner.post("repositories/connect", body);
    assert_eq!(reply.status, 201);
    let connection = reply.json();
    let events = "check_run check_suite delete deployment_status pull_request push repository \
                  status workflow_job workflow_run";
    assert_eq!(connection["webhook_events"], json!(sorted(events)));
    assert_eq!(connection["provider"], "github");
    assert_eq!(connection["webhook_status"], "pending");
}

#[test]
fn a_list_is_walked_with_its_cursor_newest_first() {
    let api = Stage::new();
    for n in 0..6 {
        let (user, name) = (api.owner.user, format!("o/r{n}"));
        connect(&api.connections, user, &name, api.credential);
    }
    let mut seen = Vec::new();
    let mut path = "repositories/connections?limit=3".to_owned();
    loop {
        let page = api.owner.show(&path);
        assert_eq!(page["total"], 7);
        let names = page["connections"].as_array().unwrap().iter();
        seen.extend(names.map(|c| c["repository_name"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("repositories/connections?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, ["r5", "r4", "r3", "r2", "r1", "r0", "repository"]);
}

#[test]
fn repositories_are_paged_within_the_providers_pages() {
    let api = Stage::new();
    let (mut seen, mut path) = (Vec::new(), "repositories/github?limit=2".to_owned());
    loop {
        let page = api.owner.show(&path);
        seen.extend(items(&page).iter().map(|r| r["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("repositories/github?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5"]);
    let none = api.foreign.get("repositories/github");
    none.is(422, "no_credential");
}

#[test]
fn repositories_are_narrowed_down_to_an_owner_who_must_be_there() {
    let api = Stage::new();
    let ask = |query: &str| api.owner.get(format!("repositories/{query}"));
    let count = |query: &str| items(&ask(query).json()).len();
    assert_eq!((count("github?owner=O"), count("github?owner=o2")), (3, 0));
    ask("github?owner=nobody").is(404, "owner_not_found");
    ask("github?owner=a/b").is(404, "owner_not_found");
    for bad in ["", "a%20b", "%2F"] {
        ask(&format!("github?owner={bad}")).is(400, "bad_query");
    }
    // A user who tries names is stopped, and not by asking the provider.
    let refused = (0..1000).find(|_| ask("github?owner=nobody").status != 404);
    assert!(refused.is_some());
    ask("github?owner=o").is(429, "too_many_requests");
    assert_eq!(count("github"), 3, "the list itself continues");
}

#[test]
fn patching_sends_both_commands_and_shows_the_result() {
    let api = Stage::new();
    let body = r#"{"is_enabled":false,"webhook_events":["push","check_run"]}"#;
    let connection = api.owner.patch(api.path(), body).json();
    assert_eq!(connection["is_enabled"], false);
    assert_eq!(connection["webhook_status"], "inactive");
    assert_eq!(connection["webhook_events"], json!(["check_run", "push"]));
    assert_eq!(api.connections.commands.lock().len(), 2);
}

#[test]
fn disconnecting_succeeds_with_the_provider_down_and_ends_it_for_the_user() {
    let api = Stage::new();
    let reply = api.owner.delete(api.path());
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    for (field, value) in [
        ("success", json!(true)),
        ("webhook_deleted", json!(false)),
        ("webhook_outcome", json!("pending")),
        ("repository_full_name", json!("canary/repository")),
    ] {
        assert_eq!(answer[field], value, "{field}");
    }
    let disconnect = CommandKind::Disconnect { delete_hook: true };
    let wanted = (api.connection.id, disconnect);
    assert_eq!(*api.connections.commands.lock(), [wanted]);
    api.owner.get(api.path()).is(404, "not_found");
    api.owner.delete(api.path()).is(404, "not_found");
    let check = api.owner.post(format!("{}/check", api.path()), "");
    check.is(404, "not_found");
    let list = api.owner.show("repositories/connections");
    assert_eq!(list["total"], 0);
}

#[test]
fn a_webhook_is_said_to_be_deleted_only_when_the_provider_has_shown_it() {
    for outcome in HookOutcome::ALL {
        let api = Stage::new();
        *api.connections.outcome.lock() = outcome;
        let answer = api.owner.delete(api.path()).json();
        let is_deleted = outcome == HookOutcome::Deleted;
        assert_eq!(answer["webhook_deleted"], is_deleted, "{answer}");
        assert_eq!(answer["webhook_outcome"], outcome.as_str());
        let message = answer["message"].as_str().unwrap();
        assert_eq!(message.contains("was deleted"), is_deleted, "{answer}");
    }
}

#[test]
fn a_hook_can_be_left_and_a_misspelt_wish_is_no_wish() {
    let api = Stage::new();
    for bad in ["delete_webhok=false", "delete_webhook=no", "delete_webhook"] {
        let reply = api.owner.delete(format!("{}?{bad}", api.path()));
        reply.is(400, "bad_query");
    }
    assert!(api.connections.commands.lock().is_empty());
    let path = format!("{}?delete_webhook=false", api.path());
    assert_eq!(api.owner.delete(path).json()["webhook_deleted"], false);
    let disconnect = CommandKind::Disconnect { delete_hook: false };
    let wanted = (api.connection.id, disconnect);
    assert_eq!(*api.connections.commands.lock(), [wanted]);
}

#[test]
fn users_are_added_by_admins_with_a_token_that_works() {
    let api = Stage::new();
    let reply = api.admin.post("users", r#"{"name":"ann"}"#);
    assert_eq!(reply.status, 201);
    let token = reply.text("token");
    assert!(token.starts_with("hhk_"));
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let me = send(api.at, "GET /api/v2/whoami", &headers, None).json();
    assert_eq!(
        (&me["name"], &me["is_admin"]),
        (&json!("ann"), &json!(false))
    );
    let again = api.admin.post("users", r#"{"name":"ann"}"#);
    again.is(409, "user_exists");
    let bad = api.admin.post("users", r#"{"name":"a b"}"#);
    bad.is(422, "invalid_field");
    let users = api.admin.show("users");
    assert_eq!(
        (&items(&users)[0]["name"], items(&users).len()),
        (&json!("ann"), 4)
    );
    assert_eq!(api.admin.post("tokens", r#"{"user":"ann"}"#).status, 201);
    let nobody = api.admin.post("tokens", r#"{"user":"bob"}"#);
    nobody.is(404, "not_found");
}

#[test]
fn a_delivery_is_shown_with_headers_and_payload() {
    let api = Stage::new();
    let delivery = api.owner.show(format!("deliveries/{}", api.delivery));
    assert_eq!(delivery["payload"], json!({"canary": 1}));
    assert_eq!(delivery["headers"]["x-github-event"], "push");
    assert_eq!(delivery["state"], "received");
    assert_eq!(delivery["outcome"], Value::Null);
}

#[test]
fn totals_are_the_callers_own() {
    let api = Stage::new();
    let (stats, none) = (api.owner.show("stats"), api.foreign.show("stats"));
    for (at, own) in [
        ("/connections_total", 1),
        ("/connections_by_status/pending", 1),
        ("/incidents/by_status/open", 1),
        ("/incidents/opened_last_hour", 1),
        ("/deliveries/pending", 1),
        ("/deliveries/sampled", 1),
    ] {
        assert_eq!(stats.pointer(at), Some(&json!(own)), "{at}");
        assert_eq!(none.pointer(at), Some(&json!(0)), "{at}");
    }
    assert_eq!(stats["webhooks_to_delete"], 0);
    assert_eq!(stats["webhooks_to_move"], Value::Null, "not known yet");
}

/// What is known of a repository goes with its connection; an incident still says which it was.
#[test]
fn incidents_keep_the_name_of_their_repository_after_a_disconnect() {
    let api = Stage::new();
    let one = format!("incidents/{}", api.incident);
    let named = "incidents?repository=canary/repository&provider=github";
    let before = api.owner.show(&one);
    assert_eq!(before["repository_full_name"], "canary/repository");
    api.commit(vec![Change::DeleteConnection(api.connection.id)]);
    api.owner.get(api.path()).is(404, "not_found");
    assert_eq!(api.owner.show(&one), before);
    let mut before = before;
    before.as_object_mut().unwrap().remove("explanation");
    for list in ["incidents", named] {
        let page = api.owner.show(list);
        assert_eq!(items(&page), std::slice::from_ref(&before), "{list}");
    }
    let elsewhere = api.owner.show("incidents?repository=canary/other");
    assert_eq!(items(&elsewhere).len(), 0);
}

/// A user who was answered that a command is pending finds it, and what it led to.
#[test]
fn pending_commands_are_answered_with_202_and_found_in_the_list_of_their_connection() {
    let api = Stage::new();
    let (connection, incident) = (api.path(), format!("incidents/{}", api.incident));
    let delivery = format!("deliveries/{}", api.delivery);
    api.connections.is_slow.store(true, Ordering::SeqCst);
    let both = r#"{"is_enabled":false,"webhook_events":["push"]}"#;
    let mut wanted = vec![json!(api.command.to_string())];
    for (path, kind, at) in [
        (format!("{connection}/check"), "check", "/command"),
        (format!("{incident}/acknowledge"), "acknowledge", ""),
        (format!("{incident}/resolve"), "resolve", ""),
        (format!("{delivery}/replay"), "replay", "/command"),
        (connection.clone(), "pause", "/command"),
    ] {
        let reply = if kind == "pause" {
            api.owner.patch(path, both)
        } else {
            api.owner.post(path, "")
        };
        assert_eq!(reply.status, 202, "{kind}: {reply:?}");
        let command = reply.json().pointer(at).unwrap().clone();
        assert_eq!(command["state"], "asked", "{kind}");
        assert_eq!(command["kind"], kind);
        let path = format!("commands/{}", command["id"].as_str().unwrap());
        assert_eq!(api.owner.show(path), command);
        wanted.push(command["id"].clone());
    }
    let list = |rest: &str| api.owner.show(format!("{connection}/commands{rest}"));
    let fields = |list: &Value, field: &str| -> Vec<Value> {
        let fields = items(list).iter().map(|command| command[field].clone());
        fields.collect()
    };
    let all = list("");
    let kinds = "pause set_events replay resolve acknowledge check check";
    assert_eq!(fields(&all, "kind"), kinds.split(' ').collect::<Vec<_>>());
    let mut oldest_first = fields(&all, "id");
    oldest_first.reverse();
    oldest_first.retain(|id| wanted.contains(id));
    assert_eq!(oldest_first, wanted);
    let page = list("?limit=3");
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = list(&format!("?limit=4&cursor={cursor}"));
    let both_pages = [fields(&page, "id"), fields(&next, "id")].concat();
    assert_eq!(both_pages, fields(&all, "id"));
    assert!(next["next_cursor"].is_null());
    // Once the connection is gone, too, but to nobody else.
    api.commit(vec![Change::DeleteConnection(api.connection.id)]);
    assert_eq!(list(""), all);
    assert_eq!(list(&format!("?limit=4&cursor={cursor}")), next);
    let foreign = api.foreign.get(format!("{connection}/commands"));
    assert_eq!(foreign.status, 404, "{foreign:?}");
}
