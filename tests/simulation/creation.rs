//! Scenarios 1 to 4 of the list of reliability scenarios: a hook is created, and the process dies,
//! the answer is lost, the request is, or the provider refuses.

use crate::daemon::{RETRY_FIRST, RETRY_MAX, SLOW_RETRY_FIRST};
use crate::scene::Scene;
use crate::virtually;
use hookherd::domain::backoff::Backoff;
use hookherd::domain::connection::WebhookStatus;
use hookherd::domain::lifecycle::{Hook, Phase};
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::Misbehaviour;
use std::collections::BTreeSet;
use std::time::Duration;

/// More commits than a creation has.
const COMMITS_MAX: u64 = 100;

/// Where a process was when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// Before there was a hook.
    Before,
    /// There was one, and the store did not know.
    Unknown,
    /// The store knew.
    After,
}

/// A process dies while it creates a hook; the next one ends with that hook. Returns where it died.
async fn survives(scene: &mut Scene) -> Death {
    let hooks = scene.hooks();
    assert!(hooks.len() < 2, "{hooks:?}");
    let stored = scene.stored();
    let is_known = |hook: &u64| {
        let known = stored.as_ref().map(|it| it.lifecycle.hook);
        known.is_some_and(|known| known == Hook::Present(hookherd::domain::id::HookId(*hook)))
    };
    let first = hooks.first().map(|hook| hook.id);
    let death = match first {
        None => Death::Before,
        Some(hook) if is_known(&hook) => Death::After,
        Some(_) => Death::Unknown,
    };
    scene.world.start().await;
    if stored.is_none() {
        // The user got no answer, and nothing was asked of the provider.
        assert!(hooks.is_empty());
        return death;
    }
    let hook = scene.ends_with_one_hook().await;
    assert!(first.is_none_or(|first| first == hook), "it is adopted");
    death
}

async fn dies_at_commit(
    provider: ProviderKind,
    fault: Option<Misbehaviour>,
    (left, commits_it): (u64, bool),
) -> Option<Death> {
    let mut scene = Scene::set(provider).await;
    if let Some(fault) = fault {
        scene.breaks("create_hook", fault, (0, 1));
    }
    let daemon = scene.world.daemon.as_ref().expect("it runs");
    daemon.store.dies_at(left, commits_it);
    drop(scene.connects());
    let is_over = |it: &Scene| it.is_dead() || it.is_settled();
    scene.until("it dies, or is done", is_over).await;
    if !scene.is_dead() {
        return None;
    }
    let death = survives(&mut scene).await;
    assert!(scene.creations().len() <= 1, "{:#?}", scene.book());
    Some(death)
}

#[test]
fn scenario_01_a_process_that_dies_at_any_commit_of_a_creation_adopts_the_hook_it_made() {
    for provider in ProviderKind::ALL {
        let mut deaths = Vec::new();
        let lost = Some(Misbehaviour::ActThenDrop);
        for (fault, commits_it) in [(None, false), (None, true), (lost, false), (lost, true)] {
            let at = |left| virtually(|| dies_at_commit(provider, fault, (left, commits_it)));
            let died: Vec<_> = (0..COMMITS_MAX).map_while(at).collect();
            assert!((3..100).contains(&died.len()), "{died:?}");
            deaths.extend(died);
        }
        println!("{provider}: {deaths:?}");
        for death in [Death::Before, Death::Unknown, Death::After] {
            assert!(deaths.contains(&death), "{provider}: {death:?}");
        }
    }
}

async fn dies_after(provider: ProviderKind, time: Duration) -> Option<Death> {
    let mut scene = Scene::set(provider).await;
    drop(scene.connects());
    scene.world.pass(time).await;
    if scene.is_settled() {
        return None;
    }
    scene.world.kill();
    // What it had sent may arrive now.
    scene.world.pass(Duration::from_millis(200)).await;
    Some(survives(&mut scene).await)
}

#[test]
fn scenario_01_a_process_that_is_killed_at_any_time_of_a_creation_leaves_one_hook() {
    const STEP_MS: u64 = 7;
    for provider in ProviderKind::ALL {
        let after = |n| virtually(|| dies_after(provider, Duration::from_millis(n * STEP_MS)));
        let deaths: Vec<_> = (0..1000).map_while(after).collect();
        println!("{provider}: {} deaths", deaths.len());
        assert!(deaths.contains(&Death::Before) && deaths.contains(&Death::Unknown));
        assert!((20..1000).contains(&deaths.len()), "{}", deaths.len());
    }
}

/// Connects, and follows the connection until its hook is settled. Returns the most hooks that
/// were there at a time, and whether the store ever said that it does not know.
async fn follow(scene: &mut Scene) -> (usize, bool) {
    drop(scene.connects());
    let (mut most, mut is_unknown) = (0, false);
    scene
        .until("it settles", |scene| {
            most = most.max(scene.hooks().len());
            let Some(stored) = scene.stored() else {
                return false;
            };
            let (hook, phase) = (stored.lifecycle.hook, stored.lifecycle.phase);
            is_unknown |= matches!(hook, Hook::Unknown(_));
            let is_failed = stored.webhook_status() == WebhookStatus::Failed;
            assert!(!is_failed, "an unknown outcome is no failure: {stored:?}");
            let is_concluded = matches!(phase, Phase::Waiting { .. }) && hook == Hook::Absent;
            assert!(!is_concluded, "it is not known to be absent: {stored:?}");
            scene.is_settled()
        })
        .await;
    (most, is_unknown)
}

