//! Deliveries that the provider's log lists and does not return.

use super::World;
use super::log::{Failing, Kept, State};
use crate::domain::ledger::{Deferral, GIVEN_UP_MAX, Loss, PENDING_MAX};
use crate::domain::time::Timestamp;
use crate::provider::{Logged, Redelivered, Unsent};
use crate::store::Change;
use crate::store::faulty::Fault;
use std::time::Duration;

const ODD: [Failing; 3] = [
    Failing::ProviderUnavailable,
    Failing::BadAnswer,
    Failing::ProviderTimeout,
];

impl World {
    fn redelivers(&self, answer: Result<Redelivered, Failing>) {
        self.log.state.lock().redelivers = answer;
    }

    /// How often the payload of this delivery was read.
    fn reads(&self, guid: &str) -> usize {
        let state = self.log.state.lock();
        let read = state.read.iter();
        read.filter(|it| format!("guid-{it}") == guid).count()
    }

    fn redeliveries(&self) -> usize {
        self.log.state.lock().redelivered.len()
    }
}

#[tokio::test]
async fn one_that_cannot_be_read_keeps_no_other_from_being_recovered() {
    // That the provider does not have it may be a lie.
    for odd in ODD.map(Kept::Fails).into_iter().chain([Kept::Nothing]) {
        let world = World::at_work().await;
        let bad = world.log.sends_kept(None, odd);
        let others = world.log.misses(5);
        world.reconcile().await;
        assert!(others.iter().all(|guid| world.is_stored(guid)), "{odd:?}");
        assert_eq!(world.account(), (6, 5, 1, vec![]));
        let ledger = world.ledger();
        assert_eq!(ledger.last_error, None);
        assert!(ledger.is_deferred(&bad) && ledger.behind_since.is_some());
        assert_eq!(world.gaps()[0].closed_at, None);
        // It is read again, and by then the provider has it.
        world.log.keeps(&bad, Kept::Payload);
        world.until(|world| world.is_stored(&bad)).await;
        assert_eq!(world.account(), (6, 6, 0, vec![]));
        assert!(world.gaps()[0].closed_at.is_some());
        assert_eq!(world.ledger().behind_since, None);
    }
}

#[tokio::test]
async fn it_is_read_again_a_few_times_less_and_less_often_and_then_requested_again() {
    let mut world = World::at_work().await;
    let odd = Kept::Fails(Failing::BadAnswer);
    let bad = world.log.sends_kept(None, odd);
    world.redelivers(Ok(Redelivered::Sent));
    world.reconcile().await;
    assert_eq!(world.reads(&bad), 1);
    let mut waits = Vec::new();
    for reads in 2..=5 {
        let before = world.now();
        world.until(|world| world.reads(&bad) == reads).await;
        waits.push(world.now().since(before).as_secs() / 60);
        world.restart().await;
    }
    assert_eq!(waits, [10, 60, 240, 720], "minutes");
    world.until(|world| world.redeliveries() == 1).await;
    world.arrives(&bad).await;
    world
        .until(|world| world.ledger().deferred.is_empty())
        .await;
    assert_eq!(world.account(), (1, 1, 0, vec![]));
    assert!(world.gaps()[0].closed_at.is_some());
    assert_eq!(world.reads(&bad), 5);
}

#[tokio::test]
async fn one_that_stays_unreadable_is_lost_for_that_reason_and_once() {
    let arrives_not = vec![(Loss::NotRedelivered, 1)];
    let refused = vec![(Loss::Unreadable, 1)];
    let answers = [
        (Ok(Redelivered::Sent), arrives_not.clone()),
        // What acted may be on its way.
        (Err(Failing::ProviderTimeout), arrives_not),
        (Ok(Redelivered::Refused(Unsent::Gone)), refused.clone()),
        (Err(Failing::ProviderUnavailable), refused),
    ];
    for (answer, expected) in answers {
        let mut world = World::at_work().await;
        let odd = Kept::Fails(Failing::ProviderUnavailable);
        let bad = world.log.sends_kept(None, odd);
        world.redelivers(answer);
        let is_over = |world: &World| world.ledger().totals.lost() == 1;
        world.reconcile().await;
        world.until(is_over).await;
        assert_eq!(world.account(), (1, 0, 0, expected.clone()));
        assert!(world.gaps()[0].closed_at.is_some());
        for _ in 0..3 {
            world.restart().await;
            world.reconcile().await;
        }
        assert_eq!(world.account(), (1, 0, 0, expected));
        assert!(!world.is_stored(&bad) && world.redeliveries() == 1);
        assert_eq!(world.incidents().len(), 1, "once, also after restarts");
    }
}

