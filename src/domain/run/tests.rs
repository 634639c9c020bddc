//! Any order and repetition of what is told of a run ends in the same run.

use super::*;
use crate::domain::samples;
use proptest::prelude::*;

fn job(id: u64) -> FailedJob {
    samples::failed_job(id, &format!("job {id}"), "failure")
}

/// What a job tells: of an attempt, without the run's number.
fn job_event(attempt: u32, id: u64) -> RunEvent {
    let mut event = event(attempt, RunStatus::InProgress, 1);
    event.position.number = 0;
    event.failed_jobs.push(job(id));
    event.facts.url = Some(format!("job-{id}"));
    event
}

fn event(attempt: u32, status: RunStatus, at: i64) -> RunEvent {
    let number = 42;
    RunEvent {
        provider_run_id: 9001,
        ..samples::run_event(Position { number, attempt }, status, Timestamp(at))
    }
}

fn fold_all(events: &[RunEvent]) -> Run {
    let connection = ConnectionId::from_u128(1);
    let (id, owner) = (RunId::from_u128(1), UserId::from_u128(1));
    let mut run = Run::begin(id, connection, owner, &events[0], Timestamp(0));
    for event in &events[1..] {
        run.fold(event);
    }
    run
}

#[test]
fn a_late_start_does_not_reopen_a_finished_attempt() {
    let done = event(1, RunStatus::Completed(Conclusion::Failure), 5);
    let run = fold_all(&[done, event(1, RunStatus::InProgress, 9)]);
    assert_eq!(run.status, RunStatus::Completed(Conclusion::Failure));
}

#[test]
fn a_rerun_outranks_the_attempt_before_it() {
    let done = event(1, RunStatus::Completed(Conclusion::Failure), 5);
    let run = fold_all(&[event(2, RunStatus::Queued, 6), done]);
    assert_eq!((run.position.attempt, run.status), (2, RunStatus::Queued));
}

#[test]
fn a_run_that_only_jobs_told_of_is_overtaken_by_its_first_own_event() {
    let run = fold_all(&[job_event(2, 7), event(1, RunStatus::Queued, 0)]);
    assert_eq!((run.position.number, run.position.attempt), (42, 1));
    assert_eq!(run.failed_jobs_of(None, 2), [job(7)]);
    assert_eq!(run.failed_jobs_of(Some(1), 2), [job(7)]);
    assert_eq!(run.failed_jobs_of(None, 1), []);
    assert_eq!(run.failed_jobs_of(Some(2), 2), []);
}

#[test]
fn a_job_told_of_twice_counts_once_and_only_the_newest_are_kept() {
    let mut again = job_event(1, 7);
    again.failed_jobs[0].reason = Some("script_failure".into());
    let mut events = vec![job_event(2, 7), again.clone(), job_event(1, 7)];
    let run = fold_all(&events);
    assert_eq!(run.failed_jobs.len(), 2);
    assert_eq!(run.failed_jobs_of(None, 1), again.failed_jobs);
    assert_eq!(run.failed_jobs_of(None, 2), [job(7)]);
    let mut run = fold_all(&events);
    assert!(!run.fold(&events[0]), "nothing new");

    let most = u64::try_from(FAILED_JOBS_MAX).unwrap();
    events.extend((100..100 + most).map(|id| job_event(2, id)));
    let run = fold_all(&events);
    assert_eq!(run.failed_jobs.len(), FAILED_JOBS_MAX);
    assert!(!run.failed_jobs.contains_key(&(2, 7)));
    assert!(run.failed_jobs.contains_key(&(2, 99 + most)));
}

fn any_status() -> impl Strategy<Value = RunStatus> {
    prop_oneof![
        Just(RunStatus::Queued),
        Just(RunStatus::InProgress),
        prop::sample::select(Conclusion::ALL.to_vec()).prop_map(RunStatus::Completed),
    ]
}

fn any_event() -> impl Strategy<Value = RunEvent> {
    prop_oneof![
        (1_u32..4, any_status(), 0_i64..6)
            .prop_map(|(attempt, status, at)| event(attempt, status, at)),
        (1_u32..4, 0_u64..5).prop_map(|(attempt, id)| job_event(attempt, id)),
    ]
}

proptest! {
    #[test]
    fn any_order_and_repetition_of_events_ends_in_the_same_run(
        (ordered, shuffled) in prop::collection::vec(any_event(), 1..12)
            .prop_flat_map(|list| {
                let twice = [list.clone(), list.clone()].concat();
                (Just(list), Just(twice).prop_shuffle())
            })
    ) {
        prop_assert_eq!(fold_all(&ordered), fold_all(&shuffled));
    }

    #[test]
    fn conclusion_names_lead_back(
        conclusion in prop::sample::select(Conclusion::ALL.to_vec())
    ) {
        prop_assert_eq!(Conclusion::from_name(conclusion.as_str()), Some(conclusion));
    }
}
