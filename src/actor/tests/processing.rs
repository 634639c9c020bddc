//! Deliveries: processed once, in any order, whatever falls over.

use super::dialect::TEST_EVENT;
use super::fakes::{ANN, BOB, Farm, make_user};
use crate::actor::settings::Settings;
use crate::actor::supervise::Policy;
use crate::actor::{CommandError, Connections};
use crate::domain::command::CommandKind;
use crate::domain::connection::WebhookStatus;
use crate::domain::delivery::{DeliveryState, Outcome};
use crate::domain::event::{Decoded, Event};
use crate::domain::id::{DeliveryId, UserId};
use crate::domain::incident::{Incident, IncidentStatus, Resolution};
use crate::domain::rule::Rules;
use crate::store::faulty::Fault;
use crate::store::memory::MemoryStore;
use crate::store::{After, Batch, Change, Of};
use std::sync::Arc;
use std::time::Duration;

#[actix::test]
async fn a_failed_run_opens_an_incident_for_the_owner_and_a_pass_resolves_it() {
    let farm = Farm::new();
    let (ann, bob) = (farm.connect(ANN).await, farm.connect(BOB).await);
    let failed = farm.deliver(&ann, "1 1 failure").await;
    let Outcome::Run {
        incident: Some(id), ..
    } = farm.outcome(failed).await
    else {
        panic!("a failed run has an incident");
    };
    let incident = farm.store.incident(id).ready().unwrap().unwrap();
    assert_eq!(
        (incident.owner, incident.status),
        (ANN, IncidentStatus::Open)
    );
    assert_eq!(incident.title, "CI failed: CI on main");
    assert_eq!(farm.incidents(BOB), []);
    farm.process(&ann, "2 1 failure").await;
    assert_eq!(farm.incidents(ANN)[0].occurrences, 2);
    farm.process(&ann, "3 1 success").await;
    let incident = farm.store.incident(id).ready().unwrap().unwrap();
    assert_eq!(incident.status, IncidentStatus::Resolved);
    assert!(matches!(incident.resolution, Some(Resolution::Passed(_))));
    assert_eq!(
        farm.store
            .runs(Of::Owner(ANN), After::first(100))
            .ready()
            .unwrap()
            .items
            .len(),
        3
    );
    assert_eq!(
        farm.store
            .runs(Of::Connection(bob.id), After::first(100))
            .ready()
            .unwrap()
            .items
            .len(),
        0
    );
}

#[actix::test]
async fn a_preview_tells_what_a_replay_will_do_and_changes_nothing() {
    let (farm, connection) = Farm::connected().await;
    let failed = farm.deliver(&connection, "1 1 failure").await;
    farm.outcome(failed).await;
    let before = farm.incidents(ANN);
    let same = farm.actors.preview(failed).await.unwrap();
    assert_eq!((same.runs, same.incidents), (vec![], vec![]), "it is known");
    assert_eq!(farm.incidents(ANN), before);

    // Its effects are gone: a replay would open an incident.
    let incident = before[0].id;
    let pass = farm.store.delivery(failed).ready().unwrap().unwrap();
    let Some(run) = farm
        .store
        .runs(Of::Owner(ANN), After::first(9))
        .ready()
        .unwrap()
        .items
        .pop()
    else {
        panic!("there is a run");
    };
    let track = before[0].ci.as_ref().unwrap().track.clone();
    let gone = vec![
        Change::ForgetRun(run.id),
        Change::ForgetTrack(track),
        Change::ForgetIncident(incident),
    ];
    farm.store.commit(Batch::of(gone)).await.unwrap();
    let new = farm.actors.preview(pass.id).await.unwrap();
    let [(None, opened)] = new.incidents.as_slice() else {
        panic!("{:?}", new.incidents);
    };
    assert_eq!(opened.status, IncidentStatus::Open);
    assert!(matches!(new.runs.as_slice(), [(None, _)]));
    assert!(matches!(
        new.outcome,
        Outcome::Run {
            incident: Some(_),
            ..
        }
    ));
    assert_eq!(farm.incidents(ANN), [], "nothing was committed");

    let unreadable = farm.receive(&connection, TEST_EVENT, b"rubbish").await;
    let dead = farm.actors.preview(unreadable).await.unwrap();
    assert!(matches!(dead.outcome, Outcome::DeadLetter { .. }));
    let nothing = farm.actors.preview(DeliveryId::from_u128(9)).await;
    assert_eq!(nothing, Err(CommandError::NoSuchSubject));
}

