//! A Bot API server: one bot, and the chats that it is in.

use super::life::{LIFE, bear, life, live};
use super::*;
use serde_json::json;
use std::collections::BTreeMap;

const TOKEN: &str = "110201543:canary-AAHdqTcvCH1vGWJxfSeof";
const CHAT: &str = "/-1001234567890";

/// A message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Post {
    text: String,
    entities: Value,
    reply_to: Option<i64>,
    is_edited: bool,
}

#[derive(Default)]
struct Chat {
    posts: BTreeMap<i64, Post>,
    /// It has become another one.
    moved_to: Option<i64>,
    is_blocked: bool,
}

const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply \
    markup are exactly the same as a current content and reply markup of the message";

#[derive(Default)]
struct State {
    chats: BTreeMap<String, Chat>,
    last: i64,
    /// Refuses the next calls with this wait.
    limits: u32,
    calls: u32,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

fn refusal(code: u16, words: &str, parameters: &Value) -> Says {
    let mut body = json!({ "ok": false, "error_code": code, "description": words });
    if !parameters.is_null() {
        body["parameters"] = parameters.clone();
    }
    (code, String::new(), body)
}

fn bad(words: &str) -> Says {
    refusal(400, &format!("Bad Request: {words}"), &Value::Null)
}

/// Whether all entities are of known kinds and inside the text, whose length is in UTF-16.
fn are_inside(entities: &Value, text: &str) -> bool {
    let length = text.encode_utf16().count() as u64;
    let mut all = entities.as_array().into_iter().flatten();
    all.all(|it| {
        let (from, long) = (it["offset"].as_u64(), it["length"].as_u64());
        let is_known = match it["type"].as_str() {
            Some("bold") => true,
            Some("text_link") => it["url"].is_string(),
            _ => false,
        };
        is_known
            && matches!((from, long), (Some(from), Some(1..)) if from + long.unwrap() <= length)
    })
}

impl Chat {
    /// Sends or changes a message: its number.
    fn put(&mut self, method: &str, body: &Value, new: i64) -> Result<i64, Says> {
        let text = body["text"].as_str().unwrap_or_default();
        if text.is_empty() {
            return Err(bad("message text is empty"));
        }
        if text.chars().count() > 4096 {
            return Err(bad("message is too long"));
        }
        if !body["parse_mode"].is_null() || !are_inside(&body["entities"], text) {
            return Err(bad("can't parse entities"));
        }
        let mut post = Post {
            text: text.to_owned(),
            entities: body["entities"].clone(),
            reply_to: None,
            is_edited: false,
        };
        let id = match method {
            "sendMessage" => {
                let reply = &body["reply_parameters"];
                let to = reply["message_id"].as_i64();
                let is_there = to.is_some_and(|to| self.posts.contains_key(&to));
                if to.is_some() && !is_there && reply["allow_sending_without_reply"] != true {
                    return Err(bad("message to be replied not found"));
                }
                post.reply_to = to.filter(|_| is_there);
                new
            }
            "editMessageText" => {
                let id = body["message_id"].as_i64().unwrap_or_default();
                let Some(old) = self.posts.get(&id) else {
                    return Err(bad("message to edit not found"));
                };
                if old.text == post.text && old.entities == post.entities {
                    return Err(bad(NOT_MODIFIED));
                }
                post.reply_to = old.reply_to;
                post.is_edited = true;
                id
            }
            _ => return Err(refusal(404, "Not Found: method not found", &Value::Null)),
        };
        self.posts.insert(id, post);
        Ok(id)
    }
}

impl Fake {
    fn chat(&self, id: &str) -> Self {
        self.0.lock().chats.insert(id.to_owned(), Chat::default());
        self.clone()
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Chat)) {
        change(self.0.lock().chats.get_mut(id).unwrap());
    }

    fn posts(&self, id: &str) -> Vec<Post> {
        self.0.lock().chats[id].posts.values().cloned().collect()
    }

