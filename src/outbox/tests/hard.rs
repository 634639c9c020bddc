//! Sinks that answer as badly as they can, clocks that are set, and trouble with one incident or
//! one task that is not to be the trouble of others.

use super::*;
use crate::domain::notification::Announced;
use crate::outbox::Edit;
use crate::store::faulty::Fault;
use std::sync::atomic::AtomicUsize;

const HOUR: Duration = Duration::from_hours(1);
const TEN_DAYS: Duration = Duration::from_hours(240);

fn unsure() -> Receipt {
    let why = "no answer".to_owned();
    Receipt::Unsure { why }
}

fn asks(after: Duration) -> Receipt {
    let (after, why) = (Some(after), "it answered 503".to_owned());
    Receipt::Later { after, why }
}

fn announces(change: &Change, id: u128) -> bool {
    let is_it = |it: &Announced| it.incident == IncidentId::from_u128(id);
    matches!(change, Change::PutAnnounced(it) if is_it(it))
}

/// More of them than are planned for at a time.
#[tokio::test(start_paused = true)]
async fn incidents_that_cannot_be_planned_keep_no_others_from_it() {
    let world = World::new().await;
    let is_one = |change: &Change| (0..250).any(|id| announces(change, id));
    world.store.breaks(0, Fault::Refuse, is_one);
    for n in 0..=250 {
        world.open(n).await;
    }
    world.until(|world| world.states() == ["sent"]).await;
}

/// A maintenance page that asks for a moment, and one that asks for none.
#[tokio::test(start_paused = true)]
async fn a_sink_that_asks_for_short_waits_for_hours_loses_nothing_and_is_not_flooded() {
    for after in [Duration::ZERO, MOMENT, Duration::from_mins(1)] {
        let world = World::new().await;
        *world.sink.always.lock() = Some(asks(after));
        for n in 0..20 {
            world.open(n).await;
        }
        world.passes(5 * HOUR).await;
        let calls = world.heard().len();
        assert!(calls < 400, "{calls} calls in five hours");
        assert_eq!(world.states(), ["waiting"; 20], "{after:?}");
        *world.sink.always.lock() = None;
        let up = Instant::now();
        world.until(|world| world.states() == ["sent"; 20]).await;
        assert!(up.elapsed() < 6 * HOUR, "{:?}", up.elapsed());
    }
}

/// One that accepts every fifth message is never up for long.
#[tokio::test(start_paused = true)]
async fn what_a_flapping_sink_refuses_is_not_given_up_within_hours() {
    let world = World::new().await;
    for _ in 0..1_000 {
        for _ in 0..4 {
            world.manner(Manner::Answers(later("it answered 503")));
        }
        let message = None;
        world.manner(Manner::Answers(Receipt::Accepted { message }));
    }
    for n in 0..30 {
        world.open(n).await;
    }
    world.passes(2 * HOUR).await;
    assert!(!world.states().contains(&"failed"), "{:?}", world.states());
    world.sink.manners.lock().clear();
    world.until(|world| world.states() == ["sent"; 30]).await;
}

#[tokio::test(start_paused = true)]
async fn what_may_have_arrived_and_was_given_up_is_sent_when_a_user_requests_it() {
    use NotificationKind::{Opened, Resolved};
    let world = World::new().await;
    *world.sink.always.lock() = Some(unsure());
    let incident = world.open(1).await;
    world.until(|world| world.states() == ["failed"]).await;
    let retry = async || {
        let failed = world.notifications()[0].id;
        world.sink.heard.lock().clear();
        *world.sink.always.lock() = None;
        world.desk().retry(failed).await.unwrap();
        world
            .until(|world| world.notifications()[0].due_at().is_none())
            .await;
    };
    retry().await;
    assert_eq!(
        (world.states(), world.kinds()),
        (vec!["sent"], vec![Opened])
    );
    *world.sink.always.lock() = Some(unsure());
    world.resolve(&incident).await;
    world
        .until(|world| world.states() == ["failed", "sent"])
        .await;
    retry().await;
    assert_eq!(world.kinds(), [Resolved]);
    assert_eq!(world.states(), ["sent", "sent"]);
}

