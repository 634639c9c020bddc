//! A hook that greets us names itself: that counts when the answer to its creation is lost.

use super::*;

/// A new hook of ours greets us.
fn greeted(hook: u64) -> Input {
    let hook = Some(HookId(hook));
    Input::DeliveryArrived { hook }
}

#[test]
fn a_hook_that_greets_us_is_known_though_the_answer_to_its_creation_is_lost() {
    let retryable = Failure::Retryable { after: None };
    let ensure = |known| Effect::Call(Call::Ensure { known, revision: 1 });
    // Before the answer is given up, and after.
    let (early, _) = step(creating(), greeted(7));
    let (early, _) = step(early, failed(retryable, MAYBE_DONE));
    let (late, _) = step(creating(), failed(retryable, MAYBE_DONE));
    let (late, _) = step(late, greeted(7));
    for waiting in [early, late] {
        assert_eq!(waiting.hook, Hook::Unknown(KNOWN));
        let (again, effects) = step(waiting.clone(), Input::TimerFired(Timer::Retry));
        assert_eq!(effects, [ensure(KNOWN)], "none is made beside it");
        assert_eq!(step(again, greeted(9)).0.hook, Hook::Unknown(KNOWN));
        let removed = Input::DesiredChanged(Desired::Removed { delete_hook: true });
        let (_, effects) = step(waiting, removed);
        assert_eq!(effects, [Effect::Call(Call::Delete { known: KNOWN })]);
    }
    // The usual way: the greeting comes before the answer, and both name the same.
    let (greeted_first, _) = step(creating(), greeted(7));
    let (there, effects) = step(greeted_first, ensured(7, 1));
    assert_eq!(
        (there.phase, there.hook),
        (Phase::Active, Hook::Present(HookId(7)))
    );
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Call(_)))
    );
}

#[test]
fn a_call_that_did_not_look_for_a_hook_that_greeted_us_meanwhile_is_made_again() {
    let retryable = Failure::Retryable { after: None };
    let (waiting, _) = step(creating(), failed(retryable, MAYBE_DONE));
    let (again, _) = step(waiting.clone(), Input::TimerFired(Timer::Retry));
    // The one of the first call greets us, and the second call made another.
    let (again, _) = step(again, greeted(7));
    let (looks, effects) = step(again, ensured(8, 1));
    let known = KNOWN;
    assert_eq!(effects, [Effect::Call(Call::Ensure { known, revision: 1 })]);
    let alone = Reply::Ensured {
        hook: HookId(7),
        known,
        revision: 1,
    };
    let (there, _) = step(looks, Input::Replied(alone));
    assert_eq!(there.hook, Hook::Present(HookId(7)));

    let removed = Input::DesiredChanged(Desired::Removed { delete_hook: true });
    let (deleting, _) = step(waiting, removed);
    let (deleting, _) = step(deleting, greeted(7));
    let none = Input::Replied(Reply::Deleted { known: None });
    let (deleting, effects) = step(deleting, none);
    assert_eq!(effects, [Effect::Call(Call::Delete { known })]);
    let gone = Input::Replied(Reply::Deleted { known });
    assert_eq!(step(deleting, gone).0.hook, Hook::Absent);
}
