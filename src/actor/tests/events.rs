//! What events of several kinds come to: failed jobs, families, new names.

use super::fakes::{ANN, Farm};
use crate::domain::command::CommandKind;
use crate::domain::connection::Connection;
use crate::domain::delivery::Outcome;
use crate::domain::incident::{Incident, IncidentSource, IncidentStatus, Resolution};
use crate::domain::run::Family;

/// Tells everything, and waits for the last of it.
async fn tell(farm: &Farm, connection: &Connection, bodies: &[&str]) -> Outcome {
    let mut last = None;
    for body in bodies {
        let id = farm.deliver(connection, body).await;
        last = Some(farm.outcome(id).await);
    }
    last.expect("something was told")
}

fn jobs(incident: &Incident) -> Vec<u64> {
    let ci = incident.ci.as_ref().expect("it is about CI");
    ci.failed_jobs.iter().map(|job| job.id).collect()
}

#[actix::test]
async fn an_incident_shows_the_failed_jobs_whichever_is_told_first() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let (farm, connection) = Farm::connected().await;
        let bodies = ["job 5 1 71", "5 1 failure", "job 5 1 72"];
        tell(&farm, &connection, &order.map(|nth| bodies[nth])).await;
        let incidents = farm.incidents(ANN);
        assert_eq!(incidents.len(), 1);
        assert_eq!(jobs(&incidents[0]), [71, 72]);
        let job = &incidents[0].ci.as_ref().unwrap().failed_jobs[0];
        assert_eq!(
            (job.name.as_str(), job.reason.as_deref()),
            ("job-71", Some("failure"))
        );
        assert_eq!(incidents[0].title, "CI failed: CI on main");
    }
}

#[actix::test]
async fn a_job_gives_no_verdict_and_touches_the_incident_that_shows_it() {
    let (farm, connection) = Farm::connected().await;
    let told = tell(&farm, &connection, &["job 5 1 71"]).await;
    assert!(matches!(told, Outcome::Run { incident: None, .. }));
    assert_eq!(farm.incidents(ANN), []);
    tell(&farm, &connection, &["5 1 failure"]).await;
    let told = tell(&farm, &connection, &["job 5 1 72"]).await;
    let id = farm.incidents(ANN)[0].id;
    assert!(matches!(told, Outcome::Run { incident: Some(touched), .. } if touched == id));
}

#[actix::test]
async fn each_failure_shows_what_failed_since_the_attempt_before_it() {
    let (farm, connection) = Farm::connected().await;
    let first = ["job 5 1 71", "5 1 failure"];
    tell(&farm, &connection, &first).await;
    // The second attempt was cancelled after a job had failed; the third failed.
    let again = ["5 3 failure", "job 5 2 72", "job 5 3 73"];
    tell(&farm, &connection, &again).await;
    let incidents = farm.incidents(ANN);
    assert_eq!(
        (jobs(&incidents[0]), incidents[0].occurrences),
        (vec![72, 73], 2)
    );
    // The second attempt's success is told late: it splits the incident.
    tell(&farm, &connection, &["5 2 success"]).await;
    let mut incidents = farm.incidents(ANN);
    incidents.sort_by_key(|incident| incident.status);
    assert_eq!(incidents.len(), 2);
    assert_eq!(incidents[0].status, IncidentStatus::Open);
    assert_eq!(jobs(&incidents[0]), [73]);
    assert_eq!(jobs(&incidents[1]), [71]);
    assert!(matches!(
        incidents[1].resolution,
        Some(Resolution::Passed(_))
    ));
}

#[actix::test]
async fn the_first_pass_after_a_failure_resolves_it_however_late_it_is_told() {
    let (farm, connection) = Farm::connected().await;
    tell(&farm, &connection, &["1 1 failure", "9 1 success"]).await;
    let before = farm.incidents(ANN)[0].clone();
    tell(&farm, &connection, &["4 1 success"]).await;
    let after = farm.incidents(ANN)[0].clone();
    assert_eq!(after.resolved_at.map(|at| at.0), Some(4));
    assert_ne!(before.resolution, after.resolution);
    farm.ask(connection.id, CommandKind::Resolve(after.id))
        .await;
    assert_eq!(farm.incidents(ANN), [after]);
}

