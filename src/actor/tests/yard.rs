//! GitHub in this process, for many thousand repositories in virtual time: real clients with real
//! budgets call it. It counts what GitHub limits.

use crate::provider::{Carried, Lost, Outside};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// GitHub's primary limit: calls of a user in an hour.
pub(super) const CALLS_MAX: u64 = 5000;
/// How long a call takes.
const TAKES: Duration = Duration::from_millis(50);

/// A hook: its URL, its events, and whether it is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) id: u64,
    pub(super) url: String,
    pub(super) events: Vec<String>,
    pub(super) is_active: bool,
}

/// What one token did within a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Minute {
    pub(super) points: u64,
    pub(super) writes: u64,
    pub(super) creations: u64,
    pub(super) calls: u64,
}

#[derive(Debug, Default)]
struct State {
    /// By the name of the repository.
    hooks: HashMap<String, Option<Hook>>,
    /// By token and minute since the start.
    minutes: HashMap<String, BTreeMap<u64, Minute>>,
    /// When each call began, and which it was.
    calls: Vec<(Instant, Method, String)>,
    is_down: bool,
    running: usize,
    most_running: usize,
}

/// GitHub.
#[derive(Debug)]
pub(super) struct Yard {
    state: Mutex<State>,
    started: Instant,
    next: AtomicU64,
}

