//! The transition function.

use super::{
    Call, Certainty, Delay, Desired, Effect, Failure, Hook, Input, LOSSES_MAX, LOSSES_WINDOW,
    Lifecycle, Observation, Phase, Reply, SuspendReason, Timer,
};
use crate::domain::time::Timestamp;

type Step = (Lifecycle, Vec<Effect>);

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
        Input::Replied(reply) => take_reply(l, &reply),
        Input::CallFailed {
            failure,
            may_have_acted,
        } => take_failure(l, failure, may_have_acted),
        Input::DeliveryArrived => hear(l),
        Input::TimerFired(timer) => take_timer(l, timer),
        Input::GaveUp(reason) => {
            if l.phase == Phase::Removed {
                return stay(l);
            }
            suspend(forget_outstanding(l), reason)
        }
    }
}

fn stay(l: Lifecycle) -> Step {
    (l, Vec::new())
}

fn enter(mut l: Lifecycle, phase: Phase, call: Call) -> Step {
    l.phase = phase;
    (l, vec![Effect::Call(call)])
}

fn wait(mut l: Lifecycle, attempt: u32, delay: Delay) -> Step {
    l.phase = Phase::Waiting { attempt };
    (l, vec![Effect::Schedule(Timer::Retry, delay)])
}

fn suspend(mut l: Lifecycle, reason: SuspendReason) -> Step {
    l.phase = Phase::Suspended(reason);
    (l, vec![Effect::Observe(Observation::Suspended(reason))])
}

/// Nothing is outstanding: compare what is with what is wanted, and start at most one call.
fn settle(mut l: Lifecycle, attempt: u32) -> Step {
    match l.desired {
        Desired::Removed { delete_hook: false } => remove(l),
        Desired::Removed { delete_hook: true } => match (l.hook, l.certainty) {
            (Hook::Absent, Certainty::Sure) => remove(l),
            // A creation that we gave up on may still be carried out: look again later.
            (Hook::Absent, Certainty::Unsure | Certainty::Confirming) => {
                l.phase = Phase::Settling;
                (l, vec![Effect::Schedule(Timer::Retry, Delay::Settle)])
            }
            (Hook::Present(_) | Hook::Unknown, _) => {
                enter(l, Phase::Deleting { attempt }, Call::Delete)
            }
        },
        Desired::Paused => {
            l.phase = Phase::Idle;
            stay(l)
        }
        Desired::Active => match l.hook {
            Hook::Present(_) | Hook::Unknown if l.recreate => {
                enter(l, Phase::Deleting { attempt }, Call::Delete)
            }
            Hook::Absent | Hook::Unknown => ensure(l, attempt),
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
    let revision = l.wanted;
    enter(l, Phase::Creating { attempt }, Call::Ensure { revision })
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
        // A test delivery was asked for: look soon whether it helped.
        (Certainty::Sure, 0, Some(tests)) => Delay::Backoff(tests),
        (Certainty::Sure, failed, _) => Delay::SlowBackoff(failed),
    };
    (l, vec![Effect::Schedule(Timer::Check, delay)])
}

/// Becoming active after something else than a check or a ping: the ping timer is not armed yet.
fn begin_watch((l, mut effects): Step) -> Step {
    if l.phase == Phase::Active {
        effects.push(Effect::Schedule(Timer::Ping, Delay::PingInterval));
    }
    (l, effects)
}

/// The outstanding call's fate will not be known: whatever it may have changed is unknown.
fn forget_outstanding(mut l: Lifecycle) -> Lifecycle {
    match l.phase {
        Phase::Creating { .. } | Phase::Deleting { .. } => l.hook = Hook::Unknown,
        Phase::Repairing { .. } => {}
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
        Phase::Active | Phase::Checking | Phase::Pinging => {
            let (l, mut effects) = begin_watch(settle(l, 0));
            for effect in &mut effects {
                if *effect == Effect::Schedule(Timer::Check, Delay::CheckInterval) {
                    *effect = Effect::Schedule(Timer::Check, Delay::Spread);
                }
            }
            (l, effects)
        }
        Phase::Settling | Phase::Idle => settle(l, 0),
        // Nobody looks after what they have disconnected: a removal goes on by itself.
        Phase::Suspended(_) if matches!(l.desired, Desired::Removed { .. }) => settle(l, 0),
        Phase::Suspended(_) | Phase::Removed => stay(l),
    }
}

fn change_desired(mut l: Lifecycle, desired: Desired) -> Step {
    // Removal is final; what may still change is whether the hook is left alone.
    let was_removed = matches!(l.desired, Desired::Removed { .. });
    if was_removed && !matches!(desired, Desired::Removed { .. }) {
        return stay(l);
    }
    l.desired = desired;
    match l.phase {
        Phase::Suspended(_) => resume(l),
        Phase::Waiting { .. } | Phase::Settling | Phase::Idle => begin_watch(settle(l, 0)),
        Phase::Active => settle(l, 0),
        // The reply of the outstanding call will settle it.
        Phase::Creating { .. }
        | Phase::Checking
        | Phase::Pinging
        | Phase::Repairing { .. }
        | Phase::Deleting { .. }
        | Phase::Removed => stay(l),
    }
}

fn resume(mut l: Lifecycle) -> Step {
    l.losses.clear();
    l.checks_failed = 0;
    // Anything may have happened meanwhile: look, whatever was known.
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
        | Phase::Deleting { .. }
        | Phase::Settling
        | Phase::Removed => stay(l),
    }
}

