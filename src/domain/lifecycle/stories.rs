//! The machine step by step.

use super::*;

mod greeted;

const NOT_DONE: bool = false;
const MAYBE_DONE: bool = true;
const KNOWN: Option<HookId> = Some(HookId(7));
const REMOVED: Input = Input::DesiredChanged(Desired::Removed { delete_hook: true });
const FIRST_ENSURE: Call = Call::Ensure {
    known: None,
    revision: 1,
};

fn failed(failure: Failure, may_have_acted: bool) -> Input {
    Input::CallFailed {
        failure,
        may_have_acted,
    }
}

/// The hook with this id is there, and none that was known was left out.
fn ensured(hook: u64, revision: Revision) -> Input {
    Input::Replied(Reply::Ensured {
        hook: HookId(hook),
        known: None,
        revision,
    })
}

fn creating() -> Lifecycle {
    step(Lifecycle::default(), Input::Recovered).0
}

fn active() -> Lifecycle {
    step(creating(), ensured(7, 1)).0
}

#[test]
fn a_new_connection_creates_its_hook_and_then_watches_it() {
    let (lifecycle, effects) = step(Lifecycle::default(), Input::Recovered);
    assert_eq!(effects, [Effect::Call(FIRST_ENSURE)]);
    let (lifecycle, effects) = step(lifecycle, ensured(7, 1));
    assert_eq!(
        (lifecycle.phase, lifecycle.hook),
        (Phase::Active, Hook::Present(HookId(7)))
    );
    assert!(effects.contains(&Effect::Schedule(Timer::Check, Delay::CheckInterval)));
    assert!(effects.contains(&Effect::Schedule(Timer::Ping, Delay::PingInterval)));
}

#[test]
fn a_creation_that_nobody_received_leaves_nothing_to_delete() {
    let retryable = Failure::Retryable { after: None };
    let (waiting, _) = step(creating(), failed(retryable, NOT_DONE));
    assert_eq!(step(waiting, REMOVED).0.phase, Phase::Removed);

    // The user has disconnected while the call was outstanding.
    let leaving = step(creating(), REMOVED).0;
    let after = Some(Duration::from_mins(1));
    for failure in [
        retryable,
        Failure::Retryable { after },
        Failure::Unauthorized,
        Failure::NoAccess,
        Failure::Rejected,
    ] {
        let (over, effects) = step(leaving.clone(), failed(failure, NOT_DONE));
        assert_eq!(over.phase, Phase::Removed, "{failure:?}");
        assert_eq!(effects, [Effect::Observe(Observation::Removed)]);
    }
}

#[test]
fn a_creation_with_unknown_outcome_is_deleted_twice_with_a_settling_time_between() {
    let retryable = Failure::Retryable { after: None };
    let (waiting, _) = step(creating(), failed(retryable, MAYBE_DONE));
    let (deleting, effects) = step(waiting, REMOVED);
    assert_eq!(effects, [Effect::Call(Call::Delete { known: None })]);
    let (settling, effects) = step(deleting, Input::Replied(Reply::Deleted { known: KNOWN }));
    assert_eq!(effects, [Effect::Schedule(Timer::Retry, Delay::Settle)]);
    let (deleting, _) = step(settling, Input::TimerFired(Timer::Retry));
    let (over, _) = step(deleting, Input::Replied(Reply::Deleted { known: KNOWN }));
    assert_eq!(over.phase, Phase::Removed);
}

