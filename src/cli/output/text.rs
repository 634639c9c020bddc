//! Text from outside, made harmless for a terminal, and JSON in the same way.

use serde_json::Value;
use std::fmt::Write as _;

/// Characters that a terminal obeys instead of showing, or that change how others are shown:
/// controls, marks of direction, invisible and tag characters, separators of lines.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A text in one line that cannot play with the terminal.
pub(in crate::cli) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The text cut to so many characters.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// JSON with harmful characters escaped. Outside of strings JSON has none but line ends and
/// tabs, which stay.
pub(in crate::cli) fn harmless_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) && !matches!(c, '\n' | '\t' | '\r') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A value as JSON over several lines.
pub(in crate::cli) fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value);
    harmless_json(&text.expect("a JSON value can always be printed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_from_outside_cannot_play_with_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(
            printable("\u{202e}gnp.exe\u{2066}"),
            "\\u{202e}gnp.exe\\u{2066}"
        );
        assert_eq!(
            printable("\u{9b}2J\u{feff}\u{e0041}"),
            "\\u{9b}2J\\u{feff}\\u{e0041}"
        );
        assert_eq!(printable("Grüße 👩‍💻 שלום"), "Grüße 👩‍💻 שלום");
    }

    #[test]
    fn json_stays_the_same_json_and_is_harmless() {
        let value = json!({"a": "\u{1b}[2J\u{202e}x\u{9b}\u{e0041}\u{7f}", "b": [1, "ü"]});
        let text = pretty(&value);
        assert!(!text.contains('\u{202e}') && !text.contains('\u{9b}') && !text.contains('\u{7f}'));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äöü…");
    }
}
