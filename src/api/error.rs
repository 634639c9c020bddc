//! What goes wrong, as the client sees it: problem details (RFC 9457).
//!
//! Which error goes where: the client gets a status, a stable code and a sentence that says what
//! to do. The cause (a damaged record, a failed write) goes to the log, once, here, where it is
//! turned into an answer. A client's own mistakes are not logged. No problem quotes a value that
//! the client sent, because it may have been a secret; names of fields are quoted.

use crate::actor::{CommandError, ConnectError};
use crate::domain::id::ConnectionId;
use crate::store::{CommitError, Conflict, ReadError};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// When to ask again after an overload, in seconds: a commit group takes milliseconds, a full
/// disk longer, and providers that retry at all do not come back sooner than that.
const RETRY_AFTER_SECONDS: &str = "5";

macro_rules! codes {
    ($($name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// Every kind of problem that this API answers with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// The kind of problem in words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    BadJson = BAD_REQUEST, "bad_json", "The body is not the JSON that is expected";
    UnknownField = BAD_REQUEST, "unknown_field", "The body has a field that is not known here";
    BadQuery = BAD_REQUEST, "bad_query", "The query string is not understood";
    BadCursor = BAD_REQUEST, "bad_cursor", "The cursor is not one of ours";
    TokenInQuery = BAD_REQUEST, "token_in_query", "A token does not belong into a URL";
    BadRequest = BAD_REQUEST, "bad_request", "The request is not understood";
    OauthState = BAD_REQUEST, "oauth_state", "There is no such sign-in under way";
    BadDeliveryHeader = BAD_REQUEST, "bad_delivery_header", "A delivery's header is missing";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "An API token is needed";
    BadSignature = UNAUTHORIZED, "bad_signature", "The signature is missing or wrong";
    Forbidden = FORBIDDEN, "forbidden", "Only an admin may do this";
    OauthDenied = FORBIDDEN, "oauth_denied", "The user did not agree";
    NotFound = NOT_FOUND, "not_found", "There is no such object";
    NoSuchRoute = NOT_FOUND, "no_such_route", "There is no such route";
    RepositoryNotFound = NOT_FOUND, "repository_not_found",
        "The provider shows no such repository";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The route has no such method";
    BodyTimeout = REQUEST_TIMEOUT, "body_timeout", "The body took too long";
    AlreadyConnected = CONFLICT, "already_connected", "The repository is connected already";
    UserExists = CONFLICT, "user_exists", "There is a user with this name already";
    NotNow = CONFLICT, "not_now", "This is not possible in the present state";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large";
    OauthExpired = GONE, "oauth_expired", "The sign-in took too long";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
        "The body's type is not supported";
    UnsupportedEncoding = UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding",
        "Compressed bodies are not supported";
    InvalidField = UNPROCESSABLE_ENTITY, "invalid_field", "A field has a value that is not valid";
    UnknownProvider = UNPROCESSABLE_ENTITY, "unknown_provider",
        "This daemon is not configured for that provider";
    NoCredential = UNPROCESSABLE_ENTITY, "no_credential", "You have no credential that fits";
    CredentialRefused = UNPROCESSABLE_ENTITY, "credential_refused",
        "The provider refuses the credential";
    OauthNotConfigured = UNPROCESSABLE_ENTITY, "oauth_not_configured",
        "Nobody can sign in with that provider here";
    OauthRefused = UNPROCESSABLE_ENTITY, "oauth_refused", "The provider refuses the sign-in";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side";
    ProviderUnavailable = BAD_GATEWAY, "provider_unavailable",
        "The provider could not be asked";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Too much is going on";
    StoreUnavailable = SERVICE_UNAVAILABLE, "store_unavailable",
        "The store takes nothing at the moment";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "This is not available at the moment";
}

/// A problem on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    connection: Option<ConnectionId>,
    allow: Option<String>,
}

/// A problem as it stands in an answer.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<String>,
}

/// What a handler answers.
pub(super) type Answer = Result<HttpResponse, Problem>;

