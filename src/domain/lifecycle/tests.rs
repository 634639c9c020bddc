//! The machine against a model provider that acts, fails, acts and then fails, acts late, says
//! "not found" for lack of permission, loses hooks to careless hands,
//! and is restarted at any point.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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
    Restart,
    /// A reply comes although nothing was asked.
    Stale(Reply),
    Sabotage(Sabotage),
    /// The provider disables a hook.
    Disable(Off),
}

/// What people do to hooks by hand.
#[derive(Clone, Copy, Debug)]
enum Sabotage {
    Delete,
    Change,
    Copy,
}

/// A hook at the model provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Theirs {
    /// The settings that it has; `None` when somebody changed them.
    settings: Option<Revision>,
    /// Whether the provider sends nothing any more.
    disabled: Option<Off>,
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
        1 => Just(Move::Restart),
        1 => stale().prop_map(Move::Stale),
        1 => prop::sample::select(vec![Off::ForNow, Off::ForGood, Off::Stubbornly])
            .prop_map(Move::Disable),
        1 => prop::sample::select(vec![Sabotage::Delete, Sabotage::Change, Sabotage::Copy])
            .prop_map(Move::Sabotage),
    ]
}

fn stale() -> impl Strategy<Value = Reply> {
    prop::sample::select(vec![
        Reply::Ensured {
            hook: HookId(99),
            revision: 1,
        },
        Reply::Intact,
        Reply::Drifted,
        Reply::Missing { at: Timestamp(0) },
        Reply::Repaired { revision: 1 },
        Reply::Disabled { permanently: true },
        Reply::Pinged,
        Reply::Untestable,
        Reply::Deleted,
    ])
}

/// The model provider and everything around the machine.
#[derive(Default)]
struct World {
    hooks: BTreeMap<u64, Theirs>,
    next_hook: u64,
    /// The outstanding call, with the hooks that it saw when it listed them.
    call: Option<Call>,
    timers: BTreeMap<Timer, Delay>,
    late: Vec<(Call, BTreeSet<u64>)>,
    clock_ms: i64,
}

impl World {
    fn apply(&mut self, lifecycle: Lifecycle, input: Input) -> Lifecycle {
        let before = lifecycle.clone();
        let shown = input.clone();
        let (after, effects) = step(lifecycle, input);
        for effect in effects {
            match effect {
                Effect::Call(call) => {
                    assert!(self.call.is_none(), "LC-1: {before:?} {shown:?}");
                    self.call = Some(call);
                }
                Effect::Schedule(timer, delay) => drop(self.timers.insert(timer, delay)),
                Effect::Observe(_) => {}
            }
        }
        let outstanding = self.call.is_some();
        assert_eq!(
            after.call_outstanding(),
            outstanding,
            "LC-2: {before:?} {shown:?} {after:?}"
        );
        self.assert_it_moves_on(&after, &before, &shown);
        after
    }

    /// LC-3: the timer that the phase waits for is armed, not just any.
    fn assert_it_moves_on(&self, after: &Lifecycle, before: &Lifecycle, input: &Input) {
        let armed = |timer| self.timers.contains_key(&timer);
        let moves_on = match after.phase {
            Phase::Active => armed(Timer::Check) && armed(Timer::Ping),
            Phase::Waiting { .. } | Phase::Settling => armed(Timer::Retry),
            _ => after.call_outstanding() || after.waits_for_a_person(),
        };
        assert!(
            moves_on,
            "LC-3: {before:?} {input:?} -> {after:?} {:?}",
            self.timers
        );
    }

    /// Carries a call out on the hooks that it `saw`: a real call lists first and writes then.
    fn act(&mut self, call: Call, saw: &BTreeSet<u64>) -> Reply {
        match call {
            Call::Ensure { revision } => {
                let hook = saw.iter().find(|id| self.hooks.contains_key(id)).copied();
                let hook = hook.unwrap_or_else(|| {
                    self.next_hook += 1;
                    self.next_hook
                });
                for surplus in saw.iter().filter(|id| **id != hook) {
                    self.hooks.remove(surplus);
                }
                // Editing does not enable a hook.
                self.hooks.entry(hook).or_default().settings = Some(revision);
                Reply::Ensured {
                    hook: HookId(hook),
                    revision,
                }
            }
            Call::Check(HookId(id)) => match self.hooks.get(&id) {
                Some(hook) if self.hooks.len() > 1 || hook.settings.is_none() => Reply::Drifted,
                Some(Theirs { disabled: None, .. }) => Reply::Intact,
                Some(hook) => Reply::Disabled {
                    permanently: hook.disabled != Some(Off::ForNow),
                },
                None => Reply::Missing {
                    at: Timestamp(self.clock_ms),
                },
            },
            Call::Repair {
                hook: HookId(id),
                revision,
            } => match self.hooks.get_mut(&id) {
                Some(hook) => {
                    hook.settings = Some(revision);
                    Reply::Repaired { revision }
                }
                None => Reply::Missing {
                    at: Timestamp(self.clock_ms),
                },
            },
            Call::Ping(HookId(id)) => {
                // Some projects have nothing that could be sent. There, a time must pass.
                let is_testable = id % 5 != 4;
                let hook = self.hooks.get_mut(&id);
                let hook = hook.filter(|h| match h.disabled {
                    Some(Off::ForNow) => true,
                    Some(Off::ForGood) => is_testable,
                    Some(Off::Stubbornly) | None => false,
                });
                if let Some(hook) = hook {
                    hook.disabled = None;
                }
                if is_testable {
                    Reply::Pinged
                } else {
                    Reply::Untestable
                }
            }
            Call::Delete => {
                for id in saw {
                    self.hooks.remove(id);
                }
                Reply::Deleted
            }
        }
    }

