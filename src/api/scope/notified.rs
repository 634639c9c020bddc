//! The caller's sinks and notifications.

use super::Owned;
use crate::api::error::Problem;
use crate::domain::id::{NotificationId, SinkId};
use crate::domain::notification::Notification;
use crate::domain::report::Report;
use crate::domain::rulebook::Rulebook;
use crate::domain::sink::Sink;
use crate::domain::time::Timestamp;
use crate::store::{After, Listing, NotificationFilter, ReadError, report};

impl Owned<'_> {
    /// A sink.
    pub(in crate::api) async fn sink(&self, id: SinkId) -> Result<Sink, Problem> {
        self.own(self.store.sink(id).await?, |sink| sink.owner)
    }

    /// All sinks.
    pub(in crate::api) async fn sinks(&self) -> Result<Vec<Sink>, ReadError> {
        self.store.sinks_of(self.owner).await
    }

    /// The rules, if there are any.
    pub(in crate::api) async fn rulebook(&self) -> Result<Option<Rulebook>, ReadError> {
        self.store.rulebook(self.owner).await
    }

    /// The report of a time, and whether there was more than it looks at.
    pub(in crate::api) async fn report(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<(Report, bool), ReadError> {
        report(self.store, self.owner, since, until).await
    }

    /// A notification.
    pub(in crate::api) async fn notification(
        &self,
        id: NotificationId,
    ) -> Result<Notification, Problem> {
        self.own(self.store.notification(id).await?, |it| it.owner)
    }

    /// Notifications. A filter by incident or sink is for the caller's own.
    pub(in crate::api) async fn notifications(
        &self,
        filter: NotificationFilter,
        after: After<NotificationId>,
    ) -> Result<Listing<Notification, NotificationId>, Problem> {
        if let Some(id) = filter.incident {
            self.incident(id).await?;
        }
        if let Some(id) = filter.sink {
            self.sink(id).await?;
        }
        Ok(self
            .store
            .notifications_of(self.owner, filter, after)
            .await?)
    }
}