/// A redelivery that does not arrive either is a later entry of the log, with the same id.
#[tokio::test]
async fn one_that_was_sent_again_in_vain_counts_once() {
    let fails = Kept::Fails(Failing::BadAnswer);
    for (odd, hours_slow) in [(Kept::Nothing, 0), (fails, 0), (Kept::Nothing, 3)] {
        let mut world = World::at_work().await;
        world.clock.set_back(Duration::from_hours(hours_slow));
        world.log.sends_kept(None, odd);
        world.redelivers(Ok(Redelivered::Sent));
        world.reconcile().await;
        world.until(|world| world.ledger().totals.lost() == 1).await;
        let asked = world.redeliveries();
        for _ in 0..8 {
            world.passes(Duration::from_hours(8)).await;
            world.delivered().await;
            world.restart().await;
            world.reconcile().await;
        }
        let account = (1, 0, 0, vec![(Loss::NotRedelivered, 1)]);
        assert_eq!(world.account(), account, "{odd:?}, {hours_slow}");
        assert_eq!(world.redeliveries(), asked);
        assert_eq!(world.ledger().deferred, [], "the log is settled beyond it");
    }
}

/// What concerns all of a log is no reason to set one aside.
#[tokio::test]
async fn trouble_of_the_provider_is_none_of_a_delivery() {
    for odd in ODD {
        let world = World::at_work().await;
        let missed = world.log.misses(3);
        world.log.state.lock().details_down = Some(odd);
        world.reconciles_in_vain().await;
        assert_eq!(world.account(), (3, 0, 3, vec![]));
        assert_eq!(world.ledger().deferred, []);
        assert_eq!(world.gaps()[0].closed_at, None);
        world.log.state.lock().details_down = None;
        world
            .until(|world| world.ledger().last_error.is_none())
            .await;
        assert!(missed.iter().all(|guid| world.is_stored(guid)));
        assert_eq!(world.account(), (3, 3, 0, vec![]));
    }
    for code in [Failing::RateLimited, Failing::ProviderUnreachable] {
        let world = World::at_work().await;
        world.log.sends_kept(None, Kept::Fails(code));
        world.reconciles_in_vain().await;
        assert_eq!(world.ledger().deferred, [], "{code:?}");
    }
}

/// All that was read to find out is unreadable, too: then the list is enough, after a while.
#[tokio::test]
async fn no_log_keeps_a_reconcile_from_going_on_for_ever() {
    let mut world = World::at_work().await;
    let odd = Kept::Fails(Failing::BadAnswer);
    for _ in 0..3 {
        let guid = world.delivered().await;
        world.log.keeps(&guid, odd);
    }
    let bad = world.log.sends_kept(None, odd);
    let good = world.log.sends(None);
    world.reconciles_in_vain().await;
    assert!(!world.is_stored(&good));
    world.until(|world| world.is_stored(&good)).await;
    assert!(world.ledger().is_deferred(&bad));
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_have_their_last_chance_and_none_is_forgotten() {
    const MORE: u64 = 25;
    let bad = PENDING_MAX as u64 + MORE;
    for answer in [Redelivered::Sent, Redelivered::Refused(Unsent::Gone)] {
        let world = World::at_work().await;
        world.redelivers(Ok(answer));
        let odd = Kept::Fails(Failing::ProviderUnavailable);
        for _ in 0..bad {
            world.log.sends_kept(None, odd);
        }
        let good = world.log.misses(5);
        world.reconcile().await;
        world
            .until(|world| good.iter().all(|guid| world.is_stored(guid)))
            .await;
        let took = world.now().since(world.ledger().read_at.unwrap());
        assert!(took < Duration::from_mins(30), "{took:?}");
        let (missed, recovered, outstanding, lost) = world.account();
        let lost: u64 = lost.iter().map(|(_, count)| count).sum();
        assert_eq!((missed, recovered), (bad + 5, 5));
        assert!(lost >= MORE && lost + outstanding == bad, "{answer:?}");
        world.until(|world| world.account().2 == 0).await;
        let reason = match answer {
            Redelivered::Sent => Loss::NotRedelivered,
            Redelivered::Refused(_) => Loss::Unreadable,
        };
        assert_eq!(world.account(), (bad + 5, 5, 0, vec![(reason, bad)]));
        assert!(world.gaps().iter().all(|gap| gap.closed_at.is_some()));
    }
}

#[tokio::test]
async fn more_lost_ones_than_can_be_listed_stay_outstanding_until_newer_ones_come() {
    let mut world = World::at_work().await;
    let pending = PENDING_MAX as u64;
    let lost = GIVEN_UP_MAX as u64 + pending + 5;
    for _ in 0..lost {
        world.log.sends_kept(None, Kept::Nothing);
    }
    world.reconciles_in_vain().await;
    let gone = vec![(Loss::PayloadGone, GIVEN_UP_MAX as u64)];
    assert_eq!(world.account(), (lost, 0, pending + 5, gone.clone()));
    world.reconciles_in_vain().await;
    let account = (lost, 0, pending + 5, gone);
    assert_eq!(world.account(), account, "none counts twice");
    world.passes(Duration::from_mins(11)).await;
    world.delivered().await;
    world.reconcile().await;
    world.passes(Duration::from_hours(18)).await;
    world.until(|world| world.account().2 == 0).await;
    assert_eq!(
        world.account(),
        (lost, 0, 0, vec![(Loss::PayloadGone, lost)])
    );
}

/// A kill at any commit, before it or after: none is lost, and none counts twice.
#[tokio::test]
async fn a_kill_at_any_step_loses_none_and_counts_none_twice() {
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        let mut step = 0;
        while is_killed_at(step, fault).await {
            step += 1;
        }
        assert!(step > 10, "{step} steps");
    }
}