fn check(l: Lifecycle) -> Step {
    match l.hook {
        Hook::Present(hook) => enter(l, Phase::Checking, Call::Check(hook)),
        Hook::Absent | Hook::Unknown => settle(l, 0),
    }
}

fn hear(mut l: Lifecycle) -> Step {
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
            enter(l, Phase::Deleting { attempt: 0 }, Call::Delete)
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
                Hook::Present(_) | Hook::Absent | Hook::Unknown => {
                    (l, vec![Effect::Schedule(Timer::Ping, Delay::PingInterval)])
                }
            }
        }
        // The other call is outstanding: the ping has its turn later. The end of any call arms
        // the check timer by itself.
        (Timer::Ping, Phase::Checking | Phase::Repairing { .. }) => {
            (l, vec![Effect::Schedule(Timer::Ping, Delay::PingInterval)])
        }
        (Timer::Retry | Timer::Check | Timer::Ping, _) => stay(l),
    }
}

fn take_reply(mut l: Lifecycle, reply: &Reply) -> Step {
    match (reply, l.phase) {
        (Reply::Ensured { hook, revision }, Phase::Creating { .. }) => {
            l.hook = Hook::Present(*hook);
            l.applied = Some(*revision);
            l.checks_failed = 0;
            conclude(&mut l);
            observe(begin_watch(settle(l, 0)), Observation::HookEnsured(*hook))
        }
        (Reply::Repaired { revision }, Phase::Repairing { .. }) => {
            l.applied = Some(*revision);
            observe(begin_watch(settle(l, 0)), Observation::HookRepaired)
        }
        (Reply::Intact, Phase::Checking) => {
            l.checks_failed = 0;
            let was_disabled = l.disabled.take().is_some();
            let step = settle(l, 0);
            if was_disabled {
                observe(step, Observation::HookEnabled)
            } else {
                step
            }
        }
        (Reply::Disabled { permanently }, Phase::Checking) => revive(l, *permanently),
        (Reply::Drifted, Phase::Checking) => {
            l.checks_failed = 0;
            l.applied = None;
            // There may be two of ours: only an ensure call looks for that.
            if l.desired == Desired::Active {
                observe(ensure(l, 0), Observation::HookDrifted)
            } else {
                settle(l, 0)
            }
        }
        (Reply::Missing { at }, Phase::Checking | Phase::Repairing { .. }) => lose(l, *at),
        (Reply::Pinged, Phase::Pinging) => count_ping(l),
        (Reply::Untestable, Phase::Pinging) => {
            l.checks_failed = 0;
            begin_watch(settle(l, 0))
        }
        (Reply::Deleted, Phase::Deleting { .. }) => {
            l.hook = Hook::Absent;
            l.applied = None;
            l.recreate = false;
            conclude(&mut l);
            settle(l, 0)
        }
        (
            Reply::Ensured { .. }
            | Reply::Repaired { .. }
            | Reply::Intact
            | Reply::Drifted
            | Reply::Disabled { .. }
            | Reply::Missing { .. }
            | Reply::Pinged
            | Reply::Untestable
            | Reply::Deleted,
            _,
        ) => stay(l),
    }
}

