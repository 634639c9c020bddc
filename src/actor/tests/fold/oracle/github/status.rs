//! What is told of commit statuses.

use super::super::{STEP, Tell, clock};
use super::{COMMITS, decode, repository};
use serde_json::json;

/// A status that begins and ends, and is posted once more with another text.
pub(super) fn status(
    nth: usize,
    place: Result<&str, usize>,
    context: u64,
    conclusion: &str,
    (began, ended): (i64, i64),
    told: &mut Vec<Tell>,
) {
    // In no order; and each follows on the one before, as far as that is told.
    let of = |nth: usize| format!("{:02x}{nth:038x}", (nth * 97 + 13) % 256);
    let own = of(nth);
    let parents = nth.checked_sub(1).filter(|_| nth.is_multiple_of(2));
    let parents: Vec<_> = parents
        .map(|before| json!({"sha": of(before)}))
        .into_iter()
        .collect();
    let sha = place.map_or(COMMITS[place.err().unwrap_or(0)], |_| &own);
    let branches = place.map_or(
        json!([]),
        |name| json!([{"name": name, "commit": {"sha": sha}}]),
    );
    // A fork's commit was made before all else.
    // What is pushed one after the other may have been made within one second.
    let series = i64::try_from(nth / 4 * 4).unwrap() * STEP;
    let committed = place.map_or(-STEP, |_| series);
    let state = match conclusion {
        "success" => "success",
        "failure" => "failure",
        _ => "error",
    };
    for (state, at) in [("pending", began), (state, ended), (state, ended + 2)] {
        let body = json!({
            "id": at, "sha": sha, "context": format!("context {context}"), "state": state,
            "commit": {
                "parents": parents, "commit": {"committer": {"date": clock(committed)}}
            },
            "branches": branches, "updated_at": clock(at), "repository": repository(at)
        });
        told.push(decode("status", &body, at));
    }
}
