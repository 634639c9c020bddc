//! Scenarios 13, 15 and 16 of the list of reliability scenarios: a token is revoked, a repository
//! moves, goes out of access, is archived or deleted. What a person has to correct is reported
//! once, and causes no storm of calls.

use crate::scene::Scene;
use crate::virtually;
use hookherd::domain::connection::WebhookStatus;
use hookherd::domain::history::EntryKind;
use hookherd::domain::incident::{Incident, IncidentStatus};
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::Misbehaviour;
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// Where the repository is moved to.
const THEIRS: &str = "others/app";

impl Scene {
    fn status(&self) -> WebhookStatus {
        self.stored().expect("it stays").webhook_status()
    }

    /// The code of the last error.
    fn error(&self) -> Option<&'static str> {
        let error = self.stored()?.last_error?;
        Some(error.code.as_str())
    }

    /// Ann may not see the repository any more.
    fn locks_ann_out(&self) {
        match self.provider {
            ProviderKind::Gitlab => {
                let gitlab = self.world.offline.gitlab();
                gitlab.set_role("ann", self.name(), 0);
            }
            ProviderKind::Github => {
                self.breaks("*", Misbehaviour::NotFoundForPermission, (0, u32::MAX));
            }
        }
    }

    /// She may again.
    fn lets_ann_in(&self) {
        match self.provider {
            ProviderKind::Gitlab => {
                let gitlab = self.world.offline.gitlab();
                gitlab.set_role("ann", self.name(), 40);
            }
            ProviderKind::Github => self.world.offline.faults().clear(),
        }
    }

    fn archives(&self) {
        match self.provider {
            ProviderKind::Github => self.world.offline.github().archive(self.name()),
            ProviderKind::Gitlab => self.world.offline.gitlab().archive(self.name()),
        }
    }

    /// What the hook sends is accepted, and processed.
    async fn still_hears(&mut self, number: u64) {
        let answers = self.delivers(number).await;
        let is_accepted = |status: &u16| (200..300).contains(status);
        assert!(!answers.is_empty());
        assert!(answers.iter().all(is_accepted), "{answers:?}");
    }

    /// What is reported of anything but CI.
    fn told_of_health(&self) -> Vec<Incident> {
        let mut incidents = self.incidents();
        incidents.retain(|it| it.ci.is_none());
        incidents
    }
}

async fn loses_its_token(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    let (hooks, token) = (scene.hooks().len(), scene.token().to_owned());
    match provider {
        ProviderKind::Github => scene.world.offline.github().revoke_token(&token),
        ProviderKind::Gitlab => scene.world.offline.gitlab().revoke_token(&token),
    }
    let is_suspended = |it: &Scene| it.status() == WebhookStatus::Suspended;
    scene.until("it is suspended", is_suspended).await;
    scene.world.pass(Duration::from_mins(1)).await;
    let begun = scene.now();
    for day in 1..=3 {
        scene.world.pass(DAY).await;
        scene.still_hears(day).await;
    }
    let calls = scene.requests(begun);
    println!("{provider}: {} calls in 3 days", calls.len());
    assert!(calls.is_empty(), "{calls:?}");
    let told = scene.told_of_health();
    let kinds: Vec<_> = told
        .iter()
        .map(|it| (it.failure_type.as_str(), it.occurrences))
        .collect();
    assert_eq!(kinds, [("credential_rejected", 1)], "{told:?}");
    assert_eq!(told[0].status, IncidentStatus::Open);
    assert_eq!(scene.told(EntryKind::Suspended), 1, "{:?}", scene.history());
    // The person gives another.
    assert!(scene.world.give_token(0, provider).await);
    scene.ends_with_one_hook().await;
    assert_eq!((scene.hooks().len(), scene.made()), (hooks, 1));
    assert_eq!(scene.told_of_health()[0].status, IncidentStatus::Resolved);
}

