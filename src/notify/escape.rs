//! Texts of strangers, made harmless where the mark-up of a sink has no way to quote them.

/// An invisible character of no width that ends a word.
pub(super) const BREAK: char = '\u{200b}';

/// What begins an address, a mention, a tag or the name of an emoji, before a word.
const BEGINS: &str = "@:#<";

/// A text in which no client finds an address, a host name, a mention or the name of an emoji: a
/// [`BREAK`] follows what begins one. Two characters become three at most, and two bytes five: of
/// several that begin something, only the last stands before a word.
pub(super) fn unlinked(text: &str) -> String {
    broken(text, true)
}

/// A text in which no client finds an address, a mention or the name of an emoji. Dots stay: for a
/// text that programs compare.
pub(super) fn unmentioned(text: &str) -> String {
    broken(text, false)
}

fn broken(text: &str, at_dots: bool) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        out.push(c);
        let next = characters.peek().copied().unwrap_or(' ');
        let acts = match c {
            '.' => at_dots && before.is_alphanumeric() && next.is_alphanumeric(),
            _ => BEGINS.contains(c) && !next.is_whitespace() && !BEGINS.contains(next),
        };
        if acts {
            out.push(BREAK);
        }
        before = c;
    }
    out
}

/// A line whose first characters mean nothing: no list, no heading, no quote. A [`BREAK`] stands
/// before what is no letter.
pub(super) fn begun(line: &str) -> String {
    match line.chars().next() {
        Some(first) if !first.is_alphabetic() => format!("{BREAK}{line}"),
        _ => line.to_owned(),
    }
}

/// A text with a backslash before each of these characters.
pub(super) fn backslashed(text: &str, special: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if special.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_link_or_a_mention_is_broken_and_the_rest_stays() {
        for (text, expected) in [
            ("fix: a thing", "fix: a thing"),
            ("https://evil.example", "https:|//evil.|example"),
            ("www.evil.example", "www.|evil.|example"),
            ("@here a@b", "@|here a@|b"),
            ("::: @@ @", "::: @@ @"),
            ("std::vec", "std::|vec"),
            ("mailto:a", "mailto:|a"),
            ("v1.2, done.", "v1.|2, done."),
            ("<at> << <<b>", "<|at> << <<|b>"),
            ("#12 c#", "#|12 c#"),
            ("<@U1> <#C1> <:x:1> <@&1>", "<@|U1> <#|C1> <:|x:|1> <@|&1>"),
            ("@:#<@:#<x", "@:#<@:#<|x"),
        ] {
            assert_eq!(unlinked(text), expected.replace('|', "\u{200b}"), "{text}");
        }
    }

    /// The limits of titles and texts count on it.
    #[test]
    fn two_characters_become_three_at_most_and_two_bytes_five() {
        let all = [
            '@', ':', '#', '<', '.', 'a', '1', '/', '!', '&', ' ', '\u{e9}',
        ];
        for first in all {
            for second in all {
                for third in all {
                    let text = [first, second, third].iter().collect::<String>().repeat(20);
                    let broken = unlinked(&text);
                    let (was, is) = (text.chars().count(), broken.chars().count());
                    assert!(is * 2 <= was * 3, "{text}: {is}");
                    assert!(broken.len() * 2 <= text.len() * 5, "{text}");
                }
            }
        }
    }

    #[test]
    fn dots_stay_in_what_programs_compare_and_nothing_else_does() {
        for (text, expected) in [
            ("release/1.2", "release/1.2"),
            ("octo/app.rs", "octo/app.rs"),
            ("https://evil.example", "https:|//evil.example"),
            ("<!here> @ann", "<|!here> @|ann"),
        ] {
            let expected = expected.replace('|', "\u{200b}");
            assert_eq!(unmentioned(text), expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_begins_with_no_letter_begins_with_a_break() {
        for text in [
            "- item", "1. item", "> quote", "# title", "    code", "-# x",
        ] {
            assert_eq!(begun(text), format!("\u{200b}{text}"));
        }
        assert_eq!((begun("a - b"), begun("")), ("a - b".into(), String::new()));
    }

    #[test]
    fn each_special_character_has_a_backslash() {
        assert_eq!(backslashed("a*b\\_c", "\\*_"), "a\\*b\\\\\\_c");
    }
}
