//! Scenario 6 of the list of reliability scenarios: a user disconnects while the provider is down.
//!
//! Until the provider has shown that no hook is left, what the hook sends and signs is accepted
//! and has no effects: a ping may be the only sign of which hook is ours. Afterwards it is refused,
//! in the words that strangers get.

use crate::daemon::{RETRY_FIRST, RETRY_MAX};
use crate::network::Request;
use crate::scene::Scene;
use crate::virtually;
use bytes::Bytes;
use futures_util::FutureExt;
use hookherd::domain::backoff::Backoff;
use hookherd::domain::connection::{Connection, WebhookStatus};
use hookherd::domain::grant::Grant;
use hookherd::domain::incident::Incident;
use hookherd::domain::outage::PROBE_EVERY;
use hookherd::domain::removal::HookOutcome;
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::Misbehaviour;
use hookherd::store::{Read, Scope};
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
/// How much later than another call one may arrive that was sent at the same time.
const LATENCY: Duration = Duration::from_secs(1);
/// How long the user waits for the outcome.
const WITHIN: Duration = Duration::from_secs(10);

impl Scene {
    /// Webhooks that the owner is warned of: they are still to be deleted.
    fn left_to_delete(&self) -> usize {
        let memory = &self.world.machine.memory;
        let counts = memory.counts(Scope::Owner(self.ann().id));
        counts.now_or_never().unwrap().unwrap().connections_leaving
    }

    /// Whether the token for the provider is stored, and nothing of it can be read.
    fn keeps_token_sealed(&self) -> bool {
        let memory = &self.world.machine.memory;
        let all = memory.credentials(self.ann().id).now_or_never();
        let token = self.token().as_bytes();
        let is_it = |grant: &Grant| match grant {
            Grant::Token { token: sealed } => {
                !sealed.0.windows(token.len()).any(|part| part == token)
            }
            Grant::Oauth { .. } | Grant::App { .. } => false,
        };
        let all = all.unwrap().unwrap();
        let mut all = all.iter();
        all.any(|it| it.instance.provider == self.provider && is_it(&it.grant))
    }

    /// The answer to what a stranger sends to a hook.
    async fn forges(&self, key: &str) -> (u16, Bytes) {
        let door = self.world.network.door.borrow().clone();
        let door = door.expect("the daemon runs");
        door.forge(self.provider, key).await
    }

    /// Ann disconnects, and reads that the deletion continues.
    async fn is_disconnected(&mut self) -> Connection {
        let connection = self.stored().expect("it is connected");
        let said = self.disconnects(&connection, WITHIN).await;
        assert_eq!(said.expect("no panic"), Ok(HookOutcome::Pending));
        assert!(self.stored().is_some_and(|it| it.is_removed()));
        connection
    }
}

/// A stranger is refused, in the same words whether the hook is known or not.
async fn is_refused(scene: &Scene, connection: &Connection) {
    let key = connection.hook_key.to_string();
    let nobodys = "0".repeat(key.len());
    let (known, unknown) = (scene.forges(&key).await, scene.forges(&nobodys).await);
    assert_eq!((known.0, &known), (401, &unknown));
}

/// What arrives in the meantime is accepted from the hook and from no other sender, and
/// nothing follows from it.
async fn receives(scene: &mut Scene, connection: &Connection, number: u64) {
    let answers = scene.delivers(number).await;
    let is_accepted = |status: &u16| (200..300).contains(status);
    assert!(!answers.is_empty());
    assert!(answers.iter().all(is_accepted), "{answers:?}");
    is_refused(scene, connection).await;
    let is_of = |it: &Incident| it.subject.connection() == Some(connection.id);
    assert!(!scene.incidents().iter().any(is_of));
}

