//! A provider's outage: one incident for each owner, one call a minute, and an end without a herd.

use super::fakes::*;
use super::provider::Behaviour;
use crate::actor::Connections;
use crate::domain::command::CommandKind;
use crate::domain::connection::WebhookStatus;
use crate::domain::error_code::ErrorCode;
use crate::domain::health::{HealthCause, HealthState, health};
use crate::domain::id::{ConnectionId, UserId};
use crate::domain::incident::care::Act;
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject};
use crate::domain::outage::PROBE_EVERY;
use crate::domain::secret::ProviderToken;
use crate::store::After;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Ann and Bob have so many connections.
const ANNS: usize = 30;
const BOBS: usize = 5;

async fn populated() -> Farm {
    let farm = Farm::new();
    for (owner, token, count, first) in [(ANN, "a", ANNS, 1000), (BOB, "b", BOBS, 2000)] {
        let account = (first as u64, "someone");
        farm.provider.accounts.lock().insert(token.into(), account);
        farm.give_token(owner, token).await;
        for n in first..first + count {
            let request = Farm::request_for(owner, &format!("o/r{n}"));
            farm.actors.connect(request).await.unwrap();
        }
    }
    farm
}

fn all(farm: &Farm) -> Vec<ConnectionId> {
    farm.store.connection_ids().ready().unwrap()
}

/// The incidents of an owner about the provider.
fn told(farm: &Farm, owner: UserId) -> Vec<Incident> {
    let mut incidents = farm.incidents(owner);
    incidents.retain(|it| it.subject == Subject::Provider(instance().id()));
    incidents
}

fn is_open(farm: &Farm, owner: UserId) -> bool {
    let told = told(farm, owner);
    told.iter().any(|it| it.status == IncidentStatus::Open)
}

/// The provider does not answer any more, and that is noticed.
async fn down(farm: &Farm) {
    farm.provider.always_does(Some(Behaviour::Hang));
    farm.until(|| is_open(farm, ANN) && is_open(farm, BOB))
        .await;
}

/// The calls since a moment.
fn calls(farm: &Farm, since: Instant) -> Vec<Instant> {
    let calls = farm.provider.calls.lock();
    let times = calls.iter().map(|(_, at)| *at);
    times.filter(|at| *at > since).collect()
}

/// Calls that were under way when the outage was noticed have ended.
async fn calm() -> Instant {
    tokio::time::sleep(Duration::from_secs(20)).await;
    Instant::now()
}

#[actix::test]
async fn an_outage_is_one_incident_of_each_owner_and_one_call_a_minute() {
    let farm = populated().await;
    down(&farm).await;
    let begun = calm().await;
    tokio::time::sleep(Duration::from_hours(6)).await;
    let made = calls(&farm, begun);
    assert!((355..=361).contains(&made.len()), "{}", made.len());
    for pair in made.windows(2) {
        assert!(pair[1] - pair[0] >= PROBE_EVERY, "{:?}", pair[1] - pair[0]);
    }
    for (owner, count) in [(ANN, 30), (BOB, 5)] {
        let told = told(&farm, owner);
        assert_eq!(told.len(), 1);
        let affected = told[0].affected.clone().unwrap();
        assert_eq!(
            (affected.instance, affected.connections),
            (instance(), count)
        );
        assert_eq!(farm.incidents(owner).len(), 1, "none of a connection's own");
    }
    let outage = farm.actors.outage(&instance()).unwrap();
    for id in all(&farm) {
        let connection = farm.get(id);
        assert_eq!(connection.webhook_status(), WebhookStatus::Active);
        // Before it was noticed.
        assert!(connection.lifecycle.checks_failed <= 2);
        let health = health(&connection, None).during(Some(outage.since));
        assert_eq!(health.state, HealthState::Degraded);
        assert_eq!(health.since, Some(outage.since));
        assert_eq!(health.reasons[0].cause, HealthCause::ProviderOutage);
    }
}

#[actix::test]
async fn the_end_resolves_it_and_the_work_that_waited_is_spread_out() {
    let farm = populated().await;
    let known = told(&farm, ANN).len();
    down(&farm).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    farm.provider.always_does(None);
    farm.until(|| !is_open(&farm, ANN) && !is_open(&farm, BOB))
        .await;
    let ended = Instant::now();
    let ended_at = farm.store.outages().ready().unwrap()[0].ended_at;
    for owner in [ANN, BOB] {
        let told = told(&farm, owner);
        assert_eq!(
            (told.len(), told[0].resolution),
            (1, Some(Resolution::Recovered))
        );
    }
    assert_eq!(known, 0);
    assert!(farm.actors.outage(&instance()).is_none());
    let is_checked = |id| farm.get(id).last_check_at >= ended_at;
    farm.until(|| all(&farm).into_iter().all(is_checked)).await;
    let took = ended.elapsed();
    assert!(took < Duration::from_mins(15), "{took:?}");
    let mut per_second: BTreeMap<u64, usize> = BTreeMap::new();
    for at in calls(&farm, ended) {
        *per_second.entry((at - ended).as_secs()).or_default() += 1;
    }
    let most = per_second.values().max().copied();
    assert!(most <= Some(4), "{per_second:?}");
}

