//! Moving from hand-made webhooks, by the command line: shown of, replaced after a proof, adopted.

use super::commands::{done, done_with, json, with_ann};
use super::orphans::{by_hand, by_hand_at_gitlab, doctor};
use super::stage::{Daemon, REPOSITORY, Stage};
use serde_json::{Value, json};

fn stage() -> (Stage, Daemon, String) {
    let (stage, daemon) = with_ann();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    for name in [REPOSITORY, "octo/lib", "octo/site"] {
        github.add_repository(name, "octo");
    }
    done_with(&stage, &["credential", "add", "github"], &token);
    (stage, daemon, token)
}

fn urls(stage: &Stage, repository: &str) -> Vec<String> {
    let hooks = stage.simulator.github().hooks(repository);
    hooks.into_iter().map(|hook| hook.url).collect()
}

fn kinds(stage: &Stage, repository: &str) -> Vec<String> {
    let history = json(&done(stage, &["--json", "history", repository]));
    let entries = history["items"].as_array().unwrap().iter();
    let kind = |entry: &Value| entry["kind"].as_str().unwrap().to_owned();
    entries.map(kind).collect()
}

#[test]
fn connecting_says_what_is_there_and_one_command_replaces_it_after_the_proof() {
    let (stage, _daemon, token) = stage();
    let old = format!("{}/old/hook?token=canary", stage.url(""));
    by_hand(&stage, &token, REPOSITORY, &old, "push");
    by_hand(
        &stage,
        &token,
        REPOSITORY,
        "https://ci.example/hook",
        "push",
    );
    let said = done(&stage, &["connect", "github", REPOSITORY]);
    assert!(
        said.contains("to replace them: hookherd replace-existing"),
        "{said}"
    );
    assert!(
        said.contains("/old/hook") && !said.contains("canary"),
        "{said}"
    );
    let shown = json(&done(&stage, &["--json", "connections", REPOSITORY]));
    assert_eq!(shown["existing_webhooks"][0]["state"], "found", "{shown}");
    assert_eq!(urls(&stage, REPOSITORY).len(), 3);
    let said = done(&stage, &["replace-existing", REPOSITORY]);
    assert!(said.contains("1 webhooks removed"), "{said}");
    let left = urls(&stage, REPOSITORY);
    assert!(left.len() == 2 && !left.contains(&old), "{left:?}");
    let said = kinds(&stage, REPOSITORY);
    for kind in ["existing_found", "existing_replaced", "existing_removed"] {
        assert!(said.iter().any(|it| it == kind), "{kind}: {said:?}");
    }
    // What is pushed now is processed once.
    stage.simulator.github().push(REPOSITORY);
    stage.wait_until("the push", || {
        let all = json(&done(&stage, &["--json", "deliveries", "--event", "push"]));
        all["items"].as_array().unwrap().len() == 1
    });
}

#[test]
fn many_repositories_move_with_one_command_or_a_file() {
    let (stage, _daemon, token) = stage();
    let old = "https://old.example/github-webhook/7";
    for repository in [REPOSITORY, "octo/lib", "octo/site"] {
        by_hand(&stage, &token, repository, old, "push");
        by_hand(
            &stage,
            &token,
            repository,
            "https://ci.example/hook",
            "push",
        );
    }
    let pattern = "--replace-existing=https://old.example/github-webhook/*";
    let words = ["connect", "github", "--match", "octo/l*", pattern, "--yes"];
    let output = stage.run(&words);
    assert!(output.status.success(), "{output:?}");
    let is_moved = |repository: &str| {
        let left = urls(&stage, repository);
        left.len() == 2 && !left.iter().any(|url| url == old)
    };
    stage.wait_until("octo/lib", || is_moved("octo/lib"));
    let file = stage.path("repositories.toml");
    let text = format!(
        "replace_existing = \"https://old.example/*\"\n[[repository]]\nname = \"{REPOSITORY}\"\n\
         [[repository]]\nname = \"octo/site\"\nreplace_existing = false\n"
    );
    std::fs::write(&file, text).unwrap();
    let output = stage.run(&["apply", file.to_str().unwrap(), "--yes"]);
    assert!(output.status.success(), "{output:?}");
    stage.wait_until("the other", || is_moved(REPOSITORY));
    assert_eq!(urls(&stage, "octo/site").len(), 3, "here the old one stays");
}

