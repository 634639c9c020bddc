//! Texts from outside (names, titles, logins, messages), cleaned for storage and display.
//!
//! For display only. A key is made of the raw text: two names that differ in invisible characters
//! are two names.

/// `text` for display: without invisible characters and those that make it look like another text,
/// with a blank for each line break and tab, cut at a character boundary to `bytes_max` bytes.
/// `None` when nothing visible is left.
pub fn clean(text: &str, bytes_max: usize) -> Option<String> {
    let mut kept = String::new();
    // The invisible part may be longer than the visible one: the scan is bounded.
    let looked_at = bytes_max.saturating_mul(4).saturating_add(LOOKED_AT_MIN);
    let shown = text.trim_start_matches(|c| !is_seen(c));
    for (at, c) in shown.char_indices() {
        let c = if is_break(c) { ' ' } else { c };
        if at > looked_at || kept.len() + c.len_utf8() > bytes_max {
            break;
        }
        if !is_hidden(c) {
            kept.push(c);
        }
    }
    kept.truncate(kept.trim_end().len());
    (!kept.is_empty()).then_some(kept)
}

/// Most bytes of a text that are read, however few are kept.
const LOOKED_AT_MIN: usize = 1024;

fn is_seen(c: char) -> bool {
    !c.is_whitespace() && !is_hidden(c)
}

const fn is_break(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Whether a character is removed: controls, direction marks, zero-width and special blank
/// characters, and tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // The soft hyphen and the grapheme joiner.
            '\u{ad}' | '\u{34f}'
            // Marks and overrides of direction.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            // Without width.
            | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}'
            // Deprecated formats, and frames of annotations.
            | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            // Invisible letters and a symbol.
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}'
            | '\u{ffa0}'
            // Tags and selectors: they can hide a whole text.
            | '\u{e0000}'..='\u{e0fff}'
            // Noncharacters.
            | '\u{fffe}' | '\u{ffff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_or_turns_the_text_round_is_gone() {
        let hidden = [
            "\u{0}",
            "\u{7}",
            "\u{1b}",
            "\u{7f}",
            "\u{9b}",
            "\u{202a}",
            "\u{202e}",
            "\u{2066}",
            "\u{2069}",
            "\u{200e}",
            "\u{200f}",
            "\u{61c}",
            "\u{200b}",
            "\u{200c}",
            "\u{200d}",
            "\u{2060}",
            "\u{2064}",
            "\u{feff}",
            "\u{ad}",
            "\u{34f}",
            "\u{180e}",
            "\u{e0001}",
            "\u{e0041}",
            "\u{e007f}",
            "\u{e0100}",
            "\u{3164}",
            "\u{115f}",
            "\u{2800}",
            "\u{fff9}",
            "\u{206a}",
            "\u{ffff}",
        ];
        for c in hidden {
            let text = format!("{c}ma{c}in{c}");
            assert_eq!(clean(&text, 100).as_deref(), Some("main"), "{c:?}");
            assert_eq!(clean(&c.repeat(9), 100), None, "{c:?}");
        }
        // An escape sequence loses its escape character.
        assert_eq!(clean("\u{1b}[31mred", 100).as_deref(), Some("[31mred"));
    }

    #[test]
    fn a_break_is_a_blank_within_and_nothing_at_the_ends() {
        for gap in ["\n", "\t", "\r", "\u{2028}", "\u{2029}", "\u{85}", "\u{b}"] {
            let text = format!("{gap} one{gap}two {gap}");
            assert_eq!(clean(&text, 100).as_deref(), Some("one two"), "{gap:?}");
        }
        assert_eq!(clean("", 100), None);
        assert_eq!(clean(" \n\u{feff} ", 100), None);
    }

    #[test]
    fn what_people_write_stays() {
        let texts = [
            "Fix \u{1f389} \u{4fee}\u{590d}", // an emoji and Chinese
            "\u{2764}\u{fe0f}",               // a heart in colour
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",   // Hebrew needs no marks to be read
            "e\u{301}\u{fffd}",
        ];
        for text in texts {
            assert_eq!(clean(text, 100).as_deref(), Some(text));
        }
    }

    #[test]
    fn it_is_cut_at_a_characters_end() {
        assert_eq!(
            clean("\u{e4}\u{e4}\u{e4}", 5).as_deref(),
            Some("\u{e4}\u{e4}")
        );
        assert_eq!(clean("\u{1f389}", 3), None);
        assert_eq!(clean("ab cd", 3).as_deref(), Some("ab"));
        let long = "\u{200b}".repeat(1 << 20) + "x";
        assert_eq!(clean(&format!("a{long}"), 10).as_deref(), Some("a"));
    }
}
