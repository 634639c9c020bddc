//! Telegram, by a bot: <https://core.telegram.org/bots/api>.
//!
//! The address is that of a server of the Bot API and a chat, and the key is the token of a bot.
//! The token becomes a part of the path, so it is cut from all texts like a part of the address.
//! The first message about an incident is changed when the incident changes. A change alerts no
//! one, so a short reply follows it.

use super::Destination;
use super::card::Card;
use super::deliver::{DigestMessage, Message, Prepared, Receipt, Unfit, Wish};
use super::escape::{BREAK, unlinked};
use super::outbound::{Outbound, Request};
use super::stored::{Stored, address, entered, sealed, token, unfit};
use super::verdict::{Said, called, unsent};
use crate::domain::sink::DisableReason;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest id of a chat or a message, in digits: they have 52 bits, in texts of others 64.
const DIGITS_MAX: usize = 19;
/// Longest name of a public chat, in characters.
const NAME_BYTES_MAX: usize = 32;

/// A chat: its number, or the public name of a channel or group.
fn is_chat(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match text.strip_prefix('@') {
        Some(name) => (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_part),
        None => is_number(text.strip_prefix('-').unwrap_or(text)),
    }
}

fn is_number(text: &str) -> bool {
    (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The server and the chat of an address.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (server, chat) = url.rsplit_once('/')?;
    let (_, rest) = server.split_once("://")?;
    (!rest.is_empty() && is_chat(chat)).then_some((server, chat))
}

/// Whether a text has the form of a token: the bot's number, a colon and a key.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.split_once(':')
        .is_some_and(|(bot, key)| is_number(bot) && !key.is_empty() && key.bytes().all(is_part))
}

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let (url, destination) = entered(outbound, wish)?;
    if parts(&url).is_none() {
        let why = "expected the address of the server and a chat, as in \
                   https://api.telegram.org/-1001234567890 or https://api.telegram.org/@channel";
        return Err(unfit("url", why));
    }
    let token = token(wish)?.filter(|token| is_token(token));
    let Some(token) = token else {
        let why = "enter the token of a bot, as in 123456:ABC-DEF";
        return Err(unfit("secret", why));
    };
    let secrets = vec![token.to_string()];
    Ok(Stored { url, secrets }.prepared(&destination))
}

/// A text in which Telegram finds no address, mention, tag, command or number to call.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let text = unlinked(text);
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        out.push(c);
        let is_word = characters.peek().is_some_and(|next| next.is_alphanumeric());
        let acts = match c {
            '/' => !before.is_alphanumeric(),
            '$' | '+' => true,
            _ => false,
        };
        if acts && is_word {
            out.push(BREAK);
        }
        before = c;
    }
    out
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The fields of a message, with all that is known or with its headline only. They have no mark-up:
/// what is bold and what is a link is said by offsets, in UTF-16. The limit of 4096 follows from
/// those of a card.
fn fields(card: &Card, chat: &str, is_whole: bool) -> Value {
    let mut text = format!(
        "{} {}: {}",
        card.sign(),
        card.status(),
        harmless(&card.title)
    );
    let mut entities = vec![json!({ "type": "bold", "offset": 0, "length": units(&text) })];
    if is_whole {
        for line in card.lines(harmless) {
            text = format!("{text}\n{line}");
        }
    }
    if let Some(link) = &card.link {
        const WORDS: &str = "Open the run";
        text.push('\n');
        let (offset, length) = (units(&text), units(WORDS));
        entities.push(json!({
            "type": "text_link", "offset": offset, "length": length, "url": link,
        }));
        text.push_str(WORDS);
    }
    json!({
        "chat_id": chat.parse::<i64>().map_or_else(|_| chat.into(), Value::from),
        "text": text,
        "entities": entities,
        "link_preview_options": { "is_disabled": true },
    })
}

fn request(method: &str, fields: &Value) -> Request {
    Request {
        segments: vec![method.to_owned()],
        ..Request::json(Method::POST, fields)
    }
}

/// A new message that says all.
pub(super) fn whole(chat: &str, card: &Card) -> Request {
    request("sendMessage", &fields(card, chat, true))
}

/// The change of a message.
pub(super) fn change(chat: &str, message: &Message, id: i64) -> Request {
    let mut fields = fields(&Card::of(message), chat, true);
    fields["message_id"] = id.into();
    request("editMessageText", &fields)
}

