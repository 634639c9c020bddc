//! Stories about our calls, told to a scripted server.

mod denials;
mod log;
mod ping;
mod runs;
mod trouble;

use super::*;
use crate::domain::id::HookId;
use crate::domain::repo::{ProviderKind, Repository};
use crate::domain::secret::Proof;
use crate::domain::time::Timestamp;
use crate::provider::http::HttpConfig;
use crate::provider::signature::{SigningKey, gitlab_token};
use crate::provider::tests::scripted::{
    self, Noon, Reply, Seen, Server, drifted, json as answer, swift, with,
};
use crate::provider::{
    Access, CheckReport, Ensured, HookSpec, Hooks, ProviderError, Repaired, Target,
};
use serde_json::{Value, json};
use std::sync::Arc;

const URL: &str = "https://hooks.example/api/v2/webhooks/gitlab/key";
const MARK: &str = "/api/v2/webhooks/gitlab/key";
const PROJECT: &str = "GET /projects/380";
const HOOKS: &str = "/projects/380/hooks";
const LIST: &str = "/projects/380/hooks?per_page=100";

fn gitlab_at(url: &str, change: impl FnOnce(&mut HttpConfig)) -> Gitlab {
    let mut config = swift(url);
    change(&mut config);
    Gitlab::new(&config, Arc::new(Noon), &access().instance).unwrap()
}

fn gitlab(server: &Server) -> Gitlab {
    gitlab_at(&server.url, |_| ())
}

fn access() -> Access {
    scripted::access(ProviderKind::Gitlab, "glpat-topsecrettoken")
}

fn target() -> Target {
    scripted::target(380, "group/sub/project")
}

fn spec() -> HookSpec {
    scripted::spec(URL, ["pipeline_events", "push_events"])
}

fn project() -> Value {
    json!({
        "id": 380, "path_with_namespace": "group/sub/project", "archived": false,
        "permissions": {"project_access": null, "group_access": {"access_level": 40}}
    })
}

/// A hook as GitLab 19 lists it.
fn hook(id: u64, url: &str) -> Value {
    let mut hook = json!({
        "id": id, "url": url, "project_id": 380, "enable_ssl_verification": true,
        "push_events_branch_filter": "", "branch_filter_strategy": "all_branches",
        "custom_webhook_template": null, "repository_update_events": false,
        "token_present": true, "signing_token_present": true,
        "alert_status": "executable", "disabled_until": null
    });
    for event in wire::EVENTS {
        hook[event] = json!(["pipeline_events", "push_events"].contains(&event));
    }
    hook
}

/// The same as a version before 19 lists it, which knows nothing of signing.
fn old_hook(id: u64, url: &str) -> Value {
    let mut hook = hook(id, url);
    for field in [
        "token_present",
        "signing_token_present",
        "alert_status",
        "branch_filter_strategy",
        "resource_deploy_token_events",
    ] {
        hook.as_object_mut().unwrap().remove(field);
    }
    hook
}

/// A server that knows the project and answers the rest as `script` says.
async fn serving(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |seen| match seen.line().as_str() {
        PROJECT => answer(200, &project()),
        _ => script(seen),
    })
    .await
}

/// A server whose list is `hooks`, and where every write works and answers `written`.
async fn writing(hooks: Value, written: Value) -> Server {
    serving(move |seen| match seen.method.as_str() {
        "GET" if seen.path == LIST => answer(200, &hooks),
        "POST" => answer(201, &written),
        "PUT" => answer(200, &written),
        "DELETE" => Reply::Answer(204, String::new(), String::new()),
        _ => answer(404, &json!({"message": "404 Not found"})),
    })
    .await
}

async fn listing(hooks: Value) -> Server {
    writing(hooks, hook(50, URL)).await
}

scripted::calls!(gitlab);

