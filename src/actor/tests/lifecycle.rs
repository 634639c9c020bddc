//! Hooks: created, lost, repaired, deleted, whatever the provider does.

use super::fakes::{ANN, BOB, Farm, instance};
use super::provider::Behaviour;
use crate::actor::{CommandError, ConnectError, Connections};
use crate::domain::command::CommandKind;
use crate::domain::connection::WebhookStatus;
use crate::domain::delivery::Outcome;
use crate::domain::history::EntryKind;
use crate::domain::id::{HookId, IncidentId};
use crate::domain::incident::{Incident, IncidentSource, IncidentStatus, Resolution};
use crate::domain::lifecycle::{Desired, Failure, Hook};
use crate::domain::removal::HookOutcome;
use crate::domain::samples;
use crate::domain::secret::ProviderToken;
use crate::store::{Batch, Change};
use std::time::Duration;

const RETRYABLE: Failure = Failure::Retryable { after: None };

#[actix::test]
async fn connecting_creates_the_hook_before_it_answers() {
    let (farm, connection) = Farm::connected().await;
    assert_eq!(connection.webhook_status(), WebhookStatus::Active);
    let hooks = farm.provider.hooks.lock().clone();
    let (url, events) = hooks.values().next().unwrap();
    assert!(url.ends_with(&format!("/api/v2/webhooks/github/{}", connection.hook_key)));
    assert_eq!(*events, ["push", "workflow_run"]);
}

#[actix::test]
async fn connecting_twice_is_refused_and_names_the_first() {
    let farm = Farm::new();
    let first = farm.connect(ANN).await;
    let again = farm.actors.connect(Farm::request(ANN)).await;
    assert_eq!(again, Err(ConnectError::AlreadyConnected(first.id)));
    let other = farm.connect(BOB).await;
    assert_ne!(other.hook_key, first.hook_key, "two users, two hooks");
    assert_eq!(farm.provider.hooks.lock().len(), 2);
}

#[actix::test]
async fn what_the_provider_positively_denies_changes_nothing() {
    let farm = Farm::new();
    let none = farm.actors.connect(Farm::request(ANN)).await;
    assert_eq!(none, Err(ConnectError::NoCredential));
    farm.give_credential(ANN).await;
    farm.provider.loses_the_repository();
    let unknown = farm.actors.connect(Farm::request(ANN)).await;
    assert_eq!(unknown, Err(ConnectError::NoSuchRepository));
    assert_eq!(farm.store.connection_ids().ready().unwrap(), []);
}

#[actix::test]
async fn with_the_provider_down_it_is_connected_and_the_hook_follows_by_itself() {
    let farm = Farm::new();
    farm.give_credential(ANN).await;
    farm.provider
        .always_does(Some(Behaviour::Refuse(RETRYABLE, "provider_unavailable")));
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    assert_eq!(connection.webhook_status(), WebhookStatus::Pending);
    assert_eq!(
        connection.last_error.as_ref().unwrap().code.as_str(),
        "provider_unavailable"
    );
    farm.becomes(connection.id, WebhookStatus::Failed).await;
    farm.provider.always_does(None);
    farm.becomes(connection.id, WebhookStatus::Active).await;
    assert_eq!(farm.get(connection.id).last_error, None);
}

/// The hook was made and the answer lost: the repository's id comes with the first delivery.
#[actix::test]
async fn a_repository_that_is_renamed_before_it_is_looked_up_is_known_by_its_deliveries() {
    let farm = Farm::new();
    farm.give_credential(ANN).await;
    farm.provider.always_does(Some(Behaviour::ActThenFail));
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    assert_eq!(connection.repository, None);
    // What has another name may be of anybody.
    let stranger = farm.deliver(&connection, "renamed o/later").await;
    assert_eq!(farm.outcome(stranger).await, Outcome::ForeignRepository);
    assert_eq!(farm.get(connection.id).repository, None);
    let pong = farm.deliver(&connection, "ping").await;
    assert_eq!(farm.outcome(pong).await, Outcome::Pong);
    let later = farm.deliver(&connection, "renamed o/later").await;
    assert_eq!(farm.outcome(later).await, Outcome::Recorded);
    let foreign = farm.deliver(&connection, "push elsewhere").await;
    assert_eq!(farm.outcome(foreign).await, Outcome::ForeignRepository);
}

