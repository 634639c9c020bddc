//! What derives cannot say of the bodies of requests.

use crate::api::schema::{FULL_NAME, OWNER_AND_NAME};
use crate::provider::gitlab;
use serde_json::{Value, json};

/// What must be given, and what goes together.
pub(super) fn bodies() -> [(&'static str, Value); 3] {
    let given = |name: &str, kind: &str| {
        let kind = json!({ "type": kind });
        json!({ "required": [name], "properties": { name: kind } })
    };
    let is_null = |name: &str| json!({ "properties": { name: { "type": "null" } } });
    let both = |given: Value, other: Value| json!({ "allOf": [given, other] });
    let connect = |provider: &Value, name: &str, events: Value| {
        let events = json!({ "anyOf": [events, { "type": "null" }] });
        json!({ "properties": {
            "provider": provider, "repository_full_name": { "pattern": name },
            "webhook_events": events,
        } })
    };
    let not_all = json!({ "items": { "pattern": "^[a-z_]{1,100}$" } });
    let of_github = json!({ "anyOf": [{ "const": ["*"] }, not_all] });
    let of_gitlab = json!({ "items": { "enum": gitlab::EVENTS } });
    let github = json!({ "enum": ["github", null] });
    let github = connect(&github, OWNER_AND_NAME, of_github.clone());
    let mut gitlab = connect(&json!({ "const": "gitlab" }), FULL_NAME, of_gitlab);
    gitlab["required"] = json!(["provider"]);
    let token = both(given("token", "string"), is_null("installation"));
    let installation = both(given("installation", "string"), is_null("token"));
    [
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
