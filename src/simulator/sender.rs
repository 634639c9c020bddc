//! Deliveries on their way: real requests with real signatures.

mod github;
mod gitlab;

pub(super) use gitlab::key_of;

use super::faults::Miscarriage;
use super::shared::Shared;
use super::state;
use super::transport::{Outcome, Parcel};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// A delivery to be sent, by whichever provider.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Github(state::github::Job),
    Gitlab(state::gitlab::Job),
}

impl Job {
    /// As if there had never been one.
    fn forget(&self, shared: &Shared) {
        match self {
            Self::Github(job) => shared
                .github()
                .attempts
                .retain(|a| a.view.id != job.attempt),
            Self::Gitlab(job) => shared
                .gitlab()
                .attempts
                .retain(|a| a.view.id != job.attempt),
        }
    }

    /// GitLab waits for an answer and counts a failure; GitHub's log shows nothing yet.
    fn lose(&self, shared: &Shared) {
        match self {
            Self::Github(_) => {}
            Self::Gitlab(job) => shared.gitlab().note(job.attempt, &Outcome::default()),
        }
    }

    fn parcel(&self, miscarriage: Option<Miscarriage>) -> Parcel {
        match self {
            Self::Github(job) => github::parcel(job, miscarriage),
            Self::Gitlab(job) => gitlab::parcel(job, miscarriage),
        }
    }

    fn note(&self, shared: &Shared, outcome: &Outcome) {
        match self {
            Self::Github(job) => {
                let text = outcome.text.clone();
                shared.github().note(job.attempt, outcome.status, text);
            }
            Self::Gitlab(job) => shared.gitlab().note(job.attempt, outcome),
        }
    }
}

impl From<state::github::Job> for Job {
    fn from(job: state::github::Job) -> Self {
        Self::Github(job)
    }
}

impl From<state::gitlab::Job> for Job {
    fn from(job: state::gitlab::Job) -> Self {
        Self::Gitlab(job)
    }
}

/// Sends deliveries, and notes what comes of them.
pub(super) fn send(shared: &Arc<Shared>, jobs: impl IntoIterator<Item = impl Into<Job>>) {
    for job in jobs {
        // They continue, and nothing waits for them.
        drop(start(shared, &job.into()));
    }
}

/// Sends one, and waits for what comes of it.
pub(super) async fn deliver(shared: &Arc<Shared>, job: &Job) -> Outcome {
    let mut outcome = Outcome::default();
    for sent in start(shared, job) {
        outcome = sent.await;
    }
    outcome
}

fn start(shared: &Arc<Shared>, job: &Job) -> Vec<BoxFuture<'static, Outcome>> {
    let miscarriage = shared.faults.take_delivery();
    let times = match miscarriage {
        Some(Miscarriage::Lost) => {
            job.lose(shared);
            0
        }
        Some(Miscarriage::Unlogged) => {
            job.forget(shared);
            0
        }
        Some(Miscarriage::Twice) => 2,
        Some(Miscarriage::WrongSecret | Miscarriage::ShaOneOnly | Miscarriage::Stale) | None => 1,
    };
    let start = |_| {
        let (kept, job) = (Arc::clone(shared), job.clone());
        let parcel = job.parcel(miscarriage);
        let note = move |outcome: &Outcome| job.note(&kept, outcome);
        shared.transport.start(parcel, note)
    };
    (0..times).filter_map(start).collect()
}
