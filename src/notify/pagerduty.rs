//! `PagerDuty`, by its Events API v2:
//! <https://developer.pagerduty.com/docs/events-api-v2/overview/>.
//!
//! All messages about an incident have one key, its id, in all its episodes. So an incident has at
//! most one open alert there, also when the end of an episode was not sent: the next one joins it.
//! Once an alert is resolved, the same key opens another. What has become more severe triggers the
//! open alert again. All texts are shown as plain text.

use super::card::Card;
use super::deliver::{Message, Prepared, Receipt, Unfit, Wish};
use super::escape::unlinked;
use super::outbound::{Outbound, Request};
use super::stored::{Stored, address, entered, sealed, token, unfit};
use super::verdict::{Said, sent};
use crate::domain::incident::Severity;
use crate::domain::notification::NotificationKind;
use crate::domain::sink::DisableReason;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// Characters of an integration key.
const KEY_BYTES: usize = 32;

/// The path of events, as the page of an integration shows it.
const PATH: &str = "/v2/enqueue";

/// The server of an address, which may have the path of events.
fn server(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(PATH).unwrap_or(url)
}

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let (url, destination) = entered(outbound, wish)?;
    if url.contains('?') {
        let why = "expected the address of the service region: https://events.pagerduty.com, or \
                   https://events.eu.pagerduty.com";
        return Err(unfit("url", why));
    }
    let key = token(wish)?;
    let is_key =
        |key: &str| key.len() == KEY_BYTES && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Some(key) = key.filter(|key| is_key(key)) else {
        let why = "expected the integration key of an \"Events API v2\" integration: 32 letters \
                   and digits";
        return Err(unfit("secret", why));
    };
    let secrets = vec![key.to_string()];
    Ok(Stored { url, secrets }.prepared(&destination))
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Critical => "critical",
    }
}

fn payload(message: &Message, card: &Card) -> Value {
    let incident = &message.incident;
    let value_of = |label: &str| {
        let fact = card.facts.iter().find(|fact| fact.label == label)?;
        Some(unlinked(&fact.value))
    };
    let facts = card.facts.iter();
    let details = facts.map(|fact| (fact.label.to_owned(), unlinked(&fact.value).into()));
    let title = unlinked(&card.title);
    let (summary, source) = match value_of("Repository") {
        // A template says what it wants to.
        Some(repository) if message.words.title.is_some() => (title, repository),
        Some(repository) => (format!("{repository}: {title}"), repository),
        None => (title, "Hookherd".to_owned()),
    };
    let mut payload = json!({
        "summary": summary,
        "source": source,
        "severity": severity(incident.severity),
        "timestamp": incident.last_seen_at,
        "custom_details": Value::Object(details.collect::<Map<_, _>>()),
    });
    if let Some(workflow) = value_of("Workflow") {
        payload["component"] = workflow.into();
    }
    payload
}

/// An event. A resolved incident needs its key only.
pub(super) fn request(key: &str, message: &Message) -> Request {
    let action = match message.kind {
        NotificationKind::Opened
        | NotificationKind::Reopened
        | NotificationKind::Flapping
        | NotificationKind::Worse
        | NotificationKind::Reminded
        | NotificationKind::Digest => "trigger",
        NotificationKind::Resolved => "resolve",
    };
    let mut body = json!({
        "routing_key": key,
        "event_action": action,
        "dedup_key": message.incident.id.to_string(),
    });
    if message.kind != NotificationKind::Resolved {
        let card = Card::of(message);
        body["payload"] = payload(message, &card);
        body["client"] = "Hookherd".into();
        if let Some(link) = &card.link {
            body["links"] = json!([{ "href": link, "text": "Open the run" }]);
        }
    }
    Request {
        segments: vec!["v2".to_owned(), "enqueue".to_owned()],
        ..Request::json(Method::POST, &body)
    }
}

/// What an answer means: 202 is usual. A wrong key is an invalid event, too.
fn receipt(said: &Said) -> Receipt {
    let names_the_key = || {
        let body = String::from_utf8_lossy(&said.body).to_ascii_lowercase();
        body.contains("routing_key") || body.contains("routing key")
    };
    match said.status {
        400 if names_the_key() => said.refused(DisableReason::Refused),
        400 | 413 => said.rejected(),
        _ => said.usual(),
    }
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    let stored = match Stored::read(plain) {
        Ok(stored) => stored,
        Err(receipt) => return receipt,
    };
    let to = match address(outbound, server(&stored.url)) {
        Ok(to) => to,
        Err(receipt) => return receipt,
    };
    let Some(key) = stored.secrets.first() else {
        return sealed();
    };
    let request = request(key, message);
    sent(outbound, &to, &stored, request, receipt).await
}

