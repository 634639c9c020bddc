//! A homeserver: one user with an access token, and the rooms that it is in.

use super::life::{LIFE, bear, life, live};
use super::*;
use serde_json::json;
use std::collections::BTreeMap;

const TOKEN: &str = "syt_canary_of_the_token";
const ROOM: &str = "!ops:example.org";

#[derive(Default)]
struct State {
    /// What was sent to the room: the content of each event, by its id.
    events: Vec<(String, Value)>,
    /// The events of transactions.
    done: BTreeMap<String, String>,
    alias_is_gone: bool,
    may_not_post: bool,
    limits: u32,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

fn refusal(status: u16, code: &str) -> Says {
    let body = json!({ "errcode": code, "error": code });
    (status, String::new(), body)
}

fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .unwrap()
        .1
        .into_owned()
}

impl Fake {
    fn contents(&self) -> Vec<Value> {
        let state = self.0.lock();
        state
            .events
            .iter()
            .map(|(_, content)| content.clone())
            .collect()
    }

    fn answer(&self, asked: &Asked<'_>) -> Says {
        let mut state = self.0.lock();
        let bearer = format!("\r\nauthorization: Bearer {TOKEN}\r\n");
        if !format!("{}\r\n", asked.head).contains(&bearer) {
            return refusal(401, "M_UNKNOWN_TOKEN");
        }
        if state.limits > 0 {
            state.limits -= 1;
            let mut limited = refusal(429, "M_LIMIT_EXCEEDED");
            limited.1 = "retry-after: 12\r\n".to_owned();
            return limited;
        }
        let path: Vec<String> = asked.path.iter().map(|part| decoded(part)).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (asked.method, &path[..]) {
            (
                "GET",
                [
                    "_matrix",
                    "client",
                    "v3",
                    "directory",
                    "room",
                    "#ops:example.org",
                ],
            ) if !state.alias_is_gone => (
                200,
                String::new(),
                json!({ "room_id": ROOM, "servers": [] }),
            ),
            ("GET", ["_matrix", "client", "v3", "directory", ..]) => refusal(404, "M_NOT_FOUND"),
            (
                "PUT",
                [
                    "_matrix",
                    "client",
                    "v3",
                    "rooms",
                    room,
                    "send",
                    "m.room.message",
                    txn,
                ],
            ) => state.put(room, txn, &asked.body),
            _ => refusal(404, "M_UNRECOGNIZED"),
        }
    }

    async fn serve(&self) -> Server {
        let fake = self.clone();
        serving(move |asked| fake.answer(asked)).await
    }
}

impl State {
    fn put(&mut self, room: &str, txn: &str, content: &Value) -> Says {
        if room != ROOM || self.may_not_post {
            return refusal(403, "M_FORBIDDEN");
        }
        let sent = |id: &str| (200, String::new(), json!({ "event_id": id }));
        if let Some(id) = self.done.get(txn) {
            return sent(id);
        }
        let is_text = content["msgtype"] == "m.text" && content["body"].is_string();
        if !is_text || content["m.mentions"] != json!({}) {
            return refusal(400, "M_BAD_JSON");
        }
        if content.to_string().len() > 65_000 {
            return refusal(413, "M_TOO_LARGE");
        }
        let relates = &content["m.relates_to"];
        let is_known = |id: &Value| self.events.iter().any(|(known, _)| id == known.as_str());
        if !relates["rel_type"].is_null() {
            let new = &content["m.new_content"];
            let is_whole = new["body"].is_string() && new["msgtype"] == "m.text";
            if relates["rel_type"] != "m.replace" || !is_whole || !is_known(&relates["event_id"]) {
                return refusal(400, "M_UNKNOWN");
            }
        }
        let id = format!("$event{}", self.events.len());
        self.events.push((id.clone(), content.clone()));
        self.done.insert(txn.to_owned(), id.clone());
        sent(&id)
    }
}

fn at(server: &Server, room: &str) -> At {
    At::new(server, SinkKind::Matrix, &format!("/{room}"), TOKEN)
}

#[tokio::test]
async fn one_message_of_an_incident_is_replaced_and_each_change_is_seen_once() {
    let fake = Fake::default();
    let server = fake.serve().await;
    for room in [ROOM, "#ops:example.org"] {
        *fake.0.lock() = State::default();
        let sink = at(&server, room);
        let id = sink.accepted(&message()).await;
        // Its answer was lost: there is no second one.
        assert_eq!(sink.accepted(&message()).await, id);
        let end = next(6, &resolved(), &id);
        assert_eq!(sink.accepted(&end).await, id);
        assert_eq!(sink.accepted(&end).await, id);
        let contents = fake.contents();
        assert_eq!(contents.len(), 3, "{contents:?}");
        let replaced = &contents[1]["m.relates_to"];
        assert_eq!(
            *replaced,
            json!({ "rel_type": "m.replace", "event_id": id })
        );
        let new = contents[1]["m.new_content"]["body"].as_str().unwrap();
        assert!(new.contains("Resolution: a later run passed"), "{new}");
        let reply = &contents[2]["m.relates_to"]["m.in_reply_to"]["event_id"];
        assert_eq!(*reply, *id);
        assert_eq!(sink.accepted(&reopened(7, &id)).await, id);
        assert_eq!(fake.contents().len(), 5);
    }
}

#[tokio::test]
async fn an_event_that_the_room_does_not_have_is_sent_again() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server, ROOM);
    let id = sink.accepted(&next(6, &resolved(), "$other")).await;
    let contents = fake.contents();
    assert!(contents.len() == 1 && contents[0]["m.relates_to"].is_null());
    assert_eq!(id, "$event0");
}

#[tokio::test]
async fn refusals_have_their_wait_or_their_reason_and_never_the_token() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server, "#ops:example.org");
    fake.0.lock().limits = 1;
    let receipt = sink.sent(&message()).await;
    let Receipt::Later { after, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert_eq!(after, Some(Duration::from_secs(12)));
    fake.0.lock().may_not_post = true;
    let other = at(&server, "#other:example.org");
    for (sink, expected) in [
        (&sink, DisableReason::Refused),
        (&other, DisableReason::NotFound),
    ] {
        let receipt = sink.sent(&message()).await;
        let Receipt::Refused { reason, why } = receipt else {
            panic!("{receipt:?}");
        };
        assert_eq!(reason, expected, "{why}");
        assert!(!why.contains("canary"), "{why}");
    }
    let stranger = At::new(
        &server,
        SinkKind::Matrix,
        "/!ops:example.org",
        "syt_canary_2",
    );
    let receipt = stranger.sent(&message()).await;
    let Receipt::Disabled { reason, why } = receipt else {
        panic!("{receipt:?}");
    };
    assert_eq!(reason, DisableReason::Refused);
    assert!(!why.contains("canary"), "{why}");
}

#[tokio::test]
async fn whole_lives_and_hostile_and_long_texts_templates_and_digests_are_accepted() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server, ROOM);
    let shown = live(&sink, life()).await;
    assert!(
        shown.iter().all(|it| it.as_deref() == Some("$event0")),
        "{shown:?}"
    );
    // Each later news is a change and a reply.
    let events = 2 * LIFE.len() - 1;
    assert_eq!(fake.contents().len(), events);
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    assert_eq!(fake.contents().len(), events + digests + 3 * incidents);
}