#[actix::test]
async fn a_batch_of_events_in_any_order_ends_in_the_same_incidents() {
    let (farm, connection) = Farm::connected().await;
    let mut last = None;
    for body in [
        "3 1 success",
        "2 1 failure",
        "1 1 failure",
        "5 1 failure",
        "4 1 failure",
    ] {
        last = Some(farm.deliver(&connection, body).await);
    }
    farm.outcome(last.unwrap()).await;
    let mut shapes: Vec<_> = farm
        .incidents(ANN)
        .iter()
        .map(|i| (i.status, i.occurrences))
        .collect();
    shapes.sort_unstable();
    assert_eq!(
        shapes,
        [(IncidentStatus::Open, 2), (IncidentStatus::Resolved, 2)]
    );
}

/// The body alone would be a dead letter; under another event the contents do not count.
#[actix::test]
async fn what_was_decoded_on_the_way_in_is_not_decoded_again() {
    let (farm, connection) = Farm::connected().await;
    for is_renamed in [false, true] {
        let id = farm.receive(&connection, TEST_EVENT, b"rubbish").await;
        let mut delivery = farm.store.delivery(id).ready().unwrap().unwrap();
        if is_renamed {
            delivery.event = "another".into();
        }
        let decoded = Decoded {
            repository: connection.repository,
            full_name: None,
            action: Some("done".into()),
            event: Event::Recorded,
        };
        farm.actors.decoded(&delivery, decoded);
        farm.actors.delivered(connection.id);
        let outcome = farm.outcome(id).await;
        let stored = farm.store.delivery(id).ready().unwrap().unwrap();
        if is_renamed {
            assert!(matches!(outcome, Outcome::DeadLetter { .. }));
        } else {
            assert_eq!(outcome, Outcome::Recorded);
            assert_eq!(stored.action.as_deref(), Some("done"));
        }
    }
}

#[actix::test]
async fn paused_and_foreign_deliveries_are_kept_without_effects() {
    let (farm, connection) = Farm::connected().await;
    let foreign = farm.deliver(&connection, "push elsewhere").await;
    assert_eq!(farm.outcome(foreign).await, Outcome::ForeignRepository);
    let pong = farm.deliver(&connection, "ping").await;
    assert_eq!(farm.outcome(pong).await, Outcome::Pong);
    let rubbish = farm.deliver(&connection, "rubbish").await;
    assert!(matches!(
        farm.outcome(rubbish).await,
        Outcome::DeadLetter { .. }
    ));
    farm.ask(connection.id, CommandKind::SetEnabled(false))
        .await;
    let paused = farm.deliver(&connection, "1 1 failure").await;
    assert_eq!(farm.outcome(paused).await, Outcome::Paused);
    let incidents = farm.incidents(ANN);
    let told: Vec<_> = incidents.iter().map(|i| i.failure_type.as_str()).collect();
    assert_eq!(told, ["delivery_unreadable"], "the rubbish alone is told");
}

#[actix::test]
async fn a_poisoned_delivery_is_set_aside_and_everything_else_is_processed() {
    let (farm, connection) = Farm::connected().await;
    let before = farm.deliver(&connection, "1 1 failure").await;
    let poison = farm.deliver(&connection, "panic").await;
    let after = farm.deliver(&connection, "2 1 success").await;
    let Outcome::DeadLetter { reason } = farm.outcome(poison).await else {
        panic!("poison is set aside");
    };
    assert_eq!(reason, crate::domain::wording::PROCESSING_FAILED);
    assert!(matches!(farm.outcome(before).await, Outcome::Run { .. }));
    assert!(matches!(farm.outcome(after).await, Outcome::Run { .. }));
    assert_eq!(
        farm.status(connection.id),
        WebhookStatus::Active,
        "one fall is no suspension"
    );
    let later = farm.deliver(&connection, "3 1 failure").await;
    assert!(matches!(farm.outcome(later).await, Outcome::Run { .. }));
}

