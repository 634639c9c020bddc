//! Each kind of sink over a real connection: where it calls, with which key, and how often.

use super::samples::{closed, message, resolved};
use super::server::Server;
use super::*;
use crate::domain::id::Entropy;
use crate::domain::sink::{DisableReason, SinkKind};

pub(super) struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Prepares a sink at this server and sends it a message. Returns the receipt and the requests.
async fn sent(
    server: &Server,
    kind: SinkKind,
    path: &str,
    secret: Option<&str>,
    message: &Message,
) -> (Receipt, Vec<String>) {
    let allowed = list(&[&format!("127.0.0.1:{}", server.port())]);
    let sinks = Sinks::new(outbound(&allowed, &Arc::new(Zone::default())));
    let wish = Wish {
        url: Some(format!("http://127.0.0.1:{}{path}", server.port())),
        secret: secret.map(str::to_owned),
    };
    let prepared = sinks.prepare(kind, &wish, &Fixed).unwrap();
    assert!(prepared.generated.is_none(), "{}", kind.as_str());
    let plain = prepared.plain;
    let receipt = sinks.deliver(&Target { kind, plain }, message).await;
    (receipt, server.seen())
}

fn first_line(request: &str) -> &str {
    request.lines().next().unwrap()
}

#[tokio::test]
async fn slack_mattermost_and_teams_are_called_at_their_address_as_it_is() {
    for (kind, path) in [
        (SinkKind::Slack, "/services/T0/B0/canary"),
        (SinkKind::Mattermost, "/hooks/canary"),
        (
            SinkKind::Teams,
            "/workflows/x/run?api-version=1&sp=%2Ftriggers&sig=a_b-c",
        ),
    ] {
        let server = Server::answering(200, "", "ok").await;
        let (receipt, seen) = sent(&server, kind, path, None, &message()).await;
        assert_eq!(receipt, Receipt::Accepted { message: None });
        assert_eq!(first_line(&seen[0]), format!("POST {path} HTTP/1.1"));
        assert!(
            seen[0].contains("content-type: application/json\r\n"),
            "{}",
            seen[0]
        );
    }
}

#[tokio::test]
async fn ntfy_is_called_at_its_root_with_the_token_and_the_topic_stays_hidden() {
    let server = Server::answering(401, "", "no access to canary-topic with tk_canary").await;
    let (path, secret) = ("/canary-topic", Some("tk_canary"));
    let (receipt, seen) = sent(&server, SinkKind::Ntfy, path, secret, &message()).await;
    assert_eq!(first_line(&seen[0]), "POST / HTTP/1.1");
    assert!(
        seen[0].contains("authorization: Bearer tk_canary\r\n"),
        "{}",
        seen[0]
    );
    assert!(
        seen[0].contains("\"topic\":\"canary-topic\""),
        "{}",
        seen[0]
    );
    let why = "It answered 401: no access to (hidden) with (hidden)".to_owned();
    let reason = DisableReason::Refused;
    assert_eq!(receipt, Receipt::Refused { reason, why });
    let (_, seen) = sent(&server, SinkKind::Ntfy, path, None, &message()).await;
    assert!(!seen[1].contains("authorization"), "{}", seen[1]);
}

#[tokio::test]
async fn gotify_is_called_below_its_server_with_the_key_in_a_header() {
    let server = Server::answering(200, "", "{\"id\":1}").await;
    for path in ["", "/", "/sub/"] {
        let key = Some("A.canary");
        let (receipt, seen) = sent(&server, SinkKind::Gotify, path, key, &message()).await;
        assert_eq!(receipt, Receipt::Accepted { message: None });
        let called = seen.last().unwrap();
        let at = format!("{}/message", path.trim_end_matches('/'));
        assert_eq!(first_line(called), format!("POST {at} HTTP/1.1"));
        assert!(called.contains("x-gotify-key: A.canary\r\n"), "{called}");
    }
}

