//! Texts of incidents and of our own problems, in one place: what happened to what, and what to do
//! next. Messages of providers are elsewhere, and quoted here.

use super::connection::Connection;
use super::grant::RejectReason;
use super::incident::care::Unacted;
use super::incident::health::HealthFailure;
use super::lifecycle::SuspendReason;
use super::repo::{Instance, ProviderKind};
use super::sink::{DisableReason, Sink};
use super::time::Timestamp;
use super::trouble::Measured;
use super::user::Credential;
use std::time::Duration;

/// No credential fits.
pub const NO_CREDENTIAL: &str =
    "None of your credentials works for this provider. Add one, then check or resume.";
/// The credential is dead. Does not name its owner: it may be shared.
pub const CREDENTIAL_DEAD: &str =
    "The credential no longer works. Sign in again or add another, then check or resume.";
/// A token cannot be decrypted.
pub const CREDENTIAL_SEALED: &str =
    "The credential cannot be decrypted with the configured master keys.";
/// A hook's secret cannot be decrypted.
pub const HOOK_SECRET_SEALED: &str =
    "The hook secret cannot be decrypted with the configured master keys.";
/// What should be a pattern of URLs is none.
pub const NOT_A_PATTERN: &str = "Expected a URL, or a pattern of URLs with * and ?.";
/// An explanation whose tries were all interrupted.
pub const EXPLANATION_CUT_OFF: &str = "Each try to read what the provider says was interrupted.";
/// The run of an incident is not stored any more.
pub const RUN_FORGOTTEN: &str = "The run is no longer stored.";
/// The connection's provider is no longer configured.
pub const PROVIDER_NOT_CONFIGURED: &str = "This provider is no longer configured.";
/// The request needs a provider, or an app, that is not configured.
pub const OFFER_NOT_CONFIGURED: &str = "This is not configured on this server.";
/// The OAuth client is no longer configured.
pub const SIGN_IN_NOT_CONFIGURED: &str = "Sign-in is no longer configured for this provider.";
/// The app is no longer configured.
pub const APP_NOT_CONFIGURED: &str = "The app is no longer configured for this provider.";
/// A token that was just issued is refused.
pub const NEW_TOKEN_REFUSED: &str =
    "The provider refuses a token that it has just issued. Hookherd tries again.";
/// A renewal failed for an internal reason.
pub const RENEWAL_FAILED: &str = "Renewing the credential failed. Hookherd tries again.";
/// A renewal is not finished.
pub const RENEWAL_RUNNING: &str = "The credential is still being renewed. Hookherd tries again.";
/// No new renewals start.
pub const STOPPING: &str = "The server is stopping.";
/// Why an incident cannot be acknowledged or muted.
pub const INCIDENT_RESOLVED: &str = "The incident is resolved.";
/// Why no note is added: see [`super::incident::care::NOTES_MAX`].
pub const NOTES_FULL: &str = "The incident has 20 notes, the maximum.";
/// Why a secret cannot be rotated: see [`super::rotation::OLD_SECRETS_MAX`].
pub const SECRETS_HELD: &str = "Too many former secrets are still accepted. Wait until a delivery \
    has proved the newest one and the former ones are unused.";
/// Why an operation cannot be cancelled.
pub const OPERATION_ENDED: &str = "The operation has ended or was cancelled.";
/// Why a delivery could not be read: see [`HealthFailure::DeliveryUnreadable`].
pub const PROCESSING_FAILED: &str = "processing it failed repeatedly";
/// The same.
pub const PAYLOAD_GONE: &str = "its payload is gone";
/// The same.
pub const PAYLOAD_DAMAGED: &str = "its payload is damaged";
/// The same.
pub const DECODER_MISSING: &str = "its provider is no longer configured";

/// Why a notification could not be sent: the code of its sink has panicked.
pub const SINK_PANICKED: &str = "An internal error. See the log.";

