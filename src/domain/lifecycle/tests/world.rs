//! The model provider and everything around the machine.

use super::super::*;
use super::{Move, Off, Sabotage};
use std::collections::{BTreeMap, BTreeSet};

/// The model provider and everything around the machine.
pub(super) struct World {
    pub(super) hooks: BTreeMap<u64, Theirs>,
    next_hook: u64,
    /// The ids that the machine has been told of, by replies or greetings, and has kept.
    told: BTreeSet<u64>,
    /// The hooks that we made whose greetings have not arrived.
    greetings: Vec<u64>,
    /// The address that the daemon has, and the one that it knows its hook to deliver to.
    pub(super) base: u8,
    address: Option<u8>,
    /// The outstanding call, with the address to be written.
    call: Option<(Call, u8)>,
    timers: BTreeMap<Timer, Delay>,
    /// Calls given up on, with the hooks that each took for ours when it listed them.
    pub(super) late: Vec<(Call, u8, Vec<u64>)>,
    clock_ms: i64,
}

/// Where a hook delivers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Url {
    /// To us, at this address, with the mark of the connection.
    Ours(u8),
    /// To somebody else.
    Elsewhere,
}

/// A hook at the model provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Theirs {
    pub(super) url: Url,
    /// The settings that it has; `None` when somebody changed them.
    pub(super) settings: Option<Revision>,
    /// Whether the provider sends nothing any more.
    pub(super) disabled: Option<Off>,
    /// Whether we ever wrote it.
    pub(super) has_our_secret: bool,
}

/// A hook of somebody's, which must be as it was whatever happens.
const SOMEBODYS: Theirs = Theirs {
    url: Url::Elsewhere,
    settings: None,
    disabled: None,
    has_our_secret: false,
};
/// The ids of somebody's hooks: made before ours and in between.
const SOMEBODYS_IDS: [u64; 2] = [1, 4];

impl World {
    pub(super) fn new() -> Self {
        Self {
            hooks: SOMEBODYS_IDS.map(|id| (id, SOMEBODYS)).into(),
            next_hook: 1,
            told: BTreeSet::new(),
            greetings: Vec::new(),
            base: 0,
            address: None,
            call: None,
            timers: BTreeMap::new(),
            late: Vec::new(),
            clock_ms: 0,
        }
    }

    /// The hooks that are ours, by our secret in them or by our mark in their URL.
    pub(super) fn ours(&self) -> Vec<(u64, Theirs)> {
        let is_ours = |h: &Theirs| h.has_our_secret || matches!(h.url, Url::Ours(_));
        let all = self.hooks.iter().map(|(id, hook)| (*id, *hook));
        all.filter(|(_, hook)| is_ours(hook)).collect()
    }

