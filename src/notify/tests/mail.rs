//! Mails, read by a parser of others: what a stranger writes is text in its place, and nothing
//! else.

use super::markup::{Checked, lines, plain, with};
use super::samples::{message, resolved};
use super::texts::texts;
use crate::notify::deliver::Message;
use crate::notify::email::sample;
use mail_parser::{Header, HeaderValue, MessageParser, PartType};

/// All headers, in order.
const NAMES: [&str; 12] = [
    "From",
    "Date",
    "Message-ID",
    "Subject",
    "List-Id",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "To",
    "In-Reply-To",
    "References",
];

/// The end of a resolved incident, as a mail in its thread.
fn end() -> Message {
    let first = Some("<inc_1.ntf_5@hooks.example.org>".to_owned());
    Message {
        shown_as: first,
        ..resolved()
    }
}

/// The mail as people may read it: its headers as they are sent, and its text.
pub(super) fn shown(message: &Message) -> String {
    let shown_as = message.shown_as.as_ref().and(end().shown_as);
    let bytes = sample(&Message {
        shown_as,
        ..message.clone()
    });
    readable(&bytes)
}

/// The headers of a mail as they are sent, and its text.
pub(super) fn readable(bytes: &[u8]) -> String {
    let (head, _) = parts(bytes);
    let parsed = MessageParser::default().parse(bytes).unwrap();
    let text = parsed.body_text(0).unwrap();
    format!("{head}\n\n{text}").replace('\r', "")
}

fn parts(bytes: &[u8]) -> (&str, &str) {
    let text = std::str::from_utf8(bytes).unwrap();
    text.split_once("\r\n\r\n").unwrap()
}

fn ensure(is_so: bool, what: &str) -> Checked {
    is_so.then_some(()).ok_or_else(|| what.to_owned())
}

/// The bytes themselves: lines of ASCII that no server reads as anything else.
fn is_plain(bytes: &[u8]) -> Checked {
    ensure(bytes.is_ascii(), "not ASCII")?;
    let text = std::str::from_utf8(bytes).unwrap();
    let ends = text.matches("\r\n").count();
    ensure(text.matches('\n').count() == ends, "a bare line feed")?;
    ensure(text.matches('\r').count() == ends, "a bare carriage return")?;
    ensure(!text.contains('\0'), "a zero")?;
    for line in text.split("\r\n") {
        ensure(line.len() <= 998, "a long line")?;
        ensure(!line.starts_with('.'), "a line that begins with a dot")?;
    }
    ensure(bytes.len() <= 20_000, "a long mail")
}

fn checked(bytes: &[u8], is_first: bool) -> Checked {
    text(&headers(bytes, is_first)?)
}

/// The mail of a message in the words of templates.
pub(super) fn check_templated(message: &Message) -> Checked {
    let shown_as = message.shown_as.as_ref().and(end().shown_as);
    let is_first = shown_as.is_none();
    let message = message.clone();
    let mail = Message {
        shown_as,
        ..message
    };
    check_lines(&sample(&mail), is_first)
}

/// A mail whose text is lines of any kind.
pub(super) fn check_lines(bytes: &[u8], is_first: bool) -> Checked {
    let text = headers(bytes, is_first)?;
    let ours = "https://github.com/octo/app/actions/runs/";
    let mut all = text.lines().filter(|line| !line.starts_with(ours));
    all.try_for_each(|line| {
        let title = ["Opened: ", "Resolved: ", "Digest: "];
        let title = title.iter().find_map(|words| line.strip_prefix(words));
        plain(title.unwrap_or(line))
    })
}

