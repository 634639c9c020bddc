//! What goes wrong, as the client sees it: problem details (RFC 9457).
//!
//! Which error goes where: the client gets a status, a stable code and a sentence that says what
//! to do. The cause (a damaged record, a failed write) goes to the log, once, here, where it is
//! turned into an answer. A client's own mistakes are not logged. No problem quotes a value that
//! the client sent, because it may have been a secret; names of fields are quoted.

use crate::actor::{CommandError, ConnectError, TakeError};
pub use crate::domain::error_code::ErrorCode as Code;
use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::Failure;
use crate::domain::operation::UNFINISHED_MAX;
use crate::domain::rulebook::check::BadRules;
use crate::domain::standing::Standing;
use crate::outbox::DeskError;
use crate::provider::ProviderError;
use crate::store::{CommitError, Conflict, ReadError};
use crate::telemetry::may_log;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// When to ask again after an overload, in seconds: a commit group takes milliseconds, a full
/// disk longer, and providers that retry at all do not come back sooner than that.
const RETRY_AFTER_SECONDS: &str = "5";

/// Which status goes with which codes.
macro_rules! statuses {
    ($($status:ident: $($code:ident)*;)*) => {
        /// The status that goes with a code. 422 is what the user, or an administrator at the
        /// provider, has to correct before it is sent again; 502 what lies between this daemon and
        /// the provider.
        pub const fn status(code: Code) -> StatusCode {
            match code {
                $($(Code::$code)|* => StatusCode::$status,)*
            }
        }
    };
}

statuses! {
    BAD_REQUEST:
        BadJson UnknownField BadQuery BadCursor TokenInQuery BadRequest OauthState
        BadDeliveryHeader;
    UNAUTHORIZED:
        Unauthenticated BadSignature;
    FORBIDDEN:
        Forbidden OauthDenied HookNotFree HookInUse;
    NOT_FOUND:
        NotFound NoSuchRoute RepositoryNotFound OwnerNotFound;
    METHOD_NOT_ALLOWED:
        MethodNotAllowed;
    REQUEST_TIMEOUT:
        BodyTimeout;
    CONFLICT:
        AlreadyConnected UserExists NotNow UserInUse UserProtected CredentialInUse HookChanged
        HookDeletedRepeatedly TlsNotVerified Panics;
    TOO_MANY_REQUESTS:
        TooManyRequests QuotaReached;
    PAYLOAD_TOO_LARGE:
        BodyTooLarge;
    GONE:
        OauthExpired;
    UNSUPPORTED_MEDIA_TYPE:
        UnsupportedMediaType UnsupportedEncoding;
    INTERNAL_SERVER_ERROR:
        Internal Unknown;
    SERVICE_UNAVAILABLE:
        Overloaded StoreUnavailable Unavailable RateLimited CallsWaiting;
    UNPROCESSABLE_ENTITY:
        InvalidField UnknownEvent UnknownProvider NoCredential CredentialRefused SinkUnfit
        RulesUnfit TimeUnfit UserUnfit OauthNotConfigured OauthRefused Unauthorized NoAccess
        InsufficientScope SsoRequired IpNotAllowed TokenForbidden AppRestricted AccountSuspended
        AccountUnready RepositoryBlocked RepositoryArchived HookLimitReached TestDeliveryFailed
        Rejected;
    BAD_GATEWAY:
        ProviderUnavailable ProviderTimeout ProviderUnreachable ProviderOutage HostNotFound
        BadCertificate WrongApiUrl BadAnswer NotConfigured CannotOpenSecret OauthMisconfigured
        AppRefused;
}

/// A problem on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    connection: Option<ConnectionId>,
    allow: Option<String>,
    /// When to come again, where that is known; a whole second at least.
    retry_after: Option<Duration>,
}

/// An error: problem details (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// URN of the error.
    #[schema(example = "urn:hookherd:problem:not_found")]
    r#type: String,
    /// What the error means.
    title: &'a str,
    /// HTTP status.
    status: u16,
    /// What happened and what to do.
    detail: &'a str,
    /// Stable name of the error.
    code: Code,
    /// The existing connection (`already_connected`).
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<ConnectionId>,
}

