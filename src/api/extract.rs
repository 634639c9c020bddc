//! What a request holds, checked: JSON bodies and what stands in paths. Query strings are read by
//! [`super::query`].
//!
//! A JSON body with a field that we do not know is refused: a misspelt `delete_webhook` must not
//! pass for the default. An array is no object, see [`strict`]. Depth is bounded by the types and
//! by `serde_json`'s own limit of 128.

use super::access::Caller;
use super::auth;
use super::error::{Code, Problem};
use super::ingress::body::{self, Limits};
use super::ingress::fair::{Account, Who};
use super::scope::Shared;
use super::server::client::client_of;
use super::server::socket::progress_of;
use super::strict::{self, Unread};
use crate::domain::repo::ProviderKind;
use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use serde::de::DeserializeOwned;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::str::FromStr;

/// Longest part of a parser's message that is passed on.
const MESSAGE_CHARS_MAX: usize = 200;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

fn is_json(request: &HttpRequest) -> bool {
    let mut types = request.headers().get_all(CONTENT_TYPE);
    let (Some(given), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = given
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// What a type is, for people.
fn plain(expected: &str) -> String {
    let (least, most) = match expected {
        "u8" => ("0", u8::MAX.into()),
        "u16" => ("0", u16::MAX.into()),
        "u32" => ("0", u32::MAX.into()),
        "u64" | "usize" => ("0", u64::MAX),
        "i32" | "i64" => return "a whole number".to_owned(),
        "f32" | "f64" => return "a number".to_owned(),
        "a sequence" => return "a list".to_owned(),
        "a map" => return "an object".to_owned(),
        name if name.starts_with("struct ") => return "an object".to_owned(),
        other => return other.to_owned(),
    };
    format!("a whole number from {least} to {most}")
}

/// What is wrong with a body and where, without its values: one of them may be a token.
fn bad_json(unread: &Unread) -> Problem {
    let (place, error) = (unread.place.as_str(), &unread.error);
    let message = error.to_string();
    let short = |text: &str| text.chars().take(MESSAGE_CHARS_MAX).collect::<String>();
    if !error.is_data() {
        let (line, column) = (error.line(), error.column());
        let detail = format!("not valid JSON for this route, at line {line}, column {column}");
        return Problem::new(Code::BadJson, detail);
    }
    // The place says more than where it is in the text, which a program may have written.
    let words = message
        .rsplit_once(" at line ")
        .map_or(&*message, |it| it.0);
    let is_unknown = words.starts_with("unknown field `");
    let is_of_fields = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .any(|start| words.starts_with(start));
    let (place, detail) = if is_of_fields {
        // The field is named already.
        let field = words.split('`').nth(1).unwrap_or_default();
        let object = place.strip_suffix(field).unwrap_or(place);
        (object.trim_end_matches('.'), words.to_owned())
    } else {
        let expected = words.rsplit_once(", expected ").map(|it| plain(it.1));
        let expected = expected.unwrap_or_else(|| "a value of another form".to_owned());
        (place, format!("expected {expected}"))
    };
    let detail = match place {
        "" => short(&detail),
        place => short(&format!("{place}: {detail}")),
    };
    let code = if is_unknown {
        Code::UnknownField
    } else {
        Code::BadJson
    };
    Problem::new(code, format!("{detail}."))
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload);
        Box::pin(async move {
            if !is_json(&request) {
                let detail = "Send Content-Type: application/json.";
                return Err(Problem::new(Code::UnsupportedMediaType, detail));
            }
            let shared = request
                .app_data::<web::Data<Shared>>()
                .expect("the server hands its data to every request");
            let settings = &shared.settings;
            let limits = Limits {
                bytes_max: settings.api_body_bytes_max,
                timeout: settings.body_timeout,
                room: &shared.api_room,
                account: account_of(shared, &request),
                progress: progress_of(&request),
            };
            let payload = payload
                .await
                .map_err(|_| Problem::new(Code::BadRequest, "The body cannot be read."))?;
            let announced = body::check_head(&request, &limits)?;
            let body = body::read(payload, announced, limits).await?;
            auth::still_admits(shared, &request).await?;
            strict::from_slice(&body.bytes)
                .map(Self)
                .map_err(|error| bad_json(&error))
        })
    }
}

/// Who is charged for a body: the caller, where there is one.
fn account_of(shared: &Shared, request: &HttpRequest) -> Account {
    let caller = request.extensions().get::<Caller>().copied();
    Account::of(match caller {
        Some(caller) => Who::User(caller.user),
        None => Who::Peer(client_of(request, &shared.settings.trusted_proxies)),
    })
}

/// The id in the path. A text that is no id cannot be the id of anything.
pub(super) struct Path<Id>(pub(super) Id);

impl<Id: FromStr + 'static> FromRequest for Path<Id> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or_default();
        ready(text.parse().map(Self).map_err(|_| Problem::not_found()))
    }
}

/// The provider in the path.
pub(super) struct InPath(pub(super) ProviderKind);

impl FromRequest for InPath {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(in_path(request).map(Self))
    }
}

/// The provider in the path. Another than the known ones has nothing.
pub(super) fn in_path(request: &HttpRequest) -> Result<ProviderKind, Problem> {
    let text = request.match_info().get("provider").unwrap_or_default();
    text.parse().map_err(|_| Problem::not_found())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[expect(dead_code, reason = "only its form is tested")]
        flag: bool,
    }

    #[test]
    fn bad_json_has_its_own_codes_and_is_never_quoted() {
        for (text, code, part) in [
            (r#"{"flag":tru"#, Code::BadJson, "line 1"),
            (
                r#"{"flag":"ghp_canary"}"#,
                Code::BadJson,
                "flag: expected a boolean.",
            ),
            (r"{}", Code::BadJson, "missing field `flag`."),
            (
                r#"{"flag":true,"flag":true}"#,
                Code::BadJson,
                "duplicate field `flag`.",
            ),
            (
                r#"{"flog":true}"#,
                Code::UnknownField,
                "unknown field `flog`, expected",
            ),
            ("7", Code::BadJson, "expected an object."),
            ("\"ghp_canary\"", Code::BadJson, "expected an object."),
            (r#"{"flag":1e999}"#, Code::BadJson, "line 1"),
        ] {
            let unread = strict::from_slice::<Shape>(text.as_bytes()).unwrap_err();
            let problem = bad_json(&unread);
            let words = problem.to_string();
            assert_eq!(problem.code(), code, "{text}: {words}");
            assert!(
                words.contains(part) && !words.contains("canary"),
                "{text}: {words}"
            );
        }
        let deep = "[".repeat(100_000);
        assert!(serde_json::from_str::<Shape>(&deep).is_err());
    }
}
