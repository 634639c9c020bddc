//! The machine against a model provider that acts, fails, acts and then fails, acts late, says
//! "not found" for lack of permission, loses hooks to careless hands, has their URLs edited and
//! copied, and against a daemon that is restarted at any point, also at another address. A new hook
//! greets us, before the answer to its creation, long after, or never.

mod world;

use super::*;
use proptest::prelude::*;
use world::{Theirs, Url, World};

/// Histories a run of the property test goes through.
const HISTORIES: u32 = 100_000;

#[derive(Clone, Debug)]
enum Move {
    /// The provider does what was asked and answers.
    Answer,
    /// The provider does what was asked, and the answer is lost.
    ActThenFail(Failure),
    /// The call fails; the provider carries it out later.
    ActLate(Failure),
    /// The call fails, maybe without our knowing that nothing was done.
    Refuse {
        failure: Failure,
        may_have_acted: bool,
    },
    /// A call given up on is carried out now.
    LateArrives,
    /// An armed timer fires.
    Fire(u8),
    User(Input),
    Delivery,
    /// The greeting of a hook that we made arrives, of one of those that have not yet.
    Greeting(u8),
    Restart,
    /// A reply comes although nothing was asked.
    Stale(Reply),
    Sabotage(Sabotage),
    /// The provider disables a hook.
    Disable(Off),
    /// The daemon is stopped, and started at this address.
    Rebase(u8),
}

/// What people do to hooks by hand, to the one of this number among those that may be ours.
#[derive(Clone, Copy, Debug)]
enum Sabotage {
    Delete,
    Change,
    Copy,
    /// Another URL, which has nothing of ours.
    Lead(u8),
    /// The URL that it would have at this address of ours.
    Readdress(u8, u8),
}

/// How the provider disabled a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
    /// For a while, or until a test delivery is answered.
    ForNow,
    /// Until a test delivery is answered.
    ForGood,
    /// Whatever is answered: only a new hook helps.
    Stubbornly,
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        3 => prop::option::of(Just(Duration::from_mins(1)))
            .prop_map(|after| Failure::Retryable { after }),
        1 => Just(Failure::Unauthorized),
        1 => Just(Failure::NoAccess),
        1 => Just(Failure::Rejected),
    ]
}

fn user() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => Just(Input::DesiredChanged(Desired::Active)),
        2 => Just(Input::DesiredChanged(Desired::Paused)),
        1 => Just(Input::DesiredChanged(Desired::Removed { delete_hook: true })),
        2 => Just(Input::SettingsChanged),
        2 => Just(Input::CheckRequested),
        1 => Just(Input::PingRequested),
        1 => Just(Input::RecreateRequested),
        2 => Just(Input::RewriteDue),
        1 => Just(Input::GaveUp(SuspendReason::Panics)),
    ]
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => Just(Move::Answer),
        2 => failure().prop_map(Move::ActThenFail),
        2 => failure().prop_map(Move::ActLate),
        2 => (failure(), any::<bool>())
            .prop_map(|(failure, may_have_acted)| Move::Refuse { failure, may_have_acted }),
        2 => Just(Move::LateArrives),
        4 => any::<u8>().prop_map(Move::Fire),
        3 => user().prop_map(Move::User),
        1 => Just(Move::Delivery),
        2 => any::<u8>().prop_map(Move::Greeting),
        1 => Just(Move::Restart),
        1 => stale().prop_map(Move::Stale),
        1 => prop::sample::select(vec![Off::ForNow, Off::ForGood, Off::Stubbornly])
            .prop_map(Move::Disable),
        3 => sabotage().prop_map(Move::Sabotage),
        1 => (0..3_u8).prop_map(Move::Rebase),
    ]
}

fn sabotage() -> impl Strategy<Value = Sabotage> {
    prop_oneof![
        1 => Just(Sabotage::Delete),
        1 => Just(Sabotage::Change),
        2 => Just(Sabotage::Copy),
        3 => any::<u8>().prop_map(Sabotage::Lead),
        1 => (any::<u8>(), 0..3_u8).prop_map(|(hook, to)| Sabotage::Readdress(hook, to)),
    ]
}

