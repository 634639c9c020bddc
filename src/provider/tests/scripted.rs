//! A scripted server: answers each request with what the test's function says, and remembers the
//! requests. Deliberately without any belief about a provider of its own.

use crate::domain::errand::Errand;
use crate::domain::id::UserId;
use crate::domain::lifecycle::Failure;
use crate::domain::repo::{Instance, ProviderKind, RepositoryId};
use crate::domain::secret::{HookSecret, ProviderToken};
use crate::domain::time::{Clock, Timestamp};
use crate::provider::http::HttpConfig;
use crate::provider::{Access, CheckReport, HookSpec, ProviderError, Target};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Seen {
    pub(in crate::provider) method: String,
    pub(in crate::provider) path: String,
    pub(in crate::provider) head: String,
    /// The request as it came.
    pub(in crate::provider) raw: String,
    pub(in crate::provider) body: Value,
}

impl Seen {
    pub(in crate::provider) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What to do with it.
#[derive(Clone, Debug)]
pub(in crate::provider) enum Reply {
    /// Status, further header lines, body.
    Answer(u16, String, String),
    /// Close the connection without a word.
    Drop,
    /// Promise more than is sent, then close.
    Cut,
    /// Say nothing until the other side gives up.
    Hang,
}

pub(in crate::provider) fn json(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, String::new(), body.to_string())
}

pub(in crate::provider) fn with(status: u16, headers: &[(&str, &str)], body: &Value) -> Reply {
    let lines: Vec<_> = headers
        .iter()
        .map(|(n, v)| format!("{n}: {v}\r\n"))
        .collect();
    Reply::Answer(status, lines.concat(), body.to_string())
}

/// A text that is no JSON.
pub(in crate::provider) fn plain(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    match with(status, headers, &Value::Null) {
        Reply::Answer(status, headers, _) => Reply::Answer(status, headers, body.to_owned()),
        other @ (Reply::Drop | Reply::Cut | Reply::Hang) => other,
    }
}

/// A clock that stands still.
pub(in crate::provider) struct Noon;
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000_000)
    }
}

/// The right to call the provider of this kind, with a token that must not be seen anywhere.
pub(in crate::provider) fn access(provider: ProviderKind, token: &str) -> Access {
    let host = "provider.example".parse().unwrap();
    Access {
        instance: Instance { provider, host },
        token: ProviderToken::new(token.into()).unwrap(),
        errand: Errand::of_person(UserId::from_u128(1)),
        is_probe: false,
    }
}

/// A repository of which number and name are known.
pub(in crate::provider) fn target(id: u64, full_name: &str) -> Target {
    Target {
        repository: Some(RepositoryId(id)),
        full_name: full_name.parse().unwrap(),
    }
}

/// The hook that is wanted.
pub(in crate::provider) fn spec(url: &str, events: [&str; 2]) -> HookSpec {
    HookSpec {
        url: url.into(),
        mark: reqwest::Url::parse(url).unwrap().path().to_owned(),
        events: events.map(str::to_owned).to_vec(),
        secret: HookSecret::new("s".repeat(64)).unwrap(),
        former_events: Vec::new(),
        takes: None,
        revision: 1,
    }
}

/// Of a hook at its address, of which these settings differ.
pub(in crate::provider) fn drifted(fields: &[&'static str]) -> CheckReport {
    CheckReport::Drifted {
        fields: fields.to_vec(),
        former_address: None,
    }
}

/// Calls of a client to a server, with the test's access, target, spec and mark.
macro_rules! calls {
    ($client:ident) => {
        async fn ensure(server: &Server) -> Result<Ensured, ProviderError> {
            let (access, target, spec) = (access(), target(), spec());
            $client(server).ensure(&access, &target, None, &spec).await
        }

        async fn check(server: &Server, hook: u64) -> Result<CheckReport, ProviderError> {
            let (access, target, spec) = (access(), target(), spec());
            let hook = HookId(hook);
            let checked = $client(server)
                .check(&access, &target, hook, &spec, None)
                .await;
            Ok(checked?.report)
        }

        async fn repair(server: &Server, hook: u64) -> Result<Repaired, ProviderError> {
            let (access, target, spec) = (access(), target(), spec());
            let hook = HookId(hook);
            $client(server).repair(&access, &target, hook, &spec).await
        }

        async fn delete(server: &Server, known: Option<HookId>) -> Result<(), ProviderError> {
            let (access, target) = (access(), target());
            $client(server).delete(&access, &target, known, MARK).await
        }

        async fn repository(server: &Server) -> Result<Option<Repository>, ProviderError> {
            $client(server).repository(&access(), &target()).await
        }

        /// A server that answers a creation so, and has no hooks.
        async fn creating(reply: Reply) -> Server {
            serving(move |seen| match seen.method.as_str() {
                "POST" => reply.clone(),
                _ => answer(200, &json!([])),
            })
            .await
        }

        /// Why a creation that is answered so fails. No secret is shown with it.
        async fn refused(reply: Reply) -> ProviderError {
            let error = ensure(&creating(reply).await).await.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("topsecret") && !shown.contains("ssss"),
                "{shown}"
            );
            error
        }
    };
}
pub(in crate::provider) use calls;

/// Settings that do not slow a test down.
pub(in crate::provider) fn swift(url: &str) -> HttpConfig {
    let mut config = HttpConfig::new(url.parse().unwrap());
    config.write_pause = Duration::ZERO;
    config.retry_wait = Duration::from_millis(1);
    config
}

/// What is made of a refusal: the failure, with the provider's wish in whole seconds, and the code.
pub(in crate::provider) fn told(error: &ProviderError) -> (Failure, &'static str) {
    (rounded(error.failure), error.code.as_str())
}

/// The provider's wish in whole seconds: some milliseconds of it have passed.
fn rounded(failure: Failure) -> Failure {
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
pub(in crate::provider) struct Server {
    pub(in crate::provider) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(in crate::provider) async fn start(
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
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

    pub(in crate::provider) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The requests as `METHOD path`.
    pub(in crate::provider) fn lines(&self) -> Vec<String> {
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
    log.lock().push(seen);
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
    let raw = String::from_utf8(bytes.to_vec()).unwrap();
    let first = raw.lines().next()?.to_owned();
    let mut parts = first.split(' ');
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?;
    Some(Seen {
        method: parts.next()?.to_owned(),
        path: parts.next()?.to_owned(),
        head,
        raw,
        body: serde_json::from_slice(body).unwrap_or(Value::Null),
    })
}
