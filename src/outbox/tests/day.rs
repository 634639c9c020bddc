//! A sink that is down for a day with ten thousand incidents, and another one of the same owner
//! that works meanwhile.

use super::*;
use Act::{Acknowledge, Open, Reopen, Resolve, Worsen};
use std::collections::BTreeMap;

const INCIDENTS: u128 = 10_000;
/// Those of them that the sink was notified of before it was down.
const BEFORE: u128 = 1_000;
/// So many are opened at a time.
const BURST: u128 = 50;
/// The time between the steps of an incident's life.
const STEP: Duration = Duration::from_mins(10);
const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);
/// The sink that works.
const MAIL: SinkId = SinkId::from_u128(2);
/// Its id is none of a sink: in these tests ids of both are small numbers.
const CONNECTION: ConnectionId = ConnectionId::from_u128(900);
/// Notifications that are read at a time.
const PAGE: usize = 100;

/// What happens to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Open,
    Worsen,
    Acknowledge,
    Resolve,
    Reopen,
}

/// The life of the nth incident.
fn life(n: u128) -> &'static [Act] {
    match n % 7 {
        0 => &[Open],
        1 => &[Open, Worsen],
        2 => &[Open, Acknowledge],
        3 => &[Open, Resolve],
        4 => &[Open, Resolve, Reopen],
        5 => &[Open, Worsen, Resolve, Reopen],
        _ => &[Open, Resolve, Reopen, Resolve],
    }
}

/// The incident after an act.
fn after(act: Act, it: &Incident) -> Incident {
    let mut it = it.clone();
    match act {
        Open | Reopen => it.status = IncidentStatus::Open,
        Worsen => it.severity = Severity::Critical,
        Acknowledge => it.status = IncidentStatus::Acknowledged,
        Resolve => it.status = IncidentStatus::Resolved,
    }
    it
}

const fn kind(act: Act) -> Option<NotificationKind> {
    match act {
        Open => Some(NotificationKind::Opened),
        Worsen => Some(NotificationKind::Worse),
        Acknowledge => None,
        Resolve => Some(NotificationKind::Resolved),
        Reopen => Some(NotificationKind::Reopened),
    }
}

/// What a sink that was down during all of a life, and shows the incident as open or not at all, is
/// sent after it: at most one message, about the state that the incident has by then.
fn news(life: &[Act], shows_open: bool) -> Option<NotificationKind> {
    let has = |act| life.contains(&act);
    match (life.last(), shows_open) {
        (Some(Resolve), true) => Some(NotificationKind::Resolved),
        (Some(Resolve), false) => None,
        (_, true) => has(Worsen).then_some(NotificationKind::Worse),
        (_, false) if has(Reopen) => Some(NotificationKind::Reopened),
        (_, false) => Some(NotificationKind::Opened),
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It arrived, or not: there was no answer.
    Lost,
    Refused,
    Accepted,
}

#[derive(Clone, Debug)]
struct Called {
    id: NotificationId,
    kind: NotificationKind,
    at: Instant,
    end: End,
}

/// What came of the incidents, in order.
type Calls = Mutex<BTreeMap<IncidentId, Vec<Called>>>;

/// Two sinks. The chat may be down; the other accepts everything.
#[derive(Default)]
struct Both {
    is_down: Mutex<bool>,
    calls: Mutex<usize>,
    chat: Calls,
    mail: Calls,
}

impl Deliver for Both {
    fn prepare(&self, _: SinkKind, _: &Wish, _: &dyn Entropy) -> Result<Prepared, Unfit> {
        unreachable!("none is added")
    }

    fn deliver<'a>(&'a self, to: &'a Target, message: &'a Message) -> BoxFuture<'a, Receipt> {
        let (is_mail, about) = (**to.plain == *b"mail", message.incident.id);
        let all = if is_mail { &self.mail } else { &self.chat };
        let called = Called {
            id: message.id,
            kind: message.kind,
            at: Instant::now(),
            end: End::Lost,
        };
        let nth = {
            let mut all = all.lock();
            let of_it = all.entry(about).or_default();
            of_it.push(called);
            of_it.len() - 1
        };
        Box::pin(async move {
            let (end, receipt) = if !is_mail && *self.is_down.lock() {
                let count = {
                    let mut calls = self.calls.lock();
                    *calls += 1;
                    *calls
                };
                // Every fifth call is never answered.
                if count.is_multiple_of(5) {
                    tokio::time::sleep(Duration::from_secs(15)).await;
                    let why = "no answer".to_owned();
                    (End::Lost, Receipt::Unsure { why })
                } else {
                    (End::Refused, later("no connection"))
                }
            } else {
                (End::Accepted, Receipt::Accepted { message: None })
            };
            all.lock().get_mut(&about).expect("it was called")[nth].end = end;
            receipt
        })
    }

    fn digest<'a>(&'a self, _: &'a Target, _: &'a DigestMessage) -> BoxFuture<'a, Receipt> {
        unreachable!("none is due")
    }

    fn repeat<'a>(
        &'a self,
        _: &'a Target,
        _: &'a [Lasting],
        _: Timestamp,
    ) -> BoxFuture<'a, Receipt> {
        unreachable!("neither forgets")
    }
}

