//! Texts of a service without the secrets of the sink that it repeats.
//!
//! A service repeats them as they came to it, decoded, or encoded once more. So it is looked for
//! each form in which a secret is sent, in the text as it is and as it reads without the escapes
//! of URLs, JSON and HTML, also where one is inside another.

use super::clean;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding};
use std::ops::Range;
use zeroize::Zeroizing;

/// What stands in the place of a secret.
const HIDDEN: &[u8] = b"(hidden)";
/// A shorter part of an address is hardly a secret, and may be a word of the text.
const PART_BYTES_MIN: usize = 6;
/// A shorter key may be any word of the text.
const KEY_BYTES_MIN: usize = 3;
/// How often a text is decoded.
const DECODED_MAX: usize = 3;

/// The secrets of a sink, in the forms in which they may be repeated. Cannot be printed.
#[derive(Default)]
pub(super) struct Secrets(Vec<Zeroizing<Vec<u8>>>);

/// The number of these hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u32::from_str_radix(text, 16).ok()
}

/// The bytes of a character.
fn bytes_of(number: u32) -> Option<Vec<u8>> {
    char::from_u32(number).map(|c| c.to_string().into_bytes())
}

/// What the escape at the beginning of a text stands for, and its length.
fn escaped(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    /// The longest number of a character: `&#x10ffff;`.
    const REFERENCE_BYTES_MAX: usize = 10;
    match text {
        [b'%', rest @ ..] => {
            let byte = u8::try_from(hex(rest.get(..2)?)?).ok()?;
            Some((vec![byte], 3))
        }
        [b'\\', b'u', rest @ ..] => Some((bytes_of(hex(rest.get(..4)?)?)?, 6)),
        [b'\\', b'x', rest @ ..] => {
            let byte = u8::try_from(hex(rest.get(..2)?)?).ok()?;
            Some((vec![byte], 4))
        }
        [b'\\', byte @ (b'/' | b'"' | b'\'' | b'\\'), ..] => Some((vec![*byte], 2)),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(REFERENCE_BYTES_MAX);
            let end = end.into_iter().position(|byte| *byte == b';')?;
            let found = match &rest[..end] {
                b"amp" => b"&".to_vec(),
                b"lt" => b"<".to_vec(),
                b"gt" => b">".to_vec(),
                b"quot" => b"\"".to_vec(),
                b"apos" => b"'".to_vec(),
                [b'#', b'x' | b'X', digits @ ..] => bytes_of(hex(digits)?)?,
                [b'#', digits @ ..] => {
                    bytes_of(std::str::from_utf8(digits).ok()?.parse::<u32>().ok()?)?
                }
                _ => return None,
            };
            Some((found, end + 2))
        }
        _ => None,
    }
}

/// A text, and where each of its bytes stands in the text as it came.
struct Reading {
    bytes: Zeroizing<Vec<u8>>,
    places: Vec<Range<usize>>,
}

impl Reading {
    fn of(text: &[u8]) -> Self {
        Self {
            bytes: text.to_vec().into(),
            places: (0..text.len()).map(|at| at..at + 1).collect(),
        }
    }

    /// The same without its escapes; `None` when it has none.
    fn decoded(&self) -> Option<Self> {
        let (mut bytes, mut places) = (Zeroizing::new(Vec::new()), Vec::new());
        let mut at = 0;
        while at < self.bytes.len() {
            let (found, long) =
                escaped(&self.bytes[at..]).unwrap_or_else(|| (vec![self.bytes[at]], 1));
            let place = self.places[at].start..self.places[at + long - 1].end;
            places.extend(std::iter::repeat_n(place, found.len()));
            bytes.extend(found);
            at += long;
        }
        (bytes.len() < self.bytes.len()).then_some(Self { bytes, places })
    }

    /// Where a secret stands in the text as it came. A short one counts only where it is a word.
    fn find(&self, secret: &[u8], found: &mut Vec<Range<usize>>) {
        let Some(first) = secret.first() else {
            return;
        };
        let is_word = |at: Option<usize>| {
            let byte = at.and_then(|at| self.bytes.get(at));
            byte.is_some_and(u8::is_ascii_alphanumeric)
        };
        let mut from = 0;
        while let Some(step) = self.bytes[from..].iter().position(|byte| byte == first) {
            let at = from + step;
            let end = at + secret.len();
            from = at + 1;
            if !self.bytes[at..].starts_with(secret) {
                continue;
            }
            let is_long = secret.len() >= PART_BYTES_MIN || secret[0] == b'/';
            if is_long || !(is_word(at.checked_sub(1)) || is_word(Some(end))) {
                found.push(self.places[at].start..self.places[end - 1].end);
                from = end;
            }
        }
    }
}

