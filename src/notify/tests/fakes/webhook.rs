//! A receiver of Standard Webhooks, as their specification and their own library have it:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use super::life::{LIFE, bear, life, live, sample};
use super::*;
use standardwebhooks::Webhook;

const SECRET: &str = "whsec_Y2FuYXJ5LU1mS1E5cjhHS1lxclR3alVQRDhJTFBaSW8yTGFMYVN3";
const PATH: &str = "/hook?key=canary";
/// What a sender should stay below.
const BODY_BYTES_MAX: usize = 20_000;

#[derive(Default)]
struct State {
    /// What was done, by the ids of the messages: each once.
    done: Vec<(String, Value)>,
    faults: Vec<String>,
    calls: usize,
    refusals: Vec<Says>,
    drops: Vec<Says>,
}

type Fake = Arc<Mutex<State>>;

fn empty(status: u16, headers: &str) -> Says {
    (status, headers.to_owned(), Value::from(""))
}

fn header<'a>(asked: &Asked<'a>, name: &str) -> &'a str {
    let mut lines = asked.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|line| line.0 == name).map_or("", |line| line.1)
}

/// Whether it is signed with the secret; the library that says so is that of the specification.
fn is_signed(asked: &Asked<'_>) -> bool {
    let (id, at) = (
        header(asked, "webhook-id"),
        header(asked, "webhook-timestamp"),
    );
    let Ok(seconds) = at.parse() else {
        return false;
    };
    let receiver = Webhook::new(SECRET).unwrap();
    let expected = receiver.sign(id, seconds, asked.text.as_bytes()).unwrap();
    header(asked, "webhook-signature")
        .split(' ')
        .any(|it| it == expected)
}

/// What is wrong with a message that is signed.
fn fault(asked: &Asked<'_>) -> Option<&'static str> {
    let (id, body) = (header(asked, "webhook-id"), &asked.body);
    let is_text = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
    [
        (id.contains('.') || id.is_empty(), "an id with a dot"),
        (asked.text.len() >= BODY_BYTES_MAX, "too large"),
        (
            !is_text("type") || !is_text("timestamp"),
            "no type or timestamp",
        ),
        (!body["data"].is_object(), "no data"),
        (
            header(asked, "content-type") != "application/json",
            "no JSON",
        ),
    ]
    .iter()
    .find_map(|(is_so, what)| is_so.then_some(*what))
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        self.calls += 1;
        if format!("/{}", asked.path.join("/")) != PATH || asked.method != "POST" {
            return empty(404, "");
        }
        if !is_signed(asked) {
            return empty(401, "");
        }
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        self.faults.extend(fault(asked).map(str::to_owned));
        let id = header(asked, "webhook-id");
        if self.done.iter().all(|(known, _)| known != id) {
            self.done.push((id.to_owned(), asked.body.clone()));
        }
        self.drops.pop().unwrap_or_else(|| empty(204, ""))
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    let server = serving_state(&fake, State::answer).await;
    let at = At::new(&server, SinkKind::Webhook, PATH, SECRET);
    (fake, server, at)
}

#[tokio::test]
async fn each_news_of_an_incident_is_a_message_with_an_id_of_its_own() {
    let (fake, _server, sink) = serve().await;
    assert_eq!(live(&sink, life()).await, vec![None; LIFE.len()]);
    sink.sent(&sample()).await;
    let state = fake.lock();
    let types: Vec<_> = state
        .done
        .iter()
        .map(|(_, body)| body["type"].clone())
        .collect();
    let expected = [
        "incident.opened",
        "incident.reminded",
        "incident.worse",
        "incident.resolved",
        "incident.reopened",
        "incident.flapping",
        "incident.resolved",
        "incident.opened",
    ];
    assert_eq!(types, expected);
    let statuses = state
        .done
        .iter()
        .map(|(_, body)| &body["data"]["incident"]["status"]);
    let statuses: Vec<_> = statuses.collect();
    let acknowledged = ["open", "open", "acknowledged", "resolved"];
    assert_eq!(statuses[..4], acknowledged);
    let episodes = state.done.iter().map(|(_, body)| &body["data"]["episode"]);
    assert_eq!(episodes.collect::<Vec<_>>(), [1, 1, 1, 1, 2, 2, 2, 1]);
    assert_eq!(state.faults, [] as [&str; 0]);
}

#[tokio::test]
async fn hostile_texts_as_long_as_they_are_stored_are_signed_and_below_the_limit() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, 255).await;
    let state = fake.lock();
    assert_eq!(state.faults, [] as [&str; 0]);
    assert_eq!(state.done.len(), digests + 2 * incidents);
}

/// What was lost is repeated with its id, and done once.
#[tokio::test]
async fn a_lost_answer_is_unsure_and_the_repeated_message_is_known() {
    let (fake, _server, sink) = serve().await;
    for lost in [NO_ANSWER, NO_ANSWER] {
        fake.lock().drops = vec![lost];
        assert_eq!(name(&sink.sent(&message()).await), "unsure");
    }
    let later = message().at.plus(Duration::from_mins(5));
    let again = Message {
        at: later,
        ..message()
    };
    assert_eq!(name(&sink.sent(&again).await), "accepted");
    let state = fake.lock();
    assert_eq!((state.calls, state.done.len()), (3, 1));
}

#[tokio::test]
async fn only_2xx_is_accepted_and_a_wait_is_obeyed() {
    let (fake, server, sink) = serve().await;
    for (says, expected) in [
        (empty(200, ""), "accepted"),
        (empty(299, ""), "accepted"),
        (
            empty(302, "location: https://h.example/\r\n"),
            "later: None",
        ),
        (empty(400, ""), "later: None"),
        (empty(410, ""), "disabled: gone"),
        (empty(429, "retry-after: 120\r\n"), "later: Some(120s)"),
        (empty(502, ""), "later: None"),
        (empty(503, "retry-after: 8\r\n"), "later: Some(8s)"),
        (empty(504, ""), "later: None"),
    ] {
        fake.lock().refusals = vec![says.clone()];
        assert_eq!(name(&sink.sent(&message()).await), expected, "{says:?}");
    }
    let other = "whsec_Y2FuYXJ5LTJtZktROXI4R0tZcXJUd2pVUEQ4SUxQWklv";
    let other = At::new(&server, SinkKind::Webhook, PATH, other);
    let receipt = other.sent(&message()).await;
    assert_eq!(name(&receipt), "refused: refused");
    assert!(!format!("{receipt:?}").contains("canary"), "{receipt:?}");
    assert_eq!(fake.lock().done.len(), 0);
}
