//! The identity of alerts, their ends, and what Alertmanager answers.

use super::super::tests::samples::{closed, message, resolved};
use super::super::verdict::tests::{name as receipt_name, said};
use super::*;
use crate::domain::incident::{IncidentStatus, Severity};
use crate::notify::Words;

fn alerts(request: &Request) -> Vec<Value> {
    serde_json::from_slice(&request.body).unwrap()
}

fn opened() -> (Vec<Value>, String) {
    let (request, stored) = request(&message());
    (alerts(&request), stored)
}

/// A later message, after what is stored.
fn later(kind: NotificationKind, stored: &str, change: impl FnOnce(&mut Incident)) -> Message {
    let mut of = message();
    change(&mut of.incident);
    Message {
        kind,
        shown_as: Some(stored.to_owned()),
        at: of.at.plus(Duration::from_mins(10)),
        expires_at: of.expires_at.plus(Duration::from_mins(10)),
        ..of
    }
}

fn worse(incident: &mut Incident) {
    incident.severity = Severity::Critical;
}

#[test]
fn each_answer_of_alertmanager_has_a_receipt() {
    for (status, body, expected) in [
        (200, "", "accepted"),
        (400, r#""start time must be before end time""#, "rejected"),
        (401, "", "refused: refused"),
        (403, "", "refused: refused"),
        (404, "", "refused: not_found"),
        (413, "", "rejected"),
        (422, r#"{"code":601}"#, "rejected"),
        (429, "", "later: Some(7s)"),
        (500, "", "later: None"),
        (503, "", "later: Some(7s)"),
    ] {
        let found = receipt_name(&receipt(&said(status, body)));
        assert_eq!(found, expected, "{status} {body}");
    }
}

#[test]
fn the_address_is_that_of_the_server_and_a_key_is_a_token_or_a_user_and_a_password() {
    let entered = |url: &str, secret: Option<&str>| {
        let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
        prepare(&closed(), &Wish { url, secret })
    };
    for (secret, header) in [
        (None, None),
        (Some("e.y.J"), Some("Bearer e.y.J")),
        (Some("ann:pass:word"), Some("Basic YW5uOnBhc3M6d29yZA==")),
    ] {
        let prepared = entered("https://prom.example/alertmanager/", secret).unwrap();
        assert_eq!(prepared.host, "prom.example");
        let stored = Stored::read(&prepared.plain).ok().unwrap();
        let found = authorization(&stored.secrets).unwrap();
        assert!(found.iter().all(HeaderValue::is_sensitive));
        let found = found.as_ref().map(|value| value.to_str().unwrap());
        assert_eq!(found, header);
    }
    for (url, secret, field) in [
        ("https://prom.example/api/v2/alerts", None, "url"),
        ("https://prom.example/?x=1", None, "url"),
        ("https://prom.example", Some("a b"), "secret"),
        ("", None, "url"),
    ] {
        assert_eq!(entered(url, secret).unwrap_err().field, field, "{url}");
    }
}

#[test]
fn an_alert_lasts_until_it_expires_and_its_end_is_one_of_the_same_labels() {
    let (opened, stored) = opened();
    assert_eq!(opened[0]["endsAt"], json!(message().expires_at));
    let message = Message {
        shown_as: Some(stored),
        ..resolved()
    };
    let (request, stored) = request(&message);
    let end = alerts(&request);
    assert_eq!((opened.len(), end.len()), (1, 1));
    for same in ["labels", "startsAt"] {
        assert_eq!(opened[0][same], end[0][same]);
    }
    assert_eq!(end[0]["endsAt"], json!(ended(message.at)));
    let stored: Alert = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored.ends_at, Some(ended(message.at).0));
}

#[test]
fn what_gets_more_severe_is_another_alert_and_the_former_ends_with_it() {
    let (was, stored) = opened();
    let message = later(NotificationKind::Worse, &stored, worse);
    let (request, stored) = request(&message);
    let now = alerts(&request);
    assert_eq!(now.len(), 2);
    assert_eq!(now[0]["labels"]["severity"], "critical");
    assert_eq!(now[0]["endsAt"], json!(message.expires_at));
    assert_eq!(now[0]["startsAt"], was[0]["startsAt"]);
    assert_eq!(now[1]["labels"], was[0]["labels"]);
    assert_eq!(now[1]["endsAt"], json!(ended(message.at)));
    // The end is that of the alert that is left.
    let message = later(NotificationKind::Resolved, &stored, worse);
    let (request, _) = super::request(&message);
    let end = alerts(&request);
    assert_eq!(end.len(), 1);
    assert_eq!(end[0]["labels"], now[0]["labels"]);
}

/// A repository, a workflow, a severity that falls: no alert is left behind.
#[test]
fn an_alert_keeps_its_labels_whatever_its_incident_is_called_by_then() {
    let (was, stored) = opened();
    let renamed = |incident: &mut Incident| {
        incident.repository = "octo/renamed".parse().ok();
        incident.severity = Severity::Warning;
        let ci = incident.ci.as_mut().unwrap();
        ci.workflow_name = "other".to_owned();
    };
    let message = later(NotificationKind::Resolved, &stored, renamed);
    let end = alerts(&request(&message).0);
    assert_eq!((end.len(), &end[0]["labels"]), (1, &was[0]["labels"]));
    let again = Lasting {
        incident: message.incident.clone(),
        explained: None,
        is_resolved: false,
        shown_as: Some(stored.clone()),
        words: Words::default(),
    };
    let beat = alerts(&request_again(&[again], message.expires_at).unwrap());
    assert_eq!(beat[0]["labels"], was[0]["labels"]);
    assert_eq!(beat[0]["endsAt"], json!(message.expires_at));
    let text = beat[0]["annotations"]["description"].as_str().unwrap();
    assert!(text.contains("Severity: warning"), "{text}");
    // News brings the new names, and ends what had the old ones.
    let message = later(NotificationKind::Reopened, &stored, renamed);
    let news = alerts(&request(&message).0);
    assert_eq!(news[0]["labels"]["repository"], "octo/renamed");
    assert_eq!(news[1]["labels"], was[0]["labels"]);
}

#[test]
fn what_opens_again_starts_anew_and_ends_nothing_that_has_ended() {
    let (_, stored) = opened();
    let end = later(NotificationKind::Resolved, &stored, |_| ());
    let (_, stored) = request(&end);
    let message = later(NotificationKind::Reopened, &stored, worse);
    let (request, stored) = request(&message);
    let alerts = alerts(&request);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["startsAt"], json!(message.incident.last_seen_at));
    let stored: Alert = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored.ends_at, None);
}