#[actix::test]
async fn a_hook_that_greeted_us_is_not_doubled_though_its_url_was_edited_and_its_answer_is_lost() {
    let farm = Farm::new();
    farm.give_credential(ANN).await;
    farm.provider.next_does(Behaviour::Refuse(RETRYABLE, "x")); // the look-up
    farm.provider.next_does(Behaviour::ActThenHang);
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    farm.until(|| farm.provider.hooks.lock().len() == 1).await;
    let edited = "https://elsewhere.example/".to_owned();
    farm.provider.hooks.lock().get_mut(&1).unwrap().0 = edited;
    let greeting = farm.deliver(&connection, "ping 1").await;
    assert_eq!(farm.outcome(greeting).await, Outcome::Pong);
    farm.becomes(connection.id, WebhookStatus::Active).await;
    farm.until(|| farm.provider.count("ensure") >= 2).await;
    farm.until(|| farm.get(connection.id).lifecycle.hook == Hook::Present(HookId(1)))
        .await;
    let hooks = farm.provider.hooks.lock().clone();
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    assert!(hooks[&1].0.ends_with(&connection.hook_key.to_string()));
}

#[actix::test]
async fn scenario_06_disconnecting_with_the_provider_down_goes_on_in_the_background() {
    let (farm, connection) = Farm::connected().await;
    farm.provider.always_does(Some(Behaviour::Hang));
    farm.ask(connection.id, CommandKind::Disconnect { delete_hook: true })
        .await;
    let refused = farm.command(connection.id, CommandKind::Check).await;
    assert!(refused.is_err(), "for its user it is gone already");
    tokio::time::sleep(Duration::from_hours(7 * 24)).await;
    assert_eq!(farm.provider.hooks.lock().len(), 1);
    let tries = farm.provider.count("delete");
    // An outage: the provider is probed, and nothing else is sent.
    assert!((2..20).contains(&tries), "{tries} in a week");
    assert_eq!(farm.store.credentials(ANN).ready().unwrap().len(), 1);
    farm.provider.always_does(None);
    farm.is_gone(connection.id).await;
    assert!(farm.provider.hooks.lock().is_empty());
    assert!(farm.actors.is_empty(), "and its actor is over");
}

/// The reconciler opens incidents, too, and may not know yet.
#[actix::test]
async fn what_is_opened_while_a_connection_leaves_is_resolved_with_its_end() {
    let (farm, connection) = Farm::connected().await;
    farm.provider.always_does(Some(Behaviour::Hang));
    farm.ask(connection.id, CommandKind::Disconnect { delete_hook: true })
        .await;
    let id = IncidentId::from_u128(7);
    let lost = Incident {
        owner: ANN,
        ..samples::incident(id, connection.id)
    };
    let put = Change::PutIncident(Box::new(lost));
    farm.store.commit(Batch::of(vec![put])).await.unwrap();
    farm.provider.always_does(None);
    farm.is_gone(connection.id).await;
    let ended = farm.store.incident(id).ready().unwrap().unwrap();
    assert_eq!(ended.resolution, Some(Resolution::Disconnected));
}

