//! A webhook of Discord.
//!
//! What it does is known from Discord's reference:
//! <https://docs.discord.com/developers/resources/webhook>,
//! <https://docs.discord.com/developers/resources/message#embed-object-embed-limits>,
//! <https://docs.discord.com/developers/topics/rate-limits> and
//! <https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>.

use super::life::{LIFE, bear, life, live, sample};
use super::*;
use serde_json::json;
use std::collections::BTreeMap;

const HOOK: &str = "/api/webhooks/223704706495545344/canary-3d89bb7572e0fb30d8128367b3b1b44f";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Post {
    embed: Value,
    edits: usize,
}

#[derive(Default)]
struct State {
    posts: BTreeMap<u64, Post>,
    is_gone: bool,
    /// Messages that may mention someone.
    mentions: usize,
    /// Refusals of which too many ban the caller's address.
    bad: usize,
    refusals: Vec<Says>,
    /// Does what the next requests of this method ask for, and answers so.
    drops: Vec<(&'static str, Says)>,
}

type Fake = Arc<Mutex<State>>;

fn error(status: u16, code: u32) -> Says {
    (
        status,
        String::new(),
        json!({ "message": "x", "code": code }),
    )
}

/// It is not documented what a character is, so the strictest is taken: a unit of UTF-16.
fn units(text: &Value) -> usize {
    text.as_str().map_or(0, |text| text.encode_utf16().count())
}

/// What is wrong with the form of a message.
fn fault(body: &Value) -> Option<&'static str> {
    let embeds = body["embeds"].as_array().cloned().unwrap_or_default();
    let length = |embed: &Value| units(&embed["title"]) + units(&embed["description"]);
    let is_url =
        |url: &Value| url.is_null() || url.as_str().is_some_and(|it| it.starts_with("http"));
    if embeds.is_empty() || embeds.len() > 10 {
        return Some("embeds");
    }
    if units(&body["content"]) > 2_000 || embeds.iter().map(length).sum::<usize>() > 6_000 {
        return Some("length");
    }
    let is_bad = |embed: &Value| {
        let (title, text) = (units(&embed["title"]), units(&embed["description"]));
        let colour = embed["color"].as_u64().unwrap_or_default();
        title > 256
            || text > 4_096
            || title + text == 0
            || colour > 0xff_ff_ff
            || !is_url(&embed["url"])
    };
    embeds.iter().any(is_bad).then_some("embed")
}

impl State {
    fn called(&mut self, asked: &Asked<'_>) -> Says {
        let path = format!("/{}", asked.path.join("/"));
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let (hook, token) = HOOK.rsplit_once('/').unwrap();
        let Some(rest) = path.strip_prefix(hook).filter(|_| !self.is_gone) else {
            return error(404, 10_015);
        };
        let Some(rest) = rest.strip_prefix(&format!("/{token}")) else {
            return error(401, 50_027);
        };
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        if fault(&asked.body).is_some() {
            return error(400, 50_035);
        }
        if asked.body["allowed_mentions"] != json!({ "parse": [] }) {
            self.mentions += 1;
        }
        let embed = asked.body["embeds"][0].clone();
        let id = match (asked.method, rest.strip_prefix("/messages/")) {
            ("POST", None) => {
                let id = 1_234_000_000_000_000_000 + self.posts.len() as u64;
                self.posts.insert(id, Post { embed, edits: 0 });
                id
            }
            ("PATCH", Some(id)) => {
                let id = id.parse().unwrap_or_default();
                let Some(post) = self.posts.get_mut(&id) else {
                    return error(404, 10_008);
                };
                *post = Post {
                    embed,
                    edits: post.edits + 1,
                };
                id
            }
            _ => return error(405, 0),
        };
        if asked.method == "POST" && query != "wait=true" {
            return (204, String::new(), Value::from(""));
        }
        (
            200,
            String::new(),
            json!({ "id": id.to_string(), "type": 0 }),
        )
    }

    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        let says = self.called(asked);
        self.bad += usize::from([401, 403, 404, 429].contains(&says.0));
        let drop = self.drops.iter().position(|it| it.0 == asked.method);
        drop.map_or(says, |at| self.drops.remove(at).1)
    }

    fn titles(&self) -> Vec<String> {
        let title = |it: &Post| it.embed["title"].as_str().unwrap().to_owned();
        self.posts.values().map(title).collect()
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    let server = serving_state(&fake, State::answer).await;
    let at = At::open(&server, SinkKind::Discord, HOOK);
    (fake, server, at)
}