/// The title of the incident in a test message.
pub const SAMPLE_TITLE: &str = "Test message from Hookherd: CI failed: build on main";
/// A sink's address cannot be decrypted.
pub const SINK_SEALED: &str =
    "The address of this sink cannot be decrypted with the configured master keys.";
/// Why a notification cannot be sent again.
pub const NOTIFICATION_ENDED: &str = "The notification was sent, or was not needed.";
/// Why a notification is not sent after later ones about its incident.
pub const NOTIFICATION_OUTDATED: &str = "A later notification about the incident was sent.";

/// Why something is not done with an incident.
pub const fn unacted(why: Unacted) -> &'static str {
    match why {
        Unacted::Resolved => INCIDENT_RESOLVED,
        Unacted::NotesFull => NOTES_FULL,
    }
}

/// A provider refused a token, and whether its credential still works is not known yet.
pub fn token_not_renewed(by: ProviderKind) -> String {
    let name = by.name();
    format!("{name} refused the token, and it could not be renewed yet. Try again.")
}

/// A provider refused a token that has been replaced since.
pub fn token_replaced(by: ProviderKind) -> String {
    let name = by.name();
    format!("{name} refused the token, and there is a new one now. Try again.")
}

/// A sign-in could not be renewed; `why` is the provider's message.
pub fn renewal_refused(why: &str) -> String {
    format!("The sign-in could not be renewed: {why}")
}

/// The title of an incident about failing CI.
pub fn ci_title(workflow: &str, lane: &str) -> String {
    if lane.is_empty() {
        format!("CI failed: {workflow}")
    } else {
        format!("CI failed: {workflow} on {lane}")
    }
}

/// The title of an incident about a provider's outage, for an owner with so many connections there.
pub fn outage_title(instance: &Instance, connections: u32) -> String {
    let (name, host) = (instance.provider.name(), &instance.host);
    let waiting = if connections == 1 {
        "1 connection waits".to_owned()
    } else {
        format!("{connections} connections wait")
    };
    format!(
        "{name} ({host}) does not answer: {waiting}. Hookherd calls it once a minute, and \
         continues by itself."
    )
}

/// A call that is not made before a wait has passed.
pub fn rate_limited(name: &str, after: Duration) -> String {
    let seconds = after.as_secs().max(1);
    format!("The rate limit of {name} for this token is reached. Next call in {seconds} s.")
}

/// A call that is not made because the provider does not answer.
pub fn outage_lasts(instance: &Instance, next: Duration) -> String {
    let (name, host) = (instance.provider.name(), &instance.host);
    let seconds = next.as_secs().max(1);
    format!(
        "{name} ({host}) does not answer any call. Hookherd calls it once a minute, next in \
         {seconds} s, and continues by itself as soon as it answers."
    )
}

/// The title of an incident about a webhook, a delivery, a credential, a sink or the server.
pub fn health_title(failure: HealthFailure<'_>) -> String {
    match failure {
        HealthFailure::HookSuspended(connection, reason) => suspended(connection, reason),
        HealthFailure::HookSilent(connection) => format!(
            "No deliveries arrive from {}, although a test delivery was requested. \
             Check that the public URL can be reached.",
            connection.full_name
        ),
        HealthFailure::HookDisabled {
            connection,
            permanently,
        } => disabled(connection, permanently),
        HealthFailure::DeliveryUnreadable { connection, reason } => {
            let name = &connection.full_name;
            format!("A delivery from {name} could not be read: {reason}. Look at it, then resolve.")
        }
        HealthFailure::DeliveriesLost { connection, count } => lost(connection, count),
        HealthFailure::CredentialRejected(credential, reason) => rejected(credential, reason),
        HealthFailure::CredentialExpiring(credential, _) => expiring(credential),
        HealthFailure::SinkDisabled(sink, reason) => sink_disabled(sink, reason),
        HealthFailure::NotificationsWaiting(sink, wait) => notifications_wait(sink, wait),
        HealthFailure::ServerTrouble(_, measured) => server_trouble(measured),
    }
}

