//! People, projects, tokens, budgets.

use super::*;

#[tokio::test]
async fn a_project_is_found_by_number_and_by_path_and_followed_when_it_moves() {
    let lab = Lab::new();
    let by_path = json_of(lab.get("projects/group%2Fsub%2Fapp").await).await;
    assert_eq!(by_path["id"], lab.project);
    assert_eq!(by_path["path_with_namespace"], PROJECT);
    assert_eq!(by_path["permissions"]["project_access"]["access_level"], 50);
    assert_eq!(by_path["archived"], false);
    lab.gitlab().rename(PROJECT, "elsewhere/app");
    let moved = lab.get("projects/group%2Fsub%2Fapp/hooks?per_page=5").await;
    assert_eq!(moved.status(), 301);
    let to = format!(
        "{}/projects/{}/hooks?per_page=5",
        lab.simulator.gitlab_api_url(),
        lab.project
    );
    assert_eq!(header(&moved, "location"), to);
    assert_eq!(header(&moved, "content-type"), "text/plain");
    let words = moved.text().await.unwrap();
    assert!(
        words.starts_with("This resource has been moved permanently to "),
        "{words}"
    );
    let found = lab.get(&format!("projects/{}", lab.project)).await;
    assert_eq!(json_of(found).await["path_with_namespace"], "elsewhere/app");
    lab.gitlab().archive("elsewhere/app");
    let found = json_of(lab.get("projects/elsewhere%2Fapp").await).await;
    assert_eq!(found["archived"], true);
    let new = lab.gitlab().add_project(PROJECT, "ann");
    let taken = json_of(lab.get("projects/group%2Fsub%2Fapp").await).await;
    assert_eq!(taken["id"], new, "an old path can be used again");
}