/// A reply to a message that says what has changed.
pub(super) fn note(chat: &str, message: &Message, id: i64) -> Request {
    let mut fields = fields(&Card::of(message), chat, false);
    // The message may have been deleted meanwhile.
    fields["reply_parameters"] = json!({ "message_id": id, "allow_sending_without_reply": true });
    request("sendMessage", &fields)
}

/// A field of the `parameters` of an answer.
fn parameter(said: &Said, name: &str) -> Option<Value> {
    let mut body: Value = serde_json::from_slice(&said.body).ok()?;
    Some(body.get_mut("parameters")?.get_mut(name)?.take())
}

/// The chat that a group has become.
fn migrated(said: &Said) -> Option<String> {
    let id = parameter(said, "migrate_to_chat_id")?.as_i64()?;
    (said.status == 400).then(|| id.to_string())
}

/// Whether an answer says this, in any case of letters.
fn says(said: &Said, words: &str) -> bool {
    let text = said.text_of("description").unwrap_or_default();
    said.status == 400 && text.to_ascii_lowercase().contains(words)
}

/// The message that was to be changed cannot be.
fn is_lost(said: &Said) -> bool {
    const WORDS: [&str; 4] = [
        "message to edit not found",
        "message can't be edited",
        "message_id_invalid",
        "message identifier is not specified",
    ];
    WORDS.iter().any(|words| says(said, words))
}

/// What an answer means, and the number of the message in it.
fn receipt(said: &Said, chat: &str) -> Receipt {
    let body: Value = serde_json::from_slice(&said.body).unwrap_or_default();
    match said.status {
        200..=299 if body["ok"] == true => {
            let id = body["result"]["message_id"].as_i64();
            let message = id.map(|id| format!("{chat}/{id}"));
            Receipt::Accepted { message }
        }
        // Something else than Telegram answers.
        200..=299 => said.later(None),
        400 if says(said, "message is not modified") => Receipt::Accepted { message: None },
        400 if says(said, "chat not found") => said.refused(DisableReason::NotFound),
        400 | 413 => said.rejected(),
        429 => {
            let seconds = parameter(said, "retry_after").and_then(|wait| wait.as_u64());
            said.later(seconds.map(Duration::from_secs).or(said.after))
        }
        _ => said.usual(),
    }
}

/// The chat and the number of a message, as [`receipt`] names it.
fn place_of(text: &str) -> Option<(&str, i64)> {
    let (chat, id) = text.split_once('/')?;
    (is_chat(chat) && is_number(id)).then_some((chat, id.parse().ok()?))
}

/// A bot that is called.
struct Bot<'a> {
    outbound: &'a Outbound,
    stored: &'a Stored,
    to: Destination,
    token: &'a str,
}

impl Bot<'_> {
    async fn call(&self, mut request: Request) -> Result<Said, Receipt> {
        request.segments.insert(0, format!("bot{}", self.token));
        let said = called(self.outbound, &self.to, self.stored, request).await;
        said.map_err(|error| unsent(&error))
    }

    /// Sends a new message. A group that has become another chat is followed, once.
    async fn send(&self, card: &Card, chat: &str) -> Result<Receipt, Receipt> {
        let said = self.call(whole(chat, card)).await?;
        match migrated(&said) {
            Some(group) => self.send_to(card, &group).await,
            None => Ok(receipt(&said, chat)),
        }
    }

    async fn send_to(&self, card: &Card, chat: &str) -> Result<Receipt, Receipt> {
        let said = self.call(whole(chat, card)).await?;
        Ok(receipt(&said, chat))
    }

    /// Changes the message, and replies to it. Each may be repeated: a change that changes nothing
    /// counts as done.
    async fn update(
        &self,
        message: &Message,
        (chat, id): (&str, i64),
        entered: &str,
    ) -> Result<Receipt, Receipt> {
        let said = self.call(change(chat, message, id)).await?;
        // Its messages stay behind.
        if let Some(group) = migrated(&said) {
            return self.send_to(&Card::of(message), &group).await;
        }
        if is_lost(&said) {
            return self.send(&Card::of(message), entered).await;
        }
        let changed = receipt(&said, chat);
        if !matches!(changed, Receipt::Accepted { .. }) {
            return Ok(changed);
        }
        let said = self.call(note(chat, message, id)).await?;
        let noted = receipt(&said, chat);
        if let Receipt::Accepted { .. } = noted {
            let message = Some(format!("{chat}/{id}"));
            return Ok(Receipt::Accepted { message });
        }
        Ok(noted)
    }
}

