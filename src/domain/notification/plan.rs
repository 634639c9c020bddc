//! Which notifications the news of an incident calls for.

use super::{Announced, NotificationKind, Shown, Thread};
use crate::domain::id::SinkId;
use crate::domain::incident::{Incident, Severity, Subject};
use crate::domain::rulebook::decide::Decision;
use crate::domain::sink::{Sink, SinkState};
use std::time::Duration;

/// What is to be done about the news of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is stored as announced with it.
    pub announced: Announced,
    /// The sinks that get a notification, and its kind.
    pub notify: Vec<(SinkId, NotificationKind)>,
}

/// For how long an incident that flaps has to pass before sinks are notified of its end. If it
/// fails before, they are notified of neither.
pub const SETTLE: Duration = Duration::from_hours(24);

/// How long the end of an incident waits.
pub fn wait_of_end(incident: &Incident, announced: &Announced) -> Duration {
    if incident.is_flapping && announced.has_flapped {
        SETTLE
    } else {
        Duration::ZERO
    }
}

/// Whether a sink is notified of incidents of this severity. What a disabled one is to be sent
/// waits until it is enabled again, and is sent if it still matters then.
fn is_wanted(sink: &Sink, severity: Severity, decision: &Decision) -> bool {
    decision.includes(sink.id) && sink.state != SinkState::Paused && severity >= sink.wants.severity
}

/// The plan for an incident that stands otherwise than it was last announced. `sinks` are all of
/// the owner's; `threads` are those of the incident, at sinks that got, or are to get, any of its
/// notifications: only they are notified of its end, whatever they want by now. `decision` is what
/// the owner's rules say.
pub fn plan(
    incident: &Incident,
    announced: Option<&Announced>,
    sinks: &[Sink],
    threads: &[Thread],
    decision: &Decision,
) -> Plan {
    let standing = incident.standing();
    let was = announced.map(|announced| announced.standing);
    let was_open = was.is_some_and(|was| !was.is_resolved);
    let had_flapped = announced.is_some_and(|announced| announced.has_flapped);
    let kind = match (was_open, standing.is_resolved) {
        (_, false) if standing.is_flapping && !had_flapped => Some(NotificationKind::Flapping),
        (false, true) => None,
        (true, true) => Some(NotificationKind::Resolved),
        (false, false) if was.is_some() => Some(NotificationKind::Reopened),
        (false, false) => Some(NotificationKind::Opened),
        // It fails, and that lasts.
        (true, false) if had_flapped && !standing.is_flapping => Some(NotificationKind::Reopened),
        (true, false) => {
            let is_worse = was.is_some_and(|was| was.severity < standing.severity);
            is_worse.then_some(NotificationKind::Worse)
        }
    };
    let opens = kind.is_some_and(NotificationKind::opens);
    let known = |sink: &Sink| threads.iter().find(|thread| thread.sink == sink.id);
    // What is wrong with a sink is for the others.
    let is_about = |sink: &Sink| incident.subject == Subject::Sink(sink.id);
    let concerns = |sink: &&Sink| match kind {
        // Reminders are planned when a message is accepted, and digests by their hour.
        None | Some(NotificationKind::Reminded | NotificationKind::Digest) => false,
        Some(NotificationKind::Resolved) => known(sink).is_some(),
        // A sink that wants only the more severe hears of this one now.
        Some(NotificationKind::Worse) => is_wanted(sink, standing.severity, decision),
        // One that shows it as open has to hear that it is, or its end would never reach it.
        Some(
            NotificationKind::Opened | NotificationKind::Reopened | NotificationKind::Flapping,
        ) => {
            is_wanted(sink, standing.severity, decision)
                || known(sink).is_some_and(|thread| thread.shown == Shown::Open)
        }
    };
    let reached = sinks.iter().filter(|sink| !is_about(sink)).filter(concerns);
    // One that has not heard of the end hears of no second beginning, yet of the severity.
    let is_worse = |thread: &Thread| {
        let severity = thread.severity.or(was.map(|was| was.severity));
        thread.shown == Shown::Open && severity.is_some_and(|it| it < standing.severity)
    };
    let for_it = |sink: &Sink| match kind? {
        NotificationKind::Reopened if known(sink).is_some_and(is_worse) => {
            Some((sink.id, NotificationKind::Worse))
        }
        kind => Some((sink.id, kind)),
    };
    let notify = reached.filter_map(for_it).collect();
    let episodes = announced.map_or(0, |announced| announced.episode);
    Plan {
        announced: Announced {
            incident: incident.id,
            standing,
            episode: episodes.saturating_add(u32::from(opens && !was_open)),
            has_flapped: standing.is_flapping
                && (had_flapped || kind == Some(NotificationKind::Flapping)),
        },
        notify,
    }
}
