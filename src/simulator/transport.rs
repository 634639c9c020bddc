//! Requests on their way: over sockets, some at a time, or handed over to a simulated network.

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, Semaphore, oneshot};

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

/// The result of a delivery. The default is no answer.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The status that was answered; `None` without an answer.
    pub status: Option<u16>,
    /// The headers of the answer.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub text: String,
    /// How long it took.
    pub took: Duration,
}

/// Notes the result of a delivery.
type Note = Box<dyn FnOnce(&Outcome) + Send>;

/// A delivery that was handed over. Its sender waits for the result; dropped, it had no answer.
pub struct Sent {
    /// The URL it goes to.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    end: Option<(Note, oneshot::Sender<Outcome>)>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Sent {
    /// The result.
    pub fn ended(mut self, outcome: Outcome) {
        self.end_with(outcome);
    }

    fn end_with(&mut self, outcome: Outcome) {
        if let Some((note, sender)) = self.end.take() {
            note(&outcome);
            // Most senders do not wait.
            let _ = sender.send(outcome);
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.end_with(Outcome::default());
    }
}

/// Deliveries that wait to be taken.
#[derive(Debug, Default)]
pub(super) struct Handed {
    waiting: Mutex<VecDeque<Sent>>,
    more: Notify,
}

impl Handed {
    /// The next one, once there is one.
    pub(super) async fn next(&self) -> Sent {
        loop {
            let more = self.more.notified();
            if let Some(sent) = self.waiting.lock().pop_front() {
                return sent;
            }
            more.await;
        }
    }
}

pub(super) enum Transport {
    Sockets(Sockets),
    Handed(Handed),
}

impl Transport {
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::Sockets(sockets) => sockets.under_way.load(Ordering::SeqCst) > 0,
            Self::Handed(handed) => !handed.waiting.lock().is_empty(),
        }
    }

    /// Begins to send a request, and has its outcome noted. It continues when nothing waits for it.
    pub(super) fn start(
        &self,
        parcel: Parcel,
        note: impl FnOnce(&Outcome) + Send + 'static,
    ) -> Option<BoxFuture<'static, Outcome>> {
        let handed = match self {
            Self::Sockets(sockets) => return sockets.start(parcel, note),
            Self::Handed(handed) => handed,
        };
        let (sender, outcome) = oneshot::channel();
        let Parcel { url, headers, body } = parcel;
        let end = Some((Box::new(note) as Note, sender));
        let sent = Sent {
            url,
            headers,
            body,
            end,
        };
        handed.waiting.lock().push_back(sent);
        handed.more.notify_one();
        Some(Box::pin(async { outcome.await.unwrap_or_default() }))
    }
}

pub(super) struct Sockets {
    client: reqwest::Client,
    runtime: Option<Runtime>,
    under_way: Arc<AtomicUsize>,
    at_once: Arc<Semaphore>,
}

impl Sockets {
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

    fn start(
        &self,
        parcel: Parcel,
        note: impl FnOnce(&Outcome) + Send + 'static,
    ) -> Option<BoxFuture<'static, Outcome>> {
        let (client, at_once) = (self.client.clone(), Arc::clone(&self.at_once));
        let under_way = Arc::clone(&self.under_way);
        let runtime = self.runtime.as_ref()?;
        under_way.fetch_add(1, Ordering::SeqCst);
        let sending = runtime.spawn(async move {
            let _turn = at_once.acquire().await;
            let outcome = post(&client, parcel).await;
            note(&outcome);
            under_way.fetch_sub(1, Ordering::SeqCst);
            outcome
        });
        Some(Box::pin(async { sending.await.unwrap_or_default() }))
    }
}

impl Drop for Sockets {
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
