//! Answers: within limits, and their texts for people.

use crate::domain::text;
use bytes::{Bytes, BytesMut};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::fmt;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Most bytes of an answer that are read, unless a request says otherwise.
pub(super) const BODY_BYTES_MAX: usize = 64 << 10;
/// Longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Longest text of an answer for people, in bytes.
const TEXT_BYTES_MAX: usize = 256;
/// Most bytes that are read for it.
const TEXT_READ_MAX: usize = 4096;

/// An answer, whatever its status. A redirect is an answer, too: none is followed.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The wait that it asks for, at most 24 hours.
    pub retry_after: Option<Duration>,
    /// Its body, as far as it was read: see [`super::Request::answer_bytes_max`].
    pub body: Bytes,
    /// Whether the body was longer.
    pub is_cut: bool,
    headers: HeaderMap,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Reads an answer, and at most so much of its body. Errors when the connection breaks.
    pub(super) async fn read(
        mut response: reqwest::Response,
        bytes_max: usize,
    ) -> reqwest::Result<Self> {
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        let mut is_cut = false;
        while let (false, Some(chunk)) = (is_cut, response.chunk().await?) {
            let room = bytes_max - body.len();
            is_cut = chunk.len() > room;
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(Self {
            status: response.status().as_u16(),
            retry_after: retry_after(&headers),
            body: body.freeze(),
            is_cut,
            headers,
        })
    }

    /// Whether its status is of success.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// A header, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What its body says, for people: see [`clean`].
    pub fn text(&self) -> String {
        clean(&self.body)
    }
}

/// A wait in seconds, also with decimals, or until a date. The date is compared with that of the
/// answer: our clocks may differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let wait = if text.bytes().all(is_number) {
        let seconds: f64 = text.parse().ok()?;
        Duration::try_from_secs_f64(seconds).unwrap_or(RETRY_AFTER_MAX)
    } else {
        let now = date(headers.get(DATE)?.to_str().ok()?)?;
        Duration::try_from(date(text)? - now).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn date(text: &str) -> Option<OffsetDateTime> {
    // The form of RFC 9110, except for the name of the zone.
    OffsetDateTime::parse(&text.trim().replace("GMT", "+0000"), &Rfc2822).ok()
}

/// The text of an answer for people: what is valid UTF-8 of it, without control and invisible
/// characters, at most 256 bytes. Empty when nothing is left.
pub fn clean(bytes: &[u8]) -> String {
    let read = &bytes[..bytes.len().min(TEXT_READ_MAX)];
    let valid: String = read.utf8_chunks().map(|chunk| chunk.valid()).collect();
    text::clean(&valid, TEXT_BYTES_MAX).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories;
    use proptest::prelude::*;

    fn wait(text: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_date_and_has_a_limit() {
        const NOW: &str = "Fri, 27 Nov 2026 10:00:00 GMT";
        for (text, seconds) in [
            ("0", 0.0),
            ("30", 30.0),
            (" 30 ", 30.0),
            ("1.25", 1.25),
            ("86400", 86400.0),
            ("86401", 86400.0),
            ("99999999999999999999999", 86400.0),
            ("Fri, 27 Nov 2026 10:01:30 GMT", 90.0),
            ("Fri, 27 Nov 2026 09:00:00 GMT", 0.0),
            ("Fri, 27 Nov 2036 10:00:00 GMT", 86400.0),
        ] {
            let expected = Some(Duration::from_secs_f64(seconds));
            assert_eq!(wait(text, Some(NOW)), expected, "{text}");
        }
        for text in [
            "",
            "-1",
            "1e3",
            "1.2.3",
            ".",
            "inf",
            "soon",
            "2026-11-27T10:00:00Z",
        ] {
            assert_eq!(wait(text, Some(NOW)), None, "{text}");
        }
        assert_eq!(wait("Fri, 27 Nov 2026 10:01:30 GMT", None), None);
    }

    #[test]
    fn the_text_of_an_answer_is_one_short_line() {
        for (bytes, expected) in [
            (&b"invalid_token"[..], "invalid_token"),
            (b"  no\r\nsuch\thook\x00\x1b[31m ", "no  such hook[31m"),
            (b"caf\xc3\xa9 \xff\xfe\xc3", "caf\u{e9}"),
            ("a\u{202e}b\u{200b}c".as_bytes(), "abc"),
            (b"\x00\xff", ""),
            (b"", ""),
        ] {
            assert_eq!(clean(bytes), expected, "{bytes:?}");
        }
        assert_eq!(clean(&b"x".repeat(300)), "x".repeat(256));
        assert_eq!(clean("\u{e9}".repeat(300).as_bytes()), "\u{e9}".repeat(128));
    }

    proptest! {
        #![proptest_config(histories::of(5_000))]

        #[test]
        fn no_bytes_make_a_long_or_dirty_text(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let text = clean(&bytes);
            prop_assert!(text.len() <= 256 && !text.contains(char::is_control), "{text:?}");
        }

        #[test]
        fn no_header_makes_a_long_wait(text in "[ -~]{0,40}") {
            let wait = wait(&text, Some("Fri, 27 Nov 2026 10:00:00 GMT"));
            prop_assert!(wait.is_none_or(|wait| wait <= RETRY_AFTER_MAX));
        }
    }
}
