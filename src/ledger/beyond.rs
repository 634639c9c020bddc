//! Beyond the log: runs that no delivery reported are listed.
//!
//! A log has a window, goes with its hook, and lacks what GitLab dropped (by its rate limit, or for
//! a disabled hook). What counts then is the present state of runs. It is ingested as a delivery of
//! an id of its own, unless the stored run is that far.

use super::ingest::insertion;
use super::reconcile::{Reconcile, unusable};
use super::steps::Records;
use super::trouble::Trouble;
use super::window::window;
use crate::domain::event::{Decoded, Event};
use crate::domain::ledger::{Comparison, GapCause, OVERLAP};
use crate::domain::repo::ProviderKind;
use crate::domain::run::{RunEvent, RunStatus};
use crate::domain::time::Timestamp;
use crate::provider::{Found, Hooks};
use crate::store::{CommitError, Conflict};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A quiet log may begin so much later than the mark without anything missing between.
const QUIET_MAX: Duration = Duration::from_hours(24);

/// What changed so long before the newest run that was listed is listed again: a list may lag.
pub(super) const LIST_OVERLAP: Duration = Duration::from_mins(2);

/// How often, and how long, to look whether pending deliveries are processed.
const PENDING_LOOKS: u32 = 100;
const PENDING_PAUSE: Duration = Duration::from_millis(100);

impl Reconcile {
    /// Since when runs have to be listed, after the log was read (`None`: there is no log), or an
    /// earlier reconcile that was cut off would have listed them. The next step stores it.
    pub(super) fn note_unlisted(&mut self, log: Option<&Comparison>) -> Option<Timestamp> {
        let since = self.unlogged_since(log);
        let noted = &mut self.steps.records.ledger.unlisted_since;
        *noted = noted.iter().copied().chain(since).min();
        *noted
    }

    fn unlogged_since(&self, log: Option<&Comparison>) -> Option<Timestamp> {
        let (connection, ledger) = (&self.steps.connection, &self.steps.records.ledger);
        let logged_from = self.began.minus(window(&connection.instance));
        let is_before_log = ledger.read_at.is_none_or(|read_at| read_at < logged_from);
        let has_hole = log.and_then(Comparison::oldest_at).is_some_and(|oldest| {
            let settled = ledger.marks.settled_at;
            settled.is_some_and(|settled| oldest.since(settled) > QUIET_MAX)
        });
        let gap = self.steps.records.gap.as_ref();
        let has_unlogged = gap.is_some_and(|gap| gap.logged_from.is_some());
        let drops_silently = connection.instance.provider == ProviderKind::Gitlab;
        let is_blind = log.is_none() || is_before_log || has_hole || has_unlogged;
        let needs = is_blind || drops_silently || self.is_unsure;
        let settled = ledger.marks.settled_at.filter(|_| has_hole);
        let unlogged = gap.filter(|_| has_unlogged);
        let unlogged = unlogged.map(|gap| gap.from.minus(OVERLAP));
        let known = ledger.known_to().into_iter();
        let since = known.chain(settled).chain(unlogged).min();
        since.filter(|_| needs).map(|at| at.minus(LIST_OVERLAP))
    }

    /// The gap begins before the log does.
    pub(super) fn note_window(&mut self) {
        let logged_from = self.began.minus(window(&self.steps.connection.instance));
        if let Some(gap) = &mut self.steps.records.gap
            && gap.from < logged_from
        {
            gap.logged_from = gap.logged_from.max(Some(logged_from));
        }
    }

    /// The time between the last sign of the former hook and the present one: nothing that was
    /// missed then is in a log.
    pub(super) fn time_without_hook(&self) -> (Timestamp, Timestamp) {
        let connection = &self.steps.connection;
        let until = connection.hook_created_at.unwrap_or(self.began);
        let from = self.steps.records.ledger.read_at.unwrap_or(until);
        // A later proof is one of the present hook.
        let proof = connection.last_proof_at().filter(|at| *at < until);
        let from = proof.unwrap_or(from).max(from);
        // Our clock may have been set back meanwhile.
        (from.min(until), until)
    }

    /// The first time: the latest runs of each workflow, so that a failing branch is an incident
    /// at once.
    pub(super) async fn find_latest(&mut self) -> Result<(), Trouble> {
        let call = move |hooks: Arc<dyn Hooks>, access, target| async move {
            hooks.latest_runs(&access, &target).await
        };
        let listed = self.caller.ask(self.priority(), call).await?;
        let newest = listed.iter().map(|run| run.at).max();
        self.take_listed(listed, None).await?;
        self.note_unread_latest(newest);
        Ok(())
    }

