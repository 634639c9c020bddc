//! Grants are renewed once, in time, and never lost in silence.

use super::fakes::{ANN, BOB, Farm, instance};
use super::grants::{INSTALLATION, LIFE, Refresh};
use crate::actor::{CommandError, Connections};
use crate::credentials::{About, Pool, Refusal};
use crate::domain::command::CommandKind;
use crate::domain::connection::{CredentialUse, WebhookStatus};
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::expiry::NOTICE;
use crate::domain::grant::{Grant, RejectReason};
use crate::domain::id::CredentialId;
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject};
use crate::domain::lifecycle::Failure;
use crate::provider::ProviderError;
use crate::store::faulty::Fault;
use crate::store::{Change, CommitError};
use crate::telemetry;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// When the sweep has begun to renew a token.
const NEAR_THE_END: Duration = Duration::from_mins(105);

fn refreshes(farm: &Farm) -> usize {
    farm.grants.refreshes.load(Ordering::SeqCst)
}

const ERRAND: Errand = Errand::of_person(ANN);

async fn access(farm: &Farm, id: CredentialId) -> Result<bool, ProviderError> {
    let pool = &farm.actors.services().pool;
    let access = pool.access(id, ERRAND).await?;
    Ok(farm.grants.is_good(&access.token))
}

fn about(farm: &Farm, id: CredentialId) -> Vec<Incident> {
    let mut incidents = farm.incidents(ANN);
    incidents.retain(|incident| incident.subject == Subject::Credential(id));
    incidents
}

#[actix::test]
async fn a_thousand_actors_that_need_one_expired_token_cause_one_refresh() {
    let farm = Farm::new();
    farm.sign_in(ANN).await;
    let mut ids = Vec::new();
    for n in 0..1000 {
        let request = Farm::request_for(ANN, &format!("o/r{}", n + 10));
        ids.push(farm.actors.connect(request).await.unwrap().id);
    }
    assert_eq!(refreshes(&farm), 0);
    // The provider forgets the access token: all of them find out in the same moment.
    farm.grants.lose_access();
    let asked = ids.iter().map(|id| farm.command(*id, CommandKind::Check));
    futures_util::future::join_all(asked).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(refreshes(&farm), 1);
    for id in &ids {
        assert_eq!(farm.status(*id), WebhookStatus::Active);
    }
    assert_eq!(farm.incidents(ANN), []);
}

#[actix::test]
async fn a_thousand_callers_of_an_expired_token_wait_for_one_refresh() {
    let (farm, id) = Farm::signed_in().await;
    // Nobody sweeps.
    farm.actors.abandon();
    tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
    let before = refreshes(&farm);
    let asked = (0..1000).map(|_| access(&farm, id));
    for outcome in futures_util::future::join_all(asked).await {
        assert_eq!(outcome, Ok(true));
    }
    assert_eq!(refreshes(&farm), before + 1);
}

#[actix::test]
async fn a_grant_is_renewed_ahead_of_time_for_as_long_as_one_likes() {
    let (farm, id) = Farm::signed_in().await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_mins(30)).await;
        let pool = &farm.actors.services().pool;
        let access = pool.access(id, ERRAND).await.unwrap();
        assert!(farm.grants.is_good(&access.token));
    }
    // A hundred hours, two hours a token, twenty minutes ahead.
    let count = refreshes(&farm);
    assert!((50..=60).contains(&count), "{count}");
}

#[actix::test]
async fn trouble_that_passes_keeps_the_old_token_and_tells_nobody() {
    let (farm, id) = Farm::signed_in().await;
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    farm.grants.next_does(&[Refresh::Unreachable; 6]);
    farm.grants.next_does(&[Refresh::Misconfigured; 2]);
    farm.until(|| refreshes(&farm) > 0).await;
    assert_eq!(access(&farm, id).await, Ok(true), "the old one lives");
    tokio::time::sleep(LIFE).await;
    farm.until(|| refreshes(&farm) > 8).await;
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(access(&farm, id).await, Ok(true));
    farm.becomes(connection.id, WebhookStatus::Active).await;
    assert_eq!(farm.incidents(ANN), []);
}