#[tokio::test]
async fn an_incident_is_one_message_that_is_changed_and_each_change_is_seen() {
    let (fake, _server, sink) = serve().await;
    let shown = live(&sink, life()).await;
    assert!(
        shown.iter().all(|it| it == &shown[0] && it.is_some()),
        "{shown:?}"
    );
    let is_note = |post: &Post| post.embed["description"].is_null();
    let posts: Vec<Post> = fake.lock().posts.values().cloned().collect();
    assert_eq!(posts.len(), LIFE.len());
    assert_eq!(posts[0].edits, LIFE.len() - 1);
    assert!(!is_note(&posts[0]) && posts[1..].iter().all(is_note));
    assert_eq!(posts[0].embed["color"], 0x2e_a0_43, "it is resolved");
    let titles = fake.lock().titles();
    let first = |title: &String| title.split(':').next().unwrap().to_owned();
    let words: Vec<String> = titles.iter().map(first).collect();
    let expected = [
        "Resolved",
        "Still open",
        "More severe",
        "Resolved",
        "Reopened",
        "Flapping",
        "Resolved",
    ];
    assert_eq!(words, expected);
    assert_eq!(fake.lock().mentions, 0);
    sink.accepted(&sample()).await;
    assert!(fake.lock().titles()[7].starts_with("Opened: Test message from Hookherd"));
}

#[tokio::test]
async fn hostile_and_long_texts_are_within_the_limits_and_mention_no_one() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    let state = fake.lock();
    // A change of each, and a note after it.
    assert_eq!(state.posts.len(), digests + 2 * incidents);
    assert_eq!((state.mentions, state.bad), (0, 0));
    drop(state);
    let long = |title: usize, text: usize| {
        let (title, text) = ("\u{1f534}".repeat(title), "x".repeat(text));
        json!({ "embeds": [{ "title": title, "description": text }] })
    };
    assert_eq!(fault(&long(128, 4_096)), None);
    assert!(fault(&long(129, 1)).is_some() && fault(&long(1, 4_097)).is_some());
}

#[tokio::test]
async fn a_message_that_is_gone_is_sent_again_and_changed_from_then_on() {
    let (fake, _server, sink) = serve().await;
    let first = sink.accepted(&message()).await;
    fake.lock().posts.clear();
    let second = sink.accepted(&next(6, &resolved(), &first)).await;
    let third = sink.accepted(&reopened(7, &second)).await;
    assert_eq!(third, second);
    let state = fake.lock();
    let posts: Vec<&Post> = state.posts.values().collect();
    assert_eq!((posts.len(), posts[0].edits), (2, 1));
    assert!(posts[0].embed["description"].is_string());
}

/// The wait is in the body, in parts of a second.
#[tokio::test]
async fn a_limit_is_obeyed_and_a_refusal_counts_the_first_time() {
    let (fake, server, sink) = serve().await;
    let id = sink.accepted(&message()).await;
    let headers = "x-ratelimit-limit: 5\r\nx-ratelimit-remaining: 0\r\n\
                   x-ratelimit-reset-after: 1.25\r\nretry-after: 2\r\n";
    let body = json!({ "message": "You are being rate limited.", "retry_after": 1.25 });
    let end = next(6, &resolved(), &id);
    for message in [&message(), &end] {
        fake.lock().refusals = vec![(429, headers.to_owned(), body.clone())];
        assert_eq!(name(&sink.sent(message).await), "later: Some(1.25s)");
    }
    fake.lock().refusals = vec![error(500, 0)];
    assert_eq!(name(&sink.sent(&end).await), "later: None");
    fake.lock().refusals = vec![error(400, 50_035)];
    assert_eq!(name(&sink.sent(&end).await), "rejected");
    fake.lock().bad = 0;
    let path = HOOK.rsplit_once('/').unwrap().0;
    let other = At::open(&server, SinkKind::Discord, &format!("{path}/canary-2"));
    assert_eq!(name(&other.sent(&message()).await), "disabled: refused");
    fake.lock().is_gone = true;
    for message in [&message(), &end] {
        assert_eq!(name(&sink.sent(message).await), "disabled: not_found");
    }
    assert_eq!(fake.lock().bad, 3, "one call each");
}

#[tokio::test]
async fn a_change_is_repeated_after_a_lost_answer_and_stays_one_message() {
    let (fake, _server, sink) = serve().await;
    fake.lock().drops = vec![("POST", NO_ANSWER)];
    assert_eq!(name(&sink.sent(&message()).await), "unsure");
    let id = sink.accepted(&message()).await;
    let end = next(6, &resolved(), &id);
    for method in ["PATCH", "POST"] {
        fake.lock().drops = vec![(method, NO_ANSWER)];
        assert_eq!(name(&sink.sent(&end).await), "unsure", "{method}");
    }
    assert_eq!(sink.accepted(&end).await, id);
    let state = fake.lock();
    let post = &state.posts[&id.parse().unwrap()];
    assert_eq!(post.edits, 3);
    // The first that was lost, the message, and two notes.
    assert_eq!(state.posts.len(), 4);
}
