//! What `Hooks` promises, case by case, for each provider.

use crate::both;
use crate::receiver::Receiver;
use crate::stand::{Stand, mark};
use hookherd::domain::delivery::Payload;
use hookherd::domain::event::Event;
use hookherd::domain::lifecycle::Failure;
use hookherd::domain::repo::ProviderKind;
use hookherd::domain::secret::Proof;
use hookherd::domain::time::Clock;
use hookherd::provider::{
    CheckReport, HeaderLookup, HookSpec, Inbound, Pinged, ProviderError, Repaired, Target,
};
use hookherd::simulator::Misbehaviour;
use std::collections::BTreeMap;
use std::time::Duration;

const URL: &str = "http://127.0.0.1:9/api/v2/webhooks/x/key";
const OTHER: &str = "http://127.0.0.1:9/other";

both! {
    a_hook_is_created_and_then_adopted
    copies_are_removed_and_others_left_alone
    every_drift_is_found_and_mended
    a_hook_deleted_by_hand_is_missing_and_made_again
    without_the_role_nothing_is_gone
    a_revoked_token_is_unauthorized
    the_end_of_a_token_is_reported
    an_archived_repository_is_refused
    a_moved_repository_is_followed
    limits_are_kept_until_they_end
    a_creation_with_a_lost_answer_is_found_and_never_doubled
    a_creation_that_hangs_may_have_happened
    an_outage_passes
    deleting_twice_is_fine
    a_full_list_is_reported
    a_ping_arrives_and_proves_itself
}

async fn ensure(stand: &Stand) -> Result<hookherd::provider::Ensured, ProviderError> {
    let spec = stand.spec(URL);
    stand
        .hooks
        .ensure(&stand.access, &stand.target, None, &spec)
        .await
}

async fn check(stand: &Stand, target: &Target, hook: u64) -> Result<CheckReport, ProviderError> {
    let (hook, spec) = (hookherd::domain::id::HookId(hook), stand.spec(URL));
    let found = stand
        .hooks
        .check(&stand.access, target, hook, &spec, None)
        .await;
    found.map(|found| found.report)
}

async fn repair(stand: &Stand, hook: u64) -> Repaired {
    let (hook, spec) = (hookherd::domain::id::HookId(hook), stand.spec(URL));
    let known = stand.known();
    let repaired = stand.hooks.repair(&stand.access, &known, hook, &spec);
    repaired.await.expect("it can be repaired")
}

async fn delete(stand: &Stand) -> Result<(), ProviderError> {
    stand
        .hooks
        .delete(&stand.access, &stand.known(), None, &mark(URL))
        .await
}

async fn a_hook_is_created_and_then_adopted(stand: Stand) {
    let first = ensure(&stand).await.expect("it is created");
    assert!(first.created);
    assert_eq!(first.proof, Proof::Signature);
    assert_eq!(first.repository.full_name, stand.target.full_name);
    let seen = stand.seen();
    assert_eq!((seen.len(), seen[0].id), (1, first.hook.0));
    assert_eq!(seen[0].url, URL);
    assert!(seen[0].secrets.iter().all(Option::is_some));
    let again = ensure(&stand).await.expect("it is adopted");
    assert!(!again.created);
    assert_eq!(again.hook, first.hook);
    assert_eq!(stand.seen(), seen);
    let report = check(&stand, &stand.target, first.hook.0).await;
    assert_eq!(report, Ok(CheckReport::Intact));
}

async fn copies_are_removed_and_others_left_alone(stand: Stand) {
    let first = ensure(&stand).await.expect("it is created").hook.0;
    for url in [URL, OTHER] {
        assert_eq!(stand.write(None, &stand.foreign(url)).await, 201);
    }
    let report = check(&stand, &stand.known(), first).await;
    let fields = vec!["copies"];
    assert_eq!(
        report,
        Ok(CheckReport::Drifted {
            fields,
            former_address: None
        })
    );
    let kept = ensure(&stand).await.expect("the copy goes").hook.0;
    let urls: Vec<_> = stand.seen().into_iter().map(|h| (h.id, h.url)).collect();
    assert_eq!((kept, urls.len()), (first, 2));
    assert_eq!(urls[1].1, OTHER);
}

async fn every_drift_is_found_and_mended(stand: Stand) {
    let hook = ensure(&stand).await.expect("it is created").hook.0;
    let before = stand.seen();
    for (body, fields) in stand.drifts(URL) {
        assert_eq!(stand.write(Some(hook), &body).await, 200, "{body}");
        let report = check(&stand, &stand.known(), hook).await;
        assert_eq!(
            report,
            Ok(CheckReport::Drifted {
                fields,
                former_address: None
            }),
            "{body}"
        );
        let proof = Proof::Signature;
        assert!(
            matches!(repair(&stand, hook).await, Repaired::Done { proof: p, .. } if p == proof)
        );
        let report = check(&stand, &stand.known(), hook).await;
        assert_eq!(report, Ok(CheckReport::Intact), "{body}");
        assert_eq!(stand.seen(), before, "{body}");
    }
}

