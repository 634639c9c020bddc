//! Discord, by webhooks: <https://docs.discord.com/developers/resources/webhook>.
//!
//! The first message about an incident is changed when the incident changes. A change alerts
//! no one, so a short message follows it.

use super::card::{Card, Fact};
use super::deliver::{DigestMessage, Message, Receipt};
use super::escape::{backslashed, begun, unlinked};
use super::outbound::{Outbound, Request};
use super::stored::Stored;
use super::verdict::{Said, called, posted, sent, unsent};
use super::{Destination, SendError};
use crate::domain::incident::Severity;
use crate::domain::notification::NotificationKind;
use crate::domain::sink::DisableReason;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest title, in bytes: that of an embed has at most 256 characters, and two may become five.
/// <https://docs.discord.com/developers/resources/message#embed-object-embed-limits>
const TITLE_BYTES_MAX: usize = 96;
/// What acts in Discord's mark-up. Mentions and addresses are broken before.
const SPECIAL: &str = "\\*_~`|>[]()#<";
/// Longest id of a message, in digits: they are 64-bit numbers.
const ID_BYTES_MAX: usize = 20;
/// The code of an answer: the message was deleted.
/// <https://docs.discord.com/developers/topics/opcodes-and-status-codes#json>
const UNKNOWN_MESSAGE: f64 = 10_008.0;

fn escaped(text: &str) -> String {
    backslashed(&unlinked(text), SPECIAL)
}

const fn colour(card: &Card) -> u32 {
    match (card.kind, card.severity) {
        (NotificationKind::Digest, _) => 0x1f_6f_eb,
        (NotificationKind::Resolved, _) => 0x2e_a0_43,
        (_, Severity::Warning) => 0xd2_99_22,
        (_, Severity::Error | Severity::Critical) => 0xd7_3a_49,
    }
}

fn line(fact: &Fact) -> String {
    format!("**{}:** {}", fact.label, escaped(&fact.value))
}

/// A message, with all that is known or with its headline only. Nothing in it mentions anyone.
fn body(card: &Card, is_whole: bool) -> Value {
    let title = escaped(&card.title_within(TITLE_BYTES_MAX));
    let mut embed = json!({
        "title": format!("{}: {title}", card.status()),
        "color": colour(card),
    });
    if is_whole {
        let lines: Vec<String> = match &card.text {
            Some(lines) => lines.iter().map(|line| escaped(&begun(line))).collect(),
            None => card.facts.iter().map(line).collect(),
        };
        embed["description"] = lines.join("\n").into();
    }
    if let Some(link) = &card.link {
        embed["url"] = link.as_str().into();
    }
    json!({ "allowed_mentions": { "parse": [] }, "embeds": [embed] })
}

/// A new message. Without `wait`, Discord reports no error of one that it does not store.
fn new(body: &Value) -> Request {
    let query = vec![("wait".to_owned(), "true".to_owned())];
    Request {
        query,
        ..Request::json(Method::POST, body)
    }
}

/// A new message that says all.
pub(super) fn whole(message: &Message) -> Request {
    new(&body(&Card::of(message), true))
}

/// A message with a digest.
pub(super) fn report(digest: &DigestMessage) -> Request {
    new(&body(&digest.card(), true))
}

/// A new message that says what has changed.
pub(super) fn note(message: &Message) -> Request {
    new(&body(&Card::of(message), false))
}

/// The change of a message.
pub(super) fn change(message: &Message, id: &str) -> Request {
    let segments = vec!["messages".to_owned(), id.to_owned()];
    Request {
        segments,
        ..Request::json(Method::PATCH, &body(&Card::of(message), true))
    }
}

/// An id of a message, as Discord makes them: it becomes a part of an address.
fn id_of(text: &str) -> Option<&str> {
    let is_id = (1..=ID_BYTES_MAX).contains(&text.len());
    (is_id && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// What an answer means. Discord bans addresses that continue after refusals, so the first one
/// counts: <https://docs.discord.com/developers/topics/rate-limits>
fn receipt(said: &Said) -> Receipt {
    match said.status {
        200..=299 => {
            let id = said.text_of("id");
            let message = id.as_deref().and_then(id_of).map(str::to_owned);
            Receipt::Accepted { message }
        }
        400 | 413 => said.rejected(),
        401 => said.disables(DisableReason::Refused),
        404 => said.disables(DisableReason::NotFound),
        429 => {
            let seconds = said.number_of("retry_after");
            let wait = seconds.and_then(|wait| Duration::try_from_secs_f64(wait).ok());
            said.later(wait.or(said.after))
        }
        _ => said.usual(),
    }
}

/// A sink that is called.
struct Line<'a> {
    outbound: &'a Outbound,
    stored: Stored,
    to: Destination,
}

impl Line<'_> {
    async fn call(&self, request: Request) -> Result<Said, SendError> {
        called(self.outbound, &self.to, &self.stored, request).await
    }

    async fn send(&self, request: Request) -> Receipt {
        sent(self.outbound, &self.to, &self.stored, request, receipt).await
    }

    /// Changes the message, and sends another that is seen. Each may be repeated: the change
    /// stays the same.
    async fn update(&self, message: &Message, id: &str) -> Receipt {
        let said = match self.call(change(message, id)).await {
            Ok(said) => said,
            Err(error) => return unsent(&error),
        };
        if said.status == 404 && said.number_of("code") == Some(UNKNOWN_MESSAGE) {
            return self.send(whole(message)).await;
        }
        let changed = receipt(&said);
        if !matches!(changed, Receipt::Accepted { .. }) {
            return changed;
        }
        let noted = self.send(note(message)).await;
        if let Receipt::Accepted { .. } = noted {
            let message = Some(id.to_owned());
            return Receipt::Accepted { message };
        }
        noted
    }
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    let (to, stored) = match Stored::aimed(outbound, plain) {
        Ok(aimed) => aimed,
        Err(receipt) => return receipt,
    };
    let line = Line {
        outbound,
        stored,
        to,
    };
    match message.shown_as.as_deref().and_then(id_of) {
        Some(id) => line.update(message, id).await,
        None => line.send(whole(message)).await,
    }
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    posted(outbound, plain, report(digest), receipt).await
}

#[cfg(test)]
mod tests {
    use super::super::verdict::tests::{name, said};
    use super::{id_of, receipt};

    #[test]
    fn each_answer_of_discord_has_a_receipt() {
        for (status, body, expected) in [
            (200, r#"{"id":"1234"}"#, "accepted as 1234"),
            (200, r#"{"id":"../../x"}"#, "accepted"),
            (204, "", "accepted"),
            (400, r#"{"code":50006}"#, "rejected"),
            (401, r#"{"code":50027}"#, "disabled: refused"),
            (403, "<html>", "refused: refused"),
            (404, r#"{"code":10015}"#, "disabled: not_found"),
            (413, "", "rejected"),
            (429, r#"{"retry_after":0.65}"#, "later: Some(650ms)"),
            (429, r#"{"retry_after":-1}"#, "later: Some(7s)"),
            (429, "<html>", "later: Some(7s)"),
            (500, "", "later: None"),
            (503, "", "later: Some(7s)"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    #[test]
    fn only_numbers_are_ids_of_messages() {
        assert_eq!(id_of("1234567890123456789"), Some("1234567890123456789"));
        for text in ["", "..", "1/2", "1?x", "123456789012345678901", "x"] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
