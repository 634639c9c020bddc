//! Every connection: whether its webhook is as it should be, and where it delivers to.

use crate::app::doctor::{Finding, Verdict};
use crate::cli::client::{Client, List};
use crate::cli::failed::Failed;
use crate::cli::output::text_of;
use serde_json::Value;
use std::cmp::Reverse;

/// Most connections that get a row of their own.
const ROWS_MAX: usize = 20;

/// What was found of the connections of the user. The daemon counts them; only those that need
/// attention are read, and few of them.
pub(super) fn findings(client: &Client) -> Result<Vec<Finding>, Failed> {
    let stats = client.get("stats")?;
    let by_status = by_status(&stats);
    let mut ailing = Vec::new();
    for (status, count, verdict) in &by_status {
        let limit = ROWS_MAX - ailing.len();
        if *verdict == Verdict::Good || *count == 0 || limit == 0 {
            continue;
        }
        let filters = [("status", Some(status.as_str()))];
        let list = List::of_connections(&filters, limit);
        client.pages(&list, |items| ailing.extend(items))?;
    }
    let mut findings = judge(&by_status, &ailing);
    findings.extend(moves(&stats));
    Ok(findings)
}

/// The connections by status, the worst first.
fn by_status(stats: &Value) -> Vec<(String, u64, Verdict)> {
    let all = stats["connections_by_status"].as_object();
    let all = all.into_iter().flatten();
    let mut all: Vec<(String, u64, Verdict)> = all
        .map(|(status, n)| (status.clone(), n.as_u64().unwrap_or(0), verdict(status)))
        .collect();
    all.sort_by_key(|(_, _, verdict)| Reverse(*verdict));
    all
}

/// Whether a state needs attention: certainly, or perhaps.
fn verdict(status: &str) -> Verdict {
    match status {
        "active" | "inactive" => Verdict::Good,
        "degraded" | "pending" => Verdict::Warning,
        // Suspended and failed, and what a newer daemon may say.
        _ => Verdict::Bad,
    }
}

fn judge(by_status: &[(String, u64, Verdict)], ailing: &[Value]) -> Vec<Finding> {
    let count = |fits: &dyn Fn(&str, Verdict) -> bool| -> u64 {
        let fitting = by_status.iter().filter(|(s, _, v)| fits(s, *v));
        fitting.map(|(_, count, _)| count).sum()
    };
    let all = count(&|_, _| true);
    let (bad, odd) = (
        count(&|_, v| v == Verdict::Bad),
        count(&|_, v| v == Verdict::Warning),
    );
    let paused = match count(&|status, _| status == "inactive") {
        0 => String::new(),
        paused => format!(" ({paused} paused)"),
    };
    let (worst, words) = match (bad, odd) {
        (0, 0) => (Verdict::Good, format!("{all} healthy{paused}")),
        (0, odd) => {
            let words = format!("{odd} of {all} need attention{paused}");
            (Verdict::Warning, words)
        }
        (bad, odd) => {
            let words = format!("{bad} of {all} do not work, {odd} more need attention{paused}");
            (Verdict::Bad, words)
        }
    };
    let rows = ailing.iter().take(ROWS_MAX).map(|connection| {
        let name = text_of(connection, "/repository_full_name");
        let host = text_of(connection, "/host");
        let what = format!("connection {name} at {host}");
        let verdict = verdict(text_of(connection, "/webhook_status"));
        Finding::new(what, verdict, why(connection))
    });
    let mut findings = vec![Finding::new("connections", worst, words)];
    findings.extend(rows);
    let rows = findings.len() as u64 - 1;
    if bad + odd > rows {
        let more = bad + odd - rows;
        let words = format!("{more} more: see `hookherd connections --status failed`");
        let worst = if bad > rows {
            Verdict::Bad
        } else {
            Verdict::Warning
        };
        findings.push(Finding::new("more connections", worst, words));
    }
    findings
}

/// What a connection ails, and what to do.
fn why(connection: &Value) -> String {
    let status = text_of(connection, "/webhook_status");
    let error = connection.pointer("/last_error/message");
    let error = error.and_then(Value::as_str);
    let means = match status {
        "suspended" => "needs you to resume it (`hookherd resume`)",
        "failed" => "its webhook cannot be created; retrying",
        "degraded" => "its webhook exists, but is changed, silent, disabled or unreachable",
        "pending" => "its webhook is being created",
        _ => "see `hookherd connections`",
    };
    error.map_or_else(
        || format!("{status}: {means}"),
        |error| format!("{status}: {means}: {error}"),
    )
}

/// How far the move to another public address has come; nothing when every webhook is where it
/// should be.
fn moves(stats: &Value) -> Option<Finding> {
    let words = match stats["webhooks_to_move"].as_u64() {
        Some(0) => return None,
        Some(to_move) => format!(
            "{to_move} of {} webhooks still deliver to a former address and are being moved. Keep \
             the former address working until none is left",
            stats["connections_total"]
        ),
        None => "the daemon has just started and has not looked at all webhooks yet".to_owned(),
    };
    let what = "public address of webhooks";
    Some(Finding::new(what, Verdict::Warning, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(counts: &Value, ailing: &[Value]) -> Vec<Finding> {
        judge(
            &by_status(&json!({ "connections_by_status": counts })),
            ailing,
        )
    }

    #[test]
    fn each_ailing_connection_has_a_row_the_worst_first_and_a_bound() {
        let one = |n: usize, status: &str| {
            json!({
                "repository_full_name": format!("octo/r{n}"), "host": "github.com",
                "webhook_status": status, "last_error": { "message": "who knows" },
            })
        };
        let found = judged(&json!({ "active": 1, "inactive": 1, "failed": 0 }), &[]);
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Good));
        assert_eq!(found[0].words, "2 healthy (1 paused)");
        let counts = json!({ "degraded": 1, "suspended": 1, "pending": 1, "active": 1 });
        let order: Vec<_> = by_status(&json!({ "connections_by_status": counts }));
        assert_eq!(order[0].0, "suspended", "read first");
        let mixed = [one(2, "suspended"), one(1, "degraded"), one(3, "pending")];
        let found = judged(&counts, &mixed);
        let verdicts: Vec<Verdict> = found.iter().map(|f| f.verdict).collect();
        let (bad, odd) = (Verdict::Bad, Verdict::Warning);
        assert_eq!(verdicts, [bad, bad, odd, odd]);
        assert_eq!(found[0].words, "1 of 4 do not work, 2 more need attention");
        assert!(found[1].what.contains("octo/r2") && found[1].words.contains("who knows"));
        let rows: Vec<Value> = (0..ROWS_MAX).map(|n| one(n, "failed")).collect();
        let found = judged(&json!({ "failed": 50 }), &rows);
        assert_eq!(found.len(), ROWS_MAX + 2);
        let more = &found[ROWS_MAX + 1];
        assert!(
            more.verdict == bad && more.words.starts_with("30 more"),
            "{found:?}"
        );
        assert_eq!(verdict("of_another_version"), Verdict::Bad);
    }

    #[test]
    fn that_webhooks_are_not_looked_at_yet_is_not_said_to_be_well() {
        assert_eq!(moves(&json!({ "webhooks_to_move": 0 })), None);
        let some = json!({ "webhooks_to_move": 3, "connections_total": 5 });
        assert!(moves(&some).unwrap().words.starts_with("3 of 5 webhooks"));
        let unknown = moves(&json!({ "webhooks_to_move": null })).unwrap();
        assert_eq!(unknown.verdict, Verdict::Warning);
    }
}
