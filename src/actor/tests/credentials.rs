//! Several credentials: another takes over, says so, and shows nobody what is not theirs.

use super::fakes::{ANN, BOB, Farm, instance};
use crate::actor::{CommandError, ConnectError, Connections};
use crate::domain::command::CommandKind;
use crate::domain::connection::{Connection, CredentialUse, WebhookStatus};
use crate::domain::error_code::ErrorCode;
use crate::domain::grant::RejectReason;
use crate::domain::id::{ConnectionId, CredentialId, IncidentId, SinkId};
use crate::domain::incident::care::Act;
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject};
use crate::domain::lifecycle::Failure;
use crate::domain::samples;
use crate::store::Change;
use std::time::Duration;

#[actix::test]
async fn when_a_credential_dies_another_of_the_owner_takes_over() {
    let farm = Farm::new();
    let older = farm.give_token(ANN, "older").await;
    let newer = farm.give_token(ANN, "newer").await;
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap().id;
    let used = || farm.get(connection).credential_used;
    assert_eq!(used(), Some(CredentialUse::Own(newer)));
    farm.provider.refuses("newer", Some(Failure::Unauthorized));
    farm.ask(connection, CommandKind::Check).await;
    farm.until(|| used() == Some(CredentialUse::Own(older)))
        .await;
    assert_eq!(farm.status(connection), WebhookStatus::Active);
    let rejected = farm.credential(newer).rejected.unwrap();
    assert_eq!(rejected.reason, RejectReason::Refused);
    let incidents = farm.incidents(ANN);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].subject, Subject::Credential(newer));
}

#[actix::test]
async fn a_chosen_credential_without_access_gives_way_and_is_not_tried_for_ever() {
    let farm = Farm::new();
    let chosen = farm.give_token(ANN, "chosen").await;
    let other = farm.give_token(ANN, "other").await;
    let mut request = Farm::request(ANN);
    request.credential = Some(chosen);
    let connection = farm.actors.connect(request).await.unwrap().id;
    let used = || farm.get(connection).credential_used;
    assert_eq!(used(), Some(CredentialUse::Own(chosen)));
    farm.provider.refuses("chosen", Some(Failure::NoAccess));
    farm.ask(connection, CommandKind::Recreate).await;
    farm.until(|| used() == Some(CredentialUse::Own(other)))
        .await;
    farm.becomes(connection, WebhookStatus::Active).await;
    assert_eq!(farm.get(connection).no_access, [chosen]);
    assert_eq!(farm.incidents(ANN), [], "the credential is fine");
    // A day of checks asks the other one only: one call a check, and none in vain.
    let calls = || farm.provider.calls.lock().len();
    let (before, checks) = (calls(), farm.provider.count("check"));
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert_eq!(farm.get(connection).lifecycle.checks_failed, 0);
    let checks = farm.provider.count("check") - checks;
    assert!(calls() - before <= checks + 6, "pings beside the checks");
    // It may again: whoever asks for a check has every credential tried anew.
    farm.provider.refuses("chosen", None);
    farm.ask(connection, CommandKind::Check).await;
    farm.until(|| used() == Some(CredentialUse::Own(chosen)))
        .await;
}

#[actix::test]
async fn when_none_has_access_all_are_tried_now_and_then_and_not_in_a_loop() {
    let farm = Farm::new();
    for token in ["one", "two", "three"] {
        farm.give_token(ANN, token).await;
    }
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap().id;
    for token in ["one", "two", "three"] {
        farm.provider.refuses(token, Some(Failure::NoAccess));
    }
    farm.ask(connection, CommandKind::Recreate).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let code = |farm: &Farm| farm.get(connection).last_error.map(|e| e.code.as_str());
    assert_eq!(code(&farm), Some("no_access"));
    let before = farm.provider.calls.lock().len();
    tokio::time::sleep(Duration::from_hours(24)).await;
    let calls = farm.provider.calls.lock().len() - before;
    assert!((3..60).contains(&calls), "{calls} calls in a day");
    farm.provider.refuses("one", None);
    farm.becomes(connection, WebhookStatus::Active).await;
}

