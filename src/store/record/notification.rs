//! The frozen mirrors of sinks, notifications, and what was announced of incidents.

use super::codec::{Record, second_versions};
use super::wire::{Wire, codes, frozen, mirror, mirror_enum};
use crate::domain::id::{IncidentId, NotificationId, OwnerId, SinkId};
use crate::domain::incident::Severity;
use crate::domain::notification::{
    Announced, DropReason, Notification, NotificationKind, NotificationState, Shown, Standing,
    Thread,
};
use crate::domain::secret::Sealed;
use crate::domain::sink::{DisableReason, Sink, SinkKind, SinkState, Wants};
use crate::domain::time::Timestamp;

codes!(SinkKind {
    0 = Webhook, 1 = Slack, 2 = Mattermost, 3 = Discord, 4 = Teams, 5 = Ntfy, 6 = Gotify,
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
mirror!(SinkV1 of Sink {
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
});

codes!(NotificationKind { 0 = Opened, 1 = Reopened, 2 = Worse, 3 = Resolved });
codes!(DropReason {
    0 = Superseded, 1 = ResolvedBefore, 2 = NotWanted, 3 = SinkRemoved, 4 = IncidentGone,
    5 = NoAccess,
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
mirror!(NotificationV1 of Notification {
    id: NotificationId,
    owner: OwnerId,
    incident: IncidentId,
    sink: SinkId,
    kind: NotificationKind,
    planned_at: Timestamp,
    tries: u32,
    state: NotificationState,
});
mirror!(ThreadV1 of Thread {
    incident: IncidentId,
    sink: SinkId,
    shown: Shown,
    message: Option<String>,
});
mirror!(StandingV2 of Standing {
    is_resolved: bool,
    severity: Severity,
    muted_until: Option<Timestamp>,
});
frozen!(StandingV1 {
    is_resolved: bool,
    severity: u8
});
frozen!(AnnouncedV1 {
    incident: u128,
    standing: StandingV1,
    episode: u32
});
mirror!(AnnouncedV2 of Announced { incident: IncidentId, standing: Standing, episode: u32 });

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
            severity: standing.severity,
            muted_until: None,
        },
        episode,
    })
}

second_versions! { Announced = "announced incident" from unmuted }

/// Kinds of records that have one version.
macro_rules! first_versions {
    ($($domain:ident = $kind:literal),* $(,)?) => {$(
        impl Record for $domain {
            const VERSION: u8 = 1;
            const KIND: &'static str = $kind;
        }
    )*};
}
first_versions!(
    Sink = "sink",
    Notification = "notification",
    Thread = "message about an incident",
);

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::samples;

    #[test]
    fn every_state_comes_back() {
        round(DropReason::ALL.to_vec());
        round(NotificationKind::ALL.to_vec());
        round(Shown::ALL.to_vec());
        round(SinkKind::ALL.to_vec());
        let (at, id) = (Timestamp(-7), SinkId::from_u128(3));
        let states = DisableReason::ALL.map(|reason| SinkState::Disabled { at, reason });
        let states = [SinkState::Enabled, SinkState::Paused]
            .into_iter()
            .chain(states);
        let sinks = states.map(|state| Sink {
            state,
            hold_until: Some(at),
            ..samples::sink(id)
        });
        round(sinks.collect());
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
        let thread = Thread::new(IncidentId::from_u128(4), id);
        let shown = Thread {
            shown: Shown::Open,
            message: Some("17.5".into()),
            ..thread.clone()
        };
        round(vec![thread, shown]);
        let standing = Standing {
            is_resolved: true,
            severity: Severity::Critical,
            muted_until: Some(at),
        };
        round(vec![Announced {
            incident: IncidentId::from_u128(4),
            standing,
            episode: 2,
        }]);
    }
}
