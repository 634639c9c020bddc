//! Query strings, all of which must be understood. A value that nothing can have is refused, and
//! the refusal lists those that there are: an empty list must not pass for an answer. What a
//! client sent is not quoted, apart from the names of parameters.

use super::error::{Code, Problem};
use super::schema::{digit, plain, segment, text};
use crate::domain::delivery::{EVENT_NAME_BYTES_MAX, PROVIDER_DELIVERY_ID_BYTES_MAX};
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::pattern;
use crate::domain::repo::{FullName, ProviderKind};
use crate::domain::takeover::Replace;
use crate::domain::time::Timestamp;
use crate::store::{After, Whose};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::future::{Ready, ready};
use std::str::FromStr;
use time::format_description::well_known::Rfc3339;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Longest name of a parameter that is passed on.
const NAME_CHARS_MAX: usize = 100;
/// Longest action that can be asked for.
const ACTION_BYTES_MAX: usize = 100;

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
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let pairs = serde_urlencoded::Deserializer::new(pairs);
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let (name, why) = (error.path().to_string(), error.inner().to_string());
        refusal(&name, &why)
    })
}

/// What is wrong with a parameter, in words that quote no value.
fn refusal(name: &str, why: &str) -> Problem {
    let quoted = why.split('`').nth(1).unwrap_or_default();
    let expected = why.split_once(", expected ").unwrap_or_default().1;
    let expected = expected.replace("one of ", "").replace("` or `", "`, `");
    let expected = expected.replace('`', "");
    let words = if why.starts_with("unknown field ") {
        let name: String = quoted.chars().take(NAME_CHARS_MAX).collect();
        format!("{name}: unknown parameter; known are: {expected}.")
    } else if why.starts_with("duplicate field ") {
        format!("{quoted}: given twice.")
    } else if name == "cursor" {
        let why = "Pass a next_cursor of this list, unchanged.";
        return Problem::new(Code::BadCursor, why);
    } else if why.starts_with("provided string was not") {
        format!("{name}: expected true or false.")
    } else if why.starts_with("unknown variant ") {
        format!("{name}: expected one of {expected}.")
    } else {
        format!("{name}: {why}.")
    };
    Problem::new(Code::BadQuery, words)
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

    /// The URLs of webhooks to replace.
    UrlPattern(Replace),
    |text| Replace::matching(text).map_err(|why| why.to_string().into()),
    text(
        "The URL of webhooks, or a pattern with `*` and `?`, in any case.",
        concat!("^", plain!(), "+$"),
        "https://old.example/hook*",
    )
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

    /// An action.
    ActionName(String),
    |text| {
        let fits = (1..=ACTION_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if fits { Ok(text.into()) } else { Err("expected the provider's name of an action".into()) }
    },
    text("The provider's name of an action.", "^[ -~]{1,100}$", "completed");

    /// A delivery, by the provider's id of it.
    ProviderDeliveryId(String),
    |text| {
        let fits = (1..=PROVIDER_DELIVERY_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| (b'!'..=b'~').contains(&b));
        if fits { Ok(text.into()) } else { Err("expected the provider's id of a delivery".into()) }
    },
    text(
        "The provider's id of a delivery.",
        "^[!-~]{1,128}$",
        "b7c4a1f0-c1a3-11f0-9d2e-1f6f0f3c2a11",
    );

    /// A point in time.
    Moment(Timestamp),
    |text| {
        let moment = time::OffsetDateTime::parse(text, &Rfc3339);
        let ms = moment.ok().map(|at| at.unix_timestamp_nanos() / 1_000_000);
        let ms = ms.and_then(|ms| i64::try_from(ms).ok());
        ms.map(Timestamp).ok_or_else(|| "expected a time such as 2026-11-24T14:34:56Z".into())
    },
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("A time: RFC 3339."))
        .examples(["2026-11-24T14:34:56Z"]);

    /// Where a page of ours begins within the provider's pages, as `page.offset`.
    Position((u32, usize)),
    |text| position_in_pages(text).ok_or_else(|| "not a cursor of this list".into()),
    text("A position in this list.", r"^[1-9][0-9]{0,8}\.[0-9]{1,9}$", "1.50");

    /// Where a search for webhooks continues.
    HookPosition(Place),
    |text| text.parse().map_err(|()| "not a cursor of this search".into()),
    text(
        "A position in this search.",
        concat!(
            "^(start|con_[0-7]", digit!(), "{25}|crd_[0-7]", digit!(),
            r"{25}\.[1-9][0-9]{0,8}\.[0-9]{1,9})$"
        ),
        "start",
    );
}