/// A text of a URL without its escapes.
fn plain(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let written = Reading::of(text);
    written.decoded().unwrap_or(written).bytes
}

impl Secrets {
    /// The secrets of an address, and keys. Two keys are a user and a password.
    pub fn of(url: &str, keys: &[String]) -> Self {
        let mut all = Self::default();
        all.add_address(url);
        if let [user, password] = keys {
            all.add(user.as_bytes(), PART_BYTES_MIN);
            all.add_login(user, password);
        } else {
            for key in keys {
                all.add_key(key);
            }
        }
        all.sorted()
    }

    /// A password, and what it is sent in together with its user, who is no secret.
    pub fn of_login(user: &str, password: &str) -> Self {
        let mut all = Self::default();
        all.add_login(user, password);
        all.sorted()
    }

    fn sorted(mut self) -> Self {
        self.0
            .sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.0.dedup();
        self
    }

    fn add(&mut self, secret: &[u8], bytes_min: usize) {
        if secret.len() >= bytes_min {
            self.0.push(Zeroizing::new(secret.to_vec()));
        }
    }

    /// As it was entered and decoded; and with blanks as forms write them.
    fn add_forms(&mut self, secret: &[u8], bytes_min: usize) {
        let swapped = |from: u8, to: u8| -> Zeroizing<Vec<u8>> {
            let swap = |byte: &u8| if *byte == from { to } else { *byte };
            Zeroizing::new(secret.iter().map(swap).collect())
        };
        for form in [
            swapped(b' ', b' '),
            swapped(b'+', b' '),
            swapped(b' ', b'+'),
        ] {
            self.add(&form, bytes_min);
            self.add(&plain(&form), bytes_min);
        }
    }

    fn add_address(&mut self, url: &str) {
        let rest = url.split_once("://").map_or(url, |(_, it)| it);
        let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
        if path.len() > 1 {
            self.add_forms(path.as_bytes(), 2);
        }
        for part in path.split(['/', '?', '&']) {
            let value = part.split_once('=').map_or(part, |(_, value)| value);
            self.add_forms(value.as_bytes(), PART_BYTES_MIN);
            for part in part.split(['=', ';', ',']) {
                self.add_forms(part.as_bytes(), PART_BYTES_MIN);
            }
        }
    }

    fn add_key(&mut self, key: &str) {
        self.add_forms(key.as_bytes(), KEY_BYTES_MIN);
        self.add_base64(key.as_bytes());
        // What is before it says what it is: `123456:ABC`, `whsec_ABC`.
        let parts = [key.split_once(':'), key.split_once("whsec_")];
        for (_, part) in parts.into_iter().flatten() {
            self.add_forms(part.as_bytes(), PART_BYTES_MIN);
        }
    }

    fn add_login(&mut self, user: &str, password: &str) {
        if password.is_empty() {
            return;
        }
        self.add_key(password);
        for login in [
            format!("{user}:{password}"),
            format!("\0{user}\0{password}"),
            format!("{user}\0{user}\0{password}"),
        ] {
            let login = Zeroizing::new(login.into_bytes());
            self.add_forms(&login, KEY_BYTES_MIN);
            self.add_base64(&login);
        }
    }

    /// A secret in base64: alone, and as it looks in the middle of a longer text.
    fn add_base64(&mut self, secret: &[u8]) {
        const FORMS: [Encoding; 4] = [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD];
        for form in FORMS {
            self.add(
                Zeroizing::new(form.encode(secret)).as_bytes(),
                KEY_BYTES_MIN,
            );
        }
        for form in [BASE64_NOPAD, BASE64URL_NOPAD] {
            for before in 0..3 {
                let whole = Zeroizing::new([&[0; 2][..before], secret].concat());
                let text = Zeroizing::new(form.encode(&whole));
                // Without the characters that hold bits of what is beside it.
                let (from, to) = ([0, 2, 3][before], whole.len() * 8 / 6);
                let inner = text.as_bytes().get(from..to).unwrap_or_default();
                self.add(inner, PART_BYTES_MIN);
            }
        }
    }

    /// What an answer says, for people: see [`clean`]. It is cut last: a part of a secret would not
    /// be recognised.
    pub fn shown(&self, body: &[u8]) -> String {
        clean(self.hide(&String::from_utf8_lossy(body)).as_bytes())
    }