    pub(super) fn assert_others_are_untouched(&self) {
        for id in SOMEBODYS_IDS {
            assert_eq!(self.hooks.get(&id), Some(&SOMEBODYS), "somebody's hook");
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_hook += 1;
        while SOMEBODYS_IDS.contains(&self.next_hook) {
            self.next_hook += 1;
        }
        self.next_hook
    }

    /// What a call takes for ours when it lists the hooks: the one that it knows, and those with
    /// our mark, with the present address first.
    fn seen(&self, call: Call, base: u8) -> Vec<u64> {
        let known = match call {
            Call::Ensure { known, .. } | Call::Delete { known } => known,
            Call::Check(hook) | Call::Repair { hook, .. } | Call::Ping(hook) => Some(hook),
        };
        let known = known
            .map(|id| id.0)
            .filter(|id| self.hooks.contains_key(id));
        let at = |is_here: bool| {
            let hooks = self.hooks.iter().filter(move |(_, hook)| match hook.url {
                Url::Ours(at) => (at == base) == is_here,
                Url::Elsewhere => false,
            });
            hooks.map(|(id, _)| *id)
        };
        let marked = at(true).chain(at(false)).filter(|id| Some(*id) != known);
        known.into_iter().chain(marked).collect()
    }

    fn write(&mut self, id: u64, base: u8, revision: Revision) {
        // Editing does not enable a hook.
        let disabled = self.hooks.get(&id).and_then(|hook| hook.disabled);
        let hook = Theirs {
            url: Url::Ours(base),
            settings: Some(revision),
            disabled,
            has_our_secret: true,
        };
        self.hooks.insert(id, hook);
    }

    fn remove_all(&mut self, ids: &[u64]) {
        for id in ids {
            self.hooks.remove(id);
        }
    }

    pub(super) fn apply(&mut self, lifecycle: Lifecycle, input: Input) -> Lifecycle {
        let before = lifecycle.clone();
        let shown = input.clone();
        let (after, effects) = step(lifecycle, input);
        for effect in effects {
            match effect {
                Effect::Call(call) => {
                    assert!(self.call.is_none(), "LC-1: {before:?} {shown:?}");
                    self.call = Some((call, self.base));
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
        self.told.extend(after.hook.id().map(|id| id.0));
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
    fn act(&mut self, call: Call, base: u8, saw: &[u64]) -> Reply {
        let at = Timestamp(self.clock_ms);
        match call {
            Call::Ensure { known, revision } => {
                let hook = saw.iter().find(|id| self.hooks.contains_key(id)).copied();
                let hook = hook.unwrap_or_else(|| {
                    let id = self.new_id();
                    self.greetings.push(id);
                    id
                });
                let surplus: Vec<u64> = saw.iter().copied().filter(|id| *id != hook).collect();
                self.remove_all(&surplus);
                self.write(hook, base, revision);
                Reply::Ensured {
                    hook: HookId(hook),
                    known,
                    revision,
                }
            }
            Call::Check(HookId(id)) => match self.hooks.get(&id) {
                Some(hook) => self.compare(*hook, base, saw.len() > 1),
                None => Reply::Missing { at },
            },
            Call::Repair {
                hook: HookId(id),
                revision,
            } => {
                if !self.hooks.contains_key(&id) {
                    return Reply::Missing { at };
                }
                let surplus: Vec<u64> = saw.iter().copied().filter(|saw| *saw != id).collect();
                self.remove_all(&surplus);
                self.write(id, base, revision);
                Reply::Repaired { revision }
            }
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
            Call::Delete { known } => {
                self.remove_all(saw);
                Reply::Deleted { known }
            }
        }
    }

    /// A hook that has the address that we know it to have is as we left it: it is moved when
    /// its turn comes.
    fn compare(&self, hook: Theirs, base: u8, has_copies: bool) -> Reply {
        let is_known = hook.url == Url::Ours(base) || Some(hook.url) == self.address.map(Url::Ours);
        match hook.disabled {
            _ if has_copies || hook.settings.is_none() || !is_known => Reply::Drifted,
            None => Reply::Intact,
            Some(off) => Reply::Disabled {
                permanently: off != Off::ForNow,
            },
        }
    }

    /// Acts now; whether anybody hears of it is another matter.
    fn carry_out(&mut self) -> Option<(Reply, u8)> {
        let (call, base) = self.call.take()?;
        let saw = self.seen(call, base);
        Some((self.act(call, base, &saw), base))
    }

    fn answer(&mut self) -> Option<Input> {
        let (reply, base) = self.carry_out()?;
        match &reply {
            Reply::Ensured { .. } | Reply::Repaired { .. } => self.address = Some(base),
            Reply::Deleted { .. } => self.address = None,
            Reply::Intact
            | Reply::Drifted
            | Reply::Disabled { .. }
            | Reply::Missing { .. }
            | Reply::Pinged
            | Reply::Untestable => {}
        }
        Some(Input::Replied(reply))
    }

    pub(super) fn late_arrives(&mut self) {
        if !self.late.is_empty() {
            let (call, base, saw) = self.late.remove(0);
            self.act(call, base, &saw);
        }
    }

    fn give_up(&mut self) -> Option<()> {
        let (call, base) = self.call.take()?;
        let saw = self.seen(call, base);
        self.late.push((call, base, saw));
        Some(())
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

    pub(super) fn take(&mut self, a_move: Move) -> Option<Input> {
        match a_move {
            Move::Answer => self.answer(),
            Move::ActThenFail(failure) => {
                self.carry_out()?;
                Some(Input::CallFailed {
                    failure,
                    may_have_acted: true,
                })
            }
            Move::ActLate(failure) => {
                self.give_up()?;
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
            Move::Delivery => Some(Input::DeliveryArrived { hook: None }),
            Move::Greeting(number) => {
                let number = usize::from(number) % self.greetings.len().max(1);
                let hook = *self.greetings.get(number)?;
                self.greetings.remove(number);
                let hook = Some(HookId(hook));
                Some(Input::DeliveryArrived { hook })
            }
            Move::Restart => {
                self.cut_off();
                Some(Input::Recovered)
            }
            Move::Stale(reply) => self.call.is_none().then_some(Input::Replied(reply)),
            Move::Disable(off) => {
                let ours = self.ours();
                let hook = ours.first().and_then(|(id, _)| self.hooks.get_mut(id));
                if let Some(hook) = hook {
                    hook.disabled = Some(off);
                }
                None
            }
            Move::Sabotage(sabotage) => {
                self.sabotage(sabotage);
                None
            }
            Move::Rebase(base) => {
                self.base = base;
                self.cut_off();
                Some(Input::Recovered)
            }
        }
    }

    fn sabotage(&mut self, sabotage: Sabotage) {
        let ours = self.ours();
        let Some((first, _)) = ours.first().copied() else {
            return;
        };
        let chosen = |number: u8| ours[usize::from(number) % ours.len()];
        match sabotage {
            Sabotage::Delete => drop(self.hooks.remove(&first)),
            Sabotage::Change => {
                for (id, _) in ours {
                    self.hooks.entry(id).and_modify(|hook| hook.settings = None);
                }
            }
            Sabotage::Copy => {
                // With the URL that the settings page shows, and no secret.
                let (_, hook) = ours[0];
                if let Url::Ours(_) = hook.url {
                    let id = self.new_id();
                    let url = hook.url;
                    self.hooks.insert(id, Theirs { url, ..SOMEBODYS });
                }
            }
            Sabotage::Lead(number) => {
                let (id, hook) = chosen(number);
                // What we made and were never told of has no mark but its URL.
                if self.told.contains(&id) || !hook.has_our_secret {
                    self.hooks
                        .entry(id)
                        .and_modify(|hook| hook.url = Url::Elsewhere);
                }
            }
            Sabotage::Readdress(number, to) => {
                let (id, _) = chosen(number);
                self.hooks
                    .entry(id)
                    .and_modify(|hook| hook.url = Url::Ours(to));
            }
        }
    }

    /// The process dies: timers are gone, and the outstanding call may still reach the provider.
    pub(super) fn cut_off(&mut self) {
        self.timers.clear();
        self.give_up();
    }

    /// Whether the hook has to be moved, and can be now.
    fn is_to_move(&self, lifecycle: &Lifecycle) -> bool {
        self.address.is_some_and(|address| address != self.base)
            && matches!(lifecycle.hook, Hook::Present(_))
            && matches!(lifecycle.phase, Phase::Active | Phase::Idle)
    }

    /// From now on the provider works. Goes on until only checks of an intact hook follow.
    pub(super) fn run_to_rest(&mut self, mut lifecycle: Lifecycle) -> Lifecycle {
        for _ in 0..60 {
            let rests = match lifecycle.phase {
                Phase::Active => {
                    lifecycle.certainty == Certainty::Sure
                        && self.timers.get(&Timer::Check) == Some(&Delay::CheckInterval)
                        && lifecycle.disabled.is_none()
                }
                _ => self.call.is_none() && lifecycle.waits_for_a_person(),
            };
            if rests && !self.is_to_move(&lifecycle) {
                return lifecycle;
            }
            let input = match self.answer() {
                None if rests => Input::RewriteDue,
                Some(input) => input,
                // Retry and check before ping: the ping timer alone must not be what saves it.
                None => self.fire(0).expect("LC-3 holds, so a timer is armed"),
            };
            lifecycle = self.apply(lifecycle, input);
        }
        panic!("does not come to rest: {lifecycle:?} {:?}", self.timers);
    }
}
