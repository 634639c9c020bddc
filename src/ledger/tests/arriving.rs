//! Runs that are found by listing while their deliveries are on their way.

use super::{CONNECTION, World};
use crate::domain::event::{Decoded, Event};
use crate::domain::id::{HookId, RunId};
use crate::domain::run::{Run, RunEvent};
use crate::domain::samples::{self, ANN, Same};
use crate::domain::time::Timestamp;
use crate::provider::github::GithubDecode;
use crate::provider::{Decode, Found};
use crate::store::Change;
use serde_json::json;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Runs that ended at this time, as they are found.
pub(super) fn many(count: usize, at: Timestamp) -> Vec<Found> {
    (9001..).take(count).map(|id| ended_at(id, at).0).collect()
}

/// A run that ended at this time, as it is found, and as its delivery tells it.
pub(super) fn ended_at(id: u64, at: Timestamp) -> (Found, RunEvent) {
    let moment = OffsetDateTime::from_unix_timestamp(at.0 / 1000).unwrap();
    let body = json!({
        "action": "completed",
        "workflow": {"id": 77, "name": "CI", "path": ".github/workflows/ci.yml"},
        "workflow_run": {
            "id": id, "workflow_id": 77, "name": "CI", "path": ".github/workflows/ci.yml",
            "run_number": 42, "run_attempt": 1, "event": "push",
            "status": "completed", "conclusion": "failure", "head_branch": "main",
            "head_sha": "a".repeat(40), "html_url": "https://github.example/o/r/actions/runs/9001",
            "updated_at": moment.format(&Rfc3339).unwrap(),
        },
        "repository": {"id": 1001, "full_name": "o/r"}
    });
    let payload = samples::payload(body.to_string());
    let decoded = GithubDecode::new(&Same(9)).decode("workflow_run", &payload);
    let Ok(Decoded {
        event: Event::Run(run),
        ..
    }) = decoded
    else {
        panic!("a run: {decoded:?}");
    };
    let found = Found {
        delivery_id: format!("found:{id}"),
        event: "workflow_run".to_owned(),
        at,
        payload,
    };
    (found, *run)
}

/// A run is listed that ended so long before (negative: by a clock that is ahead of ours), and its
/// delivery is processed so many seconds after it was listed. Returns how many were found.
async fn found(ended_before_ms: i64, arrives_after: Option<u64>) -> u64 {
    let world = World::at_work().await;
    world.passes(Duration::from_hours(3)).await;
    world.log.state.lock().entries.clear();
    world.has_hook(HookId(8)).await;
    let (found, event) = ended_at(9001, Timestamp(world.now().0 - ended_before_ms));
    world.log.state.lock().found = vec![found.clone()];
    let arrival = async {
        if let Some(seconds) = arrives_after {
            world.until(|world| world.log.calls("runs_since") > 0).await;
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let run = Run::begin(RunId::from_u128(1), CONNECTION, ANN, &event, world.now());
            world.commit(vec![Change::PutRun(Box::new(run))]).await;
        }
    };
    tokio::join!(world.reconcile(), arrival);
    let found_count = world.gaps()[0].totals.found;
    assert_eq!(world.is_stored(&found.delivery_id), found_count == 1);
    found_count
}

#[tokio::test]
async fn a_run_that_has_just_changed_is_not_found_when_its_delivery_comes() {
    let ahead = -3_600_000;
    assert_eq!(found(ahead, Some(3)).await, 0);
    assert_eq!(found(ahead, Some(8)).await, 0);
    // Nobody waits for ever, whatever the clocks say.
    assert_eq!(found(0, Some(11)).await, 1);
    assert_eq!(found(ahead, None).await, 1);
    assert_eq!(found(ahead, Some(11)).await, 1);
    // Its delivery would have come.
    assert_eq!(found(60_000, Some(3)).await, 1);
}

/// The provider's clock is ahead: all that is listed looks as if it had just changed.
#[tokio::test]
async fn many_pages_of_runs_that_seem_to_have_just_changed_are_waited_for_once() {
    const PAGES: usize = 50;
    let world = World::at_work().await;
    world.passes(Duration::from_hours(3)).await;
    world.log.state.lock().entries.clear();
    world.has_hook(HookId(8)).await;
    let all = many(PAGES, world.now().plus(Duration::from_hours(1)));
    {
        let mut state = world.log.state.lock();
        (state.found, state.runs_a_page) = (all, 1);
    }
    let before = world.now();
    world.reconcile().await;
    assert_eq!(world.gaps()[0].totals.found, PAGES as u64);
    let took = world.now().since(before);
    assert!(took < Duration::from_secs(40), "{took:?}");
}

/// A run of the first page changes while later ones are read, which takes long: it is listed the
/// next time.
#[tokio::test]
async fn what_changes_while_a_long_list_is_read_is_listed_again() {
    let world = World::at_work().await;
    world.passes(Duration::from_hours(3)).await;
    world.log.state.lock().entries.clear();
    world.has_hook(HookId(8)).await;
    let began = world.now();
    let (first, _) = ended_at(9001, began.minus(Duration::from_hours(1)));
    let (second, _) = ended_at(9002, began.plus(Duration::from_mins(4)));
    {
        let mut state = world.log.state.lock();
        (state.found, state.runs_a_page) = (vec![first, second], 1);
        state.runs_take = Duration::from_mins(3);
    }
    world.reconcile().await;
    let listed_at = world.ledger().listed_at;
    assert!(
        listed_at.is_some() && listed_at <= Some(began),
        "{listed_at:?} {began:?}"
    );
}
