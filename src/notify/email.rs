//! E-mail, by a server that takes mail from users.
//!
//! The address names the server, the user, the sender and the recipients; the key is the password.
//! All mails about an incident have one subject and refer to the first one, so mail programs show
//! them together. Ids of mails are made of those of the incident and the notification: what arrives
//! twice has the same.

mod route;

use super::card::{Card, bounded};
use super::deliver::{DigestMessage, Message, Prepared, Receipt, Unfit, Wish};
use super::escape::unlinked;
use super::hidden::Secrets;
use super::outbound::Outbound;
use super::smtp::{Delivery, Fault, Mail, Missing, PORTS, Phase, Refusal, Server, Step};
use super::stored::{Stored, sealed, unfit};
use super::verdict::{Said, unsent};
use super::{SendError, TlsFault};
use crate::domain::sink::DisableReason;
use crate::domain::time::Timestamp;
use bytes::Bytes;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0,
};
use lettre::message::{Body, Mailbox};
use route::Route;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Longest password, in bytes.
pub(super) const PASSWORD_BYTES_MAX: usize = 512;
/// Longest subject, in bytes.
const SUBJECT_BYTES_MAX: usize = 200;
/// Before the subject of a mail that is not the first one.
const AGAIN: &str = "Re: ";
/// The wait after a refusal that passes: servers that know no sender yet want minutes.
const PASSING: Duration = Duration::from_mins(5);
/// Longest answers about recipients who were refused, in bytes.
const REFUSALS_BYTES_MAX: usize = 256;
/// What is certain where a connection was lost before the mail.
const NOTHING_SENT: &str = "Nothing was sent.";
/// What to try where a server does not greet.
const WANTS_TLS: &str = "If it wants TLS from the first byte, use smtps://. Nothing was sent.";
/// What to try where TLS does not begin.
const WANTS_STARTTLS: &str = "If it begins without TLS, use smtp://. Nothing was sent.";
/// Longest id of a mail, in bytes.
const ID_BYTES_MAX: usize = 255;

/// The password that a user has entered, if any.
fn password(wish: &Wish) -> Result<Option<Zeroizing<String>>, Unfit> {
    let Some(text) = wish.secret.as_deref() else {
        return Ok(None);
    };
    // Of a file that ends with its line.
    let text = text.trim_end_matches(['\r', '\n']);
    let is_fit = (1..=PASSWORD_BYTES_MAX).contains(&text.len());
    if is_fit && !text.contains(char::is_control) {
        return Ok(Some(text.to_owned().into()));
    }
    let why = format!("expected a password of 1 to {PASSWORD_BYTES_MAX} bytes in one line");
    Err(unfit("secret", why))
}

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let url = wish.url.as_deref().unwrap_or_default().trim();
    let route = Route::parse(url)?;
    let server = &route.server;
    let may_call = outbound.may_call(&server.host, server.port, PORTS);
    may_call.map_err(|error| unfit("url", error.to_string()))?;
    let password = password(wish)?;
    if password.is_some() != route.user.is_some() {
        let why = if password.is_some() {
            "there is a password, and no user before the server"
        } else {
            "enter the password of the user"
        };
        return Err(unfit("secret", why));
    }
    let secrets = password.map(|password| password.to_string());
    let stored = Stored {
        url: url.to_owned(),
        secrets: secrets.into_iter().collect(),
    };
    Ok(stored.prepared_at(server.place()))
}

/// What a mail says.
struct Letter {
    /// Its id, before the `@`.
    id: String,
    subject: String,
    /// The id of the first mail of its thread.
    first: Option<String>,
    at: Timestamp,
    text: String,
}

impl Letter {
    /// The mail of a message.
    fn of(message: &Message) -> Self {
        let first = message.shown_as.as_deref().and_then(id_of);
        let again = first.map_or("", |_| AGAIN);
        Self {
            id: format!("{}.{}", message.incident.id, message.id),
            subject: format!("{again}{}", subject(message)),
            first: first.map(str::to_owned),
            at: message.at,
            text: text(&Card::of(message)),
        }
    }

    /// The mail of a digest, which belongs to no thread.
    fn of_digest(digest: &DigestMessage) -> Self {
        Self {
            id: digest.id.to_string(),
            subject: format!("Digest: {}", digest.title()),
            first: None,
            at: digest.at,
            text: text(&digest.card()),
        }
    }

    fn id(&self, ours: &str) -> String {
        format!("<{}@{ours}>", self.id)
    }
}

/// An id of a mail, in angle brackets.
fn id_of(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"(),;\\".contains(&byte);
    let is_id = text.len() <= ID_BYTES_MAX && inner.bytes().all(is_plain);
    (is_id && inner.contains('@')).then_some(text)
}