    /// A text without them.
    fn hide(&self, text: &str) -> String {
        let mut found = Vec::new();
        let mut reading = Some(Reading::of(text.as_bytes()));
        for _ in 0..=DECODED_MAX {
            let Some(this) = reading else {
                break;
            };
            for secret in &self.0 {
                this.find(secret, &mut found);
            }
            reading = this.decoded();
        }
        found.sort_unstable_by_key(|it| (it.start, it.end));
        let (mut shown, mut at) = (Vec::new(), 0);
        for it in found {
            if it.start >= at {
                shown.extend_from_slice(&text.as_bytes()[at..it.start]);
                shown.extend_from_slice(HIDDEN);
            }
            at = at.max(it.end);
        }
        shown.extend_from_slice(&text.as_bytes()[at..]);
        // A part of a character may have been cut.
        shown.utf8_chunks().map(|chunk| chunk.valid()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEAMS: &str = "https://x.logic.azure.com/workflows/0a1b/paths/invoke?api-version=1\
                         &sp=%2Ftriggers%2Fmanual%2Frun&sig=abc%2Fdef123456%3D";

    fn of(url: &str, keys: &[&str]) -> Secrets {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Secrets::of(url, &keys)
    }

    /// An address, its keys, what is said, and what is shown of that.
    const REPEATED: &[(&str, &[&str], &str, &str)] = &[
        (
            "https://alerts.example",
            &["usr", "passw0rdXYZ"],
            "401 for Authorization: Basic dXNyOnBhc3N3MHJkWFla",
            "401 for Authorization: Basic (hidden)",
        ),
        (
            "https://alerts.example",
            &["usr", "passw0rdXYZ"],
            "usr:passw0rdXYZ, passw0rdXYZ and usr",
            "(hidden), (hidden) and usr",
        ),
        // A short one is hidden where it is a word.
        (
            "https://alerts.example",
            &["usr", "pass"],
            "no password pass in usr:pass, dXNyOnBhc3M=",
            "no password (hidden) in (hidden), (hidden)",
        ),
        (
            "https://alerts.example",
            &["usr", "p%/ss word"],
            r"got p%25%2Fss+word, p%\/ss word, p%&#x2F;ss&#32;word",
            "got (hidden), (hidden), (hidden)",
        ),
        (
            TEAMS,
            &[],
            "invalid sig abc/def123456=",
            "invalid sig (hidden)",
        ),
        (
            TEAMS,
            &[],
            r"sig abc%2fdef123456%3d, abc\/def123456\u003D, abc%252Fdef123456%253D",
            "sig (hidden), (hidden), (hidden)",
        ),
        (
            TEAMS,
            &[],
            "no /triggers/manual/run at all",
            "no (hidden) at all",
        ),
        (
            TEAMS,
            &[],
            "GET /workflows/0a1b/paths/invoke?api-version=1&amp;sp=/triggers/manual/run\
             &amp;sig=abc/def123456= failed",
            "GET (hidden) failed",
        ),
        (
            "https://api.telegram.org/42",
            &["987:TGSECRETTOK"],
            "bot987%3ATGSECRETTOK, bot987:TGSECRETTOK, TGSECRETTOK, 987",
            "bot(hidden), bot(hidden), (hidden), 987",
        ),
        (
            "https://hooks.example/in",
            &["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"],
            "key AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
            "key (hidden)",
        ),
        (
            "https://hooks.example/caf\u{e9}-canary",
            &[],
            "no caf%C3%A9-canary, caf\u{e9}-canary, caf\\u00e9-canary",
            "no (hidden), (hidden), (hidden)",
        ),
    ];

    #[test]
    fn a_secret_is_hidden_in_every_form_in_which_it_is_sent() {
        for (url, keys, text, expected) in REPEATED {
            assert_eq!(of(url, keys).hide(text), *expected, "{text}");
        }
    }

    #[test]
    fn a_password_is_hidden_in_what_mail_servers_are_sent() {
        let secrets = Secrets::of_login("ci@example.org", "canary-pass");
        let plain = BASE64.encode(b"\0ci@example.org\0canary-pass");
        let login = BASE64.encode(b"canary-pass");
        let text = format!("ci@example.org: AUTH PLAIN {plain}, LOGIN {login}, canary-pass");
        assert_eq!(
            secrets.hide(&text),
            "ci@example.org: AUTH PLAIN (hidden), LOGIN (hidden), (hidden)"
        );
        // Inside a longer text in base64, wherever it begins there.
        for before in ["", "x", "xy", "xyz"] {
            let log = BASE64.encode(format!("{before} canary-pass end").as_bytes());
            let shown = secrets.hide(&log);
            assert!(shown.contains("(hidden)"), "{log}: {shown}");
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        let secrets = of(TEAMS, &["usr", "pass"]);
        for text in [
            "",
            "bypassed",
            "100% of R&D; \\ & &#; &#x; &#xfffffff; %zz \\u12",
            "caf\u{e9} %C3",
            "Expected two arguments.",
        ] {
            assert_eq!(secrets.hide(text), text);
        }
        assert_eq!(of("https://hooks.example/", &[]).hide("a / b"), "a / b");
    }
}
