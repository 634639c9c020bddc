//! The network between the daemon and the providers: it delays, breaks and loses, in both
//! directions, and records who was called when.

use crate::chance::{Chance, Seeded};
use crate::clock::TrueClock;
use crate::daemon::Door;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hookherd::provider::{Carried, Lost, Outside};
use hookherd::simulator::{Offline, Outcome, Sent};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long a provider waits for the answer to a delivery.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

type Answer = oneshot::Sender<Result<Carried, Lost>>;

/// A request, whether its process is dead, and where the answer goes.
type Outgoing = (reqwest::Request, Arc<AtomicBool>, Answer);

/// The way out of one process.
#[derive(Debug)]
pub struct Way {
    requests: mpsc::UnboundedSender<Outgoing>,
    is_cut: Arc<AtomicBool>,
    chance: Arc<Seeded>,
}

impl Way {
    /// The process is dead: what it sent may arrive, and it learns nothing.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }
}

impl Outside for Way {
    fn carry(&self, request: reqwest::Request) -> BoxFuture<'static, Result<Carried, Lost>> {
        let (answer, answered) = oneshot::channel();
        if !self.is_cut.load(Ordering::Relaxed) {
            let _ = self
                .requests
                .send((request, Arc::clone(&self.is_cut), answer));
        }
        async move {
            match answered.await {
                Ok(answer) => answer,
                // The process is dead.
                Err(_) => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn chance(&self) -> u64 {
        self.chance.number()
    }
}

/// A request that a provider got.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Duration,
    pub token: String,
    pub method: String,
    pub path: String,
    pub status: Option<u16>,
}

/// A delivery that was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Received {
    pub key: String,
    pub id: String,
    /// The digest of its body.
    pub digest: [u8; 32],
}

pub struct Network {
    pub offline: Offline,
    pub truth: Arc<TrueClock>,
    chance: Chance,
    /// What is carried out of the daemon fails to connect.
    pub is_outbound_down: Cell<bool>,
    /// No provider reaches the daemon.
    pub is_inbound_down: Cell<bool>,
    /// Longest delay of a delivery.
    pub inbound_delay: Cell<Duration>,
    /// Of so many deliveries, the answer to one does not come back; 0 for none.
    pub loses_answers: Cell<u64>,
    /// The next request to create a hook arrives so late.
    pub late_creation: Cell<Option<Duration>>,
    pub door: RefCell<Option<Rc<Door>>>,
    pub requests: RefCell<Vec<Request>>,
    /// Deliveries that were answered 2xx, and how often.
    pub accepted: RefCell<BTreeMap<Received, u32>>,
    /// The digests of the bodies that were sent, whatever became of them, also to strangers: a hook
    /// may have led to one for a while. By id, which GitHub's hooks share.
    pub sent: RefCell<BTreeMap<String, BTreeSet<[u8; 32]>>>,
    /// Deliveries on their way.
    pub under_way: Cell<u32>,
    pub arrived: Cell<u64>,
    notes: RefCell<Vec<String>>,
}

impl Network {
    pub fn new(offline: Offline, truth: Arc<TrueClock>, seed: u64) -> Rc<Self> {
        Rc::new(Self {
            offline,
            truth,
            chance: Chance::new(seed, 2),
            is_outbound_down: Cell::new(false),
            is_inbound_down: Cell::new(false),
            inbound_delay: Cell::new(Duration::from_millis(200)),
            loses_answers: Cell::new(0),
            late_creation: Cell::new(None),
            door: RefCell::new(None),
            requests: RefCell::default(),
            accepted: RefCell::default(),
            sent: RefCell::default(),
            under_way: Cell::new(0),
            arrived: Cell::new(0),
            notes: RefCell::default(),
        })
    }

    pub fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    fn note(&self, words: &str) {
        let at = self.truth.elapsed().as_secs_f64();
        self.notes.borrow_mut().push(format!("{at:10.3} {words}"));
    }

    /// The way out for a new process.
    pub fn way(self: &Rc<Self>, chance: Arc<Seeded>) -> Arc<Way> {
        let (requests, mut taken) = mpsc::unbounded_channel::<Outgoing>();
        let network = Rc::clone(self);
        actix::spawn(async move {
            while let Some((request, is_cut, answer)) = taken.recv().await {
                let network = Rc::clone(&network);
                actix::spawn(async move { network.carry(request, &is_cut, answer).await });
            }
        });
        let is_cut: Arc<AtomicBool> = Arc::default();
        Arc::new(Way {
            requests,
            is_cut,
            chance,
        })
    }

    async fn carry(&self, request: reqwest::Request, is_cut: &AtomicBool, answer: Answer) {
        let (mut there, back) = (self.latency(80), self.latency(80));
        if is_creation(request.method().as_str(), request.url().path()) {
            there = self.late_creation.take().unwrap_or(there);
        }
        let is_lost_with_sender = self.chance.one_in(2);
        tokio::time::sleep(there).await;
        if self.is_outbound_down.get() {
            let _ = answer.send(Err(Lost::Unreached));
            return;
        }
        if is_cut.load(Ordering::Relaxed) && is_lost_with_sender {
            return;
        }
        let result = self.call(&request).await;
        tokio::time::sleep(back).await;
        if !is_cut.load(Ordering::Relaxed) {
            let _ = answer.send(result);
        }
    }

