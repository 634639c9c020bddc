//! The transition function.

use super::outcome::{take_failure, take_reply};
use super::{
    Call, Certainty, Delay, Desired, Effect, Hook, Input, Lifecycle, Observation, Phase,
    SuspendReason, Timer,
};
use crate::domain::id::HookId;

pub(super) type Step = (Lifecycle, Vec<Effect>);

/// One step of the machine. An input that does not fit the phase (a late timer, a reply after a
/// restart) changes nothing.
pub fn step(mut l: Lifecycle, input: Input) -> Step {
    match input {
        Input::Recovered => recover(l),
        Input::DesiredChanged(desired) => change_desired(l, desired),
        Input::SettingsChanged => {
            l.wanted = l.wanted.wrapping_add(1);
            if l.phase == Phase::Active {
                settle(l, 0)
            } else {
                stay(l)
            }
        }
        Input::CheckRequested => look_now(l),
        Input::PingRequested => {
            if let (Phase::Active, Hook::Present(hook)) = (l.phase, l.hook) {
                enter(l, Phase::Pinging, Call::Ping(hook))
            } else {
                stay(l)
            }
        }
        Input::RecreateRequested => {
            l.recreate = true;
            look_now(l)
        }
        Input::RewriteDue => rewrite(l),
        Input::Replied(reply) => take_reply(l, &reply),
        Input::CallFailed {
            failure,
            may_have_acted,
        } => take_failure(l, failure, may_have_acted),
        Input::DeliveryArrived { hook } => hear(l, hook),
        Input::TimerFired(timer) => take_timer(l, timer),
        Input::GaveUp(reason) => {
            if l.phase == Phase::Removed {
                return stay(l);
            }
            suspend(forget_outstanding(l), reason)
        }
    }
}

pub(super) fn stay(l: Lifecycle) -> Step {
    (l, Vec::new())
}

pub(super) fn enter(mut l: Lifecycle, phase: Phase, call: Call) -> Step {
    l.phase = phase;
    (l, vec![Effect::Call(call)])
}

pub(super) fn wait(mut l: Lifecycle, attempt: u32, delay: Delay) -> Step {
    l.phase = Phase::Waiting { attempt };
    (l, vec![Effect::Schedule(Timer::Retry, delay)])
}

pub(super) fn suspend(mut l: Lifecycle, reason: SuspendReason) -> Step {
    l.phase = Phase::Suspended(reason);
    (l, vec![Effect::Observe(Observation::Suspended(reason))])
}

/// Nothing is outstanding: compare the known state with the desired one, and start at most one
/// call.
pub(super) fn settle(mut l: Lifecycle, attempt: u32) -> Step {
    match l.desired {
        Desired::Removed { delete_hook: false } => remove(l),
        Desired::Removed { delete_hook: true } => match (l.hook, l.certainty) {
            (Hook::Absent, Certainty::Sure) => remove(l),
            // A creation that timed out may still be carried out: check again later.
            (Hook::Absent, Certainty::Unsure | Certainty::Confirming) => {
                l.phase = Phase::Settling;
                (l, vec![Effect::Schedule(Timer::Retry, Delay::Settle)])
            }
            (Hook::Present(_) | Hook::Unknown(_), _) => delete(l, attempt),
        },
        Desired::Paused => {
            l.phase = Phase::Idle;
            stay(l)
        }
        Desired::Active => match l.hook {
            Hook::Present(_) | Hook::Unknown(_) if l.recreate => delete(l, attempt),
            Hook::Absent | Hook::Unknown(_) => ensure(l, attempt),
            Hook::Present(hook) if l.applied != Some(l.wanted) => {
                let revision = l.wanted;
                enter(
                    l,
                    Phase::Repairing { attempt },
                    Call::Repair { hook, revision },
                )
            }
            Hook::Present(_) => be_active(l),
        },
    }
}

