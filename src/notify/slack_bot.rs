//! Slack, by the token of a bot: <https://docs.slack.dev/reference/methods/chat.postMessage>.
//!
//! The address is that of the Web API and a channel, and the key is the token. The first message
//! about an incident is changed when the incident changes. A change alerts no one, so a reply in
//! its thread follows it. A change needs the id of the channel: an answer has it, also when the
//! channel was entered by its name. An answer of success may hold an error: the body counts.

use super::card::Card;
use super::deliver::{DigestMessage, Message, Prepared, Receipt, Unfit, Wish};
use super::outbound::{Outbound, Request};
use super::slack;
use super::stored::{Stored, address, bearer, entered, sealed, token, unfit};
use super::verdict::{Said, called, unsent};
use super::{Destination, Outcome};
use crate::domain::notification::NotificationKind;
use crate::domain::sink::DisableReason;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;

/// Longest name of a channel, in characters.
/// <https://docs.slack.dev/reference/methods/conversations.create#naming>
const CHANNEL_CHARS_MAX: usize = 80;
/// Longest id of a channel or a message, in bytes: they have fewer than 20.
const ID_BYTES_MAX: usize = 40;

/// Errors that no retry resolves, with what they mean for the sink and for people.
const REFUSALS: [(&str, DisableReason, &str); 19] = {
    use DisableReason::{Gone, NotFound, Refused};
    const TOKEN: &str = "Slack refuses the token: it is wrong, or may not be used from the address \
        of this server. Enter another";
    const RIGHTS: &str =
        "The token has not the scope `chat:write`. Add it to the app, install that again";
    const DENIED: &str = "The administrators of the workspace do not let the app post there";
    [
        ("invalid_auth", Refused, TOKEN),
        ("not_authed", Refused, TOKEN),
        (
            "account_inactive",
            Refused,
            "The user or the workspace of the token was deleted",
        ),
        (
            "token_revoked",
            Refused,
            "The token was revoked, or the app was removed. Install it again and enter its token",
        ),
        (
            "token_expired",
            Refused,
            "The token has expired. Enter one of an app without token rotation",
        ),
        (
            "not_allowed_token_type",
            Refused,
            "Slack does not accept a token of this type. Enter that of a bot",
        ),
        ("missing_scope", Refused, RIGHTS),
        (
            "no_permission",
            Refused,
            "The token may not post in the channel. Invite the app there",
        ),
        (
            "not_in_channel",
            Refused,
            "The app is not in the channel. Invite it there",
        ),
        (
            "channel_not_found",
            NotFound,
            "Slack finds no such channel. Check it; to a private one, invite the app",
        ),
        ("is_archived", Gone, "The channel is archived"),
        ("restricted_action", Refused, DENIED),
        ("restricted_action_read_only_channel", Refused, DENIED),
        ("restricted_action_thread_only_channel", Refused, DENIED),
        ("ekm_access_denied", Refused, DENIED),
        ("access_denied", Refused, DENIED),
        ("accesslimited", Refused, DENIED),
        ("enterprise_is_restricted", Refused, DENIED),
        ("team_access_not_granted", Refused, DENIED),
    ]
};

/// Errors that are about this message only.
const REJECTIONS: [&str; 9] = [
    "invalid_arguments",
    "invalid_blocks",
    "invalid_blocks_format",
    "cannot_reply_to_message",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "restricted_action_non_threadable_channel",
    "too_many_attachments",
];

/// Errors of a change after which a new message is sent: it succeeds, or its error is that of the
/// channel. <https://docs.slack.dev/reference/methods/chat.update#errors>
const LOST: [&str; 7] = [
    "message_not_found",
    "edit_window_closed",
    "cant_update_message",
    "channel_not_found",
    "is_inactive",
    "is_archived",
    "not_in_channel",
];

/// A channel: its id, or its name.
fn is_channel(text: &str) -> bool {
    let name = text.strip_prefix('#').unwrap_or(text);
    (1..=CHANNEL_CHARS_MAX).contains(&name.chars().count())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_".contains(c))
}