#[test]
fn a_confirmation_that_is_refused_is_asked_for_ever_more_seldom() {
    let retryable = Failure::Retryable { after: None };
    let (waiting, _) = step(creating(), failed(retryable, MAYBE_DONE));
    let (deleting, _) = step(waiting, REMOVED);
    let gone = || Input::Replied(Reply::Deleted { known: KNOWN });
    let (mut settling, _) = step(deleting, gone());
    for n in 1..=3 {
        let (confirming, effects) = step(settling, Input::TimerFired(Timer::Retry));
        assert_eq!(effects, [Effect::Call(Call::Delete { known: None })]);
        let (still, effects) = step(confirming, failed(Failure::NoAccess, NOT_DONE));
        assert_eq!(still.phase, Phase::Settling);
        let later = Effect::Schedule(Timer::Retry, Delay::SlowBackoff(n));
        assert_eq!(effects, [later]);
        settling = still;
    }
    let (confirming, _) = step(settling, Input::TimerFired(Timer::Retry));
    assert_eq!(step(confirming, gone()).0.phase, Phase::Removed);
}

#[test]
fn not_found_is_never_taken_for_gone() {
    let (deleting, _) = step(active(), REMOVED);
    let (waiting, effects) = step(deleting, failed(Failure::NoAccess, NOT_DONE));
    assert_eq!(waiting.phase, Phase::Waiting { attempt: 1 });
    assert_eq!(waiting.hook, Hook::Present(HookId(7)));
    assert_eq!(
        effects,
        [Effect::Schedule(Timer::Retry, Delay::SlowBackoff(1))]
    );

    let (checking, _) = step(active(), Input::TimerFired(Timer::Check));
    let (still, _) = step(checking, failed(Failure::NoAccess, NOT_DONE));
    assert_eq!(
        (still.phase, still.hook),
        (Phase::Active, Hook::Present(HookId(7)))
    );
}

#[test]
fn a_refused_credential_suspends_until_someone_acts_but_never_stops_a_removal() {
    let (suspended, _) = step(creating(), failed(Failure::Unauthorized, NOT_DONE));
    assert_eq!(
        suspended.phase,
        Phase::Suspended(SuspendReason::Unauthorized)
    );
    let (again, _) = step(suspended, Input::CheckRequested);
    assert_eq!(again.phase, Phase::Creating { attempt: 0 });

    let (deleting, _) = step(active(), REMOVED);
    let (waiting, _) = step(deleting, failed(Failure::Unauthorized, NOT_DONE));
    assert_eq!(waiting.phase, Phase::Waiting { attempt: 1 });
}

#[test]
fn a_resumed_connection_trusts_nothing_that_was_known_before() {
    let (suspended, _) = step(active(), Input::GaveUp(SuspendReason::Panics));
    let (_, effects) = step(suspended, Input::CheckRequested);
    assert_eq!(
        effects[0],
        Effect::Call(Call::Repair {
            hook: HookId(7),
            revision: 1
        })
    );
}

#[test]
fn a_hook_that_is_deleted_again_and_again_is_not_recreated_for_ever() {
    let mut lifecycle = active();
    for loss in 1..=3 {
        lifecycle = step(lifecycle, Input::TimerFired(Timer::Check)).0;
        let missing = Reply::Missing {
            at: Timestamp(loss * 1000),
        };
        lifecycle = step(lifecycle, Input::Replied(missing)).0;
        if loss < 3 {
            lifecycle = step(lifecycle, ensured(7, 1)).0;
        }
    }
    let reason = SuspendReason::HookDeletedRepeatedly;
    assert_eq!(lifecycle.phase, Phase::Suspended(reason));
}

#[test]
fn disconnecting_without_deleting_ends_at_once_and_calls_nobody() {
    let keep = Input::DesiredChanged(Desired::Removed { delete_hook: false });
    let (over, effects) = step(active(), keep.clone());
    assert_eq!(over.phase, Phase::Removed);
    assert_eq!(effects, [Effect::Observe(Observation::Removed)]);
    let (waits, effects) = step(creating(), keep);
    assert!(
        waits.call_outstanding() && effects.is_empty(),
        "the reply in flight ends it"
    );
    assert_eq!(step(waits, ensured(7, 1)).0.phase, Phase::Removed);
}

