//! Messages in the words of templates, with hostile texts in every field and in the templates
//! themselves: what a template makes acts no more than a text of a stranger.

use super::super::mail;
use super::super::messages::{body, requests};
use super::super::samples::{message, resolved};
use super::super::texts::texts;
use super::{Checked, backslashed, ensure, issues, plain, title_of, units, visible, with};
use crate::domain::sink::SinkKind;
use crate::domain::sink::template::{Part, Templates};
use crate::notify::deliver::Message;
use crate::notify::template::{self, About};
use serde_json::Value;

/// Everything that a template can show, also at the beginnings of lines.
pub(in crate::notify::tests) fn templates() -> Templates {
    let title = "{{ title }}{{ branch }}{{ commit_title }}{{ author }}";
    let text = "{{ title }}\n{{ repository }}{{ workflow }}\n- {{ branch }}\n1. {{ trigger }}\n\
                # {{ commit }}\n> {{ commit_title }}\n    {{ author }}\n<{{ failed_jobs }}>\n\
                {{ failed_step }}\n{{ since_last_pass }}\n{{ failure }}\n[x]({{ run_url }})";
    Templates {
        title: Some(title.to_owned()),
        text: Some(text.to_owned()),
    }
}

/// A line of Markdown that is no list, heading, quote or code.
fn is_paragraph(line: &str) -> Checked {
    let first = line.chars().next().unwrap_or('a');
    ensure(
        first.is_alphabetic() || first == '\u{200b}',
        "a line that begins something",
    )
}

fn text_of<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn lines(text: &str) -> Checked {
    text.split('\n').try_for_each(plain)
}

fn slack(body: &Value) -> Checked {
    let section = &body["blocks"][1]["text"];
    ensure(
        section["type"] == "plain_text" && section["emoji"] == false,
        "mark-up",
    )?;
    let text = text_of(section, "/text");
    ensure(
        units(text) <= 3_000 && !text.is_empty(),
        "the length of a text",
    )?;
    plain(title_of(text_of(body, "/blocks/0/text/text"))?)?;
    ensure(
        !text_of(body, "/text").contains(['<', '>']),
        "an unescaped bracket",
    )?;
    lines(text)
}

fn mattermost(body: &Value) -> Checked {
    let text = text_of(body, "/text").lines().skip(1);
    let is_link = |line: &&str| !line.starts_with("[Open the run](https://github.com/");
    text.filter(is_link).try_for_each(|line| {
        let inner = line.strip_prefix('`').and_then(|it| it.strip_suffix('`'));
        ensure(line.is_empty() || inner.is_some(), "not a code span")?;
        let inner = inner.unwrap_or_default();
        ensure(!inner.contains('`'), "a code span that ends")?;
        plain(inner)
    })
}

fn discord(body: &Value) -> Checked {
    let text = text_of(body, "/embeds/0/description");
    ensure(units(text) <= 4_096, "too long")?;
    text.lines().try_for_each(|line| {
        is_paragraph(line)?;
        plain(&line.replace('\\', ""))?;
        backslashed(line, "\\*_~`|>[]()#<")
    })
}

fn teams(body: &Value) -> Checked {
    ensure(body.to_string().len() <= 18_000, "too long")?;
    let blocks = body["attachments"][0]["content"]["body"].as_array();
    let mut texts = blocks.ok_or("no blocks")?.iter().skip(1);
    texts.try_for_each(|block| {
        let text = text_of(block, "/text");
        ensure(!text.is_empty() && !text.contains("{{"), "a function")?;
        is_paragraph(text)?;
        plain(&text.replace('\\', ""))?;
        backslashed(text, "\\[]()*_`")
    })
}

fn telegram(body: &Value) -> Checked {
    let text = text_of(body, "/text");
    ensure(units(text) <= 4_096, "the length of a text")?;
    ensure(body["parse_mode"].is_null(), "mark-up")?;
    let characters: Vec<char> = text.chars().collect();
    let acts = |three: &[char]| {
        let begins = three[1] == '/' && !three[0].is_alphanumeric();
        (begins || "$+".contains(three[1])) && three[2].is_alphanumeric()
    };
    ensure(!characters.windows(3).any(acts), "a command or a number")?;
    text.split('\n').skip(1).try_for_each(plain)
}

