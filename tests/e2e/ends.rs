//! What ends without a pass, at both providers: the real daemon's answers.

use super::stage::{REPOSITORY, Stage};
use hookherd::simulator::{PipelineSpec, PullSpec, RunSpec};
use serde_json::{Value, json};

const PROJECT: &str = "group/sub/app";
const CONNECT: &str = "POST /api/v2/repositories/connect";

/// The incidents of CI by title: how each ended.
fn ends(stage: &Stage, user: &str) -> Vec<(String, Value)> {
    let mut incidents = stage.list(user, "incidents?limit=100");
    incidents.retain(|incident| incident["source"] == "webhook");
    let show = |incident: &Value| {
        let title = incident["title"].as_str().expect("a title");
        let title = title.trim_start_matches("CI failed: ").to_owned();
        (title, incident["resolution"].clone())
    };
    let mut ends: Vec<_> = incidents.iter().map(show).collect();
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    ends
}

fn wait_for(stage: &Stage, user: &str, expected: &[(&str, Value)]) {
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(title, end)| ((*title).to_owned(), end.clone()))
        .collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let mut last = Vec::new();
    let what = format!("{expected:?}");
    stage.wait_until(&what, || {
        last = ends(stage, user);
        last == expected
    });
}

#[test]
fn what_ends_at_github_ends_the_incidents_by_its_own_word() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    let mut number = 0;
    let mut fails = |edit: &dyn Fn(RunSpec) -> RunSpec| {
        number += 1;
        github.play_run(REPOSITORY, &edit(RunSpec::new(number, "failure")));
    };
    let on = |branch: &'static str| {
        move |spec| RunSpec {
            branch: branch.into(),
            ..spec
        }
    };
    fails(&on("main"));
    fails(&on("topic"));
    fails(&on("v1"));
    fails(&|spec| spec.for_pull_request(7, "seven"));
    fails(&|spec| spec.for_pull_request(8, "eight"));
    fails(&|spec| spec.of_fork("eve/app", "main"));
    let open = Value::Null;
    let mut expected = vec![
        ("CI on main", open.clone()),
        ("CI on topic", open.clone()),
        ("CI on v1", open.clone()),
        ("CI on #7", open.clone()),
        ("CI on #8", open.clone()),
        ("CI on fork eve/main (pull request)", open.clone()),
    ];
    wait_for(&stage, &ann, &expected);
    // What is another's ends nothing here.
    github.end_pull_request(
        REPOSITORY,
        &PullSpec::closed(9, "main", false).of_fork("bob/app"),
    );
    github.delete_branch(REPOSITORY, "topic");
    github.delete_tag(REPOSITORY, "v1");
    github.end_pull_request(REPOSITORY, &PullSpec::closed(7, "seven", true));
    github.end_pull_request(REPOSITORY, &PullSpec::closed(8, "eight", false));
    for (nth, end) in [
        (1, "branch_deleted"),
        (2, "tag_deleted"),
        (3, "merged"),
        (4, "pull_request_closed"),
    ] {
        expected[nth].1 = json!(end);
    }
    wait_for(&stage, &ann, &expected);
    let of_eve = PullSpec::closed(10, "main", false).of_fork("eve/app");
    github.end_pull_request(REPOSITORY, &of_eve);
    expected[5].1 = json!("pull_request_closed");
    wait_for(&stage, &ann, &expected);
    github.play_run(REPOSITORY, &RunSpec::new(100, "success"));
    expected[0].1 = json!("passed");
    wait_for(&stage, &ann, &expected);
}

#[test]
fn what_ends_at_gitlab_ends_the_incidents_by_its_own_word() {
    let stage = Stage::new();
    let gitlab = stage.simulator.gitlab();
    let _daemon = stage.start();
    let ann = stage.add_user("ann");
    let token = gitlab.add_user("ann");
    gitlab.add_project(PROJECT, "ann");
    let credential = json!({ "provider": "gitlab", "token": token });
    stage.call(&ann, "POST /api/v2/credentials", &credential);
    let wish = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
    let id = stage.call(&ann, CONNECT, &wish).field("id");
    stage.wait_for_status(&ann, &id, "active");
    let on = |id: u64, name: &str, is_tag| PipelineSpec {
        ref_name: name.into(),
        is_tag,
        ..PipelineSpec::new(id, "failed")
    };
    for spec in [
        on(1, "main", false),
        on(2, "topic", false),
        on(3, "v1", true),
        PipelineSpec::new(4, "failed").for_merge_request(7, "seven"),
        PipelineSpec::new(5, "failed").for_merge_request(8, "eight"),
        PipelineSpec::new(6, "failed").for_merge_request(9, "nine"),
    ] {
        gitlab.play_pipeline(PROJECT, &spec);
    }
    let open = Value::Null;
    let mut expected = vec![
        ("Pipeline on main", open.clone()),
        ("Pipeline on topic", open.clone()),
        ("Tag pipeline on tag v1", open.clone()),
        ("Merge request pipeline on !7", open.clone()),
        ("Merge request pipeline on !8", open.clone()),
        ("Merge request pipeline on !9", open.clone()),
    ];
    wait_for(&stage, &ann, &expected);
    gitlab.delete_branch(PROJECT, "topic");
    gitlab.delete_tag(PROJECT, "v1");
    gitlab.end_merge_request(PROJECT, 7, "seven", true);
    gitlab.end_merge_request(PROJECT, 8, "eight", false);
    gitlab.delete_branch(PROJECT, "nine");
    for (nth, end) in [
        (1, "branch_deleted"),
        (2, "tag_deleted"),
        (3, "merged"),
        (4, "pull_request_closed"),
        (5, "branch_deleted"),
    ] {
        expected[nth].1 = json!(end);
    }
    wait_for(&stage, &ann, &expected);
    gitlab.retry_pipeline(PROJECT, 1, "success");
    expected[0].1 = json!("passed");
    wait_for(&stage, &ann, &expected);
}

/// A script that resolves what it has listed does not stumble over a repository that went away.
#[test]
fn an_incident_whose_connection_is_gone_is_resolved_and_says_so() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let (ann, id) = stage.ann_connected();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    wait_for(&stage, &ann, &[("CI on main", Value::Null)]);
    let incident = stage.list(&ann, "incidents")[0]["id"].clone();
    let incident = incident.as_str().expect("an id");
    let line = format!("DELETE /api/v2/repositories/connections/{id}");
    stage.call(&ann, &line, &Value::Null);
    wait_for(&stage, &ann, &[("CI on main", json!("disconnected"))]);
    let act = |what: &str| {
        let line = format!("POST /api/v2/incidents/{incident}/{what}");
        stage.ask(&ann, &line, None)
    };
    let resolved = act("resolve");
    let end = resolved.json["resolution"].as_str();
    assert_eq!((resolved.status, end), (200, Some("disconnected")));
    let late = act("acknowledge");
    assert_eq!((late.status, late.field("code").as_str()), (409, "not_now"));
}
