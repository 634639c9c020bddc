//! Matrix, by the client-server API: <https://spec.matrix.org/latest/client-server-api/>.
//!
//! The address is that of a homeserver and a room, and the key is an access token. The id of a
//! transaction is made of that of the notification, so a repeated try adds no second message. The
//! first message about an incident is replaced when the incident changes. A replacement alerts no
//! one, so a short reply follows it. Messages are not encrypted.

use super::Destination;
use super::card::Card;
use super::deliver::{DigestMessage, Message, Prepared, Receipt, Unfit, Wish};
use super::escape::unlinked;
use super::outbound::{Outbound, Request};
use super::stored::{Stored, address, bearer, entered, sealed, token, unfit};
use super::verdict::{Said, called, unsent};
use crate::domain::id::NotificationId;
use crate::domain::sink::DisableReason;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::time::Duration;

/// Longest id of anything, in bytes.
/// <https://spec.matrix.org/latest/appendices/#common-identifier-format>
const ID_BYTES_MAX: usize = 255;

/// A room: its id, or an alias.
fn is_room(text: &str) -> bool {
    let fits = (2..=ID_BYTES_MAX).contains(&text.len());
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"/?".contains(c);
    if !fits || !text.chars().all(is_plain) {
        return false;
    }
    let is_whole = |rest: &str| {
        let (name, server) = rest.split_once(':').unwrap_or_default();
        !name.is_empty() && !server.is_empty()
    };
    // Ids of newer rooms name no server.
    text.starts_with('!') || text.strip_prefix('#').is_some_and(is_whole)
}

/// The server and the room of an address.
fn parts(url: &str) -> Option<(&str, &str)> {
    let at = url.find("/!").or_else(|| url.find("/#"))?;
    let (server, room) = (&url[..at], &url[at + 1..]);
    let (_, rest) = server.split_once("://")?;
    (!rest.is_empty() && is_room(room)).then_some((server, room))
}

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let url = wish.url.as_deref().unwrap_or_default().trim();
    let Some((server, _)) = parts(url) else {
        let why = "expected the address of a homeserver and a room, as in \
                   https://matrix.example.org/!id:example.org or \
                   https://matrix.example.org/#alias:example.org";
        return Err(unfit("url", why));
    };
    let at_server = Wish {
        url: Some(server.to_owned()),
        ..Wish::default()
    };
    let (_, destination) = entered(outbound, &at_server)?;
    let Some(token) = token(wish)? else {
        return Err(unfit(
            "secret",
            "enter an access token of the user that posts",
        ));
    };
    let (url, secrets) = (url.to_owned(), vec![token.to_string()]);
    Ok(Stored { url, secrets }.prepared(&destination))
}

fn headline(card: &Card) -> String {
    format!(
        "{} {}: {}",
        card.sign(),
        card.status(),
        unlinked(&card.title)
    )
}

/// Plain text, in which nothing else than the link to the run acts. It mentions no one.
fn content(card: &Card, is_whole: bool) -> Value {
    let mut body = headline(card);
    if is_whole {
        for line in card.lines(unlinked) {
            body = format!("{body}\n{line}");
        }
        if let Some(link) = &card.link {
            body = format!("{body}\n{link}");
        }
    }
    json!({ "msgtype": "m.text", "body": body, "m.mentions": {} })
}

/// Sends an event to a room. `part` is different for each of one notification.
fn event(room: &str, id: NotificationId, part: &str, content: &Value) -> Request {
    let transaction = format!("{id}{part}");
    let path = ["rooms", room, "send", "m.room.message", &transaction];
    Request {
        segments: at(&path),
        ..Request::json(Method::PUT, content)
    }
}

/// A path of the API.
fn at(path: &[&str]) -> Vec<String> {
    let all = ["_matrix", "client", "v3"].iter().chain(path);
    all.map(|part| (*part).to_owned()).collect()
}

/// A new message that says all.
pub(super) fn whole(room: &str, id: NotificationId, card: &Card) -> Request {
    event(room, id, "", &content(card, true))
}

/// The replacement of a message.
pub(super) fn change(room: &str, message: &Message, id: &str) -> Request {
    let new = content(&Card::of(message), true);
    let mut content = new.clone();
    // What clients show that know no replacements.
    content["body"] = format!("* {}", new["body"].as_str().unwrap_or_default()).into();
    content["m.new_content"] = new;
    content["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": id });
    event(room, message.id, ".change", &content)
}