#[test]
fn a_heartbeat_sends_what_lasts_and_what_ended_and_nothing_that_is_not_known_to_have() {
    let (_, open) = opened();
    let end = later(NotificationKind::Resolved, &open, |_| ());
    let (_, ended) = request(&end);
    let at = message().expires_at.plus(Duration::from_mins(30));
    let again = |is_resolved: bool, shown_as: Option<&String>| Lasting {
        incident: message().incident,
        explained: message().explained,
        is_resolved,
        shown_as: shown_as.cloned(),
        words: Words::default(),
    };
    let all = [
        again(false, Some(&open)),
        again(true, Some(&ended)),
        // An answer was lost: it may be there.
        again(false, None),
        again(true, None),
        // What is stored contradicts itself.
        again(true, Some(&open)),
        again(false, Some(&ended)),
    ];
    let request = request_again(&all, at).unwrap();
    assert_eq!(request.segments.join("/"), "api/v2/alerts");
    let alerts = alerts(&request);
    let ends: Vec<_> = alerts.iter().map(|alert| &alert["endsAt"]).collect();
    assert_eq!(ends, [&json!(at), &json!(super::ended(end.at)), &json!(at)]);
    assert!(request_again(&all[3..], at).is_none());
}

/// Wrong clocks, here or at the provider: an alert that ends before it starts would be refused.
#[test]
fn no_alert_ends_before_it_starts() {
    let begun = message().at.plus(Duration::from_hours(5));
    let mut message = message();
    message.incident.first_seen_at = begun;
    message.incident.last_seen_at = begun;
    let mut stored = None;
    for kind in NotificationKind::ALL {
        let shown_as = stored.take();
        let (request, now) = request(&Message {
            kind,
            shown_as,
            ..message.clone()
        });
        stored = Some(now);
        for alert in alerts(&request) {
            // The form is of a fixed width.
            let (start, end) = (alert["startsAt"].as_str(), alert["endsAt"].as_str());
            assert!(start.unwrap() <= end.unwrap(), "{alert}");
        }
    }
}

#[test]
fn a_page_that_alertmanager_could_not_read_is_left_out() {
    let with = |url: &str| {
        let mut message = message();
        message.incident.ci.as_mut().unwrap().url = Some(url.to_owned());
        alerts(&request(&message).0)[0]["generatorURL"].clone()
    };
    let url = "https://github.com/octo/app/actions/runs/1?x=%20%C3";
    assert_eq!(with(url), url);
    for url in [
        "https://h.example/%zz",
        "https://h.example/%2",
        "javascript:x",
    ] {
        assert_eq!(with(url), Value::Null, "{url}");
    }
}

#[test]
fn alerts_are_named_by_what_has_failed() {
    let mut incident = message().incident;
    assert_eq!(name(&incident), "HookherdCiFailed");
    incident.ci = None;
    assert_eq!(name(&incident), "HookherdWebhookFailed");
    assert_eq!(incident.status, IncidentStatus::Open);
    let card = Card::about(NotificationKind::Opened, &incident, None);
    let names: Vec<String> = labels(&incident, &card).into_keys().collect();
    assert_eq!(names, ["alertname", "incident", "repository", "severity"]);
}