impl<'a> ProblemBody<'a> {
    /// The body of a problem of this kind.
    pub(super) fn of(code: Code, detail: &'a str, connection_id: Option<ConnectionId>) -> Self {
        Self {
            r#type: format!("urn:hookherd:problem:{code}"),
            title: code.meaning(),
            status: status(code).as_u16(),
            detail,
            code,
            connection_id,
        }
    }
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
            retry_after: None,
        }
    }

    /// The answer for what is not there, and for what is another user's.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "No such object, or it is not yours.")
    }

    /// A field of a body whose value will not do.
    pub fn invalid(field: &str, why: impl fmt::Display) -> Self {
        Self::new(Code::InvalidField, format!("{field}: {why}."))
    }

    /// No route has this path.
    pub(super) fn no_such_route() -> Self {
        let detail = "See /docs or /api/v2/openapi.json.";
        Self::new(Code::NoSuchRoute, detail)
    }

    /// A wrong method, with the ones that the route has.
    pub(super) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("This route has {allow}.");
        Self {
            allow: Some(allow),
            ..Self::new(Code::MethodNotAllowed, detail)
        }
    }

    /// The same, with the time after which to come again.
    pub(super) fn retry_after(self, wait: Duration) -> Self {
        // In whole seconds: not a moment too early.
        let wait = Some(wait + Duration::from_millis(999));
        Self {
            retry_after: wait,
            ..self
        }
    }

    /// What kind of problem it is.
    pub const fn code(&self) -> Code {
        self.code
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let value = HeaderValue::from_static;
        match status(self.code) {
            StatusCode::SERVICE_UNAVAILABLE => {
                let wait = self.retry_after.map(|after| after.as_secs().max(1).into());
                Some((RETRY_AFTER, wait.unwrap_or(value(RETRY_AFTER_SECONDS))))
            }
            StatusCode::TOO_MANY_REQUESTS => {
                // Waiting does not help a user who has too many of something.
                let after = self.retry_after?;
                Some((RETRY_AFTER, after.as_secs().max(1).into()))
            }
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
        status(self.code)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if let Some(header) = self.header() {
            answer.insert_header(header);
        }
        let body = ProblemBody::of(self.code, &self.detail, self.connection);
        let text = serde_json::to_string(&body).expect("a struct of texts and numbers serialises");
        answer
            .insert_header((CONTENT_TYPE, PROBLEM_JSON))
            .body(text)
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NotFound => Self::not_found(),
            // It depends on the kind, which no schema can say.
            DeskError::Unfit(unfit) => Self::new(Code::SinkUnfit, unfit.to_string()),
            DeskError::Rules(bad) => bad.into(),
            DeskError::NotNow(why) => Self::new(Code::NotNow, why),
            DeskError::Read(error) => error.into(),
            DeskError::Commit(error) => error.into(),
        }
    }
}

