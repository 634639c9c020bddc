//! Stories of the outbox in virtual time, with a sink that does what they say.

mod crowd;
mod day;
mod digest;
mod disabled;
mod flapping;
mod hard;
mod heartbeat;
mod late;
mod leavers;
mod muted;
mod paces;
mod reseal;
mod rules;
mod sinks;
mod stops;
mod worded;

use super::{Notifier, Notifying, Settings, Tools};
use crate::domain::id::{ConnectionId, Entropy, IncidentId, NotificationId, SinkId};
use crate::domain::incident::{Incident, IncidentStatus, Severity};
use crate::domain::notification::{Notification, NotificationKind, NotificationState};
use crate::domain::samples::{self, ANN, Seeded};
use crate::domain::secret::Sealed;
use crate::domain::sink::{Sink, SinkKind, Wants};
use crate::domain::time::{Clock, Timestamp};
use crate::notify::{
    Deliver, DigestMessage, Lasting, Message, Prepared, Receipt, Target, Unfit, Wish,
};
use crate::seal::{Purpose, Seal, SealError};
use crate::store::faulty::FaultyStore;
use crate::store::{After, Batch, Change, NotificationFilter, Read, Store};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Our clock, and by how many milliseconds it is wrong.
struct TestClock(Instant, AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let right = Timestamp(1_700_000_000_000).plus(self.0.elapsed());
        Timestamp(right.0 + self.1.load(Ordering::Relaxed))
    }
}

/// A seal that hides nothing.
struct Open;

impl Seal for Open {
    fn seal(&self, _: &Purpose<'_>, plain: &[u8]) -> Sealed {
        Sealed(plain.to_vec())
    }

    fn open(&self, _: &Purpose<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        Ok(Zeroizing::new(sealed.0.clone()))
    }

    fn is_current(&self, _: &Sealed) -> bool {
        true
    }
}

/// How the sink takes a message.
#[derive(Clone, Debug)]
enum Manner {
    Answers(Receipt),
    /// It accepts it, and takes its time.
    Lasts(Duration),
    /// It has it, and the answer never arrives.
    Hangs,
    Panics,
}

/// What came, in order: the notification, its kind, its incident, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    id: NotificationId,
    kind: NotificationKind,
    incident: IncidentId,
    episode: u32,
    shown_as: Option<String>,
    title: Option<String>,
    at: Instant,
}

/// A sink: what it does next; later, it accepts everything.
#[derive(Default)]
struct FakeSink {
    manners: Mutex<VecDeque<Manner>>,
    /// What it answers while this is set, whatever else.
    always: Mutex<Option<Receipt>>,
    /// The same to mild incidents only.
    to_mild: Mutex<Option<Receipt>>,
    heard: Mutex<Vec<Heard>>,
    /// The digests that came.
    digests: Mutex<Vec<DigestMessage>>,
    /// The heartbeats that came, each with what it answered.
    beats: Mutex<Vec<Beat>>,
    /// What it answers to heartbeats while this is set.
    to_beats: Mutex<Option<Receipt>>,
}

/// A heartbeat: its incidents and which of them are resolved, when it came, and when they expire.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Beat {
    incidents: Vec<(IncidentId, bool)>,
    shown_as: Vec<Option<String>>,
    titles: Vec<Option<String>>,
    at: Instant,
    expires_at: Timestamp,
}

impl Deliver for FakeSink {
    fn prepare(&self, _: SinkKind, _: &Wish, _: &dyn Entropy) -> Result<Prepared, Unfit> {
        Ok(Prepared {
            host: "hooks.example".into(),
            plain: b"target".to_vec().into(),
            generated: None,
        })
    }