/// Checks all but the text, and returns it.
fn headers(bytes: &[u8], is_first: bool) -> Result<String, String> {
    is_plain(bytes)?;
    let parsed = MessageParser::default().parse(bytes).ok_or("no mail")?;
    let names: Vec<&str> = parsed.headers().iter().map(Header::name).collect();
    let expected = if is_first { &NAMES[..10] } else { &NAMES[..] };
    let mut sorted = (names.clone(), expected.to_vec());
    sorted
        .0
        .sort_unstable_by_key(|name| name.to_ascii_lowercase());
    sorted
        .1
        .sort_unstable_by_key(|name| name.to_ascii_lowercase());
    let is_same = |(a, b): (&&str, &&str)| a.eq_ignore_ascii_case(b);
    let is_known = names.len() == expected.len() && sorted.0.iter().zip(&sorted.1).all(is_same);
    ensure(is_known, &format!("other headers: {names:?}"))?;
    let raw = |name: &str| {
        parsed
            .header_raw(name)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    ensure(
        raw("Auto-Submitted") == "auto-generated",
        "a loop of answers",
    )?;
    ensure(
        raw("List-Id") == "Hookherd <incidents.hooks.example.org>",
        "a list",
    )?;
    let to = parsed
        .to()
        .and_then(|to| to.first())
        .and_then(|it| it.address());
    ensure(to == Some("ann@example.org"), "another recipient")?;
    let subject = parsed.subject().ok_or("no subject")?;
    let is_short = subject.len() <= 200 && !subject.contains(char::is_control);
    ensure(is_short, "the subject")?;
    let again = subject.strip_prefix("Re: ");
    ensure(again.is_some() != is_first, "the mark of an answer")?;
    let is_alone = parsed
        .part(0)
        .is_some_and(|part| matches!(part.body, PartType::Text(_)));
    ensure(is_alone && parsed.part(1).is_none(), "other parts")?;
    let text = parsed.body_text(0).ok_or("no text")?;
    Ok(text.into_owned())
}

fn text(text: &str) -> Checked {
    let text = text.replace("\r\n", "\n");
    let mut blocks = text.trim_end().split("\n\n");
    let title = blocks.next().ok_or("no title")?;
    lines(title, blocks.next().ok_or("no facts")?)?;
    let link = blocks.next();
    let is_ours = |link: &str| {
        link.starts_with("https://github.com/octo/app/actions/runs/") && !link.contains('\n')
    };
    ensure(
        link.is_none_or(is_ours) && blocks.next().is_none(),
        "another link",
    )
}

#[test]
fn nothing_of_a_hostile_text_leaves_its_place_in_a_mail() {
    let mut seen = 0;
    for stranger in texts() {
        for of in [message(), end()] {
            for message in with(&stranger, &of) {
                let bytes = sample(&message);
                checked(&bytes, message.shown_as.is_none()).unwrap_or_else(|why| {
                    let shown: String = stranger.chars().take(60).collect();
                    panic!("{why}: {shown:?} in {}", String::from_utf8_lossy(&bytes))
                });
                seen += 1;
            }
        }
    }
    assert!(seen >= 2_000, "{seen}");
}

/// The checks complain of what they are for.
#[test]
fn the_checks_see_what_leaves_its_place() {
    let bytes = sample(&message());
    let (head, body) = parts(&bytes);
    assert_eq!(checked(&bytes, true), Ok(()));
    for (what, bad) in [
        ("a header", format!("{head}\r\nX-Other: 1\r\n\r\n{body}")),
        (
            "a recipient",
            format!("Bcc: bob@example.org\r\n{head}\r\n\r\n{body}"),
        ),
        ("a line", format!("{head}\r\n\r\n{body}\n.\r\n")),
        ("a dot", format!("{head}\r\n\r\n{body}\r\n.\r\n")),
        ("a text", format!("{head}\r\n\r\nSGVsbG8=\r\n")),
        (
            "a thread",
            head.replace("Subject: ", "Subject: Re: ") + "\r\n\r\n" + body,
        ),
    ] {
        assert!(checked(bad.as_bytes(), true).is_err(), "{what}");
    }
    assert!(plain("https://evil.example").is_err());
}

#[test]
fn mails_of_an_incident_have_one_subject_and_refer_to_the_first() {
    let ids = |bytes: &[u8]| {
        let parsed = MessageParser::default().parse(bytes).unwrap();
        let of = |value: &HeaderValue<'_>| value.as_text().map(str::to_owned);
        (
            parsed.message_id().map(str::to_owned),
            of(parsed.in_reply_to()),
            of(parsed.references()),
            parsed.subject().unwrap().to_owned(),
        )
    };
    let (first, to, refers, subject) = ids(&sample(&message()));
    assert_eq!((to, refers), (None, None));
    assert_eq!(subject, "[octo/app] build failed on main");
    let first = first.unwrap();
    let (second, to, refers, subject) = ids(&sample(&Message {
        id: crate::domain::id::NotificationId::from_u128(9),
        shown_as: Some(format!("<{first}>")),
        ..resolved()
    }));
    assert!(second.is_some_and(|second| second != first));
    assert_eq!((to.as_ref(), refers.as_ref()), (Some(&first), Some(&first)));
    assert_eq!(subject, "Re: [octo/app] build failed on main");
    // A repeated one is known by its id.
    assert_eq!(sample(&message()), sample(&message()));
}
