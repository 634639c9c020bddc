//! What each credential may do, how long, and whether its provider answers to it.

use super::token::{End, end};
use crate::app::doctor::{Finding, Verdict};
use crate::cli::address::query;
use crate::cli::client::Client;
use crate::cli::failed::Failed;
use crate::cli::output::text_of;
use serde_json::Value;
use time::OffsetDateTime;

/// A classic token of GitHub's with one of these can manage all webhooks of a repository; see
/// `docs/github.md`.
const GITHUB: [&str; 2] = ["admin:repo_hook", "repo"];
/// One with this can do so in public repositories.
const GITHUB_PUBLIC: &str = "public_repo";
/// One with this can make webhooks, and not delete them.
const GITHUB_HALF: &str = "write:repo_hook";
/// Nothing less will do for GitLab; see `docs/gitlab.md`.
const GITLAB: &str = "api";
/// The right of a GitHub App's installation.
const APP: &str = "repository_hooks:write";

/// What was found of the credentials of the user.
pub(super) fn findings(client: &Client) -> Result<Vec<Finding>, Failed> {
    let all = client.every("credentials", "items", &[])?;
    if all.is_empty() {
        let words = "none stored; see `hookherd credential add`";
        return Ok(vec![Finding::new("credentials", Verdict::Warning, words)]);
    }
    let now = OffsetDateTime::now_utc();
    let mut findings: Vec<Finding> = all
        .iter()
        .map(|one| {
            let (login, host) = (text_of(one, "/account/login"), text_of(one, "/host"));
            let provider = text_of(one, "/provider");
            let (verdict, words) = judge(one, &all, now);
            let what = format!("credential of {login} at {host} ({provider})");
            Finding::new(what, verdict, words)
        })
        .collect();
    findings.extend(all.iter().filter_map(paced));
    let mut asked = Vec::new();
    for one in &all {
        let (provider, host) = (text_of(one, "/provider"), text_of(one, "/host"));
        if asked.contains(&(provider, host)) {
            continue;
        }
        asked.push((provider, host));
        let query = query(&[("limit", Some("1")), ("host", Some(host))]);
        let (verdict, words) = match client.get(&format!("repositories/{provider}{query}")) {
            Ok(_) => (Verdict::Good, "reachable from the daemon".to_owned()),
            Err(why) => (Verdict::Bad, why.to_string()),
        };
        let what = format!("daemon and {provider} at {host}");
        findings.push(Finding::new(what, verdict, words));
    }
    Ok(findings)
}

/// How a credential is, among all of the same user.
fn judge(one: &Value, all: &[Value], now: OffsetDateTime) -> (Verdict, String) {
    let is_alive = |c: &Value| c["rejected_because"].is_null();
    let is_of_same = |c: &&Value| c["provider"] == one["provider"] && c["host"] == one["host"];
    if let Some(why) = one["rejected_because"].as_str() {
        let words = format!("it no longer works ({why}): sign in again or add a new token");
        return if all.iter().filter(is_of_same).any(is_alive) {
            let words = format!("{words}; another of your credentials works there");
            (Verdict::Warning, words)
        } else {
            (Verdict::Bad, words)
        };
    }
    let (rights, may) = rights(one);
    let is_renewed = one["is_renewed"] == true;
    let (life, lasts) = match end(one, "/expires_at", now) {
        _ if is_renewed => (Verdict::Good, "it is refreshed automatically".to_owned()),
        End::Never => (Verdict::Good, "its expiry is unknown".to_owned()),
        End::Later(when) => (Verdict::Good, format!("it expires {when}")),
        End::Soon(when) => (
            Verdict::Warning,
            format!("it expires {when} and is not refreshed: sign in again, or add a new token"),
        ),
        End::Past(when) => (
            Verdict::Bad,
            format!("it expired {when} and was not refreshed: sign in again, or add a new token"),
        ),
    };
    (rights.max(life), format!("works; {may}; {lasts}"))
}

/// That regular work is done more seldom than configured, because it does not fit what the provider
/// allows a credential.
fn paced(one: &Value) -> Option<Finding> {
    let pace = &one["pace"];
    if pace["is_stretched"] != true {
        return None;
    }
    let mut parts = Vec::new();
    for (name, word) in [
        ("check", "checks"),
        ("ping", "pings"),
        ("reconcile", "reconciles"),
    ] {
        let seconds = |of: &str| pace[format!("{name}_interval_{of}")].as_u64();
        if let (Some(found), Some(wanted)) = (seconds("seconds"), seconds("wanted_seconds"))
            && found > wanted
        {
            parts.push(format!(
                "{word} every {} instead of {}",
                span(found),
                span(wanted)
            ));
        }
    }
    let what = format!(
        "pace of {} at {}",
        text_of(one, "/account/login"),
        text_of(one, "/host")
    );
    let words = format!(
        "{} connections use this credential, more than its provider's limits allow at the \
         configured intervals: {}. Share the connections among credentials of several accounts, or \
         configure longer intervals",
        pace["connections"],
        parts.join(", ")
    );
    Some(Finding::new(what, Verdict::Warning, words))
}

