//! The frozen mirrors of sinks, notifications, and what was announced of incidents.

use super::codec::{Record, RecordError, plain, second_versions};
use super::wire::{Wire, codes, frozen, mirror, mirror_enum};
use crate::domain::id::{IncidentId, NotificationId, OwnerId, SinkId};
use crate::domain::incident::Severity;
use crate::domain::notification::{
    Announced, DropReason, Notification, NotificationKind, NotificationState, Shown, Standing,
    Thread, Topic,
};
use crate::domain::rulebook::quiet::Day;
use crate::domain::secret::Sealed;
use crate::domain::sink::digest::{Digest, Every, Schedule};
use crate::domain::sink::template::Templates;
use crate::domain::sink::{DisableReason, Sink, SinkKind, SinkState, Wants};
use crate::domain::time::Timestamp;

codes!(SinkKind {
    0 = Webhook, 1 = Slack, 2 = Mattermost, 3 = Discord, 4 = Teams, 5 = Ntfy, 6 = Gotify,
    7 = Pagerduty, 8 = Alertmanager,
    9 = Email, 10 = Telegram, 11 = Matrix, 12 = SlackBot, 13 = GithubIssue,
});
codes!(DisableReason {
    0 = Gone, 1 = NotFound, 2 = Refused, 3 = AddressRefused, 4 = Sealed,
});
mirror_enum!(SinkStateV1 of SinkState {
    Enabled,
    Paused,
    Disabled { at: Timestamp, reason: DisableReason },
});
mirror!(WantsV1 of Wants { resolved: bool, severity: Severity });
mirror!(TemplatesV1 of Templates { title: Option<String>, text: Option<String> });
codes!(Every { 0 = Day, 1 = Week });
mirror!(ScheduleV1 of Schedule {
    every: Every,
    day: Day,
    minute: u16,
    time_zone: String,
    sends_empty: bool,
});
mirror!(DigestV1 of Digest {
    schedule: Schedule,
    covered_until: Timestamp,
    kept: Vec<NotificationId>,
});
mirror!(SinkV4 of Sink {
    id: SinkId,
    owner: OwnerId,
    name: String,
    kind: SinkKind,
    host: String,
    target: Sealed,
    wants: Wants,
    state: SinkState,
    hold_until: Option<Timestamp>,
    created_at: Timestamp,
    address: u32,
    templates: Templates,
    digest: Option<Digest>,
    failing_since: Option<Timestamp>,
});

codes!(NotificationKind {
    0 = Opened, 1 = Reopened, 2 = Worse, 3 = Resolved, 4 = Flapping, 10 = Reminded, 11 = Digest,
});
codes!(DropReason {
    0 = Superseded, 1 = ResolvedBefore, 2 = NotWanted, 3 = SinkRemoved, 4 = IncidentGone,
    5 = NoAccess, 6 = NothingToSay,
});
codes!(Shown { 0 = Nothing, 1 = Open, 2 = Resolved });
mirror_enum!(NotificationStateV1 of NotificationState {
    Waiting {
        due_at: Timestamp,
        is_unsure: bool,
        tried_at: Option<Timestamp>,
        error: Option<String>,
    },
    Sent { at: Timestamp },
    Dropped { at: Timestamp, why: DropReason },
    Failed { at: Timestamp, error: String },
});
mirror_enum!(TopicV1 of Topic {
    Incident(IncidentId),
    Time { since: Timestamp, until: Timestamp },
});
mirror!(NotificationV2 of Notification {
    id: NotificationId,
    owner: OwnerId,
    topic: Topic,
    sink: SinkId,
    kind: NotificationKind,
    planned_at: Timestamp,
    tries: u32,
    state: NotificationState,
});
mirror!(ThreadV3 of Thread {
    incident: IncidentId,
    sink: SinkId,
    shown: Shown,
    severity: Option<Severity>,
    message: Option<String>,
    address: u32,
});
mirror!(StandingV2 of Standing {
    is_resolved: bool,
    is_flapping: bool,
    severity: Severity,
    muted_until: Option<Timestamp>,
});
frozen!(StandingV1 {
    is_resolved: bool,
    severity: u8
});
// The first version knew no digests.
frozen!(NotificationV1 {
    id: u128,
    owner: u128,
    incident: u128,
    sink: u128,
    kind: u8,
    planned_at: i64,
    tries: u32,
    state: NotificationStateV1,
});
frozen!(AnnouncedV1 {
    incident: u128,
    standing: StandingV1,
    episode: u32
});
mirror!(AnnouncedV2 of Announced {
    incident: IncidentId,
    standing: Standing,
    episode: u32,
    has_flapped: bool,
});

