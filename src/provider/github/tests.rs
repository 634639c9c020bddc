//! Stories about our calls, told to a scripted server.

mod server;
mod tls;

use super::*;
use crate::domain::lifecycle::Failure;
use crate::domain::repo::{Instance, ProviderKind, RepositoryId};
use crate::domain::secret::{HookSecret, ProviderToken};
use crate::domain::time::Timestamp;
use serde_json::{Value, json};
use server::{Reply, Seen, Server, json as answer, with};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const URL: &str = "https://hooks.example/api/v2/webhooks/github/key";
const HOOKS: &str = "/repos/o/r/hooks";
const LIST: &str = "/repos/o/r/hooks?per_page=100";

struct Noon;
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000_000)
    }
}

#[derive(Default)]
struct Counts(Mutex<Vec<(&'static str, &'static str)>>);
impl CallObserver for Counts {
    fn call_finished(&self, operation: &'static str, outcome: &'static str, _: Duration) {
        self.0.lock().unwrap().push((operation, outcome));
    }
}

fn github_at(url: &str, change: impl FnOnce(&mut HttpConfig)) -> Github {
    let mut config = HttpConfig::new(url.parse().unwrap());
    config.write_pause = Duration::ZERO;
    config.retry_wait = Duration::from_millis(1);
    change(&mut config);
    Github::new(&config, Arc::new(Noon), Arc::new(Counts::default())).unwrap()
}

fn github(server: &Server) -> Github {
    github_at(&server.url, |_| ())
}

fn access() -> Access {
    let host = "github.com".parse().unwrap();
    Access {
        instance: Instance {
            provider: ProviderKind::Github,
            host,
        },
        token: ProviderToken::new("ghp_topsecrettoken".into()).unwrap(),
    }
}

fn target() -> Target {
    Target {
        repository: Some(RepositoryId(1)),
        full_name: "o/r".parse().unwrap(),
    }
}

fn spec() -> HookSpec {
    HookSpec {
        url: URL.into(),
        events: vec!["push".into(), "workflow_run".into()],
        secret: HookSecret::new("s".repeat(64)).unwrap(),
        revision: 1,
    }
}

fn repo() -> Value {
    json!({"id": 1, "full_name": "o/r", "permissions": {"admin": true}})
}

fn hook(id: u64, url: &str) -> Value {
    json!({
        "id": id, "active": true, "events": ["workflow_run", "push"],
        "config": {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": "********"}
    })
}

/// A server that knows the repository and answers the rest as `script` says.
async fn serving(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |seen| match seen.line().as_str() {
        "GET /repos/o/r" => answer(200, &repo()),
        _ => script(seen),
    })
    .await
}

/// A server whose list is `hooks`, and where every write works.
async fn listing(hooks: Value) -> Server {
    serving(move |seen| match seen.method.as_str() {
        "GET" if seen.path == LIST => answer(200, &hooks),
        "POST" => answer(201, &hook(50, URL)),
        "PATCH" => answer(200, &json!({})),
        "DELETE" => answer(204, &json!(null)),
        _ => answer(404, &json!({})),
    })
    .await
}

#[tokio::test]
async fn a_hook_is_created_with_all_settings_and_githubs_headers() {
    let server = listing(json!([hook(3, "https://other.example/")])).await;
    let ensured = github(&server).ensure(&access(), &target(), &spec()).await;
    let ensured = ensured.unwrap();
    assert!(ensured.created);
    assert_eq!(ensured.hook, HookId(50));
    assert_eq!(ensured.repository.can_manage_hooks, Some(true));
    let seen = server.seen();
    let post = seen.last().unwrap();
    assert_eq!(post.line(), format!("POST {HOOKS}"));
    let config = json!({
        "url": URL, "content_type": "json", "secret": "s".repeat(64), "insecure_ssl": "0"
    });
    let body = json!({
        "name": "web", "config": config, "events": ["push", "workflow_run"], "active": true
    });
    assert_eq!(post.body, body);
    for header in [
        "accept: application/vnd.github+json, application/json;q=0.9",
        "x-github-api-version: 2022-11-28",
        concat!("user-agent: hookherd/", env!("CARGO_PKG_VERSION")),
        "authorization: bearer ghp_topsecrettoken",
    ] {
        assert!(seen.iter().all(|s| s.head.contains(header)), "{header}");
    }
}

