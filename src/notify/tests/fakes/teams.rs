//! A workflow of Microsoft Teams that posts the card it is called with.
//!
//! What it does is known from Microsoft's reference: body, limits and throttling
//! <https://learn.microsoft.com/connectors/teams/>, the card
//! <https://adaptivecards.io/explorer/AdaptiveCard.html> and its texts
//! <https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features>; size
//! <https://learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages>.

use super::life::{LIFE, bear, life, live, sample};
use super::*;
use serde_json::json;

const FLOW: &str = "/workflows/0a1b2c3d/triggers/manual/paths/invoke";
const QUERY: &str = "api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=canary_Wf3-b1";
/// A message has at most 28 KB, counted after Teams has made its own of the card, which is larger
/// by half. A larger one is accepted, and never shown.
const CARD_BYTES_MAX: usize = 18_000;

#[derive(Default)]
struct State {
    shown: Vec<Value>,
    /// Cards that were accepted, and could not be shown.
    lost: Vec<&'static str>,
    /// Texts in which something acts.
    faults: Vec<String>,
    refusals: Vec<Says>,
    drops: Vec<Says>,
    is_gone: bool,
}

type Fake = Arc<Mutex<State>>;

fn error(status: u16, code: &str) -> Says {
    let body = json!({ "error": { "code": code, "message": "x" } });
    (status, String::new(), body)
}

/// Why a card cannot be shown.
fn fault(body: &Value) -> Option<&'static str> {
    let card = &body["attachments"][0]["content"];
    let kind = &body["attachments"][0]["contentType"];
    if *kind != "application/vnd.microsoft.card.adaptive" || card["type"] != "AdaptiveCard" {
        return Some("no card");
    }
    if !["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"]
        .iter()
        .any(|it| card["version"] == *it)
    {
        return Some("a version that Teams does not know");
    }
    if body.to_string().len() > CARD_BYTES_MAX {
        return Some("too large");
    }
    let is_block = |block: &Value| {
        let text = block["text"].as_str().unwrap_or_default();
        block["type"] == "TextBlock" && !text.trim().is_empty()
    };
    let is_action = |action: &Value| {
        let url = action["url"].as_str().unwrap_or_default();
        action["type"] == "Action.OpenUrl" && url.starts_with("https://github.com/octo/app/")
    };
    let all = |list: &Value, fits: &dyn Fn(&Value) -> bool| {
        list.as_array().is_some_and(|all| all.iter().all(fits))
    };
    let fits = all(&card["body"], &is_block) && all(&card["actions"], &is_action);
    (!fits).then_some("a part")
}

/// Whether a link, emphasis or a function of cards is in a text besides what we have put there.
fn acts(text: &str) -> bool {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        // An escaped character is itself.
        if c == '\\' {
            characters.next();
        } else {
            plain.push(c);
        }
    }
    let own = plain
        .strip_prefix("**")
        .and_then(|text| text.split_once(":** "));
    let rest = own.map_or(plain.as_str(), |(_, rest)| rest);
    rest.contains(['[', ']', '*', '_', '`']) || text.contains("{{") || rest.contains("://")
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        let path = format!("/{}", asked.path.join("/"));
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        if path != FLOW || self.is_gone {
            return error(404, "WorkflowNotFound");
        }
        if query != QUERY {
            return error(401, "AuthorizationFailed");
        }
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        let attachments = asked.body["attachments"].as_array().map(Vec::len);
        if asked.body["type"] != "message" || attachments != Some(1) {
            return error(400, "InvalidRequestContent");
        }
        let card = &asked.body["attachments"][0]["content"];
        match fault(&asked.body) {
            Some(why) => self.lost.push(why),
            None => self.shown.push(card.clone()),
        }
        let blocks = card["body"].as_array().into_iter().flatten();
        let texts = blocks.filter_map(|block| block["text"].as_str());
        self.faults
            .extend(texts.filter(|text| acts(text)).map(str::to_owned));
        let accepted = (202, String::new(), Value::from(""));
        self.drops.pop().unwrap_or(accepted)
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    let server = serving_state(&fake, State::answer).await;
    let at = At::open(&server, SinkKind::Teams, &format!("{FLOW}?{QUERY}"));
    (fake, server, at)
}

#[tokio::test]
async fn each_news_of_an_incident_is_one_card() {
    let (fake, _server, sink) = serve().await;
    assert_eq!(live(&sink, life()).await, vec![None; LIFE.len()]);
    let cards = fake.lock().shown.clone();
    let words = [
        "Opened",
        "Still open",
        "More severe",
        "Resolved",
        "Reopened",
        "Flapping",
        "Resolved",
    ];
    assert_eq!(cards.len(), words.len());
    for (card, word) in cards.iter().zip(words) {
        let headline = card["body"][0]["text"].as_str().unwrap();
        let expected = format!(" {word}: CI failed:");
        assert!(headline.contains(&expected), "{headline}");
        assert_eq!(card["actions"].as_array().map(Vec::len), Some(1));
    }
    sink.sent(&sample()).await;
    let state = fake.lock();
    assert_eq!(state.shown[7]["actions"], json!([]));
    assert_eq!((state.lost.len(), state.faults.len()), (0, 0));
}

/// A card that is too large would be lost without a word.
#[tokio::test]
async fn hostile_and_long_texts_are_shown_and_do_not_act() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    let state = fake.lock();
    assert_eq!(state.lost, [] as [&str; 0]);
    assert_eq!(state.faults, [] as [&str; 0]);
    assert_eq!(state.shown.len(), digests + 2 * incidents);
    for text in [
        "[x](y)",
        "a *b*",
        "**Own:** _x_",
        "{{DATE(x)}}",
        "https://evil.example",
    ] {
        assert!(acts(text), "{text}");
    }
    assert!(!acts("**Branch:** a\\_b\\[c\\]"));
}

#[tokio::test]
async fn refusals_pass_or_stay_and_the_signature_is_not_shown() {
    let (fake, server, sink) = serve().await;
    for (says, expected) in [
        (
            (429, "retry-after: 27\r\n".to_owned(), Value::Null),
            "later: Some(27s)",
        ),
        (error(502, "NoResponse"), "later: None"),
        (error(400, "InvalidRequestContent"), "rejected"),
        (error(413, "RequestEntityTooLarge"), "rejected"),
        // A workflow that is switched off may be switched on again.
        (
            error(403, "WorkflowTriggerIsNotEnabled"),
            "refused: refused",
        ),
    ] {
        fake.lock().refusals = vec![says.clone()];
        assert_eq!(name(&sink.sent(&message()).await), expected, "{says:?}");
    }
    let forged = At::open(&server, SinkKind::Teams, &format!("{FLOW}?sig=canary"));
    let receipt = forged.sent(&message()).await;
    assert_eq!(name(&receipt), "refused: refused");
    assert!(!format!("{receipt:?}").contains("canary"), "{receipt:?}");
    fake.lock().is_gone = true;
    assert_eq!(name(&sink.sent(&message()).await), "refused: not_found");
}

#[tokio::test]
async fn a_lost_answer_is_unsure() {
    let (fake, _server, sink) = serve().await;
    fake.lock().drops = vec![NO_ANSWER];
    assert_eq!(name(&sink.sent(&message()).await), "unsure");
    assert_eq!(name(&sink.sent(&message()).await), "accepted");
    assert_eq!(fake.lock().shown.len(), 2);
}