fn stale() -> impl Strategy<Value = Reply> {
    prop::sample::select(vec![
        Reply::Ensured {
            hook: HookId(99),
            known: None,
            revision: 1,
        },
        Reply::Intact,
        Reply::Drifted,
        Reply::Missing { at: Timestamp(0) },
        Reply::Repaired { revision: 1 },
        Reply::Disabled { permanently: true },
        Reply::Pinged,
        Reply::Untestable,
        Reply::Deleted { known: None },
    ])
}

fn play(moves: &[Move]) -> (World, Lifecycle) {
    let mut world = World::new();
    let mut lifecycle = world.apply(Lifecycle::default(), Input::Recovered);
    for a_move in moves {
        if let Some(input) = world.take(a_move.clone()) {
            let before = lifecycle.clone();
            lifecycle = world.apply(lifecycle, input);
            if let Move::Stale(reply) = a_move {
                assert_eq!(
                    lifecycle, before,
                    "nobody asked, and {reply:?} was believed"
                );
            }
        }
    }
    (world, lifecycle)
}

fn remove(world: &mut World, lifecycle: Lifecycle) {
    let removed = Desired::Removed { delete_hook: true };
    let input = if lifecycle.desired == removed {
        // Nobody looks after what they have disconnected: the next start is all that comes.
        world.cut_off();
        Input::Recovered
    } else {
        Input::DesiredChanged(removed)
    };
    let lifecycle = world.apply(lifecycle, input);
    let mut lifecycle = world.run_to_rest(lifecycle);
    // A person may have to act on a suspension; removal itself never suspends.
    assert_eq!(lifecycle.phase, Phase::Removed, "LC-4");
    while !world.late.is_empty() {
        world.late_arrives();
    }
    let left = world.ours();
    assert!(left.is_empty(), "LC-4: left behind {left:?} {lifecycle:?}");
    world.assert_others_are_untouched();
    lifecycle = world.apply(lifecycle, Input::DesiredChanged(Desired::Active));
    assert_eq!(lifecycle.phase, Phase::Removed, "removal is final");
}

fn activate(world: &mut World, lifecycle: Lifecycle) {
    let lifecycle = world.apply(lifecycle, Input::DesiredChanged(Desired::Active));
    let mut lifecycle = world.run_to_rest(lifecycle);
    for _ in 0..3 {
        lifecycle = world.apply(lifecycle, Input::CheckRequested);
        lifecycle = world.run_to_rest(lifecycle);
    }
    assert_eq!(lifecycle.phase, Phase::Active, "LC-5");
    while !world.late.is_empty() {
        world.late_arrives();
    }
    let hooks = world.ours();
    assert_eq!(hooks.len(), 1, "LC-5: {hooks:?} {lifecycle:?}");
    let (id, hook) = hooks[0];
    assert_eq!(lifecycle.hook, Hook::Present(HookId(id)), "LC-5");
    let wanted = Theirs {
        url: Url::Ours(world.base),
        settings: Some(lifecycle.wanted),
        disabled: None,
        has_our_secret: true,
    };
    assert_eq!(hook, wanted, "LC-5: {lifecycle:?}");
    world.assert_others_are_untouched();
    assert_eq!(lifecycle.disabled, None, "LC-5");
}

proptest! {
    #![proptest_config(crate::histories::of(HISTORIES))]
    #[test]
    fn the_invariants_hold_over_any_history(
        moves in prop::collection::vec(a_move(), 0..48),
        wants_hook: bool,
    ) {
        let (mut world, lifecycle) = play(&moves);
        let is_removed = matches!(lifecycle.desired, Desired::Removed { .. });
        if wants_hook && !is_removed {
            activate(&mut world, lifecycle);
        } else {
            remove(&mut world, lifecycle);
        }
    }
}