/// All of them live on the thread of this test: one arbiter.
#[actix::test]
async fn a_panic_in_one_of_a_thousand_connections_costs_no_other_and_no_delivery() {
    let farm = Farm::new();
    let mut connections = Vec::new();
    for n in 1..=1000 {
        make_user(&*farm.store, UserId::from_u128(n), &format!("user-{n}"));
        connections.push(farm.connect(UserId::from_u128(n)).await);
    }
    let (mut poison, mut failed) = (None, Vec::new());
    for (n, connection) in connections.iter().enumerate() {
        if n == 500 {
            poison = Some(farm.deliver(connection, "panic").await);
        }
        failed.push(farm.deliver(connection, "1 1 failure").await);
    }
    for (n, id) in failed.into_iter().enumerate() {
        let outcome = farm.outcome(id).await;
        assert!(matches!(outcome, Outcome::Run { .. }), "{n}: {outcome:?}");
    }
    let poison = farm.outcome(poison.unwrap()).await;
    assert!(matches!(poison, Outcome::DeadLetter { .. }), "{poison:?}");
    for connection in &connections {
        let passed = farm.deliver(connection, "2 1 success").await;
        assert!(matches!(farm.outcome(passed).await, Outcome::Run { .. }));
        let mut incidents = farm.incidents(connection.owner);
        // What was set aside is told, too.
        incidents.retain(|incident| incident.ci.is_some());
        assert_eq!((incidents.len(), incidents[0].occurrences), (1, 1));
        assert_eq!(incidents[0].status, IncidentStatus::Resolved);
        assert_eq!(farm.status(connection.id), WebhookStatus::Active);
    }
}

#[actix::test]
async fn an_actor_that_keeps_falling_is_suspended_with_an_incident_and_loses_nothing() {
    let supervision = Policy {
        panics_max: 0,
        ..Policy::default()
    };
    let settings = Settings {
        supervision,
        arbiters: 0,
        ..Settings::default()
    };
    let farm = Farm::with(Arc::new(MemoryStore::new()), settings);
    let connection = farm.connect(ANN).await;
    let poison = farm.deliver(&connection, "panic").await;
    let waiting = farm.deliver(&connection, "1 1 failure").await;
    farm.becomes(connection.id, WebhookStatus::Suspended).await;
    let is_said = |incident: &Incident| incident.failure_type == "hook_suspended";
    assert!(farm.incidents(ANN).iter().any(is_said));
    // The one that replaces it takes care, and goes on with what is pending.
    assert!(matches!(
        farm.outcome(poison).await,
        Outcome::DeadLetter { .. }
    ));
    assert!(matches!(farm.outcome(waiting).await, Outcome::Run { .. }));
    assert_eq!(farm.status(connection.id), WebhookStatus::Suspended);
    farm.ask(connection.id, CommandKind::Check).await;
    farm.becomes(connection.id, WebhookStatus::Active).await;
}

#[actix::test]
async fn what_was_stored_before_a_crash_is_processed_after_it_once() {
    let (mut farm, connection) = Farm::connected().await;
    let mut all = Vec::new();
    for number in 1..=100 {
        all.push(
            farm.deliver(&connection, &format!("{number} 1 failure"))
                .await,
        );
    }
    farm.restart().await;
    for id in all {
        assert!(matches!(farm.outcome(id).await, Outcome::Run { .. }));
    }
    let incidents = farm.incidents(ANN);
    assert_eq!((incidents.len(), incidents[0].occurrences), (1, 100));
}

