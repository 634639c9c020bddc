//! Sinks and notifications in JSON.

use crate::api::resources::clock::clock;
use crate::api::schema::{NotificationStateName, SinkStateName};
use crate::domain::id::{IncidentId, NotificationId, SinkId};
use crate::domain::incident::Severity;
use crate::domain::notification::{self, DropReason, NotificationKind, NotificationState, Topic};
use crate::domain::rulebook::quiet::Day;
use crate::domain::sink::digest::{Digest, Every};
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
        Receipt::Accepted { .. } | Receipt::Partly { .. } => None,
        Receipt::Rejected { why }
        | Receipt::Disabled { why, .. }
        | Receipt::Refused { why, .. }
        | Receipt::Later { why, .. }
        | Receipt::Unsure { why } => Some(why.clone()),
    }
}

/// For whom a sink has not accepted a message that it has accepted for others.
fn refused_of(receipt: &Receipt) -> Option<String> {
    match receipt {
        Receipt::Partly { why, .. } => Some(why.clone()),
        Receipt::Accepted { .. }
        | Receipt::Rejected { .. }
        | Receipt::Disabled { .. }
        | Receipt::Refused { .. }
        | Receipt::Later { .. }
        | Receipt::Unsure { .. } => None,
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

/// The time of a digest.
const fn time_of(it: &notification::Notification) -> Option<(Timestamp, Timestamp)> {
    match it.topic {
        Topic::Incident(_) => None,
        Topic::Time { since, until } => Some((since, until)),
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
        /// When it gets a digest; null when it gets none.
        digest: Option<SinkDigest> = sink.digest.as_ref().map(SinkDigest::of),
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

    /// When a sink gets a digest.
    SinkDigest(it: &Digest) {
        /// How often.
        every: Every = it.schedule.every,
        /// Day of a weekly digest.
        day: Option<Day> = (it.schedule.every == Every::Week).then_some(it.schedule.day),
        /// Time of the day.
        #[schema(example = "09:00")]
        at: String = clock(it.schedule.minute),
        /// Time zone, by IANA.
        #[schema(example = "Europe/Berlin")]
        time_zone: String = it.schedule.time_zone.clone(),
        /// Whether it is sent also when there is nothing to say.
        empty: bool = it.schedule.sends_empty,
        /// End of the time that was last reported, or when the digest was set up.
        covered_until: Timestamp = it.covered_until,
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
        accepted: bool = matches!(
            tested.receipt,
            Receipt::Accepted { .. } | Receipt::Partly { .. }
        ),
        /// Why not.
        error: Option<String> = why_not(&tested.receipt),
        /// Recipients for whom it has not accepted the message, and why; null when it has for all.
        refused: Option<String> = refused_of(&tested.receipt),
        /// Why a template failed. The sample had the usual words then.
        template_error: Option<String> = tested.template_error.clone(),
        /// Time until the answer, in milliseconds.
        took_ms: u64 = u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX),
    }

    /// A notification: what a sink is sent about an incident, or a digest.
    Notification(it: &notification::Notification) {
        /// Id of the notification: the same on each try.
        id: NotificationId = it.id,
        /// What it is about.
        kind: NotificationKind = it.kind,
        /// The incident. Null for a digest.
        incident_id: Option<IncidentId> = it.incident(),
        /// Beginning of the time of a digest.
        since: Option<Timestamp> = time_of(it).map(|(since, _)| since),
        /// End of the time of a digest.
        until: Option<Timestamp> = time_of(it).map(|(_, until)| until),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    #[test]
    fn a_test_that_was_accepted_in_part_says_for_whom_not() {
        let tested = |receipt| {
            let tested = Tested {
                receipt,
                took: Duration::from_millis(7),
                template_error: None,
            };
            serde_json::to_value(TestedSink::of(&tested)).unwrap()
        };
        let (message, why) = (
            None,
            "Refused recipients: bob@example.org (550).".to_owned(),
        );
        let partly = tested(Receipt::Partly { message, why });
        assert_eq!(
            (&partly["accepted"], &partly["error"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(
            partly["refused"],
            "Refused recipients: bob@example.org (550)."
        );
        let message = None;
        assert_eq!(
            tested(Receipt::Accepted { message })["refused"],
            Value::Null
        );
    }
}
