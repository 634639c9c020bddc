//! How the values of the domain stand in JSON and in query strings, and how the API's description
//! describes them: each by one name, so that a field and a parameter refer to the same schema.

use crate::domain::command::{CommandKind, CommandOutcome, CommandState};
use crate::domain::connection::WebhookStatus;
use crate::domain::delivery::{Outcome, Source};
use crate::domain::error_code::ErrorCode;
use crate::domain::explanation::{ExplanationState, Unread};
use crate::domain::grant::RejectReason;
use crate::domain::health::{HealthCause, HealthState, ProvenBy};
use crate::domain::history::{EntryKind, Evidence, Reaction};
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, GapId, HookKey, IncidentId, NotificationId,
    OperationId, RunId, SinkId, TokenId, UserId,
};
use crate::domain::incident::care::NOTE_CHARS_MAX;
use crate::domain::incident::timeline::EntryKind as TimelineKind;
use crate::domain::incident::{IncidentSource, IncidentStatus, Resolution, Severity};
use crate::domain::ledger::{GapCause, Loss};
use crate::domain::lifecycle::SuspendReason;
use crate::domain::notification::{DropReason, NotificationKind, NotificationState};
use crate::domain::operation::{Action, ItemOutcome, OperationState, Verdict};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{FullName, Host, ProviderKind};
use crate::domain::rotation::RotationState;
use crate::domain::rulebook::About;
use crate::domain::rulebook::decide::Condition;
use crate::domain::rulebook::quiet::Day;
use crate::domain::run::{Conclusion, Family, RunStatus};
use crate::domain::sink::digest::Every;
use crate::domain::sink::{DisableReason, NAME_CHARS_MAX, SinkKind, SinkState};
use crate::domain::standing::Standing;
use crate::domain::takeover::OtherState;
use crate::domain::time::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A segment of a repository's full name: not empty, and neither `.` nor `..`.
macro_rules! segment {
    () => {
        r"(\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\.{3}[A-Za-z0-9._-]*)"
    };
}
/// What has no control characters and is no unfinished class of a pattern.
macro_rules! plain {
    () => {
        r"[^\u0000-\u001f\u007f-\u009f\[]"
    };
}
/// Digits of an id: Crockford's base 32.
macro_rules! digit {
    () => {
        "[0-9a-hjkmnp-tv-z]"
    };
}
macro_rules! id {
    ($prefix:literal) => {
        concat!("^", $prefix, "_[0-7]", digit!(), "{25}$")
    };
}
pub(super) use {digit, plain, segment};

/// The full name of a repository, as the description has it.
pub(super) const FULL_NAME: &str = concat!("^", segment!(), "(/", segment!(), ")+$");
/// The same with one owner and no group.
pub(super) const OWNER_AND_NAME: &str = concat!("^", segment!(), "/", segment!(), "$");

/// The schema of a text.
pub(super) fn text(about: &str, pattern: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
        .pattern(Some(pattern))
        .examples([example])
}

/// Types that stand as a text that they are parsed from.
macro_rules! texts {
    ($($type:ty, $name:literal, $about:literal, $pattern:expr, $example:literal
        $(, $max:literal)?;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Cow::<str>::deserialize(from)?.parse().map_err(Error::custom)
            }
        }

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                text($about, $pattern, $example)$(.max_length(Some($max)))?.into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )*};
}