#[test]
fn a_webhook_is_adopted_in_place_and_works() {
    let (stage, _daemon, token) = stage();
    let unknown = format!(
        "{}/api/v2/webhooks/github/60rk4csm6mv3ee1sc5h66s35cskpgtba",
        stage.url("")
    );
    let orphan = by_hand(&stage, &token, "octo/lib", &unknown, "push");
    let adopted = doctor(&stage, &["--adopt", &orphan, "--yes"]);
    let adopted = &adopted["results"][0];
    assert_eq!(adopted["webhook_id"], orphan.as_str(), "{adopted}");
    assert_eq!(adopted["webhook_events"], json!(["push"]));
    let hooks = stage.simulator.github().hooks("octo/lib");
    assert_eq!((hooks.len(), hooks[0].id.to_string()), (1, orphan));
    assert_ne!(hooks[0].url, unknown);
    stage.simulator.github().push("octo/lib");
    stage.wait_until("the push", || {
        let sent = stage.simulator.github().deliveries("octo/lib");
        sent.iter()
            .any(|it| it.event == "push" && it.status == Some(202))
    });
    assert!(kinds(&stage, "octo/lib").contains(&"adopted".to_owned()));
    assert_eq!(doctor(&stage, &[])["hooks"], json!([]));
}

#[test]
fn at_gitlab_the_old_webhook_goes_once_a_test_delivery_has_arrived() {
    let (stage, _daemon) = with_ann();
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("ann");
    for project in ["group/app", "group/empty"] {
        gitlab.add_project(project, "ann");
    }
    gitlab.set_empty("group/empty", true);
    done_with(&stage, &["credential", "add", "gitlab"], &token);
    let old = format!("{}/gitlab-hook", stage.url(""));
    for project in ["group/app", "group/empty"] {
        by_hand_at_gitlab(&stage, &token, project, &old);
        let words = ["connect", "gitlab", project, "--replace-existing"];
        done(&stage, &words);
    }
    stage.wait_until("the old one to go", || gitlab.hooks("group/app").len() == 1);
    assert_ne!(gitlab.hooks("group/app")[0].url, old);
    // A project without data has nothing to test with: nothing is removed before an event came.
    let shown = json(&done(&stage, &["--json", "connections", "group/empty"]));
    assert_eq!(shown["replaces_existing"], true);
    let states = shown["existing_webhooks"].as_array().unwrap();
    assert_eq!(states[0]["state"], "found");
    assert_eq!(gitlab.hooks("group/empty").len(), 2);
}

/// The daemon dies at some moment of a replacement, again and again.
#[test]
fn a_killed_daemon_leaves_one_webhook_of_ours_and_takes_the_old_one_later() {
    let (stage, daemon, token) = stage();
    let old = format!("{}/old/hook", stage.url(""));
    by_hand(&stage, &token, REPOSITORY, &old, "push");
    let output = stage.run(&["connect", "github", REPOSITORY, "--replace-existing"]);
    assert!(output.status.success(), "{output:?}");
    let mut daemon = Some(daemon);
    for _ in 0..5 {
        drop(daemon.take());
        daemon = Some(stage.start());
        let ours = urls(&stage, REPOSITORY)
            .into_iter()
            .filter(|url| *url != old);
        assert_eq!(ours.count(), 1);
    }
    stage.wait_until("ours alone", || {
        let left = urls(&stage, REPOSITORY);
        left.len() == 1 && left[0] != old
    });
}
