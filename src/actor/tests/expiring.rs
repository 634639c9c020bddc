//! The end of a token: an incident of its owner some days before, and a new token ends that.

use super::fakes::{ANN, BOB, Farm};
use crate::actor::Connections;
use crate::domain::expiry::Expiry;
use crate::domain::id::CredentialId;
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Severity, Subject};
use crate::domain::lifecycle::Failure;
use crate::domain::time::Timestamp;
use crate::domain::user::Credential;
use crate::store::{Batch, Change};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// When the clock of the farm begins.
const BEGIN: Timestamp = Timestamp(1_700_000_000_000);

/// Ann's token, which expires in so many days.
async fn ending(farm: &Farm, token: &str, days: u32) -> CredentialId {
    let at = BEGIN.plus(DAY * days);
    farm.provider.expires.lock().insert(token.into(), at);
    farm.give_token(ANN, token).await
}

/// The incidents about the end of a token.
fn about(farm: &Farm, id: CredentialId) -> Vec<Incident> {
    let mut incidents = farm.incidents(ANN);
    incidents.retain(|it| it.subject == Subject::Credential(id));
    incidents.retain(|it| it.failure_type == "credential_expiring");
    incidents
}

async fn days(count: f32) {
    tokio::time::sleep(DAY.mul_f32(count)).await;
}

#[actix::test]
async fn the_owner_is_notified_a_week_before_and_more_so_a_day_before_until_there_is_a_new_token() {
    let farm = Farm::new();
    let id = ending(&farm, "old", 20).await;
    farm.give_token(BOB, "lasting").await;
    days(12.9).await;
    assert_eq!(about(&farm, id), []);
    days(0.2).await;
    let opened = about(&farm, id).remove(0);
    assert_eq!(opened.severity, Severity::Warning);
    assert!(
        opened.title.contains("expires on 2023-12-04"),
        "{}",
        opened.title
    );
    days(5.8).await;
    assert_eq!(
        about(&farm, id),
        std::slice::from_ref(&opened),
        "nothing is news"
    );
    days(0.2).await;
    let worse = about(&farm, id);
    assert_eq!(worse.len(), 1);
    assert_eq!(
        (worse[0].id, worse[0].severity),
        (opened.id, Severity::Error)
    );
    // The token of another user, or of another account, changes nothing.
    farm.give_token(BOB, "new-of-bob").await;
    let accounts = || farm.provider.accounts.lock();
    accounts().insert("another".into(), (6, "ann-bot"));
    farm.give_token(ANN, "another").await;
    days(0.1).await;
    assert_eq!(about(&farm, id), worse);
    let new = ending(&farm, "new", 90).await;
    assert_ne!(new, id, "the old one still works");
    farm.until(|| about(&farm, id)[0].status == IncidentStatus::Resolved)
        .await;
    assert_eq!(about(&farm, id)[0].resolution, Some(Resolution::Recovered));
    // Without the new one it is as before.
    farm.actors.remove_credential(new).await.unwrap();
    farm.until(|| about(&farm, id).len() == 2).await;
    assert_eq!(farm.incidents(BOB), []);
}

#[actix::test]
async fn a_restart_opens_no_second_one_also_when_a_person_has_resolved_it() {
    let mut farm = Farm::new();
    let id = ending(&farm, "old", 5).await;
    farm.until(|| about(&farm, id).len() == 1).await;
    farm.restart().await;
    days(0.5).await;
    let told = about(&farm, id);
    assert_eq!((told.len(), told[0].status), (1, IncidentStatus::Open));
    let act = crate::domain::incident::care::Act::Resolve;
    let subject = Subject::Credential(id);
    let acted = farm.actors.act(subject, told[0].id, act, ANN).await;
    acted.unwrap();
    farm.restart().await;
    // Not on the last day, either: the owner has said that it is known.
    days(4.0).await;
    let told = about(&farm, id);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].resolution, Some(Resolution::ByHand));
}

#[actix::test]
async fn when_the_provider_refuses_the_token_one_incident_says_so() {
    let farm = Farm::new();
    let id = ending(&farm, "old", 5).await;
    farm.actors.connect(Farm::request(ANN)).await.unwrap();
    farm.until(|| about(&farm, id).len() == 1).await;
    farm.provider.refuses("old", Some(Failure::Unauthorized));
    farm.until(|| farm.credential(id).rejected.is_some()).await;
    let mut open = farm.incidents(ANN);
    open.retain(|it| it.status == IncidentStatus::Open);
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].failure_type, "credential_rejected");
    assert_eq!(about(&farm, id)[0].resolution, Some(Resolution::Replaced));
    days(3.0).await;
    assert_eq!(about(&farm, id).len(), 1);
    // A new token of the account is the same credential again.
    farm.provider.refuses("old", None);
    assert_eq!(ending(&farm, "new", 90).await, id);
    let at = Some(BEGIN.plus(DAY * 90));
    assert_eq!(farm.credential(id).expiry, Some(Expiry::new(at)));
}

#[actix::test]
async fn the_end_of_a_token_of_an_older_version_is_read_once_and_tried_again_every_hour() {
    let farm = Farm::new();
    let id = ending(&farm, "old", 5).await;
    let older = Credential {
        expiry: None,
        ..farm.credential(id)
    };
    farm.provider.refuses("old", Some(Failure::NoAccess));
    let put = Change::PutCredential(older);
    farm.store.commit(Batch::of(vec![put])).await.unwrap();
    let asked = || {
        let calls = farm.provider.calls.lock();
        calls.iter().filter(|(what, _)| *what == "identity").count()
    };
    let before = asked();
    tokio::time::sleep(Duration::from_mins(150)).await;
    assert_eq!(farm.credential(id).expiry, None);
    let failed = asked() - before;
    assert!((2..=3).contains(&failed), "{failed}");
    farm.provider.refuses("old", None);
    farm.until(|| about(&farm, id).len() == 1).await;
    let before = asked();
    days(1.0).await;
    assert_eq!(asked(), before);
}
