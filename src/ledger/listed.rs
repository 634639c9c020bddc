//! The runs of a list. What is stored in the listed state is not read again; the others are read
//! and ingested a few at a time, so that a limit of the provider's costs none that was read.

use super::beyond::LIST_OVERLAP;
use super::reading::may_be_of_one;
use super::reconcile::{Reconcile, unusable};
use super::trouble::Trouble;
use crate::domain::ledger::{GapCause, Loss, OVERLAP};
use crate::domain::run::{Run, RunStatus};
use crate::domain::time::Timestamp;
use crate::provider::{Hooks, ListedRun, ProviderError, RunsRead};
use std::sync::Arc;
use std::time::Duration;

/// Runs that are read with one call.
const READ_AT_ONCE: usize = 10;
/// So many in a row that cannot be read are a provider in trouble, and none that are odd.
const UNREADABLE_MAX: u32 = 3;
/// Runs that cannot be read are tried again until a run changed so much later than the first.
const UNREADABLE_FOR: Duration = Duration::from_hours(24);
/// A pipeline's last change is recorded so soon after its end.
const RECORDED_WITHIN: Duration = Duration::from_secs(2);
/// A run that changed so lately may be reported any moment: its delivery is on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// How long to wait before each look whether such a delivery has come.
const ARRIVAL_PAUSE: Duration = Duration::from_millis(250);

/// Whether a run is stored as the list has it, or further. A failed attempt without its jobs is
/// not.
fn is_known(stored: &Run, listed: &ListedRun) -> bool {
    let attempt = stored.position.attempt;
    let mut jobs = stored.failed_jobs.keys();
    if listed.with_jobs && listed.attempt == Some(attempt) && !jobs.any(|(of, _)| *of == attempt) {
        return false;
    }
    let is_ended = |status| matches!(status, RunStatus::Completed(_));
    let is_same = stored.status == listed.status;
    match listed.attempt {
        Some(attempt) if stored.position.attempt != attempt => stored.position.attempt > attempt,
        Some(_) => is_same || is_ended(stored.status),
        // Without attempts an end may be another one than the stored.
        None if is_ended(listed.status) => {
            is_same && listed.at <= stored.updated_at.plus(RECORDED_WITHIN)
        }
        None => is_same,
    }
}