impl Yard {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            started: Instant::now(),
            next: AtomicU64::new(1_000_000),
        })
    }

    pub(super) fn put(&self, repository: &str, hook: Option<Hook>) {
        self.state.lock().hooks.insert(repository.to_owned(), hook);
    }

    pub(super) fn hook(&self, repository: &str) -> Option<Hook> {
        self.state.lock().hooks.get(repository).cloned().flatten()
    }

    pub(super) fn is_down(&self, is_down: bool) {
        self.state.lock().is_down = is_down;
    }

    /// The calls since a moment: when, how, where.
    pub(super) fn calls(&self, since: Instant) -> Vec<(Instant, Method, String)> {
        let state = self.state.lock();
        let since = state.calls.iter().filter(|(at, ..)| *at > since);
        since.cloned().collect()
    }

    /// The most calls at a time since this was asked last.
    pub(super) fn most_running(&self) -> usize {
        std::mem::take(&mut self.state.lock().most_running)
    }

    /// What each token did, minute by minute.
    pub(super) fn minutes(&self) -> Vec<BTreeMap<u64, Minute>> {
        self.state.lock().minutes.values().cloned().collect()
    }

    /// Whether every token stayed below these shares, in percent, of the primary limit in each
    /// hour, and of the secondary limits in each minute and hour.
    pub(super) fn assert_within(&self, percent: u64) {
        for minutes in self.minutes() {
            for (at, minute) in &minutes {
                assert!(minute.points <= 900 * percent / 100, "{at}: {minute:?}");
                assert!(minute.writes <= 80, "{at}: {minute:?}");
                let hour = minutes.range(at.saturating_sub(59)..=*at);
                let (calls, creations) = hour.fold((0, 0), |(calls, creations), (_, m)| {
                    (calls + m.calls, creations + m.creations)
                });
                assert!(calls <= CALLS_MAX * percent / 100, "{at}: {calls} calls");
                assert!(
                    creations <= 500 * percent / 100,
                    "{at}: {creations} creations"
                );
            }
        }
    }

    fn minute(&self) -> u64 {
        self.started.elapsed().as_secs() / 60
    }

    /// Counts a call. Returns what is left of the token's hour, and the seconds until its end.
    fn count(&self, token: &str, method: &Method, path: &str) -> (u64, u64) {
        let minute = self.minute();
        let mut state = self.state.lock();
        state
            .calls
            .push((Instant::now(), method.clone(), path.to_owned()));
        let minutes = state.minutes.entry(token.to_owned()).or_default();
        let now = minutes.entry(minute).or_default();
        now.calls += 1;
        if *method == Method::GET {
            now.points += 1;
        } else {
            (now.points, now.writes) = (now.points + 5, now.writes + 1);
            now.creations += u64::from(*method == Method::POST);
        }
        let begun = minute / 60 * 60;
        let used: u64 = minutes.range(begun..).map(|(_, minute)| minute.calls).sum();
        let seconds = self.started.elapsed().as_secs();
        (CALLS_MAX.saturating_sub(used), (begun + 60) * 60 - seconds)
    }

    async fn answer(&self, request: reqwest::Request) -> Result<Carried, Lost> {
        if self.state.lock().is_down {
            self.state.lock().calls.push((
                Instant::now(),
                request.method().clone(),
                request.url().path().to_owned(),
            ));
            tokio::time::sleep(TAKES).await;
            return Err(Lost::Unreached);
        }
        let header = |name: &str| {
            let value = request.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let token = header("authorization").to_owned();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let (left, resets_in) = self.count(&token, &method, &path);
        {
            let mut state = self.state.lock();
            state.running += 1;
            state.most_running = state.most_running.max(state.running);
        }
        tokio::time::sleep(TAKES).await;
        let body = request.body().and_then(|body| body.as_bytes());
        let body = body.and_then(|body| serde_json::from_slice(body).ok());
        let (status, body) = self.act(&method, &path, &body.unwrap_or(Value::Null));
        self.state.lock().running -= 1;
        let mut headers = HeaderMap::new();
        let reset = epoch_s() + i64::try_from(resets_in).unwrap();
        for (name, value) in [
            ("content-type", "application/json".to_owned()),
            ("x-ratelimit-limit", CALLS_MAX.to_string()),
            ("x-ratelimit-remaining", left.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
        ] {
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_str(&value).unwrap());
        }
        Ok(Carried {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::from(serde_json::to_vec(&body).unwrap()),
        })
    }

    fn act(&self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let name = || format!("{}/{}", parts[1], parts[2]);
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["user"]) => (200, json!({"id": 5, "login": "ann"})),
            ("GET", ["repos", _, repository]) => {
                let id: u64 = repository.trim_start_matches('r').parse().unwrap();
                let permissions = json!({"admin": true});
                (
                    200,
                    json!({"id": id, "full_name": name(), "permissions": permissions}),
                )
            }
            ("GET", [.., "hooks"]) => {
                let hooks: Vec<Value> = self.hook(&name()).iter().map(shown).collect();
                (200, Value::Array(hooks))
            }
            ("GET", [.., "deliveries"]) => (200, json!([])),
            ("POST", [.., "hooks"]) => {
                let hook = written(self.next.fetch_add(1, Ordering::SeqCst), body);
                self.put(&name(), Some(hook.clone()));
                (201, shown(&hook))
            }
            ("POST", [.., "pings"]) => (204, Value::Null),
            ("PATCH", [.., "hooks", id]) => {
                let hook = written(id.parse().unwrap(), body);
                self.put(&name(), Some(hook.clone()));
                (200, shown(&hook))
            }
            ("DELETE", [.., "hooks", _]) => {
                self.put(&name(), None);
                (204, Value::Null)
            }
            _ => (404, json!({"message": "Not Found"})),
        }
    }
}

/// The epoch of the test clock, and the time since then.
fn epoch_s() -> i64 {
    thread_local! {
        static START: Instant = Instant::now();
    }
    1_700_000_000 + i64::try_from(START.with(Instant::elapsed).as_secs()).unwrap()
}

fn shown(hook: &Hook) -> Value {
    json!({
        "id": hook.id, "active": hook.is_active, "events": hook.events,
        "config": {
            "url": hook.url, "content_type": "json", "insecure_ssl": "0", "secret": "********",
        },
    })
}

fn written(id: u64, body: &Value) -> Hook {
    let events = body["events"].as_array().into_iter().flatten();
    Hook {
        id,
        url: body["config"]["url"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        events: events.map(|e| e.as_str().unwrap().to_owned()).collect(),
        is_active: body["active"] == true,
    }
}

/// The line to it.
#[derive(Debug)]
pub(super) struct Line(pub(super) Arc<Yard>);

impl Outside for Line {
    fn carry(&self, request: reqwest::Request) -> BoxFuture<'static, Result<Carried, Lost>> {
        let yard = Arc::clone(&self.0);
        Box::pin(async move { yard.answer(request).await })
    }

    fn chance(&self) -> u64 {
        self.0
            .next
            .fetch_add(1, Ordering::SeqCst)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}