#[test]
fn a_quiet_hook_is_pinged_and_two_unanswered_pings_make_it_silent() {
    let mut lifecycle = active();
    for expect_silent in [false, true] {
        let (pinging, effects) = step(lifecycle, Input::TimerFired(Timer::Ping));
        assert_eq!(effects, [Effect::Call(Call::Ping(HookId(7)))]);
        let (back, effects) = step(pinging, Input::Replied(Reply::Pinged));
        let observed = effects.contains(&Effect::Observe(Observation::HookSilent));
        assert_eq!(observed, expect_silent);
        // The first one that gets no answer is soon followed by another.
        let next = [Delay::Answer, Delay::PingInterval][usize::from(expect_silent)];
        assert!(effects.contains(&Effect::Schedule(Timer::Ping, next)));
        lifecycle = back;
    }
    let (heard, effects) = step(lifecycle, Input::DeliveryArrived { hook: None });
    assert_eq!(effects, [Effect::Observe(Observation::HookHeard)]);
    assert!(!heard.is_silent());
}

/// A check that finds the hook disabled.
fn found_disabled(lifecycle: Lifecycle, permanently: bool) -> (Lifecycle, Vec<Effect>) {
    let (checking, effects) = step(lifecycle, Input::TimerFired(Timer::Check));
    assert_eq!(effects, [Effect::Call(Call::Check(HookId(7)))]);
    step(checking, Input::Replied(Reply::Disabled { permanently }))
}

#[test]
fn a_disabled_hook_is_tested_at_once_and_looked_at_soon() {
    let (pinging, effects) = found_disabled(active(), false);
    let observed = Effect::Observe(Observation::HookDisabled { permanently: false });
    assert_eq!(effects, [Effect::Call(Call::Ping(HookId(7))), observed]);
    let (back, effects) = step(pinging, Input::Replied(Reply::Pinged));
    assert!(effects.contains(&Effect::Schedule(Timer::Check, Delay::Backoff(1))));
    // It did not help yet: again, and later.
    let (pinging, effects) = found_disabled(back, false);
    assert!(effects.contains(&Effect::Call(Call::Ping(HookId(7)))));
    let (back, effects) = step(pinging, Input::Replied(Reply::Pinged));
    assert!(effects.contains(&Effect::Schedule(Timer::Check, Delay::Backoff(2))));
    let (checking, _) = step(back, Input::TimerFired(Timer::Check));
    let (enabled, effects) = step(checking, Input::Replied(Reply::Intact));
    assert!(effects.contains(&Effect::Observe(Observation::HookEnabled)));
    assert!(effects.contains(&Effect::Schedule(Timer::Check, Delay::CheckInterval)));
    assert_eq!(enabled.disabled, None);
}

#[test]
fn a_hook_disabled_for_good_is_made_anew_when_a_test_did_not_help() {
    for answer in [Reply::Pinged, Reply::Untestable] {
        let (pinging, _) = found_disabled(active(), true);
        let (back, _) = step(pinging, Input::Replied(answer));
        let (deleting, effects) = found_disabled(back, true);
        let observed = Effect::Observe(Observation::HookDisabled { permanently: true });
        assert_eq!(
            effects,
            [Effect::Call(Call::Delete { known: KNOWN }), observed]
        );
        let (creating, effects) = step(deleting, Input::Replied(Reply::Deleted { known: KNOWN }));
        assert_eq!(effects, [Effect::Call(FIRST_ENSURE)]);
        let (back, effects) = step(creating, ensured(8, 1));
        // Only a check resolves it, and it comes soon.
        assert!(effects.contains(&Effect::Schedule(Timer::Check, Delay::Backoff(0))));
        let (checking, _) = step(back, Input::TimerFired(Timer::Check));
        let (_, effects) = step(checking, Input::Replied(Reply::Intact));
        assert!(effects.contains(&Effect::Observe(Observation::HookEnabled)));
    }
}