#[test]
fn scenario_13_a_revoked_token_suspends_at_once_is_told_once_and_is_never_used_again() {
    for provider in ProviderKind::ALL {
        virtually(|| loses_its_token(provider));
    }
}

/// The requests of each of some hours.
fn by_hour(scene: &Scene, begun: Duration, hours: u32) -> Vec<usize> {
    let calls = scene.requests(begun);
    let nth = |at: Duration| at.saturating_sub(begun).as_secs() / 3600;
    let count = |hour: u32| {
        calls
            .iter()
            .filter(|it| nth(it.at) == u64::from(hour))
            .count()
    };
    (0..hours).map(count).collect()
}

async fn goes_out_of_access(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    let hook = scene.hooks()[0].id;
    scene.is_moved(THEIRS);
    scene.locks_ann_out();
    let is_told = |it: &Scene| it.told(EntryKind::Refused) == 1;
    scene.until("it says why", is_told).await;
    let begun = scene.now();
    for day in 1..=3 {
        scene.world.pass(DAY).await;
        scene.still_hears(day).await;
        let state = (scene.status(), scene.error());
        assert_eq!(state, (WebhookStatus::Degraded, Some("no_access")));
    }
    let hours = by_hour(&scene, begun, 72);
    println!("{provider}: {hours:?}");
    // With all that is read to find out: checks and reconciles are still tried.
    assert!(hours.iter().all(|calls| *calls < 60), "{hours:?}");
    let (first, last): (usize, usize) = (hours[..24].iter().sum(), hours[48..].iter().sum());
    // Jitter moves a call or two from one day to the next.
    assert!(last <= first + first / 20, "{hours:?}");
    assert!(scene.writes(begun).is_empty(), "{:?}", scene.writes(begun));
    let told = [EntryKind::Refused, EntryKind::Lost, EntryKind::Suspended];
    assert_eq!(told.map(|kind| scene.told(kind)), [1, 0, 0]);
    assert!(
        scene.told_of_health().is_empty(),
        "{:?}",
        scene.told_of_health()
    );
    let known = scene.stored().and_then(|it| it.lifecycle.hook.id());
    assert_eq!(known.map(|id| id.0), Some(hook), "it is not taken for gone");
    scene.lets_ann_in();
    scene.until("it is seen again", Scene::is_settled).await;
    let stored = scene.stored().expect("it stays");
    assert_eq!(stored.full_name.as_str(), THEIRS);
    assert_eq!((scene.hooks()[0].id, scene.made()), (hook, 1));
}

#[test]
fn scenario_15_a_repository_moved_out_of_access_needs_a_person_and_causes_no_storm_of_calls() {
    for provider in ProviderKind::ALL {
        virtually(|| goes_out_of_access(provider));
    }
}

/// The old name leads to the new one, and then to another repository.
async fn is_followed(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    let (hook, old, begun) = (
        scene.hooks()[0].clone(),
        scene.name().to_owned(),
        scene.now(),
    );
    let number = scene.stored().and_then(|it| it.repository);
    for name in ["ann/second", "ann/third"] {
        scene.is_moved(name);
        let is_known = |it: &Scene| it.stored().is_some_and(|c| c.full_name.as_str() == name);
        scene.until("its name is known", is_known).await;
        assert_eq!(scene.status(), WebhookStatus::Active);
    }
    // Another repository takes the first name.
    match provider {
        ProviderKind::Github => {
            scene.world.offline.github().add_repository(&old, "ann");
        }
        ProviderKind::Gitlab => {
            scene.world.offline.gitlab().add_project(&old, "ann");
        }
    }
    scene.world.pass(DAY).await;
    assert_eq!(scene.stored().and_then(|it| it.repository), number);
    let now = (
        scene.hooks().len(),
        scene.hooks()[0].id,
        scene.hooks()[0].url.clone(),
    );
    assert_eq!(now, (1, hook.id, hook.url));
    let writes = scene.writes(begun);
    let is_ping = |path: &str| path.ends_with("/pings") || path.contains("/test/");
    assert!(writes.iter().all(|it| is_ping(&it.path)), "{writes:?}");
    assert_eq!(scene.told(EntryKind::Renamed), 2);
    scene.still_hears(1).await;
}

