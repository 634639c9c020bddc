//! Nothing in a message acts but what is ours: each message with each hostile text in each field,
//! read by a small parser of the mark-up of its target.

mod issues;
mod rooms;
pub(super) mod templated;

use super::messages::{body, requests};
use super::samples::{message, resolved};
use super::texts::texts;
use crate::domain::samples::failed_job;
use crate::domain::sink::SinkKind;
use crate::notify::card::Card;
use crate::notify::deliver::Message;
use serde_json::{Value, json};

pub(super) type Checked = Result<(), String>;

fn ensure(is_so: bool, what: &str) -> Checked {
    is_so.then_some(()).ok_or_else(|| what.to_owned())
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn texts_of<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(all) => all.iter().for_each(|it| texts_of(it, found)),
        Value::Object(all) => all.values().for_each(|it| texts_of(it, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A client that looks for addresses, mentions and names of emojis finds none.
fn unlinked(text: &str) -> Checked {
    let characters: Vec<char> = text.chars().collect();
    for three in characters.windows(3) {
        let is_host = three[1] == '.' && three[0].is_alphanumeric() && three[2].is_alphanumeric();
        ensure(!is_host, "a host name")?;
    }
    for two in characters.windows(2) {
        let begins = ['@', ':', '#', '<'].contains(&two[0]) && two[0] != two[1];
        let is_word = two[1].is_alphanumeric() || ['/', '!', '&'].contains(&two[1]);
        ensure(!(begins && is_word), "a link, a mention or a tag")?;
    }
    ensure(!text.contains("://"), "an address")
}

/// Only the characters of one line, none of which is hidden, except where we break a word.
fn visible(text: &str) -> Checked {
    let hidden =
        "\u{ad}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202e}\u{2066}\u{2069}\u{feff}";
    let is_bad = |c: char| c.is_control() || hidden.contains(c);
    ensure(!text.contains(is_bad), "a hidden character")
}

/// The text after a label of ours.
fn value_of<'a>(line: &'a str, before: &str, after: &str) -> Result<&'a str, String> {
    const LABELS: [&str; 11] = [
        "Severity",
        "Resolution",
        "Repository",
        "Workflow",
        "Branch",
        "Commit",
        "Author",
        "Failed jobs",
        "Failed step",
        "Since last pass",
        "Occurrences",
    ];
    let value = LABELS.iter().find_map(|label| {
        let line = line.strip_prefix(before)?.strip_prefix(label)?;
        line.strip_prefix(after)
    });
    value.ok_or_else(|| format!("a line that is not ours: {line}"))
}

/// The text after the words that say what has happened.
fn title_of(text: &str) -> Result<&str, String> {
    let words = ["Opened: ", "Resolved: ", "Digest: "];
    let found = words
        .iter()
        .find_map(|words| Some(text.split_once(words)?.1));
    found.ok_or_else(|| format!("no headline: {text}"))
}

/// No special character stands without a backslash.
fn backslashed(text: &str, special: &str) -> Checked {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c == '\\' {
            let next = characters.next();
            let is_special = next.is_some_and(|next| special.contains(next));
            ensure(is_special, "a backslash of its own")?;
        } else {
            ensure(!special.contains(c), &format!("{c} acts"))?;
        }
    }
    Ok(())
}

pub(super) fn plain(text: &str) -> Checked {
    visible(text).and_then(|()| unlinked(text))
}

fn slack(body: &Value) -> Checked {
    let text = body["text"].as_str().unwrap();
    ensure(body["mrkdwn"] == false, "a fallback with mark-up")?;
    ensure(!text.contains(['<', '>']), "an unescaped bracket")?;
    for part in text.split('&').skip(1) {
        let entities = ["amp;", "lt;", "gt;"];
        let is_escaped = entities.iter().any(|entity| part.starts_with(entity));
        ensure(is_escaped, "an unescaped ampersand")?;
    }
    let seen = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    plain(title_of(&seen)?)?;
    let mut characters = text.chars().count();
    let blocks = body["blocks"].as_array().unwrap();
    ensure(blocks.len() <= 50, "too many blocks")?;
    for block in blocks {
        let texts = match block["type"].as_str().unwrap() {
            "header" => vec![block["text"].clone()],
            "section" if block["fields"].is_null() => vec![block["text"].clone()],
            "section" => block["fields"].as_array().unwrap().clone(),
            "context" => block["elements"].as_array().unwrap().clone(),
            other => return Err(format!("a block {other}")),
        };
        ensure(texts.len() <= 10, "too many texts")?;
        for text in texts {
            let words = text["text"].as_str().unwrap();
            characters += words.chars().count();
            let most = if block["type"] == "header" { 150 } else { 2000 };
            match (text["type"].as_str().unwrap(), &block["type"]) {
                ("mrkdwn", _) => {
                    let link = words.strip_prefix("<https://");
                    let link = link.and_then(|link| link.strip_suffix("|Open the run>"));
                    let is_one = link.is_some_and(|link| !link.contains(['<', '>', '|']));
                    ensure(is_one, "mark-up")?;
                    continue;
                }
                (_, kind) if kind == "header" => plain(title_of(words)?)?,
                _ if !block["text"].is_null() => plain(title_of(words)?)?,
                _ => plain(value_of(words, "", ": ")?)?,
            }
            ensure(text["emoji"] == false, "emojis")?;
            ensure(
                units(words) <= most && !words.is_empty(),
                "the length of a text",
            )?;
        }
    }
    ensure(characters <= 10_000, "too long")
}

