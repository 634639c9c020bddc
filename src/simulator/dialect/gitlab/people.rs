//! Who asks, with which token, and whom.

use super::answer::error;
use crate::simulator::dialect::answer::{Answer, ok};
use crate::simulator::payload::gitlab::api_time;
use crate::simulator::state::gitlab::{State, TokenKind};
use serde_json::json;

pub(super) fn user(state: &State, login: &str) -> Answer {
    let (id, base) = (
        state.users.get(login).copied().unwrap_or(1),
        state.ground.url(),
    );
    let user = json!({
        "id": id, "username": login, "name": login, "state": "active", "locked": false,
        "avatar_url": null, "web_url": format!("{base}/{login}"), "bot": false,
        "created_at": api_time(1_700_000_000), "email": format!("{login}@example.org"),
        "commit_email": format!("{login}@example.org"), "external": false,
        "two_factor_enabled": true, "can_create_group": true, "can_create_project": true,
        "identities": [], "bio": "", "location": null, "public_email": null,
    });
    ok(200, user)
}

/// What a personal token may do. Others are not found here.
pub(super) fn token(state: &State, text: &str) -> Answer {
    let token = state
        .tokens
        .get(text)
        .filter(|t| t.kind == TokenKind::Personal);
    let Some(token) = token else {
        return error(404, "404 Not Found");
    };
    let user_id = state.users.get(&token.login);
    let expires_at = token
        .expires_at_s
        .map(|at_s| api_time(at_s)[..10].to_owned());
    let shown = json!({
        "id": token.id, "name": "a token", "revoked": token.is_revoked, "description": null,
        "created_at": api_time(token.created_at_s), "scopes": token.scopes, "user_id": user_id,
        "last_used_at": api_time(state.now_s()), "active": true, "expires_at": expires_at,
    });
    ok(200, shown)
}

pub(super) fn version(state: &State) -> Answer {
    let (major, minor) = state.version;
    let version = format!("{major}.{minor}.0");
    ok(
        200,
        json!({ "version": version, "revision": "51e1d3a", "enterprise": false }),
    )
}
