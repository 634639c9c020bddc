//! The shapes of answers, exactly as they stand in JSON.
//!
//! None has a field for a secret, so none can be answered by mistake. Times are RFC 3339 in UTC
//! with milliseconds; ids, the provider's included, are strings.

mod connection;
mod delivery;
mod incident;
mod signin;
mod stats;

pub use connection::{Connection, Health, LastError};
pub use delivery::{DeliveryDetail, DeliverySummary, Payload};
pub use incident::{FailedJob, Incident, Run};
pub use signin::{Authorize, DeviceBegun, DeviceState};
pub use stats::{DeliveryStats, IncidentStats, Stats};

use crate::domain::grant::Grant;
use crate::domain::repo::{Host, Repository as DomainRepository};
use crate::domain::time::Timestamp;
use crate::domain::user;
use crate::store::{Listing, Page};
use serde::Serialize;
use std::fmt::Display;

/// A time in RFC 3339, UTC, milliseconds. Times outside the years 0 to 9999 are shown as the
/// epoch: no clock of ours makes them.
pub fn time(at: Timestamp) -> String {
    let nanos = i128::from(at.0) * 1_000_000;
    let moment = ::time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .filter(|moment| (0..=9999).contains(&moment.year()))
        .unwrap_or(::time::OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (moment.date(), moment.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    )
}

/// A page of a list.
#[derive(Clone, Debug, Serialize)]
pub struct List<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page of records in their JSON shape.
    pub(super) fn of<R, Id: Display, E>(
        page: Page<R>,
        id: impl Fn(&R) -> Id,
        shape: impl FnMut(R) -> Result<T, E>,
    ) -> Result<Self, E> {
        let last = page.items.last().filter(|_| page.has_more);
        let next_cursor = last.map(|record| id(record).to_string());
        let items = page
            .items
            .into_iter()
            .map(shape)
            .collect::<Result<_, _>>()?;
        Ok(Self { items, next_cursor })
    }

    /// The same of a list that was narrowed down.
    pub(super) fn narrowed<R, Id: Display>(
        listing: Listing<R, Id>,
        shape: impl FnMut(R) -> T,
    ) -> Self {
        Self {
            items: listing.items.into_iter().map(shape).collect(),
            next_cursor: listing.next.map(|id| id.to_string()),
        }
    }
}

/// The list of connections, which has a name of its own.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionList {
    /// The connections, newest first.
    pub connections: Vec<Connection>,
    /// All of the caller's connections, on whatever page and whatever the filter.
    pub total: usize,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// What ingress answers.
#[derive(Clone, Debug, Serialize)]
pub struct IngressAnswer {
    /// `accepted`, `duplicate`, `ignored` or `pong`.
    pub status: &'static str,
    /// Our id of the stored delivery; of the first one when this is a duplicate.
    pub delivery_id: String,
}

/// What disconnecting answers.
#[derive(Clone, Debug, Serialize)]
pub struct Disconnected {
    /// Always true: the disconnection is durable.
    pub success: bool,
    /// The connection.
    pub connection_id: String,
    /// Its repository.
    pub repository_full_name: String,
    /// Whether the provider has confirmed that no hook of ours is left there.
    pub webhook_deleted: bool,
    /// What became of the hook: `deleted`, `never_made`, `left` or `pending`.
    pub webhook_outcome: &'static str,
    /// What happened, in words.
    pub message: &'static str,
}

/// A word of confirmation for what goes on in the background.
#[derive(Clone, Debug, Serialize)]
pub struct Accepted {
    /// Always `accepted`.
    pub status: &'static str,
    /// The delivery that will be processed again.
    pub delivery_id: String,
}

/// A user.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// Our id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Whether they may manage users.
    pub is_admin: bool,
    /// When they were added.
    pub created_at: String,
    /// The removal that is under way; null when there is none.
    pub removal: Option<Removal>,
}

/// The removal of a user that is under way.
#[derive(Clone, Debug, Serialize)]
pub struct Removal {
    /// When it was asked for.
    pub asked_at: String,
    /// Whether their webhooks are deleted at the providers.
    pub delete_webhooks: bool,
}

/// What removing a user answers.
#[derive(Clone, Debug, Serialize)]
pub struct RemovedUser {
    /// The user.
    pub user_id: String,
    /// Their name.
    pub name: String,
    /// Whether nothing of theirs is left. Otherwise the removal goes on in the background.
    pub is_removed: bool,
    /// Connections, and webhooks that are still to be deleted.
    pub connections_left: usize,
    /// What happened, in words.
    pub message: &'static str,
}