fn mattermost(body: &Value) -> Checked {
    ensure(body.as_object().unwrap().len() == 1, "other fields")?;
    let text = body["text"].as_str().unwrap();
    ensure(text.chars().count() <= 16_383, "too long")?;
    for (number, line) in text.split('\n').enumerate() {
        if let Some(link) = line.strip_prefix("[Open the run](https://") {
            let end = link.find(['(', ')', '[', ']', '<', '>']);
            ensure(end == Some(link.len() - 1), "a link that ends elsewhere")?;
            continue;
        }
        let value = if number == 0 {
            line.split_once(":** ").ok_or("no headline")?.1
        } else {
            value_of(line, "", ": ")?
        };
        let inner = value.strip_prefix('`').and_then(|it| it.strip_suffix('`'));
        let inner = inner.ok_or("not a code span")?;
        ensure(
            !inner.is_empty() && !inner.contains('`'),
            "a code span that ends",
        )?;
        plain(inner)?;
    }
    Ok(())
}

fn discord(body: &Value) -> Checked {
    const SPECIAL: &str = "\\*_~`|>[]()#<";
    let mentions = body["allowed_mentions"] == json!({ "parse": [] });
    ensure(mentions, "mentions are allowed")?;
    ensure(body.as_object().unwrap().len() == 2, "other fields")?;
    let embed = &body["embeds"][0];
    ensure(body["embeds"][1].is_null(), "more embeds")?;
    let title = embed["title"].as_str().unwrap();
    let lines = embed["description"].as_str().unwrap_or_default();
    ensure(units(title) <= 256 && units(lines) <= 4096, "too long")?;
    let values = lines.lines().map(|line| value_of(line, "**", ":** "));
    for value in values.chain([title_of(title)]) {
        let value = value?;
        plain(&value.replace('\\', ""))?;
        backslashed(value, SPECIAL)?;
    }
    Ok(())
}

fn teams(body: &Value) -> Checked {
    ensure(body.to_string().len() <= 18_000, "too long")?;
    let card = &body["attachments"][0]["content"];
    for (number, block) in card["body"].as_array().unwrap().iter().enumerate() {
        ensure(block["type"] == "TextBlock", "another block")?;
        let text = block["text"].as_str().unwrap();
        let value = match number {
            0 => title_of(text)?,
            _ => value_of(text, "**", ":** ")?,
        };
        plain(&value.replace('\\', ""))?;
        ensure(!value.contains("{{"), "a function")?;
        backslashed(value, "\\[]()*_`")?;
    }
    Ok(())
}

fn ntfy(body: &Value) -> Checked {
    let names: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let known = "click markdown message priority sequence_id tags title topic";
    let is_known = |name: &&str| known.split(' ').any(|it| it == *name);
    ensure(names.iter().all(is_known), "other fields")?;
    ensure(body["markdown"] == false, "mark-up")?;
    let sequence = body["sequence_id"].as_str().unwrap();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    ensure(
        sequence.len() <= 64 && sequence.chars().all(is_part),
        "a sequence id",
    )?;
    let (title, text) = (
        body["title"].as_str().unwrap(),
        body["message"].as_str().unwrap(),
    );
    ensure(title.len() <= 1024 && text.len() <= 4096, "too long")?;
    lines(title, text)
}

pub(super) fn lines(title: &str, text: &str) -> Checked {
    plain(title_of(title)?)?;
    text.split('\n')
        .try_for_each(|line| plain(value_of(line, "", ": ")?))
}

fn gotify(body: &Value) -> Checked {
    let extras = &body["extras"];
    let display = &extras["client::display"]["contentType"];
    ensure(display == "text/plain", "mark-up")?;
    ensure(extras.as_object().unwrap().len() <= 2, "other extras")?;
    lines(
        body["title"].as_str().unwrap(),
        body["message"].as_str().unwrap(),
    )
}