/// A ping is on its way, or has come: some providers send it before they say so.
fn count_ping(mut l: Lifecycle) -> Step {
    l.checks_failed = 0;
    if !l.heard {
        l.pings_unanswered = l.pings_unanswered.saturating_add(1);
    }
    let is_silent = l.is_silent();
    let step = begin_watch(settle(l, 0));
    if is_silent {
        observe(step, Observation::HookSilent)
    } else {
        step
    }
}

/// The provider has disabled the hook. A test delivery that we answer enables it again; when that
/// did not help a hook that is disabled for good, it is made anew.
fn revive(mut l: Lifecycle, permanently: bool) -> Step {
    l.checks_failed = 0;
    let (Desired::Active, Hook::Present(hook)) = (l.desired, l.hook) else {
        return settle(l, 0);
    };
    let tests = l.disabled.unwrap_or(0);
    let step = if permanently && tests > 0 {
        l.disabled = Some(0);
        l.recreate = true;
        settle(l, 0)
    } else {
        l.disabled = Some(tests.saturating_add(1));
        enter(l, Phase::Pinging, Call::Ping(hook))
    };
    observe(step, Observation::HookDisabled { permanently })
}

/// A call that looked at all hooks of ours succeeded: if it was begun after the settling time,
/// nothing can change behind our back any more.
fn conclude(l: &mut Lifecycle) {
    if l.certainty == Certainty::Confirming {
        l.certainty = Certainty::Sure;
    }
}

fn observe((l, mut effects): Step, observation: Observation) -> Step {
    effects.push(Effect::Observe(observation));
    (l, effects)
}

fn lose(mut l: Lifecycle, at: Timestamp) -> Step {
    // Not `Absent`: a copy with another id may be there, and only the next call looks for it.
    l.hook = Hook::Unknown;
    l.applied = None;
    l.checks_failed = 0;
    l.losses.retain(|loss| at.since(*loss) < LOSSES_WINDOW);
    l.losses.push(at);
    let step = if l.losses.len() >= LOSSES_MAX && l.desired == Desired::Active {
        suspend(l, SuspendReason::HookDeletedRepeatedly)
    } else {
        settle(l, 0)
    };
    observe(step, Observation::HookLost)
}

fn take_failure(mut l: Lifecycle, failure: Failure, may_have_acted: bool) -> Step {
    if l.certainty == Certainty::Confirming {
        l.certainty = Certainty::Unsure;
    }
    match l.phase {
        Phase::Creating { attempt }
        | Phase::Repairing { attempt }
        | Phase::Deleting { attempt } => {
            if may_have_acted {
                l = forget_outstanding(l);
            }
            fail(l, attempt.saturating_add(1), failure)
        }
        Phase::Checking | Phase::Pinging => {
            let was_ping = l.phase == Phase::Pinging;
            l.checks_failed = l.checks_failed.saturating_add(1);
            if failure == Failure::Unauthorized && l.desired == Desired::Active {
                return suspend(l, SuspendReason::Unauthorized);
            }
            // The hook may well be fine: go on with it, and look again soon.
            if was_ping {
                begin_watch(settle(l, 0))
            } else {
                settle(l, 0)
            }
        }
        Phase::Idle
        | Phase::Active
        | Phase::Waiting { .. }
        | Phase::Settling
        | Phase::Suspended(_)
        | Phase::Removed => stay(l),
    }
}

/// Nothing came of a call that was to change something at the provider.
fn fail(l: Lifecycle, attempt: u32, failure: Failure) -> Step {
    match (l.desired, failure) {
        (Desired::Paused | Desired::Removed { delete_hook: false }, _) => settle(l, 0),
        (Desired::Active, Failure::Unauthorized) => suspend(l, SuspendReason::Unauthorized),
        (_, Failure::Retryable { after: Some(after) }) => wait(l, attempt, Delay::Exactly(after)),
        (_, Failure::Retryable { after: None }) => wait(l, attempt, Delay::Backoff(attempt)),
        // Only a person can mend it, at the provider; we notice by trying now and then.
        (_, Failure::Unauthorized | Failure::NoAccess | Failure::Rejected) => {
            wait(l, attempt, Delay::SlowBackoff(attempt))
        }
    }
}