#[actix::test]
async fn only_what_is_shared_is_used_for_others_and_never_listed() {
    let farm = Farm::new();
    let anns = farm.give_token(ANN, "anns").await;
    let refused = farm.actors.connect(Farm::request(BOB)).await;
    assert_eq!(refused, Err(ConnectError::NoCredential), "not shared");
    farm.actors.share_credential(anns, true).await.unwrap();
    let mut named = Farm::request(BOB);
    named.credential = Some(anns);
    let refused = farm.actors.connect(named).await;
    assert_eq!(
        refused,
        Err(ConnectError::NoCredential),
        "not BOB's to choose"
    );
    let connection = farm.actors.connect(Farm::request(BOB)).await.unwrap();
    assert_eq!(connection.webhook_status(), WebhookStatus::Active);
    assert_eq!(
        connection.credential_used,
        Some(CredentialUse::Shared(anns))
    );
    let listed = farm.actors.repositories(BOB, &instance(), None, 1).await;
    assert_eq!(listed, Err(ConnectError::NoCredential));

    // No longer shared: BOB's connection stops, and BOB is told without a word of ANN.
    farm.actors.share_credential(anns, false).await.unwrap();
    farm.ask(connection.id, CommandKind::Check).await;
    farm.becomes(connection.id, WebhookStatus::Suspended).await;
    let incidents = farm.incidents(BOB);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].subject, Subject::Connection(connection.id));
    assert!(
        !incidents[0].title.contains("ann"),
        "{}",
        incidents[0].title
    );
    // Shared again, it goes on by itself.
    farm.actors.share_credential(anns, true).await.unwrap();
    farm.becomes(connection.id, WebhookStatus::Active).await;
}

#[actix::test]
async fn the_end_of_a_shared_credential_is_told_to_each_in_their_own_words() {
    let farm = Farm::new();
    let anns = farm.give_token(ANN, "anns").await;
    farm.actors.share_credential(anns, true).await.unwrap();
    let bobs = farm.actors.connect(Farm::request(BOB)).await.unwrap().id;
    let own = farm.actors.connect(Farm::request(ANN)).await.unwrap().id;
    farm.provider.refuses("anns", Some(Failure::Unauthorized));
    // ANN's connection finds out; BOB's is told to look at once.
    farm.ask(own, CommandKind::Check).await;
    let both = |status| [bobs, own].iter().all(|id| farm.status(*id) == status);
    farm.until(|| both(WebhookStatus::Suspended)).await;
    let anns_incidents = farm.incidents(ANN);
    assert_eq!(anns_incidents.len(), 1);
    assert_eq!(anns_incidents[0].subject, Subject::Credential(anns));
    let bobs_incidents = farm.incidents(BOB);
    assert_eq!(bobs_incidents.len(), 1);
    assert_eq!(bobs_incidents[0].subject, Subject::Connection(bobs));
    let told = format!("{:?} {:?}", bobs_incidents, farm.get(bobs).last_error);
    assert!(
        !told.contains("anns") && !told.contains(&anns.to_string()),
        "{told}"
    );
    // ANN gives another token of the account: the same credential, and both go on.
    assert_eq!(farm.give_token(ANN, "fresh").await, anns);
    farm.until(|| both(WebhookStatus::Active)).await;
    assert_eq!(farm.incidents(ANN)[0].status, IncidentStatus::Resolved);
}

