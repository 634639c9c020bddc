//! Bulk requests: what they select, what they refuse, and what a dry run says.

use super::connections::futures_now;
use super::stage::{Stage, connect};
use crate::domain::id::HookId;
use crate::domain::lifecycle::{Desired, Hook, Phase};
use crate::domain::operation::UNFINISHED_MAX;
use crate::store::{Batch, Change, Read, Store};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATH: &str = "repositories/bulk";

/// A stage where the owner has connections to these repositories, besides the first one.
fn stage(names: &[&str]) -> (Stage, Vec<String>) {
    let api = Stage::new();
    let connected = names.iter().map(|name| {
        let connection = connect(&api.connections, api.owner.user, name, api.credential);
        connection.id.to_string()
    });
    let ids = connected.collect();
    (api, ids)
}

fn plan(api: &Stage, body: &Value) -> Value {
    let mut body = body.clone();
    body["dry_run"] = true.into();
    let reply = api.owner.post(PATH, body.to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["plan"].clone()
}

fn names(plan: &Value) -> Vec<&str> {
    let items = plan["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["repository_full_name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_selection_is_what_fits_everything_that_is_given() {
    let (api, ids) = stage(&["octo/a", "octo/b", "other/a"]);
    let all = ["other/a", "octo/b", "octo/a", "canary/repository"];
    for (select, wanted) in [
        (json!({ "all": true }), &all[..]),
        (json!({ "provider": "github" }), &all),
        (json!({ "provider": "gitlab" }), &[]),
        (json!({ "host": "github.com" }), &all),
        (json!({ "host": "elsewhere.test" }), &[]),
        (json!({ "owner": "OCTO" }), &["octo/b", "octo/a"]),
        (json!({ "match": "*/a" }), &["other/a", "octo/a"]),
        (json!({ "match": "octo/b", "all": true }), &["octo/b"]),
        (json!({ "match": "*/a", "owner": "octo" }), &["octo/a"]),
        (json!({ "status": "pending" }), &all),
        (json!({ "status": "active" }), &[]),
        (
            json!({ "ids": [ids[0], ids[2], ids[0]] }),
            &["other/a", "octo/a"],
        ),
        (
            json!({ "ids": [ids[0], ids[2]], "owner": "octo" }),
            &["octo/a"],
        ),
    ] {
        let plan = plan(&api, &json!({ "action": "pause", "select": select }));
        assert_eq!(names(&plan), wanted, "{select}");
        assert_eq!(plan["total"], wanted.len());
        assert_eq!(plan["changing"], wanted.len());
        let body = json!({ "action": "check", "select": select });
        let reply = api.owner.post(PATH, body.to_string());
        assert_eq!(reply.status, 202, "{reply:?}");
        assert_eq!(reply.json()["operation"]["total"], wanted.len());
        let id = reply.json()["operation"]["id"].as_str().unwrap().to_owned();
        if !wanted.is_empty() {
            let cancelled = api.owner.post(format!("operations/{id}/cancel"), "");
            assert_eq!(cancelled.status, 200, "{cancelled:?}");
            assert_eq!(cancelled.json()["state"], "cancelled");
        }
    }
}

#[test]
fn what_is_not_understood_or_selects_by_omission_is_refused_and_stores_nothing() {
    let (api, ids) = stage(&["octo/a"]);
    let before = api.store.operations_unfinished().ready().unwrap();
    let foreign = api.also_connected().id.to_string();
    let all = json!({ "all": true });
    let with = |name: &str, value: Value| {
        let mut body = json!({ "action": "check", "select": all });
        body[name] = value;
        body
    };
    let events =
        |value: Value| json!({ "action": "set_events", "select": all, "webhook_events": value });
    for (body, code) in [
        (json!({ "action": "check" }), "invalid_field"),
        (json!({ "select": all }), "bad_json"),
        (with("select", json!({})), "invalid_field"),
        (with("select", json!({ "all": false })), "invalid_field"),
        (with("select", json!({ "ids": [] })), "invalid_field"),
        (
            with("select", json!({ "ids": vec![&ids[0]; 5001] })),
            "invalid_field",
        ),
        (with("select", json!({ "ids": ["con_x"] })), "not_found"),
        (
            with("select", json!({ "ids": [ids[0], foreign] })),
            "not_found",
        ),
        (with("select", json!({ "every": true })), "unknown_field"),
        (with("select", json!({ "status": "fine" })), "invalid_field"),
        (with("select", json!({ "provider": "x" })), "invalid_field"),
        (with("select", json!({ "host": "a b" })), "invalid_field"),
        (with("select", json!({ "owner": "/" })), "invalid_field"),
        (with("select", json!({ "match": "[" })), "invalid_field"),
        (with("action", "explode".into()), "invalid_field"),
        (with("delete_webhook", true.into()), "invalid_field"),
        (with("webhook_events", json!(["push"])), "invalid_field"),
        (with("limit", 5.into()), "invalid_field"),
        (with("sure", true.into()), "unknown_field"),
        (
            json!({ "action": "set_events", "select": all }),
            "invalid_field",
        ),
        (events(json!([])), "invalid_field"),
        (events(json!(["no such event"])), "invalid_field"),
        (events(json!(["*", "push"])), "invalid_field"),
    ] {
        for is_dry in [false, true] {
            let mut body = body.clone();
            if is_dry && body["limit"].is_null() {
                body["dry_run"] = true.into();
            }
            let reply = api.owner.post(PATH, body.to_string());
            assert_eq!(reply.json()["code"], code, "{body}: {reply:?}");
        }
    }
    let mut body = json!({ "action": "check", "select": all, "dry_run": true, "cursor": "x" });
    assert_eq!(
        api.owner.post(PATH, body.to_string()).json()["code"],
        "bad_cursor"
    );
    (body["cursor"], body["limit"]) = (Value::Null, 101.into());
    assert_eq!(
        api.owner.post(PATH, body.to_string()).json()["code"],
        "invalid_field"
    );
    assert_eq!(api.store.operations_unfinished().ready().unwrap(), before);
}

/// Connections of `octo`, newest first: one that works, a paused one, and one with other events.
fn three() -> Stage {
    let (api, ids) = stage(&["octo/active", "octo/paused", "octo/other"]);
    for (id, event) in ids.iter().zip(["push", "push", "issues"]) {
        let found = api.store.connection(id.parse().unwrap());
        let mut connection = found.ready().unwrap().unwrap();
        connection.events = vec![event.into()];
        let l = &mut connection.lifecycle;
        (l.phase, l.hook) = (Phase::Active, Hook::Present(HookId(1)));
        if *id == ids[1] {
            (l.desired, l.phase) = (Desired::Paused, Phase::Idle);
        }
        api.commit(vec![Change::PutConnection(Box::new(connection))]);
    }
    api
}

#[test]
fn a_dry_run_says_what_would_change_and_why_not_and_stores_nothing() {
    let api = three();
    let expect = |mut body: Value, wanted: [&str; 3], changing: u64| {
        body["select"] = json!({ "owner": "octo" });
        let plan = plan(&api, &body);
        let items = plan["items"].as_array().unwrap();
        let results: Vec<&str> = items
            .iter()
            .map(|it| it["result"].as_str().unwrap())
            .collect();
        assert_eq!(results, wanted, "{body}");
        assert_eq!(plan["changing"], changing, "{body}");
        let changes = items.iter().filter(|item| item["changes"] == true);
        assert_eq!(changes.count() as u64, changing, "{body}");
        items.clone()
    };
    let of = |action: &str| json!({ "action": action });
    expect(of("pause"), ["pause", "already_paused", "pause"], 2);
    expect(
        of("resume"),
        ["already_enabled", "resume", "already_enabled"],
        1,
    );
    expect(of("check"), ["check", "paused", "check"], 2);
    expect(of("ping"), ["ping", "paused", "ping"], 2);
    expect(of("recreate"), ["recreate", "when_resumed", "recreate"], 3);
    expect(of("disconnect"), ["disconnect"; 3], 3);
    let keeping = json!({ "action": "disconnect", "delete_webhook": false });
    expect(keeping, ["disconnect_keeping_webhook"; 3], 3);
    let events = |names: &[&str]| json!({ "action": "set_events", "webhook_events": names });
    expect(
        events(&["issues"]),
        ["same_events", "when_resumed", "set_events"],
        2,
    );
    let results = ["set_events", "when_resumed", "set_events"];
    let items = expect(events(&["issues", "create"]), results, 3);
    assert_eq!(items[0]["added_events"], json!(["create"]));
    assert_eq!(items[0]["removed_events"], json!([]));
    assert_eq!(items[2]["added_events"], json!(["create", "issues"]));
    assert_eq!(items[2]["removed_events"], json!(["push"]));
    let unfinished = api.store.operations_unfinished().ready().unwrap();
    assert_eq!(unfinished.len(), 1, "the stage's own");
    assert!(api.connections.commands.lock().is_empty());
}

#[test]
fn the_pages_of_a_dry_run_show_each_connection_once() {
    let names: Vec<String> = (0..7).map(|n| format!("octo/r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (api, ids) = stage(&names);
    for select in [json!({ "owner": "octo" }), json!({ "ids": ids })] {
        let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), Value::Null, 0);
        loop {
            let body = json!({ "action": "pause", "select": select, "limit": 3, "cursor": cursor });
            let plan = plan(&api, &body);
            for item in plan["items"].as_array().unwrap() {
                assert!(seen.insert(item["connection_id"].as_str().unwrap().to_owned()));
            }
            let total = if cursor.is_null() {
                json!(7)
            } else {
                Value::Null
            };
            assert_eq!((&plan["total"], &plan["changing"]), (&total, &total));
            (cursor, pages) = (plan["next_cursor"].clone(), pages + 1);
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!((seen, pages), (ids.iter().cloned().collect(), 3));
    }
}

#[test]
fn repositories_are_connected_by_an_operation() {
    let (api, _) = stage(&[]);
    let new = |name: &str| json!({ "repository_full_name": name });
    let body = |repositories: Value| json!({ "action": "connect", "repositories": repositories });
    let (known, fresh) = (new("Canary/Repository"), new("octo/new"));
    let plan = plan(&api, &body(json!([known, fresh])));
    let results = plan["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["result"]);
    assert_eq!(
        results.collect::<Vec<_>>(),
        ["already_connected", "connect"]
    );
    assert_eq!((&plan["total"], &plan["changing"]), (&json!(2), &json!(1)));
    assert_eq!(
        plan["items"][0]["connection_id"],
        api.connection.id.to_string()
    );

    let reply = api
        .owner
        .post(PATH, body(json!([known, fresh])).to_string());
    assert_eq!(reply.status, 202, "{reply:?}");
    let operation = reply.json()["operation"].clone();
    assert_eq!(
        (&operation["action"], &operation["total"]),
        (&json!("connect"), &json!(2))
    );
    let foreign = json!({
        "repository_full_name": "octo/x", "credential_id": api.credential.to_string(),
    });
    let refused = api.foreign.post(PATH, body(json!([foreign])).to_string());
    refused.is(422, "no_credential");
    for (repositories, code) in [
        (json!([]), "invalid_field"),
        (json!([fresh, new("OCTO/new")]), "invalid_field"),
        (json!([new("octo")]), "invalid_field"),
        (json!(vec![&fresh; 1001]), "invalid_field"),
        (
            json!([{ "repository_full_name": "o/r", "host": "elsewhere.test" }]),
            "unknown_provider",
        ),
        (
            json!([{ "repository_full_name": "o/r", "events": [] }]),
            "unknown_field",
        ),
    ] {
        let reply = api.owner.post(PATH, body(repositories).to_string());
        assert_eq!(reply.json()["code"], code, "{reply:?}");
    }
    let mut both = body(json!([fresh]));
    both["select"] = json!({ "all": true });
    api.owner
        .post(PATH, both.to_string())
        .is(422, "invalid_field");
}

#[test]
fn operations_are_listed_newest_first_and_their_number_is_bounded() {
    let (api, _) = stage(&[]);
    let body = json!({ "action": "check", "select": { "all": true } }).to_string();
    let mut ids = vec![api.operation.to_string()];
    for _ in 1..UNFINISHED_MAX {
        let reply = api.owner.post(PATH, &body);
        ids.push(reply.json()["operation"]["id"].as_str().unwrap().to_owned());
    }
    api.owner.post(PATH, &body).is(429, "quota_reached");
    let page = api.owner.show("operations?limit=10");
    let more = page["next_cursor"].as_str().unwrap();
    let rest = api.owner.show(format!("operations?cursor={more}"));
    let items = [&page, &rest].map(|page| page["items"].as_array().unwrap().clone());
    let listed: Vec<&str> = items
        .iter()
        .flatten()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    ids.reverse();
    assert_eq!(listed, ids);
    assert_eq!(api.foreign.show("operations")["items"], json!([]));
    let path = format!("operations/{}/cancel", ids[0]);
    assert_eq!(api.owner.post(&path, "").status, 200);
    api.owner.post(&path, "").is(409, "not_now");
    assert_eq!(api.owner.post(PATH, &body).status, 202);
    let put = Change::ForgetOperation(ids[0].parse().unwrap());
    futures_now(api.store.commit(Batch::of(vec![put]))).unwrap();
    api.owner
        .get(format!("operations/{}", ids[0]))
        .is(404, "not_found");
}
