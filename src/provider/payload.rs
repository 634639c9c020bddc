//! Reading payloads: borrowed types that accept any type, and texts cleaned for display.
//!
//! A field with another type than expected counts as absent; a field that occurs twice is an error,
//! because two readers could disagree about which one counts.

mod repair;

use super::inbound::{DecodeError, HeaderLookup, VerifyError};
use crate::domain::event::Event;
pub(super) use crate::domain::text::clean;
use crate::domain::time::Timestamp;
use data_encoding::HEXLOWER;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A scalar of any type.
#[derive(Debug, Default)]
pub(super) enum Loose<'a> {
    /// A non-negative whole number.
    Number(u64),
    /// A text.
    Text(Cow<'a, str>),
    /// True or false.
    Flag(bool),
    /// Absent, null, or of an unused type.
    #[default]
    Nothing,
}

impl Loose<'_> {
    pub(super) const fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Flag(_) | Self::Nothing => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Flag(_) | Self::Nothing => None,
        }
    }

    /// Whether it is the value `true`.
    pub(super) const fn is_true(&self) -> bool {
        matches!(self, Self::Flag(true))
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Loose::Flag(flag))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Loose::Nothing)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Loose::Nothing)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// Visits of types other than the expected one.
macro_rules! nothing_else {
    ($nothing:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($nothing)
        }
    };
}

/// An object, or nothing when another type was sent.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    nothing_else!(Object(None));

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Object(None))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

/// The objects of a list, or nothing when another type was sent. Other elements are left out.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

