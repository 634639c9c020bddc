//! The outcome of a call: its reply, or its failure.

use super::moves::{Step, begin_watch, enter, forget_outstanding, settle, stay, suspend, wait};
use super::{
    Call, Certainty, Delay, Desired, Effect, Failure, Hook, LOSSES_MAX, LOSSES_WINDOW, Lifecycle,
    Observation, Phase, Reply, SuspendReason, Timer,
};
use crate::domain::id::HookId;
use crate::domain::time::Timestamp;

/// Whether the reply belongs to the call.
fn fits(phase: Phase, reply: &Reply) -> bool {
    match reply {
        Reply::Ensured { .. } => matches!(phase, Phase::Creating { .. }),
        Reply::Repaired { .. } => matches!(phase, Phase::Repairing { .. } | Phase::Rewriting),
        Reply::Intact | Reply::Drifted | Reply::Disabled { .. } => phase == Phase::Checking,
        Reply::Missing { .. } => matches!(
            phase,
            Phase::Checking | Phase::Repairing { .. } | Phase::Rewriting
        ),
        Reply::Pinged | Reply::Untestable => phase == Phase::Pinging,
        Reply::Deleted { .. } => matches!(phase, Phase::Deleting { .. }),
    }
}

pub(super) fn take_reply(mut l: Lifecycle, reply: &Reply) -> Step {
    if !fits(l.phase, reply) {
        return stay(l);
    }
    l.refused = false;
    match reply {
        Reply::Ensured { hook, known, .. } if is_about_another(&l, *known, Some(*hook)) => {
            l.checks_failed = 0;
            settle(l, 0)
        }
        Reply::Ensured { hook, revision, .. } => {
            l.hook = Hook::Present(*hook);
            l.applied = Some(*revision);
            l.checks_failed = 0;
            l.ill = false;
            conclude(&mut l);
            observe(begin_watch(settle(l, 0)), Observation::HookEnsured(*hook))
        }
        Reply::Repaired { revision } => {
            let observed = if l.phase == Phase::Rewriting {
                Observation::HookRewritten
            } else {
                Observation::HookRepaired
            };
            l.applied = Some(*revision);
            l.ill = false;
            observe(begin_watch(settle(l, 0)), observed)
        }
        Reply::Intact => {
            l.checks_failed = 0;
            l.ill = false;
            let was_disabled = l.disabled.take().is_some();
            let step = settle(l, 0);
            if was_disabled {
                observe(step, Observation::HookEnabled)
            } else {
                step
            }
        }
        Reply::Disabled { permanently } => revive(l, *permanently),
        Reply::Drifted => {
            l.checks_failed = 0;
            l.applied = None;
            l.ill = true;
            observe(settle(l, 0), Observation::HookDrifted)
        }
        Reply::Missing { at } => lose(l, *at),
        Reply::Pinged => count_ping(l),
        Reply::Untestable => {
            l.checks_failed = 0;
            begin_watch(settle(l, 0))
        }
        Reply::Deleted { known } if is_about_another(&l, *known, None) => settle(l, 0),
        Reply::Deleted { .. } => {
            l.hook = Hook::Absent;
            l.applied = None;
            l.recreate = false;
            l.ill = false;
            l.checks_failed = 0;
            conclude(&mut l);
            settle(l, 0)
        }
    }
}

/// Whether the provider reported a hook while a call was outstanding that did not look for it: the
/// call is repeated.
fn is_about_another(l: &Lifecycle, known: Option<HookId>, found: Option<HookId>) -> bool {
    let observed = l.hook.id();
    observed.is_some() && observed != known && observed != found
}

/// A ping is on its way, or has arrived: some providers send it before they answer.
fn count_ping(mut l: Lifecycle) -> Step {
    l.checks_failed = 0;
    if !l.heard {
        l.pings_unanswered = l.pings_unanswered.saturating_add(1);
    }
    let (is_silent, is_unanswered) = (l.is_silent(), l.pings_unanswered > 0);
    let (l, mut effects) = begin_watch(settle(l, 0));
    if is_silent {
        return observe((l, effects), Observation::HookSilent);
    }
    // One that gets no answer is soon followed by another.
    if is_unanswered {
        for effect in &mut effects {
            if *effect == Effect::Schedule(Timer::Ping, Delay::PingInterval) {
                *effect = Effect::Schedule(Timer::Ping, Delay::Answer);
            }
        }
    }
    (l, effects)
}

/// The provider has disabled the hook. A test delivery that we answer enables it again; if that did
/// not help a permanently disabled hook, it is recreated.
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

