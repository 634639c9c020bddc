//! A look at what may be wrong, and what becomes of it.

use super::tools::{Settings, Tools};
use crate::domain::id::OwnerId;
use crate::domain::incident::health::HealthKind;
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject};
use crate::domain::server_trouble::ServerTrouble;
use crate::domain::trouble::{Finding, Measured, TroubleKind, finding_of_wait};
use crate::store::{Batch, Change, CommitError, Conflict, Guard, ReadError};
use std::collections::{BTreeMap, BTreeSet};

/// Looks that have to find the same in a row.
const LOOKS_MIN: u32 = 2;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unlooked {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Looks again and again.
pub(super) struct Look {
    tools: Tools,
    settings: Settings,
    /// How often in a row each was found.
    bad: BTreeMap<TroubleKind, u32>,
}

impl Look {
    pub(super) const fn new(tools: Tools, settings: Settings) -> Self {
        Self {
            tools,
            settings,
            bad: BTreeMap::new(),
        }
    }

    /// Looks once.
    pub(super) async fn look(&mut self) -> Result<(), Unlooked> {
        let space = (self.tools.space)();
        let mut outcome = Ok(());
        if let Some(space) = space {
            outcome = self.found(Measured::Space(space), space.finding()).await;
        }
        let wait = self.oldest_wait().await?;
        let finding = finding_of_wait(wait, self.settings.longest_wait);
        // Trouble with one is none of the other's.
        outcome.and(self.found(Measured::Wait(wait), finding).await)
    }

    /// How long the oldest delivery waits that is not processed.
    async fn oldest_wait(&self) -> Result<std::time::Duration, ReadError> {
        let store = &self.tools.store;
        let now = self.tools.clock.now();
        let mut longest = std::time::Duration::ZERO;
        for connection in store.connections_with_pending().await? {
            if let Some(first) = store.pending(connection, 1).await?.first() {
                longest = longest.max(now.since(first.received_at));
            }
        }
        Ok(longest)
    }

    /// What is to be done about a finding.
    async fn found(&mut self, measured: Measured, finding: Finding) -> Result<(), Unlooked> {
        let (kind, now) = (measured.kind(), self.tools.clock.now());
        let known = self.tools.store.troubles().await?;
        let lasting = known.into_iter().find(|it| it.kind == kind && it.lasts());
        let bad = self.bad.entry(kind).or_default();
        *bad = match finding {
            Finding::Bad => bad.saturating_add(1),
            Finding::Between | Finding::Good => 0,
        };
        match (lasting, finding) {
            (Some(trouble), Finding::Good) => {
                let ended = ServerTrouble {
                    ended_at: Some(now),
                    ..trouble
                };
                tracing::info!(kind = kind.as_str(), "server_trouble_ended");
                self.tell(&ended, measured, true).await
            }
            (Some(trouble), Finding::Bad | Finding::Between) => {
                self.tell(&trouble, measured, false).await
            }
            (None, Finding::Bad) if *bad >= LOOKS_MIN => {
                tracing::error!(kind = kind.as_str(), "server_trouble");
                let trouble = ServerTrouble::begun(kind, now);
                self.tell(&trouble, measured, true).await
            }
            (None, Finding::Bad | Finding::Between | Finding::Good) => Ok(()),
        }
    }

    /// Stores the trouble if it is news, and sees to it that each operator has an incident about it
    /// while it lasts, and no one else.
    async fn tell(
        &self,
        trouble: &ServerTrouble,
        measured: Measured,
        is_news: bool,
    ) -> Result<(), Unlooked> {
        let store = &self.tools.store;
        let mut batch = Batch::of(Vec::new());
        if is_news {
            batch.changes.push(Change::PutTrouble(*trouble));
        }
        let users = store.users().await?.into_iter();
        let operators = users.filter(|user| user.is_admin && user.is_present());
        let operators: BTreeSet<OwnerId> = operators.map(|user| user.id).collect();
        for operator in operators.iter().filter(|_| trouble.lasts()) {
            match store.incident(trouble.incident_id(*operator)).await? {
                None => {
                    let incident = trouble.incident(*operator, measured);
                    batch.changes.push(Change::PutIncident(Box::new(incident)));
                }
                Some(known) => batch = self.continued(known, batch),
            }
        }
        let kind = HealthKind::of_trouble(trouble.kind);
        let unresolved = store.unresolved_incidents(Subject::Server).await?;
        for incident in unresolved.into_iter().filter(|it| kind.is_of(it)) {
            let why = match operators.contains(&incident.owner) {
                false => Resolution::Disconnected,
                true if !trouble.lasts() => Resolution::Recovered,
                true => continue,
            };
            let mut ended = incident.clone();
            ended.resolve(why, self.tools.clock.now());
            batch.changes.push(Change::PutIncident(Box::new(ended)));
            batch = batch.guarded_by(Guard::SameIncident(Box::new(incident)));
        }
        if batch.changes.is_empty() {
            return Ok(());
        }
        match store.commit(batch).await {
            // A user has done something with one: the next look repeats it.
            Ok(()) | Err(CommitError::Conflict(Conflict::Changed)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// One of a user who was no operator for a while is open again. One that its owner has resolved
    /// stays so.
    fn continued(&self, known: Incident, batch: Batch) -> Batch {
        if known.status != IncidentStatus::Resolved
            || known.resolution != Some(Resolution::Disconnected)
        {
            return batch;
        }
        let mut again = known.clone();
        again.reopen(self.tools.clock.now());
        let mut batch = batch.guarded_by(Guard::SameIncident(Box::new(known)));
        batch.changes.push(Change::PutIncident(Box::new(again)));
        batch
    }
}
