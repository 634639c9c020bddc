//! Errors of the API: RFC 9457 problem details with a stable `code`.
//!
//! What the caller did wrong becomes a status, a code and a sentence that says what to do. What
//! went wrong inside becomes a 500 or 503 with a plain sentence; the cause goes to the log, once,
//! here.

use crate::actor::{CommandError, ConnectError};
use crate::store::{CommitError, ReadError};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;

/// An error answer.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_s: Option<u32>,
    connection_id: Option<String>,
    allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<&'a str>,
}

/// When to come back after "not now".
const RETRY_AFTER_S: u32 = 5;

impl Problem {
    /// An error with a status, a code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            status,
            code,
            detail,
            retry_after_s: None,
            connection_id: None,
            allow: None,
        }
    }

    /// 400.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404: it does not exist, or is somebody else's.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no such {what}"),
        )
    }

    /// 401: no token, or none that is known.
    pub fn unauthenticated() -> Self {
        let detail = "send a valid API token as \"Authorization: Bearer ...\"";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// 503, worth trying again shortly.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        Self {
            retry_after_s: Some(RETRY_AFTER_S),
            ..problem
        }
    }

    /// 405, with the methods that would do.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("this resource understands {allow}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        Self {
            allow: Some(allow),
            ..problem
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            connection_id: self.connection_id.as_deref(),
        };
        let body = serde_json::to_vec(&body).expect("plain texts and numbers always serialise");
        let mut answer = HttpResponse::build(self.status);
        answer.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allow) = self.allow {
            answer.insert_header((header::ALLOW, allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        answer.body(body)
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", "it exists already")
            }
            CommitError::Overloaded => Self::unavailable("overloaded", "too much at once"),
            CommitError::DiskFull => {
                Self::unavailable("disk_full", "nothing can be stored: the disk is full")
            }
            CommitError::Failed => {
                Self::unavailable("store_failed", "nothing can be stored at the moment")
            }
            CommitError::Closed => Self::unavailable("shutting_down", "the daemon is stopping"),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        tracing::error!(%error, "a read failed");
        let detail = "a stored record cannot be read; the log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store_damaged", detail)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NoSuchConnection => Self::not_found("connection"),
            CommandError::NoSuchSubject => Self::not_found("incident or delivery"),
            CommandError::NotNow(why) => Self::new(StatusCode::CONFLICT, "not_now", why),
            CommandError::Commit(error) => error.into(),
            CommandError::Read(error) => error.into(),
            CommandError::Unavailable => {
                Self::unavailable("connection_restarting", "the connection is restarting")
            }
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        let unprocessable =
            |code, detail: &str| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        match error {
            ConnectError::AlreadyConnected(id) => {
                let detail = format!("you have connected this repository already, as {id}");
                let problem = Self::new(StatusCode::CONFLICT, "already_connected", detail);
                Self {
                    connection_id: Some(id.to_string()),
                    ..problem
                }
            }
            ConnectError::UnknownInstance => unprocessable(
                "unknown_provider",
                "this daemon is not configured for that provider or host",
            ),
            ConnectError::NoCredential => unprocessable(
                "no_credential",
                "you have no working credential for this provider and host; add one first",
            ),
            ConnectError::Unauthorized => {
                unprocessable("credential_rejected", "the provider refuses this token")
            }
            ConnectError::NoSuchRepository => unprocessable(
                "repository_not_found",
                "the provider shows your credential no such repository",
            ),
            ConnectError::Commit(error) => error.into(),
            ConnectError::Read(error) => error.into(),
            ConnectError::Provider(detail) => {
                Self::new(StatusCode::BAD_GATEWAY, "provider_failed", detail)
            }
        }
    }
}
