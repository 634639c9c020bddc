//! Users as clients of the API.

use super::wire::{self, Reply};
use crate::domain::id::UserId;
use crate::domain::secret::ApiToken;
use serde_json::Value;
use std::fmt::Display;
use std::net::SocketAddr;

/// A user, as a client of the API.
pub(super) struct Person {
    pub(super) user: UserId,
    pub(super) token: ApiToken,
    pub(super) at: SocketAddr,
}

/// Paths are below `/api/v2/`; an empty body is none.
impl Person {
    pub(super) fn new(at: SocketAddr, user: UserId, token: &str) -> Self {
        let token = ApiToken::new(token.to_owned()).unwrap();
        Self { user, token, at }
    }

    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.token.expose())
    }

    pub(super) fn call(&self, line: &str, body: Option<&str>) -> Reply {
        call(self.at, Some(&self.bearer()), line, body)
    }

    fn ask(&self, method: &str, path: impl Display, body: &str) -> Reply {
        let body = (!body.is_empty()).then_some(body);
        self.call(&format!("{method} /api/v2/{path}"), body)
    }

    pub(super) fn get(&self, path: impl Display) -> Reply {
        self.ask("GET", path, "")
    }

    pub(super) fn delete(&self, path: impl Display) -> Reply {
        self.ask("DELETE", path, "")
    }

    pub(super) fn post(&self, path: impl Display, body: impl Display) -> Reply {
        self.ask("POST", path, &body.to_string())
    }

    pub(super) fn put(&self, path: impl Display, body: impl Display) -> Reply {
        self.ask("PUT", path, &body.to_string())
    }

    pub(super) fn patch(&self, path: impl Display, body: impl Display) -> Reply {
        self.ask("PATCH", path, &body.to_string())
    }

    /// The JSON of what is there.
    #[track_caller]
    pub(super) fn show(&self, path: impl Display) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }
}

/// A call of the API.
pub(super) fn call(at: SocketAddr, bearer: Option<&str>, line: &str, body: Option<&str>) -> Reply {
    let mut headers: Vec<_> = bearer.map(|b| ("Authorization", b)).into_iter().collect();
    if body.is_some() {
        headers.push(("Content-Type", "application/json"));
    }
    wire::send(at, line, &headers, body.map(str::as_bytes))
}