#[actix::test]
async fn a_refresh_that_hangs_is_tried_again_with_the_same_token() {
    let (farm, id) = Farm::signed_in().await;
    farm.grants.next_does(&[Refresh::Hang]);
    farm.until(|| refreshes(&farm) == 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(access(&farm, id).await, Ok(true));
    assert_eq!(farm.incidents(ANN), []);
}

/// What is left after a lost refresh: said once, and mended by signing in again.
async fn is_lost_and_mended(farm: &Farm, id: CredentialId, reason: RejectReason) {
    let rejected = farm.credential(id).rejected;
    assert_eq!(rejected.map(|r| r.reason), Some(reason));
    let incidents = about(farm, id);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].status, IncidentStatus::Open);
    assert_eq!(incidents[0].failure_type, "credential_rejected");
    assert_eq!(farm.sign_in(ANN).await, id, "the same credential");
    assert_eq!(farm.credential(id).rejected, None);
    let incidents = about(farm, id);
    assert_eq!(incidents[0].resolution, Some(Resolution::Recovered));
    assert_eq!(access(farm, id).await, Ok(true));
}

#[actix::test]
async fn a_lost_answer_suspends_all_connections_with_one_incident_and_signing_in_resumes_them() {
    for lost in [Refresh::ActThenFail, Refresh::ActThenHang] {
        let (farm, id) = Farm::signed_in().await;
        let mut connections = Vec::new();
        for name in ["o/r1", "o/r2", "o/r3"] {
            let request = Farm::request_for(ANN, name);
            connections.push(farm.actors.connect(request).await.unwrap().id);
        }
        farm.grants.next_does(&[lost]);
        let all_are = |status| connections.iter().all(|c| farm.status(*c) == status);
        farm.until(|| farm.credential(id).rejected.is_some()).await;
        // At once, and not at their next check.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(all_are(WebhookStatus::Suspended));
        assert_eq!(farm.incidents(ANN).len(), 1, "{:?}", farm.incidents(ANN));
        is_lost_and_mended(&farm, id, RejectReason::RefreshLost).await;
        farm.until(|| all_are(WebhookStatus::Active)).await;
        assert_eq!(farm.incidents(ANN).len(), 1);
    }
}

#[actix::test]
async fn a_grant_that_the_user_ended_is_found_at_the_next_call() {
    let (farm, id) = Farm::signed_in().await;
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    tokio::time::sleep(Duration::from_mins(2)).await;
    farm.grants.revoke();
    farm.ask(connection.id, CommandKind::Check).await;
    farm.becomes(connection.id, WebhookStatus::Suspended).await;
    is_lost_and_mended(&farm, id, RejectReason::Revoked).await;
    farm.becomes(connection.id, WebhookStatus::Active).await;
}

/// A token that is refused as soon as it is made: a pause, another try, and in the end the word
/// that it is of no use. No storm of refreshes.
#[actix::test]
async fn new_tokens_that_are_refused_are_an_end_and_no_loop() {
    let (farm, id) = Farm::signed_in().await;
    let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
    tokio::time::sleep(Duration::from_mins(2)).await;
    for n in 1..20 {
        let token = format!("access-{n}");
        let mut refused = farm.provider.refused.lock();
        refused.insert(token, Failure::Unauthorized);
    }
    farm.ask(connection.id, CommandKind::Check).await;
    farm.becomes(connection.id, WebhookStatus::Suspended).await;
    let reason = farm.credential(id).rejected.map(|r| r.reason);
    assert_eq!(reason, Some(RejectReason::Refused));
    assert!(refreshes(&farm) < 5, "{}", refreshes(&farm));
    assert_eq!(about(&farm, id).len(), 1);
}