async fn a_hook_deleted_by_hand_is_missing_and_made_again(stand: Stand) {
    let hook = ensure(&stand).await.expect("it is created").hook.0;
    stand.delete_by_hand(hook);
    let report = check(&stand, &stand.known(), hook).await;
    assert_eq!(report, Ok(CheckReport::Missing));
    assert_eq!(repair(&stand, hook).await, Repaired::Missing);
    assert!(ensure(&stand).await.expect("it is made again").created);
    assert_eq!(stand.seen().len(), 1);
}

async fn without_the_role_nothing_is_gone(stand: Stand) {
    let hook = ensure(&stand).await.expect("it is created").hook.0;
    stand.demote();
    let errors = [
        ensure(&stand).await.map(drop),
        check(&stand, &stand.known(), hook).await.map(drop),
        delete(&stand).await,
    ];
    for error in errors {
        let error = error.expect_err("the role is missing");
        assert_eq!(
            (error.failure, error.code.as_str()),
            (Failure::NoAccess, "no_access")
        );
        assert!(!error.may_have_acted);
        let role = match stand.kind {
            ProviderKind::Github => "administrator",
            ProviderKind::Gitlab => "Maintainer",
        };
        assert!(error.message.contains(role), "{error}");
    }
    assert_eq!(stand.seen().len(), 1);
}

async fn a_revoked_token_is_unauthorized(stand: Stand) {
    stand.revoke();
    let error = ensure(&stand).await.expect_err("the token is worthless");
    assert_eq!(error.failure, Failure::Unauthorized);
    let identity = stand.hooks.identity(&stand.access).await;
    let failure = identity.map_err(|error| error.failure);
    assert_eq!(failure, Err(Failure::Unauthorized));
}

async fn the_end_of_a_token_is_reported(stand: Stand) {
    let end = async || {
        let identity = stand.hooks.identity(&stand.access).await;
        identity.expect("the token works").expires_at
    };
    assert_eq!(end().await, None);
    stand.expire(Duration::from_hours(30 * 24));
    let at = end().await.expect("it has an end");
    let left = at.since(hookherd::app::SystemClock.now());
    let (day, slack) = (Duration::from_hours(24), Duration::from_mins(1));
    // GitLab's are days; GitHub's have seconds.
    let least = match stand.kind {
        ProviderKind::Github => day * 30,
        ProviderKind::Gitlab => day * 29,
    };
    assert!(least < left + slack && left <= day * 30, "{left:?}");
    assert_eq!(at.0 % 1000, 0);
}

async fn an_archived_repository_is_refused(stand: Stand) {
    stand.archive();
    let error = ensure(&stand).await.expect_err("it is read-only");
    assert_eq!(error.code.as_str(), "repository_archived");
    assert_eq!(error.failure, Failure::Rejected);
    assert!(stand.seen().is_empty());
}

async fn a_moved_repository_is_followed(stand: Stand) {
    let hook = ensure(&stand).await.expect("it is created").hook;
    let name = stand.rename();
    // By number, and by the old name, which leads on.
    for target in [stand.known(), stand.target.clone()] {
        let spec = stand.spec(URL);
        let found = stand
            .hooks
            .check(&stand.access, &target, hook, &spec, None)
            .await;
        let found = found.expect("it is found");
        assert_eq!(found.report, CheckReport::Intact);
        let repository = found.repository.expect("the check was complete");
        assert_eq!(repository.full_name.as_str(), name);
        let again = stand
            .hooks
            .ensure(&stand.access, &target, None, &spec)
            .await;
        assert_eq!(again.expect("it is adopted").hook, hook);
    }
    assert_eq!(stand.seen_at(name).len(), 1);
}

async fn limits_are_kept_until_they_end(stand: Stand) {
    let list = stand.operation("list_hooks");
    let limit = Misbehaviour::RateLimitedSecondary { retry_after_s: 30 };
    stand.simulator.faults().next(&list, limit);
    for _ in 0..3 {
        let error = ensure(&stand).await.expect_err("too much was asked");
        assert_eq!(error.code.as_str(), "rate_limited");
        assert!(!error.may_have_acted);
        let Failure::Retryable { after: Some(after) } = error.failure else {
            panic!("{error:?}");
        };
        assert!((28..=30).contains(&after.as_secs()), "{after:?}");
    }
    assert_eq!(stand.simulator.requests(&list), 1, "nothing more was sent");
}