texts! {
    CommandId, "CommandId", "Id of a command.", id!("cmd"), "cmd_01kb5c6q3t8v9w0x1y2z3a4b5c";
    ConnectionId, "ConnectionId", "Id of a connection.", id!("con"),
        "con_01kb5c6q3t8v9w0x1y2z3a4b5c";
    CredentialId, "CredentialId", "Id of a credential.", id!("crd"),
        "crd_01kb5c6q3t8v9w0x1y2z3a4b5c";
    DeliveryId, "DeliveryId", "Id of a delivery.", id!("dlv"), "dlv_01kb5c6q3t8v9w0x1y2z3a4b5c";
    GapId, "GapId", "Id of a gap.", id!("gap"), "gap_01kb5c6q3t8v9w0x1y2z3a4b5c";
    IncidentId, "IncidentId", "Id of an incident.", id!("inc"), "inc_01kb5c6q3t8v9w0x1y2z3a4b5c";
    OperationId, "OperationId", "Id of an operation.", id!("opr"),
        "opr_01kb5c6q3t8v9w0x1y2z3a4b5c";
    NotificationId, "NotificationId", "Id of a notification.", id!("ntf"),
        "ntf_01kb5c6q3t8v9w0x1y2z3a4b5c";
    SinkId, "SinkId", "Id of a sink.", id!("snk"), "snk_01kb5c6q3t8v9w0x1y2z3a4b5c";
    RunId, "RunId", "Id of a run.", id!("run"), "run_01kb5c6q3t8v9w0x1y2z3a4b5c";
    TokenId, "TokenId", "Id of an API token.", id!("tok"), "tok_01kb5c6q3t8v9w0x1y2z3a4b5c";
    UserId, "UserId", "Id of a user.", id!("usr"), "usr_01kb5c6q3t8v9w0x1y2z3a4b5c";
    HookKey, "HookKey", "The key in a webhook's URL. Unguessable, but not a secret.",
        concat!("^", digit!(), "{32}$"), "0123456789abcdefghjkmnpqrstvwxyz";
    Host, "Host", "A host name in lower case, with a port unless it is the default one.",
        r"^[A-Za-z0-9.:\[\]-]{1,260}$", "github.com";
    FullName, "FullName", "Owner and name of a repository; GitLab nests groups.", FULL_NAME,
        "octo/app", 1024;
}

/// What is removed from a text, as a class of a pattern: see [`crate::domain::text::clean`].
const HIDDEN: &str = concat!(
    r"\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e",
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0",
    r"\ufff9-\ufffb\ufffe\uffff",
    "\u{e0000}-\u{e0fff}",
);

/// The schema of a note: a text of which something is left when it is cleaned.
pub(super) struct NoteText;

impl PartialSchema for NoteText {
    fn schema() -> RefOr<Schema> {
        let about = "Text, of which control characters are removed; line breaks become blanks.";
        let example = "Known: the test depends on the date.";
        let note = text(about, &format!(r"[^\s{HIDDEN}]"), example);
        note.max_length(Some(NOTE_CHARS_MAX)).into()
    }
}

impl ToSchema for NoteText {}

/// The schema of a name that a user chooses: it stays as it is when it is cleaned.
pub(super) struct ShownName;

impl PartialSchema for ShownName {
    fn schema() -> RefOr<Schema> {
        let pattern = format!(r"^[^\s{HIDDEN}]([^{HIDDEN}]*[^\s{HIDDEN}])?$");
        let name = text("Name, chosen by a user.", &pattern, "ci");
        name.max_length(Some(NAME_CHARS_MAX)).into()
    }
}

impl ToSchema for ShownName {}

/// Types that stand as one of a few names.
macro_rules! names {
    ($($type:ty, $name:literal, $all:expr, $about:literal;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(from)?;
                let found = $all.iter().find(|one| one.as_str() == text);
                found.copied().ok_or_else(|| {
                    let names: Vec<&str> = $all.iter().map(|one| one.as_str()).collect();
                    Error::custom(format_args!("expected one of {}", names.join(", ")))
                })
            }
        }

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let names = $all.iter().map(|one| one.as_str());
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($about))
                    .enum_values(Some(names))
                    .into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )*};
}

