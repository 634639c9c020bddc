//! Pipelines of lists of which GitLab does not say all times.

use super::*;
use crate::domain::event::{Decoded, Event};
use crate::domain::run::BranchKind;
use crate::domain::samples::Same;
use crate::provider::gitlab::GitlabDecode;
use crate::provider::{Decode, Logs};

/// 2026-11-24T10:00:00Z.
const SINCE: Timestamp = Timestamp(1_795_514_400_000);

/// A pipeline as GitLab lists it, and, with more, as it shows it: created, changed, ended.
fn pipeline(id: u64, times: [Option<&str>; 3]) -> Value {
    let [created, updated, finished] = times;
    json!({
        "id": id, "iid": id - 300, "project_id": 380, "status": "canceled", "source": "push",
        "ref": "main", "sha": "8a1f0c2f4b3d9e7a6c5b4d3e2f1a0b9c8d7e6f5a", "name": null,
        "web_url": format!("https://gitlab.com/g/p/-/pipelines/{id}"),
        "created_at": created, "updated_at": updated,
        "before_sha": "0000000000000000000000000000000000000000", "tag": false,
        "yaml_errors": null, "user": {"id": 3, "username": "ann", "name": "Ann"},
        "started_at": null, "finished_at": finished, "committed_at": null, "duration": null,
        "queued_duration": null, "coverage": null
    })
}

#[tokio::test]
async fn a_pipeline_without_times_is_listed_and_read_with_the_best_time_that_is_known() {
    let (early, late) = ("2026-11-24T09:00:00.123Z", "2026-11-24T11:00:00.456Z");
    let all = [
        pipeline(301, [Some(early), Some(late), Some(late)]),
        pipeline(302, [Some(early), None, None]),
        pipeline(303, [None; 3]),
    ];
    let list = Value::from(all.to_vec());
    let server = serving(move |seen| {
        let below = seen.path.strip_prefix("/projects/380/pipelines");
        match below {
            Some(query) if query.starts_with('?') => answer(200, &list),
            Some("/301") => answer(200, &all[0]),
            Some("/302") => answer(200, &all[1]),
            Some("/303") => answer(200, &all[2]),
            Some(_) => answer(404, &json!({"message": "404 Not found"})),
            None => answer(200, &project()),
        }
    })
    .await;
    let (access, target) = (access(), target());
    let gitlab = gitlab(&server);
    let page = gitlab.runs_since(&access, &target, SINCE, None).await;
    let listed = page.unwrap().runs;
    let changed = Timestamp(SINCE.0 + 3_600_456);
    let expected = [(301, changed), (302, SINCE), (303, SINCE)];
    let times: Vec<_> = listed.iter().map(|run| (run.id, run.at)).collect();
    assert_eq!(times, expected);
    let reading = gitlab.read_runs(&access, &target, &listed, Some(SINCE));
    let found = reading.await.unwrap().found;
    assert_eq!(found.len(), 3);
    for (found, (id, at)) in found.iter().zip(expected) {
        assert_eq!(found.at, at, "{id}");
        let decoded = GitlabDecode::new(&Same(9)).decode(&found.event, &found.payload);
        let Ok(Decoded {
            event: Event::Run(run),
            ..
        }) = decoded
        else {
            panic!("a run: {decoded:?}");
        };
        assert_eq!(run.provider_run_id, id);
    }
    // Its id does not depend on the moment at which it is listed.
    assert_eq!(found[2].delivery_id, "found:pipeline:303:0:canceled");
}

#[tokio::test]
async fn a_failed_branch_of_which_nothing_is_said_is_none_of_the_less_severe() {
    for ((status, body), expected) in [
        (
            (200, json!({"name": "a/b", "protected": true})),
            BranchKind::Protected,
        ),
        (
            (200, json!({"name": "a/b", "protected": false})),
            BranchKind::Other,
        ),
        (
            (404, json!({"message": "404 Branch Not Found"})),
            BranchKind::Other,
        ),
        (
            (403, json!({"message": "403 Forbidden"})),
            BranchKind::Unknown,
        ),
    ] {
        let mut failed = pipeline(301, [None; 3]);
        (failed["status"], failed["ref"]) = ("failed".into(), "a/b".into());
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/projects/380/pipelines/301" => answer(200, &failed),
            "/projects/380/repository/branches/a%2Fb" => answer(status, &body),
            path if path.contains("/jobs?") => answer(200, &json!([])),
            _ => {
                let mut project = project();
                project["default_branch"] = "main".into();
                answer(200, &project)
            }
        })
        .await;
        let (access, target) = (access(), target());
        let gitlab = gitlab(&server);
        let found = gitlab.run(&access, &target, 301).await.unwrap();
        let read = GitlabDecode::new(&Same(9)).decode(&found[0].event, &found[0].payload);
        let Event::Run(run) = read.unwrap().event else {
            panic!("it is a run");
        };
        assert_eq!(run.facts.branch_kind, expected, "{status}");
    }
}