#[tokio::test]
async fn ours_is_adopted_the_copies_are_deleted_and_no_other_is_touched() {
    let ours = json!([
        hook(9, URL),
        hook(3, "https://other.example/"),
        hook(7, &format!("{URL}/")),
    ]);
    let server = listing(ours).await;
    let ensured = github(&server).ensure(&access(), &target(), &spec()).await;
    let ensured = ensured.unwrap();
    assert_eq!((ensured.hook, ensured.created), (HookId(7), false));
    let lines = server.lines();
    assert_eq!(
        lines[2..],
        [format!("DELETE {HOOKS}/9"), format!("PATCH {HOOKS}/7")]
    );
    let patch = &server.seen()[3].body;
    assert_eq!(
        patch["config"]["secret"],
        "s".repeat(64),
        "or it would be removed"
    );
    assert_eq!(patch["active"], true);
}

#[tokio::test]
async fn a_hook_on_the_second_page_is_found() {
    let server = serving(|seen| match seen.path.as_str() {
        LIST => with(
            200,
            &[("link", "</repos/o/r/hooks?page=2>; rel=\"next\"")],
            &json!([hook(3, "https://other.example/")]),
        ),
        "/repos/o/r/hooks?page=2" => answer(200, &json!([hook(9, URL)])),
        _ => answer(200, &json!({})),
    })
    .await;
    let ensured = github(&server).ensure(&access(), &target(), &spec()).await;
    assert_eq!(ensured.unwrap().hook, HookId(9));
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_looked_up_and_never_repeated() {
    for lost in [
        Reply::Drop,
        Reply::Hang,
        Reply::Cut,
        answer(502, &json!({})),
    ] {
        let posts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&posts);
        let reply = lost.clone();
        let server = serving(move |seen| match seen.method.as_str() {
            "POST" => {
                count.fetch_add(1, Ordering::SeqCst);
                reply.clone()
            }
            "GET" if count.load(Ordering::SeqCst) > 0 => answer(200, &json!([hook(50, URL)])),
            "GET" => answer(200, &json!([])),
            _ => answer(200, &json!({})),
        })
        .await;
        let github = github_at(&server.url, |c| c.call_timeout = Duration::from_millis(300));
        let ensured = github.ensure(&access(), &target(), &spec()).await.unwrap();
        assert_eq!((ensured.hook, ensured.created), (HookId(50), true));
        assert_eq!(posts.load(Ordering::SeqCst), 1, "{lost:?}");
    }
}