    fn answer(&self, asked: &Asked<'_>) -> Says {
        let mut state = self.0.lock();
        state.calls += 1;
        let [bot, method] = asked.path[..] else {
            return refusal(404, "Not Found", &Value::Null);
        };
        if asked.method != "POST" || bot != format!("bot{TOKEN}") {
            return refusal(401, "Unauthorized", &Value::Null);
        }
        if state.limits > 0 {
            state.limits -= 1;
            let wait = json!({ "retry_after": 35 });
            return refusal(429, "Too Many Requests: retry after 35", &wait);
        }
        let body = &asked.body;
        let chat = match &body["chat_id"] {
            Value::String(name) if name.starts_with('@') => name.clone(),
            Value::Number(number) if number.is_i64() => number.to_string(),
            _ => return bad("chat_id is empty"),
        };
        let new = state.last + 1;
        let Some(chat) = state.chats.get_mut(&chat) else {
            return bad("chat not found");
        };
        if let Some(id) = chat.moved_to {
            let words = "Bad Request: group chat was upgraded to a supergroup chat";
            return refusal(400, words, &json!({ "migrate_to_chat_id": id }));
        }
        if chat.is_blocked {
            let words = "Forbidden: bot was kicked from the supergroup chat";
            return refusal(403, words, &Value::Null);
        }
        let put = chat.put(method, body, new);
        if let Ok(id) = put {
            state.last = state.last.max(id);
        }
        let sent = |id| {
            (
                200,
                String::new(),
                json!({ "ok": true, "result": { "message_id": id } }),
            )
        };
        put.map_or_else(|refused| refused, sent)
    }

    async fn serve(&self) -> Server {
        let fake = self.clone();
        serving(move |asked| fake.answer(asked)).await
    }
}

fn at(server: &Server) -> At {
    At::new(server, SinkKind::Telegram, CHAT, TOKEN)
}

const ID: &str = "-1001234567890";

#[tokio::test]
async fn one_message_of_an_incident_is_changed_and_each_change_is_seen() {
    let fake = Fake::default().chat(ID);
    let server = fake.serve().await;
    let sink = at(&server);
    let id = sink.accepted(&message()).await;
    assert_eq!(id, format!("{ID}/1"));
    let end = next(6, &resolved(), &id);
    assert_eq!(sink.accepted(&end).await, id);
    let posts = fake.posts(ID);
    assert_eq!(posts.len(), 2);
    assert!(posts[0].is_edited && posts[0].text.contains("Resolution: a later run passed"));
    assert_eq!(posts[1].reply_to, Some(1));
    let headline = "\u{1f7e2} Resolved: CI failed: build on main\nOpen the run";
    assert_eq!(posts[1].text, headline);
    // Its answer was lost: the change changes nothing, and that is no failure.
    assert_eq!(sink.accepted(&end).await, id);
    assert_eq!(sink.accepted(&reopened(7, &id)).await, id);
    assert!(fake.posts(ID)[0].text.contains("Reopened: "));
}

#[tokio::test]
async fn a_message_that_was_deleted_or_is_too_old_is_sent_again() {
    let fake = Fake::default().chat(ID);
    let server = fake.serve().await;
    let sink = at(&server);
    let id = sink.accepted(&message()).await;
    fake.change(ID, |chat| chat.posts.clear());
    let new = sink.accepted(&next(6, &resolved(), &id)).await;
    assert_eq!(new, format!("{ID}/2"));
    let posts = fake.posts(ID);
    assert!(
        posts.len() == 1 && posts[0].text.contains("Severity"),
        "{posts:?}"
    );
}