/// Texts that people read do not act, and what is for programs is of a fixed form.
fn pagerduty(body: &Value) -> Checked {
    ensure(body.to_string().len() < 20_000, "too long")?;
    let dedup = body["dedup_key"].as_str().unwrap();
    ensure(dedup == "inc_00000000000000000000000001", "a key")?;
    if body["event_action"] == "resolve" {
        return ensure(body.as_object().unwrap().len() == 3, "other fields");
    }
    ensure(body["client"] == "Hookherd", "a client")?;
    let payload = &body["payload"];
    ensure(payload["severity"] == "error", "a severity")?;
    let text = |name: &str| payload[name].as_str().unwrap_or_default();
    ensure(units(text("summary")) <= 1024, "the length of a summary")?;
    for name in ["summary", "source", "component"] {
        plain(text(name))?;
    }
    for (label, value) in payload["custom_details"].as_object().unwrap() {
        plain(value_of(
            &format!("{label}: {}", value.as_str().unwrap()),
            "",
            ": ",
        )?)?;
    }
    Ok(())
}

fn alertmanager(body: &Value) -> Checked {
    const NAMES: [&str; 6] = [
        "alertname",
        "branch",
        "incident",
        "repository",
        "severity",
        "workflow",
    ];
    let alert = &body[0];
    ensure(body[1].is_null(), "another alert")?;
    ensure(body.to_string().len() < 8_000, "too long")?;
    for (name, value) in alert["labels"].as_object().unwrap() {
        ensure(NAMES.contains(&name.as_str()), "a label that is not ours")?;
        let value = value.as_str().unwrap();
        ensure(!value.is_empty(), "an empty label")?;
        visible(value)?;
        // Dots stay: routes compare labels.
        unlinked(&value.replace('.', " "))?;
        ensure(!value.contains("://"), "an address")?;
    }
    ensure(alert["labels"]["alertname"] == "HookherdCiFailed", "a name")?;
    ensure(alert["labels"]["severity"] == "error", "a severity")?;
    let notes = &alert["annotations"];
    ensure(notes.as_object().unwrap().len() == 2, "other annotations")?;
    plain(notes["summary"].as_str().unwrap())?;
    let mut lines = notes["description"].as_str().unwrap().split('\n');
    lines.try_for_each(|line| plain(value_of(line, "", ": ")?))
}

fn checked(kind: SinkKind, body: &Value) -> Checked {
    let mut all = Vec::new();
    texts_of(body, &mut all);
    let is_link = |text: &&&str| text.starts_with("http://") || text.starts_with("https://");
    let links = all.iter().filter(is_link);
    let is_ours = |text: &&&str| {
        text.starts_with("https://github.com/octo/app/actions/runs/")
            || text.starts_with("http://adaptivecards.io/")
    };
    ensure(
        links.clone().count() == links.filter(is_ours).count(),
        "another link",
    )?;
    match kind {
        SinkKind::Webhook | SinkKind::Email => Ok(()),
        SinkKind::Slack => slack(body),
        SinkKind::SlackBot => rooms::slack_bot(body),
        SinkKind::Mattermost => mattermost(body),
        SinkKind::Discord => discord(body),
        SinkKind::Teams => teams(body),
        SinkKind::Ntfy => ntfy(body),
        SinkKind::Gotify => gotify(body),
        SinkKind::Pagerduty => pagerduty(body),
        SinkKind::Alertmanager => alertmanager(body),
        SinkKind::Telegram => rooms::telegram(body),
        SinkKind::Matrix => rooms::matrix(body),
        SinkKind::GithubIssue => issues::github(body),
    }
}

/// The text in each field, one after the other and then in all; also in the address of the run.
pub(super) fn with(text: &str, of: &Message) -> Vec<Message> {
    const FIELDS: usize = 16;
    const LONG: usize = 60;
    let set = |message: &mut Message, field: usize| {
        if field > 11 {
            return set_explained(message, text, field);
        }
        let incident = &mut message.incident;
        let ci = incident.ci.as_mut().unwrap();
        match field {
            0 => text.clone_into(&mut incident.title),
            1 => text.clone_into(&mut ci.workflow_name),
            2 => ci.branch = Some(text.to_owned()),
            3 => text.clone_into(&mut ci.commit_sha),
            4 => ci.commit_message = Some(text.to_owned()),
            5 => ci.author = Some(text.to_owned()),
            6 => ci.failed_jobs = (0..20).map(|n| failed_job(n, text, text)).collect(),
            7 => text.clone_into(&mut ci.trigger),
            8 => ci.head = Some(text.to_owned()),
            9 => text.clone_into(&mut incident.failure_type),
            10 => {
                let name = format!("octo/{text}").parse().ok();
                incident.repository = name.or(incident.repository.take());
            }
            _ => {
                let url = format!("https://github.com/octo/app/actions/runs/{text}");
                ci.url = Some(url);
            }
        }
    };
    // Of long texts only their length matters: all at once is the worst.
    let alone = if text.len() <= LONG { FIELDS } else { 0 };
    let one = (0..alone).map(|field| {
        let mut message = of.clone();
        set(&mut message, field);
        message
    });
    let mut all = of.clone();
    (0..FIELDS).for_each(|field| set(&mut all, field));
    one.chain([all]).collect()
}

