//! In tokio's time, which stands still unless everybody waits.

use super::*;
use crate::domain::errand::Priority;
use crate::domain::id::UserId;
use crate::provider::meter::LIMITS_MAX;
use futures_util::future::join_all;
use tokio::time::advance;

const FREE: Cost = [0; LIMITS_MAX];
const READ: Cost = [1, 0, 0];
const WRITE: Cost = [5, 0, 0];
const NINE_HUNDRED: &[Limit] = &[Limit {
    most: 900,
    window: Duration::from_mins(1),
}];

fn key(fill: u8) -> TokenKey {
    TokenKey([fill; 32])
}

fn budget(at_once: usize, limits: &'static [Limit]) -> Arc<Budget> {
    Arc::new(Budget::new(at_once, Duration::from_secs(1), limits))
}

fn of(owner: u128, priority: Priority) -> Errand {
    Errand {
        owner: UserId::from_u128(owner),
        priority,
    }
}

const fn left(limit: Option<u64>, remaining: u64, seconds: u64) -> Left {
    Left {
        limit,
        remaining,
        reset_in: Duration::from_secs(seconds),
    }
}

const ANN: Errand = Errand::of_person(UserId::from_u128(1));
const BOB: Errand = Errand::of_person(UserId::from_u128(2));

/// A call that takes `takes`, and how long all of it took.
async fn call(
    budget: &Arc<Budget>,
    errand: Errand,
    token: TokenKey,
    (writes, cost): (bool, Cost),
    takes: Duration,
) -> Result<Duration, Away> {
    let begun = Instant::now();
    let permit = budget.admit(errand, token, writes, cost).await?;
    tokio::time::sleep(takes).await;
    drop(permit);
    Ok(begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn writes_of_one_token_are_a_pause_apart_and_reads_are_not() {
    let budget = budget(4, &[]);
    let start = Instant::now();
    for _ in 0..5 {
        drop(budget.admit(ANN, key(1), true, FREE).await.unwrap());
        drop(budget.admit(ANN, key(1), false, FREE).await.unwrap());
    }
    assert_eq!(start.elapsed().as_secs(), 4);
    drop(budget.admit(ANN, key(2), true, FREE).await.unwrap());
    assert_eq!(start.elapsed().as_secs(), 4, "another token does not wait");
}

#[tokio::test(start_paused = true)]
async fn more_writes_than_fit_into_the_wait_are_sent_away_at_once_with_the_time() {
    let budget = budget(4, &[]);
    let all = (0..30).map(|_| call(&budget, ANN, key(1), (true, FREE), Duration::ZERO));
    let all = join_all(all).await;
    let went = all.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(went, 11);
    let away = |outcome: &Result<Duration, Away>| match outcome {
        Err(Away::Limited(after)) => after.as_secs() > 10,
        Err(Away::Busy(_)) | Ok(_) => false,
    };
    assert_eq!(all.iter().filter(|outcome| away(outcome)).count(), 19);
}

#[tokio::test(start_paused = true)]
async fn a_held_token_sends_nothing_until_the_time_is_over_and_blocks_nobody() {
    let budget = budget(1, &[]);
    let held = budget.hold(key(1), Duration::from_mins(1));
    assert_eq!(held, Duration::from_mins(1));
    // A shorter word does not undo the longer one.
    budget.hold(key(1), Duration::from_secs(5));
    let away = budget.admit(ANN, key(1), false, FREE).await.unwrap_err();
    assert_eq!(away, Away::Limited(Duration::from_mins(1)));
    let start = Instant::now();
    drop(budget.admit(ANN, key(2), true, FREE).await.unwrap());
    drop(budget.admit(BOB, key(3), true, FREE).await.unwrap());
    assert_eq!(start.elapsed(), Duration::ZERO);
    advance(Duration::from_secs(61)).await;
    drop(budget.admit(ANN, key(1), true, FREE).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_comes_while_a_call_waits_sends_it_away() {
    let budget = budget(4, &[]);
    drop(budget.admit(ANN, key(1), true, FREE).await.unwrap());
    let waiting = call(&budget, ANN, key(1), (true, FREE), Duration::ZERO);
    let holding = async {
        tokio::task::yield_now().await;
        budget.hold(key(1), Duration::from_mins(1))
    };
    let (waited, _) = tokio::join!(waiting, holding);
    assert_eq!(waited.unwrap_err(), Away::Limited(Duration::from_mins(1)));
    assert_eq!(budget.line.lock().queue.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_calls_run_at_once_and_who_waits_in_vain_is_told() {
    let budget = budget(2, &[]);
    let first = budget.admit(ANN, key(1), false, FREE).await.unwrap();
    let second = budget.admit(BOB, key(2), false, FREE).await.unwrap();
    let away = budget.admit(ANN, key(3), false, FREE).await.unwrap_err();
    assert_eq!(away, Away::Busy(queue::WAIT_MAX));
    drop(first);
    let third = budget.admit(ANN, key(3), false, FREE).await.unwrap();
    drop((second, third));
    let line = budget.line.lock();
    assert!(line.callers.is_empty() && line.queue.waiting() == 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_gives_the_place_to_the_next() {
    let budget = budget(1, &[]);
    let first = budget.admit(ANN, key(1), false, FREE).await.unwrap();
    let given_up = budget.admit(ANN, key(1), false, FREE);
    let given_up = tokio::time::timeout(Duration::from_secs(1), given_up).await;
    assert!(given_up.is_err());
    let next = call(&budget, BOB, key(2), (false, FREE), Duration::ZERO);
    let free = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
    };
    let (next, ()) = tokio::join!(next, free);
    assert_eq!(next.unwrap().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_calls_of_a_window_are_spread_out() {
    let budget = budget(4, &[]);
    budget.note_remaining(key(1), left(None, 10, 50));
    let start = Instant::now();
    for _ in 0..3 {
        drop(budget.admit(ANN, key(1), false, FREE).await.unwrap());
    }
    assert_eq!(start.elapsed().as_secs(), 15);
    budget.note_remaining(key(2), left(None, 100, 50));
    let start = Instant::now();
    drop(budget.admit(ANN, key(2), false, FREE).await.unwrap());
    assert_eq!(start.elapsed().as_secs(), 0);
}

/// What was tried: one user's listing of 200 pages held another's connect up for 10 to 26 seconds.
#[tokio::test(start_paused = true)]
async fn listings_of_some_hold_up_nobody_elses_connect() {
    for at_once in [2, 4, 16] {
        let budget = budget(at_once, NINE_HUNDRED);
        let page = Duration::from_secs(2);
        // Eight listings of one user at once, each of 200 pages of two seconds, from two tokens.
        let listing = |n: u8| {
            let budget = &budget;
            async move {
                for _ in 0..200 {
                    let _ = call(budget, ANN, key(n % 2), (false, READ), page).await;
                }
            }
        };
        let listings = join_all((0..8).map(listing));
        let connect = async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            let begun = Instant::now();
            // Look-up, look-up, list, create: half a second each.
            for cost in [(false, READ), (false, READ), (false, READ), (true, WRITE)] {
                let took = Duration::from_millis(500);
                call(&budget, BOB, key(9), cost, took).await.unwrap();
            }
            begun.elapsed()
        };
        tokio::select! {
            took = connect => assert_eq!(took.as_secs(), 2, "{at_once} at once"),
            _ = listings => panic!("the listings cannot be over"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_checks_wait_and_a_persons_call_goes_first() {
    let budget = budget(4, NINE_HUNDRED);
    let checks = (0..1000_u128).map(|n| {
        let errand = of(1 + n % 2, Priority::Check);
        let token = key(u8::try_from(n % 200).unwrap());
        call(
            &budget,
            errand,
            token,
            (false, READ),
            Duration::from_secs(1),
        )
    });
    let person = async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let takes = Duration::from_secs(1);
        // Of the same owner, with a token that checks wait for, too.
        let ann = call(&budget, ANN, key(7), (false, READ), takes);
        let bob = call(&budget, BOB, key(8), (false, READ), takes);
        tokio::join!(ann, bob)
    };
    let (_, (ann, bob)) = tokio::join!(join_all(checks), person);
    assert!(ann.unwrap() <= Duration::from_secs(2));
    assert!(bob.unwrap() <= Duration::from_millis(2500));
}

/// The limit of reads by one token: they are paced like writes.
#[tokio::test(start_paused = true)]
async fn a_token_makes_nine_hundred_reads_a_minute_and_not_one_more() {
    let budget = budget(16, NINE_HUNDRED);
    let start = Instant::now();
    let mut made = Vec::new();
    while made.len() < 2000 {
        match budget.admit(ANN, key(1), false, READ).await {
            Ok(permit) => {
                made.push(start.elapsed());
                drop(permit);
            }
            Err(Away::Limited(after) | Away::Busy(after)) => advance(after).await,
        }
    }
    for window in made.windows(901) {
        assert!(window[900] >= window[0] + Duration::from_mins(1));
    }
    assert!(start.elapsed() < Duration::from_secs(150), "and no slower");
    let begun = Instant::now();
    drop(budget.admit(BOB, key(2), false, READ).await.unwrap());
    assert_eq!(
        begun.elapsed(),
        Duration::ZERO,
        "another token does not wait"
    );
}

/// Of the window that the provider's answers describe, too, less urgent calls leave a share.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_window_is_left_to_urgent_calls_and_the_next_one_is_free() {
    let budget = Arc::new(Budget::new(4, Duration::ZERO, &[]));
    let admit = async |priority| {
        let admitted = budget.admit(of(1, priority), key(1), false, FREE).await;
        admitted.map(drop)
    };
    for (remaining, explains, checks, recovers, repairs) in [
        (3501, true, true, true, true),
        (3500, false, true, true, true),
        (2501, false, true, true, true),
        (1501, false, true, true, true),
        (1500, false, true, false, true),
        (1000, false, false, false, true),
        (500, false, false, false, false),
    ] {
        budget.note_remaining(key(1), left(Some(5000), remaining, 1800));
        for (priority, may) in [
            (Priority::Explain, explains),
            (Priority::Check, checks),
            (Priority::Recovery, recovers),
            (Priority::Repair, repairs),
            (Priority::Person, true),
        ] {
            budget.note_remaining(key(1), left(Some(5000), remaining, 1800));
            match admit(priority).await {
                Ok(()) => assert!(may, "{priority:?} with {remaining}"),
                Err(Away::Limited(wait)) => {
                    assert!(!may, "{priority:?} with {remaining}");
                    assert!(wait > Duration::from_mins(29), "{wait:?}");
                }
                Err(Away::Busy(_)) => panic!("nothing is queued"),
            }
        }
    }
    tokio::time::advance(Duration::from_mins(31)).await;
    admit(Priority::Check).await.unwrap();
}

/// While a recovery takes its seven tenths of an hour, checks have a tenth, and no more.
#[tokio::test(start_paused = true)]
async fn checks_have_a_tenth_of_the_window_while_a_recovery_takes_all_that_it_may() {
    let budget = Arc::new(Budget::new(4, Duration::ZERO, &[]));
    let checks = async |remaining: u64| {
        let mut count = 0;
        loop {
            budget.note_remaining(key(1), left(Some(5000), remaining, 1800));
            let errand = of(1, Priority::Check);
            match budget.admit(errand, key(1), false, FREE).await {
                Ok(permit) => drop(permit),
                Err(_) => return count,
            }
            count += 1;
        }
    };
    assert_eq!(checks(1500).await, 500);
    assert_eq!(checks(1500).await, 0);
    tokio::time::advance(Duration::from_mins(31)).await;
    assert_eq!(checks(1500).await, 500, "it is another window");
}