/// A call that looked up all our hooks succeeded: if it began after the settling time, no earlier
/// call can change the state any more.
fn conclude(l: &mut Lifecycle) {
    if l.certainty == Certainty::Confirming {
        l.certainty = Certainty::Sure;
    }
}

fn lose(mut l: Lifecycle, at: Timestamp) -> Step {
    // Not `Absent`: a copy with another id may exist, and only the next call looks for it.
    l.hook = l.hook.in_doubt();
    l.applied = None;
    l.ill = true;
    l.checks_failed = 0;
    // Also those with a future time from a clock that was set back.
    l.losses.retain(|loss| at.apart(*loss) < LOSSES_WINDOW);
    l.losses.push(at);
    let step = if l.losses.len() >= LOSSES_MAX && l.desired == Desired::Active {
        suspend(l, SuspendReason::HookDeletedRepeatedly)
    } else {
        settle(l, 0)
    };
    observe(step, Observation::HookLost)
}

pub(super) fn take_failure(mut l: Lifecycle, failure: Failure, may_have_acted: bool) -> Step {
    if l.certainty == Certainty::Confirming {
        l.certainty = Certainty::Unsure;
    }
    match failure {
        Failure::Retryable { .. } => {}
        Failure::Unauthorized | Failure::NoAccess | Failure::Rejected => l.refused = true,
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
        // The hook may be fine: continue with it, and check again soon.
        Phase::Checking | Phase::Pinging | Phase::Rewriting => {
            if may_have_acted {
                l = forget_outstanding(l);
            }
            l.checks_failed = l.checks_failed.saturating_add(1);
            if failure == Failure::Unauthorized && l.desired == Desired::Active {
                return suspend(l, SuspendReason::Unauthorized);
            }
            let step = if l.phase == Phase::Checking {
                settle(l, 0)
            } else {
                begin_watch(settle(l, 0))
            };
            as_wished(step, failure)
        }
        Phase::Idle
        | Phase::Active
        | Phase::Waiting { .. }
        | Phase::Settling
        | Phase::Suspended(_)
        | Phase::Removed => stay(l),
    }
}

/// The next check is when the provider allows it, if it said so.
fn as_wished((l, mut effects): Step, failure: Failure) -> Step {
    if let Failure::Retryable { after: Some(after) } = failure {
        for effect in &mut effects {
            if let Effect::Schedule(Timer::Check, delay @ Delay::SlowBackoff(_)) = effect {
                *delay = Delay::Exactly(after);
            }
        }
    }
    (l, effects)
}

/// A call that should have changed something at the provider failed.
fn fail(l: Lifecycle, attempt: u32, failure: Failure) -> Step {
    match (l.desired, failure) {
        (Desired::Paused | Desired::Removed { delete_hook: false }, _) => settle(l, 0),
        (Desired::Removed { .. }, _) if l.hook == Hook::Absent => leave(l, failure),
        (Desired::Active, Failure::Unauthorized) => suspend(l, SuspendReason::Unauthorized),
        (_, Failure::Retryable { after: Some(after) }) => wait(l, attempt, Delay::Exactly(after)),
        (_, Failure::Retryable { after: None }) => wait(l, attempt, Delay::Backoff(attempt)),
        // Only a person can correct it, at the provider; occasional retries find out.
        (_, Failure::Unauthorized | Failure::NoAccess | Failure::Rejected) => {
            wait(l, attempt, Delay::SlowBackoff(attempt))
        }
    }
}

/// The call was to create the hook, and nothing is left to delete; or it was to confirm that none
/// has come late, after the settling time: that is asked for again, ever more seldom.
fn leave(mut l: Lifecycle, failure: Failure) -> Step {
    if !matches!(l.phase, Phase::Deleting { .. }) {
        return settle(l, 0);
    }
    l.checks_failed = l.checks_failed.saturating_add(1);
    let delay = match failure {
        Failure::Retryable { after: Some(after) } => Delay::Exactly(after),
        Failure::Retryable { after: None } => Delay::Backoff(l.checks_failed),
        Failure::Unauthorized | Failure::NoAccess | Failure::Rejected => {
            Delay::SlowBackoff(l.checks_failed)
        }
    };
    l.phase = Phase::Settling;
    (l, vec![Effect::Schedule(Timer::Retry, delay)])
}

fn observe((l, mut effects): Step, observation: Observation) -> Step {
    effects.push(Effect::Observe(observation));
    (l, effects)
}
