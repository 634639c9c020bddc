//! Failing hooks are switched off, where that is switched on.

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

async fn seen(lab: &Lab, hook: &Value) -> (Value, Value) {
    let shown = json_of(lab.get(&lab.hooks(&format!("/{}", hook["id"]))).await).await;
    (
        shown["alert_status"].clone(),
        shown["disabled_until"].clone(),
    )
}

fn push(lab: &Lab, times: u32) {
    for _ in 0..times {
        lab.gitlab().push(PROJECT);
        lab.settle();
    }
}

#[tokio::test]
async fn four_failures_pause_a_hook_a_minute_then_two_and_a_good_answer_ends_it() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    lab.gitlab().set_auto_disabling(true);
    let hook = lab.create(json!({ "url": receiver.url("a") })).await;
    receiver.answers(401);
    push(&lab, 3);
    assert_eq!(seen(&lab, &hook).await, (json!("executable"), Value::Null));
    push(&lab, 1);
    let (status, until) = seen(&lab, &hook).await;
    assert_eq!(status, "temporarily_disabled");
    assert!(until.as_str().unwrap().ends_with('Z'), "{until}");
    push(&lab, 3);
    assert_eq!(receiver.seen().len(), 4, "what is off hears nothing");
    assert_eq!(
        lab.gitlab().deliveries(PROJECT).len(),
        4,
        "and the log says nothing of it"
    );
    lab.gitlab().advance_clock(MINUTE + Duration::from_secs(2));
    assert_eq!(
        seen(&lab, &hook).await.0,
        "executable",
        "it heals by itself"
    );
    push(&lab, 1);
    lab.gitlab().advance_clock(MINUTE + Duration::from_secs(2));
    assert_eq!(
        seen(&lab, &hook).await.0,
        "temporarily_disabled",
        "twice as long now"
    );
    lab.gitlab().advance_clock(MINUTE);
    receiver.answers(302);
    push(&lab, 1);
    assert_eq!(
        lab.gitlab().hooks(PROJECT)[0].failures,
        0,
        "to be redirected is no failure"
    );
    assert_eq!(seen(&lab, &hook).await, (json!("executable"), Value::Null));
}

#[tokio::test]
async fn forty_failures_end_a_hook_until_a_test_is_answered_well() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    lab.gitlab().set_auto_disabling(true);
    let hook = lab.create(json!({ "url": receiver.url("a") })).await;
    receiver.answers(500);
    for _ in 0..40 {
        lab.gitlab().advance_clock(Duration::from_hours(25));
        push(&lab, 1);
    }
    assert_eq!(seen(&lab, &hook).await.0, "disabled");
    lab.gitlab().advance_clock(Duration::from_hours(25));
    assert_eq!(seen(&lab, &hook).await.0, "disabled", "for good");
    let before = receiver.seen().len();
    push(&lab, 1);
    assert_eq!(receiver.seen().len(), before);
    assert_eq!(lab.test(&hook, "push_events").await.status(), 422);
    assert_eq!(seen(&lab, &hook).await.0, "disabled");
    receiver.answers(200);
    assert_eq!(lab.test(&hook, "push_events").await.status(), 201);
    assert_eq!(seen(&lab, &hook).await, (json!("executable"), Value::Null));
    push(&lab, 1);
    assert_eq!(receiver.seen().len(), before + 3);
}

#[tokio::test]
async fn a_hook_that_is_off_refuses_to_resend_and_editing_does_not_bring_it_back() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    lab.gitlab().set_auto_disabling(true);
    let hook = lab.create(json!({ "url": receiver.url("a") })).await;
    receiver.answers(500);
    push(&lab, 4);
    receiver.answers(200);
    let delivery = lab.gitlab().deliveries(PROJECT)[0].id;
    let path = lab.hooks(&format!("/{}", hook["id"]));
    let resend = format!("{path}/events/{delivery}/resend");
    let refused = lab.ask(Method::POST, &resend, json!({})).await;
    assert_eq!(refused.status(), 422);
    assert_eq!(json_of(refused).await["message"], "Hook disabled");
    let body = json!({ "url": receiver.url("a"), "token": "new" });
    let edited = json_of(lab.ask(Method::PUT, &path, body).await).await;
    assert_eq!(edited["alert_status"], "temporarily_disabled");
}

#[tokio::test]
async fn where_it_is_switched_off_nothing_is_counted() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    let hook = lab.create(json!({ "url": receiver.url("a") })).await;
    receiver.answers(500);
    push(&lab, 6);
    assert_eq!(receiver.seen().len(), 6);
    assert_eq!(seen(&lab, &hook).await, (json!("executable"), Value::Null));
}
