//! Telegram, Matrix, and the bot of Slack.

use super::{Checked, ensure, plain, slack, title_of, units, value_of};
use serde_json::{Value, json};

/// What Telegram makes of a text by itself, besides what other chats do.
pub(super) fn telegram(body: &Value) -> Checked {
    ensure(body["parse_mode"].is_null(), "mark-up")?;
    let text = body["text"].as_str().unwrap();
    ensure(
        units(text) <= 4096 && !text.is_empty(),
        "the length of a text",
    )?;
    ensure(
        body["link_preview_options"]["is_disabled"] == true,
        "a preview",
    )?;
    let known = "chat_id entities link_preview_options message_id reply_parameters text";
    let mut names = body.as_object().unwrap().keys();
    let is_known = names.all(|name| known.split(' ').any(|it| it == name));
    ensure(is_known, "other fields")?;
    let characters: Vec<char> = text.chars().collect();
    for three in characters.windows(3) {
        let acts = match three[1] {
            '/' => !three[0].is_alphanumeric(),
            '$' | '+' => true,
            _ => false,
        };
        let is_word = three[2].is_alphanumeric();
        ensure(!(acts && is_word), "a command or a number")?;
    }
    for entity in body["entities"].as_array().unwrap() {
        let (from, long) = (entity["offset"].as_u64(), entity["length"].as_u64());
        let (from, long) = (from.unwrap(), long.unwrap());
        ensure(from + long <= units(text) as u64, "an entity outside")?;
        let units: Vec<u16> = text.encode_utf16().collect();
        let part = &units[usize::try_from(from).unwrap()..][..usize::try_from(long).unwrap()];
        let part = String::from_utf16(part).map_err(|_| "half a character")?;
        match entity["type"].as_str().unwrap() {
            "bold" => ensure(from == 0 && !part.contains('\n'), "another bold text")?,
            "text_link" => ensure(part == "Open the run", "another link")?,
            other => return Err(format!("an entity {other}")),
        }
    }
    let mut all = text
        .strip_suffix("\nOpen the run")
        .unwrap_or(text)
        .split('\n');
    plain(title_of(all.next().unwrap())?)?;
    let mut facts = all;
    facts.try_for_each(|line| plain(value_of(line, "", ": ")?))
}

/// A body without its link, which is ours.
fn matrix_body(body: &Value, is_replaced: bool) -> Checked {
    let text = body["body"].as_str().unwrap();
    let is_star = text.starts_with("* ");
    ensure(is_star == is_replaced, "the mark of a replacement")?;
    let mut all: Vec<&str> = text.split('\n').collect();
    let is_link = |line: &&str| line.starts_with("https://github.com/octo/app/actions/runs/");
    if all.last().is_some_and(is_link) {
        all.pop();
    }
    plain(title_of(all[0])?)?;
    let mut facts = all[1..].iter();
    facts.try_for_each(|line| plain(value_of(line, "", ": ")?))
}

pub(super) fn matrix(body: &Value) -> Checked {
    ensure(body.to_string().len() <= 60_000, "too long")?;
    let new = &body["m.new_content"];
    for content in [body, new].into_iter().filter(|it| !it.is_null()) {
        ensure(content["m.mentions"] == json!({}), "mentions")?;
        ensure(content["msgtype"] == "m.text", "another type")?;
        ensure(content["format"].is_null(), "mark-up")?;
        ensure(content["formatted_body"].is_null(), "mark-up")?;
    }
    matrix_body(body, !new.is_null())?;
    if new.is_null() {
        return Ok(());
    }
    matrix_body(new, false)
}

/// What is of the bot alone.
pub(super) fn slack_bot(body: &Value) -> Checked {
    ensure(body["parse"] == "none", "names that are looked up")?;
    ensure(body["link_names"] == false, "names that become links")?;
    ensure(body["channel"] == "C1H9RESGL", "another channel")?;
    slack(body)
}
