//! Deliveries as they arrive.

use super::super::receiver::Seen;
use super::*;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The signature of Standard Webhooks, by the letter of its description.
fn expected(delivery: &Seen) -> String {
    let key = BASE64
        .decode(&SIGNING_TOKEN.as_bytes()["whsec_".len()..])
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let part = |name: &str| delivery.header(name).unwrap().to_owned();
    let (id, at) = (part("webhook-id"), part("webhook-timestamp"));
    mac.update(format!("{id}.{at}.{}", delivery.body).as_bytes());
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_delivery_carries_token_ids_and_signature() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    lab.create(json!({
        "url": receiver.url("a"), "token": "t0ken", "signing_token": SIGNING_TOKEN,
        "custom_headers": [
            { "key": "X-Where", "value": "here" }, { "key": "x-gitlab-event", "value": "no" },
        ],
    }))
    .await;
    lab.gitlab().push(PROJECT);
    lab.settle();
    let seen = receiver.seen().remove(0);
    assert_eq!(seen.header("x-gitlab-event"), Some("Push Hook"));
    assert_eq!(seen.header("x-gitlab-token"), Some("t0ken"));
    assert_eq!(seen.header("x-where"), Some("here"));
    assert_eq!(seen.header("user-agent"), Some("GitLab/19.3.0"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let url = lab.simulator.web_url();
    assert_eq!(seen.header("x-gitlab-instance"), Some(url.as_str()));
    assert!(seen.header("x-gitlab-event-uuid").is_some());
    assert!(seen.header("x-gitlab-webhook-uuid").is_some());
    assert_eq!(seen.header("idempotency-key"), seen.header("webhook-id"));
    assert_eq!(
        seen.header("webhook-signature"),
        Some(expected(&seen).as_str())
    );
    let body = seen.json();
    assert_eq!(body["object_kind"], "push");
    assert_eq!(body["ref"], "refs/heads/main");
    assert_eq!(body["project"]["path_with_namespace"], PROJECT);
}

#[tokio::test]
async fn older_versions_send_less() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    lab.create(json!({ "url": receiver.url("a"), "signing_token": SIGNING_TOKEN }))
        .await;
    for (major, minor) in [(18, 11), (17, 3)] {
        lab.gitlab().set_version(major, minor);
        lab.gitlab().push(PROJECT);
        lab.settle();
    }
    let seen = receiver.seen();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        assert_eq!(seen[0].header(name), None, "{name}");
    }
    assert!(seen[0].header("idempotency-key").is_some());
    assert_eq!(seen[1].header("idempotency-key"), None);
    assert_eq!(seen[1].header("x-gitlab-token"), None);
}

#[tokio::test]
async fn a_hook_hears_what_its_flags_say_and_branches_that_its_filter_lets_through() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    lab.create(json!({
        "url": receiver.url("tags"), "push_events": false, "tag_push_events": true,
    }))
    .await;
    lab.create(json!({ "url": receiver.url("rel"), "push_events_branch_filter": "rel-*" }))
        .await;
    let gitlab = lab.gitlab();
    gitlab.push(PROJECT);
    gitlab.push_tag(PROJECT, "v1");
    gitlab.merge_request(PROJECT);
    gitlab.deploy(PROJECT, "production", "failed");
    gitlab.emit(PROJECT, "Push Hook", &json!({ "ref": "refs/heads/rel-1" }));
    lab.settle();
    let mut events: Vec<_> = gitlab
        .deliveries(PROJECT)
        .into_iter()
        .map(|d| d.event)
        .collect();
    events.sort();
    assert_eq!(events, ["Push Hook", "Tag Push Hook"]);
    gitlab.delete_hook_by_hand(PROJECT, gitlab.hooks(PROJECT)[1].id);
    let hook = gitlab.hooks(PROJECT)[0].id;
    gitlab.edit_hook_by_hand(
        PROJECT,
        hook,
        &["merge_requests_events", "deployment_events"],
    );
    gitlab.push_tag(PROJECT, "v2");
    gitlab.merge_request(PROJECT);
    gitlab.deploy(PROJECT, "production", "failed");
    lab.settle();
    let bodies: Vec<Value> = receiver.seen().iter().map(Seen::json).collect();
    let kinds: Vec<_> = bodies
        .iter()
        .map(|body| body["object_kind"].clone())
        .collect();
    assert!(kinds.contains(&json!("merge_request")) && kinds.contains(&json!("deployment")));
    assert_eq!(kinds.len(), 4);
}

#[tokio::test]
async fn deliveries_go_wrong_on_demand() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    let body =
        json!({ "url": receiver.url("a"), "token": "t0ken", "signing_token": SIGNING_TOKEN });
    lab.create(body).await;
    let faults = lab.simulator.faults();
    let push = |miscarriage: Miscarriage| {
        let before = receiver.seen().len();
        faults.next_delivery(miscarriage);
        lab.gitlab().push(PROJECT);
        lab.settle();
        receiver.seen().split_off(before)
    };
    assert!(push(Miscarriage::Lost).is_empty());
    assert_eq!(lab.gitlab().deliveries(PROJECT).len(), 1);
    assert!(push(Miscarriage::Unlogged).is_empty());
    assert_eq!(
        lab.gitlab().deliveries(PROJECT).len(),
        1,
        "nobody knows of it"
    );
    assert_eq!(push(Miscarriage::Twice).len(), 2);
    let wrong = push(Miscarriage::WrongSecret).remove(0);
    assert_ne!(wrong.header("x-gitlab-token"), Some("t0ken"));
    assert_ne!(
        wrong.header("webhook-signature"),
        Some(expected(&wrong).as_str())
    );
    let bare = push(Miscarriage::ShaOneOnly).remove(0);
    assert_eq!(
        (
            bare.header("x-gitlab-token"),
            bare.header("webhook-signature")
        ),
        (Some("t0ken"), None)
    );
    let stale = push(Miscarriage::Stale).remove(0);
    let at_s: u64 = stale.header("webhook-timestamp").unwrap().parse().unwrap();
    assert!(at_s + 3500 < state::Ground::default().wall_now_s());
    assert_eq!(
        stale.header("webhook-signature"),
        Some(expected(&stale).as_str())
    );
}