/// A reply to a message that says what has changed.
pub(super) fn note(room: &str, message: &Message, id: &str) -> Request {
    let mut content = content(&Card::of(message), false);
    content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": id } });
    event(room, message.id, ".note", &content)
}

/// An id of an event.
fn id_of(text: &str) -> Option<&str> {
    let is_id = (2..=ID_BYTES_MAX).contains(&text.len()) && text.starts_with('$');
    (is_id && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

/// What an answer means.
/// <https://spec.matrix.org/latest/client-server-api/#standard-error-response>
fn receipt(said: &Said) -> Receipt {
    let code = said.text_of("errcode").unwrap_or_default();
    match (said.status, code.as_str()) {
        (200..=299, _) => match said.text_of("event_id").as_deref().and_then(id_of) {
            Some(id) => Receipt::Accepted {
                message: Some(id.to_owned()),
            },
            // Something else than a homeserver answers.
            None => said.later(None),
        },
        (401, "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN") | (_, "M_USER_DEACTIVATED") => {
            said.disables(DisableReason::Refused)
        }
        (429, _) => {
            let ms = said.number_of("retry_after_ms");
            let asked = ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
            said.later(said.after.or(asked))
        }
        (400 | 413, _) => said.rejected(),
        _ => said.usual(),
    }
}

/// A room that is written to.
struct Line<'a> {
    outbound: &'a Outbound,
    stored: &'a Stored,
    to: Destination,
    token: HeaderValue,
}

impl Line<'_> {
    async fn call(&self, mut request: Request) -> Result<Said, Receipt> {
        request.headers.insert(AUTHORIZATION, self.token.clone());
        let said = called(self.outbound, &self.to, self.stored, request).await;
        said.map_err(|error| unsent(&error))
    }

    /// The id of a room, of which an alias may be known.
    async fn id_of_room(&self, room: &str) -> Result<String, Receipt> {
        if room.starts_with('!') {
            return Ok(room.to_owned());
        }
        let request = Request {
            segments: at(&["directory", "room", room]),
            ..Request::new(Method::GET, HeaderMap::new(), "")
        };
        let said = self.call(request).await?;
        let is_found = (200..=299).contains(&said.status);
        let id = said
            .text_of("room_id")
            .filter(|id| is_room(id) && id.starts_with('!'));
        match id {
            Some(id) if is_found => Ok(id),
            _ => Err(receipt(&said)),
        }
    }

    async fn send(&self, id: NotificationId, card: &Card, room: &str) -> Result<Receipt, Receipt> {
        let said = self.call(whole(room, id, card)).await?;
        Ok(receipt(&said))
    }

    /// Replaces the message, and replies to it.
    async fn update(&self, message: &Message, room: &str, id: &str) -> Result<Receipt, Receipt> {
        let said = self.call(change(room, message, id)).await?;
        // The event is not one of the room, or is gone. If it is the room that is not found, or the
        // text that is refused, the same is said of the new message.
        if matches!(said.status, 400 | 404) {
            return self.send(message.id, &Card::of(message), room).await;
        }
        let changed = receipt(&said);
        if !matches!(changed, Receipt::Accepted { .. }) {
            return Ok(changed);
        }
        let noted = receipt(&self.call(note(room, message, id)).await?);
        if let Receipt::Accepted { .. } = noted {
            let message = Some(id.to_owned());
            return Ok(Receipt::Accepted { message });
        }
        Ok(noted)
    }
}

/// The line and the room of what is stored.
fn opened<'a>(outbound: &'a Outbound, stored: &'a Stored) -> Result<(Line<'a>, &'a str), Receipt> {
    let token = stored.secrets.first().and_then(|token| bearer(token));
    let (Some((server, room)), Some(token)) = (parts(&stored.url), token) else {
        return Err(sealed());
    };
    let line = Line {
        outbound,
        stored,
        to: address(outbound, server)?,
        token,
    };
    Ok((line, room))
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    let sent = async {
        let stored = Stored::read(plain)?;
        let (line, room) = opened(outbound, &stored)?;
        let room = line.id_of_room(room).await?;
        match message.shown_as.as_deref().and_then(id_of) {
            Some(id) => line.update(message, &room, id).await,
            None => line.send(message.id, &Card::of(message), &room).await,
        }
    };
    sent.await.unwrap_or_else(|receipt| receipt)
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    let sent = async {
        let stored = Stored::read(plain)?;
        let (line, room) = opened(outbound, &stored)?;
        let room = line.id_of_room(room).await?;
        line.send(digest.id, &digest.card(), &room).await
    };
    sent.await.unwrap_or_else(|receipt| receipt)
}

