//! Deliveries on their way: real requests with real signatures.

mod github;
mod gitlab;

pub(super) use gitlab::key_of;

use super::Shared;
use super::faults::Miscarriage;
use super::state;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Deliveries under way at a time.
const AT_ONCE_MAX: usize = 32;
/// Bytes of an answer that the log keeps.
const ANSWER_BYTES_MAX: usize = 8 << 10;
/// Headers of an answer that the log keeps.
const ANSWER_HEADERS_MAX: usize = 50;

/// A delivery to be sent, by whichever provider.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Github(state::github::Job),
    Gitlab(state::gitlab::Job),
}

/// A request in the making.
struct Parcel {
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// The result of a delivery.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// `None` without an answer.
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) took: Duration,
}

impl Job {
    /// As if there had never been one.
    fn forget(&self, shared: &Shared) {
        match self {
            Self::Github(job) => shared
                .github()
                .attempts
                .retain(|a| a.view.id != job.attempt),
            Self::Gitlab(job) => shared
                .gitlab()
                .attempts
                .retain(|a| a.view.id != job.attempt),
        }
    }

    /// GitLab waits for an answer and counts a failure; GitHub's log shows nothing yet.
    fn lose(&self, shared: &Shared) {
        match self {
            Self::Github(_) => {}
            Self::Gitlab(job) => shared.gitlab().note(job.attempt, &Outcome::default()),
        }
    }

    fn parcel(&self, miscarriage: Option<Miscarriage>) -> Parcel {
        match self {
            Self::Github(job) => github::parcel(job, miscarriage),
            Self::Gitlab(job) => gitlab::parcel(job, miscarriage),
        }
    }

    fn note(&self, shared: &Shared, outcome: &Outcome) {
        match self {
            Self::Github(job) => {
                let text = outcome.text.clone();
                shared.github().note(job.attempt, outcome.status, text);
            }
            Self::Gitlab(job) => shared.gitlab().note(job.attempt, outcome),
        }
    }
}

pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Option<Runtime>,
    under_way: Arc<AtomicUsize>,
    at_once: Arc<Semaphore>,
}

impl Sender {
    pub(super) fn new(timeout: Duration) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("deliveries")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let (under_way, at_once) = (Arc::default(), Arc::new(Semaphore::new(AT_ONCE_MAX)));
        Ok(Self {
            client,
            runtime: Some(runtime),
            under_way,
            at_once,
        })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) > 0
    }

    /// Sends deliveries, and notes what comes of them.
    pub(super) fn send(&self, shared: &Arc<Shared>, jobs: Vec<Job>) {
        for job in jobs {
            // They continue, and nothing waits for them.
            drop(self.start(shared, &job));
        }
    }

    /// Sends one, and waits for what comes of it.
    pub(super) async fn deliver(&self, shared: &Arc<Shared>, job: &Job) -> Outcome {
        let mut outcome = Outcome::default();
        for sent in self.start(shared, job) {
            outcome = sent.await.unwrap_or_default();
        }
        outcome
    }

    fn start(&self, shared: &Arc<Shared>, job: &Job) -> Vec<JoinHandle<Outcome>> {
        let Some(runtime) = &self.runtime else {
            return Vec::new();
        };
        let miscarriage = shared.faults.take_delivery();
        let times = match miscarriage {
            Some(Miscarriage::Lost) => {
                job.lose(shared);
                0
            }
            Some(Miscarriage::Unlogged) => {
                job.forget(shared);
                0
            }
            Some(Miscarriage::Twice) => 2,
            Some(Miscarriage::WrongSecret | Miscarriage::ShaOneOnly | Miscarriage::Stale)
            | None => 1,
        };
        let mut started = Vec::new();
        for _ in 0..times {
            let (shared, client) = (Arc::clone(shared), self.client.clone());
            let (at_once, job) = (Arc::clone(&self.at_once), job.clone());
            let under_way = Arc::clone(&self.under_way);
            under_way.fetch_add(1, Ordering::SeqCst);
            started.push(runtime.spawn(async move {
                let _turn = at_once.acquire().await;
                let outcome = post(&client, job.parcel(miscarriage)).await;
                job.note(&shared, &outcome);
                under_way.fetch_sub(1, Ordering::SeqCst);
                outcome
            }));
        }
        started
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn post(client: &reqwest::Client, parcel: Parcel) -> Outcome {
    let mut request = client.post(&parcel.url);
    for (name, value) in parcel.headers {
        request = request.header(name, value);
    }
    let begun = Instant::now();
    let Ok(answer) = request.body(parcel.body).send().await else {
        let took = begun.elapsed();
        return Outcome {
            took,
            ..Outcome::default()
        };
    };
    let status = Some(answer.status().as_u16());
    let kept = answer.headers().iter().take(ANSWER_HEADERS_MAX);
    let headers = kept
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let mut text = answer.text().await.unwrap_or_default();
    text.truncate(text.floor_char_boundary(ANSWER_BYTES_MAX));
    Outcome {
        status,
        headers,
        text,
        took: begun.elapsed(),
    }
}