#[actix::test]
async fn what_a_person_resolved_still_learns_what_is_told_late_and_stays_resolved() {
    let (farm, connection) = Farm::connected().await;
    tell(&farm, &connection, &["4 1 failure", "6 1 failure"]).await;
    let id = farm.incidents(ANN)[0].id;
    farm.ask(connection.id, CommandKind::Resolve(id)).await;
    let by_hand = farm.incidents(ANN)[0].clone();
    let late = ["job 6 1 71", "5 1 failure", "7 1 success"];
    tell(&farm, &connection, &late).await;
    let known = farm.store.incident(id).ready().unwrap().unwrap();
    assert_eq!((known.occurrences, jobs(&known)), (3, vec![71]));
    assert_eq!(known.resolution, Some(Resolution::ByHand));
    assert_eq!(known.resolved_at, by_hand.resolved_at);
    assert_eq!(farm.incidents(ANN).len(), 1);

    // A pass among its failures: what came before it had passed, and the rest stays resolved.
    tell(&farm, &connection, &["5 2 success"]).await;
    let mut incidents = farm.incidents(ANN);
    incidents.sort_by_key(|incident| incident.first_seen_at);
    let ends: Vec<_> = incidents
        .iter()
        .map(|i| (i.occurrences, i.resolution, jobs(i)))
        .collect();
    let by_hand = Some(Resolution::ByHand);
    assert_eq!(ends, [(2, by_hand, vec![]), (1, by_hand, vec![71])]);
}

#[actix::test]
async fn other_ci_is_followed_beside_actions_and_nothing_is_closed_for_it() {
    let (farm, connection) = Farm::connected().await;
    let all = [
        "statuses 1 1 failure",
        "of 1 1 failure",
        "checks 2 1 failure",
    ];
    tell(&farm, &connection, &all).await;
    let open = farm.incidents(ANN);
    assert!(open.iter().all(|i| i.status == IncidentStatus::Open));
    let mut families: Vec<_> = open.iter().map(|i| i.ci.as_ref().unwrap().family).collect();
    families.sort();
    assert_eq!(
        families,
        [Family::Statuses, Family::Checks, Family::Actions]
    );
    tell(&farm, &connection, &["of 3 1 success"]).await;
    let passed = farm.incidents(ANN);
    let passed = passed.iter().filter(|i| i.resolution.is_some());
    let families: Vec<_> = passed.map(|i| i.ci.as_ref().unwrap().family).collect();
    assert_eq!(families, [Family::Actions], "only its own kind mends");
}

#[actix::test]
async fn a_suite_of_actions_counts_only_as_long_as_no_run_has_told_of_it() {
    // Whichever is told first, and whether the run joins an incident that is open already or not.
    for before in [None, Some("of 4 1 failure")] {
        for order in [[0, 1], [1, 0]] {
            let (farm, connection) = Farm::connected().await;
            if let Some(before) = before {
                tell(&farm, &connection, &[before]).await;
            }
            let twins = ["suite 5 1 failure", "of 5 1 failure"];
            tell(&farm, &connection, &order.map(|nth| twins[nth])).await;
            let open: Vec<_> = farm.incidents(ANN).into_iter().collect();
            let open: Vec<_> = open.iter().filter(|i| i.resolution.is_none()).collect();
            assert_eq!(open.len(), 1, "{before:?} {order:?}");
            let ci = open[0].ci.as_ref().unwrap();
            assert_eq!(ci.family, Family::Actions);
            let twice = u32::from(before.is_some()) + 1;
            assert_eq!(open[0].occurrences, twice, "{before:?} {order:?}");
            let superseded = Some(Resolution::Superseded);
            assert!(
                farm.incidents(ANN)
                    .iter()
                    .all(|i| i.resolution != superseded)
            );
            let again = tell(&farm, &connection, &["suite 5 9 failure"]).await;
            assert_eq!(again, Outcome::Mirrored);
            tell(&farm, &connection, &["of 6 1 success"]).await;
            let ended = farm.incidents(ANN);
            assert!(ended.iter().all(|i| i.resolution.is_some()));
        }
    }
}

