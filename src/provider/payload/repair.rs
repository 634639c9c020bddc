//! Bodies that are almost JSON: text that cannot be decoded loses only its string or number.
//!
//! Commit messages are bytes, titles are cut in the middle of an emoji, and a payload passes
//! through programs that write `NaN`. None of that should hide that CI failed. The structure of a
//! body (brackets, names, commas) is never guessed.

/// The replacement for undecodable text.
const REPLACEMENT: char = '\u{fffd}';
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A body without a byte order mark.
pub(super) fn without_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json)
}

/// The same with undecodable parts replaced: in texts by U+FFFD, elsewhere by null.
pub(super) fn repaired(json: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(without_mark(json));
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '"' => {
                out.push('"');
                string(&rest[1..], &mut out)
            }
            '{' | '}' | '[' | ']' | ',' | ':' => {
                out.push(first);
                &rest[1..]
            }
            _ if first.is_ascii_whitespace() => {
                out.push(' ');
                &rest[1..]
            }
            _ => word(rest, &mut out),
        };
    }
    out.into_bytes()
}

/// A number, `true`, `false` or `null`; anything else counts as `null`. Returns the rest.
fn word<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let is_end = |c: char| "{}[],:\"".contains(c) || c.is_ascii_whitespace();
    let (word, rest) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
    let is_read = serde_json::from_str::<serde_json::Value>(word).is_ok();
    out.push_str(if is_read { word } else { "null" });
    rest
}

/// The text after an opening quote, up to the closing one. Returns the rest.
fn string<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let mut chars = rest.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => {
                out.push('"');
                return &rest[index + 1..];
            }
            '\\' => {
                let skipped = escape(&rest[index..], out);
                // Its first character is already read.
                let end = index + skipped;
                while chars.offset() < end && chars.next().is_some() {}
            }
            _ if c.is_control() && c.is_ascii() => out.push(REPLACEMENT),
            _ => out.push(c),
        }
    }
    ""
}

/// An escape, or something like one. Returns its length in bytes.
fn escape(text: &str, out: &mut String) -> usize {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex
            .then(|| u16::from_str_radix(digits, 16).ok())
            .flatten()
    };
    let Some(first) = unit(text) else {
        let is_plain = matches!(
            text.as_bytes().get(1),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
        );
        if is_plain {
            out.push_str(&text[..2]);
            return 2;
        }
        out.push(REPLACEMENT);
        return 1;
    };
    let second = || unit(text.get(6..)?);
    match first {
        0xD800..=0xDBFF => {
            if matches!(second(), Some(0xDC00..=0xDFFF)) {
                out.push_str(&text[..12]);
                return 12;
            }
            out.push(REPLACEMENT);
        }
        0xDC00..=0xDFFF => out.push(REPLACEMENT),
        _ => out.push_str(&text[..6]),
    }
    6
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn what_is_json_stays_what_it_is() {
        for good in [
            r#"{"a":[1,-2.5e3,true,false,null,"x\n\"\\ud83d é😀\u00e9\ud83d\ude00"],"b":{}}"#,
            "[]",
            "\"\"",
            " { } ",
        ] {
            let value: Value = serde_json::from_str(good).unwrap();
            let repaired: Value = serde_json::from_slice(&repaired(good.as_bytes())).unwrap();
            assert_eq!(repaired, value);
        }
    }

    #[test]
    fn what_is_not_closed_stays_open() {
        for bad in [
            "{\"a",
            "{\"a\":\"b\\",
            "{\"a\":",
            "[1,",
            "{\"a\":\"\\u12",
            "{,}",
            "{a:1}",
        ] {
            let repaired = repaired(bad.as_bytes());
            assert!(serde_json::from_slice::<Value>(&repaired).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_a_text_leave_a_text(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            // A quote ends it, and a backslash before the quote of ours would take it away.
            let inner: Vec<u8> = bytes.into_iter().filter(|b| !b"\"\\".contains(b)).collect();
            let body = [b"{\"a\":\"", &inner[..], b"\",\"b\":1}"].concat();
            let value: Value = serde_json::from_slice(&repaired(&body)).unwrap();
            prop_assert_eq!(&value["b"], 1);
            prop_assert!(value["a"].is_string());
        }

        #[test]
        fn any_escapes_in_a_text_leave_a_text(
            text in "([a-z]|\\\\u[0-9a-fA-F]{0,4}|\\\\[a-z ]){0,9}",
        ) {
            let body = format!("{{\"a\":\"{text} \",\"b\":1}}");
            let value: Value = serde_json::from_slice(&repaired(body.as_bytes())).unwrap();
            prop_assert_eq!(&value["b"], 1);
        }

        #[test]
        fn whatever_it_is_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = repaired(&bytes);
        }
    }
}