    fn latency(&self, most_ms: u64) -> Duration {
        Duration::from_millis(1 + self.chance.below(most_ms))
    }

    async fn call(&self, request: &reqwest::Request) -> Result<Carried, Lost> {
        let url = request.url();
        let mut path = url.path().to_owned();
        if let Some(query) = url.query() {
            path = format!("{path}?{query}");
        }
        let headers = request.headers().iter();
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        let mut headers: Vec<(String, Vec<u8>)> = headers.map(pair).collect();
        let host = url.host_str().unwrap_or_default();
        headers.push(("host".to_owned(), host.as_bytes().to_vec()));
        let token = request.headers().get("authorization");
        let token = token.map_or("", |token| token.to_str().unwrap_or_default());
        let body = request.body().and_then(reqwest::Body::as_bytes);
        let body = bytes::Bytes::copy_from_slice(body.unwrap_or_default());
        let method = request.method().as_str();
        let nth = self.requests.borrow().len();
        self.requests.borrow_mut().push(Request {
            at: self.truth.elapsed(),
            token: token.trim_start_matches("Bearer ").to_owned(),
            method: method.to_owned(),
            path: path.clone(),
            status: None,
        });
        let answered = self.offline.answer((method, &path), &headers, body).await;
        let status = answered.as_ref().map(|answered| answered.status);
        self.requests.borrow_mut()[nth].status = status;
        let shown = status.map_or("cut".to_owned(), |status| status.to_string());
        self.note(&format!("  {method} {path} -> {shown}"));
        let answered = answered.ok_or(Lost::Cut)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &answered.headers {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        Ok(Carried {
            status: StatusCode::from_u16(answered.status).unwrap(),
            headers,
            body: answered.body,
        })
    }

    /// Takes what the providers send, forever.
    pub async fn deliver_all(self: Rc<Self>) {
        loop {
            let sent = self.offline.next_sent().await;
            let network = Rc::clone(&self);
            self.under_way.set(self.under_way.get() + 1);
            actix::spawn(async move {
                network.deliver(sent).await;
                network.under_way.set(network.under_way.get() - 1);
            });
        }
    }

    fn note_sent(&self, id: &str, digest: [u8; 32]) {
        let mut bodies = self.sent.borrow_mut();
        bodies.entry(id.to_owned()).or_default().insert(digest);
    }

    async fn deliver(&self, sent: Sent) {
        let delay = self
            .chance
            .between(Duration::from_millis(5), self.inbound_delay.get());
        let loses = self.loses_answers.get();
        let loses_answer = loses > 0 && self.chance.one_in(loses);
        tokio::time::sleep(delay.min(DELIVERY_TIMEOUT)).await;
        let began = self.truth.elapsed();
        let door = self.door.borrow().clone();
        let door = door.filter(|_| !self.is_inbound_down.get());
        let (id, digest) = (id_of(&sent), *blake3::hash(sent.body.as_bytes()).as_bytes());
        self.note_sent(&id, digest);
        let outcome = match (door, key_of(&sent.url)) {
            // The server of a stranger.
            (_, None) => Outcome {
                status: Some(200),
                ..Outcome::default()
            },
            (None, Some(_)) => Outcome::default(),
            (Some(door), Some(key)) => {
                let asking = tokio::time::timeout(DELIVERY_TIMEOUT, door.post(&sent));
                let status = asking.await.ok();
                self.arrived.set(self.arrived.get() + 1);
                if status.is_some_and(|status| (200..300).contains(&status)) {
                    let (id, mut accepted) = (id.clone(), self.accepted.borrow_mut());
                    *accepted.entry(Received { key, id, digest }).or_default() += 1;
                }
                Outcome {
                    status: status.filter(|_| !loses_answer),
                    ..Outcome::default()
                }
            }
        };
        let took = self.truth.elapsed().saturating_sub(began);
        let (event, shown) = (event_of(&sent), outcome.status);
        self.note(&format!("  {event} {id} -> {shown:?}"));
        sent.ended(Outcome { took, ..outcome });
    }
}

/// Whether a request is to create a hook.
pub fn is_creation(method: &str, path: &str) -> bool {
    method == "POST" && path.ends_with("/hooks")
}

/// The hook key in the URL of a delivery for us.
fn key_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("hookherd-")?;
    let (_, key) = rest.split_once("/api/v2/webhooks/")?;
    let (_, key) = key.split_once('/')?;
    Some(key.to_owned())
}

fn header<'a>(sent: &'a Sent, names: &[&str]) -> &'a str {
    let found = names.iter().find_map(|name| {
        let mut all = sent.headers.iter();
        all.find(|(known, _)| known.eq_ignore_ascii_case(name))
    });
    found.map_or("", |(_, value)| value)
}

fn id_of(sent: &Sent) -> String {
    let names = [
        "x-github-delivery",
        "idempotency-key",
        "webhook-id",
        "x-gitlab-webhook-uuid",
    ];
    header(sent, &names).to_owned()
}

fn event_of(sent: &Sent) -> &str {
    header(sent, &["x-github-event", "x-gitlab-event"])
}