#[actix::test]
async fn what_became_of_the_hook_is_said_by_the_provider_or_not_at_all() {
    let within = Duration::from_secs(10);
    let farm = Farm::new();
    let made = farm.connect(ANN).await;
    let gone = farm.disconnect(made.id, true, within).await;
    assert_eq!(
        (gone, farm.provider.count("delete")),
        (Ok(HookOutcome::Deleted), 1)
    );

    // Refused before anything was made, and cut off in the middle of it.
    let refuse = Behaviour::Refuse(Failure::NoAccess, "no_access");
    for (creation, deletion, farewell) in [
        (refuse, None, HookOutcome::NeverMade),
        (Behaviour::ActThenFail, None, HookOutcome::Deleted),
        (Behaviour::ActThenHang, None, HookOutcome::Pending),
        (
            Behaviour::ActThenFail,
            Some(Behaviour::Hang),
            HookOutcome::Pending,
        ),
    ] {
        farm.provider.next_does(Behaviour::Refuse(RETRYABLE, "x")); // the look-up
        farm.provider.next_does(creation.clone());
        let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
        let deletions = farm.provider.count("delete");
        farm.provider.always_does(deletion);
        let within = Duration::from_secs(40);
        let said = farm.disconnect(connection.id, true, within).await;
        assert_eq!(said, Ok(farewell), "{creation:?}");
        if farewell != HookOutcome::Pending {
            let was_asked = farm.provider.count("delete") > deletions;
            assert_eq!(was_asked, farewell == HookOutcome::Deleted);
        }
        farm.provider.always_does(None);
        farm.is_gone(connection.id).await;
        assert!(farm.provider.hooks.lock().is_empty());
    }
    let kept = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    let left = farm.disconnect(kept.id, false, within).await;
    assert_eq!(left, Ok(HookOutcome::Left));
    let over = farm.disconnect(kept.id, true, within).await;
    assert_eq!(over, Err(CommandError::NoSuchConnection));
}

#[actix::test]
async fn one_whose_hook_was_deleted_to_be_made_anew_and_was_not_says_deleted() {
    let (farm, connection) = Farm::connected().await;
    farm.provider.next_does(Behaviour::Act);
    let refuse = Behaviour::Refuse(Failure::Rejected, "hook_limit_reached");
    farm.provider.next_does(refuse);
    farm.ask(connection.id, CommandKind::Recreate).await;
    farm.until(|| farm.get(connection.id).last_error.is_some())
        .await;
    assert_eq!(farm.get(connection.id).lifecycle.hook, Hook::Absent);
    let within = Duration::from_secs(10);
    let gone = farm.disconnect(connection.id, true, within).await;
    assert_eq!(gone, Ok(HookOutcome::Deleted));
}

#[actix::test]
async fn disconnecting_can_leave_the_hook() {
    let (farm, connection) = Farm::connected().await;
    farm.ask(
        connection.id,
        CommandKind::Disconnect { delete_hook: false },
    )
    .await;
    farm.is_gone(connection.id).await;
    assert_eq!(farm.provider.hooks.lock().len(), 1);
    assert_eq!(farm.provider.count("delete"), 0);
}

#[actix::test]
async fn a_hook_deleted_by_hand_is_made_again_at_the_next_check() {
    let (farm, connection) = Farm::connected().await;
    farm.provider.hooks.lock().clear();
    farm.until(|| !farm.provider.hooks.lock().is_empty()).await;
    farm.becomes(connection.id, WebhookStatus::Active).await;
    assert_eq!(farm.provider.count("ensure"), 2);
}

#[actix::test]
async fn changed_events_are_written_and_drift_is_repaired() {
    let (farm, connection) = Farm::connected().await;
    farm.command(connection.id, CommandKind::SetEvents(vec!["push".into()]))
        .await
        .unwrap();
    let events_are = |expected: &[&str]| {
        farm.provider
            .hooks
            .lock()
            .values()
            .all(|(_, events)| events == expected)
    };
    farm.until(|| events_are(&["push"])).await;
    for (_, events) in farm.provider.hooks.lock().values_mut() {
        events.clear();
    }
    farm.until(|| events_are(&["push"])).await;
}

