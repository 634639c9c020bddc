//! What people do with incidents: as commands, once, also over a restart; and passes of the commit
//! that had failed.

use super::fakes::Farm;
use crate::actor::CommandError;
use crate::domain::command::CommandKind;
use crate::domain::incident::care::{Deed, NOTES_MAX, Tending};
use crate::domain::incident::timeline::{EntryKind, timeline};
use crate::domain::incident::{IncidentStatus, Resolution};
use crate::domain::samples::ANN;
use crate::domain::time::Timestamp;

fn note(text: &str) -> Tending {
    Tending::Note(text.into())
}

#[actix::test]
async fn what_people_do_with_an_incident_stays_with_it_while_it_fails_and_over_a_restart() {
    use EntryKind as K;
    let (mut farm, connection) = Farm::connected().await;
    farm.process(&connection, "1 1 failure").await;
    let id = farm.incidents(ANN)[0].id;
    let until = Timestamp(4_000_000_000_000);
    let tend = |act| CommandKind::Tend { incident: id, act };
    farm.ask(connection.id, CommandKind::Acknowledge(id)).await;
    for act in [
        Tending::Assign(Some(ANN)),
        Tending::Mute(until),
        note("one"),
        Tending::Unmute,
    ] {
        farm.ask(connection.id, tend(act)).await;
    }
    farm.process(&connection, "2 1 failure").await;
    farm.restart().await;
    farm.process(&connection, "3 1 success").await;
    let incident = farm.incidents(ANN)[0].clone();
    assert_eq!(incident.status, IncidentStatus::Resolved);
    assert_eq!(incident.care.assignee, Some(ANN));
    assert_eq!(incident.care.muted_until, None);
    assert!(incident.care.log.iter().all(|entry| entry.by == Some(ANN)));
    let track = &incident.ci.as_ref().unwrap().track;
    let track = farm.store.track(track).ready().unwrap();
    let mut kinds: Vec<_> = timeline(&incident, track.as_ref())
        .iter()
        .map(|entry| entry.kind)
        .collect();
    assert_eq!(kinds[0], K::Opened);
    kinds.sort_unstable();
    let mut expected = [
        K::Opened,
        K::Failed,
        K::Acknowledged,
        K::Assigned,
        K::Muted,
        K::Unmuted,
        K::Note,
        K::Resolved,
    ];
    expected.sort_unstable();
    assert_eq!(kinds, expected);
    // It has ended: notes are still possible, up to their number; a mute is not.
    let refused = farm
        .command(connection.id, tend(Tending::Mute(until)))
        .await;
    assert!(matches!(refused, Err(CommandError::NotNow(_))));
    for n in 1..NOTES_MAX {
        farm.ask(connection.id, tend(note(&n.to_string()))).await;
    }
    let refused = farm.command(connection.id, tend(note("more"))).await;
    assert!(matches!(refused, Err(CommandError::NotNow(_))));
}

#[actix::test]
async fn who_resolved_an_incident_is_in_its_log_and_late_reports_do_not_change_that() {
    let (farm, connection) = Farm::connected().await;
    farm.process(&connection, "2 1 failure").await;
    let id = farm.incidents(ANN)[0].id;
    farm.ask(connection.id, CommandKind::Resolve(id)).await;
    for late in ["1 1 failure", "3 1 success", "2 1 failure"] {
        farm.process(&connection, late).await;
    }
    let incident = farm.store.incident(id).ready().unwrap().unwrap();
    assert_eq!(incident.resolution, Some(Resolution::ByHand));
    assert!(!incident.is_flaky);
    let log = &incident.care.log;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].what, Deed::Resolved(Resolution::ByHand));
    assert_eq!(
        (log[0].by, Some(log[0].at)),
        (Some(ANN), incident.resolved_at)
    );
}