#[actix::test]
async fn incidents_are_acknowledged_resolved_and_ended_by_a_disconnect() {
    let (farm, connection) = Farm::connected().await;
    farm.process(&connection, "1 1 failure").await;
    let id = farm.incidents(ANN)[0].id;
    farm.ask(connection.id, CommandKind::Acknowledge(id)).await;
    farm.process(&connection, "2 1 failure").await;
    let incident = &farm.incidents(ANN)[0];
    assert_eq!(
        (incident.status, incident.occurrences),
        (IncidentStatus::Acknowledged, 2)
    );
    farm.ask(connection.id, CommandKind::Resolve(id)).await;
    let again = farm
        .command(connection.id, CommandKind::Acknowledge(id))
        .await;
    assert!(matches!(again, Err(CommandError::NotNow(_))));
    farm.process(&connection, "3 1 failure").await;
    let open = farm.incidents(ANN)[0].clone();
    assert_ne!(open.id, id, "what a person resolved stays resolved");
    farm.ask(connection.id, CommandKind::Disconnect { delete_hook: true })
        .await;
    let ended = farm.store.incident(open.id).ready().unwrap().unwrap();
    assert_eq!(ended.resolution, Some(Resolution::Disconnected));
}

#[actix::test]
async fn a_replay_has_its_effects_once() {
    let (farm, connection) = Farm::connected().await;
    let id = farm.deliver(&connection, "1 1 failure").await;
    let first = farm.outcome(id).await;
    farm.ask(connection.id, CommandKind::Replay(id)).await;
    let Outcome::Run { run, .. } = farm.outcome(id).await else {
        panic!("a run")
    };
    assert!(matches!(first, Outcome::Run { run: before, .. } if before == run));
    assert_eq!(farm.incidents(ANN)[0].occurrences, 1);
    let foreign = farm.connect(BOB).await;
    let refused = farm.command(foreign.id, CommandKind::Replay(id)).await;
    assert_eq!(refused, Err(CommandError::NoSuchSubject));
}

#[actix::test]
async fn the_router_answers_whoever_asks_whether_it_gets_on() {
    let farm = Farm::new();
    farm.connect(ANN).await;
    assert!(farm.actors.is_routing().await);
}

#[actix::test]
async fn a_router_that_hangs_does_not_say_that_it_routes() {
    let (farm, connection) = Farm::connected().await;
    assert!(farm.actors.is_routing().await);
    farm.actors.stall_router();
    let asked = tokio::time::timeout(Duration::from_hours(1), farm.actors.is_routing());
    assert!(asked.await.is_err(), "nothing feeds the watchdog any more");
    // What does not go through it goes on.
    farm.ask(connection.id, CommandKind::Check).await;
}

/// The rules are changed while something is red: nothing new is opened on that branch, and what is
/// open there is still mended by a pass.
#[actix::test]
async fn a_branch_that_no_longer_counts_is_still_mended() {
    let (mut farm, connection) = Farm::connected().await;
    let failed = farm.deliver(&connection, "1 1 failure").await;
    farm.outcome(failed).await;
    farm.settings.rules = Rules::new(&["failure".into()], &["release/*".into()], &[]).unwrap();
    farm.restart().await;
    let later = farm.deliver(&connection, "2 1 failure").await;
    farm.outcome(later).await;
    let told = || farm.incidents(ANN)[0].clone();
    assert_eq!((told().occurrences, told().resolution), (1, None));
    let passed = farm.deliver(&connection, "3 1 success").await;
    farm.outcome(passed).await;
    assert!(matches!(told().resolution, Some(Resolution::Passed(_))));
    let after = farm.deliver(&connection, "4 1 failure").await;
    farm.outcome(after).await;
    assert_eq!(farm.incidents(ANN).len(), 1);
}

/// While a connection is paused nothing is opened; but what ends then is never told of again.
#[actix::test]
async fn a_branch_that_is_deleted_while_the_connection_is_paused_ends_what_failed_on_it() {
    let (farm, connection) = Farm::connected().await;
    let failed = farm.deliver(&connection, "1 1 failure").await;
    farm.outcome(failed).await;
    let pause = CommandKind::SetEnabled(false);
    farm.ask(connection.id, pause).await;
    let deleted = farm.deliver(&connection, "deleted main 4000000000").await;
    assert_eq!(farm.outcome(deleted).await, Outcome::Paused);
    let failed = farm.deliver(&connection, "2 1 failure").await;
    assert_eq!(farm.outcome(failed).await, Outcome::Paused);
    let incidents = farm.incidents(ANN);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].resolution, Some(Resolution::BranchDeleted));
}

