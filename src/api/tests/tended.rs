//! Incidents are assigned, muted and noted, and have a timeline.

use super::stage::Stage;
use crate::domain::command::CommandKind;
use crate::domain::incident::care::Tending;
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::time::Timestamp;
use crate::store::{Change, Read};
use serde_json::json;

impl Stage {
    fn of_incident(&self, rest: &str) -> String {
        format!("incidents/{}/{rest}", self.incident)
    }

    fn tended(&self) -> Vec<Tending> {
        let commands = self.connections.commands.lock();
        let acts = commands.iter().filter_map(|(_, kind)| match kind {
            CommandKind::Tend { incident, act } if *incident == self.incident => Some(act.clone()),
            _ => None,
        });
        acts.collect()
    }
}

#[test]
fn an_incident_is_assigned_to_who_may_see_it_and_to_no_other() {
    let api = Stage::new();
    let path = api.of_incident("assign");
    let me = api.owner.show("whoami");
    let id = me["id"].as_str().unwrap().to_owned();
    for user in [me["name"].clone(), json!(id), json!(null)] {
        let reply = api.owner.post(&path, json!({ "user": user }));
        assert_eq!(reply.status, 200, "{user}: {reply:?}");
    }
    let to = Some(api.owner.user);
    assert_eq!(
        api.tended(),
        [
            Tending::Assign(to),
            Tending::Assign(to),
            Tending::Assign(None)
        ]
    );
    // Whether a user exists is not to be found out so.
    let foreign = api.foreign.show("whoami")["name"].clone();
    let mut replies = Vec::new();
    for user in [foreign, json!("admin"), json!("someone"), json!("")] {
        let reply = api.owner.post(&path, json!({ "user": user }));
        assert_eq!(
            (reply.status, &reply.json()["code"]),
            (422, &"user_unfit".into()),
            "{user}"
        );
        replies.push(reply.json()["detail"].clone());
    }
    replies.dedup();
    assert_eq!(replies.len(), 1);
    for who in [&api.foreign, &api.admin] {
        who.post(&path, r#"{"user":null}"#).is(404, "not_found");
        who.get(api.of_incident("timeline")).is(404, "not_found");
    }
    assert_eq!(api.tended().len(), 3);
}

#[test]
fn mutes_have_an_end_within_a_month_and_notes_are_cleaned() {
    let api = Stage::new();
    let mute = api.of_incident("mute");
    for body in [r#"{"for":"4h"}"#, r#"{"for":" 30d ","until":null}"#] {
        assert_eq!(api.owner.post(&mute, body).status, 200, "{body}");
    }
    for body in [
        "{}",
        r#"{"for":"31d"}"#,
        r#"{"for":"1s"}"#,
        r#"{"for":"soon"}"#,
        r#"{"for":"4h","until":"2001-01-01T00:00:00Z"}"#,
    ] {
        api.owner.post(&mute, body).is(422, "invalid_field");
    }
    for body in [
        r#"{"until":"2001-01-01T00:00:00Z"}"#,
        r#"{"until":"2201-01-01T00:00:00Z"}"#,
    ] {
        api.owner.post(&mute, body).is(422, "time_unfit");
    }
    assert_eq!(api.owner.post(api.of_incident("unmute"), "").status, 200);
    let notes = api.of_incident("notes");
    let note = json!({ "text": "\u{1b}[31mknown\u{202e}\nsince May\u{0} " });
    assert_eq!(api.owner.post(&notes, note).status, 200);
    let long = "\u{e4}".repeat(1000);
    assert_eq!(api.owner.post(&notes, json!({ "text": long })).status, 200);
    for text in ["", " \n ", &format!("{long}x")] {
        let reply = api.owner.post(&notes, json!({ "text": text }));
        assert_eq!(reply.status, 422, "{} characters", text.len());
    }
    let tended = api.tended();
    assert!(matches!(
        tended[..3],
        [Tending::Mute(_), Tending::Mute(_), Tending::Unmute]
    ));
    let clean = "[31mknown since May".to_owned();
    assert_eq!(tended[3..], [Tending::Note(clean), Tending::Note(long)]);
}

#[test]
fn a_timeline_names_who_did_what() {
    let api = Stage::new();
    let mut stored = api.store.incident(api.incident).ready().unwrap().unwrap();
    stored.status = IncidentStatus::Open;
    (stored.resolved_at, stored.resolution) = (None, None);
    let before = Incident {
        is_flaky: true,
        ..stored.clone()
    };
    let (ann, late) = (api.owner.user, Timestamp(4_000_000_000_000));
    let until = late.plus(std::time::Duration::from_hours(1));
    let acts = [
        Tending::Assign(Some(ann)),
        Tending::Mute(until),
        Tending::Note("known".into()),
    ];
    for act in &acts {
        assert_eq!(stored.tend(act, ann, late), Ok(true));
    }
    api.commit(vec![Change::PutIncident(Box::new(stored))]);
    let shown = api.owner.show(format!("incidents/{}", api.incident));
    assert_eq!(shown["assignee_id"], ann.to_string());
    assert_eq!(shown["notes"], 1);
    assert_eq!(shown["muted_until"], "2096-10-02T08:06:40.000Z");
    let timeline = api.owner.show(api.of_incident("timeline"));
    let entries = timeline["entries"].as_array().unwrap();
    assert_eq!(entries[0]["kind"], "opened");
    let done: Vec<_> = entries[entries.len() - 3..]
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(done, ["assigned", "muted", "note"]);
    let last = entries.last().unwrap();
    let name = api.owner.show("whoami")["name"].clone();
    assert_eq!((&last["user"], &last["text"]), (&name, &json!("known")));
    assert_eq!(entries[entries.len() - 3]["assignee"], name);
    // Flaky ones are found, and left out.
    let count = |query: &str| {
        let page = api.owner.show(format!("incidents?{query}"));
        page["items"].as_array().unwrap().len()
    };
    assert_eq!((count("flaky=true"), count("flaky=false")), (0, 1));
    api.commit(vec![Change::PutIncident(Box::new(before))]);
    assert_eq!((count("flaky=true"), count("flaky=false")), (1, 0));
}