/// What came of one incident after the chat was up again is what it had to be notified of.
fn check(n: u128, shows_open: bool, calls: &[Called]) {
    let tale = || format!("incident {n}, {:?}: {calls:#?}", life(n));
    let accepted = |it: &&Called| it.end == End::Accepted;
    let arrived: Vec<&Called> = calls.iter().filter(accepted).collect();
    let kinds: Vec<NotificationKind> = arrived.iter().map(|it| it.kind).collect();
    assert!(calls.is_sorted_by_key(|it| it.id), "{}", tale());
    assert!(
        arrived.windows(2).all(|pair| pair[0].id < pair[1].id),
        "{}",
        tale()
    );
    let ends = |kind: &NotificationKind| *kind == NotificationKind::Resolved;
    let lost: Vec<&Called> = calls.iter().filter(|it| it.end == End::Lost).collect();
    if lost.is_empty() {
        let expected: Vec<_> = news(life(n), shows_open).into_iter().collect();
        assert_eq!(kinds, expected, "{}", tale());
        return;
    }
    // Each that may be there is repeated with its id, before anything else is sent.
    for it in &lost {
        let is_it = |other: &&Called| other.id == it.id && other.kind == it.kind;
        assert!(
            arrived.iter().copied().any(|other| is_it(&other)),
            "{}",
            tale()
        );
    }
    let is_resolved = life(n).last() == Some(&Resolve);
    assert_eq!(kinds.last().is_some_and(ends), is_resolved, "{}", tale());
    assert!(shows_open || !ends(&kinds[0]), "{}", tale());
    assert!(arrived.len() <= lost.len() + 1, "{}", tale());
}

/// Most calls within a minute.
fn most_a_minute(calls: &mut [Instant]) -> usize {
    calls.sort_unstable();
    let within = |(first, at): (usize, &Instant)| {
        let end = calls.partition_point(|other| *other - *at < MINUTE || other < at);
        end - first
    };
    calls
        .iter()
        .enumerate()
        .map(within)
        .max()
        .unwrap_or_default()
}

struct Story {
    world: World,
    both: Arc<Both>,
    /// When a sink that works had to be notified: the notifications that are due to it.
    due: BTreeMap<IncidentId, Vec<(NotificationKind, Instant)>>,
    incidents: BTreeMap<u128, Incident>,
}

impl Story {
    async fn new() -> Self {
        let mut world = World::new().await;
        world.kill();
        let chat = Sink {
            kind: SinkKind::Slack,
            ..samples::sink(CHAT)
        };
        let mail = Sink {
            target: Sealed(b"mail".to_vec()),
            ..samples::sink(MAIL)
        };
        let both = [chat, mail].map(|sink| Change::PutSink(Box::new(sink)));
        world.commit(both.to_vec()).await;
        let mut story = Self {
            world,
            both: Arc::default(),
            due: BTreeMap::new(),
            incidents: BTreeMap::new(),
        };
        story.start();
        story
    }

    fn start(&mut self) {
        let tools = Tools {
            deliver: Arc::clone(&self.both) as _,
            ..self.world.tools()
        };
        let notifier = Notifier::new(tools, self.world.settings.clone());
        notifier.start();
        self.world.notifier = Some(notifier);
    }

    async fn act(&mut self, n: u128, act: Act) {
        let id = IncidentId::from_u128(n);
        let new = || samples::incident(id, CONNECTION);
        let incident = self.incidents.entry(n).or_insert_with(|| Incident {
            severity: Severity::Error,
            ..new()
        });
        *incident = after(act, incident);
        let incident = incident.clone();
        if let Some(kind) = kind(act) {
            let due = (kind, Instant::now());
            self.due.entry(id).or_default().push(due);
        }
        self.world.put(&incident).await;
    }

