//! The services as their documentation has them: fakes that refuse what the real ones refuse, and
//! whole stories of incidents with them.

mod alertmanager;
mod discord;
mod github;
mod gotify;
mod life;
mod matrix;
mod mattermost;
mod ntfy;
mod pagerduty;
mod slack;
mod slack_hook;
mod teams;
mod telegram;
mod webhook;

use super::super::verdict::tests::name;
use super::kinds::Fixed;
use super::samples::{message, resolved};
use super::server::{Server, Then};
use super::*;
use crate::domain::id::NotificationId;
use crate::domain::notification::NotificationKind;
use crate::domain::sink::{DisableReason, SinkKind};
use serde_json::Value;

/// A request as a fake reads it.
struct Asked<'a> {
    method: &'a str,
    path: Vec<&'a str>,
    head: &'a str,
    text: &'a str,
    body: Value,
}

impl<'a> Asked<'a> {
    fn of(request: &'a str) -> Self {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        Self {
            method,
            path: path.trim_start_matches('/').split('/').collect(),
            head,
            text: body,
            body: serde_json::from_str(body).unwrap_or_default(),
        }
    }
}

/// What a fake answers: the status, headers of its own, and the body; a text stands as it is.
type Says = (u16, String, Value);

/// The connection is closed without an answer.
const NO_ANSWER: Says = (0, String::new(), Value::Null);

/// An answer of status 200, of which half the body is lost.
const HALF_AN_ANSWER: Says = (1, String::new(), Value::Null);

/// A server that answers as a fake says.
async fn serving(says: impl Fn(&Asked<'_>) -> Says + Send + Sync + 'static) -> Server {
    Server::new(Then::Says(Arc::new(move |request| {
        let (status, headers, body) = says(&Asked::of(request));
        match status {
            0 => return String::new(),
            1 => return "HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{".to_owned(),
            _ => {}
        }
        let body = match body {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let close = "connection: close";
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n{close}\r\n\r\n{body}")
    })))
    .await
}

/// The same for a fake with a state.
async fn serving_state<S: Send + 'static>(
    state: &Arc<Mutex<S>>,
    answer: fn(&mut S, &Asked<'_>) -> Says,
) -> Server {
    let state = Arc::clone(state);
    serving(move |asked| answer(&mut state.lock(), asked)).await
}

/// A sink at a fake, with an address and perhaps a key.
struct At {
    sinks: Sinks,
    target: Target,
}

impl At {
    fn new(server: &Server, kind: SinkKind, path: &str, secret: &str) -> Self {
        Self::with(server, kind, path, Some(secret))
    }

    /// One whose address is all there is.
    fn open(server: &Server, kind: SinkKind, path: &str) -> Self {
        Self::with(server, kind, path, None)
    }

    fn with(server: &Server, kind: SinkKind, path: &str, secret: Option<&str>) -> Self {
        let allowed = list(&[&format!("127.0.0.1:{}", server.port())]);
        let sinks = Sinks::new(outbound(&allowed, &Arc::new(Zone::default())));
        let wish = Wish {
            url: Some(format!("http://127.0.0.1:{}{path}", server.port())),
            secret: secret.map(str::to_owned),
        };
        let plain = sinks.prepare(kind, &wish, &Fixed).unwrap().plain;
        let target = Target { kind, plain };
        Self { sinks, target }
    }

    async fn sent(&self, message: &Message) -> Receipt {
        self.sinks.deliver(&self.target, message).await
    }

    /// Sends a message that must be accepted: its id there.
    async fn accepted(&self, message: &Message) -> String {
        match self.sent(message).await {
            Receipt::Accepted { message: Some(id) } => id,
            other => panic!("{other:?}"),
        }
    }
}

/// The next message about the same incident.
fn next(n: u128, of: &Message, shown_as: &str) -> Message {
    Message {
        id: NotificationId::from_u128(n),
        shown_as: Some(shown_as.to_owned()),
        ..of.clone()
    }
}

/// The incident is open again.
fn reopened(n: u128, shown_as: &str) -> Message {
    let kind = NotificationKind::Reopened;
    next(n, &Message { kind, ..message() }, shown_as)
}
