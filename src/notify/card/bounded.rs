//! Texts of a card, cut to a length.

use crate::domain::text::clean;

/// Longest text of one fact, in bytes.
pub(super) const FACT_BYTES_MAX: usize = 160;

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