#[actix::test]
async fn every_delivery_that_is_pending_when_a_connection_ends_is_marked() {
    let (store, farm) = Farm::faulty();
    let connection = farm.connect(ANN).await;
    let id = connection.id;
    let mut deliveries = Vec::new();
    for _ in 0..1250 {
        let body = b"1 1 failure";
        deliveries.push(farm.receive(&connection, TEST_EVENT, body).await);
    }
    let pending = || farm.store.pending(id, usize::MAX).ready().unwrap().len();
    // The disk is full after three pages.
    let is_page = |change: &Change| matches!(change, Change::PutProgress(_));
    store.breaks(3, Fault::Refuse, is_page);
    let left = farm.disconnect(id, false, Duration::ZERO).await;
    left.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!((900..1000).contains(&pending()), "{} are left", pending());
    store.mend();
    farm.until(|| pending() == 0).await;
    for delivery in deliveries {
        assert_eq!(farm.outcome(delivery).await, Outcome::Paused);
    }
    assert_eq!(farm.incidents(ANN), []);
    farm.until(|| farm.actors.is_empty()).await;
}

#[actix::test]
async fn the_first_of_a_burst_is_processed_at_once_and_the_rest_together() {
    let (store, farm) = Farm::faulty();
    let connection = farm.connect(ANN).await;
    for burst in 0..3 {
        let before = store.commits();
        let mut deliveries = Vec::new();
        for n in 0..50 {
            let run = format!("{} 1 success", burst * 50 + n + 1);
            deliveries.push(farm.deliver(&connection, &run).await);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for delivery in deliveries {
            let outcome = farm.outcome(delivery).await;
            assert!(matches!(outcome, Outcome::Run { .. }), "{outcome:?}");
        }
        let turns = store.commits() - before - 50;
        assert!((2..=6).contains(&turns), "{turns} commits of the actor");
    }
}

/// A connection with a backlog of thousands processes it in turns: another's delivery waits for one
/// small batch and no more, and nothing is refused or lost.
#[actix::test]
async fn a_backlog_of_one_connection_delays_another_by_one_small_batch() {
    let (store, farm) = Farm::faulty();
    let noisy = farm.connect(ANN).await;
    let quiet = farm.actors.connect(Farm::request_for(ANN, "o/r2"));
    let quiet = quiet.await.unwrap();
    let mut backlog = Vec::new();
    for n in 0..3000 {
        let body = format!("push {n}");
        backlog.push(farm.receive(&noisy, TEST_EVENT, body.as_bytes()).await);
    }
    let waiting = farm.store.deliveries_waiting(10_000).ready().unwrap();
    assert_eq!(
        (waiting.deliveries, waiting.connections, waiting.longest),
        (3000, 1, 3000)
    );
    let counted = farm.store.deliveries_waiting(100).ready().unwrap();
    assert_eq!(counted.deliveries, 100, "no more are counted");
    let alone = farm.receive(&quiet, TEST_EVENT, b"push alone").await;
    // A commit takes its time, in which other actors have their turn.
    store.breaks(0, Fault::Slow, |change| {
        matches!(change, Change::PutProgress(_))
    });
    farm.actors.delivered(noisy.id);
    farm.actors.delivered(quiet.id);
    let is_done = |id: &DeliveryId| {
        let found = farm.store.delivery(*id).ready().unwrap().unwrap();
        found.state != DeliveryState::Received
    };
    while !is_done(&alone) {
        tokio::task::yield_now().await;
    }
    let done = backlog.iter().filter(|id| is_done(id)).count();
    assert!(done <= 2 * 32, "{done} were processed before");
    farm.until(|| backlog.iter().all(is_done)).await;
    let waiting = farm.store.deliveries_waiting(10_000).ready().unwrap();
    assert_eq!(waiting.deliveries, 0);
}
