//! Mattermost, by incoming webhooks:
//! <https://developers.mattermost.com/integrate/webhooks/incoming/>.
//!
//! The answer names no message, so each message is a new one. Texts of strangers stand in code
//! spans: there the server finds no mentions and no mark-up. It translates the forms of Slack
//! before that, so these are broken, too.

use super::card::{Card, Fact};
use super::deliver::{DigestMessage, Message, Receipt};
use super::escape::unlinked;
use super::outbound::{Outbound, Request};
use super::verdict::{Said, posted};
use crate::domain::sink::DisableReason;
use reqwest::Method;
use serde_json::json;

/// A code span of a text. Nothing but a backtick ends it.
fn code(text: &str) -> String {
    format!("`{}`", unlinked(&text.replace('`', "'")))
}

fn line(fact: &Fact) -> String {
    format!("\n{}: {}", fact.label, code(&fact.value))
}

/// A line of a template.
fn templated(line: &str) -> String {
    if line.is_empty() {
        return "\n".to_owned();
    }
    format!("\n{}", code(line))
}

/// The message has far fewer characters than the 16,383 above which the server splits it.
pub(super) fn request(message: &Message) -> Request {
    posting(&Card::of(message))
}

pub(super) fn posting(card: &Card) -> Request {
    let title = code(&card.title);
    let mut text = format!("{} **{}:** {title}", card.sign(), card.status());
    match &card.text {
        Some(lines) => text.extend(lines.iter().map(|line| templated(line))),
        None => text.extend(card.facts.iter().map(line)),
    }
    if let Some(link) = &card.link {
        text.push_str("\n[Open the run](");
        text.push_str(link);
        text.push(')');
    }
    Request::json(Method::POST, &json!({ "text": text }))
}

/// What an answer means: errors have an `id`, from `HandleIncomingWebhook` of the server.
fn receipt(said: &Said) -> Receipt {
    let id = said.text_of("id").unwrap_or_default();
    match (said.status, id.as_str()) {
        // Of a hook that was deleted, and of a database that does not answer.
        (400, "web.incoming_webhook.invalid.app_error") => said.refused(DisableReason::NotFound),
        (_, "web.incoming_webhook.channel.app_error") => said.disables(DisableReason::NotFound),
        (
            _,
            "web.incoming_webhook.disabled.app_error"
            | "web.incoming_webhook.permissions.app_error"
            | "web.incoming_webhook.channel_locked.app_error",
        ) => said.disables(DisableReason::Refused),
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
    fn each_answer_of_mattermost_has_a_receipt() {
        const INVALID: &str = r#"{"id":"web.incoming_webhook.invalid.app_error"}"#;
        const PARSE: &str = r#"{"id":"web.incoming_webhook.parse.app_error"}"#;
        const CHANNEL: &str = r#"{"id":"web.incoming_webhook.channel.app_error"}"#;
        const OFF: &str = r#"{"id":"web.incoming_webhook.disabled.app_error"}"#;
        const LOCKED: &str = r#"{"id":"web.incoming_webhook.channel_locked.app_error"}"#;
        for (status, body, expected) in [
            (200, "ok", "accepted"),
            (400, INVALID, "refused: not_found"),
            (400, PARSE, "rejected"),
            (400, "", "rejected"),
            (403, LOCKED, "disabled: refused"),
            (403, "", "refused: refused"),
            (404, CHANNEL, "disabled: not_found"),
            (404, "", "refused: not_found"),
            (410, "", "disabled: gone"),
            (413, "", "rejected"),
            (429, "", "later: Some(7s)"),
            (500, "", "later: None"),
            (501, OFF, "disabled: refused"),
            (502, "", "later: None"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }
}