names! {
    ProviderKind, "Provider", ProviderKind::ALL, "A kind of provider.";
    WebhookStatus, "WebhookStatus", WebhookStatus::ALL, "State of a connection's webhook.";
    ErrorCode, "ErrorCode", ErrorCode::ALL,
        "Stable name of an error. A name never changes its meaning.";
    Source, "DeliverySource", Source::ALL,
        "How a delivery reached Hookherd: sent by the provider, or fetched after it was missed.";
    OutcomeName, "DeliveryOutcome", OutcomeName::ALL, "Result of processing a delivery.";
    DeliveryStatus, "DeliveryState", DeliveryStatus::ALL, "State of a delivery.";
    IncidentStatus, "IncidentStatus", IncidentStatus::ALL, "State of an incident.";
    Severity, "Severity", Severity::ALL, "Severity of an incident.";
    IncidentSource, "IncidentSource", IncidentSource::ALL, "How an incident was detected.";
    ResolutionName, "Resolution", ResolutionName::ALL, "Why an incident was resolved.";
    Unread, "Unread", Unread::ALL, "Why a part of an explanation is missing.";
    Family, "RunFamily", Family::ALL, "The events that report a run.";
    RunStatusName, "RunStatus", RunStatusName::ALL, "State of a run.";
    Conclusion, "Conclusion", Conclusion::ALL, "Conclusion of a run.";
    SuspendReason, "SuspendReason", SuspendReason::ALL, "Why a connection was suspended.";
    RejectReason, "RejectReason", RejectReason::ALL, "Why a credential stopped working.";
    CommandKindName, "CommandKind", CommandKindName::ALL, "What is asked of a connection.";
    CommandStateName, "CommandState", CommandStateName::ALL, "State of a command.";
    ExplanationStateName, "ExplanationState", ExplanationStateName::ALL,
        "State of an explanation.";
    HealthState, "HealthState", HealthState::ALL, "Whether a webhook works.";
    ProvenBy, "HealthProof", ProvenBy::ALL, "What proved that a webhook works.";
    HealthCause, "HealthCause", HealthCause::ALL, "Why a webhook is not healthy.";
    RotationState, "RotationState", RotationState::ALL,
        "Whether former secrets are accepted, and why.";
    TimelineKind, "TimelineKind", TimelineKind::ALL, "What happened to an incident.";
    EntryKind, "HistoryKind", EntryKind::ALL, "What happened to a connection's webhook.";
    Evidence, "HistoryProof", Evidence::ALL,
        "How an entry of a history is known: the provider showed the webhook (`check`), confirmed \
         a write (`write`), refused or answered a call; a signed delivery arrived; pings remained \
         unanswered; it was requested; time passed; or Hookherd itself failed (`fault`).";
    Standing, "WebhookStanding", Standing::ALL,
        "Whose a webhook is: kept by a connection, made by Hookherd and unknown here (`orphan`; \
         `other_address`: a former address, or another Hookherd's; `misplaced`: a copy from \
         another repository), made by others for the same host (`same_receiver`), or another \
         receiver of the same events.";
    OtherState, "ExistingState", OtherState::ALL,
        "What becomes of a webhook of others: it was `found`, is being removed, was `removed`, \
         went by itself (`gone`), is left because it has changed, or because the provider refuses.";
    Reaction, "HistoryAction", Reaction::ALL, "What was done about an entry of a history.";
    CommandOutcome, "CommandOutcome", CommandOutcome::ALL, "What a command did.";
    ActionName, "BulkAction", ActionName::ALL, "What is asked of each item of an operation.";
    OperationStateName, "OperationState", OperationStateName::ALL, "State of an operation.";
    ItemOutcome, "ItemOutcome", ItemOutcome::ALL, "How an item of an operation ended.";
    Verdict, "PlanResult", Verdict::ALL, "What an operation would do, or why it would do nothing.";
    GapCause, "GapCause", GapCause::ALL, "Why deliveries were missed.";
    Loss, "Loss", Loss::ALL, "Why a missed delivery cannot be recovered.";
    SinkKind, "SinkKind", SinkKind::ALL, "A kind of sink.";
    SinkStateName, "SinkState", SinkStateName::ALL,
        "Whether a sink is used: it is not while its owner has paused it, or since it refused \
         everything (`disabled`).";
    DisableReason, "SinkDisabledReason", DisableReason::ALL, "Why a sink was disabled.";
    NotificationKind, "NotificationKind", NotificationKind::ALL, "What a notification is about.";
    NotificationStateName, "NotificationState", NotificationStateName::ALL,
        "State of a notification.";
    DropReason, "NotificationDropReason", DropReason::ALL, "Why a notification was not needed.";
    About, "IncidentAbout", About::ALL, "What an incident is about.";
    Day, "Day", Day::ALL, "A day of the week.";
    Every, "DigestInterval", Every::ALL, "How often a digest is sent.";
    Condition, "RuleCondition", Condition::ALL, "A condition of a rule.";
    Passes, "QuietHoursPass", Passes::ALL,
        "Least severity that is sent at any time; `none` if nothing is.";
    HookOutcome, "WebhookOutcome", HookOutcome::ALL,
        "State of the webhook at the provider after disconnecting.";
}