async fn loses_the_answer(provider: ProviderKind, lost: Misbehaviour, is_blind: bool) {
    let mut scene = Scene::set(provider).await;
    scene.breaks("create_hook", lost, (0, 1));
    if is_blind {
        // Nor can the hooks be listed for a while: three times within a call.
        scene.breaks("list_hooks", Misbehaviour::FailBefore(503), (1, 6));
    }
    let (most, is_unknown) = follow(&mut scene).await;
    let what = || format!("{provider}, {lost:?}, {is_blind}: {:#?}", scene.book());
    assert_eq!((most, scene.creations().len()), (1, 1), "{}", what());
    assert!(is_unknown || !is_blind, "{}", what());
    scene.ends_with_one_hook().await;
}

#[test]
fn scenario_02_a_creation_whose_answer_is_lost_is_unknown_and_adopted_and_never_repeated() {
    for provider in ProviderKind::ALL {
        for is_blind in [false, true] {
            for lost in [
                Misbehaviour::ActThenDrop,
                Misbehaviour::ActThenHang,
                Misbehaviour::ActThenFail(502),
                Misbehaviour::TruncatedJson,
            ] {
                virtually(|| loses_the_answer(provider, lost, is_blind));
            }
        }
    }
}

/// It takes effect when the daemon no longer waits, and has seen that there is no hook yet. GitHub
/// refuses a second hook with the same URL; at GitLab there may be two until they are listed.
#[test]
fn scenario_02_a_creation_that_takes_effect_late_ends_with_one_hook() {
    for provider in ProviderKind::ALL {
        for late_s in [14, 16, 17, 18, 20, 30, 60, 110] {
            virtually(|| async {
                let mut scene = Scene::set(provider).await;
                let late = Duration::from_secs(late_s);
                scene.world.network.late_creation.set(Some(late));
                let (most, is_unknown) = follow(&mut scene).await;
                let most_allowed = match provider {
                    ProviderKind::Github => 1,
                    ProviderKind::Gitlab => 2,
                };
                assert!(most <= most_allowed, "{late_s} s: {:#?}", scene.book());
                assert!(is_unknown || late_s < 15, "{late_s} s: {:#?}", scene.book());
                scene.ends_with_one_hook().await;
            });
        }
    }
}

/// The times between the attempts to create a hook.
fn gaps(scene: &Scene) -> Vec<Duration> {
    let times: Vec<_> = scene.creations().iter().map(|it| it.at).collect();
    times
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect()
}

/// Each wait is at least half of its ceiling, and no longer than it by more than some calls.
fn assert_backs_off(gaps: &[Duration], first: Duration, cap: Duration) {
    let backoff = Backoff {
        initial: first,
        cap,
    };
    for (attempt, gap) in (1..).zip(gaps) {
        let (least, most) = (backoff.wait(attempt, 0), backoff.wait(attempt, u64::MAX));
        let calls = Duration::from_secs(3);
        let is_fine = (least..most + calls).contains(gap);
        assert!(is_fine, "{attempt}: {gap:?} of {gaps:?}");
    }
}

async fn is_cut_off(provider: ProviderKind, fault: Misbehaviour) {
    const TIMES: u32 = 7;
    let mut scene = Scene::set(provider).await;
    scene.breaks("create_hook", fault, (0, TIMES));
    drop(scene.connects());
    let mut most = 0;
    let is_settled = |scene: &Scene| {
        most = most.max(scene.hooks().len());
        scene.is_settled()
    };
    scene.until("it settles", is_settled).await;
    scene.ends_with_one_hook().await;
    let gaps = gaps(&scene);
    println!("{provider} {fault:?}: {gaps:?}");
    assert_eq!((gaps.len(), most, scene.made()), (TIMES as usize, 1, 1));
    assert_backs_off(&gaps, RETRY_FIRST, RETRY_MAX);
}

#[test]
fn scenario_03_a_creation_that_fails_before_its_effect_is_repeated_with_backoff() {
    for provider in ProviderKind::ALL {
        for fault in [Misbehaviour::DropBefore, Misbehaviour::FailBefore(500)] {
            virtually(|| is_cut_off(provider, fault));
        }
    }
}

/// Nothing is sent, and the provider is probed as in any outage.
#[test]
fn scenario_03_a_creation_that_is_never_sent_happens_once_when_the_provider_is_reached() {
    for provider in ProviderKind::ALL {
        virtually(|| async {
            let mut scene = Scene::set(provider).await;
            scene.world.network.is_outbound_down.set(true);
            drop(scene.connects());
            scene.world.pass(Duration::from_mins(30)).await;
            assert_eq!((scene.creations().len(), scene.hooks().len()), (0, 0));
            let stored = scene.stored().expect("the request is stored");
            assert_eq!(stored.lifecycle.hook, Hook::Absent, "{stored:?}");
            scene.world.network.is_outbound_down.set(false);
            scene.ends_with_one_hook().await;
            assert_eq!(scene.creations().len(), 1, "{:#?}", scene.book());
        });
    }
}

