//! What derives cannot say of the bodies of requests.

use crate::api::schema::{FULL_NAME, OWNER_AND_NAME};
use crate::provider::gitlab;
use serde_json::{Value, json};

/// A field that must be there.
fn given(name: &str, kind: &str) -> Value {
    let kind = json!({ "type": kind });
    json!({ "required": [name], "properties": { name: kind } })
}

/// The selection and the whole body of a bulk request. The provider of an event is known when the
/// connections are.
fn operations(events: &Value) -> (Value, Value) {
    let selects = ["provider", "host", "owner", "match", "status"];
    let mut selects: Vec<Value> = selects.iter().map(|name| given(name, "string")).collect();
    selects.push(given("ids", "array"));
    selects.push(json!({ "required": ["all"], "properties": { "all": { "const": true } } }));
    let (no, some) = (json!({ "type": "null" }), json!({ "type": "object" }));
    let others = [
        "check",
        "ping",
        "recreate",
        "rotate_secret",
        "pause",
        "resume",
    ];
    let actions = json!([
        { "required": ["select"], "properties": {
            "action": { "enum": others }, "webhook_events": no, "delete_webhook": no,
            "select": some, "repositories": no,
        } },
        { "required": ["select"], "properties": {
            "action": { "const": "disconnect" }, "webhook_events": no, "select": some,
            "repositories": no,
        } },
        { "required": ["select", "webhook_events"], "properties": {
            "action": { "const": "set_events" }, "webhook_events": events,
            "delete_webhook": no, "select": some, "repositories": no,
        } },
        { "required": ["repositories"], "properties": {
            "action": { "const": "connect" }, "webhook_events": no, "delete_webhook": no,
            "select": no, "repositories": { "type": "array" }, "limit": no, "cursor": no,
        } },
    ]);
    let pages = json!([
        { "required": ["dry_run"], "properties": { "dry_run": { "const": true } } },
        { "properties": { "limit": no, "cursor": no } },
    ]);
    let bulk = json!({ "allOf": [{ "anyOf": actions }, { "anyOf": pages }] });
    (json!({ "anyOf": selects }), bulk)
}

/// What must be given, and what goes together.
pub(super) fn bodies() -> [(&'static str, Value); 7] {
    let is_null = |name: &str| json!({ "properties": { name: { "type": "null" } } });
    let both = |given: Value, other: Value| json!({ "allOf": [given, other] });
    let connect = |provider: &Value, name: &str, events: Value| {
        let events = json!({ "anyOf": [events, { "type": "null" }] });
        json!({ "properties": {
            "provider": provider, "repository_full_name": { "pattern": name },
            "webhook_events": events,
        } })
    };
    let not_all = json!({ "type": "array", "items": { "pattern": "^[a-z_]{1,100}$" } });
    let of_github = json!({ "anyOf": [{ "const": ["*"] }, not_all] });
    let of_gitlab = json!({ "type": "array", "items": { "enum": gitlab::EVENTS } });
    let github = json!({ "enum": ["github", null] });
    let github = connect(&github, OWNER_AND_NAME, of_github.clone());
    let mut gitlab = connect(&json!({ "const": "gitlab" }), FULL_NAME, of_gitlab);
    gitlab["required"] = json!(["provider"]);
    let token = both(given("token", "string"), is_null("installation"));
    let installation = both(given("installation", "string"), is_null("token"));
    let incident = both(given("incident_id", "string"), is_null("run_id"));
    let run = both(given("run_id", "string"), is_null("incident_id"));
    let for_long = both(given("for", "string"), is_null("until"));
    let until = both(given("until", "string"), is_null("for"));
    let (select, bulk) = operations(&of_github);
    [
        ("Select", select),
        ("Bulk", bulk),
        ("RulesTest", json!({ "oneOf": [incident, run] })),
        ("Mute", json!({ "oneOf": [for_long, until] })),
        ("NewCredential", json!({ "oneOf": [token, installation] })),
        ("Connect", json!({ "anyOf": [github, gitlab] })),
        (
            "ConnectionPatch",
            json!({
                "anyOf": [
                    both(given("is_enabled", "boolean"), json!({ "properties": {
                        "webhook_events": { "anyOf": [of_github, { "type": "null" }] },
                    } })),
                    both(given("webhook_events", "array"), json!({ "properties": {
                        "webhook_events": of_github,
                    } })),
                ],
            }),
        ),
    ]
}
