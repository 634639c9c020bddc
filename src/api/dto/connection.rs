//! A connection in JSON.

use super::failure::LastError;
use super::gap::Gaps;
use crate::actor::Connections;
use crate::domain::connection::{self, CredentialUse, WebhookStatus};
use crate::domain::error_code::ErrorCode;
use crate::domain::health::{self, HealthCause, HealthState, ProvenBy, health};
use crate::domain::history::History;
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::ledger::Ledger;
use crate::domain::lifecycle::{Hook, Phase, SuspendReason};
use crate::domain::pace::Intervals;
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{FullName, Host, ProviderKind};
use crate::domain::rotation::RotationState;
use crate::domain::takeover::{Other, OtherState, Takeover};
use crate::domain::time::Timestamp;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// What is known of a connection besides what is stored of it.
pub struct Around {
    /// Since when its provider has an outage.
    pub outage: Option<Timestamp>,
    /// How often regular work is done for it.
    pub intervals: Intervals,
}

impl Around {
    /// What the actors know.
    pub fn of(actors: &dyn Connections, connection: &connection::Connection) -> Self {
        let outage = actors.outage(&connection.instance);
        Self {
            outage: outage.map(|outage| outage.since),
            intervals: actors.intervals(connection),
        }
    }
}

shapes! {
    /// A connection: a repository whose webhook Hookherd manages.
    Connection(
        connection: &connection::Connection, history: Option<&History>, watch: &Watch<'_>,
        ledger: Option<&Ledger>, takeover: Option<&Takeover>, around: &Around
    ) {
        /// Id of the connection.
        id: ConnectionId = connection.id,
        /// Provider of the repository.
        provider: ProviderKind = connection.instance.provider,
        /// Host of the provider.
        host: Host = connection.instance.host.clone(),
        /// The provider's id of the repository. Null until it is known.
        repository_id: Option<String> = connection.repository.map(|id| id.to_string()),
        /// Owner and name of the repository.
        repository_full_name: FullName = connection.full_name.clone(),
        /// Name of the repository.
        repository_name: String = connection.full_name.name().to_owned(),
        /// Owner of the repository.
        owner_name: String = connection.full_name.owner().to_owned(),
        /// The provider's id of the webhook. Null when none is known.
        webhook_id: Option<String> = match connection.lifecycle.hook {
            Hook::Present(id) => Some(id.0.to_string()),
            Hook::Absent | Hook::Unknown(_) => None,
        },
        /// Where the webhook delivers to. After a change of the public URL: the former URL, until
        /// the webhook is updated.
        #[schema(
            example =
                "https://hooks.example/api/v2/webhooks/github/0123456789abcdefghjkmnpqrstvwxyz"
        )]
        webhook_url: String = webhook_url(connection, watch.public_url),
        /// State of the webhook.
        webhook_status: WebhookStatus = connection.webhook_status(),
        /// Events that the webhook subscribes to.
        #[schema(example = json!(["push", "workflow_run"]))]
        webhook_events: Vec<String> = connection.events.clone(),
        /// When the present webhook was first seen.
        webhook_created_at: Option<Timestamp> = connection.hook_created_at,
        /// When the last verified delivery arrived.
        webhook_last_delivery_at: Option<Timestamp> = connection.last_delivery_at,
        /// False while the connection is paused.
        is_enabled: bool = connection.is_enabled(),
        /// When the repository was connected.
        created_at: Timestamp = connection.created_at,
        /// When the last delivery other than an answer to a ping arrived.
        last_event_at: Option<Timestamp> = connection.last_event_at,
        /// Health of the webhook.
        health: Health =
            Health::of(
                connection, &health(connection, history).during(around.outage), watch, ledger,
                around.intervals
            ),
        /// Why the last call to the provider failed. Null after a success.
        last_error: Option<LastError> = connection.last_error.as_ref().map(LastError::of),
        /// Webhooks that others made in the repository for this server, and what becomes of them.
        existing_webhooks: Vec<ExistingWebhook> = takeover
            .map(|takeover| takeover.others.iter().map(ExistingWebhook::of).collect())
            .unwrap_or_default(),
        /// Whether they are removed once the webhook of the connection is proven to work.
        replaces_existing: bool = takeover.is_some_and(|takeover| takeover.replaces.is_some()),
    }

    /// A webhook that others made.
    ExistingWebhook(other: &Other) {
        /// The provider's id of the webhook.
        webhook_id: String = other.hook.to_string(),
        /// Where it delivers to. Queries, and paths of other hosts, are not shown.
        #[schema(example = "https://hooks.example/old/hook")]
        webhook_url: String = other.url.clone(),
        /// What becomes of it.
        state: OtherState = other.state,
        /// Why it could not be removed. Null unless that failed.
        code: Option<ErrorCode> = other.code,
    }

    /// Health of a webhook.
    Health(
        connection: &connection::Connection, found: &health::Health, watch: &Watch<'_>,
        ledger: Option<&Ledger>, intervals: Intervals
    ) {
        /// Whether the webhook works. `healthy` means proven: see `last_proof_at`.
        state: HealthState = found.state,
        /// Since when it has this state, as far as the history of the connection reaches.
        since: Option<Timestamp> = found.since,
        /// Why it is not healthy. Empty when it is.
        reasons: Vec<HealthReason> = found.reasons.iter().map(HealthReason::of).collect(),
        /// When a check last found the webhook correct.
        last_check_at: Option<Timestamp> = connection.last_check_at,
        /// When the webhook was last proved to work, by a check or by a verified delivery.
        last_proof_at: Option<Timestamp> = found.proven_at,
        /// What proved it then.
        last_proof_by: Option<ProvenBy> = found.proven_by,
        /// True while the webhook still delivers to a former public URL.
        is_to_move: bool = connection.is_to_move(watch.public_url),
        /// Time between two checks. Longer than configured when the checks of all connections with
        /// the same credential do not fit the provider's limits.
        check_interval_seconds: u64 = intervals.check.as_secs(),
        /// Checks and pings that failed in a row.
        checks_failed: u32 = connection.lifecycle.checks_failed,
        /// Pings in a row without a delivery.
        pings_unanswered: u32 = connection.lifecycle.pings_unanswered,
        /// True when the webhook is silent although it was pinged.
        is_silent: bool = connection.lifecycle.is_silent(),
        /// True when the provider disabled the webhook because deliveries failed.
        is_disabled: bool = connection.lifecycle.disabled.is_some(),
        /// When the next attempt is due after a failed one.
        next_retry_at: Option<Timestamp> = connection.retry_due_at,
        /// Why the connection was suspended. Null unless it is.
        suspended_because: Option<SuspendReason> = suspended(connection.lifecycle.phase),
        /// Your credential that the last successful call used. Null when there was no such call, or
        /// when it used another user's shared credential.
        credential_id: Option<CredentialId> = match connection.credential_used {
            Some(CredentialUse::Own(id)) => Some(id),
            Some(CredentialUse::Shared(_)) | None => None,
        },
        /// True when the last successful call used another user's shared credential.
        uses_shared_credential: bool =
            matches!(connection.credential_used, Some(CredentialUse::Shared(_))),
        /// Secret of the webhook, and its rotation.
        secret: SecretState = SecretState::of(connection, watch),
        /// When silence becomes unusual: after that the webhook is pinged, before its interval is
        /// up. Null when no rhythm is known, or silence is usual.
        delivery_expected_at: Option<Timestamp> = expected_by(connection),
        /// When the webhook was last pinged because of unusual silence.
        last_quiet_ping_at: Option<Timestamp> = connection.quiet_ping_at,
        /// Missed deliveries, and the result of their recovery.
        gaps: Gaps = Gaps::of(ledger),
    }

    /// The secret of a webhook, and its rotation.
    SecretState(connection: &connection::Connection, watch: &Watch<'_>) {
        /// Whether former secrets are accepted, and why.
        state: RotationState = connection.rotation.state(),
        /// What that means and what ends it. Null when there is nothing to say.
        message: Option<&'static str> = connection.rotation.state().message(),
        /// When the present secret was made.
        made_at: Timestamp = connection.rotation.made_at,
        /// When the provider confirmed it. Null before that, and for the first one.
        confirmed_at: Option<Timestamp> = connection.rotation.confirmed_at,
        /// When a delivery signed with it first arrived after that.
        proven_at: Option<Timestamp> = connection.rotation.proven_at,
        /// Number of former secrets that are still accepted.
        former: usize = connection.rotation.old.len(),
        /// When a delivery last arrived that one of those signs.
        former_used_at: Option<Timestamp> =
            connection.rotation.old.iter().filter_map(|old| old.used_at).max(),
        /// When the next regular rotation is due. Null when there is none
        /// (`health.rotate_every`).
        next_rotation_at: Option<Timestamp> = watch
            .rotate_every
            .map(|every| connection.rotation.due_at(connection.id, every)),
    }

    /// Why a webhook is not healthy.
    HealthReason(reason: &health::HealthReason) {
        /// The reason.
        cause: HealthCause = reason.cause,
        /// Since when. Null when it has left the history, or began before there was one.
        since: Option<Timestamp> = reason.since,
        /// Stable name of the error. Null when none is named.
        code: Option<ErrorCode> = reason.code,
        /// What it is and what happens next.
        message: &'static str = reason.cause.message(),
    }
}

/// How connections are watched, as far as their shape shows it.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// The present public URL.
    pub public_url: &'a str,
    /// Interval at which secrets are rotated; `None` for never.
    pub rotate_every: Option<Duration>,
}

/// When silence since the last delivery becomes unusual, while that is looked at.
fn expected_by(connection: &connection::Connection) -> Option<Timestamp> {
    let since = connection
        .last_delivery_at
        .filter(|_| connection.is_enabled());
    connection.rhythm.expected_by(since?)
}

fn webhook_url(connection: &connection::Connection, public_url: &str) -> String {
    let is_to_move = connection.is_to_move(public_url);
    let former = connection.address.as_deref().filter(|_| is_to_move);
    let (address, provider) = (former.unwrap_or(public_url), connection.instance.provider);
    format!(
        "{address}/api/v2/webhooks/{provider}/{}",
        connection.hook_key
    )
}

fn suspended(phase: Phase) -> Option<SuspendReason> {
    if let Phase::Suspended(reason) = phase {
        Some(reason)
    } else {
        None
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