#[test]
fn a_test_that_cannot_be_made_is_no_unanswered_ping() {
    let mut lifecycle = active();
    for _ in 0..3 {
        let (pinging, _) = step(lifecycle, Input::TimerFired(Timer::Ping));
        let (back, effects) = step(pinging, Input::Replied(Reply::Untestable));
        assert!(effects.contains(&Effect::Schedule(Timer::Ping, Delay::PingInterval)));
        lifecycle = back;
    }
    assert_eq!(lifecycle.pings_unanswered, 0);
}

#[test]
fn a_ping_that_was_answered_before_the_provider_says_so_is_answered() {
    let (pinging, _) = step(active(), Input::TimerFired(Timer::Ping));
    let (pinging, _) = step(pinging, Input::DeliveryArrived { hook: None });
    let (back, _) = step(pinging, Input::Replied(Reply::Pinged));
    assert_eq!(back.pings_unanswered, 0);
}

#[test]
fn what_was_heard_answers_for_one_interval_only() {
    let (heard, _) = step(active(), Input::DeliveryArrived { hook: None });
    let (quiet, effects) = step(heard, Input::TimerFired(Timer::Ping));
    assert_eq!(
        effects,
        [Effect::Schedule(Timer::Ping, Delay::PingInterval)]
    );
    let (_, effects) = step(quiet, Input::TimerFired(Timer::Ping));
    assert_eq!(effects, [Effect::Call(Call::Ping(HookId(7)))]);
}

#[test]
fn other_settings_are_another_revision_and_are_written() {
    let (_, effects) = step(active(), Input::SettingsChanged);
    let (hook, revision) = (HookId(7), 2);
    assert_eq!(effects, [Effect::Call(Call::Repair { hook, revision })]);
}

#[test]
fn a_wish_to_recreate_is_fulfilled_once() {
    let (deleting, effects) = step(active(), Input::RecreateRequested);
    assert_eq!(effects, [Effect::Call(Call::Delete { known: KNOWN })]);
    let (creating, effects) = step(deleting, Input::Replied(Reply::Deleted { known: KNOWN }));
    assert_eq!(effects, [Effect::Call(FIRST_ENSURE)]);
    assert_eq!(step(creating, ensured(7, 1)).0.phase, Phase::Active);

    // There is none to delete yet: creating it is all that was wished for.
    let (wished, _) = step(Lifecycle::default(), Input::RecreateRequested);
    let (creating, _) = step(wished, Input::Recovered);
    assert_eq!(step(creating, ensured(7, 1)).0.phase, Phase::Active);
}

#[test]
fn the_provider_is_not_asked_before_it_wished() {
    let after = Duration::from_secs(90);
    let limited = Failure::Retryable { after: Some(after) };
    let (_, effects) = step(creating(), failed(limited, NOT_DONE));
    assert_eq!(
        effects,
        [Effect::Schedule(Timer::Retry, Delay::Exactly(after))]
    );
}

#[test]
fn checks_that_fail_come_more_slowly_until_one_succeeds() {
    let mut lifecycle = active();
    for count in 1..=3 {
        let (checking, _) = step(lifecycle, Input::TimerFired(Timer::Check));
        let (again, effects) = step(checking, failed(Failure::NoAccess, NOT_DONE));
        let slowly = Effect::Schedule(Timer::Check, Delay::SlowBackoff(count));
        assert_eq!((again.checks_failed, effects), (count, vec![slowly]));
        lifecycle = again;
    }
    let (checking, _) = step(lifecycle, Input::TimerFired(Timer::Check));
    let (_, effects) = step(checking, Input::Replied(Reply::Intact));
    assert_eq!(
        effects,
        [Effect::Schedule(Timer::Check, Delay::CheckInterval)]
    );
}

#[test]
fn a_check_with_a_refused_credential_suspends() {
    for timer in [Timer::Check, Timer::Ping] {
        let (calling, _) = step(active(), Input::TimerFired(timer));
        let (suspended, _) = step(calling, failed(Failure::Unauthorized, NOT_DONE));
        let reason = SuspendReason::Unauthorized;
        assert_eq!(suspended.phase, Phase::Suspended(reason), "{timer:?}");
    }
}

