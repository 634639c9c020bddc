//! Stories about our calls, told to a scripted server.

mod app;
mod denials;
mod latest;
mod log;
mod runs;
mod tls;
mod trouble;
mod unchanged;

use super::Github;
use crate::domain::id::HookId;
use crate::domain::repo::{ProviderKind, Repository, RepositoryId};
use crate::domain::secret::Proof;
use crate::provider::http::HttpConfig;
use crate::provider::tests::scripted::{
    self, Noon, Reply, Seen, Server, drifted, json as answer, swift, with,
};
use crate::provider::{
    Access, CheckReport, Ensured, HookSpec, Hooks, ProviderError, Repaired, Target,
};
use crate::telemetry;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

const URL: &str = "https://hooks.example/api/v2/webhooks/github/key";
const MARK: &str = "/api/v2/webhooks/github/key";
const HOOKS: &str = "/repos/o/r/hooks";
const LIST: &str = "/repos/o/r/hooks?per_page=100";

fn github_at(url: &str, change: impl FnOnce(&mut HttpConfig)) -> Github {
    let mut config = swift(url);
    change(&mut config);
    Github::new(&config, Arc::new(Noon), &access().instance).unwrap()
}

fn github(server: &Server) -> Github {
    github_at(&server.url, |_| ())
}

fn access() -> Access {
    scripted::access(ProviderKind::Github, "ghp_topsecrettoken")
}

fn target() -> Target {
    scripted::target(1, "o/r")
}

fn spec() -> HookSpec {
    scripted::spec(URL, ["push", "workflow_run"])
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
    let hooks = Mutex::new(hooks.as_array().unwrap().clone());
    serving(move |seen| match seen.method.as_str() {
        "GET" if seen.path == LIST => answer(200, &json!(*hooks.lock())),
        "POST" => answer(201, &hook(50, URL)),
        "PATCH" => answer(200, &json!({})),
        "DELETE" => {
            let is_kept = |hook: &Value| !seen.path.ends_with(&format!("/{}", hook["id"]));
            hooks.lock().retain(is_kept);
            answer(204, &json!(null))
        }
        _ => answer(404, &json!({})),
    })
    .await
}

/// What a repair answers that wrote; a hook with other settings may not have sent.
fn written(was_changed: bool) -> Repaired {
    Repaired::Done {
        proof: Proof::Signature,
        was_changed,
    }
}

scripted::calls!(github);

#[tokio::test]
async fn a_hook_is_created_with_all_settings_and_githubs_headers() {
    let server = listing(json!([hook(3, "https://other.example/")])).await;
    let ensured = ensure(&server).await.unwrap();
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
    let ensured = ensure(&server).await.unwrap();
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
            &[(
                "link",
                "<https://elsewhere.example/hooks?page=9>; rel=\"next\"",
            )],
            &json!([hook(3, "https://other.example/")]),
        ),
        "/repos/o/r/hooks?per_page=100&page=2" => answer(200, &json!([hook(9, URL)])),
        _ => answer(200, &json!({})),
    })
    .await;
    assert_eq!(ensure(&server).await.unwrap().hook, HookId(9));
}

