//! Gotify: <https://gotify.net/docs/pushmsg>.
//!
//! The address is that of the server, and the token is that of an application. A message cannot be
//! changed, so each is a new one.

use super::card::Card;
use super::deliver::{DigestMessage, Message, Prepared, Receipt, Unfit, Wish};
use super::escape::unlinked;
use super::outbound::{Outbound, Request};
use super::stored::{Stored, entered, sealed, token, unfit};
use super::verdict::{Said, sent};
use crate::domain::incident::Severity;
use crate::domain::notification::NotificationKind;
use crate::domain::sink::DisableReason;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

/// The header of the token.
const KEY: &str = "x-gotify-key";

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let (url, destination) = entered(outbound, wish)?;
    if url.contains('?') || url.trim_end_matches('/').ends_with("/message") {
        let why = "expected the address of the server only, as in https://gotify.example";
        return Err(unfit("url", why));
    }
    let Some(token) = token(wish)? else {
        let why = "enter the token of an application of the server";
        return Err(unfit("secret", why));
    };
    let secrets = vec![token.to_string()];
    Ok(Stored { url, secrets }.prepared(&destination))
}

/// From 0 to 10: Android shows 4 to 7 with a sound, and more than that on top.
/// <https://github.com/gotify/android#message-priorities>
const fn priority(card: &Card) -> u8 {
    match (card.kind, card.severity) {
        (NotificationKind::Resolved, _) => 2,
        (_, Severity::Warning) => 4,
        (_, Severity::Error) => 6,
        (_, Severity::Critical) => 8,
    }
}

/// Plain text. Nothing else than the link to the run acts.
pub(super) fn request(message: &Message) -> Request {
    posting(&Card::of(message))
}

pub(super) fn posting(card: &Card) -> Request {
    let mut extras = json!({ "client::display": { "contentType": "text/plain" } });
    if let Some(link) = &card.link {
        extras["client::notification"] = json!({ "click": { "url": link } });
    }
    let body = json!({
        "title": format!("{}: {}", card.status(), unlinked(&card.title)),
        "message": card.lines(unlinked).join("\n"),
        "priority": priority(card),
        "extras": extras,
    });
    Request {
        segments: vec!["message".to_owned()],
        ..Request::json(Method::POST, &body)
    }
}

/// What an answer means. A refusal of Gotify itself has an `errorCode`; one without is that of a
/// proxy.
fn receipt(said: &Said) -> Receipt {
    let is_own = said.number_of("errorCode").is_some();
    match said.status {
        400 | 413 => said.rejected(),
        401 | 403 if is_own => said.disables(DisableReason::Refused),
        _ => said.usual(),
    }
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    post(outbound, plain, request(message)).await
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    post(outbound, plain, posting(&digest.card())).await
}

async fn post(outbound: &Outbound, plain: &[u8], mut request: Request) -> Receipt {
    let (to, stored) = match Stored::aimed(outbound, plain) {
        Ok(aimed) => aimed,
        Err(receipt) => return receipt,
    };
    let token = stored.secrets.first();
    let Some(Ok(mut token)) = token.map(|token| HeaderValue::from_str(token)) else {
        return sealed();
    };
    token.set_sensitive(true);
    request.headers.insert(KEY, token);
    sent(outbound, &to, &stored, request, receipt).await
}

#[cfg(test)]
mod tests {
    use super::super::tests::samples::closed;
    use super::super::verdict::tests::{name, said};
    use super::*;

    #[test]
    fn each_answer_of_gotify_has_a_receipt() {
        const REFUSED: &str = r#"{"error":"Unauthorized","errorCode":401}"#;
        for (status, body, expected) in [
            (200, r#"{"id":25}"#, "accepted"),
            (400, r#"{"errorCode":400}"#, "rejected"),
            (401, REFUSED, "disabled: refused"),
            (401, "<html>", "refused: refused"),
            (403, r#"{"errorCode":403}"#, "disabled: refused"),
            (403, "<html>", "refused: refused"),
            (404, "", "refused: not_found"),
            (413, "", "rejected"),
            (429, "", "later: Some(7s)"),
            (500, "", "later: None"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    #[test]
    fn the_address_is_that_of_the_server_and_the_token_is_needed() {
        let entered = |url: &str, secret: Option<&str>| {
            let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
            prepare(&closed(), &Wish { url, secret })
        };
        let prepared = entered("https://gotify.example/sub/", Some("Abc.1")).unwrap();
        assert_eq!(prepared.host, "gotify.example");
        assert!(prepared.generated.is_none());
        for (url, secret, field) in [
            ("https://gotify.example", None, "secret"),
            ("https://gotify.example", Some("a\nb"), "secret"),
            ("https://gotify.example/message", Some("A"), "url"),
            ("https://gotify.example/?token=A", Some("A"), "url"),
            ("", Some("A"), "url"),
        ] {
            assert_eq!(entered(url, secret).unwrap_err().field, field, "{url}");
        }
    }
}
