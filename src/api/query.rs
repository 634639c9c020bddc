//! Query strings, all of which must be understood. A value that nothing can have is refused, and
//! the refusal lists those that there are: an empty list must not pass for an answer. What a
//! client sent is not quoted, apart from the names of parameters.

use super::error::{Code, Problem};
use super::schema::{plain, segment, text};
use crate::domain::delivery::EVENT_NAME_BYTES_MAX;
use crate::domain::id::ConnectionId;
use crate::domain::pattern;
use crate::domain::repo::{FullName, ProviderKind};
use crate::store::{After, Whose};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Error, Expected, IntoDeserializer, MapAccess,
    Unexpected, Visitor,
};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use std::borrow::Cow;
use std::fmt;
use std::future::{Ready, ready};
use url::form_urlencoded::Parse;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Longest name of a parameter that is passed on.
const NAME_CHARS_MAX: usize = 100;

/// A query string.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = Pairs {
        pairs: url::form_urlencoded::parse(query.as_bytes()),
        pair: Default::default(),
    };
    T::deserialize(MapAccessDeserializer::new(pairs)).map_err(|Bad { name, why }| {
        if name == "cursor" {
            let why = "Pass a next_cursor of this list, unchanged.";
            return Problem::new(Code::BadCursor, why);
        }
        Problem::new(Code::BadQuery, format!("{name}: {why}."))
    })
}

/// The parameters, one after the other.
struct Pairs<'a> {
    pairs: Parse<'a>,
    pair: (Cow<'a, str>, Cow<'a, str>),
}

impl<'de> MapAccess<'de> for Pairs<'de> {
    type Error = Bad;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Bad> {
        let Some(pair) = self.pairs.next() else {
            return Ok(None);
        };
        self.pair = pair;
        let name: StrDeserializer<'_, Bad> = self.pair.0.as_ref().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Bad> {
        let (name, text) = &self.pair;
        let value = seed.deserialize(Text(text));
        value.map_err(|bad| Bad::new(name, bad.why))
    }
}

/// What is wrong with a query string: a parameter, and why it is refused.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}")]
struct Bad {
    name: String,
    why: String,
}

impl Bad {
    fn new(name: &str, why: impl fmt::Display) -> Self {
        Self {
            name: name.chars().take(NAME_CHARS_MAX).collect(),
            why: why.to_string(),
        }
    }
}

impl de::Error for Bad {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::new("", why)
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        let known = known.join(", ");
        Self::new(name, format_args!("unknown parameter; known are: {known}"))
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::new(name, "given twice")
    }
}