#[tokio::test]
async fn projects_come_in_pages_and_only_those_that_are_wanted() {
    let lab = Lab::new();
    lab.gitlab().add_user("bob");
    for n in 0..5 {
        lab.gitlab().add_project(&format!("bob/p{n}"), "bob");
    }
    for n in 0..4 {
        lab.gitlab()
            .set_role("ann", &format!("bob/p{n}"), 30 + 10 * (n % 2));
    }
    lab.gitlab().set_public("bob/p4", true);
    let count = async |query: &str| {
        let page = lab.get(&format!("projects?{query}")).await;
        json_of(page).await.as_array().unwrap().len()
    };
    assert_eq!(count("").await, 6, "what is public can be seen");
    assert_eq!(count("membership=true").await, 5);
    assert_eq!(count("membership=true&min_access_level=40").await, 3);
    let page = lab.get("projects?membership=true&per_page=2").await;
    assert_eq!(header(&page, "x-next-page"), "2");
    assert_eq!(header(&page, "x-total"), "5");
    assert!(header(&page, "link").contains("membership=true&page=2&per_page=2>; rel=\"next\""));
    let last = lab.get("projects?membership=true&per_page=2&page=3").await;
    assert_eq!(header(&last, "x-next-page"), "");
    assert_eq!(json_of(last).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn roles_and_scopes_say_what_is_missing() {
    let lab = Lab::new();
    let hooks = lab.hooks("");
    let bob = lab.gitlab().add_user("bob");
    let status = async |token: &str, path: &str| {
        let answer = lab.ask_as(token, Method::GET, path, json!({})).await;
        answer.status().as_u16()
    };
    assert_eq!(
        status(&bob, &hooks).await,
        404,
        "who is no member sees nothing"
    );
    lab.gitlab().set_role("bob", PROJECT, 30);
    assert_eq!(
        status(&bob, &hooks).await,
        403,
        "a developer sees that there is something"
    );
    lab.gitlab().set_role("bob", PROJECT, 40);
    assert_eq!(status(&bob, &hooks).await, 200);
    lab.gitlab().set_role("bob", PROJECT, 0);
    assert_eq!(status(&bob, &hooks).await, 404);
    let reading = lab.gitlab().add_token("ann", &["read_api"]);
    let body = json!({ "url": "http://127.0.0.1:9/a" });
    let refused = lab.ask_as(&reading, Method::POST, &hooks, body).await;
    assert_eq!(refused.status(), 403);
    assert!(header(&refused, "www-authenticate").contains("error=\"insufficient_scope\""));
    let said = json_of(refused).await;
    assert_eq!(said["error"], "insufficient_scope");
    assert_eq!(said["scope"], "api");
    let me = lab
        .ask_as(
            &reading,
            Method::GET,
            "personal_access_tokens/self",
            json!({}),
        )
        .await;
    assert_eq!(json_of(me).await["scopes"], json!(["read_api"]));
    assert_eq!(json_of(lab.get("user").await).await["username"], "ann");
    lab.gitlab().revoke_token(&reading);
    let revoked = lab.ask_as(&reading, Method::GET, "user", json!({})).await;
    assert_eq!(revoked.status(), 401);
    assert_eq!(json_of(revoked).await["error"], "invalid_token");
    assert_eq!(status("glpat-nobody", "user").await, 401);
    let url = format!("{}/user", lab.simulator.gitlab_api_url());
    let bearer = lab
        .http
        .get(url)
        .bearer_auth(&lab.token)
        .send()
        .await
        .unwrap();
    assert_eq!(bearer.status(), 200);
}

#[tokio::test]
async fn a_minute_has_so_many_requests() {
    let lab = Lab::new();
    let first = lab.get("user").await;
    assert_eq!(header(&first, "ratelimit-limit"), "2000");
    assert_eq!(header(&first, "ratelimit-remaining"), "1999");
    lab.gitlab().set_rate_limit(Some(2));
    lab.gitlab().advance_clock(Duration::from_mins(2));
    for _ in 0..2 {
        assert_eq!(lab.get("user").await.status(), 200);
    }
    let spent = lab.get("user").await;
    assert_eq!(spent.status(), 429);
    assert_eq!(header(&spent, "retry-after"), "60");
    assert_eq!(spent.text().await.unwrap(), "Retry later\n");
    lab.gitlab().advance_clock(Duration::from_mins(1));
    assert_eq!(lab.get("user").await.status(), 200);
}

#[tokio::test]
async fn faults_act_before_or_after_the_deed() {
    let lab = Lab::new();
    let (hooks, body) = (lab.hooks(""), json!({ "url": "http://127.0.0.1:9/a" }));
    let count = || lab.gitlab().hooks(PROJECT).len();
    let faults = lab.simulator.faults();
    faults.next("gitlab.create_hook", Misbehaviour::FailBefore(502));
    let failed = lab.ask(Method::POST, &hooks, body.clone()).await;
    assert_eq!((failed.status().as_u16(), count()), (502, 0));
    faults.next("gitlab.*", Misbehaviour::ActThenFail(502));
    let failed = lab.ask(Method::POST, &hooks, body.clone()).await;
    assert_eq!(
        (failed.status().as_u16(), count()),
        (502, 1),
        "it was done all the same"
    );
    faults.next("gitlab.create_hook", Misbehaviour::ActThenDrop);
    let url = format!("{}/{hooks}", lab.simulator.gitlab_api_url());
    let request = lab
        .http
        .post(url)
        .header("private-token", &lab.token)
        .json(&body);
    let is_whole = match request.send().await {
        Ok(answer) => answer.bytes().await.is_ok(),
        Err(_) => false,
    };
    assert!(!is_whole);
    assert_eq!(count(), 2);
    faults.next(
        "gitlab.list_hooks",
        Misbehaviour::RateLimitedSecondary { retry_after_s: 7 },
    );
    let limited = lab.get(&hooks).await;
    assert_eq!(
        (limited.status().as_u16(), header(&limited, "retry-after")),
        (429, "7")
    );
    faults.next("create_hook", Misbehaviour::FailBefore(502));
    assert_eq!(
        lab.ask(Method::POST, &hooks, body).await.status(),
        201,
        "that is GitHub's"
    );
    faults.next("gitlab.user", Misbehaviour::TruncatedJson);
    let url = format!("{}/user", lab.simulator.gitlab_api_url());
    let request = lab.http.get(url).header("private-token", &lab.token);
    let mut half = request.send().await.unwrap();
    assert_eq!(half.status(), 200);
    let begun = half.chunk().await.unwrap().unwrap();
    assert!(
        begun.starts_with(b"{") && !begun.ends_with(b"}"),
        "{begun:?}"
    );
    assert!(half.chunk().await.is_err());
    faults.outage(true);
    assert_eq!(lab.get("user").await.status(), 503);
    assert_eq!(lab.simulator.requests("gitlab.create_hook"), 4);
}
