//! ntfy, of <https://ntfy.sh> or another server: <https://docs.ntfy.sh/publish/#publish-as-json>.
//!
//! The address is that of a server and a topic. Who knows a topic can read it, so it is hidden
//! like a key. All messages about an incident have one sequence id: a server from version 2.16.0
//! shows the newest only, an older one shows each.

use super::card::Card;
use super::deliver::{DigestMessage, Message, Prepared, Receipt, Unfit, Wish};
use super::escape::unlinked;
use super::outbound::{Outbound, Request};
use super::stored::{Stored, address, bearer, entered, sealed, token, unfit};
use super::verdict::{Said, sent};
use crate::domain::incident::Severity;
use crate::domain::notification::NotificationKind;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::json;

/// Longest topic, in characters. <https://docs.ntfy.sh/config/#config-options>
const TOPIC_BYTES_MAX: usize = 64;

/// The server and the topic of an address.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (server, topic) = url.rsplit_once('/')?;
    let is_server = server
        .split_once("://")
        .is_some_and(|(_, rest)| !rest.is_empty());
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_topic = (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && topic.bytes().all(is_part);
    (is_server && is_topic).then_some((server, topic))
}

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let (url, destination) = entered(outbound, wish)?;
    if parts(&url).is_none() {
        let why = "expected the address of a server and a topic, as in https://ntfy.sh/topic; \
                   a topic has at most 64 letters, digits, - and _";
        return Err(unfit("url", why));
    }
    let secrets = token(wish)?.map(|token| token.to_string());
    let secrets = secrets.into_iter().collect();
    Ok(Stored { url, secrets }.prepared(&destination))
}

/// From 1 to 5: <https://docs.ntfy.sh/publish/#message-priority>
const fn priority(card: &Card) -> u8 {
    match (card.kind, card.severity) {
        (NotificationKind::Resolved | NotificationKind::Digest, _) | (_, Severity::Warning) => 3,
        (_, Severity::Error) => 4,
        (_, Severity::Critical) => 5,
    }
}

/// The message is plain text of at most 4096 bytes, because a longer one becomes a file; that
/// follows from the limits of a card. Nothing else than the link to the run acts.
pub(super) fn request(topic: &str, message: &Message) -> Request {
    posting(topic, &Card::of(message), &message.incident.id.to_string())
}

/// The message of a card, which replaces others of the same sequence.
pub(super) fn posting(topic: &str, card: &Card, sequence: &str) -> Request {
    let tag = match card.kind {
        NotificationKind::Digest => "clipboard",
        NotificationKind::Resolved => "white_check_mark",
        NotificationKind::Opened
        | NotificationKind::Reopened
        | NotificationKind::Flapping
        | NotificationKind::Worse
        | NotificationKind::Reminded => "rotating_light",
    };
    let mut body = json!({
        "topic": topic,
        "title": format!("{}: {}", card.status(), unlinked(&card.title)),
        "message": card.lines(unlinked).join("\n"),
        "priority": priority(card),
        "tags": [tag],
        "markdown": false,
        "sequence_id": sequence,
    });
    if let Some(link) = &card.link {
        body["click"] = link.as_str().into();
    }
    Request::json(Method::POST, &body)
}

/// What an answer means. A server that can change messages repeats the sequence id.
fn receipt(said: &Said) -> Receipt {
    match said.status {
        200..=299 => Receipt::Accepted {
            message: said.text_of("sequence_id"),
        },
        400 | 413 => said.rejected(),
        _ => said.usual(),
    }
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    post(outbound, plain, |topic| request(topic, message)).await
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    let (card, sequence) = (digest.card(), digest.id.to_string());
    post(outbound, plain, |topic| posting(topic, &card, &sequence)).await
}

async fn post(
    outbound: &Outbound,
    plain: &[u8],
    request: impl FnOnce(&str) -> Request + Send,
) -> Receipt {
    let stored = match Stored::read(plain) {
        Ok(stored) => stored,
        Err(receipt) => return receipt,
    };
    let Some((server, topic)) = parts(&stored.url) else {
        return sealed();
    };
    let to = match address(outbound, server) {
        Ok(to) => to,
        Err(receipt) => return receipt,
    };
    let mut request = request(topic);
    if let Some(token) = stored.secrets.first() {
        let Some(value) = bearer(token) else {
            return sealed();
        };
        request.headers.insert(AUTHORIZATION, value);
    }
    sent(outbound, &to, &stored, request, receipt).await
}

#[cfg(test)]
mod tests {
    use super::super::tests::samples::closed;
    use super::super::verdict::tests::{name, said};
    use super::*;

    #[test]
    fn each_answer_of_ntfy_has_a_receipt() {
        for (status, body, expected) in [
            (200, r#"{"id":"x"}"#, "accepted"),
            (
                200,
                r#"{"id":"x","sequence_id":"inc_1"}"#,
                "accepted as inc_1",
            ),
            (400, r#"{"code":40009}"#, "rejected"),
            (401, r#"{"code":40101}"#, "refused: refused"),
            (403, r#"{"code":40301}"#, "refused: refused"),
            (404, "", "refused: not_found"),
            (413, "", "rejected"),
            (429, r#"{"code":42901}"#, "later: Some(7s)"),
            (500, "", "later: None"),
            (507, "", "later: None"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    #[test]
    fn an_address_names_a_server_and_a_topic() {
        let entered = |url: &str, secret: Option<&str>| {
            let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
            prepare(&closed(), &Wish { url, secret })
        };
        let prepared = entered("https://ntfy.sh/Ci_app-1", Some("tk_x")).unwrap();
        assert_eq!(prepared.host, "ntfy.sh");
        assert!(prepared.generated.is_none());
        assert!(entered("https://ntfy.example/sub/topic", None).is_ok());
        let long = format!("https://ntfy.sh/{}", "t".repeat(65));
        for url in [
            "https://ntfy.sh",
            "https://ntfy.sh/",
            "https://ntfy.sh/topic/",
            "https://ntfy.sh/a?auth=x",
            "https://ntfy.sh/a.b",
            &long,
        ] {
            assert_eq!(entered(url, None).unwrap_err().field, "url", "{url}");
        }
        let why = entered("https://ntfy.sh/topic", Some("a b")).unwrap_err();
        assert_eq!(why.field, "secret");
    }
}
