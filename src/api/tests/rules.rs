//! The rules of a user.

use super::connections::got;
use super::stage::{Person, Stage};
use super::wire::Reply;
use crate::domain::id::IncidentId;
use crate::domain::incident::{Incident, Subject};
use crate::store::{Change, Read};
use serde_json::{Value, json};

fn put(who: &Person, rules: &Value) -> Reply {
    who.put("rules", rules.to_string())
}

/// Every condition and every setting.
fn all(sink: &str, connection: &str) -> Value {
    json!({
        "quiet_hours": {
            "time_zone": "europe/berlin",
            "spans": [
                { "from": "22:00", "to": "07:30" },
                { "days": ["sunday"], "from": "00:00", "to": "00:00" },
            ],
        },
        "rules": [
            {
                "name": "main",
                "when": { "branches": ["main", "release/*"], "about": "ci" },
                "then": { "severity": "critical", "quiet_hours": false },
            },
            {
                "when": {
                    "repositories": ["octo/*"], "connections": [connection], "workflows": ["CI"],
                    "triggers": ["push"], "failures": ["failure", "hook_silent"],
                    "severities": ["error", "critical"],
                },
                "then": { "sinks": [sink], "delay_seconds": 120, "remind": true },
            },
            { "then": { "sinks": [], "remind": false } },
        ],
    })
}

#[test]
fn rules_are_set_as_a_whole_and_shown_as_they_can_be_set_again() {
    let api = Stage::new();
    assert_eq!(
        api.owner.show("rules"),
        json!({ "version": 0, "rules": [] })
    );
    let (sink, connection) = (api.sink.to_string(), api.connection.id.to_string());
    let set = put(&api.owner, &all(&sink, &connection));
    assert_eq!(set.status, 200, "{set:?}");
    let shown = api.owner.show("rules");
    assert_eq!(set.json(), shown);
    assert_eq!(shown["version"], 1);
    assert_eq!(shown["quiet_hours"]["time_zone"], "Europe/Berlin");
    assert_eq!(shown["quiet_hours"]["passes"], "critical");
    assert_eq!(shown["rules"][1]["then"]["remind_seconds"], 14_400);
    assert_eq!(
        shown["rules"][2]["then"],
        json!({ "sinks": [], "remind": false })
    );
    let again = put(&api.owner, &shown).json();
    assert_eq!(again["version"], 2);
    assert_eq!(
        (&again["rules"], &again["quiet_hours"]),
        (&shown["rules"], &shown["quiet_hours"])
    );
    // Who has not seen the newest does not replace it.
    put(&api.owner, &shown).is(409, "not_now");
    assert_eq!(api.owner.show("rules"), again);
    assert_eq!(
        api.foreign.show("rules"),
        json!({ "version": 0, "rules": [] })
    );
}

/// The field at a place in JSON, as a problem names it: `/rules/0/name` is `rules[0].name`.
fn field(place: &str) -> String {
    let parts = place.trim_start_matches('/').split('/');
    parts.fold(String::new(), |field, part| match part {
        part if part.bytes().all(|byte| byte.is_ascii_digit()) => format!("{field}[{part}]"),
        part if field.is_empty() => part.to_owned(),
        part => format!("{field}.{part}"),
    })
}

/// A place, a value that will not do there, and why not.
const BAD: &str = r#"
/rules/0/then/severity | "bad" | expected one of warning
/rules/0/when/about | "us" | expected one of ci, health
/rules/0/when/branches | ["["] | expected a name
/rules/0/name | "a\u202eb" | expected up to 100
/rules/1/when/severities | ["worst"] | expected one of
/rules/1/when/connections | ["octo"] | expected ids of connections
/rules/1/when/failures | ["bad"] | expected any of failure
/rules/1/then/sinks | ["chat"] | expected ids of sinks
/rules/1/then/delay_seconds | 86401 | at most 86400
/rules/1/then/remind_seconds | 60 | from 300 to 604800
/rules/2/then/remind_seconds | 600 | expected no interval
/rules/2/then | {} | a rule needs at least one setting
/quiet_hours/time_zone | "Berlin" | expected the name of an
/quiet_hours/passes | "bad" | expected one of warning
/quiet_hours/spans | [] | expected at least one
/quiet_hours/spans/0/from | "24:00" | expected a time
/quiet_hours/spans/0/to | "+7:00" | expected a time
/quiet_hours/spans/1/days | ["sun"] | expected one of monday
"#;