fn suspended(connection: &Connection, reason: SuspendReason) -> String {
    let name = &connection.full_name;
    let why = match reason {
        SuspendReason::Unauthorized => "no working credential. Add one, then resume",
        SuspendReason::HookDeletedRepeatedly => {
            "it is deleted repeatedly. Resume when it is allowed to stay"
        }
        SuspendReason::Panics => "an internal error. See the log, then resume",
    };
    format!("Webhook for {name} suspended: {why}.")
}

fn disabled(connection: &Connection, permanently: bool) -> String {
    let (name, provider) = (&connection.full_name, connection.instance.provider.name());
    if permanently {
        format!(
            "Webhook for {name} disabled by {provider} after failed deliveries. \
             Hookherd tests it, and recreates it if that does not help."
        )
    } else {
        format!(
            "Webhook for {name} temporarily disabled by {provider} after failed deliveries. \
             A test delivery was requested."
        )
    }
}

fn lost(connection: &Connection, count: u64) -> String {
    let name = &connection.full_name;
    let what = if count == 1 {
        "A delivery".to_owned()
    } else {
        format!("{count} deliveries")
    };
    format!(
        "{what} from {name} cannot be recovered. Look at the gaps (hookherd gaps) and at the CI of \
         that time, then resolve."
    )
}

fn rejected(credential: &Credential, reason: RejectReason) -> String {
    let (login, host) = (&credential.account.login, &credential.instance.host);
    let why = match reason {
        RejectReason::Refused => "refused: it was revoked or has expired",
        RejectReason::Expired => "expired",
        RejectReason::Revoked => "revoked at the provider",
        RejectReason::RefreshLost => "lost: the answer to its renewal never arrived",
    };
    format!("Credential of {login} at {host} {why}. Sign in again or add another.")
}

fn expiring(credential: &Credential) -> String {
    let (login, host) = (&credential.account.login, &credential.instance.host);
    let end = credential.expiry.and_then(|expiry| expiry.at).and_then(day);
    let when = end.map_or_else(String::new, |day| format!(" on {day}"));
    format!(
        "Token of {login} at {host} expires{when}. Create a new one there, and add it (hookherd \
         credential add)."
    )
}

/// The day of a time, in UTC.
fn day(at: Timestamp) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(at.0).ok()?;
    Some(at.strftime("%Y-%m-%d").to_string())
}

fn notifications_wait(sink: &Sink, wait: Duration) -> String {
    let (name, host, minutes) = (&sink.name, &sink.host, wait.as_secs() / 60);
    format!(
        "Notifications wait for sink {name} ({host}): it had accepted none for {minutes} minutes \
         when noticed. Hookherd tries again by itself. See hookherd notifications --state waiting."
    )
}

fn server_trouble(measured: Measured) -> String {
    match measured {
        Measured::Space(space) => format!(
            "Disk of the server nearly full: {} MiB free when noticed. Free some space, or keep \
             less history (retention.max_bytes).",
            space.free >> 20
        ),
        Measured::Wait(wait) => format!(
            "Deliveries not processed: the oldest had waited {} minutes when noticed. See the log \
             of the server.",
            wait.as_secs() / 60
        ),
    }
}

fn sink_disabled(sink: &Sink, reason: DisableReason) -> String {
    let (name, host) = (&sink.name, &sink.host);
    let why = match reason {
        DisableReason::Gone => "it answers that it is permanently gone",
        DisableReason::NotFound => "it answers that there is no such address",
        DisableReason::Refused => "it refuses the key",
        DisableReason::AddressRefused => "its address may not be called",
        DisableReason::Sealed => "its address cannot be decrypted with the configured master keys",
    };
    format!(
        "Sink {name} ({host}) disabled: {why}. Enter another address (hookherd sinks edit), or \
         correct the receiver and enable the sink (hookherd sinks resume)."
    )
}

#[cfg(test)]
mod tests;