#[actix::test]
async fn a_restart_finds_the_same_outage_and_calls_no_sooner() {
    let mut farm = populated().await;
    down(&farm).await;
    let before = told(&farm, ANN);
    for _ in 0..5 {
        farm.restart().await;
        farm.until(|| farm.actors.outage(&instance()).is_some())
            .await;
        let started = Instant::now();
        tokio::time::sleep(Duration::from_secs(130)).await;
        let made = calls(&farm, started);
        assert!((1..=3).contains(&made.len()), "{}", made.len());
    }
    let after = told(&farm, ANN);
    assert_eq!(after.len(), 1);
    assert_eq!(
        (after[0].id, after[0].first_seen_at),
        (before[0].id, before[0].first_seen_at)
    );
    farm.provider.always_does(None);
    farm.until(|| !is_open(&farm, ANN)).await;
    assert_eq!(told(&farm, ANN)[0].occurrences, 1);
}

#[actix::test]
async fn a_users_request_fails_at_once_with_the_reason_and_is_carried_out_after_the_end() {
    let farm = populated().await;
    down(&farm).await;
    calm().await;
    let id = all(&farm)[0];
    let asked = Instant::now();
    farm.ask(id, CommandKind::Check).await;
    farm.until(|| farm.get(id).last_error.is_some()).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    let error = farm.get(id).last_error.unwrap();
    assert_eq!(error.code, ErrorCode::ProviderOutage);
    assert!(error.message.contains("github.test"), "{}", error.message);
    // A new connection waits for the end.
    let new = farm.actors.connect(Farm::request_for(ANN, "o/r1")).await;
    let new = new.unwrap().id;
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert_eq!(farm.status(new), WebhookStatus::Pending);
    tokio::time::sleep(Duration::from_hours(3)).await;
    assert_eq!(
        farm.status(new),
        WebhookStatus::Pending,
        "it does not fail of it"
    );
    let affected = told(&farm, ANN)[0].affected.clone().unwrap();
    assert_eq!(affected.connections, 31, "it is counted, too");
    farm.provider.always_does(None);
    let ended = Instant::now();
    farm.becomes(new, WebhookStatus::Active).await;
    assert!(
        ended.elapsed() < Duration::from_mins(3),
        "{:?}",
        ended.elapsed()
    );
}

/// The tokens were revoked meanwhile: only a new one can show that the provider answers again.
#[actix::test]
async fn an_outage_that_no_credential_can_probe_ends_with_a_new_one() {
    let farm = populated().await;
    down(&farm).await;
    for owner in [ANN, BOB] {
        let credentials = farm.store.credentials(owner).ready().unwrap();
        for credential in credentials {
            farm.actors.remove_credential(credential.id).await.unwrap();
        }
    }
    calm().await;
    let token = || ProviderToken::new("new".into()).unwrap();
    let add = || farm.actors.add_credential(ANN, instance(), token());
    tokio::time::sleep(2 * PROBE_EVERY).await;
    assert!(add().await.is_err(), "it does not answer yet");
    assert!(add().await.is_err(), "and is called once a minute");
    farm.provider.always_does(None);
    tokio::time::sleep(PROBE_EVERY).await;
    add().await.unwrap();
    farm.until(|| !is_open(&farm, ANN) && !is_open(&farm, BOB))
        .await;
}

#[actix::test]
async fn refusals_and_one_connections_failures_are_no_outage() {
    let farm = populated().await;
    // Every third call fails.
    for _ in 0..200 {
        farm.provider.next_does(Behaviour::Hang);
        farm.provider.next_does(Behaviour::Act);
        farm.provider.next_does(Behaviour::Act);
    }
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert!(told(&farm, ANN).is_empty());
    farm.provider.script.lock().clear();
    // What is refused is answered.
    let refusal = crate::domain::lifecycle::Failure::NoAccess;
    farm.provider
        .always_does(Some(Behaviour::Refuse(refusal, "no_access")));
    tokio::time::sleep(Duration::from_hours(4)).await;
    assert!(told(&farm, ANN).is_empty());
    assert!(farm.store.outages().ready().unwrap().is_empty());
}

