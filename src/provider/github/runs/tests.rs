//! Which runs of a list are the latest.

use super::*;

fn run(workflow: u64, branch: &str, number: u64, conclusion: Option<&str>) -> RunHead {
    serde_json::from_value(serde_json::json!({
        "id": number, "run_number": number, "workflow_id": workflow, "head_branch": branch,
        "event": "push", "conclusion": conclusion,
    }))
    .unwrap()
}

#[test]
fn the_latest_are_the_last_finished_one_of_each_kind_and_what_runs_after_it() {
    let heads = [
        run(1, "main", 5, None),
        run(1, "main", 4, Some("success")),
        run(1, "main", 3, Some("failure")),
        run(1, "other", 2, Some("failure")),
        run(2, "main", 1, None),
        run(1, "main", 1, None),
    ];
    let json = RawValue::from_string("{}".to_owned()).unwrap();
    let listed = heads.map(|head| Listed { head, json: &json });
    let latest = latest(listed.into());
    let found: Vec<_> = latest
        .iter()
        .map(|run| (run.head.workflow_id.unwrap(), run.head.id))
        .collect();
    assert_eq!(found, [(1, 5), (1, 4), (1, 2), (2, 1)]);
}
