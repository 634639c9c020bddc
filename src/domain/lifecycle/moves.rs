//! The moves that steps are made of.

use super::{
    Call, Certainty, Delay, Desired, Effect, Hook, Lifecycle, Observation, Phase, SuspendReason,
    Timer,
};

impl Effect {
    /// The call, if it is one.
    pub const fn call(&self) -> Option<Call> {
        match self {
            Self::Call(call) => Some(*call),
            Self::Schedule(..) | Self::Observe(_) => None,
        }
    }

    /// The observation, if it is one.
    pub const fn observation(&self) -> Option<Observation> {
        match self {
            Self::Observe(observation) => Some(*observation),
            Self::Call(_) | Self::Schedule(..) => None,
        }
    }
}

pub(super) type Step = (Lifecycle, Vec<Effect>);

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

pub(super) fn ensure(mut l: Lifecycle, attempt: u32) -> Step {
    l.recreate = false;
    let (known, revision) = (l.hook.id(), l.wanted);
    let call = Call::Ensure { known, revision };
    enter(l, Phase::Creating { attempt }, call)
}

pub(super) fn delete(l: Lifecycle, attempt: u32) -> Step {
    let known = l.hook.id();
    enter(l, Phase::Deleting { attempt }, Call::Delete { known })
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