impl Problem {
    /// A problem with a sentence for the person who has it.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            connection: None,
            allow: None,
        }
    }

    /// The answer for what is not there, and for what is another user's.
    pub fn not_found() -> Self {
        Self::new(
            Code::NotFound,
            "there is no such object, or it is not yours",
        )
    }

    /// A field of a body whose value will not do.
    pub fn invalid(field: &str, why: impl fmt::Display) -> Self {
        Self::new(Code::InvalidField, format!("{field}: {why}"))
    }

    /// A wrong method, with the ones that the route has.
    pub(super) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this route has {allow}");
        Self {
            allow: Some(allow),
            ..Self::new(Code::MethodNotAllowed, detail)
        }
    }

    /// What kind of problem it is.
    pub const fn code(&self) -> Code {
        self.code
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let value = HeaderValue::from_static;
        match self.code.status() {
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, value(RETRY_AFTER_SECONDS))),
            StatusCode::UNAUTHORIZED if self.code == Code::Unauthenticated => {
                Some((WWW_AUTHENTICATE, value("Bearer")))
            }
            _ => {
                let allow = HeaderValue::from_str(self.allow.as_ref()?).ok()?;
                Some((ALLOW, allow))
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if let Some(header) = self.header() {
            answer.insert_header(header);
        }
        let body = Body {
            r#type: format!("urn:hookherd:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.status_code().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            connection_id: self.connection.map(|id| id.to_string()),
        };
        let text = serde_json::to_string(&body).expect("a struct of texts and numbers serialises");
        answer
            .insert_header((CONTENT_TYPE, PROBLEM_JSON))
            .body(text)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { .. } => {
                tracing::error!(%error, "store_read_failed");
                Self::new(
                    Code::Internal,
                    "a record could not be read; the log says more",
                )
            }
            // The store says so itself, and not for every request that meets it.
            ReadError::Unavailable(_) => Self::new(
                Code::StoreUnavailable,
                "what is stored cannot be read at the moment: try again shortly",
            ),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(Conflict::Connection(id)) => Self::connected(id),
            CommitError::Conflict(Conflict::User(_)) => {
                Self::new(Code::UserExists, "choose another name")
            }
            CommitError::Conflict(Conflict::Changed) => {
                Self::new(Code::NotNow, "it has changed meanwhile: look again")
            }
            CommitError::Conflict(Conflict::Delivery(_)) => {
                Self::new(Code::NotNow, "this delivery is stored already")
            }
            CommitError::Overloaded => Self::new(
                Code::Overloaded,
                "too much waits to be stored: try again shortly",
            ),
            // The store has logged it once, and not for every request that meets it. After a
            // failed write it is not known whether the change survives: no word about that.
            CommitError::DiskFull | CommitError::Failed | CommitError::Closed => Self::new(
                Code::StoreUnavailable,
                format!("this was not acknowledged, try again later: {error}"),
            ),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NoSuchConnection | CommandError::NoSuchSubject => Self::not_found(),
            CommandError::NotNow(why) => Self::new(Code::NotNow, why),
            CommandError::Commit(error) => error.into(),
            CommandError::Read(error) => error.into(),
            CommandError::Unavailable => Self::new(
                Code::Unavailable,
                "the connection is restarting: try again shortly",
            ),
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::AlreadyConnected(id) => Self::connected(id),
            ConnectError::UnknownInstance => Self::new(
                Code::UnknownProvider,
                "its host is not in this daemon's configuration",
            ),
            ConnectError::NoCredential => Self::new(
                Code::NoCredential,
                "sign in with this host or add a token for it first: GET \
                 /api/v2/oauth/{provider}/authorize or POST /api/v2/credentials",
            ),
            ConnectError::Unauthorized => Self::new(
                Code::CredentialRefused,
                "the provider refuses the token: it is wrong, expired or revoked",
            ),
            ConnectError::NoSuchRepository => Self::new(
                Code::RepositoryNotFound,
                "there is none, or the token may not see it: check the name and the token",
            ),
            ConnectError::Commit(error) => error.into(),
            ConnectError::Read(error) => error.into(),
            ConnectError::Provider(words) => Self::new(Code::ProviderUnavailable, words),
        }
    }
}

impl Problem {
    fn connected(id: ConnectionId) -> Self {
        let detail = format!("you connected this repository already, as {id}");
        Self {
            connection: Some(id),
            ..Self::new(Code::AlreadyConnected, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;

    fn shown(problem: &Problem) -> (HttpResponse<()>, serde_json::Value) {
        let (head, body) = problem.error_response().into_parts();
        let bytes = body.try_into_bytes().unwrap();
        (
            head.map_body(|_, ()| ()),
            serde_json::from_slice(&bytes).unwrap(),
        )
    }

    #[test]
    fn every_code_is_a_problem_with_a_name_of_its_own() {
        let mut names = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(names.insert(code.as_str()), "{code:?}");
            let (head, body) = shown(&Problem::new(*code, "what to do"));
            assert_eq!(body["code"], code.as_str());
            assert_eq!(body["status"], code.status().as_u16());
            assert_eq!(head.headers().get("content-type").unwrap(), PROBLEM_JSON);
            let asks_to_wait = head.headers().contains_key("retry-after");
            assert_eq!(
                asks_to_wait,
                code.status() == StatusCode::SERVICE_UNAVAILABLE
            );
        }
    }

    #[test]
    fn a_store_that_takes_nothing_is_503_and_says_when_to_come_back() {
        for error in [
            CommitError::Overloaded,
            CommitError::DiskFull,
            CommitError::Failed,
            CommitError::Closed,
        ] {
            let (head, body) = shown(&error.into());
            assert_eq!(body["status"], 503);
            assert!(head.headers().contains_key("retry-after"), "{body}");
        }
    }

    #[test]
    fn a_second_connection_is_told_of_the_first() {
        let id = ConnectionId::from_u128(7);
        let (_, body) = shown(&ConnectError::AlreadyConnected(id).into());
        assert_eq!(body["status"], 409);
        assert_eq!(body["connection_id"], id.to_string());
    }
}