#[actix::test]
async fn new_tokens_are_stored_however_long_the_disk_is_full() {
    let (store, farm) = Farm::faulty();
    let id = farm.sign_in(ANN).await;
    // The intent is stored, the outcome is not.
    store.breaks(1, Fault::Refuse, is_credential);
    farm.until(|| refreshes(&farm) == 1).await;
    tokio::time::sleep(Duration::from_hours(3)).await;
    store.mend();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(access(&farm, id).await, Ok(true));
    assert_eq!(farm.incidents(ANN), []);
}

#[actix::test]
async fn new_tokens_whose_record_is_damaged_are_counted_and_stored_once_it_is_not() {
    let recorder = telemetry::local();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let unstored = |count| {
        let text = recorder.handle().render();
        text.contains(&format!("hookherd_grants_unstored {count}\n"))
    };
    let (store, farm) = Farm::faulty();
    let id = farm.sign_in(ANN).await;
    farm.until(|| refreshes(&farm) == 1).await;
    let was = store.damages(id);
    let commits = store.commits();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(unstored(1), "it is visible");
    let tries = store.commits() - commits;
    assert!((500..2000).contains(&tries), "{tries} tries in an hour");
    store.restores(id, was);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(access(&farm, id).await, Ok(true));
    assert!(unstored(0));
}

#[actix::test]
async fn a_damaged_credential_does_not_keep_others_from_being_renewed() {
    let recorder = telemetry::local();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let (store, farm) = Farm::faulty();
    let mut before = Vec::new();
    // More of them than a page has, newer and older than the other one.
    for n in 0..250 {
        before.push(farm.give_token(BOB, &format!("older-{n}")).await);
    }
    let id = farm.sign_in(ANN).await;
    for n in 0..250 {
        before.push(farm.give_token(BOB, &format!("newer-{n}")).await);
    }
    for damaged in before {
        store.damages(damaged);
    }
    farm.until(|| refreshes(&farm) == 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(access(&farm, id).await, Ok(true));
    let text = recorder.handle().render();
    assert!(text.contains("hookherd_records_left_out_total{kind=\"credential\"}"));
}

/// Whoever has the credential's turn may have it for long: nobody waits for that for ever.
#[actix::test]
async fn users_are_told_to_come_again_while_new_tokens_cannot_be_stored() {
    let (store, farm) = Farm::faulty();
    let id = farm.sign_in(ANN).await;
    store.breaks(1, Fault::Refuse, is_credential);
    farm.until(|| refreshes(&farm) == 1).await;
    let minute = Duration::from_mins(1);
    let shared = tokio::time::timeout(minute, farm.actors.share_credential(id, true)).await;
    let busy = CommandError::Commit(CommitError::Overloaded);
    assert_eq!(shared, Ok(Err(busy)));
    let removed = tokio::time::timeout(minute, farm.actors.remove_credential(id)).await;
    assert_eq!(removed, Ok(Err(CommitError::Overloaded)));
    store.mend();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(farm.actors.share_credential(id, true).await.is_ok());
    assert_eq!(access(&farm, id).await, Ok(true), "nothing of it is lost");
}

fn is_credential(change: &Change) -> bool {
    matches!(change, Change::PutCredential(_))
}

/// Where the process dies during a refresh.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// At this commit of the credential.
    Commit(usize, Fault),
    /// While the provider is asked.
    Call(Refresh),
}

