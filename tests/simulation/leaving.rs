//! Scenario 5 of the list of reliability scenarios: a user disconnects while the hook is created.

use crate::scene::Scene;
use crate::virtually;
use hookherd::domain::removal::HookOutcome;
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::Misbehaviour;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the user waits: longer than any deletion here takes.
const WITHIN: Duration = Duration::from_hours(3);

/// Moments of a creation, until after its end.
const STEPS: usize = 15;

/// What goes wrong with the creation and with the deletion.
type Faults = (Option<Misbehaviour>, Option<Misbehaviour>);

const CREATIONS: [Option<Misbehaviour>; 8] = [
    None,
    Some(Misbehaviour::ActThenHang),
    Some(Misbehaviour::ActThenDrop),
    Some(Misbehaviour::DropBefore),
    Some(Misbehaviour::Hang),
    Some(Misbehaviour::FailBefore(422)),
    Some(Misbehaviour::NotFoundForPermission),
    Some(Misbehaviour::RateLimitedSecondary { retry_after_s: 90 }),
];

const DELETIONS: [Misbehaviour; 3] = [
    Misbehaviour::ActThenDrop,
    Misbehaviour::Hang,
    Misbehaviour::NotFoundForPermission,
];

/// One of the two goes wrong, or the answer to the creation is lost and the deletion fails.
fn all_faults() -> impl Iterator<Item = Faults> {
    let one = CREATIONS.into_iter().map(|creation| (creation, None));
    let two = DELETIONS.into_iter().flat_map(|deletion| {
        let creations = CREATIONS[..2].iter();
        creations.map(move |creation| (*creation, Some(deletion)))
    });
    one.chain(two)
}

async fn begin(provider: ProviderKind, (creation, deletion): Faults) -> Scene {
    let scene = Scene::set(provider).await;
    if let Some(fault) = creation {
        scene.breaks("create_hook", fault, (0, 1));
    }
    if let Some(fault) = deletion {
        scene.breaks("delete_hook", fault, (0, 2));
    }
    scene
}

/// Whether a call fails without an answer that says what became of it.
fn is_unclear((creation, deletion): Faults) -> bool {
    let is_answered = match creation {
        // Answered, or looked up within the call.
        None
        | Some(
            Misbehaviour::ActThenDrop
            | Misbehaviour::FailBefore(_)
            | Misbehaviour::NotFoundForPermission
            | Misbehaviour::RateLimitedSecondary { .. },
        ) => true,
        Some(_) => false,
    };
    !is_answered || deletion.is_some()
}

/// Whether what the user reads is true.
fn assert_true(scene: &Scene, faults: Faults, said: HookOutcome) {
    // Those that the provider did not refuse may have had an effect.
    let is_refused = |status: Option<u16>| status.is_some_and(|it| (400..500).contains(&it));
    let all = scene.creations();
    let was_possible = all.iter().any(|it| !is_refused(it.status));
    let is_true = match said {
        HookOutcome::Deleted => was_possible && scene.hooks().is_empty(),
        HookOutcome::NeverMade => !was_possible && scene.hooks().is_empty(),
        HookOutcome::Pending => is_unclear(faults),
        HookOutcome::Left => false,
    };
    assert!(is_true, "{said:?}: {all:?} {:#?}", scene.book());
}

/// What the user reads who disconnects so long after connecting; `None` when the connection was
/// not stored yet.
async fn leaves_after(
    provider: ProviderKind,
    faults: Faults,
    time: Duration,
) -> Option<HookOutcome> {
    let mut scene = begin(provider, faults).await;
    let connecting = scene.connects();
    scene.world.pass(time).await;
    let connection = scene.stored()?;
    let leaving = scene.disconnects(&connection, WITHIN);
    let said = leaving.await.expect("no panic").expect("it is accepted");
    assert_true(&scene, faults, said);
    scene.ends_without_a_hook().await;
    assert!(connecting.is_finished(), "who connects gets an answer");
    Some(said)
}

/// Steps through the calls of a creation, and moments of one that is not answered.
fn moments() -> impl Iterator<Item = Duration> {
    let steps = (0..STEPS as u64).map(|n| n * 43);
    let late = [2_000, 14_000, 15_400, 17_000, 60_000, 100_000];
    steps.chain(late).map(Duration::from_millis)
}

