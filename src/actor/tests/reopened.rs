//! Failures after a pass, which open the incident before it again. Run `n` ends `n` milliseconds
//! after the epoch.

use super::fakes::Farm;
use crate::domain::command::CommandKind;
use crate::domain::connection::Connection;
use crate::domain::incident::timeline::{EntryKind, timeline};
use crate::domain::incident::{Incident, IncidentStatus, Resolution};
use crate::domain::rule::{Reopening, Rules};
use crate::domain::samples::ANN;
use std::time::Duration;

async fn farm() -> (Farm, Connection) {
    let (mut farm, connection) = Farm::connected().await;
    farm.settings.rules = Rules::default().reopens(Reopening {
        within: Duration::from_mins(30),
        when_flapping: true,
    });
    farm.restart().await;
    (farm, connection)
}

fn kinds(farm: &Farm, incident: &Incident) -> Vec<EntryKind> {
    let track = &incident.ci.as_ref().unwrap().track;
    let track = farm.store.track(track).ready().unwrap();
    let entries = timeline(incident, track.as_ref());
    let mut kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
    kinds.sort_unstable();
    kinds
}

#[actix::test]
async fn a_failure_soon_after_a_pass_opens_the_incident_again_for_all_to_see() {
    use EntryKind as K;
    let (mut farm, connection) = farm().await;
    farm.process(&connection, "1 1 failure").await;
    let id = farm.incidents(ANN)[0].id;
    farm.ask(connection.id, CommandKind::Acknowledge(id)).await;
    farm.process(&connection, "2 1 success").await;
    farm.restart().await;
    farm.process(&connection, "3 1 failure").await;
    let [incident] = &farm.incidents(ANN)[..] else {
        panic!("it is one: {:?}", farm.incidents(ANN));
    };
    let is_open = (incident.status, incident.resolution) == (IncidentStatus::Open, None);
    assert!(is_open, "it needs a person again: {incident:?}");
    assert_eq!((incident.id, incident.occurrences), (id, 2));
    let expected = [
        K::Opened,
        K::Failed,
        K::Acknowledged,
        K::Resolved,
        K::Reopened,
    ];
    assert_eq!(kinds(&farm, incident), expected);
    farm.process(&connection, "4 1 success").await;
    assert_eq!(farm.incidents(ANN)[0].status, IncidentStatus::Resolved);
    // What a user resolved stays resolved.
    farm.process(&connection, "5 1 failure").await;
    farm.ask(connection.id, CommandKind::Resolve(id)).await;
    farm.process(&connection, "6 1 failure").await;
    assert_eq!(farm.incidents(ANN).len(), 2);
}

#[actix::test]
async fn an_incident_that_a_late_report_joins_to_another_is_resolved_so() {
    let (farm, connection) = farm().await;
    for report in ["1 1 failure", "2 1 success", "1800003 1 failure"] {
        farm.process(&connection, report).await;
    }
    let incidents = farm.incidents(ANN);
    let (first, second) = (incidents[1].id, incidents[0].id);
    assert!(first < second);
    farm.process(&connection, "1000 1 failure").await;
    let of = |id| farm.store.incident(id).ready().unwrap().unwrap();
    let (first, second) = (of(first), of(second));
    assert_eq!(first.status, IncidentStatus::Open);
    assert_eq!(first.occurrences, 3);
    let is_joined = second.resolution == Some(Resolution::Joined);
    assert!(is_joined && second.status == IncidentStatus::Resolved);
    farm.process(&connection, "1800004 1 success").await;
    assert_eq!(of(second.id), second, "nothing concerns it any more");
    assert_eq!(of(first.id).status, IncidentStatus::Resolved);
}

#[actix::test]
async fn an_incident_flaps_until_its_workflow_is_steady() {
    let (farm, connection) = farm().await;
    for number in 1..8 {
        let conclusion = if number % 2 == 1 {
            "failure"
        } else {
            "success"
        };
        farm.process(&connection, &format!("{number} 1 {conclusion}"))
            .await;
    }
    let incident = farm.incidents(ANN)[0].clone();
    assert!(incident.is_flapping && incident.occurrences == 4);
    for number in 8..25 {
        assert!(farm.incidents(ANN)[0].is_flapping, "{number}");
        farm.process(&connection, &format!("{number} 1 success"))
            .await;
    }
    let steady = farm.incidents(ANN)[0].clone();
    assert!(!steady.is_flapping);
    let passed = matches!(steady.resolution, Some(Resolution::Passed(_)));
    assert!(passed && steady.id == incident.id);
}