async fn waits(provider: ProviderKind, days: u64, is_deleted_by_hand: bool) {
    let mut scene = Scene::connected(provider).await;
    scene.world.offline.faults().outage(true);
    let connection = scene.is_disconnected().await;
    let begun = scene.now();
    for number in 1..=days * 4 {
        receives(&mut scene, &connection, number).await;
        scene.world.pass(6 * HOUR).await;
        assert_eq!((scene.hooks().len(), scene.left_to_delete()), (1, 1));
        assert!(scene.keeps_token_sealed());
    }
    // Found to be an outage soon, and then only probed.
    let calls = scene.requests(begun + HOUR);
    let times: Vec<_> = calls.iter().map(|it| it.at).collect();
    let is_spaced = |pair: &[Duration]| pair[1].saturating_sub(pair[0]) + LATENCY >= PROBE_EVERY;
    assert!(times.windows(2).all(is_spaced), "{:?}", &times[..9]);
    let most = usize::try_from(days * 24 * 60).unwrap();
    println!("{provider}: {} calls in {days} days", calls.len());
    assert!((most / 2..=most).contains(&calls.len()), "{}", calls.len());
    assert!(
        calls.iter().all(|it| it.method == "GET"),
        "nothing is sent twice"
    );
    let error = scene.stored().and_then(|it| it.last_error);
    assert!(error.is_some(), "the owner is shown why");
    if is_deleted_by_hand {
        scene.delete_by_hand(scene.hooks()[0].id);
    }
    scene.world.offline.faults().outage(false);
    scene.ends_without_a_hook().await;
    assert_eq!(scene.left_to_delete(), 0);
    // From now on it is as if it had never been.
    is_refused(&scene, &connection).await;
    assert!(
        scene.keeps_token_sealed(),
        "it is Ann's until she removes it"
    );
}

#[test]
fn scenario_06_a_disconnect_while_the_provider_is_down_for_a_week_ends_when_it_answers() {
    virtually(|| waits(ProviderKind::Github, 7, false));
    virtually(|| waits(ProviderKind::Gitlab, 2, false));
    for provider in ProviderKind::ALL {
        virtually(|| waits(provider, 1, true));
    }
}

/// The provider answers, and only the deletion fails.
async fn keeps_failing(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    let begun = scene.now();
    let fault = Misbehaviour::FailBefore(500);
    scene.breaks("delete_hook", fault, (0, u32::MAX));
    let connection = scene.is_disconnected().await;
    for day in 1..=2 {
        scene.world.pass(24 * HOUR).await;
        receives(&mut scene, &connection, day).await;
        assert_eq!((scene.hooks().len(), scene.left_to_delete()), (1, 1));
        assert!(scene.keeps_token_sealed());
    }
    let tries = scene.writes(begun);
    assert!(tries.iter().all(|it| it.method == "DELETE"), "{tries:?}");
    // Each call sends it three times.
    let calls: Vec<_> = tries.chunks_exact(3).collect();
    let gap = |pair: &[&[Request]]| pair[1][0].at.saturating_sub(pair[0][2].at);
    let gaps: Vec<_> = calls.windows(2).map(gap).collect();
    println!("{provider}: {} calls, {:?}", calls.len(), &gaps[..12]);
    let backoff = Backoff {
        initial: RETRY_FIRST,
        cap: RETRY_MAX,
    };
    for (attempt, gap) in (1..).zip(&gaps) {
        let (least, most) = (backoff.wait(attempt, 0), backoff.wait(attempt, u64::MAX));
        let is_fine = (least..most + 5 * LATENCY).contains(gap);
        assert!(is_fine, "{attempt}: {gap:?}");
    }
    let distinct: BTreeSet<_> = gaps.iter().map(Duration::as_secs).collect();
    assert!(distinct.len() > 60, "with jitter: {distinct:?}");
    let error = scene.stored().and_then(|it| it.last_error);
    assert!(error.is_some(), "the owner is shown why");
    assert_ne!(connection.webhook_status(), WebhookStatus::Failed);
    scene.world.offline.faults().clear();
    scene.ends_without_a_hook().await;
    assert_eq!(scene.left_to_delete(), 0);
}

#[test]
fn scenario_06_a_deletion_that_keeps_failing_is_retried_with_jitter_and_a_warning() {
    for provider in ProviderKind::ALL {
        virtually(|| keeps_failing(provider));
    }
}