impl From<BadRules> for Problem {
    /// It depends on the user's sinks, on all rules together, or on names that no schema lists.
    fn from(bad: BadRules) -> Self {
        Self::new(Code::RulesUnfit, format!("{bad}."))
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { .. } => {
                if may_log("store_read_failed") {
                    tracing::error!(%error, "store_read_failed");
                }
                Self::new(
                    Code::Internal,
                    "A stored record could not be read. See the daemon's log.",
                )
            }
            // The store says so itself, and not for every request that meets it.
            ReadError::Unavailable(_) => Self::new(
                Code::StoreUnavailable,
                "Stored data cannot be read. Try again after Retry-After.",
            ),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(Conflict::Connection(id)) => Self::connected(id),
            CommitError::Conflict(Conflict::User(_)) => Self::new(
                Code::UserExists,
                "A user with this name exists. Choose another name.",
            ),
            CommitError::Conflict(Conflict::Owner(_)) => {
                Self::new(Code::NotNow, "The user is removed or being removed.")
            }
            CommitError::Conflict(
                Conflict::Changed
                | Conflict::Credential(_)
                | Conflict::Command(_)
                | Conflict::Hook(_)
                | Conflict::Operation(_),
            ) => Self::new(Code::NotNow, "The object changed meanwhile. Read it again."),
            CommitError::Conflict(Conflict::CommandsWaiting(_)) => Self::new(
                Code::Overloaded,
                "Too many commands are waiting for this connection. Try again after Retry-After.",
            ),
            CommitError::Conflict(Conflict::OperationsUnfinished(_)) => Self::new(
                Code::QuotaReached,
                format!(
                    "You have {UNFINISHED_MAX} operations that have not ended. Wait for one, or \
                     cancel one."
                ),
            ),
            CommitError::Conflict(Conflict::Sinks(_)) => Self::new(
                Code::QuotaReached,
                "You have the most sinks. Remove one first.",
            ),
            CommitError::Conflict(Conflict::Lease(_)) => Self::new(
                Code::Unavailable,
                "Another process works on this connection. Try again after Retry-After.",
            ),
            CommitError::Conflict(Conflict::NoConnection(_)) => {
                Self::new(Code::NotNow, "The connection was removed meanwhile.")
            }
            CommitError::Conflict(Conflict::Delivery(_)) => {
                Self::new(Code::NotNow, "This delivery is stored already.")
            }
            CommitError::Overloaded => Self::new(
                Code::Overloaded,
                "Too many writes are waiting. Try again after Retry-After.",
            ),
            // The store has logged it once, and not for every request that meets it. After a
            // failed write it is not known whether the change survives: no word about that.
            CommitError::DiskFull | CommitError::Failed | CommitError::Closed => Self::new(
                Code::StoreUnavailable,
                format!("Not stored: {error}. Try again after Retry-After."),
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
                "The connection is restarting. Try again after Retry-After.",
            ),
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::AlreadyConnected(id) => Self::connected(id),
            ConnectError::HookTaken => TakeError::NotFree(Standing::Kept).into(),
            ConnectError::UnknownInstance => {
                Self::new(Code::UnknownProvider, "Its host is not configured.")
            }
            ConnectError::NoCredential => Self::new(
                Code::NoCredential,
                "You have no credential for this host. Add a token (POST /api/v2/credentials), or \
                 sign in.",
            ),
            ConnectError::Unauthorized => Self::new(
                Code::CredentialRefused,
                "The provider refuses the token: it is wrong, expired or revoked. Replace it.",
            ),
            ConnectError::NoSuchRepository => Self::new(
                Code::RepositoryNotFound,
                "No such repository, or the token may not see it. Check the name and the token.",
            ),
            ConnectError::Commit(error) => error.into(),
            ConnectError::Read(error) => error.into(),
            ConnectError::Provider(error) => Self::refused(error),
        }
    }
}

impl From<TakeError> for Problem {
    fn from(error: TakeError) -> Self {
        let code = match error {
            TakeError::Gone => Code::NotFound,
            TakeError::Changed => Code::HookChanged,
            TakeError::NotFree(_) => Code::HookNotFree,
            TakeError::Answered(_) => Code::HookInUse,
            TakeError::Connect(error) => return error.into(),
        };
        let what = match error {
            TakeError::Answered(_) => ": a Hookherd answers it, maybe another one",
            TakeError::Gone
            | TakeError::Changed
            | TakeError::NotFree(_)
            | TakeError::Connect(_) => "",
        };
        let detail = error.to_string();
        Self::new(
            code,
            format!("Nothing was changed: {detail}{what}. {}", code.next_step()),
        )
    }
}

impl Problem {
    /// What a provider refuses, or why it could not be asked.
    fn refused(error: ProviderError) -> Self {
        let after = match error.failure {
            Failure::Retryable { after } => after,
            Failure::Unauthorized | Failure::NoAccess | Failure::Rejected => None,
        };
        Self {
            retry_after: after,
            ..Self::new(error.code, error.message)
        }
    }

    fn connected(id: ConnectionId) -> Self {
        let detail = format!("This repository is connected already, as {id}.");
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
            assert_eq!(body["status"], status(*code).as_u16());
            assert_eq!(head.headers().get("content-type").unwrap(), PROBLEM_JSON);
            let asks_to_wait = head.headers().contains_key("retry-after");
            assert_eq!(
                asks_to_wait,
                status(*code) == StatusCode::SERVICE_UNAVAILABLE
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
    fn a_second_connection_names_the_first() {
        let id = ConnectionId::from_u128(7);
        let (_, body) = shown(&ConnectError::AlreadyConnected(id).into());
        assert_eq!(body["status"], 409);
        assert_eq!(body["connection_id"], id.to_string());
    }
}
