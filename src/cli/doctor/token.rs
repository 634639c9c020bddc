//! The API token that the daemon is asked with, and when a token ends.

use crate::app::doctor::{Finding, Verdict};
use crate::cli::client::Client;
use crate::cli::failed::Failed;
use crate::cli::output::{from_now, text_of};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// How long before its end a token is spoken of.
const SOON: Duration = Duration::days(14);

/// How an end looks from now.
pub(super) enum End {
    /// There is none.
    Never,
    /// It has come.
    Past(String),
    /// It is near.
    Soon(String),
    /// It is far.
    Later(String),
}

/// When a field says that it expires.
pub(super) fn end(value: &Value, pointer: &str, now: OffsetDateTime) -> End {
    let expires = text_of(value, pointer);
    let Ok(at) = OffsetDateTime::parse(expires, &Rfc3339) else {
        return End::Never;
    };
    let words = format!("on {} ({})", at.date(), from_now(expires, now));
    if at <= now {
        End::Past(words)
    } else if at - now <= SOON {
        End::Soon(words)
    } else {
        End::Later(words)
    }
}

/// Whether the token that was used ends soon.
pub(super) fn findings(client: &Client) -> Result<Vec<Finding>, Failed> {
    let all = client.every("tokens", "items", &[])?;
    let current = all.iter().find(|token| token["is_current"] == true);
    // The one in the daemon's configuration is in no list, and has no end.
    let Some(token) = current else {
        return Ok(Vec::new());
    };
    let (verdict, words) = match end(token, "/expires_at", OffsetDateTime::now_utc()) {
        End::Never => (Verdict::Good, "it does not expire".to_owned()),
        End::Later(when) => (Verdict::Good, format!("it expires {when}")),
        End::Soon(when) | End::Past(when) => {
            let words = format!("it expires {when}: create another with `hookherd token create`");
            (Verdict::Warning, words)
        }
    };
    Ok(vec![Finding::new("API token", verdict, words)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_end_is_told_when_it_is_near_or_past() {
        let now = OffsetDateTime::parse("2026-11-28T12:00:00Z", &Rfc3339).unwrap();
        let look = |at: Value| match end(&json!({ "at": at }), "/at", now) {
            End::Never => "never".to_owned(),
            End::Past(words) => format!("past {words}"),
            End::Soon(words) => format!("soon {words}"),
            End::Later(words) => format!("later {words}"),
        };
        assert_eq!(look(Value::Null), "never");
        let past = "past on 2026-11-27 (1 d ago)";
        assert_eq!(look(json!("2026-11-27T12:00:00.000Z")), past);
        assert_eq!(
            look(json!("2026-11-28T12:00:00.000Z")),
            "past on 2026-11-28 (0 s ago)"
        );
        assert_eq!(
            look(json!("2026-12-12T12:00:00.000Z")),
            "soon on 2026-12-12 (in 14 d)"
        );
        assert_eq!(
            look(json!("2026-12-12T12:00:00.001Z")),
            "later on 2026-12-12 (in 14 d)"
        );
    }
}