#[test]
fn what_will_not_do_is_named_with_its_place_and_changes_nothing() {
    let api = Stage::new();
    let (sink, connection) = (api.sink.to_string(), api.connection.id.to_string());
    for line in BAD.trim().lines() {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [place, value, why] = parts[..] else {
            panic!("three parts: {line}");
        };
        let mut rules = all(&sink, &connection);
        let (parent, name) = place.rsplit_once('/').unwrap();
        let value: Value = serde_json::from_str(value).unwrap();
        rules.pointer_mut(parent).expect("it is there")[name] = value;
        let refused = put(&api.owner, &rules);
        let code = refused.text("code");
        assert!(refused.status == 422 && ["invalid_field", "rules_unfit"].contains(&&*code));
        let (detail, says) = (refused.text("detail"), format!("{}: {why}", field(place)));
        assert!(detail.starts_with(&says), "{place}: {detail}");
    }
    // A sink of another user is none of theirs.
    put(&api.foreign, &all(&sink, &connection)).is(422, "rules_unfit");
    put(&api.owner, &json!({ "rules": [], "more": 1 })).is(400, "unknown_field");
    assert_eq!(api.owner.show("rules")["version"], 0);
}

/// What is missing or of another type is named with its place, too.
#[test]
fn what_cannot_be_read_is_named_with_its_rule_and_its_field() {
    let api = Stage::new();
    for (rules, code, detail) in [
        (
            json!([{ "then": { "remind": true } }, { "name": "nightly" }]),
            "bad_json",
            "rules[1]: missing field `then`.",
        ),
        (
            json!([{ "then": { "delay_seconds": -1 } }]),
            "bad_json",
            "rules[0].then.delay_seconds: expected a whole number from 0 to 4294967295.",
        ),
        (
            json!([{ "then": { "remind": "yes" } }]),
            "bad_json",
            "rules[0].then.remind: expected a boolean.",
        ),
        (
            json!([{ "when": { "branches": "main" }, "then": {} }]),
            "bad_json",
            "rules[0].when.branches: expected a list.",
        ),
        (
            json!([{ "then": { "delay": 1 } }]),
            "unknown_field",
            "rules[0].then: unknown field `delay`, expected one of ",
        ),
    ] {
        let refused = put(&api.owner, &json!({ "rules": rules }));
        refused.is(400, code);
        let words = refused.text("detail");
        assert!(words.starts_with(detail), "{words}");
        let test = json!({ "incident_id": "x", "rules": { "rules": rules } });
        let refused = api.owner.post("rules/test", test.to_string());
        refused.is(400, code);
        let words = refused.text("detail");
        assert!(words.starts_with(&format!("rules.{detail}")), "{words}");
    }
}