/// Most objects of a list that are read; GitLab's pipelines have a few thousand jobs at most.
const LIST_MAX: usize = 10_000;

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    nothing_else!(List::default());

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map).map(|_| List::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while found.len() < LIST_MAX {
            match seq.next_element::<Object<T>>()? {
                Some(Object(Some(item))) => found.push(item),
                Some(Object(None)) => {}
                None => return Ok(List(found)),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(found))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Declares parts of payloads: their scalars, then the objects in them, then the lists. Every field
/// may be absent or of another type.
macro_rules! wire {
    ($($(#[$doc:meta])* $name:ident {
        $($field:ident $(= $rename:literal)?),*
        $(; $($object:ident: $part:ident),+)?
        $(; [$($list:ident: $item:ident),+])?
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default)]
        pub(super) struct $name<'a> {
            $(#[serde(borrow $(, rename = $rename)?)]
            pub(super) $field: $crate::provider::payload::Loose<'a>,)*
            $($(#[serde(borrow)]
            pub(super) $object: $crate::provider::payload::Object<$part<'a>>,)+)?
            $($(#[serde(borrow)]
            pub(super) $list: $crate::provider::payload::List<$item<'a>>,)+)?
        }
    )*};
}

pub(super) use wire;

/// Longest header value stored; a longer one is not a value of a provider.
const HEADER_BYTES_MAX: usize = 512;
/// Longest name or title kept, in bytes; titles are cut at 255 or 256 characters.
pub(super) const TITLE_BYTES_MAX: usize = 512;
/// Longest branch kept: git stores branches as files, whose names end at 255 bytes a segment.
pub(super) const BRANCH_BYTES_MAX: usize = 1024;
/// Longest commit hash: SHA-256 in hexadecimal.
pub(super) const COMMIT_BYTES_MAX: usize = 64;
/// Longest login, trigger or word such as a status that is stored.
pub(super) const WORD_BYTES_MAX: usize = 100;
/// Longest URL stored.
const URL_BYTES_MAX: usize = 2048;

/// A header that every delivery has: visible ASCII, possibly with spaces inside.
pub(super) fn header<'a>(
    headers: &'a dyn HeaderLookup,
    name: &'static str,
    bytes_max: usize,
    may_have_spaces: bool,
) -> Result<&'a str, VerifyError> {
    let fits = |byte: u8| byte.is_ascii_graphic() || (may_have_spaces && byte == b' ');
    headers
        .get(name)
        .filter(|value| (1..=bytes_max).contains(&value.len()))
        .filter(|value| value.bytes().all(fits))
        .ok_or(VerifyError::BadHeader(name))
}

/// The allow-listed headers, as they are stored.
pub(super) fn kept(headers: &dyn HeaderLookup, allowed: &[&'static str]) -> Vec<(String, String)> {
    allowed
        .iter()
        .filter_map(|name| Some((*name, headers.get(name)?)))
        .filter(|(_, value)| value.len() <= HEADER_BYTES_MAX)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Parses an object; `None` when the text does not start like one.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<serde_json::Result<T>> {
    let json = repair::without_mark(json);
    (json.trim_ascii_start().first() == Some(&b'{')).then(|| serde_json::from_slice(json))
}

/// Reads a verified body. If a part of it cannot be decoded, it is repaired in `room`; returns
/// whether it was.
pub(super) fn read<'a, T: Deserialize<'a>>(
    json: &'a [u8],
    room: &'a mut Vec<u8>,
) -> Result<(T, bool), DecodeError> {
    let is_doubled = |e: &serde_json::Error| e.to_string().starts_with("duplicate field");
    let mut is_repaired = false;
    let found = match object(json) {
        Some(Err(e)) if !is_doubled(&e) => {
            is_repaired = true;
            *room = repair::repaired(json);
            // If it cannot be repaired, the error is that of the original.
            object(room).map(|repaired| {
                repaired.map_err(|again| if is_doubled(&again) { again } else { e })
            })
        }
        found => found,
    };
    match found {
        Some(Ok(body)) => Ok((body, is_repaired)),
        // The message of serde_json may quote the payload; its position does not.
        Some(Err(e)) => {
            let problem = if is_doubled(&e) {
                "a field occurs twice"
            } else {
                "it is not valid JSON"
            };
            let (line, column) = (e.line(), e.column());
            let text = format!("{problem}, at line {line} column {column}");
            Err(DecodeError(text))
        }
        None => Err(DecodeError("it is not a JSON object".into())),
    }
}

/// The event of a body that does not identify its run. If the body was repaired, what identifies
/// the run may have been lost with it, and a failure must not be missed: then it cannot be read. A
/// body that never had it may belong to another event, whose name is not signed.
pub(super) fn unidentified(is_repaired: bool) -> Result<Event, DecodeError> {
    if is_repaired {
        let text = "a value that is not valid JSON is needed to identify the run";
        return Err(DecodeError(text.into()));
    }
    Ok(Event::Ignored)
}

/// A moment as RFC 3339 writes it.
pub(super) fn moment(text: &Loose<'_>) -> Option<Timestamp> {
    let format = &time::format_description::well_known::Rfc3339;
    let moment = time::OffsetDateTime::parse(text.text()?, format).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000)
        .ok()
        .map(Timestamp)
}

/// The same of a text that is no payload's.
pub(super) fn moment_of(text: &str) -> Option<Timestamp> {
    moment(&Loose::Text(text.into()))
}

/// A moment as RFC 3339 or as GitLab writes it: `2026-11-24 10:00:00 UTC`, or with an offset such
/// as `+0100` at the end.
pub(super) fn any_moment(text: &Loose<'_>) -> Option<Timestamp> {
    let plain = || {
        let (day, rest) = text.text()?.split_once(' ')?;
        let (clock, zone) = rest.split_once(' ')?;
        let zone = match (zone, zone.split_at_checked(3)) {
            ("UTC", _) => "Z".to_owned(),
            (_, Some((hours, minutes))) => format!("{hours}:{minutes}"),
            (_, None) => return None,
        };
        moment(&Loose::Text(format!("{day}T{clock}{zone}").into()))
    };
    moment(text).or_else(plain)
}

/// Only a URL that is safe for browsers: no `javascript:`.
pub(super) fn web_url(text: &Loose<'_>) -> Option<String> {
    let text = text.text().filter(|text| text.len() <= URL_BYTES_MAX)?;
    let url = url::Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

/// The first line of a commit's message.
pub(super) fn first_line(message: &Loose<'_>) -> Option<String> {
    let line = message.text()?.trim_start().lines().next()?;
    clean(line, TITLE_BYTES_MAX)
}

pub(super) fn clean_of(text: &Loose<'_>, bytes_max: usize) -> Option<String> {
    clean(text.text()?, bytes_max)
}

/// A name that identifies (a branch, a tag, a status context), cleaned for display. If cleaning or
/// cutting changes it, a hash of the original is appended: a pass on `ma\u{200b}in` does not
/// concern `main`.
pub(super) fn name_of(text: &Loose<'_>, bytes_max: usize) -> Option<String> {
    name(text.text()?, bytes_max)
}

/// See [`name_of`]. `None` when the text is empty.
pub(super) fn name(text: &str, bytes_max: usize) -> Option<String> {
    /// Bytes of the hash: enough that no second name with the same hash can be found.
    const HASH_BYTES: usize = 12;
    let shown = clean(text, bytes_max).unwrap_or_default();
    if shown == text {
        return Some(shown).filter(|shown| !shown.is_empty());
    }
    let hash = Sha256::digest(text.as_bytes());
    let hash = HEXLOWER.encode(hash.get(..HASH_BYTES).unwrap_or(&hash));
    Some(format!("{shown}~{hash}"))
}
