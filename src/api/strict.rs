//! JSON in which an object is an object.
//!
//! What serde derives reads an array as an object, too: its items stand for the fields, in their
//! order. For a body that is a mistake, and one that may pass unseen where fields can be left out.
//! Here it is refused, at any depth.
//!
//! And a number is a number: where a whole one is wanted, `54.0` is one.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use std::fmt;

/// Why a text cannot be read.
#[derive(Debug)]
pub(super) struct Unread {
    /// Where, by names and numbers from 0, as in `rules[0].then`; empty for the whole.
    pub(super) place: String,
    /// Why.
    pub(super) error: serde_json::Error,
}

/// Reads all of a text.
pub(super) fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unread> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(Strict(&mut json)).map_err(|found| Unread {
        place: match found.path().iter().next() {
            Some(_) => found.path().to_string(),
            None => String::new(),
        },
        error: found.into_inner(),
    })?;
    let place = String::new();
    json.end().map_err(|error| Unread { place, error })?;
    Ok(read)
}

/// A part of a document; what is read of it is read so, too.
struct Strict<T>(T);

/// A visitor, and whether it wants an object with named fields.
struct Seen<V> {
    visitor: V,
    is_object: bool,
}

impl<V> Seen<V> {
    const fn any(visitor: V) -> Self {
        let is_object = false;
        Self { visitor, is_object }
    }
}

macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            self.0.$name($($argument,)* Seen::any(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    forward! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let is_object = true;
        self.0
            .deserialize_struct(name, fields, Seen { visitor, is_object })
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// The whole number that a number with a point stands for, where none beside it is read as the
/// same.
fn whole(value: f64) -> Option<i64> {
    /// Below 2^52: the parser may be off by a bit.
    const EXACT_MAX: f64 = 4e15;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole and within the range"
    )]
    let number = value as i64;
    (value.fract() == 0.0 && value.abs() <= EXACT_MAX).then_some(number)
}

macro_rules! visit {
    ($($name:ident($type:ty);)*) => {
        $(fn $name<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$name(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Seen<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    visit! {
        visit_bool(bool);
        visit_i64(i64);
        visit_i128(i128);
        visit_u64(u64);
        visit_u128(u128);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
    }

    /// JSON knows no difference between `54` and `54.0`; some programs write only the second.
    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        match whole(value) {
            Some(number) => self.visitor.visit_i64(number),
            None => self.visitor.visit_f64(value),
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, of: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Strict(of))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, of: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Strict(of))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.is_object {
            return Err(A::Error::invalid_type(Unexpected::Seq, &"an object"));
        }
        self.visitor.visit_seq(Strict(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Strict(entries))
    }

    /// No body has a choice with fields.
    fn visit_enum<A: EnumAccess<'de>>(self, choice: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(choice)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields, default)]
    struct Body {
        name: Option<String>,
        parts: Vec<Part>,
        pair: Option<(u32, i64)>,
        of: BTreeMap<String, Part>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields, default)]
    struct Part {
        number: Option<u64>,
        is_on: bool,
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        for text in [
            "[]",
            "[null, []]",
            r#"{"parts": [[]]}"#,
            r#"{"parts": [{"number": 1}, [2, true]]}"#,
            r#"{"of": {"a": [1]}}"#,
        ] {
            let error = from_slice::<Body>(text.as_bytes()).unwrap_err();
            let error = error.error.to_string();
            assert!(error.contains("expected an object"), "{text}: {error}");
            assert!(serde_json::from_str::<Body>(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let of = |text: &str| from_slice::<Body>(format!(r#"{{"pair": [{text}]}}"#).as_bytes());
        for (text, pair) in [
            ("54.0, -7.0", (54, -7)),
            ("5.4e1, -0.0", (54, 0)),
            ("0.0, 4000000000000000.0", (0, 4_000_000_000_000_000)),
        ] {
            assert_eq!(of(text).unwrap().pair, Some(pair), "{text}");
        }
        for text in [
            "1.5, 0",
            "-1.0, 0",
            "4294967296.0, 0",
            "1, 4000000000000001.0",
            "1, 1e300",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_has_a_place() {
        for (text, place) in [
            (r#"{"parts": [{}, {"number": -1}]}"#, "parts[1].number"),
            (r#"{"of": {"a": {"is_on": 1}}}"#, "of.a.is_on"),
            (r#"{"pair": [1]}"#, "pair"),
            ("7", ""),
            ("{} x", ""),
        ] {
            let unread = from_slice::<Body>(text.as_bytes()).unwrap_err();
            assert_eq!(unread.place, place, "{text}");
        }
    }

    #[test]
    fn everything_else_is_read_as_before() {
        for text in [
            "{}",
            r#"{"name": null, "pair": [1, -2]}"#,
            r#"{"name": "a", "parts": [{"number": 1, "is_on": true}, {}]}"#,
            r#"{"of": {"a": {"number": 18446744073709551615}}}"#,
            r#"{"other": 1}"#,
            r#"{"name": 1}"#,
            r#"{"name": "a"} x"#,
            "null",
            "",
        ] {
            let (strict, usual) = (
                from_slice::<Body>(text.as_bytes()),
                serde_json::from_str::<Body>(text),
            );
            let words = |error: serde_json::Error| error.to_string();
            let strict = strict.map_err(|unread| words(unread.error));
            assert_eq!(strict, usual.map_err(words), "{text}");
        }
    }
}
