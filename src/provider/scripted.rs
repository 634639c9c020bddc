//! A scripted server: answers each request with what the test's function says, and remembers the
//! requests. Deliberately without any belief about a provider of its own.

use super::http::HttpConfig;
use crate::domain::lifecycle::Failure;
use crate::domain::time::{Clock, Timestamp};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) head: String,
    pub(super) body: Value,
}

impl Seen {
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What to do with it.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Status, further header lines, body.
    Answer(u16, String, String),
    /// Close the connection without a word.
    Drop,
    /// Promise more than is sent, then close.
    Cut,
    /// Say nothing until the other side gives up.
    Hang,
}

pub(super) fn json(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, String::new(), body.to_string())
}

pub(super) fn with(status: u16, headers: &[(&str, &str)], body: &Value) -> Reply {
    let lines: Vec<_> = headers
        .iter()
        .map(|(n, v)| format!("{n}: {v}\r\n"))
        .collect();
    Reply::Answer(status, lines.concat(), body.to_string())
}

/// A text that is no JSON.
pub(super) fn plain(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    match with(status, headers, &Value::Null) {
        Reply::Answer(status, headers, _) => Reply::Answer(status, headers, body.to_owned()),
        other @ (Reply::Drop | Reply::Cut | Reply::Hang) => other,
    }
}

/// A clock that stands still.
pub(super) struct Noon;
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000_000)
    }
}

/// Settings that do not slow a test down.
pub(super) fn swift(url: &str) -> HttpConfig {
    let mut config = HttpConfig::new(url.parse().unwrap());
    config.write_pause = Duration::ZERO;
    config.retry_wait = Duration::from_millis(1);
    config
}

/// The provider's wish in whole seconds: some milliseconds of it have passed.
pub(super) fn rounded(failure: Failure) -> Failure {
    match failure {
        Failure::Retryable { after: Some(after) } => {
            let after = after + Duration::from_millis(999);
            Failure::Retryable {
                after: Some(Duration::from_secs(after.as_secs())),
            }
        }
        other => other,
    }
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A running server. Stops when dropped.
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = Arc::clone(&seen);
        let script: Arc<Script> = Arc::new(script);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { url, seen, task }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests as `METHOD path`.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Seen>>>) {
    let mut bytes = Vec::new();
    let seen = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(seen) = parse(&bytes) {
            break seen;
        }
    };
    let reply = script(&seen);
    log.lock().unwrap().push(seen);
    let text = match reply {
        Reply::Answer(status, headers, body) => format!(
            "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ),
        Reply::Cut => "HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n[".to_owned(),
        Reply::Drop => return,
        Reply::Hang => {
            let _ = stream.read_buf(&mut bytes).await;
            return;
        }
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn parse(bytes: &[u8]) -> Option<Seen> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec())
        .unwrap()
        .to_lowercase();
    let line = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut parts = line.lines().next()?.split(' ');
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?;
    Some(Seen {
        method: parts.next()?.to_owned(),
        path: parts.next()?.to_owned(),
        head,
        body: serde_json::from_slice(body).unwrap_or(Value::Null),
    })
}