    fn deliver<'a>(&'a self, _: &'a Target, message: &'a Message) -> BoxFuture<'a, Receipt> {
        self.heard.lock().push(Heard {
            id: message.id,
            kind: message.kind,
            incident: message.incident.id,
            episode: message.episode,
            shown_as: message.shown_as.clone(),
            title: message.words.title.clone(),
            at: Instant::now(),
        });
        let accepted = Receipt::Accepted {
            message: Some(format!("m{}", message.incident.id.as_u128())),
        };
        let is_mild = message.incident.severity == Severity::Warning;
        let to_mild = self.to_mild.lock().clone().filter(|_| is_mild);
        let next = match self.always.lock().clone().or(to_mild) {
            Some(receipt) => Some(Manner::Answers(receipt)),
            None => self.manners.lock().pop_front(),
        };
        Box::pin(async move {
            match next {
                None => accepted,
                Some(Manner::Answers(receipt)) => receipt,
                Some(Manner::Lasts(time)) => {
                    tokio::time::sleep(time).await;
                    accepted
                }
                Some(Manner::Hangs) => std::future::pending().await,
                Some(Manner::Panics) => panic!("as a test wants it"),
            }
        })
    }

    fn digest<'a>(&'a self, _: &'a Target, digest: &'a DigestMessage) -> BoxFuture<'a, Receipt> {
        self.digests.lock().push(digest.clone());
        let accepted = Receipt::Accepted { message: None };
        let next = self.manners.lock().pop_front();
        Box::pin(async move {
            match next {
                Some(Manner::Answers(receipt)) => receipt,
                Some(Manner::Hangs) => std::future::pending().await,
                Some(Manner::Lasts(_) | Manner::Panics) | None => accepted,
            }
        })
    }

    fn repeat<'a>(
        &'a self,
        _: &'a Target,
        all: &'a [Lasting],
        expires_at: Timestamp,
    ) -> BoxFuture<'a, Receipt> {
        let incidents = all.iter().map(|it| (it.incident.id, it.is_resolved));
        self.beats.lock().push(Beat {
            incidents: incidents.collect(),
            shown_as: all.iter().map(|it| it.shown_as.clone()).collect(),
            titles: all.iter().map(|it| it.words.title.clone()).collect(),
            at: Instant::now(),
            expires_at,
        });
        let accepted = Receipt::Accepted { message: None };
        let receipt = self.to_beats.lock().clone().unwrap_or(accepted);
        Box::pin(std::future::ready(receipt))
    }
}

fn later(why: &str) -> Receipt {
    Receipt::Later {
        after: None,
        why: why.into(),
    }
}

const CHAT: SinkId = SinkId::from_u128(1);

/// A store with incidents, a sink, and an outbox that is started and killed.
struct World {
    store: Arc<FaultyStore>,
    sink: Arc<FakeSink>,
    clock: Arc<TestClock>,
    entropy: Arc<Seeded>,
    settings: Settings,
    notifier: Option<Notifier>,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(notifier) = &self.notifier {
            notifier.stop();
        }
    }
}

impl World {
    /// With one sink, and without a delay.
    async fn new() -> Self {
        let mut world = Self {
            store: Arc::default(),
            sink: Arc::default(),
            clock: Arc::new(TestClock(Instant::now(), AtomicI64::new(0))),
            entropy: Arc::default(),
            settings: Settings {
                delay: Duration::ZERO,
                ..Settings::default()
            },
            notifier: None,
        };
        let chat = Change::PutSink(Box::new(samples::sink(CHAT)));
        let ann = Change::PutUser(samples::user(ANN, "ann"));
        world.commit(vec![ann, chat]).await;
        world.start();
        world
    }

    fn tools(&self) -> Tools {
        Tools {
            store: Arc::clone(&self.store) as _,
            seal: Arc::new(Open),
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::clone(&self.entropy) as _,
            deliver: Arc::clone(&self.sink) as _,
        }
    }

    fn start(&mut self) {
        let notifier = Notifier::new(self.tools(), self.settings.clone());
        notifier.start();
        self.notifier = Some(notifier);
    }

    fn desk(&self) -> &dyn Notifying {
        self.notifier.as_ref().expect("it runs")
    }

    /// The clock is set wrong by so much, or right again.
    fn wrong_by(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.clock.1.store(ms, Ordering::Relaxed);
    }

    fn kill(&mut self) {
        self.notifier.take().expect("it runs").stop();
    }

    async fn commit(&self, changes: Vec<Change>) {
        self.store.commit(Batch::of(changes)).await.unwrap();
    }

    async fn put(&self, incident: &Incident) {
        let put = Change::PutIncident(Box::new(incident.clone()));
        self.commit(vec![put]).await;
    }

    /// Opens an incident.
    async fn open(&self, n: u128) -> Incident {
        let id = IncidentId::from_u128(n);
        let incident = Incident {
            status: IncidentStatus::Open,
            severity: Severity::Error,
            ..samples::incident(id, ConnectionId::from_u128(1))
        };
        self.put(&incident).await;
        incident
    }

    async fn resolve(&self, incident: &Incident) {
        let resolved = Incident {
            status: IncidentStatus::Resolved,
            ..incident.clone()
        };
        self.put(&resolved).await;
    }

    /// What is answered to mild incidents, which only the chat is sent.
    fn only_to_chat(&self, receipt: Option<Receipt>) {
        *self.sink.to_mild.lock() = receipt;
    }

    fn manner(&self, manner: Manner) {
        self.sink.manners.lock().push_back(manner);
    }

    fn heard(&self) -> Vec<Heard> {
        self.sink.heard.lock().clone()
    }

    fn kinds(&self) -> Vec<NotificationKind> {
        self.heard().iter().map(|heard| heard.kind).collect()
    }

    /// All notifications, newest first.
    fn notifications(&self) -> Vec<Notification> {
        let any = NotificationFilter::default();
        let found = self.store.notifications_of(ANN, any, After::first(1000));
        found.ready().unwrap().items
    }