/// An API token, without the token itself.
#[derive(Clone, Debug, Serialize)]
pub struct Token {
    /// Our id.
    pub id: String,
    /// Whose it is, by name; null when the user is gone.
    pub user: Option<String>,
    /// What its holder calls it.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// From when on it is refused; null when it has no end.
    pub expires_at: Option<String>,
    /// Whether it is refused by now.
    pub is_expired: bool,
    /// When it was last used, give or take a minute; null when it never was.
    pub last_used_at: Option<String>,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

impl From<&user::User> for User {
    fn from(user: &user::User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.clone(),
            is_admin: user.is_admin,
            created_at: time(user.created_at),
            removal: user.removal.map(|removal| Removal {
                asked_at: time(removal.at),
                delete_webhooks: removal.delete_hooks,
            }),
        }
    }
}

/// An account at a provider.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// The provider's id.
    pub id: String,
    /// The name.
    pub login: String,
}

/// A stored right to make calls to a provider, without its tokens.
#[derive(Clone, Debug, Serialize)]
pub struct Credential {
    /// Our id.
    pub id: String,
    /// The kind of provider.
    pub provider: &'static str,
    /// The host that it is for, and the only one that its tokens are sent to.
    pub host: String,
    /// Whose token it is.
    pub account: Account,
    /// The scopes that the provider reported; empty when it does not report any.
    pub scopes: Vec<String>,
    /// When it was added.
    pub created_at: String,
    /// `token`, `oauth` or `app`.
    pub kind: &'static str,
    /// Whether connections of other users may fall back on it.
    pub is_shared: bool,
    /// When an OAuth access token ends. Null when it has no end.
    pub expires_at: Option<String>,
    /// Whether it is renewed by itself before.
    pub is_renewed: bool,
    /// When it was found not to work; null while it works.
    pub rejected_at: Option<String>,
    /// `refused`, `expired`, `revoked` or `refresh_lost`; null while it works.
    pub rejected_because: Option<&'static str>,
}

impl From<&user::Credential> for Credential {
    fn from(credential: &user::Credential) -> Self {
        let (kind, expires_at, is_renewed) = match &credential.grant {
            Grant::Token { .. } => ("token", None, false),
            Grant::Oauth(grant) => ("oauth", grant.expires_at, grant.refresh.is_some()),
            Grant::App { .. } => ("app", None, true),
        };
        Self {
            id: credential.id.to_string(),
            provider: credential.instance.provider.as_str(),
            host: credential.instance.host.to_string(),
            account: Account {
                id: credential.account.id.to_string(),
                login: credential.account.login.clone(),
            },
            scopes: credential.scopes.clone(),
            created_at: time(credential.created_at),
            kind,
            is_shared: credential.is_shared,
            expires_at: expires_at.map(time),
            is_renewed,
            rejected_at: credential.rejected.map(|r| time(r.at)),
            rejected_because: credential.rejected.map(|r| r.reason.as_str()),
        }
    }
}

/// A repository that a credential can reach.
#[derive(Clone, Debug, Serialize)]
pub struct Repository {
    /// Where it lives: the host of the provider's installation.
    pub host: String,
    /// The provider's id.
    pub id: String,
    /// Owner and name.
    pub full_name: String,
    /// The name.
    pub name: String,
    /// The owner.
    pub owner_name: String,
    /// Whether it is read-only.
    pub is_archived: bool,
    /// Whether the credential may manage hooks; null when the provider does not say.
    pub can_manage_hooks: Option<bool>,
}

impl Repository {
    /// The shape of a repository at `host`.
    pub fn of(repository: &DomainRepository, host: &Host) -> Self {
        Self {
            host: host.to_string(),
            id: repository.id.to_string(),
            full_name: repository.full_name.to_string(),
            name: repository.full_name.name().to_owned(),
            owner_name: repository.full_name.owner().to_owned(),
            is_archived: repository.is_archived,
            can_manage_hooks: repository.can_manage_hooks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            time(Timestamp(1_795_530_896_007)),
            "2026-11-24T14:34:56.007Z"
        );
        assert_eq!(time(Timestamp(i64::MAX)), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(Timestamp(i64::MIN)), "1970-01-01T00:00:00.000Z");
    }
}
