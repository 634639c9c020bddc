//! What people do with the caller's incidents.

use super::Owned;
use crate::api::error::{Code, Problem};
use crate::domain::id::UserId;
use crate::domain::incident::Incident;
use crate::domain::incident::track::Track;
use crate::store::ReadError;
use std::collections::{BTreeSet, HashMap};

/// The names of users.
pub(in crate::api) type UserNames = HashMap<UserId, String>;

impl Owned<'_> {
    /// The user with this name or id, whom an incident of the caller's may be assigned to: one who
    /// may see it. What is owned belongs to one user so far, so that it is the owner; others get
    /// the same answer as users who do not exist.
    pub(in crate::api) async fn assignee(
        &self,
        incident: &Incident,
        name: &str,
    ) -> Result<UserId, Problem> {
        let owner = self.store.user(incident.owner).await?;
        let is_named = |name: &str| {
            owner
                .as_ref()
                .is_some_and(|user| user.name == name || user.id.to_string() == name)
        };
        is_named(name).then_some(incident.owner).ok_or_else(|| {
            Problem::new(
                Code::UserUnfit,
                "No user of this name may see the incident.",
            )
        })
    }

    /// The track of the failures of an incident that the caller was shown.
    pub(in crate::api) async fn track_of(
        &self,
        incident: &Incident,
    ) -> Result<Option<Track>, Problem> {
        let own = self.own(Some(incident), |incident| incident.owner)?;
        match &own.ci {
            Some(ci) => Ok(self.store.track(&ci.track).await?),
            None => Ok(None),
        }
    }

    /// The names of users who did something with an incident that the caller was shown.
    pub(in crate::api) async fn user_names(
        &self,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<UserNames, ReadError> {
        let mut names = UserNames::new();
        for id in ids.into_iter().collect::<BTreeSet<_>>() {
            if let Some(user) = self.store.user(id).await? {
                names.insert(id, user.name);
            }
        }
        Ok(names)
    }
}