/// The bot and the chat of what is stored.
fn opened<'a>(outbound: &'a Outbound, stored: &'a Stored) -> Result<(Bot<'a>, &'a str), Receipt> {
    let (Some((server, chat)), Some(token)) = (parts(&stored.url), stored.secrets.first()) else {
        return Err(sealed());
    };
    let bot = Bot {
        outbound,
        stored,
        to: address(outbound, server)?,
        token,
    };
    Ok((bot, chat))
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    let sent = async {
        let stored = Stored::read(plain)?;
        let (bot, chat) = opened(outbound, &stored)?;
        match message.shown_as.as_deref().and_then(place_of) {
            Some(place) => bot.update(message, place, chat).await,
            None => bot.send(&Card::of(message), chat).await,
        }
    };
    sent.await.unwrap_or_else(|receipt| receipt)
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    let sent = async {
        let stored = Stored::read(plain)?;
        let (bot, chat) = opened(outbound, &stored)?;
        bot.send(&digest.card(), chat).await
    };
    sent.await.unwrap_or_else(|receipt| receipt)
}

#[cfg(test)]
mod tests {
    use super::super::tests::samples::closed;
    use super::super::verdict::tests::{name, said};
    use super::*;

    #[test]
    fn each_answer_of_telegram_has_a_receipt() {
        const EDITED: &str = concat!(
            r#"{"ok":false,"error_code":400,"description":"Bad Request: message is not "#,
            r#"modified: specified new message content is exactly the same"}"#
        );
        const NO_CHAT: &str =
            r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#;
        for (status, body, expected) in [
            (
                200,
                r#"{"ok":true,"result":{"message_id":7}}"#,
                "accepted as -5/7",
            ),
            (200, r#"{"ok":true,"result":true}"#, "accepted"),
            (200, "<html>sign in</html>", "later: None"),
            (302, "", "later: None"),
            (
                400,
                r#"{"ok":false,"description":"Bad Request"}"#,
                "rejected",
            ),
            (400, EDITED, "accepted"),
            (400, NO_CHAT, "refused: not_found"),
            (401, r#"{"ok":false,"error_code":401}"#, "refused: refused"),
            (403, r#"{"ok":false,"error_code":403}"#, "refused: refused"),
            (
                404,
                r#"{"ok":false,"error_code":404}"#,
                "refused: not_found",
            ),
            (413, "", "rejected"),
            (
                429,
                r#"{"ok":false,"parameters":{"retry_after":35}}"#,
                "later: Some(35s)",
            ),
            (429, "<html>", "later: Some(7s)"),
            (500, "", "later: None"),
            (502, "", "later: None"),
        ] {
            let found = name(&receipt(&said(status, body), "-5"));
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    #[test]
    fn an_address_names_a_server_and_a_chat_and_the_key_is_the_token_of_a_bot() {
        let entered = |url: &str, secret: Option<&str>| {
            let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
            let wish = Wish { url, secret };
            prepare(&closed(), &wish).map(|prepared| prepared.host)
        };
        let token = Some("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw");
        for url in [
            "https://api.telegram.org/-1001234567890",
            "https://api.telegram.org/42",
            "https://api.telegram.org/@builds_of_octo",
        ] {
            assert_eq!(entered(url, token).unwrap(), "api.telegram.org", "{url}");
        }
        for url in [
            "https://api.telegram.org",
            "https://api.telegram.org/",
            "https://api.telegram.org/builds",
            "https://api.telegram.org/--1",
            "https://api.telegram.org/1?x=2",
            "https://api.telegram.org/@a.b",
            "https://api.telegram.org/12345678901234567890",
        ] {
            assert_eq!(entered(url, token).unwrap_err().field, "url", "{url}");
        }
        for secret in [None, Some("key"), Some("1:"), Some("x:y"), Some("1:a/../b")] {
            let why = entered("https://api.telegram.org/42", secret).unwrap_err();
            assert_eq!(why.field, "secret", "{secret:?}");
        }
    }

    #[test]
    fn only_what_was_given_is_the_place_of_a_message() {
        assert_eq!(place_of("-100/7"), Some(("-100", 7)));
        assert_eq!(place_of("@octo/7"), Some(("@octo", 7)));
        for text in [
            "", "7", "1234", "-100/", "-100/-7", "x/7", "-100/7/8", "../7",
        ] {
            assert_eq!(place_of(text), None, "{text}");
        }
    }
}