/// A recovery in which everything happens, and which is killed at this commit. Returns whether it
/// had so many.
async fn is_killed_at(step: usize, fault: Fault) -> bool {
    let mut world = World::at_work().await;
    let lost = world.log.sends_kept(None, Kept::Nothing);
    let arriving = world.log.sends_kept(None, Kept::Nothing);
    let bad = world.log.sends_kept(None, Kept::Fails(Failing::BadAnswer));
    let mut expected = world.log.misses(4);
    expected.extend([arriving.clone(), bad.clone()]);
    world.redelivers(Ok(Redelivered::Sent));
    let is_of_ledger = |change: &Change| matches!(change, Change::PutLedger(_));
    world.store.breaks(step, fault, is_of_ledger);
    world.asks();
    let is_read = |world: &World| world.is_stored(&expected[3]) && world.redeliveries() >= 2;
    world.until_also_killed(is_read).await;
    world.arrives(&arriving).await;
    world.log.keeps(&bad, Kept::Payload);
    let is_over = |world: &World| {
        let totals = world.ledger().totals;
        totals.recovered + totals.lost() == 7
    };
    world.until_also_killed(is_over).await;
    let was_killed = world.store.strikes() > 0;
    world.restart().await;
    world.reconcile().await;
    let reasons = vec![(Loss::NotRedelivered, 1)];
    assert_eq!(world.account(), (7, 6, 0, reasons), "{fault:?} at {step}");
    let stored = world.stored();
    assert!(expected.iter().all(|guid| stored.contains_key(guid)));
    assert!(!stored.contains_key(&lost));
    assert!(world.gaps().iter().all(|gap| gap.closed_at.is_some()));
    was_killed
}

#[tokio::test]
async fn the_last_chance_comes_before_the_provider_deletes_it() {
    let world = World::at_work().await;
    let odd = Kept::Fails(Failing::ProviderUnavailable);
    let bad = world.log.sends_kept(None, odd);
    world.log.state.lock().down = Some(Failing::RateLimited);
    world.passes(Duration::from_mins(71 * 60 + 30)).await;
    world.log.state.lock().down = None;
    world.until(|world| world.redeliveries() == 1).await;
    assert_eq!(world.reads(&bad), 1);
    let ledger = world.ledger();
    let states: Vec<_> = ledger.deferred.iter().map(|it| it.state).collect();
    assert_eq!(states, [Deferral::GivenUp]);
    assert_eq!(world.account(), (1, 0, 0, vec![(Loss::Unreadable, 1)]));
}

/// A delivery was sent again, and not answered: another attempt of it.
pub(super) fn sent_again(state: &mut State, attempt: u64, now: Timestamp) {
    let first = state.entries.iter().find(|it| it.0.attempt == attempt);
    let Some((logged, kept)) = first.cloned() else {
        return;
    };
    state.sent += 1;
    let again = Logged {
        attempt: state.sent,
        at: logged.at.map(|_| now),
        status: None,
        is_redelivery: true,
        ..logged
    };
    state.entries.push((again, kept));
}