    fn seen(&self) -> BTreeSet<u64> {
        self.hooks.keys().copied().collect()
    }

    fn answer(&mut self) -> Option<Input> {
        let call = self.call.take()?;
        let saw = self.seen();
        Some(Input::Replied(self.act(call, &saw)))
    }

    fn late_arrives(&mut self) {
        if !self.late.is_empty() {
            let (call, saw) = self.late.remove(0);
            self.act(call, &saw);
        }
    }

    /// Fires a timer. Whatever the provider still meant to do has happened by the end of a
    /// settling time: that is what the settling time is.
    fn fire(&mut self, choice: u8) -> Option<Input> {
        let timer = *self
            .timers
            .keys()
            .nth(usize::from(choice) % self.timers.len().max(1))?;
        let delay = self.timers.remove(&timer).expect("it was just found");
        self.clock_ms += 20_000_000;
        if delay == Delay::Settle {
            while !self.late.is_empty() {
                self.late_arrives();
            }
        }
        Some(Input::TimerFired(timer))
    }

    fn take(&mut self, a_move: Move) -> Option<Input> {
        match a_move {
            Move::Answer => self.answer(),
            Move::ActThenFail(failure) => {
                self.answer()?;
                Some(Input::CallFailed {
                    failure,
                    may_have_acted: true,
                })
            }
            Move::ActLate(failure) => {
                let call = self.call.take()?;
                self.late.push((call, self.seen()));
                Some(Input::CallFailed {
                    failure,
                    may_have_acted: true,
                })
            }
            Move::Refuse {
                failure,
                may_have_acted,
            } => {
                self.call.take()?;
                Some(Input::CallFailed {
                    failure,
                    may_have_acted,
                })
            }
            Move::LateArrives => {
                self.late_arrives();
                None
            }
            Move::Fire(choice) => self.fire(choice),
            Move::User(input) => {
                if let Input::GaveUp(_) = input {
                    self.cut_off();
                }
                Some(input)
            }
            Move::Delivery => Some(Input::DeliveryArrived),
            Move::Restart => {
                self.cut_off();
                Some(Input::Recovered)
            }
            Move::Stale(reply) => self.call.is_none().then_some(Input::Replied(reply)),
            Move::Disable(off) => {
                if let Some(hook) = self.hooks.values_mut().next() {
                    hook.disabled = Some(off);
                }
                None
            }
            Move::Sabotage(sabotage) => {
                match sabotage {
                    Sabotage::Delete => drop(self.hooks.pop_first()),
                    Sabotage::Change => self.hooks.values_mut().for_each(|h| h.settings = None),
                    Sabotage::Copy if !self.hooks.is_empty() => {
                        self.next_hook += 1;
                        self.hooks.insert(self.next_hook, Theirs::default());
                    }
                    Sabotage::Copy => {}
                }
                None
            }
        }
    }

    /// The process dies: timers are gone, and the outstanding call may still reach the provider.
    fn cut_off(&mut self) {
        self.timers.clear();
        if let Some(call) = self.call.take() {
            self.late.push((call, self.seen()));
        }
    }

    /// From now on the provider works. Goes on until only checks of an intact hook follow.
    fn run_to_rest(&mut self, mut lifecycle: Lifecycle) -> Lifecycle {
        for _ in 0..60 {
            let rests = match lifecycle.phase {
                Phase::Active => {
                    lifecycle.certainty == Certainty::Sure
                        && self.timers.get(&Timer::Check) == Some(&Delay::CheckInterval)
                        && lifecycle.disabled.is_none()
                }
                _ => self.call.is_none() && lifecycle.waits_for_a_person(),
            };
            if rests {
                return lifecycle;
            }
            let input = match self.answer() {
                Some(input) => input,
                // Retry and check before ping: the ping timer alone must not be what saves it.
                None => self.fire(0).expect("LC-3 holds, so a timer is armed"),
            };
            lifecycle = self.apply(lifecycle, input);
        }
        panic!("does not come to rest: {lifecycle:?} {:?}", self.timers);
    }
}

fn play(moves: &[Move]) -> (World, Lifecycle) {
    let mut world = World::default();
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
    assert!(
        world.hooks.is_empty(),
        "LC-4: left behind {:?} {lifecycle:?}",
        world.hooks
    );
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
    let hooks: Vec<_> = world.hooks.iter().collect();
    assert_eq!(hooks.len(), 1, "LC-5: {hooks:?} {lifecycle:?}");
    assert_eq!(lifecycle.hook, Hook::Present(HookId(*hooks[0].0)), "LC-5");
    let enabled = Theirs {
        settings: Some(lifecycle.wanted),
        disabled: None,
    };
    assert_eq!(*hooks[0].1, enabled, "LC-5: {lifecycle:?}");
    assert_eq!(lifecycle.disabled, None, "LC-5");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: HISTORIES, ..ProptestConfig::default() })]
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
