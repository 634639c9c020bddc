//! What the provider says about the caller's incidents.

use super::Owned;
use crate::api::error::Problem;
use crate::domain::explanation::Explanation;
use crate::domain::id::ConnectionId;
use crate::domain::incident::Incident;
use crate::domain::repo::{FullName, Instance};
use crate::domain::suspects::{self, Author};
use crate::store::ReadError;

/// An explanation, and the provider's id of the run that it is about.
pub(in crate::api) type OfRun = (Explanation, Option<u64>);

impl Owned<'_> {
    /// The explanation of an incident that the caller was shown.
    pub(in crate::api) async fn explanation_of(
        &self,
        incident: &Incident,
    ) -> Result<Option<OfRun>, Problem> {
        let own = self.own(Some(incident), |incident| incident.owner)?;
        let Some(explanation) = self.store.explanation(own.id).await? else {
            return Ok(None);
        };
        let run = self.store.run(explanation.run).await?;
        let run = run.filter(|run| run.owner == self.owner);
        Ok(Some((explanation, run.map(|run| run.provider_run_id))))
    }

    /// The users whom the caller may know as authors at an installation. While objects belong to
    /// single users, that is the caller.
    pub(in crate::api) async fn authors(
        &self,
        instance: &Instance,
    ) -> Result<Vec<Author>, ReadError> {
        let Some(user) = self.store.user(self.owner).await? else {
            return Ok(Vec::new());
        };
        let credentials = self.store.credentials(user.id).await?;
        Ok(suspects::authors(&user, &credentials, instance))
    }

    /// Where a connection of the caller's is, and the name of its repository; `None` once the
    /// connection is forgotten.
    pub(in crate::api) async fn place_of(
        &self,
        id: ConnectionId,
    ) -> Result<Option<(Instance, FullName)>, ReadError> {
        let found = self.store.connection(id).await?;
        let found = found.filter(|connection| connection.owner == self.owner);
        Ok(found.map(|connection| (connection.instance, connection.full_name)))
    }
}
