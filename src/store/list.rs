//! What a list may be asked for.
//!
//! A filter narrows a list down; it never opens another owner's. What a filter names is looked up
//! in an index where there is one, and the rest is looked at record by record, at most
//! [`LOOKED_AT_MAX`] for one page: such a page may hold fewer records than were asked for, or
//! none, and still say where to continue.

use super::{After, Page, ReadError, Reading};
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::delivery::Source;
use crate::domain::id::{ConnectionId, IncidentId, SinkId};
use crate::domain::incident::IncidentStatus;
use crate::domain::notification::Notification;
use crate::domain::pattern::Pattern;
use crate::domain::repo::{Host, ProviderKind};
use crate::domain::run::Conclusion;
use crate::domain::time::Timestamp;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

/// Most records that are read for one page.
pub const LOOKED_AT_MAX: usize = 1000;

/// Records in each of [`pages`].
const PAGE: usize = 200;

/// The pages of a list, from the first to the last.
pub type Pages<'a, T> = BoxStream<'a, Result<Vec<T>, ReadError>>;

/// Reads a list as a whole, a page at a time. `id` is what the next page continues after.
pub fn pages<'a, T: Send + 'a, Id: Send + 'a>(
    read: impl Fn(After<Id>) -> Reading<'a, Page<T>> + Send + 'a,
    id: impl Fn(&T) -> Id + Send + 'a,
) -> Pages<'a, T> {
    let first = Some(None);
    stream::try_unfold((read, id, first), async |(read, id, next)| {
        let Some(last) = next else { return Ok(None) };
        let page = read(After { last, limit: PAGE }).await?;
        let last = page.items.last().filter(|_| page.has_more);
        let next = last.map(|item| Some(id(item)));
        Ok(Some((page.items, (read, id, next))))
    })
    .boxed()
}

/// A page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T, Id> {
    /// The records that fit.
    pub items: Vec<T>,
    /// Continue after this one; `None` at the end of the list.
    pub next: Option<Id>,
}

/// Which connections are meant.
#[derive(Clone, Debug, Default)]
pub struct Whose {
    /// Only this one.
    pub connection: Option<ConnectionId>,
    /// Only those to repositories of this name.
    pub repository: Option<Pattern>,
    /// Only those at this kind of provider.
    pub provider: Option<ProviderKind>,
}

/// Which connections a list shows.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFilter {
    /// Only those to repositories of this name.
    pub repository: Option<Pattern>,
    /// Only those at this kind of provider.
    pub provider: Option<ProviderKind>,
    /// Only those at this host.
    pub host: Option<Host>,
    /// Only those to repositories of this user, organisation or group, in any case.
    pub owner_name: Option<String>,
    /// Only those whose hook has this status.
    pub status: Option<WebhookStatus>,
    /// Instead of those that are there: removed ones whose hook is still to be deleted.
    pub are_leaving: bool,
}

impl ConnectionFilter {
    /// Whether a connection fits.
    pub fn fits(&self, c: &Connection) -> bool {
        let (name, owner) = (self.repository.as_ref(), self.owner_name.as_ref());
        c.is_removed() == self.are_leaving
            && c.is_leaving() == self.are_leaving
            && name.is_none_or(|name| name.fits(c.full_name.as_str()))
            && self.provider.is_none_or(|p| p == c.instance.provider)
            && self.host.as_ref().is_none_or(|h| *h == c.instance.host)
            && self.status.is_none_or(|s| s == c.webhook_status())
            && owner.is_none_or(|owner| owner.eq_ignore_ascii_case(c.full_name.owner()))
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By id, the newest first.
    #[default]
    NewestFirst,
    /// By id, the oldest first.
    OldestFirst,
}

/// Which deliveries a list shows.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only those of these connections.
    pub whose: Whose,
    /// Only of this event, by the provider's name.
    pub event: Option<String>,
    /// Only with this outcome, by name.
    pub outcome: Option<&'static str>,
    /// Only those that are processed (`true`), or not yet (`false`).
    pub is_processed: Option<bool>,
    /// Only with this action, by the provider's name.
    pub action: Option<String>,
    /// Only those that were received so.
    pub source: Option<Source>,
    /// Only those that arrived at this time or later, by the time in their id.
    pub since: Option<Timestamp>,
    /// Only those that arrived before this time, by the time in their id.
    pub until: Option<Timestamp>,
    /// Only those with this id of the provider, which several connections may have received.
    pub provider_delivery_id: Option<String>,
    /// In this order.
    pub order: Order,
}

/// Which runs a list shows.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only those of these connections.
    pub whose: Whose,
    /// Only those on branches of this name.
    pub branch: Option<Pattern>,
    /// Only with this status, by name.
    pub status: Option<&'static str>,
    /// Only those that ended so.
    pub conclusion: Option<Conclusion>,
}

/// Which notifications a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotificationFilter {
    /// Only those about this incident.
    pub incident: Option<IncidentId>,
    /// Only those for this sink.
    pub sink: Option<SinkId>,
    /// Only with this state, by name.
    pub state: Option<&'static str>,
}

impl NotificationFilter {
    /// Whether a notification fits.
    pub fn fits(&self, it: &Notification) -> bool {
        self.incident
            .is_none_or(|incident| it.incident() == Some(incident))
            && self.sink.is_none_or(|sink| sink == it.sink)
            && self.state.is_none_or(|state| state == it.state.as_str())
    }
}

/// Which incidents a list shows.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// Only those of these connections. Incidents of credentials have a provider and no
    /// repository.
    pub whose: Whose,
    /// Only with this status.
    pub status: Option<IncidentStatus>,
    /// Only flaky ones, or only others.
    pub is_flaky: Option<bool>,
    /// Only those that flap, or only others.
    pub is_flapping: Option<bool>,
}
