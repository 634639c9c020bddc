//! Refusals of a provider, as the user who connects a repository sees them.

use super::stage::{REPOSITORY, Stage};
use hookherd::simulator::{Misbehaviour, Refusal};
use serde_json::{Value, json};

const CONNECT: &str = "POST /api/v2/repositories/connect";

/// What connecting answers while the look-up is refused so: status, code, and words.
fn told(stage: &Stage, token: &str, wish: &Value) -> (u16, String, String) {
    let answer = stage.ask(token, CONNECT, Some(&wish.to_string()));
    let field = |name: &str| answer.json[name].as_str().unwrap_or_default().to_owned();
    (answer.status, field("code"), field("detail"))
}

#[test]
fn what_github_refuses_is_told_on_connect_and_changes_nothing() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let (ann, token) = stage.ann_and_octo();
    stage.add_credential(&ann, "github", &token);
    let wish = json!({ "repository_full_name": REPOSITORY });
    let api = stage.simulator.api_url();
    let sign_on = format!("{}/orgs/octo/sso", api.trim_end_matches("/api/v3"));
    for (refusal, code, words) in [
        (Refusal::Sso, "sso_required", "SSO"),
        (Refusal::Sso, "sso_required", sign_on.as_str()),
        (Refusal::IpAllowList, "ip_not_allowed", "IP allow list"),
        (Refusal::TokenPolicy, "token_forbidden", "classic"),
        (Refusal::AppRestriction, "app_restricted", "OAuth apps"),
        (Refusal::Suspended, "account_suspended", "suspended"),
        (Refusal::Blocked, "repository_blocked", "blocked"),
    ] {
        let misbehaviour = Misbehaviour::Refuse(refusal);
        stage.simulator.faults().next("repository", misbehaviour);
        let (status, told, detail) = told(&stage, &ann, &wish);
        assert_eq!((status, told.as_str()), (422, code), "{detail}");
        assert!(detail.contains(words), "{words}: {detail}");
        assert!(!stage.simulator.faults().are_pending(), "{refusal:?}");
    }
    assert!(github.hooks(REPOSITORY).is_empty());
    // With nothing in the way it is connected, by the same credential.
    let answer = stage.call(&ann, CONNECT, &wish);
    stage.wait_for_status(&ann, &answer.field("id"), "active");
}

#[test]
fn what_gitlab_refuses_is_told_on_connect() {
    let stage = Stage::new();
    let gitlab = stage.simulator.gitlab();
    let _daemon = stage.start();
    let ann = stage.add_user("ann");
    let token = gitlab.add_user("ann");
    gitlab.add_project("group/app", "ann");
    stage.add_credential(&ann, "gitlab", &token);
    let wish = json!({ "provider": "gitlab", "repository_full_name": "group/app" });
    for (refusal, code, words) in [
        (
            Refusal::InsufficientScope,
            "insufficient_scope",
            "scope api",
        ),
        (Refusal::UserBlocked, "account_suspended", "is blocked"),
        (Refusal::Terms, "account_unready", "terms of service"),
    ] {
        let misbehaviour = Misbehaviour::Refuse(refusal);
        stage
            .simulator
            .faults()
            .next("gitlab.project", misbehaviour);
        let (status, told, detail) = told(&stage, &ann, &wish);
        assert_eq!((status, told.as_str()), (422, code), "{detail}");
        assert!(detail.contains(words), "{words}: {detail}");
    }
}

/// Where a web page answers, the connection waits with a word that says why.
#[test]
fn a_page_where_the_api_should_be_is_told_as_a_wrong_url() {
    let stage = Stage::new();
    let _daemon = stage.start();
    let (ann, token) = stage.ann_and_octo();
    stage
        .simulator
        .faults()
        .next("user", Misbehaviour::Refuse(Refusal::Page));
    let credential = json!({ "provider": "github", "token": token });
    let answer = stage.ask(
        &ann,
        "POST /api/v2/credentials",
        Some(&credential.to_string()),
    );
    assert_eq!(
        (answer.status, answer.json["code"].as_str()),
        (502, Some("wrong_api_url"))
    );
    let detail = answer.json["detail"].as_str().unwrap();
    assert!(detail.contains("providers.github.api_url"), "{detail}");
}
