//! `apply` and `export`, with both providers.

use super::super::commands::{done, done_with, json, with_ann};
use super::super::stage::{Daemon, Stage};

fn stage() -> (Stage, Daemon) {
    let (stage, daemon) = with_ann();
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    let token = github.add_user("octo");
    done_with(&stage, &["credential", "add", "github"], &token);
    let lab = gitlab.add_user("lab");
    done_with(&stage, &["credential", "add", "gitlab"], &lab);
    for name in ["octo/a", "octo/b", "octo/c"] {
        github.add_repository(name, "octo");
    }
    gitlab.add_project("group/p", "lab");
    (stage, daemon)
}

const FILE: &str = r#"count = 3

[[repository]]
name = "octo/a"
events = ["push", "workflow_run"]

[[repository]]
name = "octo/b"
events = ["push"]
paused = true

[[repository]]
name = "group/p"
provider = "gitlab"
events = ["pipeline_events"]
"#;

#[track_caller]
fn refused(stage: &Stage, words: &[&str], input: &str) -> String {
    let output = stage.run_with(words, input);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(stage: &Stage) -> Vec<String> {
    let list = json(&done(stage, &["connections", "--json"]));
    let all = list["connections"].as_array().unwrap().iter();
    let mut names: Vec<String> = all
        .map(|c| c["repository_full_name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_applied_once_and_what_is_exported_changes_nothing() {
    let (stage, _daemon) = stage();
    let path = stage.path("wanted.toml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, FILE).unwrap();
    let planned = done(&stage, &["apply", file, "--dry-run"]);
    assert!(planned.ends_with("3 to do, 0 unchanged"), "{planned}");
    assert_eq!(names(&stage), <[String; 0]>::default());
    let told = refused(&stage, &["apply", file], "");
    assert!(told.contains("use --yes"), "{told}");

    let told = done(&stage, &["apply", file, "--yes"]);
    assert!(told.ends_with("done: 3 applied, of 3"), "{told}");
    assert_eq!(names(&stage), ["group/p", "octo/a", "octo/b"]);
    let github = stage.simulator.github();
    assert_eq!(github.hooks("octo/a")[0].events, ["push", "workflow_run"]);
    assert!(github.hooks("octo/b").is_empty(), "it starts paused");
    let again = done(&stage, &["apply", file, "--yes"]);
    assert!(again.ends_with("0 to do, 3 unchanged"), "{again}");

    // Another one of the same owner, which only --prune touches.
    done(&stage, &["connect", "github", "octo/c"]);
    let changed = FILE
        .replace("paused = true\n", "")
        .replace(", \"workflow_run\"", "");
    std::fs::write(&path, changed).unwrap();
    let told = json(&done(
        &stage,
        &["apply", file, "--yes", "--prune", "--json"],
    ));
    let steps = told["plan"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap());
    assert_eq!(
        steps.collect::<Vec<_>>(),
        ["set_events", "resume", "disconnect"]
    );
    let ended = told["operations"].as_array().unwrap().iter();
    assert!(
        ended
            .into_iter()
            .all(|it| it["state"] == "done" && it["counts"]["applied"] == 1)
    );
    assert_eq!(names(&stage), ["group/p", "octo/a", "octo/b"]);
    assert_eq!(github.hooks("octo/a")[0].events, ["push"]);
    assert_eq!(
        (github.hooks("octo/b").len(), github.hooks("octo/c").len()),
        (1, 0)
    );

    let exported = stage.path("exported.toml");
    done(&stage, &["export", "--output", exported.to_str().unwrap()]);
    let text = std::fs::read_to_string(&exported).unwrap();
    assert_eq!(
        text.trim_end(),
        done(&stage, &["export"]),
        "the same on standard output"
    );
    let same = done(&stage, &["apply", exported.to_str().unwrap(), "--prune"]);
    assert!(same.ends_with("0 to do, 3 unchanged"), "{same}");
    let told = refused(
        &stage,
        &["export", "--output", exported.to_str().unwrap()],
        "",
    );
    assert!(told.contains("exists"), "{told}");
}

#[test]
fn a_wrong_cut_off_or_empty_file_changes_nothing() {
    let (stage, _daemon) = stage();
    done_with(&stage, &["apply", "-", "--yes"], FILE);
    let before = names(&stage);
    let (first, _) = FILE.split_once("name = \"group/p\"").unwrap();
    for (words, text, says) in [
        (&["apply", "-", "--yes"][..], first, "missing field `name`"),
        (&["apply", "-", "--yes", "--prune"], "", "needs a `count`"),
        (
            &["apply", "-", "--yes", "--prune"],
            "count = 0\n",
            "use --allow-empty",
        ),
        (
            &["apply", "-", "--yes", "--prune", "--allow-empty"],
            "count = 0\n",
            "no scope",
        ),
        (
            &["apply", "-", "--yes"],
            "[[repository]]\nname = \"octo/c\"\nevent = 1\n",
            "line 3",
        ),
        (
            &["apply", "-", "--yes"],
            "[[repository]]\nname = \"octo/c\"\nevents = [\"No\"]\n",
            "line 3",
        ),
        (&["apply", "-"], FILE, ""),
        (&["apply", "/nowhere", "--yes"], "", "/nowhere"),
    ] {
        if words.len() == 2 {
            // Nothing is to be done, so nothing is asked.
            done_with(&stage, words, text);
        } else {
            let told = refused(&stage, words, text);
            assert!(told.contains(says), "{words:?}: {told}");
        }
        assert_eq!(names(&stage), before);
    }
    // An owner that is written down is emptied when that is asked for.
    let none = "count = 0\n[[scope]]\nowner = \"octo\"\n";
    done_with(
        &stage,
        &["apply", "-", "--yes", "--prune", "--allow-empty"],
        none,
    );
    assert_eq!(names(&stage), ["group/p"]);
    // A repository that is not there fails, and is named.
    let missing = "[[repository]]\nname = \"octo/nothing\"\n";
    let told = refused(&stage, &["apply", "-", "--yes"], missing);
    assert!(told.contains("octo/nothing: failed"), "{told}");
}

#[test]
fn a_host_that_is_not_configured_is_refused_before_anything_is_changed() {
    let (stage, _daemon) = stage();
    let elsewhere = format!("{FILE}host = \"git.elsewhere.example\"\n");
    for mode in ["--dry-run", "--yes"] {
        let told = refused(&stage, &["apply", "-", mode], &elsewhere);
        let says = "git.elsewhere.example is not configured. Configured: ";
        assert!(told.contains(says), "{mode}: {told}");
        assert!(!told.contains("apply the file again"), "{mode}: {told}");
        assert_eq!(names(&stage), <[String; 0]>::default(), "{mode}");
    }
}

#[test]
fn what_is_connected_keeps_the_webhooks_of_others_and_the_plan_says_so() {
    let (stage, _daemon) = stage();
    done(&stage, &["connect", "github", "octo/c"]);
    let text = "replace_existing = true\n[[repository]]\nname = \"octo/c\"\n";
    let planned = done_with(&stage, &["apply", "-", "--dry-run"], text);
    let says = "1 are connected already, and apply replaces no webhooks there";
    assert!(planned.contains(says), "{planned}");
    assert!(planned.ends_with("0 to do, 1 unchanged"), "{planned}");
    let planned = done_with(&stage, &["apply", "-", "--dry-run", "--json"], text);
    assert_eq!(json(&planned)["not_replaced"], 1, "{planned}");
}

/// The reason why nothing is disconnected is a part of its own.
#[test]
fn after_a_failure_nothing_is_disconnected_and_that_is_said() {
    let (stage, _daemon) = stage();
    done(&stage, &["connect", "github", "octo/c"]);
    let missing = "count = 1\n[[repository]]\nname = \"octo/nothing\"\n";
    let told = refused(&stage, &["apply", "-", "--yes", "--prune"], missing);
    let says = "1 of 1 did not end as wanted; nothing was disconnected, because something else \
                failed";
    assert!(told.contains(says), "{told}");
    assert!(names(&stage).contains(&"octo/c".to_owned()));
}