/// The hook is found missing at this time, and made again.
fn lose(lifecycle: Lifecycle, at: Duration) -> Lifecycle {
    let at = Timestamp(0).plus(at);
    let (checking, _) = step(lifecycle, Input::TimerFired(Timer::Check));
    let (creating, _) = step(checking, Input::Replied(Reply::Missing { at }));
    step(creating, ensured(7, 1)).0
}

#[test]
fn losses_that_a_clock_dated_ahead_before_it_went_back_do_not_count() {
    let mut lifecycle = active();
    let ahead = LOSSES_WINDOW * 200;
    let second = Duration::from_secs(1);
    for at in [ahead, ahead + second, second, second * 2] {
        lifecycle = lose(lifecycle, at);
        assert_eq!(lifecycle.phase, Phase::Active, "{at:?}");
    }
}

#[test]
fn losses_long_ago_or_before_a_person_looked_do_not_count() {
    let mut lifecycle = active();
    for day in 1..=9 {
        lifecycle = lose(lifecycle, LOSSES_WINDOW * day);
        assert_eq!(lifecycle.phase, Phase::Active, "day {day}");
    }
    let mut lifecycle = active();
    for second in 1..=3 {
        lifecycle = lose(lifecycle, Duration::from_secs(second));
    }
    assert!(lifecycle.waits_for_a_person());
    let (repairing, _) = step(lifecycle, Input::CheckRequested);
    let (resumed, _) = step(repairing, ensured(7, 1));
    let lost_again = lose(resumed, Duration::from_secs(4));
    assert_eq!(lost_again.phase, Phase::Active);
}

#[test]
fn restarted_connections_look_at_their_hooks_at_different_times() {
    let (_, effects) = step(active(), Input::Recovered);
    assert!(effects.contains(&Effect::Schedule(Timer::Check, Delay::Spread)));
    assert!(effects.contains(&Effect::Schedule(Timer::Ping, Delay::PingRest)));
}

#[test]
fn a_removal_goes_on_after_panics_and_what_is_over_stays_over() {
    let (deleting, _) = step(active(), REMOVED);
    let given_up = Input::GaveUp(SuspendReason::Panics);
    let (suspended, _) = step(deleting, given_up.clone());
    let (deleting, effects) = step(suspended, Input::Recovered);
    assert_eq!(effects, [Effect::Call(Call::Delete { known: KNOWN })]);
    let (settling, _) = step(deleting, Input::Replied(Reply::Deleted { known: KNOWN }));
    let (deleting, _) = step(settling, Input::TimerFired(Timer::Retry));
    let (over, _) = step(deleting, Input::Replied(Reply::Deleted { known: KNOWN }));
    assert_eq!(over.phase, Phase::Removed);
    assert_eq!(step(over.clone(), given_up), (over, Vec::new()));
}

fn checked(lifecycle: Lifecycle, reply: Reply) -> (Lifecycle, Vec<Effect>) {
    let (checking, _) = step(lifecycle, Input::TimerFired(Timer::Check));
    step(checking, Input::Replied(reply))
}

#[test]
fn a_changed_hook_is_repaired_by_its_id() {
    let (repairing, effects) = checked(active(), Reply::Drifted);
    let (hook, revision) = (HookId(7), 1);
    let repair = Effect::Call(Call::Repair { hook, revision });
    assert_eq!(effects, [repair, Effect::Observe(Observation::HookDrifted)]);
    assert!(repairing.ill);
    let (back, _) = step(repairing, Input::Replied(Reply::Repaired { revision }));
    assert!(!back.ill && back.phase == Phase::Active);
}

