//! What `Hooks` promises of hooks that other people made, for each provider: one is taken away or
//! becomes ours only as long as it is what it was when it was listed.

use crate::both;
use crate::stand::Stand;
use hookherd::domain::id::HookId;
use hookherd::domain::lifecycle::Failure;
use hookherd::domain::standing::Fingerprint;
use hookherd::provider::{Ensured, HookSpec, ProviderError, TakenAway};
use hookherd::simulator::Misbehaviour;

const URL: &str = "http://127.0.0.1:9/api/v2/webhooks/x/key";
const THEIRS: &str = "http://127.0.0.1:9/old/hook?token=1";
const ELSEWHERE: &str = "http://127.0.0.1:8/moved";

both! {
    a_hook_of_others_is_taken_away_while_it_is_what_it_was
    a_lost_answer_and_missing_rights_take_nothing_twice_and_show_nothing_gone
    a_hook_of_others_becomes_ours_in_place
    a_hook_that_changed_or_went_is_left_and_ours_is_made_beside_it
    a_takeover_with_a_lost_answer_is_finished_by_the_next_call
}

/// A hook that a person made at this URL, and what it is when it is listed.
async fn somebodys(stand: &Stand, url: &str) -> (HookId, Fingerprint) {
    assert_eq!(stand.write(None, &stand.foreign(url)).await, 201);
    let listed = stand.hooks.hooks(&stand.access, &stand.known()).await;
    let hooks = listed.expect("the list").hooks;
    let hook = hooks.iter().find(|hook| hook.url.as_deref() == Some(url));
    let hook = hook.expect("it was just made");
    (hook.id, Fingerprint::of(hook.id, hook.url.as_deref()))
}

async fn take(stand: &Stand, hook: (HookId, Fingerprint)) -> Result<TakenAway, ProviderError> {
    let (access, target) = (&stand.access, stand.known());
    let taken = stand.hooks.take_away(access, &target, hook.0, hook.1);
    taken.await
}

async fn a_hook_of_others_is_taken_away_while_it_is_what_it_was(stand: Stand) {
    let hook = somebodys(&stand, THEIRS).await;
    let other = somebodys(&stand, ELSEWHERE).await;
    stand.edit_url(hook.0.0, &format!("{THEIRS}2"));
    let before = stand.seen();
    assert_eq!(take(&stand, hook).await, Ok(TakenAway::Changed));
    assert_eq!(stand.seen(), before);
    stand.edit_url(hook.0.0, THEIRS);
    assert_eq!(take(&stand, hook).await, Ok(TakenAway::Removed));
    let left: Vec<u64> = stand.seen().iter().map(|hook| hook.id).collect();
    assert_eq!(left, [other.0.0]);
    assert_eq!(take(&stand, hook).await, Ok(TakenAway::Gone));
}

async fn a_lost_answer_and_missing_rights_take_nothing_twice_and_show_nothing_gone(stand: Stand) {
    let hook = somebodys(&stand, THEIRS).await;
    let other = somebodys(&stand, ELSEWHERE).await;
    let operation = stand.operation("delete_hook");
    for _ in 0..10 {
        stand
            .simulator
            .faults()
            .next(&operation, Misbehaviour::ActThenFail(502));
    }
    let lost = take(&stand, other).await.expect_err("the answer is lost");
    assert!(lost.may_have_acted);
    stand.simulator.faults().clear();
    assert_eq!(take(&stand, other).await, Ok(TakenAway::Gone));
    stand.demote();
    let refused = take(&stand, hook).await;
    assert_eq!(
        refused.map_err(|error| error.failure),
        Err(Failure::NoAccess)
    );
    stand.promote();
    stand.archive();
    let refused = take(&stand, hook)
        .await
        .map_err(|error| error.code.as_str());
    assert_eq!(refused, Err("repository_archived"));
    assert_eq!(
        stand.seen().len(),
        1,
        "of a hook that is not seen nothing follows"
    );
}

async fn ensure(stand: &Stand, spec: &HookSpec) -> Result<Ensured, ProviderError> {
    let (access, target) = (&stand.access, stand.known());
    stand.hooks.ensure(access, &target, None, spec).await
}

/// The hook that is wanted, taking this one.
fn taking(stand: &Stand, hook: (HookId, Fingerprint)) -> HookSpec {
    HookSpec {
        takes: Some(hook),
        ..stand.spec(URL)
    }
}

async fn a_hook_of_others_becomes_ours_in_place(stand: Stand) {
    let other = somebodys(&stand, ELSEWHERE).await;
    let hook = somebodys(&stand, THEIRS).await;
    let spec = taking(&stand, hook);
    for _ in 0..2 {
        let ensured = ensure(&stand, &spec)
            .await
            .expect("it is taken, and then found by its mark");
        assert_eq!((ensured.hook, ensured.created), (hook.0, false));
        let others: Vec<HookId> = ensured.others.iter().map(|other| other.id).collect();
        assert_eq!(others, [other.0]);
        let seen = stand.seen();
        let ours = seen
            .iter()
            .find(|seen| seen.id == hook.0.0)
            .expect("its id stays");
        assert_eq!((seen.len(), ours.url.as_str()), (2, URL));
        assert!(
            ours.secrets.iter().all(Option::is_some),
            "our secret is set"
        );
        let (access, target) = (&stand.access, stand.known());
        let checked = stand.hooks.check(access, &target, hook.0, &spec, None);
        let report = checked.await.expect("it can be asked").report;
        assert_eq!(report, hookherd::provider::CheckReport::Intact);
    }
}

async fn a_hook_that_changed_or_went_is_left_and_ours_is_made_beside_it(stand: Stand) {
    for is_gone in [false, true] {
        let hook = somebodys(&stand, THEIRS).await;
        if is_gone {
            stand.delete_by_hand(hook.0.0);
        } else {
            stand.edit_url(hook.0.0, ELSEWHERE);
        }
        let before = stand.seen();
        let spec = taking(&stand, hook);
        let ensured = ensure(&stand, &spec).await.expect("it is made");
        assert!(ensured.created && ensured.hook != hook.0);
        let left: Vec<_> = stand.seen();
        assert_eq!(left[..before.len()], before[..]);
        for seen in left {
            stand.delete_by_hand(seen.id);
        }
    }
}

async fn a_takeover_with_a_lost_answer_is_finished_by_the_next_call(stand: Stand) {
    let hook = somebodys(&stand, THEIRS).await;
    let spec = taking(&stand, hook);
    let operation = stand.operation("update_hook");
    // A write with one end state is repeated within the call; here all of them fail.
    for fault in [
        Misbehaviour::FailBefore(502),
        Misbehaviour::ActThenFail(502),
    ] {
        for _ in 0..10 {
            stand.simulator.faults().next(&operation, fault);
        }
        let ensured = ensure(&stand, &spec).await;
        assert!(ensured.expect_err("the answer is lost").may_have_acted);
        stand.simulator.faults().clear();
    }
    let ensured = ensure(&stand, &spec).await.expect("the next call");
    assert_eq!((ensured.hook, ensured.created), (hook.0, false));
    assert_eq!(stand.seen().len(), 1);
    let creations = stand.operation("create_hook");
    assert_eq!(stand.simulator.requests(&creations), 1, "somebody's own");
}