/// The API and the channel of an address.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (api, channel) = url.rsplit_once('/')?;
    let (_, rest) = api.split_once("://")?;
    (rest.ends_with("/api") && is_channel(channel)).then_some((api, channel))
}

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let url = wish.url.as_deref().unwrap_or_default().trim();
    let Some((api, _)) = parts(url) else {
        let why = "expected the address of the API and a channel, as in \
                   https://slack.com/api/C0123456789 or https://slack.com/api/#builds";
        return Err(unfit("url", why));
    };
    let at_api = Wish {
        url: Some(api.to_owned()),
        ..Wish::default()
    };
    let (_, destination) = entered(outbound, &at_api)?;
    let token = token(wish)?.filter(|token| token.starts_with("xox"));
    let Some(token) = token else {
        let why = "enter the token of a bot, as in xoxb-1234-5678-AbCd";
        return Err(unfit("secret", why));
    };
    let (url, secrets) = (url.to_owned(), vec![token.to_string()]);
    Ok(Stored { url, secrets }.prepared(&destination))
}

/// Calls a method. Names in texts are not looked up and become no links: for a change that is not
/// the default. Fields that a method does not have are ignored.
fn request(method: &str, channel: &str, mut body: Value) -> Request {
    body["channel"] = channel.into();
    body["parse"] = "none".into();
    body["link_names"] = false.into();
    Request {
        segments: vec![method.to_owned()],
        ..Request::json(Method::POST, &body)
    }
}

/// A new message that says all.
pub(super) fn whole(channel: &str, card: &Card) -> Request {
    request("chat.postMessage", channel, slack::whole(card))
}

/// The change of a message.
pub(super) fn change((channel, ts): (&str, &str), message: &Message) -> Request {
    let mut body = slack::whole(&Card::of(message));
    body["ts"] = ts.into();
    request("chat.update", channel, body)
}

/// Whether a reply is shown in the channel, too: a thread is read by those who take part in it.
const fn is_seen_by_all(kind: NotificationKind) -> bool {
    match kind {
        NotificationKind::Opened
        | NotificationKind::Reopened
        | NotificationKind::Worse
        | NotificationKind::Reminded => true,
        NotificationKind::Flapping | NotificationKind::Resolved | NotificationKind::Digest => false,
    }
}

/// A reply to a message that says what has changed.
pub(super) fn note((channel, ts): (&str, &str), message: &Message) -> Request {
    let mut body = slack::short(&Card::of(message));
    body["thread_ts"] = ts.into();
    body["reply_broadcast"] = is_seen_by_all(message.kind).into();
    request("chat.postMessage", channel, body)
}

/// What an answer means, and the place of the message in it: the channel's id and the timestamp.
fn receipt(said: &Said) -> Receipt {
    let body: Value = serde_json::from_slice(&said.body).unwrap_or_default();
    let is_success = (200..=299).contains(&said.status);
    if is_success && body["ok"] == true {
        let (channel, ts) = (body["channel"].as_str(), body["ts"].as_str());
        let place = channel.zip(ts).map(|(id, ts)| format!("{id}/{ts}"));
        let message = place.filter(|place| place_of(place).is_some());
        return Receipt::Accepted { message };
    }
    match error_of(&body) {
        Some(word) => refusal(said, word),
        // Something else than Slack answers.
        None if is_success => said.later(None),
        None => said.usual(),
    }
}

/// The error in an answer.
fn error_of(body: &Value) -> Option<&str> {
    body["error"].as_str().filter(|_| body["ok"] == false)
}

/// What an error means. One that is not known here may pass: it costs tries, and nothing is lost.
fn refusal(said: &Said, word: &str) -> Receipt {
    if let Some((word, reason, why)) = REFUSALS.iter().find(|(known, ..)| *known == word) {
        let (reason, why) = (*reason, format!("{why} ({word})."));
        return Receipt::Disabled { reason, why };
    }
    if REJECTIONS.contains(&word) {
        return said.rejected();
    }
    said.later(said.after)
}

/// The channel and the timestamp of a message, as [`receipt`] names it.
fn place_of(text: &str) -> Option<(&str, &str)> {
    let (channel, ts) = text.split_once('/')?;
    let is_short = |text: &str| (1..=ID_BYTES_MAX).contains(&text.len());
    let is_id = channel.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_ts = ts.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_short(channel) && is_short(ts) && is_id && is_ts).then_some((channel, ts))
}