fn ensure(mut l: Lifecycle, attempt: u32) -> Step {
    l.recreate = false;
    let (known, revision) = (l.hook.id(), l.wanted);
    let call = Call::Ensure { known, revision };
    enter(l, Phase::Creating { attempt }, call)
}

fn delete(l: Lifecycle, attempt: u32) -> Step {
    let known = l.hook.id();
    enter(l, Phase::Deleting { attempt }, Call::Delete { known })
}

/// A paused hook is written again, too: it must be moved like the others.
fn rewrite(l: Lifecycle) -> Step {
    let is_at_rest = matches!(l.phase, Phase::Active | Phase::Idle);
    if let (true, Hook::Present(hook)) = (is_at_rest, l.hook) {
        let revision = l.wanted;
        enter(l, Phase::Rewriting, Call::Repair { hook, revision })
    } else {
        stay(l)
    }
}

fn remove(mut l: Lifecycle) -> Step {
    let is_news = l.phase != Phase::Removed;
    l.phase = Phase::Removed;
    (
        l,
        if is_news {
            vec![Effect::Observe(Observation::Removed)]
        } else {
            Vec::new()
        },
    )
}

fn be_active(mut l: Lifecycle) -> Step {
    l.phase = Phase::Active;
    let delay = match (l.certainty, l.checks_failed, l.disabled) {
        (Certainty::Unsure | Certainty::Confirming, _, _) => Delay::Settle,
        (Certainty::Sure, 0, None) => Delay::CheckInterval,
        // A test delivery was requested: check soon whether it helped.
        (Certainty::Sure, 0, Some(tests)) => Delay::Backoff(tests),
        (Certainty::Sure, failed, _) => Delay::SlowBackoff(failed),
    };
    (l, vec![Effect::Schedule(Timer::Check, delay)])
}

/// Becoming active after anything but a check or a ping: the ping timer is not armed yet.
pub(super) fn begin_watch((l, mut effects): Step) -> Step {
    if l.phase == Phase::Active {
        effects.push(Effect::Schedule(Timer::Ping, Delay::PingInterval));
    }
    (l, effects)
}

/// The outcome of the outstanding call is lost: what it may have changed is unknown.
pub(super) fn forget_outstanding(mut l: Lifecycle) -> Lifecycle {
    match l.phase {
        Phase::Creating { .. } | Phase::Deleting { .. } => l.hook = l.hook.in_doubt(),
        // The hook has its old settings, which are the same as the written ones.
        Phase::Rewriting if l.applied == Some(l.wanted) => {
            l.certainty = Certainty::Unsure;
            return l;
        }
        Phase::Repairing { .. } | Phase::Rewriting => {}
        Phase::Checking
        | Phase::Pinging
        | Phase::Idle
        | Phase::Active
        | Phase::Waiting { .. }
        | Phase::Settling
        | Phase::Suspended(_)
        | Phase::Removed => return l,
    }
    l.applied = None;
    l.certainty = Certainty::Unsure;
    l
}

fn recover(l: Lifecycle) -> Step {
    let l = forget_outstanding(l);
    match l.phase {
        Phase::Creating { attempt }
        | Phase::Repairing { attempt }
        | Phase::Deleting { attempt } => wait(l, attempt, Delay::Startup),
        Phase::Waiting { attempt } => wait(l, attempt, Delay::Remaining),
        Phase::Active | Phase::Checking | Phase::Pinging | Phase::Rewriting => {
            let (l, mut effects) = begin_watch(settle(l, 0));
            for effect in &mut effects {
                if *effect == Effect::Schedule(Timer::Check, Delay::CheckInterval) {
                    *effect = Effect::Schedule(Timer::Check, Delay::Spread);
                }
            }
            (l, effects)
        }
        Phase::Settling | Phase::Idle => settle(l, 0),
        // Users do not watch disconnected repositories: a removal continues by itself.
        Phase::Suspended(_) if matches!(l.desired, Desired::Removed { .. }) => settle(l, 0),
        Phase::Suspended(_) | Phase::Removed => stay(l),
    }
}