/// The text of a parameter. What it must be is for its field's type to say.
struct Text<'a>(&'a str);

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = Bad;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        visitor.visit_some(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        let flag = self.0.parse();
        visitor.visit_bool(flag.map_err(|_| Bad::custom("expected true or false"))?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Bad> {
        let name: StrDeserializer<'_, Bad> = self.0.into_deserializer();
        let expected = |_| Bad::custom(format_args!("expected one of {}", names.join(", ")));
        visitor.visit_enum(name).map_err(expected)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq
        newtype_struct tuple tuple_struct map struct identifier ignored_any
    }
}

/// Types of parameters: a text that must be of a form.
macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $parse:expr, $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let parse: fn(&str) -> Result<$inner, Cow<'static, str>> = $parse;
                let text = Cow::<str>::deserialize(from)?;
                parse(&text).map(Self).map_err(de::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

parameters! {
    /// Items on a page.
    Limit(usize),
    |text| {
        let limit = text.parse().ok().filter(|limit| (1..=Limit::MAX).contains(limit));
        limit.ok_or_else(|| format!("expected 1 to {}", Limit::MAX).into())
    },
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(Limit::MAX))
        .default(Some(Limit::DEFAULT.into()));

    /// The repositories that are asked for.
    RepositoryPattern(pattern::Pattern),
    |text| {
        let why = "expected owner/name, or a pattern such as owner/*";
        let pattern = pattern::Pattern::any_case(text).map_err(|_| why)?;
        let is_name = |name: &str| name.parse::<FullName>().is_ok();
        if pattern.single().is_none_or(is_name) { Ok(pattern) } else { Err(why.into()) }
    },
    text(
        "Owner and name of a repository in any case, or a pattern with `*` and `?`; `*` matches \
         slashes, too.",
        concat!(
            "^(", segment!(), "(/", segment!(), ")+|", plain!(), "*[*?]", plain!(), "*)$"
        ),
        "octo/*",
    )
    .max_length(Some(pattern::PATTERN_CHARS_MAX));

    /// The branches that are asked for.
    BranchPattern(pattern::Pattern),
    |text| pattern::Pattern::exact_case(text).map_err(|why| why.to_string().into()),
    text("A branch, or a pattern with `*` and `?`.", concat!("^", plain!(), "+$"), "release/*")
        .max_length(Some(pattern::PATTERN_CHARS_MAX));

    /// A user, an organisation or a group at the provider.
    Owner(String),
    |text| match format!("{text}/x").parse::<FullName>() {
        Ok(name) => Ok(name.owner().to_owned()),
        Err(_) => Err("expected a user, an organisation or a group".into()),
    },
    text(
        "A user, an organisation or, for GitLab, a group with the groups above it.",
        concat!("^", segment!(), "(/", segment!(), ")*$"),
        "octo",
    )
    .max_length(Some(1022));

    /// An event. Which events there are is the provider's business.
    EventName(String),
    |text| {
        let fits = (1..=EVENT_NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if fits { Ok(text.into()) } else { Err("expected the provider's name of an event".into()) }
    },
    text("The provider's name of an event.", "^[ -~]{1,100}$", "workflow_run");

    /// Where a page of ours begins within the provider's pages, as `page.offset`.
    Position((u32, usize)),
    |text| {
        let parts = text.split_once('.');
        let parts = parts.and_then(|(page, at)| Some((page.parse().ok()?, at.parse().ok()?)));
        parts.filter(|(page, _)| *page >= 1).ok_or_else(|| "not a cursor of this list".into())
    },
    text("A position in this list.", r"^[1-9][0-9]{0,8}\.[0-9]{1,9}$", "1.50");
}

impl Limit {
    /// Items on a page unless the client says otherwise.
    const DEFAULT: usize = 50;
    /// Most items on a page.
    const MAX: usize = 100;

    /// The number of items that is asked for.
    pub(super) fn or_default(asked: Option<Self>) -> usize {
        asked.map_or(Self::DEFAULT, |Self(limit)| limit)
    }

    /// Where a page begins and how long it is. The cursor is the id of the last item before it;
    /// clients treat it as opaque.
    pub(super) fn after<Id>(asked: Option<Self>, cursor: Option<Id>) -> After<Id> {
        After {
            last: cursor,
            limit: Self::or_default(asked),
        }
    }
}

/// The connections that a list of what belongs to them is asked for.
pub(super) fn whose(
    connection: Option<ConnectionId>,
    repository: Option<RepositoryPattern>,
    provider: Option<ProviderKind>,
) -> Whose {
    Whose {
        connection,
        repository: repository.map(|RepositoryPattern(pattern)| pattern),
        provider,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        limit: Option<Limit>,
        cursor: Option<ConnectionId>,
        provider: Option<ProviderKind>,
        flag: Option<bool>,
    }

    #[test]
    fn queries_must_be_understood_whole() {
        let shape: Shape = parse("limit=7&flag=true&provider=gitlab").unwrap();
        assert_eq!(shape.limit.map(|limit| limit.0), Some(7));
        assert_eq!((shape.flag, shape.cursor), (Some(true), None));
        assert_eq!(shape.provider, Some(ProviderKind::Gitlab));
        for (bad, code, part) in [
            ("limit=x", Code::BadQuery, "limit: expected 1 to 100"),
            ("limit=0", Code::BadQuery, "limit: expected 1 to 100"),
            ("limit=101", Code::BadQuery, "limit: expected 1 to 100"),
            ("limit=-1", Code::BadQuery, "limit"),
            ("limit=1&limit=2", Code::BadQuery, "limit: given twice"),
            ("page=1", Code::BadQuery, "page: unknown parameter"),
            (
                "flag=canary",
                Code::BadQuery,
                "flag: expected true or false",
            ),
            (
                "provider=canary",
                Code::BadQuery,
                "expected one of github, gitlab",
            ),
            ("cursor=canary", Code::BadCursor, "next_cursor"),
        ] {
            let problem = parse::<Shape>(bad).unwrap_err();
            let words = problem.to_string();
            assert_eq!(problem.code(), code, "{bad}: {words}");
            assert!(words.contains(part) && !words.contains("canary"), "{words}");
        }
    }

    #[test]
    fn cursors_of_pages_within_pages_lead_back() {
        let position = |text: &str| serde_json::from_value(text.into()).map(|Position(at)| at);
        assert_eq!(position("3.50").unwrap(), (3, 50));
        for bad in ["", "3", "0.1", "-1.0", "a.b", "1.2.3"] {
            assert!(position(bad).is_err(), "{bad}");
        }
    }
}