#[tokio::test]
async fn a_creation_that_vanishes_says_that_it_may_yet_happen() {
    let server = serving(|seen| match seen.method.as_str() {
        "POST" => Reply::Drop,
        _ => answer(200, &json!([])),
    })
    .await;
    let error = github(&server).ensure(&access(), &target(), &spec()).await;
    let error = error.unwrap_err();
    assert!(error.may_have_acted);
    assert_eq!(error.failure, Failure::Retryable { after: None });
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let exists = json!({"message": "Validation Failed", "errors": [
        {"message": "Hook already exists on this repository"}]});
    let limit = json!({"message": "Validation Failed", "errors": [
        {"message": "The \"push\" event cannot have more than 20 hooks"}]});
    let archived = json!({"message": "Repository was archived so is read-only."});
    let (retry, after) = (Failure::Retryable { after: None }, |s| Failure::Retryable {
        after: Some(Duration::from_secs(s)),
    });
    let table: [(u16, &[(&str, &str)], &Value, Failure, &str); 12] = [
        (401, &[], &json!({}), Failure::Unauthorized, "unauthorized"),
        (404, &[], &json!({}), Failure::NoAccess, "no_access"),
        (403, &[], &json!({}), Failure::NoAccess, "no_access"),
        (
            403,
            &[],
            &archived,
            Failure::Rejected,
            "repository_archived",
        ),
        (410, &[], &json!({}), Failure::Rejected, "rejected"),
        (422, &[], &limit, Failure::Rejected, "hook_limit_reached"),
        (422, &[], &exists, Failure::Rejected, "rejected"),
        (500, &[], &json!({}), retry, "provider_unavailable"),
        (
            403,
            &[("retry-after", "7")],
            &json!({}),
            after(7),
            "rate_limited",
        ),
        (429, &[], &json!({}), after(60), "rate_limited"),
        (
            403,
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1000090"),
            ],
            &json!({}),
            after(91),
            "rate_limited",
        ),
        (
            403,
            &[],
            &json!({"message": "You have exceeded a secondary rate limit"}),
            after(60),
            "rate_limited",
        ),
    ];
    for (status, headers, body, failure, code) in table {
        let reply = with(status, headers, body);
        let server = serving(move |seen| match seen.method.as_str() {
            "POST" => reply.clone(),
            _ => answer(200, &json!([])),
        })
        .await;
        let error = github(&server).ensure(&access(), &target(), &spec()).await;
        let error = error.unwrap_err();
        let rounded = match error.failure {
            Failure::Retryable { after: Some(d) } => Failure::Retryable {
                after: Some(Duration::from_secs(d.as_secs_f64().ceil() as u64)),
            },
            other => other,
        };
        assert_eq!((rounded, error.code), (failure, code), "{status} {body}");
        assert_eq!(error.may_have_acted, status >= 500, "{status} {body}");
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("topsecret") && !shown.contains("ssss"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_limited_token_sends_nothing_more_and_another_one_does() {
    let server = Server::start(|seen| match seen.head.contains("ghp_topsecrettoken") {
        true => with(429, &[("retry-after", "60")], &json!({})),
        false => answer(200, &repo()),
    })
    .await;
    let github = github(&server);
    for _ in 0..3 {
        let error = github.repository(&access(), &target()).await.unwrap_err();
        assert_eq!(error.code, "rate_limited");
        assert!(!error.may_have_acted);
    }
    assert_eq!(server.lines().len(), 1);
    let mut other = access();
    other.token = ProviderToken::new("ghp_another".into()).unwrap();
    github.repository(&other, &target()).await.unwrap().unwrap();
}

#[tokio::test]
async fn every_drifted_setting_is_named() {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 6] = [
        ("active", |h| h["active"] = json!(false)),
        ("events", |h| h["events"] = json!(["push"])),
        ("url", |h| {
            h["config"]["url"] = json!("https://evil.example/")
        }),
        ("content_type", |h| {
            h["config"]["content_type"] = json!("form")
        }),
        ("insecure_ssl", |h| h["config"]["insecure_ssl"] = json!(1)),
        ("secret", |h| h["config"]["secret"] = json!(null)),
    ];
    for mask in 0..1_u32 << table.len() {
        let mut ours = hook(9, URL);
        let mut fields = Vec::new();
        for (bit, (field, change)) in table.iter().enumerate() {
            if mask >> bit & 1 == 1 {
                change(&mut ours);
                fields.push(*field);
            }
        }
        let expected = match fields.is_empty() {
            true => CheckReport::Intact,
            false => CheckReport::Drifted { fields },
        };
        let server = listing(json!([ours])).await;
        let (access, target, spec) = (access(), target(), spec());
        let report = github(&server)
            .check(&access, &target, HookId(9), &spec)
            .await;
        assert_eq!(report.unwrap(), expected);
    }
}

#[tokio::test]
async fn check_and_repair_see_copies_and_missing_hooks() {
    let (access, target, spec) = (access(), target(), spec());
    let server = listing(json!([hook(9, URL), hook(8, URL)])).await;
    let report = github(&server)
        .check(&access, &target, HookId(9), &spec)
        .await;
    assert_eq!(
        report.unwrap(),
        CheckReport::Drifted {
            fields: vec!["copies"]
        }
    );
    let repaired = github(&server)
        .repair(&access, &target, HookId(9), &spec)
        .await;
    assert_eq!(repaired.unwrap(), Repaired::Done);
    let lines = server.lines();
    let end = [format!("DELETE {HOOKS}/8"), format!("PATCH {HOOKS}/9")];
    assert_eq!(lines[lines.len() - 2..], end);

    // The id that we knew points elsewhere, and another hook has our URL: that one is ours.
    for hooks in [
        json!([]),
        json!([hook(9, "https://x.example/"), hook(8, URL)]),
    ] {
        let server = listing(hooks).await;
        let report = github(&server)
            .check(&access, &target, HookId(9), &spec)
            .await;
        assert_eq!(report.unwrap(), CheckReport::Missing);
        let repaired = github(&server)
            .repair(&access, &target, HookId(9), &spec)
            .await;
        assert_eq!(repaired.unwrap(), Repaired::Missing);
        assert!(server.lines().iter().all(|line| line.starts_with("GET")));
    }
}

#[tokio::test]
async fn not_found_is_no_access_and_never_gone() {
    let server = serving(|_| {
        with(
            404,
            &[("x-accepted-github-permissions", "repository_hooks=write")],
            &json!({}),
        )
    })
    .await;
    let (access, target, spec) = (access(), target(), spec());
    let github = github(&server);
    for error in [
        github
            .check(&access, &target, HookId(9), &spec)
            .await
            .unwrap_err(),
        github.delete(&access, &target, URL).await.unwrap_err(),
        github.ensure(&access, &target, &spec).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.failure, error.code),
            (Failure::NoAccess, "no_access")
        );
        assert!(error.message.contains("admin:repo_hook"));
        assert!(error.message.contains("repository_hooks=write"));
    }
}