#[test]
fn trying_rules_shows_which_apply_and_why_others_do_not() {
    let api = Stage::new();
    let sink = api.sink.to_string();
    let rules = json!({ "rules": [
        { "name": "elsewhere", "when": { "branches": ["topic"] }, "then": { "delay_seconds": 1 } },
        { "name": "severe", "then": { "severity": "critical", "remind_seconds": 600 } },
        { "when": { "severities": ["warning"] }, "then": { "sinks": [] } },
        { "when": { "severities": ["critical"] }, "then": { "sinks": [sink] } },
    ] });
    let body = json!({ "incident_id": api.incident.to_string(), "rules": rules });
    let tried = api.owner.post("rules/test", body.to_string()).json();
    let applies = |nth: usize| &tried["rules"][nth]["applies"];
    let all: Vec<_> = (0..4).map(|nth| applies(nth).as_bool().unwrap()).collect();
    assert_eq!(all, [false, true, false, true], "{tried}");
    assert_eq!(tried["rules"][0]["mismatch"], "branches");
    assert_eq!(tried["rules"][0]["name"], "elsewhere");
    assert_eq!(tried["rules"][2]["mismatch"], "severities");
    assert_eq!(
        (&tried["severity"], &tried["severity_rule"]),
        (&json!("critical"), &json!(2))
    );
    assert_eq!(
        (&tried["delay_seconds"], &tried["delay_rule"]),
        (&json!(30), &Value::Null)
    );
    assert_eq!(
        (&tried["remind_seconds"], &tried["remind_rule"]),
        (&json!(600), &json!(2))
    );
    assert_eq!(tried["sinks_rule"], 4);
    assert_eq!(tried["sinks"][0]["notified"], true);
    assert_eq!(api.owner.show("rules")["version"], 0, "nothing was stored");
    // The stored rules, and a sink that they leave out.
    let silent = json!({ "rules": [{ "then": { "sinks": [] } }] });
    assert_eq!(put(&api.owner, &silent).status, 200);
    let body = json!({ "run_id": api.run.to_string() }).to_string();
    let tried = api.owner.post("rules/test", &body).json();
    assert_eq!(tried["sinks"][0]["notified"], false);
    let body = json!({ "incident_id": api.incident.to_string() }).to_string();
    let tried = api.owner.post("rules/test", &body).json();
    assert_eq!(tried["sinks"][0]["reason"], "rule 1 names other sinks");
    // The planner leaves out the sink that an incident is about.
    let about = Incident {
        id: IncidentId::from_u128(77),
        subject: Subject::Sink(api.sink),
        ci: None,
        ..got(api.store.incident(api.incident))
    };
    let everywhere = json!({ "incident_id": about.id.to_string(), "rules": { "rules": [] } });
    api.commit(vec![Change::PutIncident(Box::new(about))]);
    let tried = api.owner.post("rules/test", everywhere.to_string()).json();
    assert_eq!(tried["sinks"][0]["notified"], false);
    assert!(
        tried["sinks"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("about this sink")
    );
    for bad in [
        json!({}),
        json!({ "incident_id": api.incident.to_string(), "run_id": api.run.to_string() }),
    ] {
        api.owner
            .post("rules/test", bad.to_string())
            .is(422, "invalid_field");
    }
    api.foreign.post("rules/test", &body).is(404, "not_found");
}

#[test]
fn rules_about_what_opens_incidents_are_shown_and_tried_with_a_run() {
    let api = Stage::new();
    let rule = json!({
        "connections": [api.connection.id.to_string()], "conclusions": [], "branches": ["main"],
        "ignored_branches": [], "workflows": ["CI"], "triggers": ["push"],
    });
    let rules = json!({ "rules": [], "opening": [{ "repositories": ["x/*"] }, rule] });
    assert_eq!(put(&api.owner, &rules).status, 200);
    let shown = api.owner.show("rules");
    assert_eq!(shown["opening"], rules["opening"]);
    let tried = |body: Value| api.owner.post("rules/test", body).json();
    let why = tried(json!({ "run_id": api.run.to_string() }))["no_incident"].clone();
    assert!(why.is_string(), "{why}");
    for (change, says) in [
        (
            json!({ "conclusions": ["success"] }),
            "opening[0].conclusions: the conclusion success",
        ),
        (
            json!({ "conclusions": ["bad"] }),
            "opening[0].conclusions: expected one of",
        ),
        (
            json!({ "branches": ["["] }),
            "opening[0].branches: expected a name",
        ),
    ] {
        let refused = put(&api.owner, &json!({ "opening": [change] }));
        assert_eq!(refused.status, 422);
        assert!(refused.text("detail").starts_with(says), "{refused:?}");
    }
}
