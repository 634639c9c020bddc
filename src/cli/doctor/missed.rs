//! Deliveries that were missed.

use crate::app::doctor::{Finding, Verdict};
use serde_json::Value;

/// What the user's totals say of missed deliveries.
pub(super) fn finding(stats: &Value) -> Finding {
    let number = |name: &str| stats["gaps"][name].as_u64().unwrap_or(0);
    let (missed, outstanding) = (number("missed"), number("outstanding"));
    let (lost, unlogged) = (number("unrecoverable"), number("unlogged_seconds"));
    let (verdict, words) = if outstanding > 0 {
        let words = format!("{outstanding} are being recovered (`hookherd gaps`)");
        (Verdict::Warning, words)
    } else if lost > 0 || unlogged > 0 {
        let words = format!(
            "{lost} of {missed} cannot be recovered, and {unlogged} s are in no delivery log, for \
             which runs were listed instead (`hookherd gaps`)"
        );
        (Verdict::Warning, words)
    } else {
        (Verdict::Good, format!("{missed}, all recovered"))
    };
    Finding::new("missed deliveries", verdict, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_lost_or_in_progress_is_a_warning() {
        let of = |gaps: Value| finding(&json!({ "gaps": gaps }));
        let good = of(json!({ "missed": 7, "recovered": 7 }));
        assert_eq!(good.verdict, Verdict::Good);
        for bad in [
            json!({ "missed": 7, "outstanding": 1 }),
            json!({ "missed": 7, "unrecoverable": 1 }),
            json!({ "unlogged_seconds": 5 }),
        ] {
            assert_eq!(of(bad).verdict, Verdict::Warning);
        }
        assert_eq!(finding(&json!({})).verdict, Verdict::Good);
    }
}