/// Another hook with our URL appears between our list and our creation, without our secret and with
/// other events: GitHub refuses ours, and that one is taken over.
#[test]
fn scenario_04_a_hook_that_already_exists_is_adopted_with_our_secret_and_events() {
    virtually(|| async {
        let mut scene = Scene::set(ProviderKind::Github).await;
        drop(scene.connects());
        let lists = |scene: &Scene| {
            let requests = scene.world.network.requests.borrow();
            let is_list = |it: &&crate::network::Request| {
                let is_get = it.method == "GET" && it.path.contains("/hooks");
                is_get && it.path.contains(scene.name()) && it.status == Some(200)
            };
            requests.iter().filter(is_list).count()
        };
        while lists(&scene) == 0 {
            scene.world.pass(Duration::from_millis(1)).await;
        }
        assert!(scene.creations().is_empty());
        let stored = scene.stored().expect("the intent comes first");
        let (base, key) = (&scene.world.machine.public_url, stored.hook_key);
        let url = format!("{base}/api/v2/webhooks/github/{key}");
        let github = scene.world.offline.github();
        let theirs = github.make_hook_by_hand(scene.name(), &url, &["push", "issues"]);
        let hook = scene.ends_with_one_hook().await;
        assert_eq!(theirs, Some(hook));
        let statuses: Vec<_> = scene.creations().iter().map(|it| it.status).collect();
        assert_eq!(statuses, [Some(422)], "{:#?}", scene.book());
    });
}

impl Scene {
    /// Other people make as many hooks as the provider allows.
    async fn fill(&self) {
        for n in 0..200 {
            let url = format!("https://other.test/{n}");
            let is_made = match self.provider {
                ProviderKind::Github => {
                    let github = self.world.offline.github();
                    let made = github.make_hook_by_hand(self.name(), &url, &["push"]);
                    made.is_some()
                }
                ProviderKind::Gitlab => self.makes_at_gitlab(&url).await,
            };
            if !is_made {
                return;
            }
        }
        panic!("there is no limit");
    }

    async fn makes_at_gitlab(&self, url: &str) -> bool {
        let token = self.ann().tokens[1].as_ref().expect("she gave it");
        let path = format!("/api/v4/projects/{}/hooks", self.name().replace('/', "%2F"));
        let headers = [
            ("private-token".to_owned(), token.as_bytes().to_vec()),
            ("content-type".to_owned(), b"application/json".to_vec()),
        ];
        let body = serde_json::json!({ "url": url }).to_string();
        let offline = &self.world.offline;
        let answer = offline.answer(("POST", &path), &headers, body.into()).await;
        answer.is_some_and(|answer| answer.status == 201)
    }

    pub fn delete_by_hand(&self, hook: u64) {
        match self.provider {
            ProviderKind::Github => {
                let github = self.world.offline.github();
                github.delete_hook_by_hand(self.name(), hook);
            }
            ProviderKind::Gitlab => {
                let gitlab = self.world.offline.gitlab();
                gitlab.delete_hook_by_hand(self.name(), hook);
            }
        }
    }
}

#[test]
fn scenario_04_where_no_more_hooks_fit_the_error_is_seen_and_nothing_loops() {
    for provider in ProviderKind::ALL {
        virtually(|| async {
            let mut scene = Scene::set(provider).await;
            scene.fill().await;
            let full = scene.hooks().len();
            drop(scene.connects());
            let is_failed = |scene: &Scene| {
                let stored = scene.stored();
                stored.is_some_and(|it| it.webhook_status() == WebhookStatus::Failed)
            };
            scene.until("it fails", is_failed).await;
            scene.world.pass(Duration::from_hours(24)).await;
            let stored = scene.stored().expect("it stays");
            let error = stored.last_error.as_ref().expect("it says why");
            assert_eq!(error.code.as_str(), "hook_limit_reached");
            assert_eq!(stored.lifecycle.hook, Hook::Absent, "a refusal is definite");
            let gaps = gaps(&scene);
            println!("{provider}: {} in a day", gaps.len());
            assert_backs_off(&gaps, SLOW_RETRY_FIRST, 2 * RETRY_MAX);
            assert!(gaps.len() > 100, "it finds out by itself: {gaps:?}");
            assert_eq!((scene.made(), scene.hooks().len()), (0, full));
            // A person deletes one.
            scene.delete_by_hand(scene.hooks()[0].id);
            scene.until("it settles", Scene::is_settled).await;
            assert_eq!((scene.made(), scene.hooks().len()), (1, full));
            assert_eq!(scene.stored().and_then(|it| it.last_error), None);
            let complaints: BTreeSet<_> = scene.world.complaints_of_hooks().into_iter().collect();
            assert!(complaints.is_empty(), "{complaints:?}");
        });
    }
}
