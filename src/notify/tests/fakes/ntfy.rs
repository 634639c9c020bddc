//! An ntfy server with one topic, of a version that changes messages, or of an older one.
//!
//! What it does is known from <https://docs.ntfy.sh/publish/#publish-as-json>,
//! <https://docs.ntfy.sh/publish/#limitations> and, for errors and the size of a body, from
//! <https://github.com/binwiederhier/ntfy/blob/main/server/errors.go> and `server.go` beside it.

use super::life::{LIFE, bear, life, live, sample};
use super::*;
use serde_json::json;

const TOPIC: &str = "/canary-topic_1";
const TOKEN: &str = "tk_canary_AgQdq7mVBoFD37zQVN29RhuMzNIz2";
/// A longer message becomes a file.
const MESSAGE_BYTES_MAX: usize = 4_096;
/// The whole body: twice as much.
const BODY_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

#[derive(Default)]
struct State {
    /// What a client shows: the newest of each sequence, and how often it was changed.
    shown: Vec<(Value, usize)>,
    is_old: bool,
    faults: Vec<String>,
    refusals: Vec<Says>,
    drops: Vec<Says>,
}

type Fake = Arc<Mutex<State>>;

fn error(status: u16, code: u32) -> Says {
    let body = json!({ "code": code, "http": status, "error": "x", "link": "" });
    (status, String::new(), body)
}

/// What an app would do besides showing plain text and opening the run.
fn acts(body: &Value) -> bool {
    let ours = [
        "topic",
        "title",
        "message",
        "priority",
        "tags",
        "markdown",
        "sequence_id",
        "click",
    ];
    let mut names = body.as_object().into_iter().flat_map(|all| all.keys());
    let click = body["click"].as_str().unwrap_or_default();
    let is_ours =
        click.is_empty() || click.starts_with("https://github.com/octo/app/actions/runs/");
    let texts = [&body["title"], &body["message"]].map(|it| it.as_str().unwrap_or_default());
    names.any(|name| !ours.contains(&name.as_str()))
        || !is_ours
        || body["markdown"] == true
        || texts.iter().any(|text| text.contains("://"))
}

impl State {
    fn publish(&mut self, body: &Value) -> Says {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let length = |name: &str| text(name).len();
        if format!("/{}", text("topic")) != TOPIC {
            return error(403, 40_301);
        }
        if body.to_string().len() > BODY_BYTES_MAX {
            return error(413, 41_303);
        }
        if !(1..=5).contains(&body["priority"].as_i64().unwrap_or(3)) {
            return error(400, 40_007);
        }
        if length("message") > MESSAGE_BYTES_MAX || length("title") > 1_024 {
            self.faults.push(format!("too long: {body}"));
        }
        if acts(body) {
            self.faults.push(body.to_string());
        }
        let id = format!("id{}", self.shown.len());
        let mut answer = json!({ "id": id, "time": 1_700_000_000, "event": "message" });
        if self.is_old {
            self.shown.push((body.clone(), 0));
        } else {
            let same = |it: &&mut (Value, usize)| it.0["sequence_id"] == body["sequence_id"];
            match self.shown.iter_mut().find(same) {
                Some(shown) => *shown = (body.clone(), shown.1 + 1),
                None => self.shown.push((body.clone(), 0)),
            }
            answer["sequence_id"] = body["sequence_id"].clone();
        }
        (200, String::new(), answer)
    }

    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        if (asked.method, &asked.path[..]) != ("POST", &[""]) {
            return error(404, 40_401);
        }
        let head = format!("{}\r\n", asked.head);
        if !head.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")) {
            return error(401, 40_101);
        }
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        let says = self.publish(&asked.body);
        self.drops.pop().unwrap_or(says)
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    let server = serving_state(&fake, State::answer).await;
    let at = At::new(&server, SinkKind::Ntfy, TOPIC, TOKEN);
    (fake, server, at)
}

#[tokio::test]
async fn an_incident_is_one_notification_or_several_of_a_server_that_is_older() {
    for is_old in [false, true] {
        let (fake, _server, sink) = serve().await;
        fake.lock().is_old = is_old;
        let ids = live(&sink, life()).await;
        assert!(ids.iter().all(|id| id.is_some() != is_old), "{ids:?}");
        let (shown, changes) = if is_old {
            (LIFE.len(), 0)
        } else {
            (1, LIFE.len() - 1)
        };
        let all = fake.lock().shown.clone();
        let edits: usize = all.iter().map(|it| it.1).sum();
        assert_eq!((all.len(), edits), (shown, changes));
        let last = &all[shown - 1].0;
        assert!(
            last["title"].as_str().unwrap().starts_with("Resolved: "),
            "{last}"
        );
        assert_eq!(
            (&last["priority"], &last["tags"]),
            (&json!(3), &json!(["white_check_mark"]))
        );
        sink.sent(&sample()).await;
        let state = fake.lock();
        assert_eq!(state.shown.len(), shown + 1, "another one");
        assert_eq!(state.faults, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn hostile_and_long_texts_stay_messages_and_open_nothing() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    let state = fake.lock();
    assert_eq!(state.faults, [] as [&str; 0]);
    assert_eq!(state.shown.len(), digests + incidents);
    let click = json!({ "title": "x", "message": "y", "click": "https://evil.example" });
    assert!(acts(&click) && acts(&json!({ "title": "x", "message": "y", "actions": [] })));
}

#[tokio::test]
async fn refusals_pass_or_stay_and_neither_topic_nor_token_is_shown() {
    let (fake, server, sink) = serve().await;
    let mut limited = error(429, 42_901);
    for (says, expected) in [
        (limited.clone(), "later: None"),
        (error(429, 42_908), "later: None"),
        (error(400, 40_011), "rejected"),
        (error(413, 41_303), "rejected"),
        (error(500, 50_001), "later: None"),
        (error(507, 50_701), "later: None"),
    ] {
        fake.lock().refusals = vec![says.clone()];
        assert_eq!(name(&sink.sent(&message()).await), expected, "{says:?}");
    }
    limited.1 = "retry-after: 5\r\n".to_owned();
    fake.lock().refusals = vec![limited];
    assert_eq!(name(&sink.sent(&message()).await), "later: Some(5s)");
    for (topic, token) in [("/canary-other", TOKEN), (TOPIC, "tk_canary2")] {
        let other = At::new(&server, SinkKind::Ntfy, topic, token);
        let receipt = other.sent(&message()).await;
        assert_eq!(name(&receipt), "refused: refused");
        assert!(!format!("{receipt:?}").contains("canary"), "{receipt:?}");
    }
}

/// With a sequence, it is the same notification.
#[tokio::test]
async fn a_lost_answer_leaves_one_notification() {
    let (fake, _server, sink) = serve().await;
    fake.lock().drops = vec![NO_ANSWER];
    assert_eq!(name(&sink.sent(&message()).await), "unsure");
    sink.accepted(&message()).await;
    let shown = fake.lock().shown.clone();
    assert!(matches!(&shown[..], [(_, 1)]), "{shown:?}");
}
