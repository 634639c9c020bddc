//! A Gotify server with one application.
//!
//! What it does is known from its description, <https://gotify.net/api-docs>, and from
//! <https://github.com/gotify/server/blob/master/api/message.go>.

use super::life::{LIFE, bear, life, live, sample};
use super::*;
use serde_json::json;

const TOKEN: &str = "A.canary_4nKz3tq9B";

#[derive(Default)]
struct State {
    messages: Vec<Value>,
    /// What an app would show as a link, a picture or mark-up.
    faults: Vec<String>,
    refusals: Vec<Says>,
    drops: Vec<Says>,
}

type Fake = Arc<Mutex<State>>;

fn error(status: u16, words: &str) -> Says {
    let body = json!({ "error": "x", "errorCode": status, "errorDescription": words });
    (status, String::new(), body)
}

/// Whether an app finds an address in a text.
fn shows_link(text: &str) -> bool {
    let mut hosts = text.split("www.").skip(1);
    text.contains("://") || hosts.any(|host| host.starts_with(char::is_alphanumeric))
}

/// What acts in a message: the apps turn addresses of plain texts into links, and follow the extras
/// (<https://gotify.net/docs/msgextras>).
fn acts(body: &Value) -> bool {
    let extras = &body["extras"];
    let click = &extras["client::notification"]["click"]["url"];
    let is_ours = |url: &str| url.starts_with("https://github.com/octo/app/actions/runs/");
    let texts = [&body["title"], &body["message"]];
    let mut texts = texts.iter().filter_map(|text| text.as_str());
    extras["client::display"]["contentType"] != "text/plain"
        || !click.is_null() && !click.as_str().is_some_and(is_ours)
        || !extras["client::notification"]["bigImageUrl"].is_null()
        || extras
            .as_object()
            .is_some_and(|all| all.keys().any(|key| key.starts_with("android::")))
        || texts.any(shows_link)
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        if (asked.method, &asked.path[..]) != ("POST", &["sub", "message"]) {
            return (
                404,
                String::new(),
                json!({ "error": "Not Found", "errorCode": 404 }),
            );
        }
        let head = format!("{}\r\n", asked.head);
        if !head.contains(&format!("\r\nx-gotify-key: {TOKEN}\r\n")) {
            let words = "you need to provide a valid access token or user credentials";
            return error(401, words);
        }
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        let body = &asked.body;
        if body["message"].as_str().is_none_or(str::is_empty) {
            return error(400, "Field 'message' is required");
        }
        // Both have this type in the server, and the rest of a map may be anything.
        let is_number = body["priority"].is_null() || body["priority"].is_i64();
        if !is_number || !body["title"].is_string() || !body["extras"].is_object() {
            return error(400, "json: cannot unmarshal");
        }
        if acts(body) {
            self.faults.push(body.to_string());
        }
        self.messages.push(body.clone());
        let mut body = body.clone();
        body["id"] = self.messages.len().into();
        self.drops.pop().unwrap_or((200, String::new(), body))
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    let server = serving_state(&fake, State::answer).await;
    let at = At::new(&server, SinkKind::Gotify, "/sub", TOKEN);
    (fake, server, at)
}

#[tokio::test]
async fn each_news_of_an_incident_is_one_message_of_its_priority() {
    let (fake, _server, sink) = serve().await;
    assert_eq!(live(&sink, life()).await, vec![None; LIFE.len()]);
    let messages = fake.lock().messages.clone();
    let found: Vec<(&str, i64)> = messages
        .iter()
        .map(|it| {
            (
                it["title"].as_str().unwrap(),
                it["priority"].as_i64().unwrap(),
            )
        })
        .map(|(title, priority)| (title.split(':').next().unwrap(), priority))
        .collect();
    let expected = [
        ("Opened", 6),
        ("Still open", 6),
        ("More severe", 8),
        ("Resolved", 2),
        ("Reopened", 8),
        ("Flapping", 8),
        ("Resolved", 2),
    ];
    assert_eq!(found, expected);
    sink.sent(&sample()).await;
    let state = fake.lock();
    assert!(state.messages[7]["extras"]["client::notification"].is_null());
    assert_eq!(state.faults, [] as [&str; 0]);
}

#[tokio::test]
async fn hostile_and_long_texts_are_accepted_and_show_no_link() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    let state = fake.lock();
    assert_eq!(state.faults, [] as [&str; 0]);
    assert_eq!(state.messages.len(), digests + 2 * incidents);
    let extras = json!({ "client::display": { "contentType": "text/plain" } });
    let link = json!({ "title": "x", "message": "https://evil.example", "extras": extras });
    assert!(acts(&link) && acts(&json!({ "title": "x", "message": "y", "extras": {} })));
}

#[tokio::test]
async fn refusals_pass_or_stay_and_the_token_is_not_shown() {
    let (fake, server, sink) = serve().await;
    for (says, expected) in [
        (error(400, "Field 'message' is required"), "rejected"),
        (
            error(403, "you are not allowed to access this api"),
            "disabled: refused",
        ),
        (error(500, "database is locked"), "later: None"),
        // What is not of Gotify itself.
        (
            (403, String::new(), Value::from("<html>")),
            "refused: refused",
        ),
        (
            (429, "retry-after: 4\r\n".to_owned(), Value::Null),
            "later: Some(4s)",
        ),
        ((502, String::new(), Value::from("<html>")), "later: None"),
    ] {
        fake.lock().refusals = vec![says.clone()];
        assert_eq!(name(&sink.sent(&message()).await), expected, "{says:?}");
    }
    let other = At::new(&server, SinkKind::Gotify, "/sub", "A.canary2");
    let receipt = other.sent(&message()).await;
    assert_eq!(name(&receipt), "disabled: refused");
    assert!(!format!("{receipt:?}").contains("canary"), "{receipt:?}");
    let elsewhere = At::new(&server, SinkKind::Gotify, "/other", TOKEN);
    assert_eq!(
        name(&elsewhere.sent(&message()).await),
        "refused: not_found"
    );
}

#[tokio::test]
async fn a_lost_answer_is_unsure() {
    let (fake, _server, sink) = serve().await;
    fake.lock().drops = vec![HALF_AN_ANSWER, NO_ANSWER];
    assert_eq!(name(&sink.sent(&message()).await), "unsure");
    assert_eq!(name(&sink.sent(&message()).await), "accepted");
    assert_eq!(fake.lock().messages.len(), 2);
}
