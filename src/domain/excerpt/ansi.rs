//! Terminal sequences in logs.

/// A line without colours and other sequences, as it stands after all carriage returns: the last
/// text overwrites the others. Marks of GitLab's sections are kept apart from what follows them.
pub(super) fn plain(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // Up to the final byte.
                Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // Up to a bell, or an escape with its backslash.
                Some(']') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                Some(_) | None => {}
            },
            '\r' if kept.starts_with("section_") => kept.push('\r'),
            // Nothing is written over the last one.
            '\r' if chars.peek().is_some() => kept.clear(),
            '\r' => {}
            c => kept.push(c),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_overwritten_texts_are_gone() {
        for (line, expected) in [
            (
                "\u{1b}[31;1mred\u{1b}[0m and \u{1b}[0Kplain",
                "red and plain",
            ),
            ("10 %\r50 %\r100 %", "100 %"),
            ("done\r", "done"),
            (
                "\u{1b}]8;;https://x.example\u{7}link\u{1b}]8;;\u{1b}\\!",
                "link!",
            ),
            ("cut \u{1b}[31", "cut "),
            ("cut \u{1b}", "cut "),
            ("cut \u{1b}]8;;x", "cut "),
            ("\u{1b}(Bascii", "Bascii"),
        ] {
            assert_eq!(plain(line), expected, "{line:?}");
        }
        let mark = "section_start:1700000000:step_script\r\u{1b}[0K$ make";
        assert_eq!(plain(mark), "section_start:1700000000:step_script\r$ make");
    }
}
