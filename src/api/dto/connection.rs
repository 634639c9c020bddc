//! A connection in JSON.

use crate::domain::connection::{self, CredentialUse, WebhookStatus};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::lifecycle::{Hook, Phase, SuspendReason};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{FullName, Host, ProviderKind};
use crate::domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A connection: a repository whose webhook Hookherd manages.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Connection {
    /// Id of the connection.
    pub id: ConnectionId,
    /// Provider of the repository.
    pub provider: ProviderKind,
    /// Host of the provider.
    pub host: Host,
    /// The provider's id of the repository. Null until it is known.
    pub repository_id: Option<String>,
    /// Owner and name of the repository.
    pub repository_full_name: FullName,
    /// Name of the repository.
    pub repository_name: String,
    /// Owner of the repository.
    pub owner_name: String,
    /// The provider's id of the webhook. Null when none is known.
    pub webhook_id: Option<String>,
    /// Where the webhook delivers to. After a change of the public URL: the former URL, until the
    /// webhook is updated.
    #[schema(
        example = "https://hooks.example/api/v2/webhooks/github/0123456789abcdefghjkmnpqrstvwxyz"
    )]
    pub webhook_url: String,
    /// State of the webhook.
    pub webhook_status: WebhookStatus,
    /// Events that the webhook subscribes to.
    #[schema(example = json!(["push", "workflow_run"]))]
    pub webhook_events: Vec<String>,
    /// When the present webhook was first seen.
    pub webhook_created_at: Option<Timestamp>,
    /// When the last verified delivery arrived.
    pub webhook_last_delivery_at: Option<Timestamp>,
    /// False while the connection is paused.
    pub is_enabled: bool,
    /// When the repository was connected.
    pub created_at: Timestamp,
    /// When the last delivery other than an answer to a ping arrived.
    pub last_event_at: Option<Timestamp>,
    /// Health of the webhook.
    pub health: Health,
    /// Why the last call to the provider failed. Null after a success.
    pub last_error: Option<LastError>,
}

/// Health of a webhook.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a list of findings that do not depend on each other"
)]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    /// When a check last found the webhook correct.
    pub last_check_at: Option<Timestamp>,
    /// When the webhook was last proved to work, by a check or by a verified delivery.
    pub last_proof_at: Option<Timestamp>,
    /// True while the webhook still delivers to a former public URL.
    pub is_to_move: bool,
    /// Checks and pings that failed in a row.
    pub checks_failed: u32,
    /// Pings in a row without a delivery.
    pub pings_unanswered: u32,
    /// True when the webhook is silent although it was pinged.
    pub is_silent: bool,
    /// True when the provider disabled the webhook because deliveries failed.
    pub is_disabled: bool,
    /// When the next attempt is due after a failed one.
    pub next_retry_at: Option<Timestamp>,
    /// Why the connection was suspended. Null unless it is.
    pub suspended_because: Option<SuspendReason>,
    /// Your credential that the last successful call used. Null when there was no such call, or
    /// when it used another user's shared credential.
    pub credential_id: Option<CredentialId>,
    /// True when the last successful call used another user's shared credential.
    pub uses_shared_credential: bool,
}

/// Why a call to the provider failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LastError {
    /// Stable name of the error.
    pub code: ErrorCode,
    /// What happened and what to do.
    pub message: String,
    /// When the call failed.
    pub at: Timestamp,
}

impl Connection {
    /// The shape of a connection whose deliveries come to `public_url`.
    pub fn of(connection: &connection::Connection, public_url: &str) -> Self {
        let provider = connection.instance.provider;
        let key = connection.hook_key;
        let is_to_move = connection.is_to_move(public_url);
        let address = connection.address.as_deref().filter(|_| is_to_move);
        let address = address.unwrap_or(public_url);
        let hook = match connection.lifecycle.hook {
            Hook::Present(id) => Some(id.0.to_string()),
            Hook::Absent | Hook::Unknown(_) => None,
        };
        let last_error = connection.last_error.as_ref().map(|error| LastError {
            code: error.code,
            message: error.message.clone(),
            at: error.at,
        });
        Self {
            id: connection.id,
            provider,
            host: connection.instance.host.clone(),
            repository_id: connection.repository.map(|id| id.to_string()),
            repository_full_name: connection.full_name.clone(),
            repository_name: connection.full_name.name().to_owned(),
            owner_name: connection.full_name.owner().to_owned(),
            webhook_id: hook,
            webhook_url: format!("{address}/api/v2/webhooks/{provider}/{key}"),
            webhook_status: connection.webhook_status(),
            webhook_events: connection.events.clone(),
            webhook_created_at: connection.hook_created_at,
            webhook_last_delivery_at: connection.last_delivery_at,
            is_enabled: connection.is_enabled(),
            created_at: connection.created_at,
            last_event_at: connection.last_event_at,
            health: Health::of(connection, is_to_move),
            last_error,
        }
    }
}

impl Health {
    fn of(connection: &connection::Connection, is_to_move: bool) -> Self {
        let lifecycle = &connection.lifecycle;
        let suspended_because = match lifecycle.phase {
            Phase::Suspended(reason) => Some(reason),
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
            Some(CredentialUse::Own(id)) => (Some(id), false),
            Some(CredentialUse::Shared(_)) => (None, true),
            None => (None, false),
        };
        Self {
            credential_id,
            uses_shared_credential,
            last_check_at: connection.last_check_at,
            last_proof_at: connection.last_proof_at(),
            is_to_move,
            checks_failed: lifecycle.checks_failed,
            pings_unanswered: lifecycle.pings_unanswered,
            is_silent: lifecycle.is_silent(),
            is_disabled: lifecycle.disabled.is_some(),
            next_retry_at: connection.retry_due_at,
            suspended_because,
        }
    }
}

/// A page of connections, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectionList {
    /// Connections of the page.
    pub connections: Vec<Connection>,
    /// Number of all your connections, whatever the page and the filters.
    pub total: usize,
    /// Pass it as `cursor` for the next page. Null on the last page.
    pub next_cursor: Option<ConnectionId>,
}

/// The result of disconnecting.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Disconnected {
    /// Always true: the disconnection is stored.
    pub success: bool,
    /// Id of the connection.
    pub connection_id: ConnectionId,
    /// Owner and name of the repository.
    pub repository_full_name: FullName,
    /// True when the provider confirmed that no webhook of Hookherd is left.
    pub webhook_deleted: bool,
    /// State of the webhook at the provider.
    pub webhook_outcome: HookOutcome,
    /// What happened, for people.
    pub message: &'static str,
}
