//! The texts of issues and comments. What others have written stands in a block of code, where no
//! mark-up acts, and is broken besides: GitHub sends these texts by mail, too.

use crate::domain::id::IncidentId;
use crate::domain::notification::NotificationKind;
use crate::notify::card::{Card, Fact};
use crate::notify::deliver::Message;
use crate::notify::escape::unlinked;

/// Longest title, in bytes: that of an issue has at most 256 characters, and two may become three.
const TITLE_BYTES_MAX: usize = 150;
/// The least number of backticks around a block of code.
const FENCE_MIN: usize = 3;

/// What is found in all texts about an incident. No client shows it.
pub(super) fn mark_of_incident(incident: IncidentId) -> String {
    format!("<!-- hookherd {incident} ")
}

/// What is found in the text for one message.
pub(super) fn mark(message: &Message) -> String {
    format!(
        "{}{} -->",
        mark_of_incident(message.incident.id),
        message.id
    )
}

/// The title. A backtick makes a part of it code, which nothing else in it can.
pub(super) fn title(card: &Card) -> String {
    unlinked(&card.title_within(TITLE_BYTES_MAX)).replace('`', "'")
}

/// A block of code that no line of the text ends.
fn fenced(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(FENCE_MIN.max(runs.max().unwrap_or(0) + 1));
    format!("{fence}text\n{text}\n{fence}")
}

fn lines(facts: &[&Fact]) -> String {
    let line = |fact: &&Fact| format!("{}: {}", fact.label, unlinked(&fact.value));
    facts.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What is said about the incident: the lines of a template, or the facts.
fn said(card: &Card) -> String {
    let facts = || lines(&card.facts.iter().collect::<Vec<_>>());
    card.text.as_ref().map_or_else(facts, |lines| {
        let lines = lines.iter().map(|line| unlinked(line));
        lines.collect::<Vec<_>>().join("\n")
    })
}

fn text(message: &Message, card: &Card, said: &str) -> String {
    let mut parts = vec![
        mark(message),
        format!("{} **{}**", card.sign(), card.status()),
    ];
    if !said.is_empty() {
        parts.push(fenced(said));
    }
    if let Some(link) = &card.link {
        parts.push(format!("[Open the run]({link})"));
    }
    parts.join("\n\n")
}

/// The text of an issue.
pub(super) fn issue(message: &Message, card: &Card) -> String {
    const END: &str = "Hookherd adds a comment when the incident changes, and closes this issue \
                       when it is resolved.";
    format!("{}\n\n{END}", text(message, card, &said(card)))
}

/// The text of a comment. An end needs few words.
pub(super) fn comment(message: &Message, card: &Card) -> String {
    if card.kind != NotificationKind::Resolved {
        return text(message, card, &said(card));
    }
    let facts = card.facts.iter();
    let facts: Vec<&Fact> = facts.filter(|fact| fact.label == "Resolution").collect();
    text(message, card, &lines(&facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_any_run_of_backticks_in_it() {
        for (text, fence) in [
            ("plain", 3),
            ("a `b` ``", 3),
            ("```", 4),
            ("x ````` y ```", 6),
        ] {
            let fenced = fenced(text);
            let expected = "`".repeat(fence);
            assert_eq!(fenced, format!("{expected}text\n{text}\n{expected}"));
        }
    }
}