/// Who an account is, the provider's number says, and never its name.
#[actix::test]
async fn accounts_of_one_name_are_two_and_one_account_of_two_names_is_one() {
    let farm = Farm::new();
    let known = |token: &str, id, login| {
        let mut accounts = farm.provider.accounts.lock();
        accounts.insert(token.into(), (id, login));
    };
    for (n, id, login) in [(1, 5, "ann"), (2, 6, "ann"), (3, 5, "renamed")] {
        known(&format!("access-{n}"), id, login);
    }
    let first = farm.sign_in(ANN).await;
    let namesake = farm.sign_in(ANN).await;
    let renamed = farm.sign_in(ANN).await;
    assert_ne!(first, namesake);
    assert_eq!(first, renamed);
    assert_eq!(farm.credential(first).account.login, "renamed");
    assert_eq!(farm.credential(namesake).account.id, 6);
    // And the same account of another user is theirs alone.
    known("access-4", 5, "ann");
    assert_ne!(farm.sign_in(BOB).await, first);
}

#[actix::test]
async fn an_incident_of_a_credential_is_acknowledged_resolved_and_ends_with_it() {
    let farm = Farm::new();
    let id = farm.give_token(ANN, "t").await;
    farm.actors.connect(Farm::request(ANN)).await.unwrap();
    farm.provider.refuses("t", Some(Failure::Unauthorized));
    farm.until(|| farm.credential(id).rejected.is_some()).await;
    let incident = farm.incidents(ANN)[0].id;
    let other = CredentialId::from_u128(1);
    let wrong = farm
        .actors
        .act(Subject::Credential(other), incident, Act::Acknowledge, ANN)
        .await;
    assert_eq!(wrong, Err(CommandError::NoSuchSubject));
    farm.actors
        .act(Subject::Credential(id), incident, Act::Acknowledge, ANN)
        .await
        .unwrap();
    assert_eq!(farm.incidents(ANN)[0].status, IncidentStatus::Acknowledged);
    farm.actors.remove_credential(id).await.unwrap();
    let ended = farm.incidents(ANN).into_iter().find(|i| i.id == incident);
    assert_eq!(ended.unwrap().resolution, Some(Resolution::Disconnected));
    let late = farm
        .actors
        .act(Subject::Credential(id), incident, Act::Acknowledge, ANN)
        .await;
    assert!(matches!(late, Err(CommandError::NotNow(_))));
}

/// Another room writes them, too: so a user's deed is done with what is stored by then.
#[actix::test]
async fn an_incident_of_a_sink_is_acknowledged_and_resolved_also_when_it_changes_meanwhile() {
    let (store, farm) = Farm::faulty();
    let subject = Subject::Sink(SinkId::from_u128(3));
    let id = IncidentId::from_u128(9);
    let incident = Incident {
        owner: ANN,
        subject,
        status: IncidentStatus::Open,
        ..samples::incident(id, ConnectionId::from_u128(1))
    };
    store.writes(Change::PutIncident(Box::new(incident.clone())));
    let newer = Incident {
        occurrences: 7,
        ..incident
    };
    let newer = Change::PutIncident(Box::new(newer));
    let is_incident = |change: &Change| matches!(change, Change::PutIncident(_));
    store.overtakes(newer, is_incident);
    let act = |subject, act| farm.actors.act(subject, id, act, ANN);
    act(subject, Act::Acknowledge).await.unwrap();
    let stored = || farm.incidents(ANN).remove(0);
    assert_eq!(stored().status, IncidentStatus::Acknowledged);
    assert_eq!(stored().occurrences, 7);
    let other = Subject::Sink(SinkId::from_u128(4));
    let wrong = act(other, Act::Resolve).await;
    assert_eq!(wrong, Err(CommandError::NoSuchSubject));
    act(subject, Act::Resolve).await.unwrap();
    assert_eq!(stored().resolution, Some(Resolution::ByHand));
}