#[tokio::test]
async fn delete_takes_all_of_ours_and_none_is_fine() {
    let (access, target) = (access(), target());
    let server = listing(json!([
        hook(9, URL),
        hook(3, "https://o.example/"),
        hook(8, URL)
    ]))
    .await;
    github(&server).delete(&access, &target, URL).await.unwrap();
    let deleted = [format!("DELETE {HOOKS}/8"), format!("DELETE {HOOKS}/9")];
    assert_eq!(server.lines()[2..], deleted);
    let server = listing(json!([])).await;
    github(&server).delete(&access, &target, URL).await.unwrap();
}

#[tokio::test]
async fn a_renamed_repository_is_followed_and_a_reused_name_is_not_believed() {
    let moved = json!({"id": 1, "full_name": "new/name"});
    let body = moved.clone();
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/repos/o/r" => with(301, &[("location", "/repositories/1")], &json!({})),
        "/repositories/1" => answer(200, &body),
        "/repos/new/name/hooks?per_page=100" => answer(200, &json!([])),
        "/repos/new/name/hooks" if seen.method == "POST" => {
            with(307, &[("location", "/repositories/1/hooks")], &json!({}))
        }
        "/repositories/1/hooks" if seen.method == "POST" && seen.body["name"] == "web" => {
            answer(201, &json!({"id": 4}))
        }
        _ => answer(400, &json!({})),
    })
    .await;
    let ensured = github(&server)
        .ensure(&access(), &target(), &spec())
        .await
        .unwrap();
    assert_eq!(ensured.hook, HookId(4));
    assert_eq!(ensured.repository.full_name.as_str(), "new/name");

    let server = Server::start(move |seen| match seen.path.as_str() {
        "/repos/o/r" => answer(200, &json!({"id": 2, "full_name": "o/r"})),
        "/repositories/1" => answer(200, &moved),
        _ => answer(404, &json!({})),
    })
    .await;
    let found = github(&server)
        .repository(&access(), &target())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.full_name.as_str(), "new/name");
}