/// A time in hours and minutes, rounded up.
fn span(seconds: u64) -> String {
    match seconds.div_ceil(60) {
        minutes if minutes < 60 => format!("{minutes} min"),
        minutes if minutes.is_multiple_of(60) => format!("{} h", minutes / 60),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// What a credential may do, by its provider's own scopes.
fn rights(credential: &Value) -> (Verdict, String) {
    let scopes = credential["scopes"].as_array();
    let scopes = scopes.map_or(&[][..], Vec::as_slice);
    let has = |scope: &str| scopes.iter().any(|given| given == scope);
    let good = |words: &str| (Verdict::Good, words.to_owned());
    let given: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
    let given = given.join(", ");
    let lacks = |needed: &str| {
        let words = format!("it needs the scope {needed}, and has {given}");
        (Verdict::Bad, words)
    };
    match (
        text_of(credential, "/kind"),
        text_of(credential, "/provider"),
    ) {
        ("app", _) if scopes.is_empty() || has(APP) => good("an installation of the App"),
        ("app", _) => {
            let words = "the installation may not manage webhooks: give the App the permission \
                         Webhooks, read and write, and accept it where it is installed";
            (Verdict::Bad, words.to_owned())
        }
        (_, "gitlab") if scopes.is_empty() => good("GitLab does not report its scopes"),
        (_, "gitlab") if has(GITLAB) => (Verdict::Good, format!("scopes {given}")),
        (_, "gitlab") => lacks(GITLAB),
        _ if scopes.is_empty() => good("it reports no scopes, as fine-grained tokens do"),
        _ if GITHUB.iter().any(|scope| has(scope)) => (Verdict::Good, format!("scopes {given}")),
        _ if has(GITHUB_PUBLIC) => {
            let words = format!("scopes {given}, sufficient for public repositories only");
            (Verdict::Warning, words)
        }
        _ if has(GITHUB_HALF) => {
            let words = format!(
                "{GITHUB_HALF} allows creating webhooks, but not deleting them: it needs the \
                 scope admin:repo_hook"
            );
            (Verdict::Bad, words)
        }
        _ => lacks("admin:repo_hook"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::format_description::well_known::Rfc3339;

    #[test]
    fn scopes_are_judged_by_their_provider() {
        for (provider, kind, scopes, verdict, part) in [
            (
                "github",
                "token",
                &["repo"][..],
                Verdict::Good,
                "scopes repo",
            ),
            (
                "github",
                "token",
                &["api"],
                Verdict::Bad,
                "admin:repo_hook, and has api",
            ),
            (
                "github",
                "token",
                &["write:repo_hook"],
                Verdict::Bad,
                "not deleting",
            ),
            (
                "github",
                "token",
                &["public_repo"],
                Verdict::Warning,
                "public",
            ),
            ("gitlab", "token", &["api"], Verdict::Good, "scopes api"),
            (
                "gitlab",
                "token",
                &["read_api", "read_user"],
                Verdict::Bad,
                "scope api, and has read",
            ),
            ("gitlab", "oauth", &["repo"], Verdict::Bad, "scope api"),
            ("gitlab", "oauth", &[], Verdict::Good, "does not report"),
            ("github", "token", &[], Verdict::Good, "fine-grained"),
            (
                "github",
                "app",
                &["metadata:read"],
                Verdict::Bad,
                "Webhooks",
            ),
            (
                "github",
                "app",
                &["repository_hooks:write"],
                Verdict::Good,
                "App",
            ),
        ] {
            let credential = json!({"provider": provider, "kind": kind, "scopes": scopes});
            let (found, words) = rights(&credential);
            assert_eq!(found, verdict, "{credential}");
            assert!(words.contains(part), "{credential}: {words}");
        }
    }

    #[test]
    fn what_is_stretched_is_said_with_figures_and_nothing_else() {
        let pace = |is_stretched: bool| {
            json!({
                "account": {"login": "octo"}, "host": "github.com", "pace": {
                    "connections": 10_000, "is_stretched": is_stretched,
                    "check_interval_seconds": 36_000, "check_interval_wanted_seconds": 1800,
                    "ping_interval_seconds": 21_600, "ping_interval_wanted_seconds": 21_600,
                    "reconcile_interval_seconds": 48_000,
                    "reconcile_interval_wanted_seconds": 21_600,
                },
            })
        };
        assert_eq!(paced(&pace(false)), None);
        assert_eq!(paced(&json!({})), None, "an older daemon");
        let found = paced(&pace(true)).unwrap();
        assert_eq!(found.verdict, Verdict::Warning);
        assert!(found.what.contains("octo at github.com"));
        let said =
            "checks every 10 h instead of 30 min, reconciles every 13 h 20 min instead of 6 h";
        assert!(found.words.contains(said), "{}", found.words);
        assert!(found.words.starts_with("10000 connections"));
    }

    #[test]
    fn a_dead_credential_is_worse_when_no_other_works_at_the_same_host() {
        let now = OffsetDateTime::parse("2026-11-28T12:00:00Z", &Rfc3339).unwrap();
        let one = |host: &str, rejected: Value, expires: Value| {
            json!({
                "provider": "gitlab", "host": host, "scopes": ["api"], "kind": "oauth",
                "rejected_because": rejected, "expires_at": expires, "is_renewed": false,
            })
        };
        let dead = one("a", json!("revoked"), Value::Null);
        let elsewhere = one("b", Value::Null, Value::Null);
        let beside = one("a", Value::Null, Value::Null);
        let alone = [dead.clone(), elsewhere];
        assert_eq!(judge(&dead, &alone, now).0, Verdict::Bad);
        let both = [dead.clone(), beside];
        assert_eq!(judge(&dead, &both, now).0, Verdict::Warning);
        for (ends, verdict) in [
            ("2026-11-28T11:00:00.000Z", Verdict::Bad),
            ("2026-12-01T12:00:00.000Z", Verdict::Warning),
            ("2027-12-01T12:00:00.000Z", Verdict::Good),
        ] {
            let ending = one("a", Value::Null, json!(ends));
            assert_eq!(judge(&ending, &[], now).0, verdict, "{ends}");
            let mut renewed = ending;
            renewed["is_renewed"] = json!(true);
            assert_eq!(judge(&renewed, &[], now).0, Verdict::Good, "{ends}");
        }
    }
}
