//! Slack, by incoming webhooks
//! (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).
//!
//! The answer names no message, so each message is a new one. Texts of strangers stand in
//! `plain_text` elements only, because `mrkdwn` cannot escape all that acts in it.

use super::card::{Card, Fact};
use super::deliver::{DigestMessage, Message, Receipt};
use super::escape::unlinked;
use super::outbound::{Outbound, Request};
use super::verdict::{Said, posted};
use crate::domain::sink::DisableReason;
use reqwest::Method;
use serde_json::{Value, json};

/// Longest title: a header block has at most 150 characters, and two may become three.
/// <https://docs.slack.dev/reference/block-kit/blocks/header-block>
const TITLE_BYTES_MAX: usize = 85;
/// Most fields of a section: <https://docs.slack.dev/reference/block-kit/blocks/section-block>
const FIELDS_MAX: usize = 10;
/// Longest text of an element; the link has nothing but ASCII.
/// <https://docs.slack.dev/reference/block-kit/composition-objects/text-object>
const TEXT_BYTES_MAX: usize = 3_000;

/// Only these three characters are escaped in `text`.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": unlinked(text), "emoji": false })
}

fn field(fact: &Fact) -> Value {
    plain(&format!("{}: {}", fact.label, fact.value))
}

fn headline(card: &Card, title: &str) -> String {
    format!("{} {}: {title}", card.sign(), card.status())
}

/// The body of a message with these blocks.
fn body(card: &Card, blocks: &[Value]) -> Value {
    // For notifications and for clients that show no blocks.
    let text = escaped(&unlinked(&headline(card, &card.title)));
    json!({
        "text": text,
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    })
}

fn sections(card: &Card) -> Vec<Value> {
    if let Some(lines) = &card.text {
        let text = plain(&lines.join("\n"));
        return vec![json!({ "type": "section", "text": text })];
    }
    let parts = card.facts.chunks(FIELDS_MAX).map(|facts| {
        let fields: Vec<Value> = facts.iter().map(field).collect();
        json!({ "type": "section", "fields": fields })
    });
    parts.collect()
}

/// The body of a message that says all.
pub(super) fn whole(card: &Card) -> Value {
    let title = headline(card, &card.title_within(TITLE_BYTES_MAX));
    let mut blocks = vec![json!({ "type": "header", "text": plain(&title) })];
    blocks.extend(sections(card));
    let link = card.link.as_ref().map(|link| escaped(link));
    let link = link.map(|link| format!("<{link}|Open the run>"));
    if let Some(link) = link.filter(|link| link.len() <= TEXT_BYTES_MAX) {
        let text = json!({ "type": "mrkdwn", "text": link });
        blocks.push(json!({ "type": "context", "elements": [text] }));
    }
    body(card, &blocks)
}

/// The body of a message that says what has happened, in one line.
pub(super) fn short(card: &Card) -> Value {
    let title = plain(&headline(card, &card.title));
    body(card, &[json!({ "type": "section", "text": title })])
}

pub(super) fn request(message: &Message) -> Request {
    posting(&Card::of(message))
}

pub(super) fn posting(card: &Card) -> Request {
    Request::json(Method::POST, &whole(card))
}

/// What an answer means. Errors are words in the body; the same status without such a word is not
/// Slack's answer, but that of a proxy.
fn receipt(said: &Said) -> Receipt {
    let word = str::from_utf8(&said.body).unwrap_or_default().trim();
    match (said.status, word) {
        (200, _) => Receipt::Accepted { message: None },
        (
            _,
            "no_service" | "no_service_id" | "no_active_hooks" | "no_team" | "channel_not_found",
        ) => said.disables(DisableReason::NotFound),
        (410, _) | (_, "channel_is_archived" | "team_disabled") => {
            said.disables(DisableReason::Gone)
        }
        (_, "invalid_token" | "action_prohibited" | "posting_to_general_channel_denied") => {
            said.disables(DisableReason::Refused)
        }
        (400 | 413, _) => said.rejected(),
        _ => said.usual(),
    }
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    posted(outbound, plain, request(message), receipt).await
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    posted(outbound, plain, posting(&digest.card()), receipt).await
}

#[cfg(test)]
mod tests {
    use super::super::verdict::tests::{name, said};
    use super::receipt;

    #[test]
    fn each_answer_of_slack_has_a_receipt() {
        for (status, body, expected) in [
            (200, "ok", "accepted"),
            (400, "invalid_payload", "rejected"),
            (400, "user_not_found", "rejected"),
            (400, "invalid_token", "disabled: refused"),
            (403, "action_prohibited", "disabled: refused"),
            (403, "invalid_token", "disabled: refused"),
            (403, "<html>blocked</html>", "refused: refused"),
            (404, "channel_not_found", "disabled: not_found"),
            (404, "no_service", "disabled: not_found"),
            (404, "no_team", "disabled: not_found"),
            (403, "team_disabled", "disabled: gone"),
            (404, "<html>no route</html>", "refused: not_found"),
            (410, "channel_is_archived", "disabled: gone"),
            (413, "", "rejected"),
            (429, "", "later: Some(7s)"),
            (500, "rollup_error", "later: None"),
            (503, "", "later: Some(7s)"),
            (302, "", "later: None"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }
}