#[test]
fn an_id_that_was_known_is_never_forgotten_before_the_hook_is_known_to_be_gone() {
    let lost = failed(Failure::Retryable { after: None }, MAYBE_DONE);
    let ensure = Effect::Call(Call::Ensure {
        known: KNOWN,
        revision: 1,
    });
    // Not found, and then an answer that is lost.
    let at = Timestamp(0);
    let (creating, effects) = checked(active(), Reply::Missing { at });
    assert_eq!(effects[0], ensure);
    let (waiting, _) = step(creating, lost.clone());
    let (_, effects) = step(waiting.clone(), Input::TimerFired(Timer::Retry));
    assert_eq!(effects, [ensure]);
    // A deletion whose answer is lost, twice.
    let (deleting, effects) = step(waiting, REMOVED);
    let delete = Effect::Call(Call::Delete { known: KNOWN });
    assert_eq!(effects, [delete]);
    let (waiting, _) = step(deleting, lost);
    let (deleting, effects) = step(waiting, Input::Recovered);
    assert_eq!(effects, [Effect::Schedule(Timer::Retry, Delay::Remaining)]);
    let (deleting, effects) = step(deleting, Input::TimerFired(Timer::Retry));
    assert_eq!(effects, [delete]);
    let (settling, _) = step(deleting, Input::Replied(Reply::Deleted { known: KNOWN }));
    assert_eq!(settling.hook, Hook::Absent);
}

#[test]
fn a_rewrite_that_fails_leaves_the_hook_at_work_and_one_without_answer_is_confirmed() {
    let limited = Failure::Retryable {
        after: Some(Duration::from_mins(50)),
    };
    let (rewriting, effects) = step(active(), Input::RewriteDue);
    let (hook, revision) = (HookId(7), 1);
    assert_eq!(effects, [Effect::Call(Call::Repair { hook, revision })]);
    let (back, effects) = step(rewriting.clone(), failed(limited, NOT_DONE));
    assert_eq!((back.phase, back.applied), (Phase::Active, Some(1)));
    let later = Delay::Exactly(Duration::from_mins(50));
    assert!(effects.contains(&Effect::Schedule(Timer::Check, later)));
    // Also when the process is restarted meanwhile.
    let (lost, _) = step(rewriting.clone(), failed(limited, MAYBE_DONE));
    for unsure in [lost, step(rewriting, Input::Recovered).0] {
        assert_eq!((unsure.phase, unsure.applied), (Phase::Active, Some(1)));
        let (_, effects) = step(unsure, Input::TimerFired(Timer::Check));
        let (known, revision) = (KNOWN, 1);
        assert_eq!(effects, [Effect::Call(Call::Ensure { known, revision })]);
    }
    // A paused hook is moved, too, and stays paused.
    let (paused, _) = step(active(), Input::DesiredChanged(Desired::Paused));
    let (rewriting, _) = step(paused, Input::RewriteDue);
    let (paused, effects) = step(rewriting, Input::Replied(Reply::Repaired { revision }));
    assert_eq!(paused.phase, Phase::Idle);
    assert_eq!(effects, [Effect::Observe(Observation::HookRewritten)]);
}

#[test]
fn only_a_positive_refusal_is_remembered_and_any_answer_ends_it() {
    let outage = Failure::Retryable { after: None };
    for (failure, is_refused) in [
        (outage, false),
        (Failure::NoAccess, true),
        (Failure::Rejected, true),
    ] {
        let (checking, _) = step(active(), Input::TimerFired(Timer::Check));
        let (back, _) = step(checking, failed(failure, NOT_DONE));
        assert_eq!(back.refused, is_refused, "{failure:?}");
        // Not knowing takes nothing back, either.
        let (checking, _) = step(back, Input::TimerFired(Timer::Check));
        let (back, _) = step(checking, failed(outage, NOT_DONE));
        assert_eq!(back.refused, is_refused, "{failure:?}");
        assert!(!checked(back, Reply::Intact).0.refused);
    }
}