#[cfg(test)]
mod tests {
    use super::super::tests::samples::{closed, message};
    use super::super::verdict::tests::{name, said};
    use super::*;

    const KEY: &str = "0123456789abcdefABCDEF0123456789";

    #[test]
    fn each_answer_of_pagerduty_has_a_receipt() {
        const WRONG_KEY: &str = r#"{"status":"invalid event","errors":
            ["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
        for (status, body, expected) in [
            (
                202,
                r#"{"status":"success","dedup_key":"inc_1"}"#,
                "accepted",
            ),
            (
                400,
                r#"{"errors":["'payload.severity' is invalid"]}"#,
                "rejected",
            ),
            (400, WRONG_KEY, "refused: refused"),
            (400, "Invalid routing key", "refused: refused"),
            (403, "", "refused: refused"),
            (404, "", "refused: not_found"),
            (413, "", "rejected"),
            (429, "", "later: Some(7s)"),
            (500, "", "later: None"),
            (503, "", "later: Some(7s)"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    #[test]
    fn the_address_is_that_of_a_region_and_the_key_has_32_characters() {
        let entered = |url: &str, secret: Option<&str>| {
            let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
            prepare(&closed(), &Wish { url, secret })
        };
        for url in [
            "https://events.pagerduty.com",
            "https://events.eu.pagerduty.com/",
            "https://events.eu.pagerduty.com/v2/enqueue",
        ] {
            let prepared = entered(url, Some(KEY)).unwrap();
            assert!(prepared.host.ends_with(".pagerduty.com"));
            assert!(prepared.generated.is_none());
        }
        let events = "https://events.pagerduty.com";
        let long = format!("{KEY}0");
        for (url, secret, field) in [
            (events, None, "secret"),
            (events, Some("e+kd5BWM-NCknhB3XnYg"), "secret"),
            (events, Some("0123456789abcdef-BCDEF0123456789"), "secret"),
            (events, Some(long.as_str()), "secret"),
            ("https://events.pagerduty.com/?key=A", Some(KEY), "url"),
            ("", Some(KEY), "url"),
        ] {
            assert_eq!(entered(url, secret).unwrap_err().field, field, "{url}");
        }
    }

    #[test]
    fn an_address_may_have_the_path_of_events() {
        for url in [
            "https://e.example",
            "https://e.example/",
            "https://e.example/v2/enqueue/",
        ] {
            assert_eq!(server(url), "https://e.example");
        }
        assert_eq!(
            server("https://e.example/sub/v2/enqueue"),
            "https://e.example/sub"
        );
    }

    /// One incident is one alert, whatever happens to it.
    #[test]
    fn every_message_about_an_incident_has_one_key_and_its_action() {
        let mut bodies = NotificationKind::ALL.map(|kind| {
            let of = message();
            let episode = of.episode + 1;
            let request = request(
                KEY,
                &Message {
                    kind,
                    episode,
                    ..of
                },
            );
            serde_json::from_slice::<Value>(&request.body).unwrap()
        });
        bodies.sort_by_key(|body| body["event_action"].to_string());
        let actions: Vec<_> = bodies
            .iter()
            .map(|it| it["event_action"].as_str().unwrap())
            .collect();
        let (first, rest) = actions.split_first().unwrap();
        assert_eq!(*first, "resolve");
        assert!(
            rest.len() == NotificationKind::ALL.len() - 1
                && rest.iter().all(|action| *action == "trigger")
        );
        assert!(
            bodies
                .iter()
                .all(|body| body["dedup_key"] == bodies[0]["dedup_key"])
        );
        assert_eq!(bodies[0].as_object().unwrap().len(), 3, "{}", bodies[0]);
    }

    #[test]
    fn each_severity_is_one_of_pagerduty() {
        let names = Severity::ALL.map(severity);
        assert_eq!(names, ["warning", "error", "critical"]);
    }
}