#[actix::test]
async fn scenario_13_a_refused_credential_suspends_once_and_a_new_one_resumes() {
    let (farm, connection) = Farm::connected().await;
    farm.provider.always_does(Some(Behaviour::Refuse(
        Failure::Unauthorized,
        "unauthorized",
    )));
    farm.becomes(connection.id, WebhookStatus::Suspended).await;
    let calls = farm.provider.calls.lock().len();
    for n in 0..7 {
        tokio::time::sleep(Duration::from_hours(24)).await;
        // What its hook sends is verified and processed as before.
        let outcome = farm.process(&connection, &format!("push {n}")).await;
        assert_eq!(outcome, Outcome::Recorded);
    }
    assert_eq!(
        farm.provider.calls.lock().len(),
        calls,
        "no storm of retries"
    );
    let incidents = farm.incidents(ANN);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].source, IncidentSource::Health);
    assert_eq!(incidents[0].status, IncidentStatus::Open);

    farm.provider.always_does(None);
    let token = ProviderToken::new("another".into()).unwrap();
    farm.actors
        .add_credential(ANN, instance(), token)
        .await
        .unwrap();
    farm.becomes(connection.id, WebhookStatus::Active).await;
    assert_eq!(farm.incidents(ANN)[0].status, IncidentStatus::Resolved);
}

/// The provider denies access, and does not say that the hook is gone: it is looked at ever more
/// seldom.
#[actix::test]
async fn scenario_13_a_lost_scope_is_told_once_and_looked_at_ever_more_seldom() {
    let (farm, connection) = Farm::connected().await;
    let refuse = Behaviour::Refuse(Failure::NoAccess, "insufficient_scope");
    farm.provider.always_does(Some(refuse));
    farm.becomes(connection.id, WebhookStatus::Degraded).await;
    let before = farm.provider.calls.lock().len();
    tokio::time::sleep(Duration::from_hours(168)).await;
    let calls = farm.provider.calls.lock().len() - before;
    assert!((20..100).contains(&calls), "{calls} calls in a week");
    let history = farm.store.history(connection.id).ready().unwrap().unwrap();
    let refusals = history.entries.iter();
    let refusals = refusals.filter(|entry| entry.kind == EntryKind::Refused);
    assert_eq!(refusals.count(), 1, "{:?}", history.entries);
    assert_eq!(farm.get(connection.id).lifecycle.hook.id(), Some(HookId(1)));
    let outcome = farm.process(&connection, "push").await;
    assert_eq!(outcome, Outcome::Recorded);
    farm.provider.always_does(None);
    farm.becomes(connection.id, WebhookStatus::Active).await;
    assert_eq!(farm.provider.count("ensure"), 1);
}

#[actix::test]
async fn disconnecting_what_is_suspended_does_not_claim_that_it_recovered() {
    let (farm, connection) = Farm::connected().await;
    let credential = farm.store.credentials(ANN).ready().unwrap()[0].id;
    farm.actors.remove_credential(credential).await.unwrap();
    farm.becomes(connection.id, WebhookStatus::Suspended).await;
    let disconnect = CommandKind::Disconnect { delete_hook: false };
    farm.ask(connection.id, disconnect).await;
    let incidents = farm.incidents(ANN);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].resolution, Some(Resolution::Disconnected));
}

#[actix::test]
async fn pausing_leaves_the_hook_alone_and_resuming_looks_after_it_again() {
    let (farm, connection) = Farm::connected().await;
    farm.ask(connection.id, CommandKind::SetEnabled(false))
        .await;
    let calls = farm.provider.calls.lock().len();
    tokio::time::sleep(Duration::from_hours(48)).await;
    assert_eq!(farm.provider.calls.lock().len(), calls);
    assert_eq!(farm.status(connection.id), WebhookStatus::Inactive);
    farm.ask(connection.id, CommandKind::SetEnabled(true)).await;
    farm.becomes(connection.id, WebhookStatus::Active).await;
    let before = farm.provider.count("check");
    farm.until(|| farm.provider.count("check") > before).await;
}