/// The lines of the message that a template made, or the texts with its title, as they are read.
pub(in crate::notify::tests) fn checked(kind: SinkKind, body: &Value) -> Checked {
    match kind {
        // A reply has a title only.
        SinkKind::SlackBot if !body["thread_ts"].is_null() => {
            plain(title_of(text_of(body, "/blocks/0/text/text"))?)
        }
        SinkKind::Slack | SinkKind::SlackBot => slack(body),
        SinkKind::Mattermost => mattermost(body),
        SinkKind::Discord => discord(body),
        SinkKind::Teams => teams(body),
        SinkKind::Ntfy | SinkKind::Gotify => {
            let text = text_of(body, "/message");
            ensure(
                text.len() <= 4_096 && !text.is_empty(),
                "the length of a text",
            )?;
            plain(title_of(text_of(body, "/title"))?)?;
            lines(text)
        }
        SinkKind::Pagerduty => {
            let summary = text_of(body, "/payload/summary");
            ensure(units(summary) <= 1_024, "the length of a summary")?;
            plain(summary)
        }
        SinkKind::Alertmanager => {
            let labels = body[0]["labels"].as_object().ok_or("no labels")?;
            ensure(labels["alertname"] == "HookherdCiFailed", "a name")?;
            plain(text_of(body, "/0/annotations/summary"))?;
            lines(text_of(body, "/0/annotations/description"))
        }
        SinkKind::Telegram => telegram(body),
        SinkKind::Matrix => {
            ensure(body["formatted_body"].is_null(), "mark-up")?;
            let is_link =
                |line: &&str| !line.starts_with("https://github.com/octo/app/actions/runs/");
            let text = text_of(body, "/body").split('\n').skip(1);
            text.filter(is_link).try_for_each(plain)
        }
        SinkKind::GithubIssue => issues::templated(body),
        SinkKind::Webhook | SinkKind::Email => Ok(()),
    }
}

pub(in crate::notify::tests) fn worded(message: &Message, templates: &Templates) -> Message {
    let (words, failed) = template::words(templates, &About::from(message));
    assert_eq!(failed, None);
    let message = message.clone();
    Message { words, ..message }
}

/// Checks the message in each kind that takes templates.
fn check_all(message: &Message, stranger: &str) -> usize {
    let shown: String = stranger.chars().take(60).collect();
    let mut seen = 0;
    for kind in SinkKind::ALL
        .into_iter()
        .filter(|it| it.takes_template(Part::Title))
    {
        for request in requests(kind, message) {
            let body = body(&request);
            if body["event_action"] == "resolve" {
                continue;
            }
            checked(kind, &body)
                .unwrap_or_else(|why| panic!("{}: {why}: {shown:?} in {body:#}", kind.as_str()));
            seen += 1;
        }
    }
    mail::check_templated(message).unwrap_or_else(|why| panic!("{why}: {shown:?}"));
    seen
}

#[test]
fn nothing_of_a_hostile_text_acts_in_what_a_template_makes_of_it() {
    let mut seen = 0;
    for stranger in texts() {
        for message in [message(), resolved()]
            .iter()
            .flat_map(|of| with(&stranger, of))
        {
            seen += check_all(&worded(&message, &templates()), &stranger);
        }
    }
    assert!(seen > 20_000, "{seen}");
}

/// A template is a text of a user, who may not be the only reader.
#[test]
fn nothing_of_a_hostile_template_acts() {
    let (mut accepted, mut seen) = (0, 0);
    for text in texts() {
        let short: String = text.chars().take(400).collect();
        let templates = Templates {
            title: Some(short.clone()),
            text: Some(format!("{short}\n{{{{ branch }}}}{short}\n{short}")),
        };
        if template::check(SinkKind::Discord, &templates).is_ok() {
            accepted += 1;
            seen += check_all(&worded(&message(), &templates), &text);
        }
    }
    assert!(accepted > 200 && seen > 2_000, "{accepted} {seen}");
}

/// The checks complain when what a template makes is put in as it is.
#[test]
fn the_checks_see_what_acts() {
    let templates = Templates {
        title: None,
        text: Some("PLACE".to_owned()),
    };
    let message = worded(&message(), &templates);
    let everywhere = ["https://evil.example", "@here", "a\u{202e}b"];
    for (kind, own) in [
        (SinkKind::Slack, &["<!here>"][..]),
        (SinkKind::Mattermost, &["x` @all `y", "` **b**"]),
        (SinkKind::Discord, &["*x*", "[x](y)"]),
        (SinkKind::Teams, &["_x_", "{{DATE(x)}}"]),
        (SinkKind::Telegram, &["+49301234567"]),
        (SinkKind::Alertmanager, &["<!channel>"]),
        (SinkKind::Ntfy, &[]),
        (SinkKind::Gotify, &[]),
        (SinkKind::Matrix, &[]),
        (SinkKind::SlackBot, &["<!here>"]),
        (SinkKind::GithubIssue, &["x\n```\n**b**"]),
    ] {
        for text in own.iter().chain(&everywhere) {
            let raw = serde_json::to_string(text).unwrap();
            let body = body(&requests(kind, &message)[0]).to_string();
            let body = body.replace("PLACE", raw.trim_matches('"'));
            let body: Value = serde_json::from_str(&body).unwrap();
            assert!(checked(kind, &body).is_err(), "{} {text:?}", kind.as_str());
        }
    }
    assert!(is_paragraph("- x").is_err() && is_paragraph("1. x").is_err());
    assert!(visible("a\u{202e}b").is_err());
}