#[test]
fn scenario_05_a_disconnect_at_any_moment_of_a_creation_leaves_no_hook_and_says_what_is_true() {
    let mut told: BTreeMap<&str, u32> = BTreeMap::new();
    for provider in ProviderKind::ALL {
        for faults in all_faults() {
            for time in moments() {
                let said = virtually(|| leaves_after(provider, faults, time));
                let said = said.map_or("not yet", HookOutcome::as_str);
                *told.entry(said).or_default() += 1;
            }
        }
    }
    println!("{told:?}");
    for said in ["deleted", "never_made", "pending", "not yet"] {
        assert!(told.contains_key(said), "{told:?}");
    }
}

/// What the user reads who disconnects as soon as a process is there again. It died so long after
/// connecting.
async fn leaves_after_death(provider: ProviderKind, time: Duration) -> Option<HookOutcome> {
    let mut scene = Scene::set(provider).await;
    drop(scene.connects());
    scene.world.pass(time).await;
    scene.world.kill();
    // What it had sent may arrive now.
    scene.world.pass(Duration::from_millis(200)).await;
    let connection = scene.stored()?;
    scene.world.start().await;
    let leaving = scene.disconnects(&connection, WITHIN);
    let said = leaving.await.expect("no panic").expect("it is accepted");
    let is_true = match said {
        HookOutcome::Deleted => scene.hooks().is_empty(),
        HookOutcome::NeverMade => scene.creations().is_empty(),
        HookOutcome::Pending => true,
        HookOutcome::Left => false,
    };
    assert!(is_true, "{said:?}: {:#?}", scene.book());
    scene.ends_without_a_hook().await;
    Some(said)
}

#[test]
fn scenario_05_a_disconnect_after_a_death_in_a_creation_leaves_no_hook_and_says_what_is_true() {
    let mut told: BTreeMap<&str, u32> = BTreeMap::new();
    for provider in ProviderKind::ALL {
        for time in moments().take(STEPS) {
            let said = virtually(|| leaves_after_death(provider, time));
            let said = said.map_or("not yet", HookOutcome::as_str);
            *told.entry(said).or_default() += 1;
        }
    }
    println!("{told:?}");
    assert!(told.contains_key("deleted"), "{told:?}");
}

/// A user disconnects, and the process dies at a commit after that. Returns whether it did.
async fn leaves_and_dies(
    provider: ProviderKind,
    faults: Faults,
    (time, left, commits_it): (Duration, u64, bool),
) -> bool {
    let mut scene = begin(provider, faults).await;
    drop(scene.connects());
    scene.world.pass(time).await;
    let Some(connection) = scene.stored() else {
        return false;
    };
    let daemon = scene.world.daemon.as_ref().expect("it runs");
    daemon.store.dies_at(left, commits_it);
    let leaving = scene.disconnects(&connection, WITHIN);
    let is_over = |it: &Scene| it.is_dead() || it.is_gone();
    scene.until("it dies, or is done", is_over).await;
    if !scene.is_dead() {
        return false;
    }
    let is_answered = leaving.is_finished();
    leaving.abort();
    scene.world.start().await;
    scene.world.pass(Duration::from_mins(5)).await;
    if scene.stored().is_some_and(|it| !it.is_removed()) {
        // It was never stored that the user disconnects.
        assert!(
            left == 0 && !commits_it && !is_answered,
            "{:#?}",
            scene.book()
        );
        scene.ends_with_one_hook().await;
    } else {
        scene.ends_without_a_hook().await;
    }
    true
}

#[test]
fn scenario_05_a_process_that_dies_in_a_disconnect_during_a_creation_leaves_no_hook() {
    let mut deaths = 0;
    for provider in ProviderKind::ALL {
        for creation in [
            None,
            Some(Misbehaviour::ActThenHang),
            Some(Misbehaviour::Hang),
        ] {
            for ms in [150, 300, 16_000] {
                let time = Duration::from_millis(ms);
                for commits_it in [false, true] {
                    let dies = |left: &u64| {
                        let at = (time, *left, commits_it);
                        virtually(|| leaves_and_dies(provider, (creation, None), at))
                    };
                    deaths += (0..100).take_while(dies).count();
                }
            }
        }
    }
    println!("{deaths} deaths");
    assert!(deaths > 100, "{deaths}");
}