/// Puts the text into what the provider says, of which none is bounded yet.
fn set_explained(message: &mut Message, text: &str, field: usize) {
    let explained = message.explained.as_mut().unwrap();
    let (Ok(jobs), Ok(commit), Ok(range)) = (
        &mut explained.jobs,
        &mut explained.commit,
        &mut explained.range,
    ) else {
        panic!("the sample has all parts");
    };
    match field {
        12 => text.clone_into(&mut jobs[0].name),
        13 => jobs[0].steps = vec![text.to_owned()],
        14 => text.clone_into(&mut commit.title),
        _ => {
            commit.author = Some(text.to_owned());
            range.commits[0].author = Some(text.to_owned());
        }
    }
}

#[test]
fn nothing_of_a_hostile_text_acts_in_any_field_of_any_kind() {
    let texts = texts();
    assert!(texts.len() >= 200, "{}", texts.len());
    let mut seen = 0;
    for text in &texts {
        for message in [message(), resolved()].iter().flat_map(|of| with(text, of)) {
            for kind in SinkKind::ALL {
                for request in requests(kind, &message) {
                    let body = body(&request);
                    let shown: String = text.chars().take(60).collect();
                    checked(kind, &body).unwrap_or_else(|why| {
                        panic!("{}: {why}: {shown:?} in {body:#}", kind.as_str())
                    });
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 200 * 8, "{seen}");
}

/// The parsers complain when the same texts are put in as they are.
#[test]
fn the_parsers_see_what_acts() {
    let mut message = message();
    message.incident.ci.as_mut().unwrap().branch = Some("PLACE".to_owned());
    let everywhere = [
        "https://evil.example",
        "@here",
        "a\u{202e}b",
        "www.evil.example",
    ];
    for (kind, own) in [
        (SinkKind::Slack, &["<!here>", "<@U012>"][..]),
        (SinkKind::SlackBot, &["<!here>", "<@U012>"]),
        (SinkKind::Mattermost, &["` @here `", "x` **y", "<!channel>"]),
        (
            SinkKind::Discord,
            &["*x*", "[x](y)", "\\", "||x||", "`x`", "<t:0:R>"],
        ),
        (SinkKind::Teams, &["*x*", "[x](y)", "_x_", "{{DATE(x)}}"]),
        (SinkKind::Ntfy, &["a\nx: y"]),
        (SinkKind::Gotify, &["a\nx: y"]),
        (SinkKind::Pagerduty, &["a\nb", "<!here>"]),
        (SinkKind::Alertmanager, &["a\nx: y", "<!channel>"]),
        (
            SinkKind::Telegram,
            &["a\nx: y", "/kill now", "$AAPL", "+49301234567"],
        ),
        (SinkKind::Matrix, &["a\nx: y", "#room:example.org"]),
        (
            SinkKind::GithubIssue,
            &["a\n```\nx", "@octo/all", "octo/app#12", "fixes #12"],
        ),
    ] {
        for text in own.iter().chain(&everywhere) {
            let request = &requests(kind, &message)[0];
            let raw = serde_json::to_string(text).unwrap();
            let raw = body(request)
                .to_string()
                .replace("PLACE", raw.trim_matches('"'));
            let raw: Value = serde_json::from_str(&raw).unwrap();
            assert!(checked(kind, &raw).is_err(), "{} {text:?}", kind.as_str());
        }
    }
}

/// Each text of a card stays within its limit, however long it was.
#[test]
fn a_card_is_short_whatever_it_is_made_of() {
    for text in texts() {
        for message in with(&text, &resolved()) {
            let card = Card::of(&message);
            assert!(card.facts.len() <= 10 && card.title.len() <= 200);
            let long: usize = card.facts.iter().map(|fact| fact.value.len()).sum();
            assert!(long <= 1500, "{long}");
        }
    }
}
