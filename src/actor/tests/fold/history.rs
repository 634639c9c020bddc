//! Random CI histories, what is told of them, and what a plain reading of them gives.

use crate::actor::tests::dialect::run_event;
use crate::domain::incident::{Incident, Resolution};
use crate::domain::lane::Lane;
use crate::domain::rule::Reopening;
use crate::domain::run::{Conclusion, FailedJob, Family, Position, RunEvent, RunStatus};
use crate::domain::samples;
use crate::domain::time::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

/// An event, and whether it is the last word about what it tells of.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) event: RunEvent,
    pub(super) is_last: bool,
}

/// One attempt of a run.
#[derive(Clone, Debug)]
struct Attempt {
    /// `None` while it goes on.
    conclusion: Option<Conclusion>,
    failed_jobs: usize,
}

/// One run.
#[derive(Clone, Debug)]
struct Plan {
    workflow: u64,
    branch: &'static str,
    commit: u8,
    attempts: Vec<Attempt>,
}

/// A history of one family.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) reopening: Reopening,
    family: Family,
    runs: Vec<Plan>,
}

/// What an incident has to say: workflow and branch, how often and when, the number of the run that
/// failed last, its jobs, the run that passed after it, and whether that had the same commit.
type Reading = (
    String,
    String,
    u32,
    [Timestamp; 2],
    u64,
    Vec<u64>,
    Option<u64>,
    bool,
);

pub(super) fn reading_of(incident: &Incident) -> Reading {
    let ci = incident.ci.as_ref().unwrap();
    let number = |run: crate::domain::id::RunId| u64::try_from(run.as_u128()).unwrap();
    (
        format!("{}:{}", ci.track.family.as_str(), ci.track.workflow),
        ci.branch.clone().unwrap_or_default(),
        incident.occurrences,
        [incident.first_seen_at, incident.last_seen_at],
        number(ci.run),
        ci.failed_jobs.iter().map(|job| job.id).collect(),
        match incident.resolution {
            Some(Resolution::Passed(run)) => Some(number(run)),
            Some(_) => Some(0),
            None => None,
        },
        incident.is_flaky,
    )
}

/// Seconds from one attempt of what has no attempts to the next.
const SECONDS: u32 = 100;

fn any_conclusion() -> impl Strategy<Value = Option<Conclusion>> {
    prop_oneof![
        4 => Just(Some(Conclusion::Failure)),
        1 => Just(Some(Conclusion::TimedOut)),
        4 => Just(Some(Conclusion::Success)),
        1 => Just(Some(Conclusion::Cancelled)),
        1 => Just(None),
    ]
}

fn any_history_of(family: Family) -> impl Strategy<Value = Story> {
    let attempt = (any_conclusion(), 0..3_usize).prop_map(|(conclusion, failed_jobs)| Attempt {
        conclusion,
        failed_jobs,
    });
    let attempts = prop::collection::vec(attempt, 1..4);
    let branch = prop::sample::select(vec!["main", "topic"]);
    let run = (0..2_u64, branch, 0..2_u8, attempts);
    let run = run.prop_map(|(workflow, branch, commit, attempts)| Plan {
        workflow,
        branch,
        commit,
        attempts,
    });
    let within = prop::sample::select(vec![Duration::ZERO, Duration::from_mins(30)]);
    let runs = prop::collection::vec(run, 1..6);
    (within, runs).prop_map(move |(within, runs)| Story {
        reopening: Reopening {
            within,
            when_flapping: false,
        },
        family,
        runs,
    })
}

pub(super) fn any_history() -> impl Strategy<Value = Story> {
    let families = [
        Family::Statuses,
        Family::Checks,
        Family::Actions,
        Family::Pipelines,
    ];
    prop::sample::select(families.to_vec()).prop_flat_map(any_history_of)
}

fn job(id: u64) -> FailedJob {
    samples::failed_job(id, &format!("job {id}"), "failure")
}

impl Story {
    /// All that is told, in order.
    pub(super) fn told(&self) -> Vec<Told> {
        let mut all = Vec::new();
        for (number, plan) in (1..).zip(&self.runs) {
            for (nth, attempt) in (1..).zip(&plan.attempts) {
                self.tell(number, plan, (nth, attempt), &mut all);
            }
        }
        all
    }

    fn position(&self, number: u64, nth: u32) -> Position {
        let attempt = match self.family {
            Family::Actions => nth,
            Family::Statuses | Family::Checks | Family::Pipelines => nth * SECONDS,
        };
        Position { number, attempt }
    }

    fn at(number: u64, nth: u32) -> Timestamp {
        Timestamp(i64::try_from(number).unwrap() * 1_000_000 + i64::from(nth * SECONDS) * 1000)
    }