#[tokio::test]
async fn a_token_never_goes_to_another_origin() {
    let thief = Server::start(|_| answer(200, &repo())).await;
    let stolen = format!("{}/repos/o/r", thief.url);
    let server = Server::start(move |_| with(302, &[("location", &stolen)], &json!({}))).await;
    let error = github(&server)
        .repository(&access(), &target())
        .await
        .unwrap_err();
    assert_eq!(error.code, "bad_answer");
    let page = format!("<{}/x>; rel=\"next\"", thief.url);
    let server = serving(move |_| with(200, &[("link", &page)], &json!([]))).await;
    github(&server)
        .ensure(&access(), &target(), &spec())
        .await
        .unwrap_err();
    assert!(thief.seen().is_empty());
}

#[tokio::test]
async fn reads_are_repeated_briefly_and_lasting_trouble_is_told() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Drop,
        1 => answer(503, &json!({})),
        _ => answer(200, &repo()),
    })
    .await;
    github(&server)
        .repository(&access(), &target())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(tries.load(Ordering::SeqCst), 3);
    for reply in [
        Reply::Cut,
        Reply::Drop,
        answer(500, &json!({})),
        answer(200, &json!("no")),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let error = github(&server)
            .repository(&access(), &target())
            .await
            .unwrap_err();
        assert_eq!(error.failure, Failure::Retryable { after: None });
        assert!(!error.may_have_acted);
    }
    // Nobody listens there.
    let error = github_at("http://127.0.0.1:1", |_| ());
    let error = error.repository(&access(), &target()).await.unwrap_err();
    assert_eq!(
        (error.code, error.may_have_acted),
        ("provider_unavailable", false)
    );
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let server = Server::start(|seen| match seen.head.contains("if-none-match: \"v1\"") {
        true => Reply::Answer(304, String::new(), String::new()),
        false => with(200, &[("etag", "\"v1\"")], &repo()),
    })
    .await;
    let github = github(&server);
    for _ in 0..2 {
        let found = github
            .repository(&access(), &target())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.id, RepositoryId(1));
    }
    assert!(server.seen()[1].head.contains("if-none-match"));
}

#[tokio::test]
async fn identity_repositories_and_ping_ask_what_github_documents() {
    let server = serving(|seen| match seen.path.as_str() {
        "/user" => with(
            200,
            &[("x-oauth-scopes", "repo, admin:repo_hook")],
            &json!({"id": 5, "login": "octo"}),
        ),
        "/user/repos?per_page=100&sort=full_name&page=2" => with(
            200,
            &[(
                "link",
                "</user/repos?page=3>; rel=\"next\", </x>; rel=\"last\"",
            )],
            &json!([repo()]),
        ),
        "/repos/o/r/hooks/9/pings" => answer(204, &json!(null)),
        _ => answer(404, &json!({})),
    })
    .await;
    let config = HttpConfig::new(server.url.parse().unwrap());
    let counts = Arc::new(Counts::default());
    let observer = Arc::clone(&counts);
    let github = Github::new(&config, Arc::new(Noon), observer).unwrap();
    let access = access();
    let identity = github.identity(&access).await.unwrap();
    assert_eq!(identity.account.login, "octo");
    assert_eq!(identity.scopes, ["repo", "admin:repo_hook"]);
    let (repositories, more) = github.repositories(&access, 2).await.unwrap();
    assert_eq!((repositories.len(), more), (1, true));
    github.ping(&access, &target(), HookId(9)).await.unwrap();
    github
        .ping(&access, &target(), HookId(8))
        .await
        .unwrap_err();
    let counts = counts.0.lock().unwrap().clone();
    let ends = [
        ("identity", "ok"),
        ("repositories", "ok"),
        ("ping", "ok"),
        ("ping", "no_access"),
    ];
    assert_eq!(counts, ends);
}
