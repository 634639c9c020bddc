//! Sinks and notifications in JSON.

use crate::api::schema::{NotificationStateName, SinkStateName};
use crate::domain::id::{IncidentId, NotificationId, SinkId};
use crate::domain::incident::Severity;
use crate::domain::notification::{self, DropReason, NotificationKind, NotificationState};
use crate::domain::sink::{self, DisableReason, SinkKind, SinkState};
use crate::domain::time::Timestamp;
use crate::notify::Receipt;
use crate::outbox::Tested;

/// When a sink was disabled, and why.
fn disabled(sink: &sink::Sink) -> Option<(Timestamp, DisableReason)> {
    match sink.state {
        SinkState::Disabled { at, reason } => Some((at, reason)),
        SinkState::Enabled | SinkState::Paused => None,
    }
}

/// What the answer to a message says, for people; `None` when the sink has accepted it.
fn why_not(receipt: &Receipt) -> Option<String> {
    match receipt {
        Receipt::Accepted { .. } => None,
        Receipt::Rejected { why }
        | Receipt::Disabled { why, .. }
        | Receipt::Refused { why, .. }
        | Receipt::Later { why, .. }
        | Receipt::Unsure { why } => Some(why.clone()),
    }
}

/// When a notification is due; when it ended; and why it failed, if it did.
fn times(it: &notification::Notification) -> (Option<Timestamp>, Option<Timestamp>) {
    match it.state {
        NotificationState::Waiting { due_at, .. } => (Some(due_at), None),
        NotificationState::Sent { at }
        | NotificationState::Dropped { at, .. }
        | NotificationState::Failed { at, .. } => (None, Some(at)),
    }
}

fn error_of(it: &notification::Notification) -> Option<String> {
    match &it.state {
        NotificationState::Waiting { error, .. } => error.clone(),
        NotificationState::Failed { error, .. } => Some(error.clone()),
        NotificationState::Sent { .. } | NotificationState::Dropped { .. } => None,
    }
}

const fn reason_of(it: &notification::Notification) -> Option<DropReason> {
    match it.state {
        NotificationState::Dropped { why, .. } => Some(why),
        NotificationState::Waiting { .. }
        | NotificationState::Sent { .. }
        | NotificationState::Failed { .. } => None,
    }
}

shapes! {
    /// A sink: where you are notified.
    Sink(sink: &sink::Sink) {
        /// Id of the sink.
        id: SinkId = sink.id,
        /// Name of the sink.
        #[schema(example = "team chat")]
        name: String = sink.name.clone(),
        /// Kind of the sink.
        kind: SinkKind = sink.kind,
        /// Host that is called. The rest of the address is not shown.
        #[schema(example = "hooks.example.com")]
        host: String = sink.host.clone(),
        /// Whether it is notified of resolved incidents.
        resolved: bool = sink.wants.resolved,
        /// Least severity of the incidents that it is notified of.
        severity: Severity = sink.wants.severity,
        /// Template of the title of its messages.
        title_template: Option<String> = sink.templates.title.clone(),
        /// Template of the text of its messages.
        text_template: Option<String> = sink.templates.text.clone(),
        /// Whether it is used.
        state: SinkStateName = sink.state.into(),
        /// When it was disabled.
        disabled_at: Option<Timestamp> = disabled(sink).map(|(at, _)| at),
        /// Why it was disabled.
        disabled_reason: Option<DisableReason> = disabled(sink).map(|(_, reason)| reason),
        /// Until when it has asked not to be called.
        hold_until: Option<Timestamp> = sink.hold_until,
        /// When it was added.
        created_at: Timestamp = sink.created_at,
    }

    /// A sink that was added or changed.
    AddedSink(sink: &sink::Sink, generated: Option<&str>) {
        /// The sink.
        #[serde(flatten)]
        sink: Sink = Sink::of(sink),
        /// The key that was generated to sign what it is sent. Shown only in this answer; null when
        /// none was generated.
        secret: Option<String> = generated.map(str::to_owned),
    }

    /// The result of a test.
    TestedSink(tested: &Tested) {
        /// Whether the sink has accepted the message.
        accepted: bool = matches!(tested.receipt, Receipt::Accepted { .. }),
        /// Why not.
        error: Option<String> = why_not(&tested.receipt),
        /// Why a template failed. The sample had the usual words then.
        template_error: Option<String> = tested.template_error.clone(),
        /// Time until the answer, in milliseconds.
        took_ms: u64 = u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX),
    }

    /// A notification: what a sink is sent about an incident.
    Notification(it: &notification::Notification) {
        /// Id of the notification: the same on each try.
        id: NotificationId = it.id,
        /// What it is about.
        kind: NotificationKind = it.kind,
        /// The incident.
        incident_id: IncidentId = it.incident,
        /// The sink.
        sink_id: SinkId = it.sink,
        /// State of the notification.
        state: NotificationStateName = (&it.state).into(),
        /// Why it was not needed.
        dropped_reason: Option<DropReason> = reason_of(it),
        /// How often it was tried.
        tries: u32 = it.tries,
        /// Why the last try failed.
        error: Option<String> = error_of(it),
        /// When it was planned.
        created_at: Timestamp = it.planned_at,
        /// When it is tried next.
        due_at: Option<Timestamp> = times(it).0,
        /// When it was sent, dropped or given up.
        ended_at: Option<Timestamp> = times(it).1,
    }
}