#[tokio::test]
async fn a_hook_is_created_with_every_setting_and_both_secrets() {
    let server = listing(json!([hook(3, "https://other.example/")])).await;
    let ensured = ensure(&server).await.unwrap();
    assert!(ensured.created);
    assert_eq!(
        (ensured.hook, ensured.proof),
        (HookId(50), Proof::Signature)
    );
    assert_eq!(ensured.repository.can_manage_hooks, Some(true));
    assert_eq!(ensured.repository.full_name.as_str(), "group/sub/project");
    let seen = server.seen();
    let post = seen.last().unwrap();
    assert_eq!(post.line(), format!("POST {HOOKS}"));
    let secret = spec().secret;
    let mut body = json!({
        "url": URL, "token": *gitlab_token(&secret),
        "signing_token": *SigningKey::of_gitlab(&secret).to_text(),
        "enable_ssl_verification": true, "push_events_branch_filter": "",
        "branch_filter_strategy": "all_branches", "custom_webhook_template": ""
    });
    for event in wire::EVENTS {
        body[event] = json!(event == "pipeline_events" || event == "push_events");
    }
    assert_eq!(post.body, body);
    assert!(!post.body.to_string().contains(secret.expose()));
    for header in [
        "accept: application/json",
        concat!("user-agent: hookherd/", env!("CARGO_PKG_VERSION")),
        "authorization: bearer glpat-topsecrettoken",
    ] {
        assert!(seen.iter().all(|s| s.head.contains(header)), "{header}");
    }
}

#[tokio::test]
async fn what_deliveries_prove_themselves_with_is_what_the_installation_reports() {
    let mut refuses = hook(50, URL);
    refuses["signing_token_present"] = json!(false);
    for (written, proof) in [
        (hook(50, URL), Proof::Signature),
        (old_hook(50, URL), Proof::Token),
        (refuses, Proof::Token),
    ] {
        let server = writing(json!([]), written.clone()).await;
        assert_eq!(
            ensure(&server).await.unwrap().proof,
            proof,
            "created: {written}"
        );
        let server = writing(json!([hook(50, URL)]), written.clone()).await;
        assert_eq!(
            ensure(&server).await.unwrap().proof,
            proof,
            "adopted: {written}"
        );
        assert_eq!(
            repair(&server, 50).await.unwrap(),
            Repaired::Done {
                proof,
                was_changed: false
            },
            "{written}"
        );
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
    let writes = [format!("DELETE {HOOKS}/9"), format!("PUT {HOOKS}/7")];
    assert_eq!(lines[2..], writes);
    let put = &server.seen()[3].body;
    // One of them alone would make GitLab forget the others.
    for together in ["url", "token", "signing_token"] {
        assert!(put[together].is_string(), "{together}");
    }
}

#[tokio::test]
async fn all_pages_are_read_by_number_or_else_by_link() {
    // A link that names the host which the installation believes to have is not needed.
    let astray = [
        ("x-next-page", "2"),
        ("link", "<https://inner.example/x?page=2>; rel=\"next\""),
    ];
    let linked = [("link", "<https://thief.example/x>; rel=\"next\"")];
    for headers in [astray.as_slice(), linked.as_slice()] {
        let headers: Vec<_> = headers.to_vec();
        let server = serving(move |seen| match seen.path.as_str() {
            LIST => with(200, &headers, &json!([hook(3, "https://other.example/")])),
            "/projects/380/hooks?per_page=100&page=2" => {
                with(200, &[("x-next-page", "")], &json!([hook(9, URL)]))
            }
            _ => answer(200, &hook(9, URL)),
        })
        .await;
        assert_eq!(ensure(&server).await.unwrap().hook, HookId(9));
    }
}

async fn checked(hook: Value) -> CheckReport {
    let server = listing(json!([hook])).await;
    check(&server, 9).await.unwrap()
}

#[tokio::test]
async fn every_drifted_setting_is_named_and_what_a_version_lacks_is_none() {
    let table: [(&'static str, Value); 9] = [
        ("pipeline_events", json!(false)),
        ("job_events", json!(true)),
        ("enable_ssl_verification", json!(false)),
        ("push_events_branch_filter", json!("release/*")),
        ("branch_filter_strategy", json!("regex")),
        ("custom_webhook_template", json!("{}")),
        ("token", json!(false)),
        ("signing_token", json!(false)),
        ("url", json!("https://evil.example/")),
    ];
    for (field, wrong) in table {
        let name = match field {
            "token" => "token_present",
            "signing_token" => "signing_token_present",
            other => other,
        };
        let mut ours = hook(9, URL);
        ours[name] = wrong;
        // Wrong settings come first: they may be why it is disabled.
        ours["alert_status"] = json!("disabled");
        let fields = vec![field];
        assert_eq!(checked(ours).await, drifted(&fields));
    }
    assert_eq!(checked(hook(9, URL)).await, CheckReport::Intact);
    assert_eq!(checked(old_hook(9, URL)).await, CheckReport::Intact);
}

#[tokio::test]
async fn a_disabled_hook_is_told_from_an_intact_one() {
    let until = |text: &str| {
        let mut ours = hook(9, URL);
        ours["alert_status"] = json!("temporarily_disabled");
        ours["disabled_until"] = json!(text);
        ours
    };
    let for_now = |until| CheckReport::Disabled {
        permanently: false,
        until,
    };
    let at = Some(Timestamp(1_795_514_700_000));
    assert_eq!(
        checked(until("2026-11-24T10:05:00.000Z")).await,
        for_now(at)
    );
    assert_eq!(checked(until("soon")).await, for_now(None));
    let mut ours = hook(9, URL);
    ours["alert_status"] = json!("disabled");
    let for_good = CheckReport::Disabled {
        permanently: true,
        until: None,
    };
    assert_eq!(checked(ours).await, for_good);
    let mut novel = hook(9, URL);
    novel["alert_status"] = json!("novel");
    assert_eq!(checked(novel).await, CheckReport::Intact);
}

#[tokio::test]
async fn projects_are_found_by_path_once_and_by_number_ever_after() {
    let named = Target {
        repository: None,
        ..target()
    };
    let moved = json!({"id": 380, "path_with_namespace": "new/place/project"});
    let body = moved.clone();
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/projects/group%2Fsub%2Fproject" => {
            let text = "This resource has been moved permanently to /projects/380";
            with(301, &[("location", "/projects/380")], &json!(text))
        }
        "/projects/380" => answer(200, &body),
        LIST => answer(200, &json!([])),
        HOOKS if seen.method == "POST" => answer(201, &hook(4, URL)),
        _ => answer(404, &json!({})),
    })
    .await;
    let ensured = gitlab(&server)
        .ensure(&access(), &named, None, &spec())
        .await;
    let ensured = ensured.unwrap().repository;
    assert_eq!(ensured.full_name.as_str(), "new/place/project");
    let lines = server.lines();
    let writes: Vec<_> = lines.iter().filter(|l| !l.starts_with("GET")).collect();
    assert_eq!(writes, [&format!("POST {HOOKS}")]);

    // The name belongs to another project now: it is not even asked for.
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/projects/380" => answer(200, &moved),
        _ => answer(
            200,
            &json!({"id": 2, "path_with_namespace": "group/sub/project"}),
        ),
    })
    .await;
    let found = repository(&server).await;
    assert_eq!(
        found.unwrap().unwrap().full_name.as_str(),
        "new/place/project"
    );
}