#[actix::test]
async fn a_week_of_watching_is_regular_and_jittered() {
    let farm = Farm::new();
    farm.connect(ANN).await;
    tokio::time::sleep(Duration::from_hours(168)).await;
    let checks = farm.provider.count("check");
    assert!(
        (300..=370).contains(&checks),
        "a check every half hour: {checks}"
    );
    assert!(
        (25..=32).contains(&farm.provider.count("ping")),
        "a ping every six hours"
    );
    let calls = farm.provider.calls.lock().clone();
    let times: Vec<_> = calls
        .iter()
        .filter(|(n, _)| *n == "check")
        .map(|(_, at)| *at)
        .collect();
    let gaps: std::collections::BTreeSet<_> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs())
        .collect();
    assert!(gaps.len() > 50, "the gaps differ: {gaps:?}");
    let silent = farm.incidents(ANN);
    assert_eq!(
        silent[0].failure_type, "hook_silent",
        "nothing ever answered the pings"
    );
}

#[actix::test]
async fn a_wish_of_the_provider_to_wait_outlives_a_restart() {
    let mut farm = Farm::new();
    farm.give_credential(ANN).await;
    let wait = Duration::from_hours(1);
    let behaviour = Behaviour::Refuse(Failure::Retryable { after: Some(wait) }, "rate_limited");
    farm.provider.always_does(Some(behaviour));
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    let begun = tokio::time::Instant::now();
    farm.provider.always_does(None);
    let calls = farm.provider.calls.lock().len();
    for _ in 0..10 {
        farm.restart().await;
    }
    tokio::time::sleep(Duration::from_mins(50)).await;
    assert_eq!(
        farm.provider.calls.lock().len(),
        calls,
        "ten restarts, not one call"
    );
    farm.becomes(connection.id, WebhookStatus::Active).await;
    assert!(begun.elapsed() >= wait.checked_sub(Duration::from_secs(1)).unwrap());
}

#[actix::test]
async fn rotating_the_secret_keeps_the_old_one_for_a_while() {
    let (farm, connection) = Farm::connected().await;
    let before = farm.actors.hook_secrets(&connection);
    farm.ask(connection.id, CommandKind::RotateSecret).await;
    farm.actors
        .settled(connection.id, Duration::from_mins(1))
        .await;
    let now = farm.get(connection.id);
    let both = farm.actors.hook_secrets(&now);
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], before[0]);
    assert_ne!(both[0], before[0]);
    farm.process(&now, "push 1").await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    let left = farm.actors.hook_secrets(&farm.get(connection.id));
    assert_eq!(left, both[..1], "and then forgets it");
}

/// Nobody knows whether the hook has the new secret yet: it must not fall out of what is accepted.
#[actix::test]
async fn rotating_again_before_the_hook_has_the_new_secret_forgets_none_it_may_sign_with() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    let signs = farm.actors.hook_secrets(&connection).remove(0);
    farm.provider.always_does(Some(Behaviour::Refuse(
        Failure::Retryable { after: None },
        "provider_unavailable",
    )));
    for _ in 0..3 {
        farm.ask(id, CommandKind::RotateSecret).await;
        let accepted = farm.actors.hook_secrets(&farm.get(id));
        assert!(accepted.contains(&signs), "deliveries would be refused");
    }
    farm.provider.always_does(None);
    let is_written = || {
        let lifecycle = farm.get(id).lifecycle;
        lifecycle.applied == Some(lifecycle.wanted)
    };
    farm.until(is_written).await;
    let now = farm.actors.hook_secrets(&farm.get(id));
    assert_eq!(now.len(), 2);
    assert!(now[0] != signs && now[1] == signs);
    // The rotation is over: the next one makes another.
    farm.ask(id, CommandKind::RotateSecret).await;
    farm.until(is_written).await;
    assert_ne!(farm.actors.hook_secrets(&farm.get(id))[0], now[0]);
}

#[actix::test]
async fn recreating_deletes_and_creates() {
    let (farm, connection) = Farm::connected().await;
    farm.ask(connection.id, CommandKind::Recreate).await;
    farm.until(|| farm.provider.count("ensure") == 2).await;
    farm.becomes(connection.id, WebhookStatus::Active).await;
    assert_eq!(farm.provider.count("delete"), 1);
    assert_eq!(*farm.provider.hooks.lock().keys().next().unwrap(), 2);
    assert_eq!(farm.get(connection.id).lifecycle.desired, Desired::Active);
}
