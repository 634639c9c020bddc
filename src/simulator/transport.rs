//! Requests on their way, some at a time.

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

/// A request in the making.
pub(super) struct Parcel {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
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

pub(super) struct Transport {
    client: reqwest::Client,
    runtime: Option<Runtime>,
    under_way: Arc<AtomicUsize>,
    at_once: Arc<Semaphore>,
}

impl Transport {
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

    /// Begins to send a request, and has its outcome noted.
    pub(super) fn start(
        &self,
        parcel: Parcel,
        note: impl FnOnce(&Outcome) + Send + 'static,
    ) -> Option<JoinHandle<Outcome>> {
        let (client, at_once) = (self.client.clone(), Arc::clone(&self.at_once));
        let under_way = Arc::clone(&self.under_way);
        let runtime = self.runtime.as_ref()?;
        under_way.fetch_add(1, Ordering::SeqCst);
        Some(runtime.spawn(async move {
            let _turn = at_once.acquire().await;
            let outcome = post(&client, parcel).await;
            note(&outcome);
            under_way.fetch_sub(1, Ordering::SeqCst);
            outcome
        }))
    }
}

impl Drop for Transport {
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