    /// Lists the runs that changed since this time.
    pub(super) async fn find_since(&mut self, since: Timestamp) -> Result<(), Trouble> {
        self.wait_for_actor().await?;
        let (mut cursor, mut newest) = (None::<String>, None::<Timestamp>);
        let began = Instant::now();
        loop {
            let place = cursor.clone();
            let call = move |hooks: Arc<dyn Hooks>, access, target| {
                let place = place.clone();
                async move {
                    let place = place.as_deref();
                    hooks.runs_since(&access, &target, since, place).await
                }
            };
            let page = self.caller.ask(self.priority(), call).await?;
            newest = page.runs.iter().map(|run| run.at).max().max(newest);
            self.take_listed(page.runs, Some(since)).await?;
            match page.next {
                None => {
                    // What was on an early page may have changed since that was read: all is known
                    // until the list began, by the provider's clock.
                    let until = newest.map(|at| at.minus(began.elapsed()));
                    let listed_at = &mut self.steps.records.ledger.listed_at;
                    *listed_at = until.max(*listed_at);
                    self.note_unread(Some(since), newest);
                    return Ok(());
                }
                next if next == cursor => {
                    return Err(unusable("the same page of its runs twice").into());
                }
                next => cursor = next,
            }
        }
    }

    /// Waits until the connection's actor has processed what is pending: a run that a delivery
    /// reports is not found. If that takes long, it counts as found, and has no other effect.
    async fn wait_for_actor(&self) -> Result<(), Trouble> {
        let (store, id) = (&self.steps.room.ports.store, self.steps.connection.id);
        for _ in 0..PENDING_LOOKS {
            if store.pending(id, 1).await?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(PENDING_PAUSE).await;
        }
        Ok(())
    }

    /// Ingests what was read of runs, unless the store has it by now. With a time it is a part of a
    /// gap.
    pub(super) async fn take_found(
        &mut self,
        found: Vec<Found>,
        since: Option<Timestamp>,
    ) -> Result<(), Trouble> {
        let ids = found
            .iter()
            .filter_map(|it| Some(self.run_of(it)?.provider_run_id));
        let ids: Vec<u64> = ids.collect();
        self.listed.extend(ids);
        // All are compared before any is stored: of a run with several attempts each is news.
        for found in self.news_of(found).await? {
            if self.has_its_lane(&found).await? {
                self.take_one(found, since).await?;
            }
        }
        Ok(())
    }

    /// Whether the lane of a run is known. That of a child is its parent's, and a run stays in its
    /// first lane: a child is left out whose parent is neither stored nor listed before it.
    async fn has_its_lane(&mut self, found: &Found) -> Result<bool, Trouble> {
        let Some(run) = self.run_of(found) else {
            return Ok(true);
        };
        let parent = run.parent.as_ref().filter(|it| it.project.is_none());
        let Some(parent) = parent.map(|parent| parent.pipeline) else {
            return Ok(true);
        };
        let id = run.provider_run_id;
        let is_known = self.listed.contains(&parent)
            || self.is_stored_run(&run, parent).await?
            || self.is_stored_run(&run, id).await?;
        if !is_known {
            self.listed.remove(&id);
        }
        Ok(is_known)
    }

    async fn is_stored_run(&self, like: &RunEvent, id: u64) -> Result<bool, Trouble> {
        let (store, connection) = (&self.steps.room.ports.store, self.steps.connection.id);
        let stored = store.run_by_provider_id(connection, like.family, id);
        Ok(stored.await?.is_some())
    }

    /// Those which the store does not have so far.
    async fn news_of(&self, found: Vec<Found>) -> Result<Vec<Found>, Trouble> {
        let mut news = Vec::new();
        for found in found {
            let is_news = match self.run_of(&found) {
                Some(run) => self.is_news(&run).await?,
                None => true,
            };
            if is_news && !self.is_stored(&found.delivery_id).await? {
                news.push(found);
            }
        }
        Ok(news)
    }

    fn run_of(&self, found: &Found) -> Option<RunEvent> {
        let provider = self.steps.connection.instance.provider;
        let decoder = self.steps.room.ports.providers.decoder(provider)?;
        match decoder.decode(&found.event, &found.payload) {
            Ok(Decoded {
                event: Event::Run(run),
                ..
            }) => Some(*run),
            Ok(_) | Err(_) => None,
        }
    }

    /// Whether a run is further than the stored one.
    async fn is_news(&self, run: &RunEvent) -> Result<bool, Trouble> {
        let store = &self.steps.room.ports.store;
        let (connection, id) = (self.steps.connection.id, run.provider_run_id);
        let stored = store.run_by_provider_id(connection, run.family, id).await?;
        Ok(stored.is_none_or(|stored| {
            let is_ended = |status| matches!(status, RunStatus::Completed(_));
            stored.position < run.position
                || (stored.position == run.position
                    && !is_ended(stored.status)
                    && stored.status != run.status)
        }))
    }

    async fn take_one(&mut self, found: Found, since: Option<Timestamp>) -> Result<(), Trouble> {
        let room = Arc::clone(&self.steps.room);
        let names = (found.delivery_id.as_str(), found.event.as_str());
        let (insert, guards) = insertion(&room, &self.steps.connection, names, found.payload);
        let (fresh, at) = (self.steps.fresh_id(), found.at);
        let edit = |records: &mut Records| {
            if since.is_some() {
                let gap = records.gap_of(fresh, GapCause::Unlogged, (at, at));
                gap.totals.found += 1;
            }
        };
        match self.steps.take((vec![insert], guards.into()), edit).await {
            Ok(()) => {
                (room.delivered)(self.steps.connection.id);
                Ok(())
            }
            Err(CommitError::Conflict(Conflict::Delivery(_))) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