#[actix::test]
async fn killed_at_any_point_of_a_refresh_no_grant_is_lost_in_silence() {
    use Fault::{StopAfter, StopBefore};
    let table = [
        (Kill::Commit(0, StopBefore), None),
        (Kill::Commit(0, StopAfter), None),
        (Kill::Call(Refresh::Die), None),
        // The provider acted, and its answer died with us.
        (
            Kill::Call(Refresh::ActThenDie),
            Some(RejectReason::RefreshLost),
        ),
        (Kill::Commit(1, StopBefore), Some(RejectReason::RefreshLost)),
        (Kill::Commit(1, StopAfter), None),
    ];
    for (kill, lost) in table {
        let (store, mut farm) = Farm::faulty();
        let id = farm.sign_in(ANN).await;
        let connection = farm.actors.connect(Farm::request(ANN)).await.unwrap();
        match kill {
            Kill::Commit(nth, fault) => store.breaks(nth, fault, is_credential),
            Kill::Call(behaviour) => farm.grants.next_does(&[behaviour]),
        }
        tokio::time::sleep(NEAR_THE_END).await;
        store.mend();
        farm.restart().await;
        tokio::time::sleep(Duration::from_mins(5)).await;
        if let Some(reason) = lost {
            is_lost_and_mended(&farm, id, reason).await;
        } else {
            assert_eq!(access(&farm, id).await, Ok(true), "{kill:?}");
            assert_eq!(farm.credential(id).rejected, None, "{kill:?}");
            assert_eq!(about(&farm, id), [], "{kill:?}");
        }
        farm.becomes(connection.id, WebhookStatus::Active).await;
    }
}

#[actix::test]
async fn an_orderly_end_waits_for_the_answer_of_a_refresh() {
    let (farm, id) = Farm::signed_in().await;
    farm.until(|| refreshes(&farm) == 1).await;
    // The provider acted or will, and has not answered.
    farm.actors.stop().await;
    let Grant::Oauth(grant) = farm.credential(id).grant else {
        panic!("it was one");
    };
    assert_eq!(grant.refresh_begun_at, None);
    // And none is begun.
    tokio::time::sleep(LIFE).await;
    assert!(access(&farm, id).await.is_err());
    assert_eq!(refreshes(&farm), 1);
}

/// Killed while the end of a grant is being stored: it is told once all the same.
#[actix::test]
async fn killed_while_an_end_is_stored_it_is_told_once() {
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        let (store, mut farm) = Farm::faulty();
        let id = farm.sign_in(ANN).await;
        farm.grants.revoke();
        store.breaks(1, fault, is_credential);
        tokio::time::sleep(NEAR_THE_END).await;
        store.mend();
        farm.restart().await;
        tokio::time::sleep(Duration::from_mins(5)).await;
        let reason = farm.credential(id).rejected.unwrap().reason;
        assert!(matches!(
            reason,
            RejectReason::Revoked | RejectReason::RefreshLost
        ));
        is_lost_and_mended(&farm, id, reason).await;
    }
}

/// Histories by chance: whatever the provider did and wherever we died, in the end a grant works,
/// or its end was told once.
#[actix::test]
async fn whatever_happens_a_grant_works_or_its_end_was_told() {
    let behaviour = |byte: u8| match byte % 32 {
        0 => Refresh::ActThenHang,
        1 => Refresh::ActThenFail,
        2 => Refresh::ActThenDie,
        3..=6 => Refresh::Hang,
        7..=10 => Refresh::Die,
        11..=14 => Refresh::Unreachable,
        15..=17 => Refresh::Misconfigured,
        _ => Refresh::Work,
    };
    let (mut lost, mut kept) = (0, 0);
    for seed in 0_u64..100 {
        let (mut farm, id) = Farm::signed_in().await;
        let dice = blake3::hash(&seed.to_le_bytes());
        for byte in &dice.as_bytes()[..8] {
            farm.grants.next_does(&[behaviour(*byte)]);
            tokio::time::sleep(Duration::from_mins(u64::from(byte / 2))).await;
            if byte % 3 == 0 {
                farm.restart().await;
            }
        }
        farm.grants.works_again();
        farm.restart().await;
        tokio::time::sleep(Duration::from_mins(30)).await;
        if let Some(rejection) = farm.credential(id).rejected {
            lost += 1;
            is_lost_and_mended(&farm, id, rejection.reason).await;
        } else {
            kept += 1;
            assert_eq!(access(&farm, id).await, Ok(true), "seed {seed}");
            assert_eq!(about(&farm, id), [], "seed {seed}");
        }
        // Or its sweeps would go on beside those of the farms to come.
        farm.actors.abandon();
    }
    assert!(lost > 10 && kept > 10, "{lost} lost, {kept} kept");
}