/// A suspension that the incident of a credential tells of must not go untold when that ends.
#[actix::test]
async fn a_suspension_is_told_although_the_word_of_a_dead_credential_is_over() {
    let farm = Farm::new();
    let dead = farm.give_token(ANN, "dead").await;
    let id = farm.actors.connect(Farm::request(ANN)).await.unwrap().id;
    let open = || {
        let mut incidents = farm.incidents(ANN);
        incidents.retain(|incident| incident.status != IncidentStatus::Resolved);
        let subjects = incidents.iter().map(|incident| incident.subject);
        subjects.collect::<Vec<_>>()
    };
    farm.provider.refuses("dead", Some(Failure::Unauthorized));
    farm.becomes(id, WebhookStatus::Suspended).await;
    assert_eq!(open(), [Subject::Credential(dead)]);
    // It is taken away: nobody else tells that the connection is still suspended.
    farm.actors.remove_credential(dead).await.unwrap();
    farm.until(|| open() == [Subject::Connection(id)]).await;
    assert_eq!(farm.status(id), WebhookStatus::Suspended);

    // One that is dead and talked over does not hide what happens later.
    let first = farm.give_token(ANN, "first").await;
    farm.becomes(id, WebhookStatus::Active).await;
    farm.provider.refuses("first", Some(Failure::Unauthorized));
    farm.until(|| open() == [Subject::Credential(first)]).await;
    let told = farm.incidents(ANN)[0].id;
    farm.actors
        .act(Subject::Credential(first), told, Act::Resolve, ANN)
        .await
        .unwrap();
    let accounts = || farm.provider.accounts.lock();
    accounts().insert("second".into(), (2, "ann2"));
    let second = farm.give_token(ANN, "second").await;
    farm.becomes(id, WebhookStatus::Active).await;
    farm.actors.remove_credential(second).await.unwrap();
    farm.becomes(id, WebhookStatus::Suspended).await;
    assert_eq!(open(), [Subject::Connection(id)]);
}

/// An App has an installation, and so a credential, for each organisation: the newest one need not
/// be the one that sees the repository.
#[actix::test]
async fn a_repository_that_the_newest_credential_does_not_see_is_connected_with_another() {
    let farm = Farm::new();
    let older = farm.give_token(ANN, "older").await;
    let newer = farm.give_token(ANN, "newer").await;
    farm.provider.refuses("newer", Some(Failure::NoAccess));
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    assert_eq!(connection.webhook_status(), WebhookStatus::Active);
    assert_eq!(connection.credential_used, Some(CredentialUse::Own(older)));
    farm.give_token(BOB, "bobs").await;
    farm.provider.refuses("bobs", Some(Failure::NoAccess));
    // That it is refused is told, and not that there is none.
    let is_refused = |outcome: Result<Connection, ConnectError>| match outcome {
        Err(ConnectError::Provider(error)) => error.code == ErrorCode::NoAccess,
        Ok(_) | Err(_) => false,
    };
    assert!(is_refused(farm.actors.connect(Farm::request(BOB)).await));
    farm.actors.share_credential(older, true).await.unwrap();
    let connection = farm.actors.connect(Farm::request(BOB)).await.unwrap();
    assert_eq!(
        connection.credential_used,
        Some(CredentialUse::Shared(older))
    );
    // Whoever names one means that one.
    let mut named = Farm::request_for(ANN, "o/r2");
    named.credential = Some(newer);
    assert!(is_refused(farm.actors.connect(named).await));
}

#[actix::test]
async fn a_disconnect_without_a_credential_is_carried_out_as_soon_as_there_is_one() {
    let farm = Farm::new();
    let dead = farm.give_token(ANN, "dead").await;
    let id = farm.actors.connect(Farm::request(ANN)).await.unwrap().id;
    farm.provider.refuses("dead", Some(Failure::Unauthorized));
    farm.until(|| farm.credential(dead).rejected.is_some())
        .await;
    let disconnect = CommandKind::Disconnect { delete_hook: true };
    farm.ask(id, disconnect).await;
    // Long enough for the attempts to come seldom.
    tokio::time::sleep(Duration::from_hours(100)).await;
    assert_eq!(farm.provider.hooks.lock().len(), 1);
    farm.give_token(ANN, "fresh").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(farm.provider.hooks.lock().is_empty());
    assert_eq!(farm.store.connection(id).ready().unwrap(), None);
}