    async fn is_idle(&self) {
        let store = Arc::clone(&self.world.store);
        let done = |_: &World| store.sinks_with_notifications().ready().unwrap().is_empty();
        self.world.until(done).await;
    }

    /// The acts that are due in the day, in order: those that were begun before, and the others in
    /// bursts.
    async fn day(&mut self) {
        let gap = DAY / u32::try_from((INCIDENTS - BEFORE) / BURST).unwrap();
        let mut acts = Vec::new();
        for n in 0..INCIDENTS {
            let burst = u32::try_from(n.saturating_sub(BEFORE) / BURST).unwrap();
            let begins = if n < BEFORE {
                // Hours before the end, so that all of them happen.
                Duration::from_secs(u64::try_from(n).unwrap() * 60)
            } else {
                gap * burst
            };
            let skipped = usize::from(n < BEFORE);
            for (nth, act) in (0..).zip(life(n)).skip(skipped) {
                acts.push((begins + STEP * nth, n, *act));
            }
        }
        acts.sort_by_key(|(at, n, _)| (*at, *n));
        let (begun, mut lives) = (Instant::now(), 1);
        for (at, n, act) in acts {
            tokio::time::sleep_until(begun + at).await;
            // The process dies at noon.
            if at > DAY / 2 && lives == 1 {
                self.world.kill();
                self.start();
                lives += 1;
            }
            self.act(n, act).await;
        }
        tokio::time::sleep(STEP).await;
        assert_eq!(lives, 2);
    }

    /// The time from each change of an incident to the message at the sink that works, sorted. It
    /// was notified of each, in order.
    fn waits_of_mail(&self) -> Vec<Duration> {
        let calls = self.both.mail.lock();
        let mut waits = Vec::new();
        for (id, due) in &self.due {
            let heard = &calls[id];
            let kinds = |it: &Called| it.kind;
            assert!(
                heard.iter().map(kinds).eq(due.iter().map(|it| it.0)),
                "{due:?} {heard:?}"
            );
            waits.extend(heard.iter().zip(due).map(|(heard, due)| heard.at - due.1));
        }
        waits.sort_unstable();
        waits
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_down_for_a_day_with_ten_thousand_incidents_and_another_one_is_not_delayed() {
    let mut story = Story::new().await;
    for n in 0..BEFORE {
        story.act(n, Open).await;
    }
    let both = Arc::clone(&story.both);
    let all_came = |_: &World| both.chat.lock().len() as u128 == BEFORE;
    story.world.until(all_came).await;
    story.is_idle().await;
    both.chat.lock().clear();
    both.mail.lock().clear();
    story.due.clear();

    *both.is_down.lock() = true;
    story.day().await;
    let probes = *both.calls.lock();
    assert!((1_000..1_500).contains(&probes), "{probes} calls in a day");
    *both.is_down.lock() = false;
    let up = Instant::now();
    story.is_idle().await;
    let took = up.elapsed();

    // No more than a page of what waits was ever read at a time.
    let most = story.world.store.most_read();
    assert!((1..=PAGE).contains(&most), "{most} entries in one read");
    let chat = both.chat.lock();
    for n in 0..INCIDENTS {
        let none = Vec::new();
        let calls = chat.get(&IncidentId::from_u128(n)).unwrap_or(&none);
        check(n, n < BEFORE, calls);
    }
    let all = chat.values().flatten();
    let lost = all.clone().filter(|it| it.end == End::Lost).count();
    assert!(lost > 200, "{lost} calls were lost");
    let accepted = all.clone().filter(|it| it.end == End::Accepted);
    let (count, pace) = (
        u32::try_from(accepted.count()).unwrap(),
        SinkKind::Slack.pace(),
    );
    let least = pace.every * (count - pace.burst);
    assert!(
        took < least + Duration::from_mins(5),
        "{took:?} for {count}"
    );
    let mut times: Vec<Instant> = all.map(|it| it.at).collect();
    let most = most_a_minute(&mut times);
    assert!(most <= 60 + pace.burst as usize, "{most} calls in a minute");

    let waits = story.waits_of_mail();
    let p99 = waits[waits.len() * 99 / 100];
    assert!(waits.len() > 15_000, "{}", waits.len());
    assert!(p99 < Duration::from_secs(2), "{p99:?}");
}
