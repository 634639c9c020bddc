//! The incoming webhooks of a Mattermost server.
//!
//! What it does is known from its documentation,
//! <https://developers.mattermost.com/integrate/webhooks/incoming/>, and for lengths and errors
//! from the server: `HandleIncomingWebhook` and `splitWebhookPost` in
//! <https://github.com/mattermost/mattermost/blob/master/server/channels/app/webhook.go>.

use super::life::{LIFE, bear, life, live, sample};
use super::*;
use serde_json::json;

const HOOK: &str = "/hooks/canary8tuxjz3g8dmn1ws9ytq8o";
/// How the line with our link begins.
const LINK: &str = "[Open the run](https://github.com/octo/app/actions/runs/";
/// `PostMessageMaxRunesV2`: what is longer becomes several posts.
const RUNES_MAX: usize = 16_383;

#[derive(Default)]
struct State {
    posts: Vec<String>,
    /// What acted in a post and is not ours.
    faults: Vec<String>,
    /// Answers the next requests so.
    refusals: Vec<Says>,
    /// Does what the next requests ask for, and answers so.
    drops: Vec<Says>,
}

type Fake = Arc<Mutex<State>>;

/// An error as the server has them.
fn error(status: u16, id: &str) -> Says {
    let body = json!({ "id": id, "message": "x", "detailed_error": "", "status_code": status });
    (status, String::new(), body)
}

/// Whether someone is mentioned, or a link of another is shown. The forms of Slack are translated
/// wherever they stand; all else does nothing between backticks.
fn acts(text: &str) -> bool {
    let word = |after: &str| after.starts_with(|c: char| c.is_alphanumeric());
    let mut tags = text.split('<').skip(1);
    let is_slacks = |tag: &str| {
        let rest = tag.trim_start_matches(['!', '@', '#']);
        rest.len() < tag.len() && word(rest) || tag.starts_with("http")
    };
    let lines = text.lines().filter(|line| !line.starts_with(LINK));
    // Besides our words, and the bold ones of the first line.
    let is_ours =
        |c: char| c.is_ascii_alphabetic() || " :\u{1f534}\u{1f7e1}\u{1f7e2}\u{1f4cb}".contains(c);
    let mut outside = lines.enumerate().map(|(number, line)| {
        let outside: String = line.split('`').step_by(2).collect();
        let bold = if number == 0 { 4 } else { 0 };
        (
            outside.matches('*').count() == bold,
            outside.replace('*', ""),
        )
    });
    let is_other = |(is_bold, text): (bool, String)| !is_bold || !text.chars().all(is_ours);
    tags.any(is_slacks) || outside.any(is_other)
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        if format!("/{}", asked.path.join("/")) != HOOK {
            return error(400, "web.incoming_webhook.invalid.app_error");
        }
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        // A form is read as one, so JSON needs its type.
        if asked.method != "POST" || !asked.head.contains("content-type: application/json") {
            return error(400, "web.incoming_webhook.parse.app_error");
        }
        let text = asked.body["text"].as_str().unwrap_or_default();
        if text.is_empty() {
            return error(400, "web.incoming_webhook.text.app_error");
        }
        if acts(text) {
            self.faults.push(text.to_owned());
        }
        let runes: Vec<char> = text.chars().collect();
        let posts = runes.chunks(RUNES_MAX);
        self.posts
            .extend(posts.map(|post| post.iter().collect::<String>()));
        let ok = (200, String::new(), Value::from("ok"));
        self.drops.pop().unwrap_or(ok)
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    let server = serving_state(&fake, State::answer).await;
    let at = At::open(&server, SinkKind::Mattermost, HOOK);
    (fake, server, at)
}

#[tokio::test]
async fn each_news_of_an_incident_is_one_post() {
    let (fake, _server, sink) = serve().await;
    assert_eq!(live(&sink, life()).await, vec![None; LIFE.len()]);
    let posts = fake.lock().posts.clone();
    let words = [
        "Opened",
        "Still open",
        "More severe",
        "Resolved",
        "Reopened",
        "Flapping",
        "Resolved",
    ];
    assert_eq!(posts.len(), words.len());
    for (post, word) in posts.iter().zip(words) {
        assert!(
            post.contains(&format!(" **{word}:** `CI failed: build on main`")),
            "{post}"
        );
        assert!(post.ends_with(&format!("\n{LINK}9001)")), "{post}");
        let is_end = word == "Resolved";
        assert_eq!(
            post.contains("Resolution: `a later run passed`"),
            is_end,
            "{post}"
        );
    }
    sink.sent(&sample()).await;
    assert!(fake.lock().posts[7].contains("`Test message from Hookherd: "));
    assert_eq!(fake.lock().faults, [] as [&str; 0]);
}

#[tokio::test]
async fn hostile_and_long_texts_are_one_post_each_and_mention_no_one() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    let state = fake.lock();
    assert_eq!(state.faults, [] as [&str; 0]);
    assert_eq!(state.posts.len(), digests + 2 * incidents);
    drop(state);
    let whole = |line: &str| format!("\u{1f534} **Opened:** `x`\n{line}");
    assert!(!acts(&whole("Branch: `main`")));
    for text in [
        "x `y` @here",
        "`*a`b*",
        "`a` <!channel> b",
        "`<@u>`",
        "[x](https://evil.example)",
    ] {
        assert!(acts(&whole(text)), "{text}");
    }
}

#[tokio::test]
async fn refusals_pass_or_stay_as_the_server_says() {
    let (fake, server, sink) = serve().await;
    let throttled = "x-ratelimit-limit: 10\r\nx-ratelimit-remaining: 0\r\nretry-after: 3\r\n";
    for (says, expected) in [
        (
            (429, throttled.to_owned(), Value::from("limit exceeded")),
            "later: Some(3s)",
        ),
        (
            error(500, "app.channel.get.existing.app_error"),
            "later: None",
        ),
        (
            error(501, "web.incoming_webhook.disabled.app_error"),
            "disabled: refused",
        ),
        (
            error(404, "web.incoming_webhook.channel.app_error"),
            "disabled: not_found",
        ),
        (
            error(403, "web.incoming_webhook.channel_locked.app_error"),
            "disabled: refused",
        ),
        (
            error(400, "web.incoming_webhook.text.app_error"),
            "rejected",
        ),
    ] {
        fake.lock().refusals = vec![says.clone()];
        assert_eq!(name(&sink.sent(&message()).await), expected, "{says:?}");
    }
    // A hook that was deleted, and a database that does not answer, look the same.
    let gone = At::open(&server, SinkKind::Mattermost, "/hooks/canary2");
    assert_eq!(name(&gone.sent(&message()).await), "refused: not_found");
    assert_eq!(fake.lock().posts.len(), 0);
}

/// There is no way to find out whether it was posted.
#[tokio::test]
async fn a_lost_answer_is_unsure_and_half_of_one_is_not() {
    let (fake, _server, sink) = serve().await;
    fake.lock().drops = vec![HALF_AN_ANSWER, NO_ANSWER];
    assert_eq!(name(&sink.sent(&message()).await), "unsure");
    assert_eq!(name(&sink.sent(&message()).await), "accepted");
    assert_eq!(fake.lock().posts.len(), 2);
}
