//! The Web API of Slack: one bot, and the channels that it is in.
//!
//! What it does is known from Slack's own reference: `REFERENCE` stands for
//! <https://docs.slack.dev/reference/methods>.

use super::life::{LIFE, bear, life, live, sample};
use super::*;
use serde_json::json;

const TOKEN: &str = "xoxb-17653672481-canary-pdFZKVeTuE8sk7oOcBrzbqgy";
const CHANNEL: &str = "C1H9RESGL";

/// A message of the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Post {
    ts: String,
    text: String,
    blocks: Value,
    thread: Option<String>,
    is_broadcast: bool,
    is_edited: bool,
}

#[derive(Default)]
struct State {
    posts: Vec<Post>,
    /// Answers the next calls of a method with this error.
    errors: Vec<(&'static str, &'static str)>,
    /// Answers the next calls with 429.
    limits: u32,
    /// Does what the next calls ask for, and answers so.
    drops: Vec<Says>,
    last: u64,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

/// An error comes with status 200: <https://docs.slack.dev/apis/web-api/#responses>.
fn bad(error: &str) -> Says {
    let body = json!({ "ok": false, "error": error });
    (200, String::new(), body)
}

/// What blocks must be: <https://docs.slack.dev/reference/block-kit/blocks>.
pub(super) fn are_blocks(blocks: &Value) -> bool {
    let is_text = |it: &Value, most: usize| {
        let text = it["text"].as_str().unwrap_or_default();
        let is_known = ["plain_text", "mrkdwn"]
            .iter()
            .any(|it_is| it["type"] == *it_is);
        is_known && (1..=most).contains(&text.chars().count())
    };
    let Some(blocks) = blocks.as_array() else {
        return false;
    };
    (1..=50).contains(&blocks.len())
        && blocks.iter().all(|block| match block["type"].as_str() {
            Some("header") => block["text"]["type"] == "plain_text" && is_text(&block["text"], 150),
            Some("section") => {
                let fields = block["fields"].as_array().cloned().unwrap_or_default();
                let has_text = is_text(&block["text"], 3000);
                let are_fit = fields.len() <= 10 && fields.iter().all(|it| is_text(it, 2000));
                are_fit && (has_text || !fields.is_empty())
            }
            Some("context") => {
                let all = block["elements"].as_array().cloned().unwrap_or_default();
                // As any text: https://docs.slack.dev/reference/block-kit/composition-objects
                (1..=10).contains(&all.len()) && all.iter().all(|it| is_text(it, 3000))
            }
            _ => false,
        })
}

impl State {
    /// A channel is an id or a name for a new message (REFERENCE/chat.postMessage#channels), and an
    /// id for a change (REFERENCE/chat.update).
    fn call(&mut self, method: &str, body: &Value) -> Says {
        let channel = body["channel"].as_str().unwrap_or_default();
        let is_new = method == "chat.postMessage";
        let is_known = channel == CHANNEL || is_new && ["#builds", "builds"].contains(&channel);
        if !is_known {
            return bad("channel_not_found");
        }
        let text = body["text"].as_str().unwrap_or_default();
        if text.is_empty() || !are_blocks(&body["blocks"]) {
            return bad(if text.is_empty() {
                "no_text"
            } else {
                "invalid_blocks"
            });
        }
        // Without it, a change turns names and addresses into links.
        if body["parse"] != "none" {
            return bad("invalid_arguments");
        }
        let given = |name: &str| body[name].as_str().map(str::to_owned);
        let ts = if is_new {
            self.last += 1;
            let ts = format!("1503435956.{:06}", self.last);
            self.posts.push(Post {
                ts: ts.clone(),
                text: text.to_owned(),
                blocks: body["blocks"].clone(),
                thread: given("thread_ts"),
                is_broadcast: body["reply_broadcast"] == true,
                is_edited: false,
            });
            ts
        } else {
            let ts = given("ts").unwrap_or_default();
            let Some(post) = self.posts.iter_mut().find(|post| post.ts == ts) else {
                return bad("message_not_found");
            };
            text.clone_into(&mut post.text);
            post.blocks = body["blocks"].clone();
            post.is_edited = true;
            ts
        };
        let body = json!({ "ok": true, "channel": CHANNEL, "ts": ts });
        (200, String::new(), body)
    }
}

impl Fake {
    fn posts(&self) -> Vec<Post> {
        self.0.lock().posts.clone()
    }