    fn states(&self) -> Vec<&'static str> {
        let all = self.notifications();
        all.iter().map(|it| it.state.as_str()).collect()
    }

    fn stored_sink(&self) -> Sink {
        self.store.sink(CHAT).ready().unwrap().expect("it is there")
    }

    /// Waits, at most for a virtual year.
    async fn until(&self, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(
                begun.elapsed() < Duration::from_hours(24 * 365),
                "in vain: {:?}",
                self.notifications()
            );
            let look = Duration::from_millis(100).max(begun.elapsed() / 500);
            tokio::time::sleep(look).await;
        }
    }

    /// Everything that can happen within this time has happened.
    async fn passes(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

const MOMENT: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_sink_hears_of_the_beginning_and_of_the_end_and_of_the_next_beginning() {
    use NotificationKind::{Opened, Reopened, Resolved, Worse};
    let world = World::new().await;
    let incident = world.open(7).await;
    world.until(|world| world.states() == ["sent"]).await;
    let worse = Incident {
        severity: Severity::Critical,
        occurrences: 3,
        ..incident.clone()
    };
    world.put(&worse).await;
    world.until(|world| world.kinds().len() == 2).await;
    world.resolve(&worse).await;
    world.until(|world| world.kinds().len() == 3).await;
    world.put(&worse).await;
    world.until(|world| world.states() == ["sent"; 4]).await;
    assert_eq!(world.kinds(), [Opened, Worse, Resolved, Reopened]);
    let heard = world.heard();
    let episodes: Vec<_> = heard.iter().map(|it| it.episode).collect();
    assert_eq!(episodes, [1, 1, 1, 2]);
    assert_eq!(heard[0].shown_as, None);
    assert!(
        heard[1..]
            .iter()
            .all(|it| it.shown_as.as_deref() == Some("m7"))
    );
    // Another failure, and nothing that is news to anyone.
    let again = Incident {
        occurrences: 4,
        ..worse
    };
    world.put(&again).await;
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(world.kinds().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn scenario_51_what_is_resolved_within_the_delay_is_not_sent_and_everything_else_is_after_it()
{
    let mut world = World::new().await;
    world.kill();
    world.settings.delay = Duration::from_secs(30);
    world.start();
    let begun = Instant::now();
    let (brief, long) = (world.open(1).await, world.open(2).await);
    world.passes(Duration::from_secs(20)).await;
    assert_eq!(world.states(), ["waiting", "waiting"]);
    world.resolve(&brief).await;
    world.until(|world| world.kinds().len() == 1).await;
    let heard = world.heard();
    assert_eq!(heard[0].incident, long.id);
    let after = heard[0].at - begun;
    assert!(after >= Duration::from_secs(30) && after < Duration::from_secs(32));
    world.passes(Duration::from_hours(100)).await;
    assert_eq!(world.heard().len(), 1);
    let mut states = world.states();
    states.sort_unstable();
    assert_eq!(states, ["dropped", "dropped", "sent"]);
}

/// A run that is repeated, and passes with the same commit, disturbs no sink.
#[tokio::test(start_paused = true)]
async fn a_flaky_failure_that_passes_within_the_delay_is_not_sent() {
    let mut world = World::new().await;
    world.kill();
    world.settings.delay = Duration::from_secs(30);
    world.start();
    let opened = world.open(1).await;
    world.passes(Duration::from_secs(25)).await;
    let flaky = Incident {
        is_flaky: true,
        ..opened
    };
    world.resolve(&flaky).await;
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(world.heard(), []);
    assert_eq!(world.states(), ["dropped"; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_open_before_the_first_start_is_announced_then() {
    let mut world = World::new().await;
    world.kill();
    for n in 0..250 {
        world.open(n).await;
    }
    world.start();
    world.until(|world| world.heard().len() == 250).await;
    world.passes(MOMENT).await;
    assert_eq!(world.states(), ["sent"; 250]);
}

/// A sink for severe incidents only.
#[tokio::test(start_paused = true)]
async fn a_sink_hears_of_what_it_wants() {
    let world = World::new().await;
    let wants = Wants {
        severity: Severity::Critical,
        resolved: false,
    };
    let sink = Sink {
        wants,
        ..samples::sink(CHAT)
    };
    world.commit(vec![Change::PutSink(Box::new(sink))]).await;
    let mild = world.open(1).await;
    let severe = Incident {
        severity: Severity::Critical,
        ..samples::incident(IncidentId::from_u128(2), ConnectionId::from_u128(1))
    };
    world.put(&severe).await;
    world.until(|world| world.heard().len() == 1).await;
    world.resolve(&mild).await;
    world.resolve(&severe).await;
    world
        .until(|world| world.states() == ["dropped", "sent"])
        .await;
    assert_eq!(world.heard()[0].incident, severe.id);
}
