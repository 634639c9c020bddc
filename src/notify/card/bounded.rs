//! Texts of a card, cut to a length.

use crate::domain::text::clean;

/// Longest text of one fact, in bytes.
pub(super) const FACT_BYTES_MAX: usize = 160;

/// Longest text that is sent, in bytes: escaped, it is below the limits of all kinds.
const TEXT_BYTES_MAX: usize = 1_200;
/// Longest line of it, in bytes.
const LINE_BYTES_MAX: usize = 400;
/// Most lines of it.
const LINES_MAX: usize = 30;

/// A text without hidden characters and with an ellipsis where it is cut.
pub(in crate::notify) fn bounded(text: &str, bytes_max: usize) -> Option<String> {
    const ELLIPSIS: &str = "\u{2026}";
    // One more byte is enough to see that something is left; a character has at most four.
    let whole = clean(text, bytes_max + 4)?;
    if whole.len() <= bytes_max {
        return Some(whole);
    }
    let cut = clean(&whole, bytes_max - ELLIPSIS.len())?;
    Some(cut + ELLIPSIS)
}

/// The text as lines: without blank ones at its ends, and never two after each other.
pub(in crate::notify) fn lines(text: &str) -> Option<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    let mut left = TEXT_BYTES_MAX;
    for line in text.lines() {
        let line = bounded(line, LINE_BYTES_MAX).unwrap_or_default();
        if line.is_empty() && lines.last().is_none_or(String::is_empty) {
            continue;
        }
        if line.len() >= left || lines.len() == LINES_MAX {
            lines.push("\u{2026}".to_owned());
            break;
        }
        left -= line.len() + 1;
        lines.push(line);
    }
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    (!lines.is_empty()).then_some(lines)
}