#[test]
fn scenario_15_a_renamed_repository_is_followed_by_its_number_though_another_takes_its_name() {
    for provider in ProviderKind::ALL {
        virtually(|| is_followed(provider));
    }
}

async fn is_archived(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    let (hook, before) = (scene.hooks()[0].id, scene.now());
    scene.world.pass(3 * HOUR).await;
    let usual = by_hour(&scene, before, 3)[2];
    let url = scene.hooks()[0].url.clone();
    let other = match provider {
        ProviderKind::Github => json!({ "events": ["push"] }),
        ProviderKind::Gitlab => json!({ "url": url, "pipeline_events": false }),
    };
    scene.edits(&other).await;
    scene.archives();
    let is_told = |it: &Scene| it.error() == Some("repository_archived");
    scene.until("it says why", is_told).await;
    let begun = scene.now();
    scene.world.pass(2 * DAY).await;
    let hours = by_hour(&scene, begun, 48);
    println!("{provider}: usually {usual}, then {hours:?}");
    assert!(
        hours.iter().all(|calls| *calls <= usual),
        "{usual}: {hours:?}"
    );
    assert!(scene.writes(begun).is_empty(), "{:?}", scene.writes(begun));
    assert_eq!(scene.status(), WebhookStatus::Degraded);
    let told = [EntryKind::Refused, EntryKind::Repaired, EntryKind::Lost];
    assert_eq!(told.map(|kind| scene.told(kind)), [1, 0, 0]);
    assert_eq!((scene.hooks()[0].id, scene.made()), (hook, 1));
}

#[test]
fn scenario_16_an_archived_repository_is_not_repaired_for_days_and_told_once() {
    for provider in ProviderKind::ALL {
        virtually(|| is_archived(provider));
    }
}

/// A deleted repository looks like one out of reach: nothing that cannot be undone follows from it,
/// however long it lasts. Only its user ends the connection.
async fn is_deleted(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    scene.still_hears(1).await;
    let connection = scene.stored().expect("it is connected");
    match provider {
        ProviderKind::Github => scene.world.offline.github().delete_repository(scene.name()),
        ProviderKind::Gitlab => scene.world.offline.gitlab().delete_project(scene.name()),
    }
    let is_told = |it: &Scene| it.told(EntryKind::Refused) == 1;
    scene.until("it says why", is_told).await;
    let (begun, incidents) = (scene.now(), scene.incidents());
    // Longer than any grace.
    scene.world.pass(4 * DAY).await;
    let now = scene.stored().expect("it stays");
    assert_eq!(now.lifecycle.desired, connection.lifecycle.desired);
    assert_eq!(
        now.lifecycle.hook, connection.lifecycle.hook,
        "it is not taken for gone"
    );
    assert_eq!(now.hook_key, connection.hook_key);
    assert_eq!(
        (scene.status(), scene.error()),
        (WebhookStatus::Degraded, Some("no_access"))
    );
    assert!(scene.writes(begun).is_empty(), "{:?}", scene.writes(begun));
    assert_eq!(scene.incidents(), incidents);
    let told = [EntryKind::Refused, EntryKind::Lost, EntryKind::Suspended];
    assert_eq!(told.map(|kind| scene.told(kind)), [1, 0, 0]);
    let hours = by_hour(&scene, begun, 96);
    println!("{provider}: {hours:?}");
    assert!(hours.iter().all(|calls| *calls < 60), "{hours:?}");
}

#[test]
fn scenario_16_nothing_irreversible_follows_from_a_deleted_repository() {
    for provider in ProviderKind::ALL {
        virtually(|| is_deleted(provider));
    }
}