impl Reconcile {
    /// Ingests the runs of a list that the store does not have so far. With a time they are a part
    /// of a gap.
    pub(super) async fn take_listed(
        &mut self,
        listed: Vec<ListedRun>,
        since: Option<Timestamp>,
    ) -> Result<(), Trouble> {
        let mut news = self.unknown(listed).await?;
        while since.is_some() && self.looks > 0 && news.iter().any(|run| self.is_fresh(run)) {
            self.looks -= 1;
            tokio::time::sleep(ARRIVAL_PAUSE).await;
            news = self.unknown(news).await?;
        }
        let mut rest = &news[..];
        while let Some(first) = rest.first() {
            let some = &rest[..rest.len().min(READ_AT_ONCE)];
            match self.read_runs(some, since).await {
                Ok(read) if read.count == 0 => {
                    return Err(unusable("none of its runs that were read").into());
                }
                Ok(read) => {
                    self.unread.in_row = 0;
                    self.take_found(read.found, since).await?;
                    rest = &rest[read.count.min(rest.len())..];
                }
                Err(error) if may_be_of_one(&error) => {
                    self.pass_over(first, error)?;
                    rest = &rest[1..];
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Those which are not stored as they are listed.
    async fn unknown(&self, listed: Vec<ListedRun>) -> Result<Vec<ListedRun>, Trouble> {
        let (store, connection) = (&self.steps.room.ports.store, self.steps.connection.id);
        let mut news = Vec::new();
        for run in listed {
            let stored = store.run_by_provider_id(connection, run.family, run.id);
            if stored.await?.is_none_or(|stored| !is_known(&stored, &run)) {
                news.push(run);
            }
        }
        Ok(news)
    }

    /// Whether it changed so lately, by the provider's clock, that its delivery may still come.
    fn is_fresh(&self, run: &ListedRun) -> bool {
        self.steps.room.ports.now().since(run.at) < ON_ITS_WAY
    }

    async fn read_runs(
        &mut self,
        some: &[ListedRun],
        since: Option<Timestamp>,
    ) -> Result<RunsRead, ProviderError> {
        let some: Arc<[ListedRun]> = some.into();
        let call = move |hooks: Arc<dyn Hooks>, access, target| {
            let some = Arc::clone(&some);
            async move { hooks.read_runs(&access, &target, &some, since).await }
        };
        // An access that is refused for one run only is not refused for all.
        let credentials = self.caller.credentials();
        let answer = self.caller.ask(self.priority(), call).await;
        if answer.is_err() {
            self.caller.set_credentials(credentials);
        }
        answer
    }

    /// A run that the provider lists cannot be read. It keeps no others from being read.
    fn pass_over(&mut self, run: &ListedRun, error: ProviderError) -> Result<(), Trouble> {
        self.unread.in_row += 1;
        if self.unread.in_row >= UNREADABLE_MAX {
            return Err(error.into());
        }
        let id = self.steps.connection.id;
        let words = "the provider does not answer for one run of its list";
        tracing::debug!(connection.id = %id, run = run.id, %error, words);
        self.unread.at.push(run.at);
        Ok(())
    }

    /// The latest runs are read. One that is that much older than the newest was not missed: not
    /// all runs since are listed for its sake.
    pub(super) fn note_unread_latest(&mut self, newest: Option<Timestamp>) {
        let is_old = |at: &Timestamp| newest.is_some_and(|it| it.since(*at) >= UNREADABLE_FOR);
        self.unread.at.retain(|at| !is_old(at));
        self.note_unread(None, newest);
    }

    /// The list since a moment is read, up to a run that changed then. The gap of what could not be
    /// read stays open, so that all that was listed with it is listed again: children are left out
    /// without their parents. In the end it is lost.
    pub(super) fn note_unread(&mut self, since: Option<Timestamp>, newest: Option<Timestamp>) {
        let all = std::mem::take(&mut self.unread.at);
        let (Some(from), Some(to)) = (all.iter().copied().min(), all.iter().copied().max()) else {
            return;
        };
        let fresh = self.steps.fresh_id();
        let gap = self
            .steps
            .records
            .gap_of(fresh, GapCause::Unlogged, (from, to));
        // All at once: as long as the gap is open, all since its begin are listed again.
        if newest.is_some_and(|newest| newest.since(from) >= UNREADABLE_FOR) {
            gap.lost_some(Loss::Unreadable, all.len() as u64);
            return;
        }
        // The next list begins so much before the gap.
        let listed = since.map(|at| at.plus(OVERLAP).plus(LIST_OVERLAP).min(from));
        gap.reach(listed.unwrap_or(from), to);
        gap.logged_from = gap.logged_from.max(Some(to));
        self.unread.is_kept = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ConnectionId, RunId};
    use crate::domain::run::{Conclusion, FailedJob, Position};
    use crate::domain::samples::{self, ANN};
    use std::collections::BTreeMap;

    /// A failed attempt whose own jobs are not stored is read, however it failed, and whatever is
    /// stored of an earlier one.
    #[test]
    fn a_failed_attempt_without_its_own_jobs_is_not_known() {
        let job = |id| FailedJob {
            id,
            name: "unit".to_owned(),
            stage: None,
            reason: None,
        };
        for conclusion in [Conclusion::Failure, Conclusion::TimedOut] {
            let (position, ended) = (
                Position {
                    number: 42,
                    attempt: 2,
                },
                RunStatus::Completed(conclusion),
            );
            let event = samples::run_event(position, ended, Timestamp(1_000));
            let (id, of) = (RunId::from_u128(1), ConnectionId::from_u128(2));
            let mut stored = Run::begin(id, of, ANN, &event, Timestamp(2_000));
            stored.failed_jobs = BTreeMap::from([((1, 7), job(7))]);
            let mut listed = ListedRun {
                id: stored.provider_run_id,
                family: stored.family,
                attempt: Some(2),
                status: stored.status,
                at: stored.updated_at,
                with_jobs: true,
                item: Arc::default(),
            };
            assert!(!is_known(&stored, &listed), "{conclusion:?}");
            listed.with_jobs = false;
            assert!(is_known(&stored, &listed));
            listed.with_jobs = true;
            stored.failed_jobs.insert((2, 8), job(8));
            assert!(is_known(&stored, &listed));
            // A later attempt runs by now.
            stored.position.attempt = 3;
            stored.status = RunStatus::InProgress;
            assert!(is_known(&stored, &listed));
        }
    }
}
