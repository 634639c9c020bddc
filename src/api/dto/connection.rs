//! A connection in JSON.

use super::time;
use crate::domain::connection::{self, CredentialUse};
use crate::domain::lifecycle::{Hook, Phase};
use serde::Serialize;

/// A connection.
#[derive(Clone, Debug, Serialize)]
pub struct Connection {
    /// Our id.
    pub id: String,
    /// The kind of provider.
    pub provider: &'static str,
    /// The provider's host.
    pub host: String,
    /// The provider's id of the repository; null until it could be asked.
    pub repository_id: Option<String>,
    /// Owner and name.
    pub repository_full_name: String,
    /// The name.
    pub repository_name: String,
    /// The owner.
    pub owner_name: String,
    /// The provider's id of the hook; null when none is known.
    pub webhook_id: Option<String>,
    /// Where the hook delivers to: a former public address until it is moved.
    pub webhook_url: String,
    /// `pending`, `active`, `degraded`, `failed`, `inactive` or `suspended`.
    pub webhook_status: &'static str,
    /// The events that the hook subscribes to.
    pub webhook_events: Vec<String>,
    /// When the present hook was first known to be there.
    pub webhook_created_at: Option<String>,
    /// When the last verified delivery arrived.
    pub webhook_last_delivery_at: Option<String>,
    /// Whether it is not paused.
    pub is_enabled: bool,
    /// When it was connected.
    pub created_at: String,
    /// When the last delivery that was no pong arrived.
    pub last_event_at: Option<String>,
    /// What is known of the hook's health.
    pub health: Health,
    /// Why the last call to the provider failed; null once one succeeded.
    pub last_error: Option<LastError>,
}

/// What is known of a hook's health.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a list of findings that do not depend on each other"
)]
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// When the hook was last found to be as we want it.
    pub last_check_at: Option<String>,
    /// When it was last known for certain that the hook works: it was found as we want it, or a
    /// verified delivery arrived.
    pub last_proof_at: Option<String>,
    /// Whether the hook still delivers to a former public address, and is moved in its turn.
    pub is_to_move: bool,
    /// Checks and pings in a row that failed.
    pub checks_failed: u32,
    /// Pings in a row that no delivery followed.
    pub pings_unanswered: u32,
    /// Whether nothing is heard from the hook although it was pinged.
    pub is_silent: bool,
    /// Whether the provider has disabled the hook because deliveries failed.
    pub is_disabled: bool,
    /// When the next attempt is due after a failed one.
    pub next_retry_at: Option<String>,
    /// Why the daemon gave up until someone acts: `unauthorized`, `hook_deleted_repeatedly` or
    /// `panics`.
    pub suspended_because: Option<&'static str>,
    /// The caller's credential that the last successful call was made with; null when there was
    /// none, or when it was one that another user shares.
    pub credential_id: Option<String>,
    /// Whether the last successful call was made with a credential that another user shares.
    pub uses_shared_credential: bool,
}

/// Why a call failed.
#[derive(Clone, Debug, Serialize)]
pub struct LastError {
    /// Stable name.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
    /// When it failed.
    pub at: String,
}

impl Connection {
    /// The shape of a connection whose deliveries come to `public_url`.
    pub fn of(connection: &connection::Connection, public_url: &str) -> Self {
        let provider = connection.instance.provider.as_str();
        let key = connection.hook_key;
        let is_to_move = connection.is_to_move(public_url);
        let address = connection.address.as_deref().filter(|_| is_to_move);
        let address = address.unwrap_or(public_url);
        let hook = match connection.lifecycle.hook {
            Hook::Present(id) => Some(id.0.to_string()),
            Hook::Absent | Hook::Unknown(_) => None,
        };
        let last_error = connection.last_error.as_ref().map(|error| LastError {
            code: error.code.as_str(),
            message: error.message.clone(),
            at: time(error.at),
        });
        Self {
            id: connection.id.to_string(),
            provider,
            host: connection.instance.host.to_string(),
            repository_id: connection.repository.map(|id| id.to_string()),
            repository_full_name: connection.full_name.to_string(),
            repository_name: connection.full_name.name().to_owned(),
            owner_name: connection.full_name.owner().to_owned(),
            webhook_id: hook,
            webhook_url: format!("{address}/api/v2/webhooks/{provider}/{key}"),
            webhook_status: connection.webhook_status().as_str(),
            webhook_events: connection.events.clone(),
            webhook_created_at: connection.hook_created_at.map(time),
            webhook_last_delivery_at: connection.last_delivery_at.map(time),
            is_enabled: connection.is_enabled(),
            created_at: time(connection.created_at),
            last_event_at: connection.last_event_at.map(time),
            health: Health::of(connection, is_to_move),
            last_error,
        }
    }
}

impl Health {
    fn of(connection: &connection::Connection, is_to_move: bool) -> Self {
        let lifecycle = &connection.lifecycle;
        let suspended_because = match lifecycle.phase {
            Phase::Suspended(reason) => Some(reason.as_str()),
            Phase::Idle
            | Phase::Creating { .. }
            | Phase::Active
            | Phase::Checking
            | Phase::Pinging
            | Phase::Repairing { .. }
            | Phase::Rewriting
            | Phase::Deleting { .. }
            | Phase::Waiting { .. }
            | Phase::Settling
            | Phase::Removed => None,
        };
        let (credential_id, uses_shared_credential) = match connection.credential_used {
            Some(CredentialUse::Own(id)) => (Some(id.to_string()), false),
            Some(CredentialUse::Shared(_)) => (None, true),
            None => (None, false),
        };
        Self {
            credential_id,
            uses_shared_credential,
            last_check_at: connection.last_check_at.map(time),
            last_proof_at: connection.last_proof_at().map(time),
            is_to_move,
            checks_failed: lifecycle.checks_failed,
            pings_unanswered: lifecycle.pings_unanswered,
            is_silent: lifecycle.is_silent(),
            is_disabled: lifecycle.disabled.is_some(),
            next_retry_at: connection.retry_due_at.map(time),
            suspended_because,
        }
    }
}