    fn answer(&self, asked: &Asked<'_>) -> Says {
        let mut state = self.0.lock();
        let ["api", method @ ("chat.postMessage" | "chat.update")] = asked.path[..] else {
            return (404, String::new(), json!("no such method"));
        };
        let bearer = format!("\r\nauthorization: Bearer {TOKEN}\r\n");
        let head = format!("{}\r\n", asked.head);
        if asked.method != "POST" || !head.contains(&bearer) {
            return bad("invalid_auth");
        }
        // JSON is read only with its type: https://docs.slack.dev/apis/web-api/#post_bodies
        if !head.contains("\r\ncontent-type: application/json") {
            return bad("invalid_post_type");
        }
        // <https://docs.slack.dev/apis/web-api/rate-limits>
        if state.limits > 0 {
            state.limits -= 1;
            let body = json!({ "ok": false, "error": "ratelimited" });
            return (429, "retry-after: 30\r\n".to_owned(), body);
        }
        if let Some(at) = state.errors.iter().position(|(known, _)| *known == method) {
            let error = state.errors.remove(at).1;
            return bad(error);
        }
        let says = state.call(method, &asked.body);
        state.drops.pop().unwrap_or(says)
    }

    async fn serve(&self) -> Server {
        let fake = self.clone();
        serving(move |asked| fake.answer(asked)).await
    }
}

fn at(server: &Server, channel: &str) -> At {
    At::new(
        server,
        SinkKind::SlackBot,
        &format!("/api/{channel}"),
        TOKEN,
    )
}

#[tokio::test]
async fn one_message_of_an_incident_is_changed_and_each_change_is_seen_in_its_thread() {
    for channel in [CHANNEL, "#builds", "builds"] {
        let fake = Fake::default();
        let server = fake.serve().await;
        let sink = at(&server, channel);
        let id = sink.accepted(&message()).await;
        // Also where the channel has a name, its id is kept: a change needs it.
        assert_eq!(id, "C1H9RESGL/1503435956.000001");
        let end = next(6, &resolved(), &id);
        assert_eq!(sink.accepted(&end).await, id);
        let posts = fake.posts();
        assert_eq!(posts.len(), 2, "{posts:?}");
        let blocks = posts[0].blocks.to_string();
        assert!(posts[0].is_edited && blocks.contains("Resolution: a later run passed"));
        assert_eq!(posts[1].thread.as_deref(), Some("1503435956.000001"));
        assert!(posts[1].text.contains("Resolved: ") && !posts[1].is_broadcast);
        // That it is open again is for all of the channel.
        assert_eq!(sink.accepted(&reopened(7, &id)).await, id);
        let posts = fake.posts();
        assert!(posts[0].text.contains("Reopened: "), "{posts:?}");
        assert_eq!((posts.len(), posts[2].is_broadcast), (3, true));
        assert_eq!(posts[2].thread, posts[1].thread);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_changed_is_sent_again() {
    for error in [
        "message_not_found",
        "edit_window_closed",
        "cant_update_message",
        "is_inactive",
    ] {
        let fake = Fake::default();
        let server = fake.serve().await;
        let sink = at(&server, "#builds");
        let id = sink.accepted(&message()).await;
        fake.0.lock().errors = vec![("chat.update", error)];
        let new = sink.accepted(&next(6, &resolved(), &id)).await;
        assert_eq!(new, "C1H9RESGL/1503435956.000002", "{error}");
        let posts = fake.posts();
        assert!(!posts[0].is_edited && posts[1].thread.is_none(), "{error}");
        assert!(posts[1].blocks.to_string().contains("Resolution: "));
        // From then on, that one is changed.
        assert_eq!(sink.accepted(&reopened(7, &new)).await, new);
        assert!(fake.posts()[1].is_edited);
    }
    // One of which Slack knows nothing.
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server, CHANNEL);
    let id = sink.accepted(&next(6, &resolved(), "C1H9RESGL/1.5")).await;
    assert_eq!(id, "C1H9RESGL/1503435956.000001");
}

/// An archived channel refuses the change and the new message; a second call of the first kind
/// would say no more.
#[tokio::test]
async fn errors_that_no_retry_resolves_disable_the_sink_with_their_reason() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server, CHANNEL);
    let id = sink.accepted(&message()).await;
    for (errors, expected, words) in [
        (
            vec![
                ("chat.update", "is_inactive"),
                ("chat.postMessage", "is_archived"),
            ],
            DisableReason::Gone,
            "The channel is archived",
        ),
        (
            vec![("chat.update", "token_revoked")],
            DisableReason::Refused,
            "The token was revoked",
        ),
        (
            vec![("chat.postMessage", "not_in_channel")],
            DisableReason::Refused,
            "The app is not in the channel. Invite it there",
        ),
    ] {
        fake.0.lock().errors = errors;
        let receipt = sink.sent(&next(6, &resolved(), &id)).await;
        let Receipt::Disabled { reason, why } = receipt else {
            panic!("{receipt:?}");
        };
        assert_eq!(reason, expected);
        assert!(why.starts_with(words), "{why}");
    }
    let nowhere = at(&server, "C0NOWHERE");
    let other = At::new(&server, SinkKind::SlackBot, "/api/builds", "xoxb-canary-2");
    for (sink, expected) in [
        (&nowhere, DisableReason::NotFound),
        (&other, DisableReason::Refused),
    ] {
        let receipt = sink.sent(&message()).await;
        let Receipt::Disabled { reason, why } = receipt else {
            panic!("{receipt:?}");
        };
        assert_eq!(reason, expected);
        assert!(!why.contains("canary") && !why.contains("NOWHERE"), "{why}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_later_and_a_wait_is_obeyed() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server, CHANNEL);
    let id = sink.accepted(&message()).await;
    fake.0.lock().limits = 1;
    let receipt = sink.sent(&next(6, &resolved(), &id)).await;
    let Receipt::Later { after, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert_eq!(after, Some(Duration::from_secs(30)));
    for method in ["chat.update", "chat.postMessage"] {
        for error in ["ratelimited", "internal_error", "fatal_error"] {
            fake.0.lock().errors = vec![(method, error)];
            let receipt = sink.sent(&next(6, &resolved(), &id)).await;
            assert!(matches!(receipt, Receipt::Later { .. }), "{receipt:?}");
        }
    }
    // The change was made each time that only the reply failed, and is made once more.
    assert_eq!(sink.accepted(&next(6, &resolved(), &id)).await, id);
    assert_eq!(fake.posts().len(), 2);
}

#[tokio::test]
async fn a_lost_answer_leaves_it_open_whether_the_message_was_seen() {
    // Also an answer of success without its body: that may hold an error.
    for lost in [NO_ANSWER, HALF_AN_ANSWER] {
        let fake = Fake::default();
        let server = fake.serve().await;
        let sink = at(&server, CHANNEL);
        fake.0.lock().drops = vec![lost.clone()];
        let receipt = sink.sent(&message()).await;
        assert!(matches!(receipt, Receipt::Unsure { .. }), "{receipt:?}");
        let id = sink.accepted(&message()).await;
        // A change can be repeated: there is still one message to change.
        fake.0.lock().drops = vec![lost];
        let end = next(6, &resolved(), &id);
        let receipt = sink.sent(&end).await;
        assert!(matches!(receipt, Receipt::Unsure { .. }), "{receipt:?}");
        assert_eq!(sink.accepted(&end).await, id);
        let posts = fake.posts();
        assert!(posts[1].is_edited && posts.len() == 3, "{posts:?}");
    }
}

/// A server that repeats what it was called with.
#[tokio::test]
async fn a_token_that_an_answer_repeats_is_not_shown() {
    let server = serving(|asked| (500, String::new(), json!({ "head": asked.head }))).await;
    let receipt = at(&server, CHANNEL).sent(&message()).await;
    let Receipt::Later { why, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert!(why.contains("authorization: Bearer (hidden)"), "{why}");
    assert!(!why.contains("canary"), "{why}");
}

#[tokio::test]
async fn a_whole_life_is_one_message_and_its_thread() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server, CHANNEL);
    let shown = live(&sink, life()).await;
    assert!(
        shown
            .iter()
            .all(|it| it.as_deref() == Some("C1H9RESGL/1503435956.000001"))
    );
    let posts = fake.posts();
    assert_eq!(posts.len(), LIFE.len());
    assert!(
        posts[0].is_edited && posts[0].text.contains("Resolved: "),
        "{posts:?}"
    );
    let words = [
        "Still open",
        "More severe",
        "Resolved",
        "Reopened",
        "Flapping",
        "Resolved",
    ];
    for (post, word) in posts[1..].iter().zip(words) {
        assert!(post.text.contains(&format!("{word}: ")), "{post:?}");
        assert_eq!(post.thread.as_deref(), Some("1503435956.000001"));
    }
    sink.accepted(&sample()).await;
    assert!(fake.posts()[7].thread.is_none());
}

#[tokio::test]
async fn hostile_and_long_texts_templates_and_digests_are_accepted() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let (digests, incidents) = bear(&at(&server, CHANNEL), usize::MAX).await;
    let posts = fake.posts();
    assert_eq!(posts.len(), digests + 2 * incidents);
    let is_digest = |post: &&Post| post.text.contains("Digest: ");
    assert!(digests > 100 && posts.iter().filter(is_digest).count() == digests);
    // Nothing of a stranger stands in a text with mark-up.
    let is_ours = |text: &Value| {
        let link = "<https://github.com/octo/app/actions/runs/";
        text["type"] != "mrkdwn" || text["text"].as_str().unwrap().starts_with(link)
    };
    let blocks = posts
        .iter()
        .flat_map(|post| post.blocks.as_array().unwrap());
    let contexts = blocks.filter_map(|block| block["elements"].as_array());
    assert!(contexts.flatten().all(is_ours));
}