/// What was said of an earlier episode stays unsaid.
#[tokio::test(start_paused = true)]
async fn an_old_beginning_is_not_sent_into_a_later_episode() {
    use NotificationKind::Reopened;
    let world = World::new().await;
    *world.sink.always.lock() = Some(unsure());
    let incident = world.open(1).await;
    world.until(|world| world.states() == ["failed"]).await;
    let old = world.notifications()[0].id;
    *world.sink.always.lock() = None;
    world.resolve(&incident).await;
    world
        .until(|world| world.states() == ["sent", "failed"])
        .await;
    world.put(&incident).await;
    world.until(|world| world.states()[0] == "sent").await;
    world
        .until(|world| world.kinds().last() == Some(&Reopened))
        .await;
    assert!(world.desk().retry(old).await.is_err());
    assert_eq!(world.states(), ["sent", "sent", "failed"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_and_is_set_right_delays_nothing_for_long() {
    let mut world = World::new().await;
    world.kill();
    world.settings.delay = Duration::from_secs(30);
    world.start();
    world.wrong_by(TEN_DAYS);
    world.open(1).await;
    world.until(|world| world.states() == ["waiting"]).await;
    world.wrong_by(Duration::ZERO);
    let right = Instant::now();
    world.until(|world| world.states() == ["sent"]).await;
    assert!(right.elapsed() < HOUR, "{:?}", right.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_asked_for_while_the_clock_was_ahead_ends_with_a_day() {
    let world = World::new().await;
    world.wrong_by(TEN_DAYS);
    world.manner(Manner::Answers(asks(HOUR)));
    world.open(1).await;
    world
        .until(|world| world.stored_sink().hold_until.is_some())
        .await;
    world.wrong_by(Duration::ZERO);
    let right = Instant::now();
    world.until(|world| world.states() == ["sent"]).await;
    assert!(right.elapsed() < 24 * HOUR, "{:?}", right.elapsed());
}

/// When it was seen that a sink works again, the clock was ahead.
#[tokio::test(start_paused = true)]
async fn a_recovery_in_the_future_does_not_hurry_later_tries() {
    let world = World::new().await;
    world.wrong_by(TEN_DAYS);
    for n in 0..500 {
        let accepted = Receipt::Accepted { message: None };
        let answer = if n == 3 { accepted } else { later("down") };
        world.manner(Manner::Answers(answer));
    }
    for n in 1..=3 {
        world.open(n).await;
    }
    world.until(|world| world.states().contains(&"sent")).await;
    world.wrong_by(Duration::ZERO);
    world.sink.heard.lock().clear();
    world.passes(2 * HOUR).await;
    let heard = world.heard();
    for n in 1..=3 {
        let of_it = |it: &&Heard| it.incident == IncidentId::from_u128(n);
        let calls = heard.iter().filter(of_it).count();
        assert!(calls <= 5, "{calls} calls in two hours");
    }
}

/// A batch of another owner's incident is refused in the same look.
#[tokio::test(start_paused = true)]
async fn what_was_planned_beside_trouble_is_sent() {
    let world = World::new().await;
    world
        .store
        .breaks(0, Fault::Refuse, |change| announces(change, 2));
    let own = Incident {
        severity: Severity::Error,
        ..samples::incident(IncidentId::from_u128(1), ConnectionId::from_u128(1))
    };
    let foreign = Incident {
        id: IncidentId::from_u128(2),
        owner: crate::domain::id::UserId::from_u128(2),
        ..own.clone()
    };
    let both = [own, foreign].map(|it| Change::PutIncident(Box::new(it)));
    world.commit(both.to_vec()).await;
    world.passes(MOMENT).await;
    world.store.mend();
    let mended = Instant::now();
    world.until(|world| world.states() == ["sent"]).await;
    assert!(mended.elapsed() < HOUR);
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_cannot_be_planned_for_holds_up_no_other() {
    let mut world = World::new().await;
    world.kill();
    world.settings.delay = Duration::from_secs(30);
    world.start();
    let stuck = world.open(1).await;
    world.until(|world| world.states() == ["waiting"]).await;
    world
        .store
        .breaks(0, Fault::Refuse, |change| announces(change, 1));
    world.resolve(&stuck).await;
    let begun = Instant::now();
    let other = world.open(2).await;
    world.until(|world| !world.heard().is_empty()).await;
    assert_eq!(world.heard()[0].incident, other.id);
    assert!(begun.elapsed() < HOUR, "{:?}", begun.elapsed());
    world.store.mend();
    world
        .until(|world| world.notifications().iter().all(|it| it.due_at().is_none()))
        .await;
    assert_eq!(world.heard().len(), 1, "it was resolved before");
}

#[tokio::test(start_paused = true)]
async fn another_address_is_not_held_by_what_the_former_asked_for() {
    let world = World::new().await;
    world.manner(Manner::Answers(asks(24 * HOUR)));
    world.open(1).await;
    world
        .until(|world| world.stored_sink().hold_until.is_some())
        .await;
    let edit = Edit {
        wish: Some(Wish::default()),
        ..Edit::default()
    };
    world.desk().edit(CHAT, edit).await.unwrap();
    let begun = Instant::now();
    world.open(2).await;
    world.until(|world| world.states()[0] == "sent").await;
    assert!(begun.elapsed() < HOUR, "{:?}", begun.elapsed());
}

/// Panics when the address of one sink is opened, a few times.
struct Trap(AtomicUsize);

impl Seal for Trap {
    fn seal(&self, _: &Purpose<'_>, plain: &[u8]) -> Sealed {
        Sealed(plain.to_vec())
    }

    fn open(&self, of: &Purpose<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let is_it = matches!(of, Purpose::SinkTarget { sink, .. } if *sink == CHAT);
        let one_less = |left: usize| left.checked_sub(1);
        let order = Ordering::Relaxed;
        let is_sprung = is_it && self.0.fetch_update(order, order, one_less).is_ok();
        assert!(!is_sprung, "as a test wants it");
        Ok(Zeroizing::new(sealed.0.clone()))
    }

    fn is_current(&self, _: &Sealed) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_begins_again_and_disturbs_no_other() {
    let mut world = World::new().await;
    world.kill();
    for n in 2..=4 {
        let sink = samples::sink(SinkId::from_u128(n));
        world.commit(vec![Change::PutSink(Box::new(sink))]).await;
    }
    // The others wait for their next try when it panics for the second time.
    for _ in 0..6 {
        world.manner(Manner::Answers(later("down")));
    }
    let seal = Arc::new(Trap(AtomicUsize::new(3)));
    let tools = Tools {
        seal: Arc::clone(&seal) as _,
        ..world.tools()
    };
    let notifier = Notifier::new(tools, world.settings.clone());
    notifier.start();
    world.notifier = Some(notifier);
    world.open(1).await;
    world.until(|world| world.states() == ["sent"; 4]).await;
    assert_eq!(seal.0.load(Ordering::Relaxed), 0);
    assert_eq!(world.heard().len(), 10, "no call was cut off");
}

/// It is sent at once by the clock that was wrong, but not before the one whose answer was lost,
/// which is tried again in half an hour.
#[tokio::test(start_paused = true)]
async fn what_a_clock_ahead_has_planned_waits_behind_one_whose_answer_was_lost() {
    use NotificationKind::{Opened, Worse};
    let world = World::new().await;
    *world.sink.always.lock() = Some(unsure());
    let incident = world.open(1).await;
    world.until(|world| world.heard().len() == 3).await;
    *world.sink.always.lock() = None;
    world.wrong_by(Duration::from_hours(3));
    let worse = Incident {
        severity: Severity::Critical,
        ..incident
    };
    world.put(&worse).await;
    world.passes(MOMENT).await;
    world.wrong_by(Duration::ZERO);
    assert_eq!((world.heard().len(), world.states().len()), (3, 2));
    world
        .until(|world| world.states() == ["sent", "sent"])
        .await;
    assert_eq!(world.kinds()[3..], [Opened, Worse]);
}
