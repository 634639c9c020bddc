//! Microsoft Teams, by a workflow that posts a card when it is called ("Send webhook alerts to a
//! channel"; body and limits: <https://learn.microsoft.com/connectors/teams/>).
//!
//! The signature is in the query of the address. A workflow accepts a card before it posts it, and
//! does not report when that fails.

use super::Destination;
use super::card::{Card, Fact};
use super::deliver::{DigestMessage, Message, Prepared, Receipt, Unfit, Wish};
use super::escape::{BREAK, backslashed, begun, unlinked};
use super::outbound::{Outbound, Request};
use super::stored::{only_address, unfit};
use super::verdict::{Said, posted};
use reqwest::Method;
use serde_json::{Value, json};

/// What acts in a `TextBlock`: a subset of Markdown
/// (<https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features>).
/// What acts only at the start of a line does not: each line begins with a word of ours, or with
/// a letter or a break.
const SPECIAL: &str = "\\`*_[]()";

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let prepared = only_address(outbound, wish)?;
    let url = wish.url.as_deref().unwrap_or_default().trim();
    let host = Destination::parse(url, outbound.allowed()).map(|to| to.host());
    // They take no adaptive cards, and are being switched off.
    if host.is_ok_and(|host| host.ends_with(".webhook.office.com")) {
        let why = "this is an Office connector, which Microsoft retires. Create a workflow \
                   that sends webhook alerts to a channel, and enter its address";
        return Err(unfit("url", why));
    }
    Ok(prepared)
}

/// Also without the functions of cards, as in `{{DATE(...)}}`.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in backslashed(&unlinked(text), SPECIAL).chars() {
        out.push(c);
        if c == '{' {
            out.push(BREAK);
        }
    }
    out
}

fn line(fact: &Fact) -> Value {
    block(&format!("**{}:** {}", fact.label, escaped(&fact.value)))
}

fn block(text: &str) -> Value {
    json!({ "type": "TextBlock", "text": text, "wrap": true, "spacing": "None" })
}

/// The lines of a template. A block is never empty.
fn templated(lines: &[String]) -> impl Iterator<Item = Value> {
    let lines = lines.iter().filter(|line| !line.is_empty());
    lines.map(|line| block(&escaped(&begun(line))))
}

pub(super) fn request(message: &Message) -> Request {
    posting(&Card::of(message))
}

pub(super) fn posting(card: &Card) -> Request {
    let title = escaped(&card.title);
    let headline = format!("{} {}: {title}", card.sign(), card.status());
    let mut body = vec![json!({
        "type": "TextBlock", "text": headline, "wrap": true, "weight": "Bolder", "size": "Medium",
    })];
    match &card.text {
        Some(lines) => body.extend(templated(lines)),
        None => body.extend(card.facts.iter().map(line)),
    }
    let actions = card
        .link
        .iter()
        .map(|link| json!({ "type": "Action.OpenUrl", "title": "Open the run", "url": link }));
    let content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
        "actions": actions.collect::<Vec<_>>(),
    });
    Request::json(
        Method::POST,
        &json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": content,
            }],
        }),
    )
}

/// What an answer means: 202 is usual.
fn receipt(said: &Said) -> Receipt {
    match said.status {
        400 | 413 => said.rejected(),
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
    use super::super::tests::samples::closed;
    use super::super::verdict::tests::{name, said};
    use super::*;

    #[test]
    fn each_answer_of_a_workflow_has_a_receipt() {
        for (status, body, expected) in [
            (202, "", "accepted"),
            (200, "1", "accepted"),
            (
                400,
                r#"{"error":{"code":"InvalidRequestContent"}}"#,
                "rejected",
            ),
            (
                401,
                r#"{"error":{"code":"AuthorizationFailed"}}"#,
                "refused: refused",
            ),
            (403, "", "refused: refused"),
            (
                404,
                r#"{"error":{"code":"WorkflowNotFound"}}"#,
                "refused: not_found",
            ),
            (410, "", "disabled: gone"),
            (413, "", "rejected"),
            (429, "", "later: Some(7s)"),
            (502, "", "later: None"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    #[test]
    fn the_address_of_an_office_connector_is_refused_with_the_way_out() {
        let entered = |url: &str| {
            let url = Some(url.to_owned());
            prepare(&closed(), &Wish { url, secret: None })
        };
        let why = entered("https://acme.webhook.office.com/webhookb2/canary").unwrap_err();
        assert!(why.to_string().contains("Create a workflow"), "{why}");
        assert!(!why.to_string().contains("canary"), "{why}");
        let url = "https://prod-1.logic.azure.com:443/workflows/x/triggers/manual?sig=canary";
        assert_eq!(entered(url).unwrap().host, "prod-1.logic.azure.com");
    }
}
