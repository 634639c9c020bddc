//! Issues of GitHub, in its Markdown.

use super::{Checked, ensure, plain, title_of, units, value_of};
use serde_json::{Value, json};

/// A text of ours around one block of code with such lines.
fn text(text: &str, line_of_block: fn(&str) -> Checked) -> Checked {
    ensure(units(text) <= 65_536, "too long")?;
    let mark = "<!-- hookherd inc_00000000000000000000000001 ntf_00000000000000000000000005 -->";
    let rest = text.strip_prefix(mark).ok_or("no mark")?;
    ensure(!rest.contains("<!--"), "another comment")?;
    let mut fence: Option<&str> = None;
    let mut blocks = 0;
    for line in rest.split('\n') {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            // A line that begins with as many backticks, and has nothing else, ends the block.
            Some(open) if line.trim() == open => fence = None,
            Some(open) => {
                ensure(ticks < open.len(), "a line that ends the block")?;
                line_of_block(line)?;
            }
            None if ticks >= 3 => {
                ensure(&line[ticks..] == "text", "another language")?;
                fence = Some(&line[..ticks]);
                blocks += 1;
            }
            None => ours(line)?,
        }
    }
    ensure(fence.is_none() && blocks <= 1, "blocks")
}

fn ours(line: &str) -> Checked {
    let is_link = line
        .strip_prefix("[Open the run](https://github.com/octo/app/actions/runs/")
        .and_then(|rest| rest.strip_suffix(')'))
        .is_some_and(|link| !link.contains(['(', ')', '<', '>', '[', ']', ' ', '\\', '`', '*']));
    let is_status = ["**Opened**", "**Resolved**", "**Flapping**"]
        .iter()
        .any(|status| line.split_once(' ').is_some_and(|it| it.1 == *status));
    let is_known = line.is_empty() || is_link || is_status || line.starts_with("Hookherd adds ");
    ensure(is_known, &format!("a line that is not ours: {line}"))
}

/// With facts.
pub(super) fn github(body: &Value) -> Checked {
    checked(body, |line| plain(value_of(line, "", ": ")?))
}

/// With the lines of a template, or of facts.
pub(super) fn templated(body: &Value) -> Checked {
    checked(body, plain)
}

fn checked(body: &Value, line_of_block: fn(&str) -> Checked) -> Checked {
    if !body["state"].is_null() {
        let is_known = ["open", "closed"]
            .iter()
            .any(|state| body["state"] == *state);
        return ensure(is_known && body.as_object().unwrap().len() == 2, "a state");
    }
    text(body["body"].as_str().unwrap(), line_of_block)?;
    let Some(title) = body["title"].as_str() else {
        return ensure(body.as_object().unwrap().len() == 1, "other fields");
    };
    ensure(body["labels"] == json!(["hookherd"]), "labels")?;
    ensure(body.as_object().unwrap().len() == 3, "other fields")?;
    ensure((1..=256).contains(&units(title)), "the length of a title")?;
    ensure(!title.contains('`'), "code in a title")?;
    // The title has no words of ours before it.
    plain(title_of(&format!("Opened: {title}"))?)
}
