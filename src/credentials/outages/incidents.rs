//! The incidents about outages: one for each owner with connections there.

use super::census::Census;
use super::{Outages, show};
use crate::domain::id::{IncidentId, OwnerId};
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject};
use crate::domain::outage::ProviderOutage;
use crate::domain::time::Timestamp;
use crate::store::{Batch, Change, CommitError, ReadError};

/// Incidents that are written at a time.
const CHUNK: usize = 100;

/// Why incidents could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritten {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Outages {
    /// Stores an outage.
    pub(super) async fn store(&self, outage: &ProviderOutage) -> Result<(), CommitError> {
        show(&outage.instance, !outage.lasts());
        let put = Change::PutOutage(Box::new(outage.clone()));
        self.ports.store.commit(Batch::of(vec![put])).await
    }

    /// Sees to it that each owner has an incident about an outage that lasts, with the number of
    /// their connections, and that an owner without any has none. May be repeated.
    pub(super) async fn tell(
        &self,
        outage: &ProviderOutage,
        census: &Census,
    ) -> Result<(), Unwritten> {
        let _held = self.changing.lock().await;
        let mut changes = Vec::new();
        for (owner, connections) in &census.owners {
            let known = self
                .ports
                .store
                .incident(outage.incident_id(*owner))
                .await?;
            changes.extend(told(outage, *owner, *connections, known, self.ports.now()));
        }
        let subject = Subject::Provider(outage.instance.id());
        let gone = |incident: &Incident| !census.owners.contains_key(&incident.owner);
        let unresolved = self.ports.store.unresolved_incidents(subject).await?;
        changes.extend(unresolved.into_iter().filter(gone).map(|mut incident| {
            incident.resolve(Resolution::Disconnected, self.ports.now());
            incident
        }));
        self.write(changes).await
    }

    /// Resolves the incidents about an outage that has ended. May be repeated.
    pub(super) async fn resolve(
        &self,
        outage: &ProviderOutage,
        why: Resolution,
    ) -> Result<(), Unwritten> {
        let _held = self.changing.lock().await;
        let subject = Subject::Provider(outage.instance.id());
        let mut unresolved = self.ports.store.unresolved_incidents(subject).await?;
        let at = outage.ended_at.unwrap_or_else(|| self.ports.now());
        for incident in &mut unresolved {
            incident.last_seen_at = incident.last_seen_at.max(outage.probed_at);
            incident.resolve(why, at);
        }
        self.write(unresolved).await
    }

    async fn write(&self, incidents: Vec<Incident>) -> Result<(), Unwritten> {
        for chunk in incidents.chunks(CHUNK) {
            let puts = chunk.iter().cloned().map(Box::new).map(Change::PutIncident);
            self.ports.store.commit(Batch::of(puts.collect())).await?;
        }
        Ok(())
    }

    /// Changes an incident about an outage; `change` returns whether it changed. `None` when there
    /// is none.
    pub(in crate::credentials) async fn change<E: From<ReadError> + From<CommitError>>(
        &self,
        subject: Subject,
        id: IncidentId,
        change: impl FnOnce(&mut Incident) -> Result<bool, E>,
    ) -> Result<Option<()>, E> {
        let _held = self.changing.lock().await;
        let found = self.ports.store.incident(id).await?;
        let Some(mut found) = found.filter(|incident| incident.subject == subject) else {
            return Ok(None);
        };
        if change(&mut found)? {
            let put = Change::PutIncident(Box::new(found));
            self.ports.store.commit(Batch::of(vec![put])).await?;
        }
        Ok(Some(()))
    }
}

/// The incident of an owner, if it has to be written. One that its owner has resolved while the
/// outage lasts stays so, and one of an outage that continues is opened again.
fn told(
    outage: &ProviderOutage,
    owner: OwnerId,
    connections: u32,
    known: Option<Incident>,
    now: Timestamp,
) -> Option<Incident> {
    let was = known.clone();
    let mut incident = outage.incident(owner, connections, known);
    if incident.status == IncidentStatus::Resolved {
        if incident.resolution == Some(Resolution::ByHand) {
            return None;
        }
        incident.reopen(now);
        incident.occurrences = incident.occurrences.saturating_add(1);
    }
    let is_news =
        was.is_none_or(|was| was.status != incident.status || was.affected != incident.affected);
    is_news.then_some(incident)
}