#[actix::test]
async fn installation_tokens_are_made_once_and_kept_until_shortly_before_their_end() {
    let farm = Farm::new();
    let added = farm.install(ANN).await;
    assert_eq!(added.account.id, 9);
    assert_eq!(
        added.grant,
        Grant::App {
            installation: INSTALLATION
        }
    );
    let ask = || farm.actors.services().pool.access(added.id, ERRAND);
    let asked = futures_util::future::join_all((0..1000).map(|_| ask())).await;
    assert!(asked.iter().all(Result::is_ok));
    let made = || farm.apps.tokens.load(Ordering::SeqCst);
    assert_eq!(made(), 1);
    tokio::time::sleep(Duration::from_mins(54)).await;
    assert_eq!(ask().await.unwrap().token.expose(), "ghs_0");
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(ask().await.unwrap().token.expose(), "ghs_1");
    // It is uninstalled.
    *farm.apps.is_gone.lock() = true;
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(ask().await.unwrap_err().failure, Failure::Unauthorized);
    assert_eq!(about(&farm, added.id).len(), 1);
    // And installed again.
    *farm.apps.is_gone.lock() = false;
    let again = farm.install(ANN).await;
    assert_eq!(again.id, added.id);
    assert!(ask().await.is_ok());
    assert_eq!(about(&farm, added.id)[0].status, IncidentStatus::Resolved);
}

/// A new token may take a moment to come round at the provider. That is no end, however often it
/// happens, as long as each of them works in the end.
#[actix::test]
async fn an_installation_whose_tokens_are_late_time_and_again_lives_on() {
    let farm = Farm::new();
    let id = farm.install(ANN).await.id;
    let (pool, usable) = (&farm.actors.services().pool, CredentialUse::Own(id));
    let about = About {
        instance: &instance(),
        connection: None,
    };
    for _ in 0..5 {
        let late = async |_| -> Result<(), ProviderError> {
            let (failure, code) = (Failure::Unauthorized, ErrorCode::Unauthorized);
            Err(ProviderError::refused(failure, code, "not known yet"))
        };
        let refused = pool.call(about, (usable, ERRAND), late).await.unwrap_err();
        assert_eq!(refused.why, Refusal::Unclear);
        assert!(matches!(refused.error.failure, Failure::Retryable { .. }));
        tokio::time::sleep(Duration::from_mins(10)).await;
        let works = async |_| Ok(());
        pool.call(about, (usable, ERRAND), works).await.unwrap();
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
    assert_eq!(farm.credential(id).rejected, None);
    assert_eq!(farm.incidents(ANN), []);
}

/// Another process has a pool of its own: the store decides whose write counts, and not a mutex.
#[actix::test]
async fn two_processes_that_renew_one_grant_lose_neither_it_nor_what_a_user_changed() {
    let (farm, id) = Farm::signed_in().await;
    farm.actors.abandon();
    let ours = &farm.actors.services().pool;
    let (theirs, _deaths) = Pool::new(Arc::clone(&farm.actors.services().ports), NOTICE);
    for round in 0..20 {
        tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
        let is_shared = round % 2 == 0;
        let (_, _, shared) = tokio::join!(
            ours.access(id, ERRAND),
            theirs.access(id, ERRAND),
            theirs.set_shared(id, is_shared),
        );
        shared.unwrap();
        tokio::time::sleep(Duration::from_mins(10)).await;
        for pool in [ours, &theirs] {
            let access = pool.access(id, ERRAND).await.unwrap();
            assert!(farm.grants.is_good(&access.token), "{round}");
        }
        let credential = farm.credential(id);
        assert_eq!(
            (credential.rejected, credential.is_shared),
            (None, is_shared)
        );
    }
    let is_over = |incident: &Incident| incident.status == IncidentStatus::Resolved;
    assert!(about(&farm, id).iter().all(is_over));
}