async fn a_creation_with_a_lost_answer_is_found_and_never_doubled(stand: Stand) {
    let create = stand.operation("create_hook");
    for (n, fault) in [
        Misbehaviour::ActThenFail(502),
        Misbehaviour::ActThenDrop,
        Misbehaviour::ActThenHang,
        Misbehaviour::TruncatedJson,
    ]
    .into_iter()
    .enumerate()
    {
        stand.simulator.faults().next(&create, fault);
        let ensured = ensure(&stand).await.expect("it is found");
        assert_eq!(ensured.proof, Proof::Signature, "{fault:?}");
        assert_eq!(stand.seen().len(), 1, "{fault:?}");
        assert_eq!(stand.simulator.requests(&create), n as u64 + 1);
        delete(&stand).await.expect("it can be deleted");
    }
}

async fn a_creation_that_hangs_may_have_happened(stand: Stand) {
    let create = stand.operation("create_hook");
    stand.simulator.faults().next(&create, Misbehaviour::Hang);
    let error = ensure(&stand).await.expect_err("nobody answers");
    assert!(error.may_have_acted);
    assert_eq!(error.failure, Failure::Retryable { after: None });
    assert!(ensure(&stand).await.expect("the next one").created);
    assert_eq!(stand.seen().len(), 1);
}

async fn an_outage_passes(stand: Stand) {
    stand.simulator.faults().outage(true);
    let error = ensure(&stand).await.expect_err("it is down");
    assert_eq!(error.code.as_str(), "provider_unavailable");
    assert!(!error.may_have_acted, "only reads were tried");
    stand.simulator.faults().outage(false);
    // Reads and repeatable writes survive a single failure within the call.
    for operation in ["list_hooks", "update_hook"] {
        let operation = stand.operation(operation);
        let fault = Misbehaviour::FailBefore(503);
        stand.simulator.faults().next(&operation, fault);
        ensure(&stand).await.expect("it is repeated");
    }
}

async fn deleting_twice_is_fine(stand: Stand) {
    ensure(&stand).await.expect("it is created");
    assert_eq!(stand.write(None, &stand.foreign(OTHER)).await, 201);
    for _ in 0..2 {
        delete(&stand).await.expect("none of ours is left");
        let urls: Vec<_> = stand.seen().into_iter().map(|h| h.url).collect();
        assert_eq!(urls, [OTHER]);
    }
    let fault = Misbehaviour::NotFoundForPermission;
    let list = stand.operation("list_hooks");
    stand.simulator.faults().next(&list, fault);
    let error = delete(&stand).await.expect_err("that is no list");
    assert_eq!(error.failure, Failure::NoAccess);
}

async fn a_full_list_is_reported(stand: Stand) {
    let spec = stand.spec(OTHER);
    for n in 0..100 {
        let other = HookSpec {
            url: format!("{OTHER}/{n}"),
            mark: mark(&format!("{OTHER}/{n}")),
            ..spec.clone()
        };
        let made = stand
            .hooks
            .ensure(&stand.access, &stand.target, None, &other);
        if made.await.is_err() {
            break;
        }
    }
    let error = ensure(&stand).await.expect_err("there is no room");
    assert_eq!(
        (error.failure, error.code.as_str()),
        (Failure::Rejected, "hook_limit_reached")
    );
}

#[derive(Debug)]
pub(crate) struct Headers(pub(crate) BTreeMap<String, String>);

impl HeaderLookup for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

async fn a_ping_arrives_and_proves_itself(stand: Stand) {
    let receiver = Receiver::start();
    let spec = stand.spec(&format!("{}/hook", receiver.url));
    let ensured = stand
        .hooks
        .ensure(&stand.access, &stand.target, None, &spec)
        .await;
    let hook = ensured.expect("it is created").hook;
    // GitHub greets a new hook by itself.
    assert!(stand.simulator.wait_quiet(Duration::from_secs(10)));
    let before = receiver.at("/hook").len();
    let pinged = stand.hooks.ping(&stand.access, &stand.known(), hook).await;
    assert_eq!(pinged, Ok(Pinged::Sent));
    assert!(stand.simulator.wait_quiet(Duration::from_secs(10)));
    let deliveries = receiver.at("/hook");
    assert_eq!(deliveries.len(), before + 1);
    let delivery = deliveries.last().expect("one came");
    let (headers, body) = (Headers(delivery.headers.clone()), delivery.body.as_slice());
    let dialect = stand.decoder();
    let inbound = Inbound {
        headers: &headers,
        body,
        received_at: hookherd::app::SystemClock.now(),
    };
    let secrets = [spec.secret.clone()];
    let verified = dialect.verify(inbound, &secrets, Proof::Signature);
    let verified = verified.expect("it proves itself");
    assert!(!verified.is_stale());
    let payload = Payload {
        headers: verified.headers().to_vec(),
        body: body.to_vec().into(),
    };
    let decoded = dialect.decode(verified.event(), &payload);
    let decoded = decoded.expect("it is understood");
    assert_eq!(decoded.repository, stand.known().repository);
    assert_ne!(decoded.event, Event::Ignored);
    receiver.stop().await;
}