fn of_incident(v1: NotificationV1) -> Option<Notification> {
    Notification::from_wire(NotificationV2 {
        id: v1.id,
        owner: v1.owner,
        topic: TopicV1::Incident { inner: v1.incident },
        sink: v1.sink,
        kind: v1.kind,
        planned_at: v1.planned_at,
        tries: v1.tries,
        state: v1.state,
    })
}

/// Incidents could not be muted.
fn unmuted(v1: AnnouncedV1) -> Option<Announced> {
    let AnnouncedV1 {
        incident,
        standing,
        episode,
    } = v1;
    Announced::from_wire(AnnouncedV2 {
        incident,
        standing: StandingV2 {
            is_resolved: standing.is_resolved,
            is_flapping: false,
            severity: standing.severity,
            muted_until: None,
        },
        episode,
        has_flapped: false,
    })
}

// What the first version wrote: it did not count addresses.
frozen!(SinkV1 {
    id: u128,
    owner: u128,
    name: String,
    kind: u8,
    host: String,
    target: Vec<u8>,
    wants: WantsV1,
    state: SinkStateV1,
    hold_until: Option<i64>,
    created_at: i64,
});
// The second had no templates and no digest.
frozen!(SinkV2 {
    id: u128,
    owner: u128,
    name: String,
    kind: u8,
    host: String,
    target: Vec<u8>,
    wants: WantsV1,
    state: SinkStateV1,
    hold_until: Option<i64>,
    created_at: i64,
    address: u32,
});
frozen!(SinkV3 {
    id: u128,
    owner: u128,
    name: String,
    kind: u8,
    host: String,
    target: Vec<u8>,
    wants: WantsV1,
    state: SinkStateV1,
    hold_until: Option<i64>,
    created_at: i64,
    address: u32,
    templates: TemplatesV1,
    digest: Option<DigestV1>,
});
frozen!(ThreadV1 {
    incident: u128,
    sink: u128,
    shown: u8,
    message: Option<String>,
});

frozen!(ThreadV2 {
    incident: u128,
    sink: u128,
    shown: u8,
    message: Option<String>,
    address: u32,
});

fn counted(old: SinkV1) -> SinkV2 {
    SinkV2 {
        id: old.id,
        owner: old.owner,
        name: old.name,
        kind: old.kind,
        host: old.host,
        target: old.target,
        wants: old.wants,
        state: old.state,
        hold_until: old.hold_until,
        created_at: old.created_at,
        address: 0,
    }
}

fn plain_worded(old: SinkV2) -> SinkV3 {
    SinkV3 {
        id: old.id,
        owner: old.owner,
        name: old.name,
        kind: old.kind,
        host: old.host,
        target: old.target,
        wants: old.wants,
        state: old.state,
        hold_until: old.hold_until,
        created_at: old.created_at,
        address: old.address,
        templates: Templates::default().to_wire(),
        digest: None,
    }
}

fn sink_of_third(old: SinkV3) -> Option<Sink> {
    Sink::from_wire(SinkV4 {
        id: old.id,
        owner: old.owner,
        name: old.name,
        kind: old.kind,
        host: old.host,
        target: old.target,
        wants: old.wants,
        state: old.state,
        hold_until: old.hold_until,
        created_at: old.created_at,
        address: old.address,
        templates: old.templates,
        digest: old.digest,
        failing_since: None,
    })
}

