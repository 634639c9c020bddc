//! An incident is reported, acknowledged and ended once.

use super::*;
use crate::domain::connection::Connection;
use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::incident::health::{HealthFailure, HealthKind, report, resolve_all};
use crate::domain::incident::track::{End, Reported, TrackKey};
use crate::domain::lane::Lane;
use crate::domain::lifecycle::SuspendReason;
use crate::domain::rule::{Reopening, Verdict};
use crate::domain::run::{Conclusion, Family, Position};
use crate::domain::samples::{ANN, connection};

const T1: Timestamp = Timestamp(1000);
const T2: Timestamp = Timestamp(2000);

fn suspended(of: &Connection) -> Incident {
    let failure = HealthFailure::HookSuspended(of, SuspendReason::Unauthorized);
    report(failure, 1, Vec::new(), IncidentId::from_u128(7), T1)
}

#[test]
fn a_failure_that_is_reported_again_counts_in_the_incident_that_is_open() {
    let connection = connection(1, "ann/api");
    let first = suspended(&connection);
    assert_eq!((first.occurrences, first.first_seen_at), (1, T1));
    let another = IncidentId::from_u128(8);
    let failure = HealthFailure::HookSuspended(&connection, SuspendReason::Panics);
    let again = report(failure, 3, vec![first.clone()], another, T2);
    assert_eq!(again.id, first.id);
    assert_eq!(
        (again.occurrences, again.first_seen_at, again.last_seen_at),
        (4, T1, T2)
    );
    assert_ne!(again.title, first.title, "it says what is so now");
    // Of another kind it is another incident.
    let silent = report(
        HealthFailure::HookSilent(&connection),
        1,
        vec![first],
        another,
        T2,
    );
    assert_eq!((silent.id, silent.occurrences), (another, 1));
    assert!(HealthKind::HookSuspended.find(vec![silent]).is_none());
}

#[test]
fn it_is_acknowledged_once_and_never_after_its_end() {
    let mut incident = suspended(&connection(1, "ann/api"));
    assert_eq!(incident.acknowledge(ANN, T1), Ok(true));
    assert_eq!(incident.acknowledge(ANN, T2), Ok(false));
    assert_eq!(incident.acknowledged_at, Some(T1));
    assert!(incident.resolve(Resolution::Recovered, T2));
    assert_eq!(incident.acknowledge(ANN, T2), Err(Unacted::Resolved));
    assert!(
        !incident.resolve(Resolution::ByHand, T1),
        "the first end counts"
    );
    assert_eq!(incident.resolution, Some(Resolution::Recovered));
    assert_eq!(incident.resolved_at, Some(T2));
    let ended: Vec<_> = resolve_all(vec![incident], Resolution::Disconnected, T1).collect();
    assert_eq!(ended[0].resolution, Some(Resolution::Recovered));
}

#[test]
fn closed_by_hand_its_track_is_cut_off_there() {
    let key = TrackKey {
        connection: ConnectionId::from_u128(1),
        family: Family::Actions,
        workflow: "77".into(),
        lane: Lane::of_branch("push", "main".into()),
    };
    let mut track = Track::new(key);
    let (number, attempt) = (1, 1);
    let reported = Reported {
        end: End {
            position: Position { number, attempt },
            at: T1,
            conclusion: Conclusion::Failure,
        },
        verdict: Verdict::Failed,
        run: RunId::from_u128(1),
        began: T1,
        mark: 0,
        reopening: Reopening::default(),
    };
    let id = IncidentId::from_u128(7);
    assert_eq!(track.take(reported, || id).changed, [id]);
    let group = track.group(id).unwrap();
    let source = crate::domain::incident::IncidentSource::Webhook;
    let mut incident = Incident::of_group(&group, &connection(1, "ann/api"), source, T1);
    assert_eq!(
        (incident.status, incident.occurrences),
        (IncidentStatus::Open, 1)
    );
    assert_eq!(incident.failure_type, "failure");
    assert!(incident.close_by_hand(Some(&mut track), ANN, T2));
    assert!(
        !incident.close_by_hand(Some(&mut track), ANN, T2),
        "it is closed"
    );
    // The track agrees: nothing that is derived from it opens the incident again.
    let before = incident.clone();
    incident.follow(&track.group(id).unwrap(), T2);
    assert_eq!(incident, before);
}