/// A bot that is called.
struct Bot<'a> {
    outbound: &'a Outbound,
    stored: &'a Stored,
    to: Destination,
    token: HeaderValue,
}

impl Bot<'_> {
    async fn call(&self, mut request: Request) -> Result<Said, Receipt> {
        request.headers.insert(AUTHORIZATION, self.token.clone());
        let said = called(self.outbound, &self.to, self.stored, request).await;
        said.map_err(|error| {
            let why = error.to_string();
            if matches!(error.outcome(), Outcome::Answered(200..=299)) {
                // The body decides, and it is lost.
                Receipt::Unsure { why }
            } else {
                unsent(&error)
            }
        })
    }

    async fn send(&self, card: &Card, channel: &str) -> Result<Receipt, Receipt> {
        let said = self.call(whole(channel, card)).await?;
        Ok(receipt(&said))
    }

    /// Changes the message, and replies to it. The change may be repeated.
    async fn update(
        &self,
        message: &Message,
        place: (&str, &str),
        entered: &str,
    ) -> Result<Receipt, Receipt> {
        let said = self.call(change(place, message)).await?;
        let body: Value = serde_json::from_slice(&said.body).unwrap_or_default();
        if error_of(&body).is_some_and(|word| LOST.contains(&word)) {
            return self.send(&Card::of(message), entered).await;
        }
        let changed = receipt(&said);
        if !matches!(changed, Receipt::Accepted { .. }) {
            return Ok(changed);
        }
        let noted = receipt(&self.call(note(place, message)).await?);
        if let Receipt::Accepted { .. } = noted {
            let message = Some(format!("{}/{}", place.0, place.1));
            return Ok(Receipt::Accepted { message });
        }
        Ok(noted)
    }
}

/// The bot and the channel of a stored address.
fn bot<'a>(outbound: &'a Outbound, stored: &'a Stored) -> Result<(Bot<'a>, &'a str), Receipt> {
    let token = stored.secrets.first().and_then(|token| bearer(token));
    let (Some((api, channel)), Some(token)) = (parts(&stored.url), token) else {
        return Err(sealed());
    };
    let bot = Bot {
        outbound,
        stored,
        to: address(outbound, api)?,
        token,
    };
    Ok((bot, channel))
}

async fn delivered(
    outbound: &Outbound,
    plain: &[u8],
    message: &Message,
) -> Result<Receipt, Receipt> {
    let stored = Stored::read(plain)?;
    let (bot, channel) = bot(outbound, &stored)?;
    match message.shown_as.as_deref().and_then(place_of) {
        Some(place) => bot.update(message, place, channel).await,
        None => bot.send(&Card::of(message), channel).await,
    }
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    let delivered = delivered(outbound, plain, message).await;
    delivered.unwrap_or_else(|receipt| receipt)
}

async fn reported(outbound: &Outbound, plain: &[u8], card: &Card) -> Result<Receipt, Receipt> {
    let stored = Stored::read(plain)?;
    let (bot, channel) = bot(outbound, &stored)?;
    bot.send(card, channel).await
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    let reported = reported(outbound, plain, &digest.card()).await;
    reported.unwrap_or_else(|receipt| receipt)
}

#[cfg(test)]
mod tests {
    use super::super::tests::samples::closed;
    use super::super::verdict::tests::{name, said};
    use super::*;
    use serde_json::json;