    fn jobs(number: u64, nth: u32, attempt: &Attempt) -> Vec<u64> {
        let first = number * 100 + u64::from(nth) * 10;
        (first..).take(attempt.failed_jobs).collect()
    }

    fn tell(&self, number: u64, plan: &Plan, (nth, attempt): (u32, &Attempt), all: &mut Vec<Told>) {
        let position = self.position(number, nth);
        let mut base = run_event(position, "unknown");
        base.family = self.family;
        base.facts.workflow_key = plan.workflow.to_string();
        base.facts.branch = Some(plan.branch.to_owned());
        base.facts.lane = Lane::of_branch("push", plan.branch.to_owned());
        base.facts.commit_sha = format!("{:040x}", plan.commit);
        base.facts.author = Some(format!("author of {nth}"));
        let mut tell = |status, seconds: u32, is_last, edit: &dyn Fn(&mut RunEvent)| {
            let mut event = base.clone();
            event.status = status;
            event.updated_at = Timestamp(Self::at(number, nth).0 - i64::from(seconds) * 1000);
            if self.family != Family::Actions {
                event.position.attempt -= seconds;
            }
            edit(&mut event);
            all.push(Told { event, is_last });
        };
        let goes_on = attempt.conclusion.is_none();
        if nth == 1 {
            tell(RunStatus::Queued, 60, false, &|_| {});
        }
        // Of what counts no attempts, only that it began again tells that it failed again.
        let is_needed = goes_on || !self.family.counts_attempts();
        tell(RunStatus::InProgress, 50, is_needed, &|_| {});
        let jobs = Self::jobs(number, nth, attempt);
        match self.family {
            Family::Actions | Family::Checks => {
                for id in &jobs {
                    tell(RunStatus::InProgress, 20, true, &|event| {
                        event.position.number = 0;
                        event.failed_jobs.push(job(*id));
                    });
                }
            }
            Family::Pipelines | Family::Statuses => {}
        }
        if let Some(conclusion) = attempt.conclusion {
            tell(RunStatus::Completed(conclusion), 0, true, &|event| {
                if self.family == Family::Pipelines {
                    event.failed_jobs.extend(jobs.iter().map(|id| job(*id)));
                }
            });
        }
    }

    /// What the incidents have to say, in the order of track and time.
    pub(super) fn reading(&self) -> Vec<Reading> {
        let mut readings = Vec::new();
        for workflow in 0..2 {
            for branch in ["main", "topic"] {
                self.read(workflow, branch, &mut readings);
            }
        }
        readings
    }

    fn read(&self, workflow: u64, branch: &str, readings: &mut Vec<Reading>) {
        let mut open: Option<Reading> = None;
        // What passed last, and when.
        let mut passed: Option<(Reading, Timestamp)> = None;
        let within = self.reopening.within;
        // Of the run that failed last.
        let mut commit = 0;
        for (number, plan) in (1..).zip(&self.runs) {
            if plan.workflow != workflow || plan.branch != branch {
                continue;
            }
            // What failed since the last attempt of this run that was decided.
            let mut jobs = Vec::new();
            for (nth, attempt) in (1..).zip(&plan.attempts) {
                let at = Self::at(number, nth);
                let is_told = match self.family {
                    Family::Actions | Family::Checks => true,
                    Family::Pipelines => attempt.conclusion.is_some(),
                    Family::Statuses => false,
                };
                if is_told {
                    jobs.extend(Self::jobs(number, nth, attempt));
                }
                match attempt.conclusion {
                    Some(Conclusion::Failure | Conclusion::TimedOut) => {
                        if let Some((before, passed_at)) = passed.take() {
                            if !within.is_zero() && at.since(passed_at) <= within {
                                open = Some(before);
                            } else {
                                readings.push(before);
                            }
                        }
                        let failed = open.get_or_insert_with(|| {
                            let key = format!("{}:{workflow}", self.family.as_str());
                            let none = Vec::new();
                            (
                                key,
                                branch.to_owned(),
                                0,
                                [at, at],
                                number,
                                none,
                                None,
                                false,
                            )
                        });
                        failed.2 += 1;
                        failed.3[1] = at;
                        failed.4 = number;
                        (failed.6, failed.7) = (None, false);
                        commit = plan.commit;
                        failed.5 = std::mem::take(&mut jobs);
                    }
                    Some(Conclusion::Success) => {
                        jobs.clear();
                        if let Some(mut failed) = open.take() {
                            failed.6 = Some(number);
                            failed.7 = plan.commit == commit;
                            passed = Some((failed, at));
                        }
                    }
                    Some(_) | None => {}
                }
            }
        }
        readings.extend(passed.map(|(reading, _)| reading));
        readings.extend(open);
    }
}