#[tokio::test]
async fn a_group_that_has_become_a_supergroup_is_followed_once() {
    let fake = Fake::default().chat("-5").chat("-1007").chat("-1008");
    let server = fake.serve().await;
    let sink = At::new(&server, SinkKind::Telegram, "/-5", TOKEN);
    let old = sink.accepted(&message()).await;
    fake.change("-5", |chat| chat.moved_to = Some(-1007));
    // The message stays behind in the group that is no more.
    let id = sink.accepted(&next(6, &resolved(), &old)).await;
    assert_eq!(id, "-1007/2");
    // From then on it is changed where it is.
    assert_eq!(sink.accepted(&reopened(7, &id)).await, id);
    assert_eq!((fake.posts("-5").len(), fake.posts("-1007").len()), (1, 2));
    // A new incident goes there, too, and no further.
    assert_eq!(sink.accepted(&message()).await, "-1007/4");
    fake.change("-1007", |chat| chat.moved_to = Some(-1008));
    let calls = fake.0.lock().calls;
    let receipt = sink.sent(&message()).await;
    assert!(matches!(receipt, Receipt::Rejected { .. }), "{receipt:?}");
    assert_eq!(fake.0.lock().calls, calls + 2);
    assert_eq!(fake.posts("-1008"), []);
}

#[tokio::test]
async fn refusals_have_their_wait_or_their_reason_and_never_the_token() {
    let fake = Fake::default().chat(ID);
    let server = fake.serve().await;
    let sink = at(&server);
    fake.0.lock().limits = 1;
    let receipt = sink.sent(&message()).await;
    let Receipt::Later { after, why } = receipt else {
        panic!("{receipt:?}");
    };
    assert_eq!(after, Some(Duration::from_secs(35)));
    assert!(!why.contains("canary"), "{why}");
    fake.change(ID, |chat| chat.is_blocked = true);
    let others = At::new(&server, SinkKind::Telegram, CHAT, "1:canary-other");
    let nowhere = At::new(&server, SinkKind::Telegram, "/-77", TOKEN);
    for (sink, expected) in [
        (&sink, DisableReason::Refused),
        (&others, DisableReason::Refused),
        (&nowhere, DisableReason::NotFound),
    ] {
        let receipt = sink.sent(&message()).await;
        let Receipt::Refused { reason, why } = receipt else {
            panic!("{receipt:?}");
        };
        assert_eq!(reason, expected, "{why}");
        assert!(!why.contains("canary"), "{why}");
    }
}

/// A server that repeats what it was called with.
#[tokio::test]
async fn a_token_that_an_answer_repeats_is_not_shown() {
    let server = serving(|asked| {
        let path = asked.path.join("/");
        (
            404,
            String::new(),
            json!({ "description": format!("no such path /{path}") }),
        )
    })
    .await;
    for secret in [TOKEN, "1:canary"] {
        let sink = At::new(&server, SinkKind::Telegram, CHAT, secret);
        let receipt = sink.sent(&message()).await;
        let Receipt::Refused { why, .. } = receipt else {
            panic!("{receipt:?}");
        };
        assert!(why.contains("/bot(hidden)/sendMessage"), "{why}");
    }
}

#[tokio::test]
async fn whole_lives_and_hostile_and_long_texts_templates_and_digests_are_accepted() {
    let fake = Fake::default().chat(ID);
    let server = fake.serve().await;
    let sink = at(&server);
    let shown = live(&sink, life()).await;
    assert!(shown.iter().all(|it| it == &shown[0]), "{shown:?}");
    assert_eq!(fake.posts(ID).len(), LIFE.len());
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    let posts = fake.posts(ID);
    assert_eq!(posts.len(), LIFE.len() + digests + 2 * incidents);
    let mut links = posts
        .iter()
        .flat_map(|post| post.entities.as_array().unwrap());
    let is_ours = |it: &Value| {
        let url = it["url"]
            .as_str()
            .unwrap_or("https://github.com/octo/app/actions/runs/");
        url.starts_with("https://github.com/octo/app/actions/runs/")
    };
    assert!(links.all(is_ours));
}