#[actix::test]
async fn a_suite_of_actions_alone_is_mended_by_itself_or_by_one_of_a_later_commit() {
    let (farm, connection) = Farm::connected().await;
    tell(&farm, &connection, &["suite 5 1 failure"]).await;
    assert_eq!(farm.incidents(ANN)[0].status, IncidentStatus::Open);
    // Another workflow's, of the same commit: it says nothing of this one.
    tell(&farm, &connection, &["suite 6 1 success"]).await;
    assert_eq!(farm.incidents(ANN)[0].status, IncidentStatus::Open);
    tell(&farm, &connection, &["suite 5 9 success"]).await;
    let passed = farm.incidents(ANN)[0].resolution;
    assert!(matches!(passed, Some(Resolution::Passed(_))));
}

#[actix::test]
async fn what_was_begun_before_its_branch_was_deleted_is_over_and_a_new_branch_begins_anew() {
    for order in [[0, 1], [1, 0]] {
        let (farm, connection) = Farm::connected().await;
        let told = ["5 1 failure", "deleted main 6"];
        tell(&farm, &connection, &order.map(|nth| told[nth])).await;
        let ended = farm.incidents(ANN)[0].clone();
        assert_eq!(ended.resolution, Some(Resolution::BranchDeleted));
        assert_eq!(ended.resolved_at.map(|at| at.0), Some(6));
        tell(&farm, &connection, &["7 1 failure", "8 1 failure"]).await;
        let open: Vec<_> = farm.incidents(ANN);
        let open: Vec<_> = open.iter().filter(|i| i.resolution.is_none()).collect();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].occurrences, 2);
        assert_eq!(open[0].repository, Some(connection.full_name.clone()));
    }
}

#[actix::test]
async fn what_cannot_be_read_is_an_incident_of_its_own() {
    let (farm, connection) = Farm::connected().await;
    let told = tell(&farm, &connection, &["gibberish"]).await;
    assert!(matches!(told, Outcome::DeadLetter { .. }));
    tell(&farm, &connection, &["more gibberish", "5 1 failure"]).await;
    let incidents = farm.incidents(ANN);
    let health = incidents
        .iter()
        .find(|i| i.failure_type == "delivery_unreadable")
        .expect("it is told");
    assert_eq!(health.source, IncidentSource::Health);
    assert_eq!(
        (health.occurrences, health.status),
        (2, IncidentStatus::Open)
    );
    assert!(!health.title.contains("gibberish"), "{}", health.title);
    assert_eq!(incidents.len(), 2, "and what can be read counts");
}

#[actix::test]
async fn a_payload_does_not_rename_a_repository_and_the_provider_does() {
    let (farm, connection) = Farm::connected().await;
    let checks = farm.provider.count("check");
    let told = tell(&farm, &connection, &["renamed evil/other"]).await;
    assert_eq!(told, Outcome::Recorded);
    farm.until(|| farm.provider.count("check") == checks + 1)
        .await;
    let settled = || !farm.get(connection.id).lifecycle.call_outstanding();
    farm.until(settled).await;
    let unmoved = farm.get(connection.id);
    assert_eq!(unmoved.full_name.as_str(), "o/r");
    assert_eq!(unmoved.repository, connection.repository);

    farm.provider.renames_the_repository("o/new");
    tell(&farm, &connection, &["renamed o/new"]).await;
    let named = || farm.get(connection.id).full_name.as_str() == "o/new";
    farm.until(named).await;
    assert_eq!(farm.provider.count("check"), checks + 2);
    assert_eq!(farm.provider.count("ensure"), 1);
}

#[actix::test]
async fn a_rename_that_is_told_while_paused_or_suspended_starts_nothing() {
    let (farm, connection) = Farm::connected().await;
    farm.ask(connection.id, CommandKind::SetEnabled(false))
        .await;
    let checks = farm.provider.count("check");
    let told = tell(&farm, &connection, &["renamed o/new"]).await;
    assert_eq!(told, Outcome::Paused);
    assert_eq!(farm.provider.count("check"), checks);
}
