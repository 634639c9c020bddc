//! The transition function.

use super::moves::{
    Step, begin_watch, delete, ensure, enter, forget_outstanding, settle, stay, suspend, wait,
};
use super::outcome::{take_failure, take_reply};
use super::{
    Call, Certainty, Delay, Desired, Effect, Hook, Input, Lifecycle, Observation, Phase, Timer,
};
use crate::domain::id::HookId;

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
                if let Effect::Schedule(_, delay) = effect {
                    *delay = match *delay {
                        Delay::CheckInterval => Delay::Spread,
                        Delay::PingInterval => Delay::PingRest,
                        other => other,
                    };
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
            (l, vec![Effect::Schedule(Timer::Ping, Delay::Answer)])
        }
        (Timer::Retry | Timer::Check | Timer::Ping, _) => stay(l),
    }
}