#[tokio::test]
async fn every_drifted_setting_is_named() {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 6] = [
        ("active", |h| h["active"] = json!(false)),
        ("events", |h| h["events"] = json!(["push"])),
        ("url", |h| {
            h["config"]["url"] = json!("https://evil.example/");
        }),
        ("content_type", |h| {
            h["config"]["content_type"] = json!("form");
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
        let expected = if fields.is_empty() {
            CheckReport::Intact
        } else {
            drifted(&fields)
        };
        let server = listing(json!([ours])).await;
        assert_eq!(check(&server, 9).await.unwrap(), expected);
    }
}

/// A user chose others: only what somebody else has chosen is a change.
#[tokio::test]
async fn a_hook_with_the_events_of_before_was_changed_by_no_one() {
    let (access, target) = (access(), target());
    for (former, was_changed) in [
        (vec![], true),
        (vec![vec!["push"]], true),
        (vec![vec!["push"], vec!["push", "workflow_run"]], false),
    ] {
        let server = listing(json!([hook(9, URL)])).await;
        let former = former.into_iter().map(|events| {
            let events = events.into_iter();
            events.map(str::to_owned).collect()
        });
        let spec = HookSpec {
            events: vec!["status".to_owned()],
            former_events: former.collect(),
            ..spec()
        };
        let github = github(&server);
        let repaired = github.repair(&access, &target, HookId(9), &spec).await;
        assert_eq!(repaired.unwrap(), written(was_changed));
    }
}

#[tokio::test]
async fn check_and_repair_see_copies_and_missing_hooks() {
    let server = listing(json!([hook(9, URL), hook(8, URL)])).await;
    assert_eq!(check(&server, 9).await.unwrap(), drifted(&["copies"]));
    assert_eq!(repair(&server, 9).await.unwrap(), written(false));
    let lines = server.lines();
    let end = [format!("DELETE {HOOKS}/8"), format!("PATCH {HOOKS}/9")];
    assert_eq!(lines[lines.len() - 2..], end);

    // A hook of ours whose URL was changed by hand gets it back.
    let server = listing(json!([hook(9, "https://evil.example/")])).await;
    assert_eq!(repair(&server, 9).await.unwrap(), written(true));
    let patch = server.seen().pop().unwrap();
    assert_eq!(patch.line(), format!("PATCH {HOOKS}/9"));
    assert_eq!(patch.body["config"]["url"], URL);

    // The id that we know stays ours although another hook has our URL: that one is a copy.
    let server = listing(json!([hook(9, "https://x.example/"), hook(8, URL)])).await;
    let report = check(&server, 9).await;
    let drifted = drifted(&["url", "copies"]);
    assert_eq!(report.unwrap(), drifted);
    assert_eq!(repair(&server, 9).await.unwrap(), written(true));
    let lines = server.lines();
    assert_eq!(lines[lines.len() - 2..], end);

    // It is gone, whether another one has our URL or not.
    for hooks in [json!([]), json!([hook(8, URL)])] {
        let server = listing(hooks).await;
        assert_eq!(check(&server, 9).await.unwrap(), CheckReport::Missing);
        assert_eq!(repair(&server, 9).await.unwrap(), Repaired::Missing);
        assert!(server.lines().iter().all(|line| line.starts_with("GET")));
    }
}

#[tokio::test]
async fn delete_takes_all_of_ours_and_none_is_fine() {
    let server = listing(json!([
        hook(9, URL),
        hook(3, "https://o.example/"),
        hook(8, URL)
    ]))
    .await;
    delete(&server, None).await.unwrap();
    let deleted = [format!("DELETE {HOOKS}/8"), format!("DELETE {HOOKS}/9")];
    assert_eq!(server.lines()[2..4], deleted);
    // None is said to be gone before the list has shown it.
    assert_eq!(server.lines()[4..], [format!("GET {LIST}")]);
    let server = listing(json!([])).await;
    delete(&server, None).await.unwrap();
}

#[tokio::test]
async fn the_known_hook_goes_wherever_it_delivers_to_and_so_do_former_addresses() {
    let server = listing(json!([
        hook(9, "https://evil.example/"),
        hook(3, "https://o.example/"),
        hook(8, &format!("https://former.example{MARK}")),
    ]))
    .await;
    delete(&server, Some(HookId(9))).await.unwrap();
    let lines = server.lines();
    let writes: Vec<_> = lines.iter().filter(|l| l.starts_with("DELETE")).collect();
    assert_eq!(
        writes,
        [&format!("DELETE {HOOKS}/9"), &format!("DELETE {HOOKS}/8")]
    );
    // Its id was asked for, too, when the list no longer showed it.
    assert_eq!(lines.last(), Some(&format!("GET {HOOKS}/9")));
}

/// Of two that have our mark, the known one is kept, and moved; a list that leaves it out (its
/// pages shifted while they were read) makes no second one.
#[tokio::test]
async fn the_known_hook_is_kept_moved_and_never_doubled() {
    let former = format!("https://former.example{MARK}");
    let server = listing(json!([hook(8, URL), hook(9, &former)])).await;
    let known = Some(HookId(9));
    let ensured = github(&server)
        .ensure(&access(), &target(), known, &spec())
        .await;
    assert_eq!(ensured.unwrap().hook, HookId(9));
    let lines = server.lines();
    let end = [format!("DELETE {HOOKS}/8"), format!("PATCH {HOOKS}/9")];
    assert_eq!(lines[lines.len() - 2..], end);

    let server = serving(move |seen| match seen.method.as_str() {
        "GET" if seen.path == LIST => answer(200, &json!([])),
        "GET" => answer(200, &hook(9, "https://evil.example/")),
        "PATCH" => answer(200, &json!({})),
        _ => answer(500, &json!({})),
    })
    .await;
    let ensured = github(&server)
        .ensure(&access(), &target(), known, &spec())
        .await
        .unwrap();
    assert_eq!((ensured.hook, ensured.created), (HookId(9), false));
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
    let ensured = ensure(&server).await.unwrap();
    assert_eq!(ensured.hook, HookId(4));
    assert_eq!(ensured.repository.full_name.as_str(), "new/name");

    let server = Server::start(move |seen| match seen.path.as_str() {
        "/repos/o/r" => answer(200, &json!({"id": 2, "full_name": "o/r"})),
        "/repositories/1" => answer(200, &moved),
        _ => answer(404, &json!({})),
    })
    .await;
    let found = repository(&server).await.unwrap().unwrap();
    assert_eq!(found.full_name.as_str(), "new/name");
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let server = Server::start(|seen| {
        if seen.head.contains("if-none-match: \"v1\"") {
            Reply::Answer(304, String::new(), String::new())
        } else {
            with(200, &[("etag", "\"v1\"")], &repo())
        }
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
    let recorder = telemetry::local();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let access = access();
    let github = Github::new(&config, Arc::new(Noon), &access.instance).unwrap();
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
    let text = recorder.handle().render();
    for (operation, end) in [
        ("identity", "ok"),
        ("repositories", "ok"),
        ("ping", "ok"),
        ("ping", "no_access"),
    ] {
        let labels = format!("provider=\"github\",operation=\"{operation}\",outcome=\"{end}\"");
        let line = format!("hookherd_provider_calls_total{{{labels}}} 1");
        assert!(text.contains(&line), "{line}: {text}");
    }
}