#[tokio::test]
async fn pagerduty_is_called_at_its_path_and_its_key_stays_hidden() {
    const KEY: &str = "R0canary000000000000000000000000";
    let text = format!("{{\"errors\":[\"no routing_key {KEY}\"]}}");
    let server = Server::answering(400, "", &text).await;
    for path in ["", "/", "/v2/enqueue"] {
        let kind = SinkKind::Pagerduty;
        let (receipt, seen) = sent(&server, kind, path, Some(KEY), &message()).await;
        let called = seen.last().unwrap();
        assert_eq!(first_line(called), "POST /v2/enqueue HTTP/1.1");
        let key = format!("\"routing_key\":\"{KEY}\"");
        assert!(called.contains(&key), "{called}");
        let Receipt::Refused { reason, why } = receipt else {
            panic!("{receipt:?}");
        };
        assert_eq!(reason, DisableReason::Refused);
        assert!(why.contains("no routing_key (hidden)"), "{why}");
    }
}

#[tokio::test]
async fn alertmanager_is_called_below_its_path_and_says_what_it_was_sent() {
    let server = Server::answering(200, "", "").await;
    let kind = SinkKind::Alertmanager;
    for path in ["", "/", "/prom/am/"] {
        let key = Some("ann:canary");
        let (receipt, seen) = sent(&server, kind, path, key, &message()).await;
        let Receipt::Accepted {
            message: Some(alert),
        } = receipt
        else {
            panic!("{receipt:?}");
        };
        assert!(alert.contains("\"repository\":\"octo/app\""), "{alert}");
        let called = seen.last().unwrap();
        let at = format!("{}/api/v2/alerts", path.trim_end_matches('/'));
        assert_eq!(first_line(called), format!("POST {at} HTTP/1.1"));
        let header = "authorization: Basic YW5uOmNhbmFyeQ==\r\n";
        assert!(called.contains(header), "{called}");
    }
    let (_, seen) = sent(&server, kind, "", None, &message()).await;
    assert!(!seen.last().unwrap().contains("authorization"));
}

#[tokio::test]
async fn alertmanager_is_sent_again_what_lasts_in_one_request_of_a_bounded_size() {
    let server = Server::answering(200, "", "").await;
    let allowed = list(&[&format!("127.0.0.1:{}", server.port())]);
    let sinks = Sinks::new(outbound(&allowed, &Arc::new(Zone::default())));
    let wish = Wish {
        url: Some(format!("http://127.0.0.1:{}", server.port())),
        secret: None,
    };
    let kind = SinkKind::Alertmanager;
    let plain = sinks.prepare(kind, &wish, &Fixed).unwrap().plain;
    let mut long = message();
    let text = "\u{7}\"<@:.x".repeat(1000);
    text.clone_into(&mut long.incident.title);
    let ci = long.incident.ci.as_mut().unwrap();
    ci.commit_message = Some(text.clone());
    ci.branch = Some(text.clone());
    text.clone_into(&mut ci.workflow_name);
    let lasting = Lasting {
        incident: long.incident,
        explained: long.explained,
        is_resolved: false,
        shown_as: None,
        words: Words::default(),
    };
    let all = vec![lasting; 100];
    let expires_at = message().expires_at;
    let receipt = sinks
        .repeat(&Target { kind, plain }, &all, expires_at)
        .await;
    assert_eq!(receipt, Receipt::Accepted { message: None });
    let seen = server.seen();
    assert_eq!((seen.len(), seen[0].matches("endsAt").count()), (1, 100));
    assert!(seen[0].len() < 500_000, "{}", seen[0].len());
}

