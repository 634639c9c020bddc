//! Runs: workflow runs and pipelines, folded from events that arrive in any order.

use super::id::{ConnectionId, RunId, UserId};
use super::time::Timestamp;
use std::collections::BTreeMap;

/// Most failed jobs that a run remembers; the newest stay.
pub const FAILED_JOBS_MAX: usize = 100;

/// How a run, or one attempt of it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Conclusion {
    /// All went well.
    Success,
    /// Something failed.
    Failure,
    /// Took too long.
    TimedOut,
    /// Could not even be started, for instance because of a broken workflow file.
    StartupFailure,
    /// Waits for a person.
    ActionRequired,
    /// Ended without a verdict.
    Neutral,
    /// Somebody or something cancelled it.
    Cancelled,
    /// Did not need to run.
    Skipped,
    /// Given up by the provider after a long silence.
    Stale,
    /// A value that this version does not know. Kept, shown, never counted as a failure.
    Unknown,
}

impl Conclusion {
    /// Every conclusion there is.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::Failure,
        Self::TimedOut,
        Self::StartupFailure,
        Self::ActionRequired,
        Self::Neutral,
        Self::Cancelled,
        Self::Skipped,
        Self::Stale,
        Self::Unknown,
    ];

    /// The name used in JSON and configuration: GitHub's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::TimedOut => "timed_out",
            Self::StartupFailure => "startup_failure",
            Self::ActionRequired => "action_required",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }

    /// The conclusion of that name; `None` for a name that this version does not know.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

/// How far an attempt has come. The order is the order of precedence within one attempt:
/// whatever is finished outranks whatever is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunStatus {
    /// Asked for, queued, pending or waiting.
    Queued,
    /// Under way.
    InProgress,
    /// Ended so.
    Completed(Conclusion),
}

impl RunStatus {
    /// The names of all statuses.
    pub const NAMES: [&str; 3] = ["queued", "in_progress", "completed"];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed(_) => "completed",
        }
    }

    /// How it ended, when it did.
    pub const fn conclusion(self) -> Option<Conclusion> {
        match self {
            Self::Queued | Self::InProgress => None,
            Self::Completed(conclusion) => Some(conclusion),
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::InProgress => 1,
            Self::Completed(_) => 2,
        }
    }
}

/// Where an attempt stands among the attempts of its workflow: by run number, then by attempt.
///
/// Deliveries come in any order, so "later" always means a greater position, never a later
/// arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The provider's running number of the run within its workflow.
    pub number: u64,
    /// 1 for the first attempt, higher for re-runs.
    pub attempt: u32,
}

impl Position {
    /// The position of something that is told of again and again without counting: the seconds
    /// since it began stand for the attempt.
    pub fn by_time(number: u64, began: Timestamp, at: Timestamp) -> Self {
        let seconds = at.since(began).as_secs();
        Self {
            number,
            attempt: u32::try_from(seconds).unwrap_or(u32::MAX).saturating_add(1),
        }
    }
}

/// A provider's way of telling about CI. The order is the order of precedence: a connection follows
/// one of them, so that nothing counts twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Commit statuses, which any CI may post to GitHub.
    Statuses,
    /// Check suites and check runs of apps other than GitHub Actions.
    Checks,
    /// GitHub Actions: workflow runs and their jobs.
    Actions,
    /// GitLab's pipelines.
    Pipelines,
}

impl Family {
    /// The name used in JSON, and to keep the tracks of families apart.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Statuses => "statuses",
            Self::Checks => "checks",
            Self::Actions => "actions",
            Self::Pipelines => "pipelines",
        }
    }
}

/// A job that failed, and was not allowed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailedJob {
    /// The provider's id of it. A retried job has a new one.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The stage it belongs to, where the provider has stages.
    pub stage: Option<String>,
    /// Why it failed, in the provider's word, such as `script_failure`.
    pub reason: Option<String>,
}

/// What does not change over the attempts of a run, as last told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunFacts {
    /// The provider's id of the workflow, or its path: what makes two runs "the same workflow".
    pub workflow_key: String,
    /// Its name, for people.
    pub workflow_name: String,
    /// The branch it ran on; `None` when the provider does not say (some runs from forks).
    pub branch: Option<String>,
    /// What it ran on.
    pub commit_sha: String,
    /// First line of the commit message, or the title shown by the provider.
    pub commit_message: Option<String>,
    /// Login of who set it off. Display only: never used to decide who may see something.
    pub author: Option<String>,
    /// What set it off, such as `push` or `schedule`.
    pub trigger: String,
    /// Page of the run for people. Shown, never fetched.
    pub url: Option<String>,
}

