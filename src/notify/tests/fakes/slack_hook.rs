//! An incoming webhook of Slack.
//!
//! What it does is known from
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks> and, for blocks,
//! from <https://docs.slack.dev/reference/block-kit/blocks>.

use super::life::{LIFE, bear, life, live, sample};
use super::slack::are_blocks;
use super::*;

const HOOK: &str = "/services/T00000000/B00000000/canaryXXXXXXXXXXXXXXXXXX";
/// All texts of a message: more is refused though each block is within its limits.
const CHARACTERS_MAX: usize = 10_000;

#[derive(Default)]
struct State {
    posts: Vec<Value>,
    refusals: Vec<Says>,
}

type Fake = Arc<Mutex<State>>;

fn word(status: u16, word: &str) -> Says {
    (status, String::new(), Value::from(word))
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        if format!("/{}", asked.path.join("/")) != HOOK {
            return word(404, "no_service");
        }
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        let body = &asked.body;
        let text = body["text"].as_str().unwrap_or_default();
        if text.is_empty() {
            return word(400, "no_text");
        }
        let characters = body.to_string().chars().count();
        if !are_blocks(&body["blocks"]) || characters > CHARACTERS_MAX {
            return word(400, "invalid_blocks");
        }
        // In a text, these act: only our own link stands between them.
        if text.contains(['<', '>']) || body["mrkdwn"] != false {
            return word(400, "invalid_payload");
        }
        self.posts.push(body.clone());
        word(200, "ok")
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    let server = serving_state(&fake, State::answer).await;
    let at = At::open(&server, SinkKind::Slack, HOOK);
    (fake, server, at)
}

#[tokio::test]
async fn each_news_of_an_incident_is_one_message() {
    let (fake, _server, sink) = serve().await;
    assert_eq!(live(&sink, life()).await, vec![None; LIFE.len()]);
    sink.sent(&sample()).await;
    let posts = fake.lock().posts.clone();
    let words = [
        "Opened",
        "Still open",
        "More severe",
        "Resolved",
        "Reopened",
        "Flapping",
        "Resolved",
        "Opened",
    ];
    assert_eq!(posts.len(), words.len());
    for (post, word) in posts.iter().zip(words) {
        let header = post["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!(header.contains(&format!("{word}: ")), "{header}");
    }
    // Its eleven lines are more than a section takes.
    let fields = |at: usize| posts[5]["blocks"][at]["fields"].as_array().map(Vec::len);
    assert_eq!((fields(1), fields(2)), (Some(10), Some(1)));
}

#[tokio::test]
async fn hostile_and_long_texts_are_valid_blocks() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    assert_eq!(fake.lock().posts.len(), digests + 2 * incidents);
}

/// The longest address of a run, all of whose characters are escaped.
#[tokio::test]
async fn a_link_that_is_too_long_when_it_is_escaped_is_left_out() {
    let (fake, _server, sink) = serve().await;
    let mut message = message();
    let ci = message.incident.ci.as_mut().unwrap();
    ci.url = Some(format!("https://h.example/{}", "&".repeat(2_000)));
    assert_eq!(name(&sink.sent(&message).await), "accepted");
    let blocks = fake.lock().posts[0]["blocks"].clone();
    assert_eq!(blocks.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn refusals_pass_or_stay_as_slack_says() {
    let (fake, server, sink) = serve().await;
    for (says, expected) in [
        (
            (429, "retry-after: 30\r\n".to_owned(), Value::from("")),
            "later: Some(30s)",
        ),
        (word(500, "rollup_error"), "later: None"),
        (word(400, "invalid_payload"), "rejected"),
        (word(403, "action_prohibited"), "disabled: refused"),
        (word(403, "<html>"), "refused: refused"),
        (word(404, "channel_not_found"), "disabled: not_found"),
        (word(410, "channel_is_archived"), "disabled: gone"),
        (NO_ANSWER, "unsure"),
    ] {
        fake.lock().refusals = vec![says.clone()];
        assert_eq!(name(&sink.sent(&message()).await), expected, "{says:?}");
    }
    let gone = At::open(&server, SinkKind::Slack, "/services/T0/B0/canary");
    let receipt = gone.sent(&message()).await;
    assert_eq!(name(&receipt), "disabled: not_found");
    assert!(!format!("{receipt:?}").contains("canary"), "{receipt:?}");
    assert_eq!(fake.lock().posts.len(), 0);
}