fn change_desired(mut l: Lifecycle, desired: Desired) -> Step {
    // Removal is final; only whether the hook is left can still change.
    let was_removed = matches!(l.desired, Desired::Removed { .. });
    if was_removed && !matches!(desired, Desired::Removed { .. }) {
        return stay(l);
    }
    l.desired = desired;
    match l.phase {
        Phase::Suspended(_) => resume(l),
        Phase::Waiting { .. } | Phase::Settling | Phase::Idle => begin_watch(settle(l, 0)),
        Phase::Active => settle(l, 0),
        // The reply of the outstanding call decides.
        Phase::Creating { .. }
        | Phase::Checking
        | Phase::Pinging
        | Phase::Repairing { .. }
        | Phase::Rewriting
        | Phase::Deleting { .. }
        | Phase::Removed => stay(l),
    }
}

fn resume(mut l: Lifecycle) -> Step {
    l.losses.clear();
    l.checks_failed = 0;
    // Anything may have happened meanwhile: check, whatever was known.
    l.applied = None;
    let (l, mut effects) = begin_watch(settle(l, 0));
    effects.push(Effect::Observe(Observation::Resumed));
    (l, effects)
}

fn look_now(l: Lifecycle) -> Step {
    match l.phase {
        Phase::Suspended(_) => resume(l),
        Phase::Waiting { .. } => begin_watch(settle(l, 0)),
        Phase::Active if l.recreate => settle(l, 0),
        Phase::Active => check(l),
        Phase::Idle
        | Phase::Creating { .. }
        | Phase::Checking
        | Phase::Pinging
        | Phase::Repairing { .. }
        | Phase::Rewriting
        | Phase::Deleting { .. }
        | Phase::Settling
        | Phase::Removed => stay(l),
    }
}

fn check(l: Lifecycle) -> Step {
    match l.hook {
        Hook::Present(hook) => enter(l, Phase::Checking, Call::Check(hook)),
        Hook::Absent | Hook::Unknown(_) => settle(l, 0),
    }
}

fn hear(mut l: Lifecycle, named: Option<HookId>) -> Step {
    // The answer to its creation may be lost, and its URL edited before the look-up by mark.
    if l.hook.id().is_none() && named.is_some() && l.phase != Phase::Removed {
        l.hook = Hook::Unknown(named);
        l.applied = None;
    }
    let was_silent = l.is_silent();
    l.heard = true;
    l.pings_unanswered = 0;
    (
        l,
        if was_silent {
            vec![Effect::Observe(Observation::HookHeard)]
        } else {
            Vec::new()
        },
    )
}

fn take_timer(mut l: Lifecycle, timer: Timer) -> Step {
    match (timer, l.phase) {
        (Timer::Retry, Phase::Waiting { attempt }) => begin_watch(settle(l, attempt)),
        (Timer::Retry, Phase::Settling) => {
            l.certainty = Certainty::Confirming;
            delete(l, 0)
        }
        (Timer::Check, Phase::Active) if l.certainty == Certainty::Unsure => {
            l.certainty = Certainty::Confirming;
            ensure(l, 0)
        }
        (Timer::Check, Phase::Active) => check(l),
        (Timer::Ping, Phase::Active) => {
            let quiet = !l.heard;
            l.heard = false;
            match l.hook {
                Hook::Present(hook) if quiet => enter(l, Phase::Pinging, Call::Ping(hook)),
                Hook::Present(_) | Hook::Absent | Hook::Unknown(_) => {
                    (l, vec![Effect::Schedule(Timer::Ping, Delay::PingInterval)])
                }
            }
        }
        // The other call is outstanding: the ping follows later. The end of any call arms the check
        // timer.
        (Timer::Ping, Phase::Checking | Phase::Repairing { .. } | Phase::Rewriting) => {
            (l, vec![Effect::Schedule(Timer::Ping, Delay::PingInterval)])
        }
        (Timer::Retry | Timer::Check | Timer::Ping, _) => stay(l),
    }
}