/// What one delivery tells of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEvent {
    /// The provider's id of the run, the same over all its attempts.
    pub provider_run_id: u64,
    /// Number and attempt.
    pub position: Position,
    /// How far it has come.
    pub status: RunStatus,
    /// When the provider last touched it.
    pub updated_at: Timestamp,
    /// The way in which it was told.
    pub family: Family,
    /// Jobs of this attempt that failed, as far as this delivery tells.
    pub failed_jobs: Vec<FailedJob>,
    /// The rest.
    pub facts: RunFacts,
}

/// A run as we record it: always its latest attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Our id.
    pub id: RunId,
    /// The connection that it belongs to.
    pub connection: ConnectionId,
    /// The connection's owner.
    pub owner: UserId,
    /// The way in which it is told. The provider's ids of two families may be the same.
    pub family: Family,
    /// The provider's id of it.
    pub provider_run_id: u64,
    /// Number and latest attempt.
    pub position: Position,
    /// How far the latest attempt has come.
    pub status: RunStatus,
    /// When the provider last touched it.
    pub updated_at: Timestamp,
    /// Jobs that failed, by attempt and the provider's id; at most [`FAILED_JOBS_MAX`].
    pub failed_jobs: BTreeMap<(u32, u64), FailedJob>,
    /// The rest, as last told.
    pub facts: RunFacts,
    /// When we first heard of it.
    pub first_seen_at: Timestamp,
}

impl Run {
    /// The run that an event is the first word of.
    pub fn begin(
        id: RunId,
        connection: ConnectionId,
        owner: UserId,
        event: &RunEvent,
        now: Timestamp,
    ) -> Self {
        let mut run = Self {
            id,
            connection,
            owner,
            family: event.family,
            provider_run_id: event.provider_run_id,
            position: event.position,
            status: event.status,
            updated_at: event.updated_at,
            failed_jobs: BTreeMap::new(),
            facts: event.facts.clone(),
            first_seen_at: now,
        };
        run.take_jobs(event);
        run
    }

    /// Takes in one more event of this run, whenever it was sent, and says whether it was news.
    ///
    /// The order that decides is (attempt, finished before unfinished, time, status, the rest): a
    /// total order, so that any permutation and repetition of the same events ends in the same
    /// run.
    pub fn fold(&mut self, event: &RunEvent) -> bool {
        let has_new_jobs = self.take_jobs(event);
        let told = rank(event.position, event.status, event.updated_at, &event.facts);
        let is_news = told > rank(self.position, self.status, self.updated_at, &self.facts);
        if is_news {
            self.position = event.position;
            self.status = event.status;
            self.updated_at = event.updated_at;
            self.facts = event.facts.clone();
        }
        is_news || has_new_jobs
    }

    /// The jobs that failed in the attempts after `after` up to `attempt`, each once.
    pub fn failed_jobs_of(&self, after: Option<u32>, attempt: u32) -> Vec<FailedJob> {
        let first = after.map_or(0, |after| after.saturating_add(1));
        if first > attempt {
            return Vec::new();
        }
        let jobs = self.failed_jobs.range((first, 0)..=(attempt, u64::MAX));
        let by_id: BTreeMap<u64, &FailedJob> = jobs.map(|((_, id), job)| (*id, job)).collect();
        by_id.into_values().cloned().collect()
    }

    /// Adds failed jobs; of two tellings of the same job the greater counts. Neither that nor the
    /// greatest keys of a union depend on the order.
    fn take_jobs(&mut self, event: &RunEvent) -> bool {
        let mut is_news = false;
        for job in &event.failed_jobs {
            let key = (event.position.attempt, job.id);
            if self.failed_jobs.get(&key).is_none_or(|known| known < job) {
                self.failed_jobs.insert(key, job.clone());
                is_news = true;
            }
        }
        while self.failed_jobs.len() > FAILED_JOBS_MAX {
            self.failed_jobs.pop_first();
        }
        is_news
    }
}

/// Which of two tellings of a run counts: the greater one.
fn rank(
    position: Position,
    status: RunStatus,
    at: Timestamp,
    facts: &RunFacts,
) -> (Position, u8, Timestamp, RunStatus, &RunFacts) {
    (position, status.rank(), at, status, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts() -> RunFacts {
        RunFacts {
            workflow_key: "77".into(),
            workflow_name: "CI".into(),
            branch: Some("main".into()),
            commit_sha: "a".repeat(40),
            commit_message: None,
            author: None,
            trigger: "push".into(),
            url: None,
        }
    }

    fn job(id: u64) -> FailedJob {
        FailedJob {
            id,
            name: format!("job {id}"),
            stage: None,
            reason: None,
        }
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
        RunEvent {
            provider_run_id: 9001,
            position: Position {
                number: 42,
                attempt,
            },
            status,
            updated_at: Timestamp(at),
            family: Family::Actions,
            failed_jobs: Vec::new(),
            facts: facts(),
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
}
