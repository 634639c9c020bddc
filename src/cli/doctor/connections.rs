//! Every connection: whether its webhook is as it should be, and where it delivers to.

use super::text;
use crate::app::doctor::{Finding, Verdict};
use crate::cli::Failed;
use crate::cli::client::Client;
use serde_json::Value;

/// Most connections that get a row of their own.
const ROWS_MAX: usize = 20;

/// What was found of the connections of the user.
pub(super) fn findings(client: &Client) -> Result<Vec<Finding>, Failed> {
    let all = client.every("repositories/connections", "connections", &[])?;
    let mut findings = judge(&all);
    findings.extend(moves(&all));
    Ok(findings)
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

fn judge(all: &[Value]) -> Vec<Finding> {
    let judged = all.iter().map(|c| (c, verdict(text(c, "/webhook_status"))));
    let mut ailing: Vec<(&Value, Verdict)> = judged
        .filter(|(_, verdict)| *verdict != Verdict::Good)
        .collect();
    ailing.sort_by_key(|(_, verdict)| *verdict != Verdict::Bad);
    let (bad, odd) = (
        count(&ailing, Verdict::Bad),
        count(&ailing, Verdict::Warning),
    );
    let paused = all
        .iter()
        .filter(|c| c["webhook_status"] == "inactive")
        .count();
    let paused = if paused == 0 {
        String::new()
    } else {
        format!(" ({paused} paused)")
    };
    let (worst, words) = match (bad, odd) {
        (0, 0) => {
            let words = format!("{} healthy{paused}", all.len());
            (Verdict::Good, words)
        }
        (0, odd) => {
            let words = format!("{odd} of {} need attention{paused}", all.len());
            (Verdict::Warning, words)
        }
        (bad, odd) => {
            let words = format!(
                "{bad} of {} do not work, {odd} more need attention{paused}",
                all.len()
            );
            (Verdict::Bad, words)
        }
    };
    let rows = ailing.iter().take(ROWS_MAX).map(|(connection, verdict)| {
        let name = text(connection, "/repository_full_name");
        let host = text(connection, "/host");
        let what = format!("connection {name} at {host}");
        Finding::new(what, *verdict, why(connection))
    });
    let mut findings = vec![Finding::new("connections", worst, words)];
    findings.extend(rows);
    if ailing.len() > ROWS_MAX {
        let more = ailing.len() - ROWS_MAX;
        let words = format!("{more} more: see `hookherd connections --status failed`");
        let worst = ailing[ROWS_MAX].1;
        findings.push(Finding::new("more connections", worst, words));
    }
    findings
}

fn count(ailing: &[(&Value, Verdict)], of: Verdict) -> usize {
    ailing.iter().filter(|(_, verdict)| *verdict == of).count()
}

/// What a connection ails, and what to do.
fn why(connection: &Value) -> String {
    let status = text(connection, "/webhook_status");
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
fn moves(all: &[Value]) -> Option<Finding> {
    let to_move = all.iter().filter(|c| c["health"]["is_to_move"] == true);
    let to_move = to_move.count();
    (to_move > 0).then(|| {
        let words = format!(
            "{to_move} of {} webhooks still deliver to a former address and are being moved. \
             Keep the former address working until none is left",
            all.len()
        );
        Finding::new("public address of webhooks", Verdict::Warning, words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_ailing_connection_has_a_row_the_worst_first_and_a_bound() {
        let one = |n: usize, status: &str| {
            json!({
                "repository_full_name": format!("octo/r{n}"), "host": "github.com",
                "webhook_status": status, "last_error": { "message": "who knows" },
            })
        };
        let fine = [one(1, "active"), one(2, "inactive")];
        let found = judge(&fine);
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Good));
        assert!(found[0].words.contains("1 paused"), "{found:?}");
        let mixed = [
            one(1, "degraded"),
            one(2, "suspended"),
            one(3, "pending"),
            one(4, "active"),
        ];
        let found = judge(&mixed);
        let verdicts: Vec<Verdict> = found.iter().map(|f| f.verdict).collect();
        let (bad, odd) = (Verdict::Bad, Verdict::Warning);
        assert_eq!(verdicts, [bad, bad, odd, odd]);
        assert!(found[1].what.contains("octo/r2") && found[1].words.contains("who knows"));
        let many: Vec<Value> = (0..50).map(|n| one(n, "failed")).collect();
        let found = judge(&many);
        assert_eq!(found.len(), ROWS_MAX + 2);
        assert!(
            found[ROWS_MAX + 1].words.starts_with("30 more"),
            "{found:?}"
        );
        assert_eq!(verdict("of_another_version"), Verdict::Bad);
    }
}
