//! GitHub in this process, as far as explanations read it.

use crate::provider::{Carried, Lost, Outside};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The token in the log of the failing job.
pub(super) const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ0123";
const LOG: &str = "2026-11-30T02:00:00.1Z assertion failed\n\
    2026-11-30T02:00:01.1Z curl -H 'Authorization: Bearer ghp_0123456789abcdefghijABCDEFGHIJ0123'\n\
    2026-11-30T02:00:02.1Z ##[error]Process completed with exit code 2.\n";

/// How calls whose path has a text are answered.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    /// With this status.
    Status(u16),
    /// With a limit for so long.
    Limit(Duration),
    Hang,
    Panic,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<(Instant, String)>,
    manners: Vec<(&'static str, Manner)>,
    running: usize,
    most_running: usize,
}

/// GitHub.
#[derive(Clone, Debug, Default)]
pub(super) struct Hub(Arc<Mutex<State>>);

impl Hub {
    /// From now on, calls whose path has this text are answered so.
    pub(super) fn answers(&self, path: &'static str, manner: Manner) {
        self.0.lock().manners.push((path, manner));
    }

    /// All is well again.
    pub(super) fn is_well(&self) {
        self.0.lock().manners.clear();
    }

    /// How many calls had this text in their path.
    pub(super) fn calls(&self, path: &str) -> usize {
        let state = self.0.lock();
        let fits = state.calls.iter().filter(|(_, it)| it.contains(path));
        fits.count()
    }

    /// Explanations at the same time, at most.
    pub(super) fn most_running(&self) -> usize {
        self.0.lock().most_running
    }
}

/// An explanation's calls are made one after the other: so many run as calls do.
struct Running(Hub);

impl Running {
    fn new(hub: &Hub) -> Self {
        let mut state = hub.0.lock();
        state.running += 1;
        state.most_running = state.most_running.max(state.running);
        Self(hub.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.lock().running -= 1;
    }
}

fn commit(sha: &str) -> Value {
    json!({
        "sha": sha, "commit": { "message": "Add the cache\n\nIt is quick.", "author": null },
        "author": { "login": "ann", "id": 4001 },
    })
}

fn answer(path: &str) -> String {
    if path.ends_with("/logs") {
        return LOG.to_owned();
    }
    let (base, head) = ("a".repeat(40), "c".repeat(40));
    let body = if path.contains("/jobs?") {
        let step = json!({ "name": "Run make test", "conclusion": "failure" });
        json!({ "jobs": [
            { "id": 11, "name": "unit", "conclusion": "failure", "steps": [step] },
        ] })
    } else if path.contains("/workflows/") {
        json!({ "workflow_runs": [{
            "id": 900, "run_number": 0, "head_sha": base, "head_repository": { "id": 77 },
        }] })
    } else if path.contains("/compare/") {
        json!({ "status": "ahead", "total_commits": 1, "commits": [commit(&head)] })
    } else if path.contains("/pulls") {
        json!([])
    } else if path.contains("/commits?") {
        json!([commit(&head)])
    } else {
        json!({ "id": 77, "full_name": "o/r", "permissions": { "admin": true } })
    };
    body.to_string()
}

impl Outside for Hub {
    fn carry(&self, request: reqwest::Request) -> BoxFuture<'static, Result<Carried, Lost>> {
        let url = request.url();
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let hub = self.clone();
        Box::pin(async move {
            let _running = Running::new(&hub);
            let manner = {
                let mut state = hub.0.lock();
                state.calls.push((Instant::now(), path.clone()));
                let mut manners = state.manners.iter();
                let found = manners.find(|(text, _)| path.contains(text));
                found.map(|(_, manner)| manner.clone())
            };
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut headers = HeaderMap::new();
            let (status, body) = match manner {
                None => (200, answer(&path)),
                Some(Manner::Status(status)) => (status, "{}".to_owned()),
                Some(Manner::Limit(time)) => {
                    headers.insert(RETRY_AFTER, HeaderValue::from(time.as_secs()));
                    (429, "{}".to_owned())
                }
                Some(Manner::Hang) => std::future::pending().await,
                Some(Manner::Panic) => panic!("as a test wants it"),
            };
            Ok(Carried {
                status: StatusCode::from_u16(status).unwrap(),
                headers,
                body: Bytes::from(body),
            })
        })
    }

    fn chance(&self) -> u64 {
        0
    }
}
