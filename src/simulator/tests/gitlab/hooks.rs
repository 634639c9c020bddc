//! Hooks: flags, secrets, pages, bounds.

use super::*;

#[tokio::test]
async fn a_new_hook_wants_pushes_unless_told_otherwise_and_never_shows_its_secrets() {
    let lab = Lab::new();
    let bare = lab.create(json!({ "url": "http://127.0.0.1:9/a" })).await;
    assert_eq!(bare["push_events"], true);
    assert_eq!(bare["pipeline_events"], false);
    assert_eq!(bare["enable_ssl_verification"], true);
    assert_eq!(bare["alert_status"], "executable");
    assert_eq!(bare["disabled_until"], Value::Null);
    assert_eq!(bare["token_present"], false);
    assert_eq!(bare["signing_token_present"], false);
    let headers = json!([{ "key": "X-Where", "value": "here" }]);
    let full = lab
        .create(json!({
            "url": "http://127.0.0.1:9/b", "push_events": false, "pipeline_events": "true",
            "token": "t0ken", "signing_token": SIGNING_TOKEN, "custom_headers": headers,
            "name": "CI", "description": "for CI",
        }))
        .await;
    assert_eq!(full["push_events"], false);
    assert_eq!(full["pipeline_events"], true);
    assert_eq!(full["token_present"], true);
    assert_eq!(full["signing_token_present"], true);
    assert_eq!(full["custom_headers"], json!([{ "key": "X-Where" }]));
    assert_eq!(full["name"], "CI");
    assert_eq!(full["description"], "for CI");
    let text = full.to_string();
    assert!(
        !text.contains("t0ken") && !text.contains("whsec_"),
        "{text}"
    );
    let shown = json_of(lab.get(&lab.hooks(&format!("/{}", full["id"]))).await).await;
    assert_eq!(shown, full);
}

#[tokio::test]
async fn what_moves_without_its_secrets_loses_them() {
    let lab = Lab::new();
    let body = json!({
        "url": "http://127.0.0.1:9/a", "token": "t0ken", "signing_token": SIGNING_TOKEN,
        "push_events": false, "job_events": true,
    });
    let hook = lab.create(body.clone()).await;
    let path = lab.hooks(&format!("/{}", hook["id"]));
    let put = async |body: Value| lab.ask(Method::PUT, &path, body).await;
    let secrets = || {
        let hook = lab.gitlab().hooks(PROJECT).remove(0);
        (hook.token.is_some(), hook.signing_token.is_some())
    };
    assert_eq!(
        put(json!({ "job_events": false })).await.status(),
        400,
        "the URL is required"
    );
    let same = put(json!({ "url": "http://127.0.0.1:9/a", "tag_push_events": true })).await;
    let same = json_of(same).await;
    assert_eq!(same["job_events"], true);
    assert_eq!(same["push_events"], false);
    assert_eq!(secrets(), (true, true));
    put(json!({ "url": "http://127.0.0.1:9/b" })).await;
    assert_eq!(
        secrets(),
        (false, false),
        "another URL, and nothing said of the secrets"
    );
    let mut both = body.clone();
    both["url"] = json!("http://127.0.0.1:9/c");
    assert_eq!(
        json_of(put(both).await).await["signing_token_present"],
        true
    );
    assert_eq!(secrets(), (true, true));
    put(json!({ "url": "http://127.0.0.1:9/c", "token": "" })).await;
    assert_eq!(secrets(), (false, true), "an empty token is none");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let lab = Lab::new();
    let status = async |body: Value| {
        let answer = lab.ask(Method::POST, &lab.hooks(""), body).await;
        (
            answer.status().as_u16(),
            json_of(answer).await["error"].clone(),
        )
    };
    assert_eq!(status(json!({})).await, (400, json!("url is missing")));
    assert_eq!(
        status(json!({ "url": "nonsense" })).await,
        (422, json!("Invalid url given"))
    );
    let url = "http://127.0.0.1:9/a";
    let flag = json!({ "url": url, "push_events": "perhaps" });
    assert_eq!(status(flag).await, (400, json!("push_events is invalid")));
    for token in ["secret", "whsec_c2hvcnQ=", &SIGNING_TOKEN[6..]] {
        let body = json!({ "url": url, "signing_token": token });
        assert_eq!(status(body).await.0, 422, "{token}");
    }
    assert!(lab.gitlab().hooks(PROJECT).is_empty());
}

#[tokio::test]
async fn an_older_version_says_nothing_of_what_it_does_not_know() {
    let lab = Lab::new();
    lab.gitlab().set_version(18, 11);
    let body = json!({ "url": "http://127.0.0.1:9/a", "signing_token": "anything" });
    let hook = lab.create(body).await;
    assert!(hook.get("signing_token_present").is_none() && hook.get("token_present").is_none());
    assert_eq!(lab.gitlab().hooks(PROJECT)[0].signing_token, None);
    let version = json_of(lab.get("version").await).await;
    assert_eq!(version["version"], "18.11.0");
    lab.gitlab().set_version(17, 2);
    let events = lab
        .get(&lab.hooks(&format!("/{}/events", hook["id"])))
        .await;
    assert_eq!(events.status(), 404);
}

#[tokio::test]
async fn lists_come_in_pages_and_a_hundred_hooks_are_enough() {
    let lab = Lab::new();
    for n in 0..100 {
        lab.create(json!({ "url": format!("http://127.0.0.1:9/{n}") }))
            .await;
    }
    let body = json!({ "url": "http://127.0.0.1:9/x" });
    let one_too_many = lab.ask(Method::POST, &lab.hooks(""), body).await;
    assert_eq!(one_too_many.status(), 422);
    let page = lab.get(&lab.hooks("")).await;
    assert_eq!(
        (header(&page, "x-next-page"), header(&page, "x-per-page")),
        ("2", "20")
    );
    assert_eq!(json_of(page).await.as_array().unwrap().len(), 20);
    let all = lab.get(&lab.hooks("?per_page=500")).await;
    assert_eq!(json_of(all).await.as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let lab = Lab::new();
    let hook = lab.create(json!({ "url": "http://127.0.0.1:9/a" })).await;
    let path = lab.hooks(&format!("/{}", hook["id"]));
    assert_eq!(
        lab.ask(Method::DELETE, &path, json!({})).await.status(),
        204
    );
    let again = lab.ask(Method::DELETE, &path, json!({})).await;
    assert_eq!(again.status(), 404);
    assert_eq!(json_of(again).await["message"], "404 Not found");
    lab.gitlab().delete_project(PROJECT);
    let gone = json_of(lab.get(&lab.hooks("")).await).await;
    assert_eq!(gone["message"], "404 Project Not Found");
}