#[tokio::test]
async fn roles_are_read_where_gitlab_tells_them() {
    let level = |n: u64| json!({"access_level": n});
    let table = [
        (
            json!({"project_access": level(30), "group_access": level(40)}),
            Some(true),
        ),
        (
            json!({"project_access": level(30), "group_access": null}),
            Some(false),
        ),
        (json!({"project_access": null, "group_access": null}), None),
        (json!(null), None),
    ];
    for (permissions, expected) in table {
        let mut body = project();
        body["permissions"] = permissions;
        let server = Server::start(move |_| answer(200, &body)).await;
        assert_eq!(
            repository(&server).await.unwrap().unwrap().can_manage_hooks,
            expected
        );
    }
}

#[tokio::test]
async fn identity_and_repositories_ask_what_gitlab_documents() {
    for (status, scopes) in [(200, vec!["api".to_owned()]), (401, vec![]), (404, vec![])] {
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/user" => answer(200, &json!({"id": 5, "username": "ann"})),
            "/personal_access_tokens/self" => answer(status, &json!({"scopes": ["api"]})),
            "/projects?membership=true&order_by=id&sort=asc&per_page=100&page=2" => {
                with(200, &[("x-next-page", "3")], &json!([project()]))
            }
            _ => answer(404, &json!({})),
        })
        .await;
        let (gitlab, access) = (gitlab(&server), access());
        let identity = gitlab.identity(&access).await.unwrap();
        assert_eq!((identity.account.id, identity.scopes), (5, scopes));
        assert_eq!(identity.account.login, "ann");
        let (repositories, more) = gitlab.repositories(&access, 2).await.unwrap();
        assert_eq!((repositories.len(), more), (1, true));
    }
}

#[test]
fn the_page_lists_every_flag() {
    let page = include_str!("../../../docs/gitlab.md");
    let (_, rest) = page.split_once("Flags:").unwrap();
    let flags: Vec<&str> = rest
        .split('.')
        .next()
        .into_iter()
        .flat_map(|sentence| sentence.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(flags, wire::EVENTS);
}