/// The names of values that carry more than their name.
macro_rules! only_names {
    ($($(#[$doc:meta])* $type:ident = $names:expr $(, $($of:ident)::+)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(&'static str);

        impl $type {
            /// All of them.
            pub const ALL: [Self; $names.len()] = {
                let mut all = [Self(""); $names.len()];
                let mut at = 0;
                while at < all.len() {
                    all[at] = Self($names[at]);
                    at += 1;
                }
                all
            };

            /// The name.
            pub const fn as_str(self) -> &'static str {
                self.0
            }
        }

        $(impl From<&$($of)::+> for $type {
            fn from(value: &$($of)::+) -> Self {
                Self(value.as_str())
            }
        })?
    )*};
}

only_names! {
    /// The name of an [`Outcome`].
    OutcomeName = Outcome::NAMES, Outcome;
    /// The name of a [`RunStatus`].
    RunStatusName = RunStatus::NAMES, RunStatus;
    /// The name of a [`Resolution`].
    ResolutionName = Resolution::NAMES, Resolution;
    /// The name of a [`CommandKind`].
    CommandKindName = CommandKind::NAMES, CommandKind;
    /// The name of a [`CommandState`].
    CommandStateName = CommandState::NAMES, CommandState;
    /// The name of an [`Action`].
    ActionName = Action::NAMES, Action;
    /// The name of an [`ExplanationState`].
    ExplanationStateName = ExplanationState::NAMES, ExplanationState;
    /// The name of an [`OperationState`].
    OperationStateName = OperationState::NAMES, OperationState;
    /// The name of a [`NotificationState`].
    NotificationStateName = NotificationState::NAMES, NotificationState;
    /// The name of a sink's state.
    SinkStateName = ["enabled", "paused", "disabled"];
    /// The least severity that quiet hours let pass.
    Passes = ["warning", "error", "critical", "none"];
    /// The name of a delivery's state.
    DeliveryStatus = ["received", "processed"];
}

impl From<SinkState> for SinkStateName {
    fn from(state: SinkState) -> Self {
        Self(state.as_str())
    }
}

impl DeliveryStatus {
    /// Stored, not yet processed.
    pub const RECEIVED: Self = Self::ALL[0];
    /// Processed.
    pub const PROCESSED: Self = Self::ALL[1];
}

/// RFC 3339 in UTC with milliseconds. Times outside the years 0 to 9999 are shown as the epoch: no
/// clock of ours makes them.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let nanos = i128::from(self.0) * 1_000_000;
        let moment = time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .filter(|moment| (0..=9999).contains(&moment.year()))
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let (date, clock) = (moment.date(), moment.time());
        to.collect_str(&format_args!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second(),
            clock.millisecond()
        ))
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom("date-time".into())))
            .description(Some("A time: RFC 3339, UTC, with milliseconds."))
            .examples(["2026-11-24T14:34:56.007Z"])
            .into()
    }
}

impl ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_530_896_007, "2026-11-24T14:34:56.007Z"),
            (i64::MAX, "1970-01-01T00:00:00.000Z"),
            (i64::MIN, "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(serde_json::to_value(Timestamp(ms)).unwrap(), text);
        }
    }
}
