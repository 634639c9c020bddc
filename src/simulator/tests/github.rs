//! What GitHub really does.

use super::*;
use reqwest::{Method, Response};
use serde_json::{Value, json};

const REPO: &str = "octo/repo";

struct Client {
    simulator: Simulator,
    token: String,
    http: reqwest::Client,
}

impl Client {
    fn new() -> Self {
        let (simulator, http) = start();
        let token = simulator.github().add_user("ann");
        simulator.github().add_repository(REPO, "ann");
        Self {
            simulator,
            token,
            http,
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Response {
        let url = format!("{}/{path}", self.simulator.api_url());
        let request = self.http.request(method, url).bearer_auth(&self.token);
        request.json(&body).send().await.unwrap()
    }

    async fn create(&self, url: &str, events: &[&str]) -> Response {
        let config = json!({ "url": url, "content_type": "json", "secret": "s".repeat(40) });
        let body = json!({ "config": config, "events": events });
        self.ask(Method::POST, "repos/octo/repo/hooks", body).await
    }

    async fn creates(&self, url: &str, events: &[&str]) -> u16 {
        self.create(url, events).await.status().as_u16()
    }
}

#[tokio::test]
async fn a_secret_is_masked_and_lost_by_a_careless_update() {
    let client = Client::new();
    let hook = json_of(client.create("http://127.0.0.1:9/a", &["push"]).await).await;
    assert_eq!(hook["config"]["secret"], "********");
    let path = format!("repos/octo/repo/hooks/{}", hook["id"]);
    let careless = json!({ "config": { "url": "http://127.0.0.1:9/b", "content_type": "json" } });
    client.ask(Method::PATCH, &path, careless).await;
    assert_eq!(client.simulator.github().hooks(REPO)[0].secret, None);
    let config = json!({ "secret": "t".repeat(40) });
    let path = format!("{path}/config");
    let patched = json_of(client.ask(Method::PATCH, &path, config).await).await;
    assert_eq!(patched["secret"], "********");
    let read = json_of(client.ask(Method::GET, &path, Value::Null).await).await;
    assert_eq!(read, patched);
    let secret = client.simulator.github().hooks(REPO)[0].secret.clone();
    assert_eq!(secret, Some("t".repeat(40)));
}

#[tokio::test]
async fn the_same_url_is_refused_for_overlapping_events_and_twenty_hooks_are_enough() {
    let client = Client::new();
    assert_eq!(client.creates("http://127.0.0.1:9/a", &["push"]).await, 201);
    let again = client
        .create("http://127.0.0.1:9/a", &["push", "fork"])
        .await;
    assert_eq!(again.status(), 422);
    let words = json_of(again).await["errors"][0]["message"].clone();
    assert_eq!(words, "Hook already exists on this repository");
    assert_eq!(client.creates("http://127.0.0.1:9/a", &["fork"]).await, 201);
    for n in 1..20 {
        let url = format!("http://127.0.0.1:9/{n}");
        assert_eq!(client.creates(&url, &["push"]).await, 201, "{n}");
    }
    assert_eq!(client.creates("http://127.0.0.1:9/x", &["push"]).await, 422);
}

#[tokio::test]
async fn lists_come_in_pages_with_links_and_tags() {
    let client = Client::new();
    for n in 0..5 {
        client
            .create(&format!("http://127.0.0.1:9/{n}"), &["push"])
            .await;
    }
    // What became of their greetings is told with the hooks.
    assert!(
        client
            .simulator
            .wait_quiet(std::time::Duration::from_secs(10))
    );
    let path = "repos/octo/repo/hooks?per_page=2&page=2";
    let page = client.ask(Method::GET, path, Value::Null).await;
    let link = page.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("page=3>; rel=\"next\""), "{link}");
    let tag = page.headers()["etag"].clone();
    assert_eq!(json_of(page).await.as_array().unwrap().len(), 2);
    let url = format!("{}/{path}", client.simulator.api_url());
    let request = client.http.get(url).bearer_auth(&client.token);
    let again = request.header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
}

#[tokio::test]
async fn rights_names_and_states_answer_as_the_real_ones() {
    let client = Client::new();
    let github = client.simulator.github();
    let status = async |path: &str| client.ask(Method::GET, path, Value::Null).await.status();
    assert_eq!(status("repos/octo/repo/hooks").await, 200);
    assert_eq!(
        status("api/v3/repos/octo/repo/hooks").await,
        200,
        "as an Enterprise Server"
    );
    github.set_admin("ann", REPO, false);
    assert_eq!(status("repos/octo/repo").await, 200);
    assert_eq!(
        status("repos/octo/repo/hooks").await,
        404,
        "without rights there is nothing"
    );
    github.set_admin("ann", REPO, true);
    github.rename(REPO, "octo/new");
    let moved = client
        .ask(Method::GET, "repos/octo/repo", Value::Null)
        .await;
    assert_eq!(moved.status(), 301);
    assert!(
        moved.headers()["location"]
            .to_str()
            .unwrap()
            .contains("/repositories/")
    );
    github.archive("octo/new");
    let body = json!({ "config": { "url": "http://127.0.0.1:9/a" } });
    let archived = client.ask(Method::POST, "repos/octo/new/hooks", body).await;
    assert_eq!(archived.status(), 403);
    github.revoke_token(&client.token);
    assert_eq!(status("repos/octo/new").await, 401);
}

#[tokio::test]
async fn a_test_sends_a_push_to_those_that_want_pushes_and_says_nothing_to_others() {
    let client = Client::new();
    let sent = || {
        let all = client.simulator.github().deliveries(REPO).into_iter();
        all.filter(|d| d.event == "push").count()
    };
    for (url, event, expected) in [("a", "fork", 0), ("b", "push", 1)] {
        let url = format!("http://127.0.0.1:9/{url}");
        let hook = json_of(client.create(&url, &[event]).await).await;
        let path = format!("repos/octo/repo/hooks/{}/tests", hook["id"]);
        let answer = client.ask(Method::POST, &path, Value::Null).await;
        assert_eq!(
            (answer.status().as_u16(), sent()),
            (204, expected),
            "{event}"
        );
    }
}

#[tokio::test]
async fn a_token_of_too_few_scopes_is_told_which_and_that_there_is_nothing() {
    let client = Client::new();
    let hook = json_of(client.create("http://127.0.0.1:9/a", &["push"]).await).await;
    let path = format!("repos/octo/repo/hooks/{}", hook["id"]);
    let ask = async |scope: &str, method: Method| {
        let token = client.simulator.github().add_token("ann", &[scope]);
        let url = format!("{}/{path}", client.simulator.api_url());
        let request = client.http.request(method, url).bearer_auth(token);
        request.send().await.unwrap()
    };
    let refused = ask("read:org", Method::GET).await;
    assert_eq!(refused.status(), 404);
    assert_eq!(refused.headers()["x-oauth-scopes"], "read:org");
    let accepted = refused.headers()["x-accepted-oauth-scopes"]
        .to_str()
        .unwrap();
    assert!(accepted.contains("read:repo_hook"), "{accepted}");
    assert_eq!(ask("read:repo_hook", Method::GET).await.status(), 200);
    assert_eq!(ask("write:repo_hook", Method::DELETE).await.status(), 404);
    assert_eq!(ask("admin:repo_hook", Method::DELETE).await.status(), 204);
}

#[tokio::test]
async fn faults_act_before_or_after_the_deed() {
    let client = Client::new();
    let hooks = || client.simulator.github().hooks(REPO).len();
    let faults = client.simulator.faults();
    faults.next("create_hook", Misbehaviour::FailBefore(502));
    assert_eq!(client.creates("http://127.0.0.1:9/a", &["push"]).await, 502);
    assert_eq!(hooks(), 0);
    faults.next("create_hook", Misbehaviour::ActThenFail(502));
    assert_eq!(client.creates("http://127.0.0.1:9/a", &["push"]).await, 502);
    assert_eq!(hooks(), 1, "it was done all the same");
    let secondary = Misbehaviour::RateLimitedSecondary { retry_after_s: 7 };
    faults.next("list_hooks", secondary);
    let limited = client
        .ask(Method::GET, "repos/octo/repo/hooks", Value::Null)
        .await;
    assert_eq!(
        (limited.status().as_u16(), &limited.headers()["retry-after"]),
        (403, &"7".parse().unwrap())
    );
    faults.outage(true);
    assert_eq!(
        client.ask(Method::GET, "user", Value::Null).await.status(),
        503
    );
}