    #[test]
    fn each_answer_of_slack_has_a_receipt() {
        const SENT: &str = r#"{"ok":true,"channel":"C1H9RESGL","ts":"1503435956.000247"}"#;
        const STRANGE: &str = r#"{"ok":true,"channel":"../x","ts":"1503435956.000247"}"#;
        for (status, body, expected) in [
            (200, SENT, "accepted as C1H9RESGL/1503435956.000247"),
            (200, STRANGE, "accepted"),
            (200, r#"{"ok":true}"#, "accepted"),
            (200, "ok", "later: None"),
            (200, "<html>sign in</html>", "later: None"),
            (200, r#"{"error":"invalid_auth"}"#, "later: None"),
            (302, "", "later: None"),
            (403, "<html>blocked</html>", "refused: refused"),
            (404, "<html>no route</html>", "refused: not_found"),
            (429, "", "later: Some(7s)"),
            (500, "", "later: None"),
            (503, "", "later: Some(7s)"),
        ] {
            let found = name(&receipt(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }

    #[test]
    fn each_error_of_slack_in_an_answer_of_any_status_has_a_receipt() {
        for (word, expected) in [
            ("invalid_auth", "disabled: refused"),
            ("account_inactive", "disabled: refused"),
            ("token_revoked", "disabled: refused"),
            ("missing_scope", "disabled: refused"),
            ("not_in_channel", "disabled: refused"),
            ("channel_not_found", "disabled: not_found"),
            ("is_archived", "disabled: gone"),
            ("msg_too_long", "rejected"),
            ("invalid_blocks", "rejected"),
            ("ratelimited", "later: Some(7s)"),
            ("rate_limited", "later: Some(7s)"),
            ("internal_error", "later: Some(7s)"),
            ("fatal_error", "later: Some(7s)"),
            ("service_unavailable", "later: Some(7s)"),
            ("of_another_year", "later: Some(7s)"),
        ] {
            let body = json!({ "ok": false, "error": word }).to_string();
            for status in [200, 403, 429, 503] {
                let said = Said::new(
                    status,
                    Some(std::time::Duration::from_secs(7)),
                    body.clone().into(),
                    &body,
                );
                let found = name(&receipt(&said));
                assert_eq!(found, expected, "{status} {body}");
            }
        }
    }

    #[test]
    fn what_disables_a_sink_is_said_in_words_of_our_own() {
        for (word, ..) in REFUSALS {
            let body = json!({ "ok": false, "error": word, "needed": "x:y" }).to_string();
            let Receipt::Disabled { why, .. } =
                receipt(&Said::new(200, None, body.into(), "canary"))
            else {
                panic!("{word}");
            };
            let ends = format!(" ({word}).");
            assert!(why.ends_with(&ends) && !why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn an_address_names_the_api_and_a_channel_and_the_key_is_the_token_of_a_bot() {
        let entered = |url: &str, secret: Option<&str>| {
            let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
            let wish = Wish { url, secret };
            prepare(&closed(), &wish).map(|prepared| prepared.host)
        };
        let token = Some("xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcBrzbqgy");
        for url in [
            "https://slack.com/api/C0123456789",
            "https://slack.com/api/#builds",
            "https://slack.com/api/builds_of-octo",
            "https://slack.com/api/#b\u{e9}ta",
        ] {
            assert_eq!(entered(url, token).unwrap(), "slack.com", "{url}");
        }
        for url in [
            "https://slack.com/api",
            "https://slack.com/api/",
            "https://slack.com/api/#",
            "https://slack.com/api/a.b",
            "https://slack.com/api/C1?x=2",
            "https://slack.com/api/C1/../C2/",
            "https://octo.slack.com/archives/C0123456789",
            "http://slack.com/api/C0123456789",
            "https://10.0.0.1/api/C0123456789",
            "C0123456789",
        ] {
            assert_eq!(entered(url, token).unwrap_err().field, "url", "{url}");
        }
        for secret in [None, Some("x"), Some("xapp-1"), Some("xoxb-1 2")] {
            let why = entered("https://slack.com/api/C0123456789", secret).unwrap_err();
            assert_eq!(why.field, "secret", "{secret:?}");
        }
    }

    #[test]
    fn only_what_slack_can_have_given_is_the_place_of_a_message() {
        let place = ("C1H9RESGL", "1503435956.000247");
        assert_eq!(place_of("C1H9RESGL/1503435956.000247"), Some(place));
        let long = format!("C1/{}", "1".repeat(41));
        for text in [
            "",
            "1234",
            "C1/",
            "/1.2",
            "#builds/1.2",
            "C1/1.2/3",
            "C1/x",
            &long,
        ] {
            assert_eq!(place_of(text), None, "{text}");
        }
    }
}
