//! Services that repeat what they were called with, as it came or in another form.

use super::kinds::Fixed;
use super::samples::message;
use super::server::{Server, Then};
use super::*;
use crate::domain::sink::SinkKind;
use data_encoding::BASE64;

/// A kind, a path, the key, and what of these is secret.
const CALLED: &[(SinkKind, &str, Option<&str>, &[&str])] = &[
    (
        SinkKind::Alertmanager,
        "/am",
        Some("usr:passw0rdXYZ"),
        &["passw0rdXYZ"],
    ),
    (SinkKind::Alertmanager, "", Some("usr:pa7"), &["pa7"]),
    (
        SinkKind::Teams,
        "/workflows/x/run?api-version=1&sig=abc%2Fdef123456%3D",
        None,
        &["abc/def123456=", "abc%2Fdef123456%3D"],
    ),
    (
        SinkKind::Telegram,
        "/42",
        Some("987:TGSECRETTOK"),
        &["987:TGSECRETTOK", "TGSECRETTOK"],
    ),
    (
        SinkKind::Webhook,
        "/in?key=a%20b%2Bcanary",
        Some("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"),
        &["a b+canary", "a%20b%2Bcanary", "AAECAwQFBgcICQoL"],
    ),
    (
        SinkKind::Ntfy,
        "/topic-canary",
        Some("tk_canary"),
        &["canary"],
    ),
    (SinkKind::Gotify, "/", Some("A.canary"), &["canary"]),
    (SinkKind::Slack, "/services/T0/B0/canary", None, &["canary"]),
    (
        SinkKind::Discord,
        "/api/webhooks/1/canary",
        None,
        &["canary"],
    ),
];

/// A text with each byte as `%xx`.
fn escaped(text: &str) -> String {
    let hex = data_encoding::HEXLOWER.encode(text.as_bytes());
    let bytes: Vec<&str> = (0..text.len()).map(|at| &hex[2 * at..2 * at + 2]).collect();
    bytes.iter().flat_map(|byte| ["%", byte]).collect()
}

/// The lines of a request that may hold a secret, one at a time.
fn telling(request: &str) -> Vec<String> {
    let is_telling = |line: &&str| {
        ["POST ", "authorization:", "x-gotify-key:"]
            .iter()
            .any(|begin| line.starts_with(begin))
    };
    request
        .lines()
        .filter(is_telling)
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_service_that_repeats_what_it_was_called_with_shows_no_secret() {
    type Form = fn(&str) -> String;
    let forms: [Form; 5] = [
        str::to_owned,
        |text| {
            text.replace("%2F", "/")
                .replace("%3D", "=")
                .replace("%3A", ":")
        },
        escaped,
        |text| escaped(&escaped(text)),
        |text| {
            serde_json::json!({ "error": text })
                .to_string()
                .replace('/', "\\/")
        },
    ];
    for (kind, path, key, secrets) in CALLED {
        for form in forms {
            for nth in 0..2 {
                let says = move |request: &str| {
                    let body = telling(request)
                        .get(nth)
                        .map_or_else(String::new, |it| form(it));
                    let long = body.len();
                    format!("HTTP/1.1 401 X\r\ncontent-length: {long}\r\n\r\n{body}")
                };
                let server = Server::new(Then::Says(Arc::new(says))).await;
                let allowed = list(&[&format!("127.0.0.1:{}", server.port())]);
                let sinks = Sinks::new(outbound(&allowed, &Arc::new(Zone::default())));
                let wish = Wish {
                    url: Some(format!("http://127.0.0.1:{}{path}", server.port())),
                    secret: key.map(str::to_owned),
                };
                let plain = sinks.prepare(*kind, &wish, &Fixed).unwrap().plain;
                let target = Target { kind: *kind, plain };
                let shown = format!("{:?}", sinks.deliver(&target, &message()).await);
                assert!(shown.contains("401"), "{shown}");
                for secret in *secrets {
                    let pair = BASE64.encode(key.unwrap_or_default().as_bytes());
                    for text in [secret, pair.trim_end_matches('='), &escaped(secret)] {
                        let is_there = !text.is_empty() && shown.contains(text);
                        assert!(!is_there, "{}, {text}: {shown}", kind.as_str());
                    }
                }
            }
        }
    }
}