/// What stays the same of an incident, unless a template says otherwise. Text of strangers: one
/// line, without control characters.
fn subject(message: &Message) -> String {
    let bytes_max = SUBJECT_BYTES_MAX - AGAIN.len();
    if let Some(title) = &message.words.title {
        return bounded(title, bytes_max).unwrap_or_else(|| "Incident".to_owned());
    }
    let incident = &message.incident;
    let title = match &incident.ci {
        Some(ci) => match &ci.branch {
            Some(branch) => format!("{} failed on {branch}", ci.workflow_name),
            None => format!("{} failed", ci.workflow_name),
        },
        None => incident.title.clone(),
    };
    let whole = match &incident.repository {
        Some(name) => format!("[{}] {title}", name.as_str()),
        None => title,
    };
    bounded(&whole, bytes_max).unwrap_or_else(|| "Incident".to_owned())
}

/// Plain text, in which nothing else than the link to the run acts.
fn text(card: &Card) -> String {
    let title = format!("{}: {}", card.status(), unlinked(&card.title));
    let mut lines = vec![title, String::new()];
    lines.extend(card.lines(unlinked));
    if let Some(link) = &card.link {
        lines.extend([String::new(), link.clone()]);
    }
    lines.join("\r\n") + "\r\n"
}

fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// A mail. Its text is in base64, so no line of it means anything to a server.
fn mail(route: &Route, ours: &str, letter: &Letter) -> Option<Vec<u8>> {
    let at = u64::try_from(letter.at.0).unwrap_or_default();
    let from = Mailbox::new(Some("Hookherd".to_owned()), route.from.clone());
    let mut builder = lettre::Message::builder()
        .from(from)
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(at))
        .message_id(Some(letter.id(ours)))
        .subject(letter.subject.clone())
        .raw_header(header("List-Id", format!("Hookherd <incidents.{ours}>")))
        .raw_header(header("Auto-Submitted", "auto-generated".to_owned()))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN);
    for to in &route.to {
        builder = builder.to(Mailbox::new(None, to.clone()));
    }
    if let Some(first) = &letter.first {
        builder = builder.in_reply_to(first.clone()).references(first.clone());
    }
    let text = letter.text.clone();
    let body = Body::new_with_encoding(text, ContentTransferEncoding::Base64).ok()?;
    Some(builder.body(body).ok()?.formatted())
}

/// What a refusal means. `said` is the answer.
fn receipt(step: Step, code: u16, said: &Said) -> Receipt {
    if code < 500 {
        return said.later(Some(PASSING));
    }
    match step {
        Step::Message => said.rejected(),
        Step::Recipients => said.refused(DisableReason::NotFound),
        Step::Greeting | Step::Login | Step::Sender => said.refused(DisableReason::Refused),
    }
}

/// Why a mail was not sent, for people, when there was a connection and no answer.
fn lost(server: &Server, phase: Phase, missing: Missing) -> String {
    let is_greeting = phase == Phase::Greeting;
    let what = match missing {
        Missing::Silent(time) if is_greeting => {
            format!("sent no greeting within {} s", time.as_secs())
        }
        Missing::Closed if is_greeting => "closed the connection without a greeting".to_owned(),
        Missing::Silent(time) => format!("did not answer within {} s", time.as_secs()),
        Missing::Closed => "closed the connection".to_owned(),
        Missing::Other => "sent something that is not SMTP".to_owned(),
    };
    let (when, advice) = match phase {
        Phase::Greeting => ("", WANTS_TLS),
        Phase::Tls if server.is_implicit => (" when TLS began", WANTS_STARTTLS),
        Phase::Tls => (" when TLS began", NOTHING_SENT),
        Phase::Connecting | Phase::Talking | Phase::Mail => ("", NOTHING_SENT),
    };
    let place = server.place();
    format!("Connected to {place}, but it {what}{when}. {advice}")
}

fn failed(fault: &Fault, server: &Server, hidden: &Secrets) -> Receipt {
    let place = server.place();
    let refused = |why: String| Receipt::Refused {
        reason: DisableReason::Refused,
        why,
    };
    let later = |why: String| Receipt::Later { after: None, why };
    match fault {
        Fault::Unsent(error) => match error {
            SendError::Tls {
                fault: TlsFault::NotTls,
                ..
            } if server.is_implicit => later(format!("{error} {WANTS_STARTTLS}")),
            _ => unsent(error),
        },
        Fault::Lost(phase, missing) => later(lost(server, *phase, *missing)),
        Fault::NoTls => later(format!(
            "{place} does not offer STARTTLS. Nothing was sent."
        )),
        Fault::NoLogin => refused(format!(
            "{place} offers no way to sign in with a password (PLAIN or LOGIN)."
        )),
        Fault::Refused(step, code, text) => {
            let text = hidden.shown(text.as_bytes());
            receipt(*step, *code, &Said::new(*code, None, Bytes::new(), &text))
        }
    }
}

