//! What `Hooks` promises of hooks whose URL a person edited or copied, and of those at a former
//! address of ours, for each provider.

use crate::both;
use crate::stand::{Stand, mark};
use hookherd::domain::id::HookId;
use hookherd::domain::secret::Proof;
use hookherd::provider::{CheckReport, HookSpec, Repaired};
use hookherd::simulator::{Fault, Misbehaviour};

const URL: &str = "http://127.0.0.1:9/api/v2/webhooks/x/key";
/// The same hook at another address of ours, behind a prefix.
const FORMER: &str = "http://127.0.0.1:7/a/prefix/api/v2/webhooks/x/key";
const MARK: &str = "/api/v2/webhooks/x/key";
const OTHER: &str = "http://127.0.0.1:9/other";

both! {
    an_edited_url_is_mended_in_place_and_no_second_hook_is_made
    the_known_hook_survives_its_copies_and_strangers_are_left_alone
    a_hook_at_a_former_address_is_moved_in_place
    deleting_takes_the_known_hook_and_every_address_of_ours
    a_deletion_that_the_list_does_not_confirm_is_none
}

/// The hook that is wanted at one of our addresses.
fn spec(stand: &Stand, url: &str) -> HookSpec {
    assert!(mark(url).ends_with(MARK));
    let mark = MARK.to_owned();
    HookSpec {
        mark,
        ..stand.spec(url)
    }
}

async fn ensure(stand: &Stand, known: Option<u64>, url: &str) -> (u64, bool) {
    let (access, target) = (&stand.access, stand.known());
    let spec = spec(stand, url);
    let ensured = stand
        .hooks
        .ensure(access, &target, known.map(HookId), &spec);
    let ensured = ensured.await.expect("it is there");
    (ensured.hook.0, ensured.created)
}

async fn check(stand: &Stand, hook: u64) -> CheckReport {
    let (access, target) = (&stand.access, stand.known());
    let spec = spec(stand, URL);
    let checked = stand
        .hooks
        .check(access, &target, HookId(hook), &spec, None);
    checked.await.expect("it can be asked").report
}

async fn repair(stand: &Stand, hook: u64) -> Repaired {
    let (access, target) = (&stand.access, stand.known());
    let spec = spec(stand, URL);
    let repaired = stand.hooks.repair(access, &target, HookId(hook), &spec);
    repaired.await.expect("it can be written")
}

fn places(stand: &Stand) -> Vec<(u64, String)> {
    let seen = stand.seen().into_iter();
    seen.map(|hook| (hook.id, hook.url)).collect()
}

async fn an_edited_url_is_mended_in_place_and_no_second_hook_is_made(stand: Stand) {
    let (hook, _) = ensure(&stand, None, URL).await;
    let whole = stand.seen();
    for mends_by in ["ensure", "repair"] {
        stand.edit_url(hook, OTHER);
        let CheckReport::Drifted {
            fields,
            former_address,
        } = check(&stand, hook).await
        else {
            panic!("the URL was edited");
        };
        assert!(fields.contains(&"url") && former_address.is_none());
        if mends_by == "ensure" {
            assert_eq!(ensure(&stand, Some(hook), URL).await, (hook, false));
        } else {
            let proof = Proof::Signature;
            assert!(
                matches!(repair(&stand, hook).await, Repaired::Done { proof: p, .. } if p == proof)
            );
        }
        assert_eq!(stand.seen(), whole, "{mends_by}");
        assert_eq!(check(&stand, hook).await, CheckReport::Intact);
    }
    let creations = stand.operation("create_hook");
    assert_eq!(stand.simulator.requests(&creations), 1);
}

async fn the_known_hook_survives_its_copies_and_strangers_are_left_alone(stand: Stand) {
    let (hook, _) = ensure(&stand, None, URL).await;
    let whole = stand.seen();
    for mends_by in ["ensure", "repair"] {
        stand.edit_url(hook, OTHER);
        for url in [URL, FORMER, "http://127.0.0.1:9/somebody"] {
            assert_eq!(stand.write(None, &stand.foreign(url)).await, 201);
        }
        let somebodys = stand.seen().pop().expect("there are four");
        if mends_by == "ensure" {
            assert_eq!(ensure(&stand, Some(hook), URL).await, (hook, false));
        } else {
            let proof = Proof::Signature;
            assert!(
                matches!(repair(&stand, hook).await, Repaired::Done { proof: p, .. } if p == proof)
            );
        }
        let left = [&whole[..], std::slice::from_ref(&somebodys)].concat();
        assert_eq!(stand.seen(), left, "{mends_by}");
        stand.delete_by_hand(somebodys.id);
    }
}

async fn a_hook_at_a_former_address_is_moved_in_place(stand: Stand) {
    let (hook, _) = ensure(&stand, None, FORMER).await;
    let drifted = CheckReport::Drifted {
        fields: vec!["url"],
        former_address: Some("http://127.0.0.1:7/a/prefix".to_owned()),
    };
    assert_eq!(check(&stand, hook).await, drifted);
    let secrets = stand.seen()[0].secrets.clone();
    let proof = Proof::Signature;
    assert!(matches!(repair(&stand, hook).await, Repaired::Done { proof: p, .. } if p == proof));
    assert_eq!(places(&stand), [(hook, URL.to_owned())]);
    assert_eq!(stand.seen()[0].secrets, secrets);
    // Also when nothing is known of it but its mark.
    assert_eq!(ensure(&stand, None, FORMER).await, (hook, false));
    assert_eq!(places(&stand), [(hook, FORMER.to_owned())]);
}

async fn deleting_takes_the_known_hook_and_every_address_of_ours(stand: Stand) {
    let (hook, _) = ensure(&stand, None, URL).await;
    stand.edit_url(hook, OTHER);
    for url in [URL, FORMER, "http://127.0.0.1:9/somebody"] {
        assert_eq!(stand.write(None, &stand.foreign(url)).await, 201);
    }
    let (access, target) = (&stand.access, stand.known());
    for _ in 0..2 {
        let deleted = stand
            .hooks
            .delete(access, &target, Some(HookId(hook)), MARK);
        deleted.await.expect("none of ours is left");
        let urls: Vec<_> = places(&stand).into_iter().map(|(_, url)| url).collect();
        assert_eq!(urls, ["http://127.0.0.1:9/somebody"]);
    }
}

async fn a_deletion_that_the_list_does_not_confirm_is_none(stand: Stand) {
    let (hook, _) = ensure(&stand, None, URL).await;
    let list = stand.operation("list_hooks");
    // The list is shown once; after the deletion it is refused.
    stand.simulator.faults().push(Fault {
        operation: list,
        misbehaviour: Misbehaviour::NotFoundForPermission,
        times: 1,
        after: 1,
    });
    let (access, target) = (&stand.access, stand.known());
    let deleted = stand
        .hooks
        .delete(access, &target, Some(HookId(hook)), MARK);
    let error = deleted.await.expect_err("nobody has seen that it is gone");
    assert!(error.may_have_acted);
    assert!(stand.seen().is_empty());
}
