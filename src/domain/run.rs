//! Runs: workflow runs and pipelines, folded from events that arrive in any order.

use super::id::{ConnectionId, RunId, UserId};
use super::incident::track::TrackKey;
use super::lane::children::Likeness;
use super::lane::second::Commit;
use super::repo::RepositoryId;
use super::time::Timestamp;
use std::collections::BTreeMap;

mod attempt;
mod branch;
mod facts;

pub use attempt::{Conclusion, FailedJob, Family, Position, RunStatus};
pub use branch::{BranchKind, Branches};
pub use facts::RunFacts;

/// Most failed jobs of a run that are stored; the newest stay.
pub const FAILED_JOBS_MAX: usize = 100;

/// Whether something else reports the same run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// Nothing does.
    None,
    /// The check suite with this id mirrors it.
    Suite(u64),
    /// It is such a suite itself: it counts as long as no workflow run was received.
    OfRun,
}

/// The pipeline whose job started this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its project, when that is another one.
    pub project: Option<RepositoryId>,
    /// Its id.
    pub pipeline: u64,
    /// The job.
    pub job: u64,
    /// The content of this one: what distinguishes it from its siblings.
    pub like: Likeness,
}

/// The check suite that mirrors a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Its id.
    pub id: u64,
    /// Its track, if it arrived before the run.
    pub track: Option<Box<TrackKey>>,
}

/// The data of one delivery about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEvent {
    /// The provider's id of the run, the same over all its attempts.
    pub provider_run_id: u64,
    /// Number and attempt.
    pub position: Position,
    /// Its progress.
    pub status: RunStatus,
    /// When the provider last changed it.
    pub updated_at: Timestamp,
    /// When the run began: earlier ends do not concern it.
    pub began_at: Timestamp,
    /// Its family.
    pub family: Family,
    /// Whether something else reports the same run.
    pub twin: Twin,
    /// The pipeline whose job started it.
    pub parent: Option<Parent>,
    /// The commit, if only it determines the order. The position's number ends with the rank of a
    /// commit that is alone in its second.
    pub commit: Option<Commit>,
    /// Failed jobs of this attempt in this delivery.
    pub failed_jobs: Vec<FailedJob>,
    /// The other facts.
    pub facts: RunFacts,
}

/// A stored run: always its latest attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Our id.
    pub id: RunId,
    /// The connection that it belongs to.
    pub connection: ConnectionId,
    /// The connection's owner.
    pub owner: UserId,
    /// Its family. The provider's ids of two families may be the same.
    pub family: Family,
    /// The provider's id of it.
    pub provider_run_id: u64,
    /// Number and latest attempt.
    pub position: Position,
    /// The progress of the latest attempt.
    pub status: RunStatus,
    /// When the provider last changed it.
    pub updated_at: Timestamp,
    /// The check suite that mirrors it.
    pub suite: Option<Suite>,
    /// Failed jobs, by attempt and the provider's id; at most [`FAILED_JOBS_MAX`].
    pub failed_jobs: BTreeMap<(u32, u64), FailedJob>,
    /// The other facts, as last reported.
    pub facts: RunFacts,
    /// When it was first received.
    pub first_seen_at: Timestamp,
}

impl Run {
    /// The run of a first event.
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
            suite: match event.twin {
                Twin::Suite(id) => Some(Suite { id, track: None }),
                Twin::None | Twin::OfRun => None,
            },
            failed_jobs: BTreeMap::new(),
            facts: event.facts.clone(),
            first_seen_at: now,
        };
        run.take_jobs(event);
        run
    }

    /// Adds one more event of this run, in any order, and returns whether it was new.
    ///
    /// The order that decides is (attempt, finished before unfinished, time, status, the rest): a
    /// total order, so that any permutation and repetition of the same events ends in the same
    /// run.
    pub fn fold(&mut self, event: &RunEvent) -> bool {
        let has_new_jobs = self.take_jobs(event);
        let rank_of_event = rank(event.position, event.status, event.updated_at, &event.facts);
        let is_news =
            rank_of_event > rank(self.position, self.status, self.updated_at, &self.facts);
        if is_news {
            self.position = event.position;
            self.status = event.status;
            self.updated_at = event.updated_at;
            self.facts = event.facts.clone();
        }
        is_news || has_new_jobs
    }

    /// The run replaces its check suite: the same run with more data. `track` is the one of the
    /// suite.
    pub fn be_reported_by(&mut self, event: &RunEvent, track: TrackKey) {
        let jobs = std::mem::take(&mut self.failed_jobs);
        self.failed_jobs = jobs
            .into_iter()
            .map(|((_, id), job)| ((event.position.attempt, id), job))
            .collect();
        self.suite = Some(Suite {
            id: self.provider_run_id,
            track: Some(Box::new(track)),
        });
        self.family = event.family;
        self.provider_run_id = event.provider_run_id;
        self.position = event.position;
        self.status = event.status;
        self.updated_at = event.updated_at;
        self.facts = event.facts.clone();
        self.take_jobs(event);
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

    /// Adds failed jobs; of two reports of the same job the greater counts. Neither that nor the
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

/// Which of two reports of a run counts: the greater one.
fn rank(
    position: Position,
    status: RunStatus,
    at: Timestamp,
    facts: &RunFacts,
) -> (Position, u8, Timestamp, RunStatus, &RunFacts) {
    (position, status.rank(), at, status, facts)
}

#[cfg(test)]
mod tests;