/// Where a search for webhooks continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the repositories that are connected, behind this connection.
    Connected(Option<ConnectionId>),
    /// In those that a credential reaches: a page of the provider's, and a position in it.
    Reached(CredentialId, (u32, usize)),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(None) => f.write_str("start"),
            Self::Connected(Some(id)) => id.fmt(f),
            Self::Reached(id, (page, offset)) => write!(f, "{id}.{page}.{offset}"),
        }
    }
}

impl FromStr for Place {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let Some((id, position)) = text.split_once('.') else {
            let last = (text != "start").then(|| text.parse()).transpose();
            return last.map(Self::Connected).map_err(|_| ());
        };
        let id = id.parse().map_err(|_| ())?;
        Ok(Self::Reached(id, position_in_pages(position).ok_or(())?))
    }
}

/// A place in the provider's pages.
fn position_in_pages(text: &str) -> Option<(u32, usize)> {
    let (page, at) = text.split_once('.')?;
    let position: (u32, usize) = (page.parse().ok()?, at.parse().ok()?);
    Some(position).filter(|(page, _)| *page >= 1)
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
    use crate::domain::id::HookKey;
    use crate::domain::repo::Host;
    use proptest::prelude::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        limit: Option<Limit>,
        cursor: Option<ConnectionId>,
        provider: Option<ProviderKind>,
        flag: Option<bool>,
        word: Option<Word>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Some,
        Other,
    }

    #[test]
    fn queries_must_be_understood_whole() {
        let shape: Shape = parse("limit=7&flag=true&provider=gitlab").unwrap();
        assert_eq!(shape.limit.map(|limit| limit.0), Some(7));
        assert_eq!((shape.flag, shape.cursor), (Some(true), None));
        assert!(shape.word.is_none());
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
            ("provider=canary", Code::BadQuery, "one of github, gitlab"),
            (
                "word=canary",
                Code::BadQuery,
                "word: expected one of some, other",
            ),
            ("cursor=canary", Code::BadCursor, "next_cursor"),
        ] {
            let problem = parse::<Shape>(bad).unwrap_err();
            let words = problem.to_string();
            assert_eq!(problem.code(), code, "{bad}: {words}");
            assert!(words.contains(part) && !words.contains("canary"), "{words}");
        }
    }

    fn assert_reads_what_its_pattern_allows<T: DeserializeOwned + PartialSchema>() {
        let RefOr::T(Schema::Object(schema)) = T::schema() else {
            panic!("a schema of a text")
        };
        let pattern = schema.pattern.expect("a pattern");
        let inner = pattern.trim_start_matches('^').trim_end_matches('$');
        let texts = proptest::string::string_regex(inner).unwrap();
        proptest!(|(text in texts)| {
            let is_read = serde_json::from_value::<T>(text.as_str().into()).is_ok();
            let is_short = schema.max_length.is_none_or(|max| text.len() <= max);
            prop_assert!(is_read || !is_short, "{pattern}: {text}");
        });
    }

    /// A client that follows the description is understood.
    #[test]
    fn every_text_that_a_pattern_allows_is_read() {
        assert_reads_what_its_pattern_allows::<ConnectionId>();
        assert_reads_what_its_pattern_allows::<FullName>();
        assert_reads_what_its_pattern_allows::<Host>();
        assert_reads_what_its_pattern_allows::<HookKey>();
        assert_reads_what_its_pattern_allows::<HookPosition>();
        assert_reads_what_its_pattern_allows::<Position>();
        assert_reads_what_its_pattern_allows::<RepositoryPattern>();
    }

    #[test]
    fn cursors_of_pages_within_pages_lead_back() {
        let position = |text: &str| serde_json::from_value(text.into()).map(|Position(at)| at);
        assert_eq!(position("3.50").unwrap(), (3, 50));
        for bad in ["", "3", "0.1", "-1.0", "a.b", "1.2.3"] {
            assert!(position(bad).is_err(), "{bad}");
        }
        let (connection, credential) = (ConnectionId::from_u128(1), CredentialId::from_u128(2));
        for place in [
            Place::Connected(None),
            Place::Connected(Some(connection)),
            Place::Reached(credential, (3, 50)),
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for bad in [
            "",
            "1.2",
            &credential.to_string(),
            &format!("{connection}.1.0"),
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