/// Who did not get a mail, for people.
fn refused(all: &[Refusal], hidden: &Secrets) -> String {
    // The answers share the room of one.
    let bytes_max = REFUSALS_BYTES_MAX / all.len().max(1);
    let one = |it: &Refusal| {
        let text = hidden.shown(it.text.as_bytes());
        match bounded(&text, bytes_max) {
            Some(text) => format!("{} ({}: {text})", it.to, it.code),
            None => format!("{} ({})", it.to, it.code),
        }
    };
    let all: Vec<String> = all.iter().map(one).collect();
    format!("Refused recipients: {}.", all.join(", "))
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    post(outbound, plain, &Letter::of(message)).await
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    post(outbound, plain, &Letter::of_digest(digest)).await
}

async fn post(outbound: &Outbound, plain: &[u8], letter: &Letter) -> Receipt {
    let stored = match Stored::read(plain) {
        Ok(stored) => stored,
        Err(receipt) => return receipt,
    };
    let Ok(route) = Route::parse(&stored.url) else {
        return sealed();
    };
    let server = &route.server;
    if let Err(error) = outbound.may_call(&server.host, server.port, PORTS) {
        return Receipt::Disabled {
            reason: DisableReason::AddressRefused,
            why: error.to_string(),
        };
    }
    let password = stored.secrets.first().map(String::as_str);
    let Some(bytes) = mail(&route, outbound.name(), letter) else {
        return sealed();
    };
    let mail = Mail {
        from: route.from.clone(),
        to: route.to.clone(),
        bytes,
    };
    let delivery = Delivery {
        outbound,
        server,
        login: route.user.as_deref().zip(password),
        mail: &mail,
    };
    let user = route.user.as_deref().unwrap_or_default();
    let hidden = Secrets::of_login(user, password.unwrap_or_default());
    match delivery.run().await {
        Ok(refusals) => {
            let id = || letter.id(outbound.name());
            let message = Some(letter.first.clone().unwrap_or_else(id));
            if refusals.is_empty() {
                return Receipt::Accepted { message };
            }
            let count = refusals.len();
            tracing::warn!(mail.id = letter.id, refused = count, "recipients_refused");
            let why = refused(&refusals, &hidden);
            Receipt::Partly { message, why }
        }
        Err(fault) => failed(&fault, server, &hidden),
    }
}

/// The mail to one recipient.
#[cfg(test)]
pub(super) fn sample(message: &Message) -> Vec<u8> {
    let url = "smtps://ci%40example.org@mail.example.org?to=ann@example.org";
    let letter = Letter::of(message);
    mail(&Route::parse(url).unwrap(), "hooks.example.org", &letter).unwrap()
}

/// The same for a digest.
#[cfg(test)]
pub(super) fn sample_digest(digest: &DigestMessage) -> Vec<u8> {
    let url = "smtps://ci%40example.org@mail.example.org?to=ann@example.org";
    let letter = Letter::of_digest(digest);
    mail(&Route::parse(url).unwrap(), "hooks.example.org", &letter).unwrap()
}

#[cfg(test)]
mod tests {
    use super::super::verdict::tests::{name, said};
    use super::*;

    #[test]
    fn each_refusal_has_a_receipt() {
        use Step::{Greeting, Login, Message, Recipients, Sender};
        for (step, code, expected) in [
            (Greeting, 421, "later: Some(300s)"),
            (Greeting, 554, "refused: refused"),
            (Login, 454, "later: Some(300s)"),
            (Login, 534, "refused: refused"),
            (Login, 535, "refused: refused"),
            (Sender, 451, "later: Some(300s)"),
            (Sender, 530, "refused: refused"),
            (Sender, 550, "refused: refused"),
            (Recipients, 450, "later: Some(300s)"),
            (Recipients, 550, "refused: not_found"),
            (Message, 452, "later: Some(300s)"),
            (Message, 552, "rejected"),
            (Message, 554, "rejected"),
        ] {
            let found = name(&receipt(step, code, &said(code, "")));
            assert_eq!(found, expected, "{step:?} {code}");
        }
    }

    #[test]
    fn only_what_was_given_is_the_id_of_a_mail() {
        assert_eq!(id_of("<a.b@hooks.example>"), Some("<a.b@hooks.example>"));
        let long = format!("<{}@x>", "x".repeat(ID_BYTES_MAX));
        for text in [
            "",
            "1234",
            "<>",
            "<a>",
            "<a@b>\r\nX: y",
            "<a@b> <c@d>",
            "<a b@c>",
            &long,
        ] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