#[tokio::test]
async fn discord_changes_its_message_and_a_short_new_one_is_seen() {
    let server = Server::answering(200, "", "{\"id\":\"77\"}").await;
    let path = "/api/webhooks/1/canary?thread_id=5";
    let (receipt, seen) = sent(&server, SinkKind::Discord, path, None, &message()).await;
    assert_eq!(
        receipt,
        Receipt::Accepted {
            message: Some("77".to_owned())
        }
    );
    let new = "POST /api/webhooks/1/canary?thread_id=5&wait=true HTTP/1.1";
    assert_eq!(first_line(&seen[0]), new);
    let (receipt, seen) = sent(&server, SinkKind::Discord, path, None, &resolved()).await;
    // Later changes are of the first one.
    assert_eq!(
        receipt,
        Receipt::Accepted {
            message: Some("1234".to_owned())
        }
    );
    let change = "PATCH /api/webhooks/1/canary/messages/1234?thread_id=5 HTTP/1.1";
    assert_eq!([first_line(&seen[1]), first_line(&seen[2])], [change, new]);
    assert!(
        seen[1].contains("Severity") && !seen[2].contains("Severity"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn discord_gets_a_whole_message_where_the_first_one_was_deleted() {
    let unknown = "{\"message\":\"Unknown Message\",\"code\":10008}";
    let server = Server::answering(404, "", unknown).await;
    let path = "/api/webhooks/1/canary";
    let (receipt, seen) = sent(&server, SinkKind::Discord, path, None, &resolved()).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(
        seen[1].starts_with("POST ") && seen[1].contains("Severity"),
        "{seen:?}"
    );
    assert!(matches!(receipt, Receipt::Disabled { .. }), "{receipt:?}");
    // A webhook that is gone is not called a second time.
    let gone = Server::answering(404, "", "{\"code\":10015}").await;
    let (receipt, seen) = sent(&gone, SinkKind::Discord, path, None, &resolved()).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    let Receipt::Disabled { reason, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert_eq!(reason, DisableReason::NotFound);
}

#[tokio::test]
async fn an_id_that_discord_cannot_have_given_is_not_called() {
    let server = Server::answering(200, "", "{\"id\":\"77\"}").await;
    let strange = Message {
        shown_as: Some("../../other".to_owned()),
        ..resolved()
    };
    let path = "/api/webhooks/1/canary";
    let (_, seen) = sent(&server, SinkKind::Discord, path, None, &strange).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(
        seen[0].starts_with("POST /api/webhooks/1/canary?wait=true "),
        "{seen:?}"
    );
}

#[test]
fn a_key_is_refused_where_the_address_is_all_there_is() {
    let sinks = Sinks::new(closed());
    let wish = |secret: Option<&str>| Wish {
        url: Some("https://hooks.example/canary".to_owned()),
        secret: secret.map(str::to_owned),
    };
    for kind in [
        SinkKind::Slack,
        SinkKind::Mattermost,
        SinkKind::Discord,
        SinkKind::Teams,
    ] {
        let prepared = sinks.prepare(kind, &wish(None), &Fixed).unwrap();
        assert_eq!(
            (prepared.host.as_str(), prepared.generated),
            ("hooks.example", None)
        );
        let why = sinks.prepare(kind, &wish(Some("key")), &Fixed).unwrap_err();
        assert_eq!(why.field, "secret");
        assert!(why.to_string().contains("has no key"), "{why}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_called_disables_a_sink_of_any_kind() {
    let sinks = Sinks::new(closed());
    for kind in SinkKind::ALL {
        let (inside, secrets) = match kind {
            SinkKind::Email => ("smtps://a@b.example@10.0.0.1?to=a@b.example", r#"["x"]"#),
            SinkKind::SlackBot => ("https://10.0.0.1/api/C1", r#"["xoxb-1"]"#),
            SinkKind::GithubIssue => ("https://10.0.0.1/repos/octo/app", r#"["ghp_x"]"#),
            SinkKind::Telegram => ("https://10.0.0.1/42", r#"["1:x"]"#),
            SinkKind::Matrix => ("https://10.0.0.1/!a:b.example", r#"["x"]"#),
            _ => ("https://10.0.0.1/topic", "[]"),
        };
        let inside = format!(r#"{{"url":"{inside}","secrets":{secrets}}}"#);
        for (plain, expected) in [
            (&b"no JSON"[..], DisableReason::Sealed),
            (inside.as_bytes(), DisableReason::AddressRefused),
        ] {
            let plain = plain.to_vec().into();
            let receipt = sinks.deliver(&Target { kind, plain }, &message()).await;
            let Receipt::Disabled { reason, .. } = receipt else {
                panic!("{} {receipt:?}", kind.as_str());
            };
            assert_eq!(reason, expected, "{}", kind.as_str());
        }
    }
}
