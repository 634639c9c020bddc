//! The log, resending from it, and tests.

use super::*;

#[tokio::test]
async fn the_log_is_newest_first_in_words_and_keeps_no_address() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    let hook = lab
        .create(json!({ "url": receiver.url("a"), "token": "t0ken" }))
        .await;
    for status in [200, 404, 500] {
        receiver.answers(status);
        lab.gitlab().push(PROJECT);
        lab.settle();
    }
    lab.simulator.faults().next_delivery(Miscarriage::Lost);
    lab.gitlab().push(PROJECT);
    let statuses = async |query: &str| {
        let path = lab.hooks(&format!("/{}/events{query}", hook["id"]));
        let items = json_of(lab.get(&path).await).await;
        let items = items.as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["response_status"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(statuses("").await, ["internal error", "500", "404", "200"]);
    assert_eq!(
        statuses("?status=server_failure").await,
        ["internal error", "500"]
    );
    assert_eq!(statuses("?status=successful,404").await, ["404", "200"]);
    let path = lab.hooks(&format!("/{}/events?per_page=1&page=2", hook["id"]));
    let page = lab.get(&path).await;
    assert_eq!(header(&page, "x-next-page"), "3");
    let item = json_of(page).await[0].clone();
    assert_eq!(item["trigger"], "push_hooks");
    assert_eq!(item["request_headers"]["X-Gitlab-Token"], "[REDACTED]");
    assert_eq!(item["request_data"]["user_email"], "[REDACTED]");
    assert_eq!(
        item["request_data"]["commits"][0]["author"]["email"],
        "[REDACTED]"
    );
    assert_eq!(item["response_body"], "heard");
    let key = &item["request_headers"]["Idempotency-Key"];
    assert_eq!(key, &json!(receiver.seen()[2].header("webhook-id")));
    assert!(item.get("created_at").is_none() && item["id"].is_u64());
    assert_eq!(
        receiver.seen()[2].json()["user_email"],
        "ann@example.org",
        "it was sent whole"
    );
    let much = lab
        .get(&lab.hooks(&format!("/{}/events?per_page=21", hook["id"])))
        .await;
    assert_eq!(much.status(), 400);
    lab.gitlab().advance_clock(Duration::from_hours(8 * 24));
    assert!(statuses("").await.is_empty(), "the log reaches back a week");
}

#[tokio::test]
async fn a_resend_sends_what_the_log_kept_under_the_same_key() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    let hook = lab.create(json!({ "url": receiver.url("a") })).await;
    lab.gitlab().push(PROJECT);
    lab.settle();
    let first = lab.gitlab().deliveries(PROJECT)[0].id;
    let resend = async |id: u64| {
        let path = lab.hooks(&format!("/{}/events/{id}/resend", hook["id"]));
        lab.ask(Method::POST, &path, json!({})).await
    };
    receiver.answers(500);
    let done = resend(first).await;
    assert_eq!(done.status(), 201, "that it arrived is enough");
    assert_eq!(json_of(done).await["response_status"], 500);
    let seen = receiver.seen();
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_eq!(seen[1].json()["user_email"], "[REDACTED]");
    assert_eq!(resend(1).await.status(), 404);
    let body = json!({ "url": receiver.url("b") });
    lab.ask(Method::PUT, &lab.hooks(&format!("/{}", hook["id"])), body)
        .await;
    let moved = resend(first).await;
    assert_eq!(moved.status(), 422);
    assert!(
        json_of(moved).await["message"]
            .as_str()
            .unwrap()
            .contains("URL has changed")
    );
    for _ in 0..2 {
        resend(first).await;
    }
    assert_eq!(resend(first).await.status(), 429, "five a minute");
    lab.gitlab().advance_clock(Duration::from_mins(1));
    assert_eq!(resend(first).await.status(), 422);
    lab.gitlab().set_log_bytes_max(10);
    lab.gitlab().push(PROJECT);
    lab.settle();
    let path = lab.hooks(&format!("/{}/events", hook["id"]));
    let newest = json_of(lab.get(&path).await).await[0].clone();
    assert_eq!(newest["request_data"], json!({ "oversize": true }));
    lab.gitlab().resend(PROJECT, newest["id"].as_u64().unwrap());
    lab.settle();
    assert_eq!(receiver.seen().pop().unwrap().body, r#"{"oversize":true}"#);
}

#[tokio::test]
async fn a_test_needs_something_to_send_and_somebody_who_takes_it() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    let hook = lab
        .create(json!({ "url": receiver.url("a"), "push_events": false }))
        .await;
    let said = async |trigger: &str| {
        // Else five a minute would be all.
        lab.gitlab().advance_clock(Duration::from_mins(1));
        let answer = lab.test(&hook, trigger).await;
        let status = answer.status().as_u16();
        (status, json_of(answer).await["message"].clone())
    };
    let without = json!("Ensure the project has CI pipelines.");
    assert_eq!(said("pipeline_events").await, (422, without));
    assert_eq!(
        said("job_events").await,
        (422, json!("Ensure the project has CI jobs."))
    );
    lab.gitlab()
        .play_pipeline(PROJECT, &PipelineSpec::new(31, "failed"));
    for trigger in [
        "pipeline_events",
        "job_events",
        "push_events",
        "tag_push_events",
    ] {
        assert_eq!(
            said(trigger).await,
            (201, json!("201 Created")),
            "{trigger}"
        );
    }
    assert_eq!(receiver.seen().len(), 4, "whether the hook wants it or not");
    receiver.answers(503);
    assert_eq!(
        said("push_events").await,
        (422, json!("heard")),
        "the receiver's own words"
    );
    receiver.answers(200);
    lab.gitlab().set_empty(PROJECT, true);
    let empty = json!("Ensure the project has at least one commit.");
    assert_eq!(said("push_events").await, (422, empty));
    assert_eq!(said("deployment_events").await.0, 400);
}

#[tokio::test]
async fn five_tests_a_minute_for_all_hooks_of_a_project() {
    let (lab, receiver) = (Lab::new(), Receiver::start());
    let hooks = [
        lab.create(json!({ "url": receiver.url("a") })).await,
        lab.create(json!({ "url": receiver.url("b") })).await,
    ];
    for n in 0..5 {
        assert_eq!(lab.test(&hooks[n % 2], "push_events").await.status(), 201);
    }
    let spent = lab.test(&hooks[0], "push_events").await;
    assert_eq!(spent.status(), 429);
    assert_eq!(header(&spent, "retry-after"), "60");
    assert_eq!(header(&spent, "ratelimit-limit"), "2000");
    lab.gitlab().advance_clock(Duration::from_mins(1));
    assert_eq!(lab.test(&hooks[0], "push_events").await.status(), 201);
}