impl Record for Sink {
    const VERSION: u8 = 4;
    const KIND: &'static str = "sink";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        let third = match version {
            1 => plain_worded(counted(plain(bytes)?)),
            2 => plain_worded(plain(bytes)?),
            3 => plain(bytes)?,
            _ => return Err(RecordError::Damaged),
        };
        sink_of_third(third).ok_or(RecordError::Damaged)
    }
}

fn at_first_address(old: ThreadV1) -> ThreadV2 {
    ThreadV2 {
        incident: old.incident,
        sink: old.sink,
        shown: old.shown,
        message: old.message,
        address: 0,
    }
}

fn thread_of_second(old: ThreadV2) -> Option<Thread> {
    Thread::from_wire(ThreadV3 {
        incident: old.incident,
        sink: old.sink,
        shown: old.shown,
        severity: None,
        message: old.message,
        address: old.address,
    })
}

impl Record for Thread {
    const VERSION: u8 = 3;
    const KIND: &'static str = "message about an incident";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        let second = match version {
            1 => at_first_address(plain(bytes)?),
            2 => plain(bytes)?,
            _ => return Err(RecordError::Damaged),
        };
        thread_of_second(second).ok_or(RecordError::Damaged)
    }
}

second_versions! {
    Announced = "announced incident" from unmuted,
    Notification = "notification" from of_incident,
}

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::samples;

    #[test]
    fn every_state_of_a_sink_comes_back() {
        let (at, id) = (Timestamp(-7), SinkId::from_u128(3));
        let states = DisableReason::ALL.map(|reason| SinkState::Disabled { at, reason });
        let states = [SinkState::Enabled, SinkState::Paused]
            .into_iter()
            .chain(states);
        let sinks = states.map(|state| Sink {
            state,
            hold_until: Some(at),
            failing_since: Some(at),
            address: 3,
            templates: Templates {
                title: Some("{{ title }}".into()),
                text: None,
            },
            digest: Some(Digest {
                schedule: Schedule {
                    every: Every::Week,
                    day: Day::Sunday,
                    minute: 540,
                    time_zone: "Europe/Berlin".into(),
                    sends_empty: true,
                },
                covered_until: at,
                kept: vec![NotificationId::from_u128(9)],
            }),
            ..samples::sink(id)
        });
        round(sinks.collect());
    }

    #[test]
    fn every_state_comes_back() {
        round(DropReason::ALL.to_vec());
        round(NotificationKind::ALL.to_vec());
        round(Shown::ALL.to_vec());
        round(SinkKind::ALL.to_vec());
        let (at, id) = (Timestamp(-7), SinkId::from_u128(3));
        let states = [
            NotificationState::Waiting {
                due_at: at,
                is_unsure: true,
                tried_at: Some(at),
                error: Some("refused".into()),
            },
            NotificationState::Sent { at },
            NotificationState::Dropped {
                at,
                why: DropReason::NoAccess,
            },
            NotificationState::Failed {
                at,
                error: "gone".into(),
            },
        ];
        let notifications = states.map(|state| Notification {
            state,
            ..samples::notification(5, IncidentId::from_u128(4), id)
        });
        round(notifications.to_vec());
        let (since, until) = (at, Timestamp(9));
        round(vec![Notification {
            topic: Topic::Time { since, until },
            ..samples::notification(5, IncidentId::from_u128(4), id)
        }]);
        let thread = Thread::new(IncidentId::from_u128(4), id);
        let shown = Thread {
            shown: Shown::Open,
            severity: Some(Severity::Critical),
            message: Some("17.5".into()),
            address: 300,
            ..thread.clone()
        };
        round(vec![thread, shown]);
        let standing = Standing {
            is_resolved: true,
            is_flapping: true,
            severity: Severity::Critical,
            muted_until: Some(at),
        };
        round(vec![Announced {
            incident: IncidentId::from_u128(4),
            standing,
            episode: 2,
            has_flapped: true,
        }]);
    }
}
