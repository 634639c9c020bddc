//! Repositories of one owner, who is there, hidden, or not there.

use super::Connected;
use crate::commands::{done, done_with, json};
use crate::stage::Stage;
use serde_json::Value;

/// The names of what is listed.
fn listed(stage: &Stage, provider: &str, owner: &str) -> Vec<String> {
    let told = done(
        stage,
        &["--json", "repositories", provider, "--owner", owner],
    );
    let items = json(&told)["items"].as_array().unwrap().clone();
    let name = |r: &Value| r["full_name"].as_str().unwrap().to_owned();
    items.iter().map(name).collect()
}

/// What is said instead of a list.
#[track_caller]
fn refused(stage: &Stage, provider: &str, owner: &str, code: &str, part: &str) {
    let output = stage.run(&["--json", "repositories", provider, "--owner", owner]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["code"], code, "{told}");
    let detail = told["detail"].as_str().unwrap();
    assert!(detail.contains(part), "{part}: {told}");
}

#[test]
fn an_owner_at_github_is_there_or_an_error() {
    let Connected { stage, .. } = &Connected::new();
    let github = stage.simulator.github();
    github.add_repository("acme/api", "octo");
    github.add_user("lonely");
    assert_eq!(listed(stage, "github", "octo"), ["octo/app"]);
    assert_eq!(listed(stage, "github", "ACME"), ["acme/api"]);
    assert_eq!(listed(stage, "github", "lonely"), [""; 0]);
    let part = "GitHub has no user or organisation acm. Check the name.";
    refused(stage, "github", "acm", "owner_not_found", part);
    refused(
        stage,
        "github",
        "a/b",
        "owner_not_found",
        "no groups within them",
    );
    let text = done(stage, &["repositories", "github", "--owner", "acme"]);
    assert!(
        text.contains("acme/api") && !text.contains("octo/app"),
        "{text}"
    );
}

#[test]
fn an_owner_at_gitlab_is_there_hidden_or_not_there_as_far_as_gitlab_tells() {
    let Connected { stage, .. } = &Connected::new();
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("ann");
    gitlab.add_user("bob");
    gitlab.add_project("group/app", "ann");
    gitlab.add_project("group/below/lib", "ann");
    gitlab.add_project("groupie/app", "ann");
    gitlab.add_project("ann/own", "ann");
    gitlab.add_project("secret/app", "bob");
    gitlab.add_project("group/hidden/app", "bob");
    done_with(stage, &["credential", "add", "gitlab"], &token);
    let mut group = listed(stage, "gitlab", "Group");
    group.sort();
    assert_eq!(group, ["group/app", "group/below/lib"]);
    assert_eq!(listed(stage, "gitlab", "group/below"), ["group/below/lib"]);
    assert_eq!(listed(stage, "gitlab", "ann"), ["ann/own"]);
    assert_eq!(listed(stage, "gitlab", "bob"), [""; 0], "a user is there");
    let part = "GitLab has no group or user nobody";
    refused(stage, "gitlab", "nobody", "owner_not_found", part);
    let part = "Group secret exists, but this token has no access";
    refused(stage, "gitlab", "secret", "no_access", part);
    // GitLab does not tell one from the other.
    let part = "it does not exist, or it is private";
    refused(stage, "gitlab", "group/hidden", "owner_not_found", part);
    refused(stage, "gitlab", "group/none", "owner_not_found", part);
    let none = stage.run(&["connect", "gitlab", "--org", "nobody", "--yes", "--json"]);
    let told: Value = serde_json::from_slice(&none.stderr).unwrap();
    assert_eq!(told["code"], "owner_not_found");
    let owners = told["owners"].as_array().unwrap();
    assert!(owners.contains(&"groupie".into()), "{told}");
}