#[actix::test]
async fn what_its_owner_has_resolved_stays_so_and_what_recurs_soon_is_opened_again() {
    let farm = populated().await;
    down(&farm).await;
    let anns = told(&farm, ANN)[0].clone();
    let subject = anns.subject;
    farm.actors
        .act(subject, anns.id, Act::Acknowledge, ANN)
        .await
        .unwrap();
    farm.actors
        .act(subject, anns.id, Act::Resolve, ANN)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_mins(30)).await;
    let still = told(&farm, ANN);
    assert_eq!(
        (still.len(), still[0].resolution),
        (1, Some(Resolution::ByHand))
    );
    // It ends, and begins again within a quarter of an hour.
    farm.provider.always_does(None);
    farm.until(|| !is_open(&farm, BOB)).await;
    farm.provider.always_does(Some(Behaviour::Hang));
    farm.until(|| is_open(&farm, BOB)).await;
    let bobs = told(&farm, BOB);
    assert_eq!((bobs.len(), bobs[0].occurrences), (1, 2));
    assert_eq!(bobs[0].resolved_at, None);
}

#[actix::test]
async fn an_owner_without_connections_waits_for_nothing() {
    let farm = populated().await;
    down(&farm).await;
    let bobs = farm.store.connections_of(BOB, After::first(100));
    for connection in bobs.ready().unwrap().items {
        farm.disconnect(connection.id, false, Duration::ZERO)
            .await
            .unwrap();
    }
    farm.until(|| !is_open(&farm, BOB)).await;
    let bobs = told(&farm, BOB);
    assert_eq!(bobs[0].resolution, Some(Resolution::Disconnected));
    assert!(is_open(&farm, ANN));
}

/// A host that fails is called once a minute, and what arrives from it is processed.
#[actix::test]
async fn scenario_17_a_host_that_fails_is_probed_and_ingest_is_unaffected() {
    let farm = populated().await;
    let before = Instant::now();
    down(&farm).await;
    // Until it was noticed, each connection tried no more than a few times.
    let tries = calls(&farm, before).len();
    assert!(tries <= 2 * (ANNS + BOBS), "{tries}");
    calm().await;
    let connection = farm.get(all(&farm)[0]);
    let begun = Instant::now();
    for n in 0..100 {
        farm.process(&connection, &format!("{n} 1 success")).await;
    }
    assert!(
        begun.elapsed() < Duration::from_mins(1),
        "{:?}",
        begun.elapsed()
    );
    assert!(calls(&farm, begun).len() <= 2);
}

/// Nothing is sent with a credential before the time that its provider has named, whatever asks for
/// it, and a restart remembers that. Other credentials are not held.
#[actix::test]
async fn scenario_18_nothing_is_sent_before_retry_after_and_a_restart_remembers_it() {
    let mut farm = populated().await;
    let wait = Duration::from_mins(50);
    let anns = farm.store.connections_of(ANN, After::first(100));
    let anns = anns.ready().unwrap().items;
    farm.provider.next_does(Behaviour::Limit(wait));
    farm.ask(anns[0].id, CommandKind::Check).await;
    farm.until(|| farm.get(anns[0].id).last_error.is_some())
        .await;
    let (met, mut checked) = (Instant::now(), 0);
    while met.elapsed() + Duration::from_mins(2) < wait {
        farm.restart().await;
        let asked = anns[checked % anns.len()].id;
        farm.ask(asked, CommandKind::Check).await;
        farm.until(|| {
            let error = farm.get(asked).last_error;
            error.is_some_and(|error| error.code == ErrorCode::RateLimited)
        })
        .await;
        checked += 1;
        tokio::time::sleep(Duration::from_mins(3)).await;
    }
    let since = calls(&farm, met).len();
    let errands = farm.provider.errands.lock().clone();
    let of_ann = |errand: &&(&str, crate::domain::errand::Errand)| errand.1.owner == ANN;
    let anns_calls = errands.iter().rev().take(since).filter(of_ann).count();
    assert_eq!(anns_calls, 0, "none with Ann's token");
    assert!(since > 0, "Bob's are checked");
    assert!(told(&farm, ANN).is_empty(), "a limit is no outage");
    // Then work continues.
    let due = farm.get(anns[0].id).last_check_at;
    let is_checked = || farm.get(anns[0].id).last_check_at > due;
    farm.until(is_checked).await;
    assert!(met.elapsed() >= wait, "{:?}", met.elapsed());
}