#[cfg(test)]
mod tests {
    use super::super::tests::samples::closed;
    use super::super::verdict::tests::{name, said};
    use super::*;

    #[test]
    fn each_answer_of_matrix_has_a_receipt() {
        for (status, body, expected) in [
            (
                200,
                r#"{"event_id":"$abc:example.org"}"#,
                "accepted as $abc:example.org",
            ),
            (200, r#"{"event_id":"../x"}"#, "later: None"),
            (200, "<html>", "later: None"),
            (400, r#"{"errcode":"M_BAD_JSON"}"#, "rejected"),
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#, "disabled: refused"),
            (401, r#"{"errcode":"M_MISSING_TOKEN"}"#, "disabled: refused"),
            (401, "<html>", "refused: refused"),
            (403, r#"{"errcode":"M_FORBIDDEN"}"#, "refused: refused"),
            (
                403,
                r#"{"errcode":"M_USER_DEACTIVATED"}"#,
                "disabled: refused",
            ),
            (404, r#"{"errcode":"M_NOT_FOUND"}"#, "refused: not_found"),
            (404, r#"{"errcode":"M_UNRECOGNIZED"}"#, "refused: not_found"),
            (413, r#"{"errcode":"M_TOO_LARGE"}"#, "rejected"),
            (
                429,
                r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}"#,
                "later: Some(7s)",
            ),
            (500, r#"{"errcode":"M_UNKNOWN"}"#, "later: None"),
            (502, "", "later: None"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
        // Older servers say it in the body only.
        let old = br#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}"#;
        let old = Said::new(429, None, bytes::Bytes::from_static(old), "");
        assert_eq!(name(&receipt(&old)), "later: Some(2.5s)");
    }

    #[test]
    fn an_address_names_a_homeserver_and_a_room() {
        let entered = |url: &str, secret: Option<&str>| {
            let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
            let wish = Wish { url, secret };
            prepare(&closed(), &wish).map(|prepared| prepared.host)
        };
        let token = Some("syt_canary");
        for url in [
            "https://matrix.example.org/!OGEhHVWSdvArJzumhm:example.org",
            "https://matrix.example.org/!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM",
            "https://matrix.example.org/#builds:example.org",
        ] {
            assert_eq!(entered(url, token).unwrap(), "matrix.example.org", "{url}");
        }
        for url in [
            "https://matrix.example.org",
            "https://matrix.example.org/",
            "https://matrix.example.org/builds",
            "https://matrix.example.org/#builds",
            "https://matrix.example.org/!",
            "https://matrix.to/#/#builds:example.org",
            "https://matrix.example.org/!a:b/../x",
            "https://matrix.example.org/!a b:c",
            "http://matrix.example.org/!a:b",
            "https://10.0.0.1/!a:b",
            "!a:b",
        ] {
            assert_eq!(entered(url, token).unwrap_err().field, "url", "{url}");
        }
        let url = "https://matrix.example.org/!a:b";
        for secret in [None, Some("a b")] {
            assert_eq!(entered(url, secret).unwrap_err().field, "secret");
        }
    }

    #[test]
    fn any_text_of_a_server_is_a_room_or_none() {
        assert!(is_room("!a:b") && is_room("!\u{e9}") && is_room("#a:b"));
        for text in [
            "",
            "!",
            "\u{e9}x",
            "\u{1f7e2}",
            "#a",
            "!a b",
            "!a/b",
            "!a\u{0}",
        ] {
            assert!(!is_room(text), "{text}");
        }
    }

    #[test]
    fn only_what_a_server_gives_is_the_id_of_an_event() {
        assert_eq!(id_of("$abc:example.org"), Some("$abc:example.org"));
        let long = format!("${}", "x".repeat(255));
        for text in ["", "$", "1234", "$a b", "$a\n", &long] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
