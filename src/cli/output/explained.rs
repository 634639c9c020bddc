//! What the provider says about a failure, for reading.

use super::text::printable;
use serde_json::Value;

/// Commits that are listed.
const COMMITS_MAX: usize = 10;
/// Characters of a commit's id that are shown.
const SHA_CHARS: usize = 8;

/// The lines of an explanation, which may be null.
pub(super) fn layout(value: &Value) -> Vec<String> {
    if value.is_null() {
        return vec!["Explanation: -".to_owned()];
    }
    let mut lines = vec![format!("Explanation: {}", text(&value["state"]))];
    if let Some(message) = value["error"]["message"].as_str() {
        lines.push(format!("  Error: {}", printable(message)));
    }
    for job in list(&value["failed_jobs"]) {
        lines.extend(of_job(job));
    }
    let mut part = |label: &str, of: &str, shown: String| {
        let missing = value[format!("{of}_missing")].as_str();
        match (value[of].is_null(), missing) {
            (false, None) => lines.push(format!("  {label}: {shown}")),
            (_, Some(why)) => lines.push(format!("  {label}: - ({})", printable(why))),
            (true, None) => {}
        }
    };
    part("Commit", "commit", of_commit(&value["commit"]));
    let request = &value["pull_request"];
    let number = request["number"].as_u64().unwrap_or_default();
    let title = text(&request["title"]);
    part(
        "Request",
        "pull_request",
        format!("#{number} {title}{}", by(request)),
    );
    let commits = list(&value["commits"]);
    let more = if value["has_more_commits"] == true {
        "+"
    } else {
        ""
    };
    let count = format!("{}{more}", commits.len());
    part("Commits since the last pass", "commits", count);
    let shown = commits.iter().take(COMMITS_MAX);
    lines.extend(shown.map(|commit| format!("    {}", of_commit(commit))));
    if commits.len() > COMMITS_MAX {
        lines.push(format!("    and {} more", commits.len() - COMMITS_MAX));
    }
    let suspects: Vec<String> = list(&value["suspects"]).iter().map(of_suspect).collect();
    if !suspects.is_empty() {
        lines.push(format!("  Suspects: {}", suspects.join(", ")));
    }
    lines
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| "-".to_owned(), printable)
}

/// The author in brackets, if there is one.
fn by(value: &Value) -> String {
    let author = value["author"].as_str();
    author.map_or_else(String::new, |author| format!(" ({})", printable(author)))
}

fn of_suspect(suspect: &Value) -> String {
    let user = suspect["user"].as_str();
    let user = user.map_or_else(String::new, |user| format!(" = {}", printable(user)));
    let author = text(&suspect["author"]);
    format!("{author}{user} ({})", suspect["commits"])
}

fn of_commit(commit: &Value) -> String {
    let sha: String = text(&commit["sha"]).chars().take(SHA_CHARS).collect();
    format!("{sha} {}{}", text(&commit["title"]), by(commit))
}

/// A job with the end of its log, line by line.
fn of_job(job: &Value) -> Vec<String> {
    let steps: Vec<String> = list(&job["steps"]).iter().map(text).collect();
    let steps = if steps.is_empty() {
        String::new()
    } else {
        format!(": {}", steps.join(", "))
    };
    let mut lines = vec![format!("  Failed job {}{steps}", text(&job["name"]))];
    if let Some(url) = job["url"].as_str() {
        lines.push(format!("    {}", printable(url)));
    }
    match (job["log"].as_str(), job["log_missing"].as_str()) {
        (Some(log), _) => {
            if job["log_is_cut"] == true {
                lines.push("    | ...".to_owned());
            }
            lines.extend(log.lines().map(|line| format!("    | {}", printable(line))));
        }
        (None, Some(why)) => lines.push(format!("    Log: - ({})", printable(why))),
        (None, None) => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_explanation_is_shown_with_the_log_line_by_line() {
        assert_eq!(layout(&Value::Null), ["Explanation: -"]);
        let commit = |n: u64| {
            let sha = format!("{n:040x}");
            json!({ "sha": sha, "title": format!("Change\u{1b}[2J {n}"), "author": "ann" })
        };
        let mut value = json!({
            "state": "explained", "error": null,
            "failed_jobs": [
                {
                    "name": "unit", "steps": ["Run make"], "url": "https://h.example/job/1",
                    "log": "one\n  two\u{1b}[31m\n", "log_is_cut": true, "log_missing": null,
                },
                { "name": "lint", "steps": [], "url": null, "log": null, "log_missing": "gone" },
            ],
            "commit": commit(5), "commit_missing": null,
            "pull_request": null, "pull_request_missing": "not_found",
            "commits": [commit(5), commit(4)], "has_more_commits": false, "commits_missing": null,
            "suspects": [
                { "author": "ann-dev", "author_id": "1", "user": "ann", "commits": 2 },
                { "author": "bob", "author_id": null, "user": null, "commits": 1 },
            ],
        });
        assert_eq!(
            layout(&value),
            [
                "Explanation: explained",
                "  Failed job unit: Run make",
                "    https://h.example/job/1",
                "    | ...",
                "    | one",
                "    |   two\\u{1b}[31m",
                "  Failed job lint",
                "    Log: - (gone)",
                "  Commit: 00000000 Change\\u{1b}[2J 5 (ann)",
                "  Request: - (not_found)",
                "  Commits since the last pass: 2",
                "    00000000 Change\\u{1b}[2J 5 (ann)",
                "    00000000 Change\\u{1b}[2J 4 (ann)",
                "  Suspects: ann-dev = ann (2), bob (1)",
            ]
        );
        value["commits"] = (0..50).map(commit).collect();
        value["has_more_commits"] = json!(true);
        let lines = layout(&value);
        assert!(lines.contains(&"  Commits since the last pass: 50+".to_owned()));
        assert!(lines.contains(&"    and 40 more".to_owned()));
        let failed = json!({
            "state": "failed", "error": { "message": "No access." }, "commits": [],
            "commit": null, "pull_request": null,
        });
        assert_eq!(
            layout(&failed),
            [
                "Explanation: failed",
                "  Error: No access.",
                "  Commits since the last pass: 0"
            ]
        );
    }
}
