//! Templates and digests of sinks.

use super::stage::Stage;
use serde_json::{Value, json};

fn sink(kind: &str, more: &Value) -> String {
    let mut body = json!({
        "name": "chat", "kind": kind, "url": "https://127.0.0.1:9/topic",
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

#[test]
fn templates_are_set_shown_changed_and_cleared() {
    let api = Stage::new();
    let (title, text) = ("{{ title }}!", "{{ branch }}\n{{ author }}");
    let body = sink("ntfy", &json!({ "title_template": title }));
    let added = api.owner.post("sinks", &body);
    assert_eq!(added.status, 201, "{added:?}");
    let path = format!("sinks/{}", added.text("id"));
    let shown = || {
        let sink = api.owner.show(&path);
        (
            sink["title_template"].clone(),
            sink["text_template"].clone(),
        )
    };
    assert_eq!(shown(), (json!(title), Value::Null));
    let set = |body: Value| api.owner.patch(&path, body.to_string());
    assert_eq!(set(json!({ "text_template": text })).status, 200);
    assert_eq!(shown(), (json!(title), json!(text)));
    assert_eq!(
        set(json!({ "title_template": "", "name": "other" })).status,
        200
    );
    assert_eq!(shown(), (Value::Null, json!(text)));
    assert_eq!(set(json!({ "text_template": null })).status, 200);
    assert_eq!(
        shown(),
        (Value::Null, json!(text)),
        "null says nothing, as elsewhere"
    );
    let tested = api.owner.post(format!("{path}/test"), "{}").json();
    assert_eq!(tested["template_error"], Value::Null);
}

#[test]
fn a_template_that_will_not_do_is_named_with_its_line_and_changes_nothing() {
    let api = Stage::new();
    let have = api.owner.show("sinks")["items"].as_array().unwrap().len();
    for (kind, templates, detail) in [
        (
            "ntfy",
            json!({ "title_template": "\n{{ x" }),
            "title_template: line 2: syntax error: ",
        ),
        (
            "ntfy",
            json!({ "text_template": "{{ nope }}" }),
            "text_template: line 1: there is no ",
        ),
        (
            "webhook",
            json!({ "title_template": "x" }),
            "title_template: a sink of the kind webhook",
        ),
    ] {
        let reply = api.owner.post("sinks", sink(kind, &templates));
        reply.is(422, "sink_unfit");
        assert!(
            reply.text("detail").starts_with(detail),
            "{}",
            reply.text("detail")
        );
    }
    assert_eq!(
        api.owner.show("sinks")["items"].as_array().unwrap().len(),
        have
    );
    let added = api
        .owner
        .post("sinks", sink("ntfy", &json!({ "title_template": "a" })));
    let path = format!("sinks/{}", added.text("id"));
    let edit = json!({ "name": "other", "title_template": "{{ title.x }}" });
    api.owner
        .patch(&path, edit.to_string())
        .is(422, "sink_unfit");
    let sink = api.owner.show(&path);
    assert_eq!(
        (&sink["name"], &sink["title_template"]),
        (&json!("chat"), &json!("a"))
    );
}

#[test]
fn a_digest_is_set_shown_changed_and_ended() {
    let api = Stage::new();
    let digest = json!({ "every": "weekly", "day": "friday", "at": "17:30",
        "time_zone": "europe/berlin" });
    let added = api
        .owner
        .post("sinks", sink("ntfy", &json!({ "digest": digest })));
    assert_eq!(added.status, 201, "{added:?}");
    let path = format!("sinks/{}", added.text("id"));
    let shown = || api.owner.show(&path)["digest"].clone();
    let has = |name: &str| shown()[name].clone();
    assert_eq!(
        (has("every"), has("day")),
        (json!("weekly"), json!("friday"))
    );
    assert_eq!(
        (has("at"), has("time_zone")),
        (json!("17:30"), json!("Europe/Berlin"))
    );
    assert!(has("covered_until").is_string() && has("empty") == false);
    let set = |digest: Value| {
        let body = json!({ "digest": digest });
        api.owner.patch(&path, body.to_string())
    };
    assert_eq!(set(json!({ "every": "daily", "empty": true })).status, 200);
    assert_eq!(
        (has("at"), has("day"), has("empty")),
        (json!("09:00"), Value::Null, true.into())
    );
    for (bad, code, field) in [
        (
            json!({ "every": "hourly" }),
            "invalid_field",
            "digest.every: ",
        ),
        (
            json!({ "every": "daily", "at": "9:00" }),
            "invalid_field",
            "digest.at: ",
        ),
        (
            json!({ "every": "weekly", "day": "Fri" }),
            "invalid_field",
            "digest.day: ",
        ),
        (
            json!({ "every": "daily", "time_zone": "x/y" }),
            "sink_unfit",
            "digest.time_zone: ",
        ),
    ] {
        let reply = set(bad);
        reply.is(422, code);
        assert!(
            reply.text("detail").starts_with(field),
            "{}",
            reply.text("detail")
        );
    }
    assert_eq!(has("every"), json!("daily"));
    assert_eq!(set(json!({ "every": "never" })).status, 200);
    assert_eq!(shown(), Value::Null);
    let body = json!({ "name": "x", "kind": "alertmanager", "url": "https://127.0.0.1:9",
        "digest": { "every": "daily" } });
    let refused = api.owner.post("sinks", body.to_string());
    refused.is(422, "sink_unfit");
    assert!(
        refused.text("detail").starts_with("digest: "),
        "{}",
        refused.text("detail")
    );
}
