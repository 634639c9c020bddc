//! Signing in with GitLab, below `/oauth`.

use super::answer::{Gitlab, error, unauthorized};
use super::asked::bearer;
use crate::simulator::dialect::answer::{Answer, ok};
use crate::simulator::dialect::oauth::{self, DEVICE_GRANT};
use crate::simulator::dialect::params::Params;
use crate::simulator::shared::Shared;
use crate::simulator::state::gitlab::{State, TokenKind};
use crate::simulator::state::oauth::{Applicant, Grant, Trouble, Wish};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::sync::Arc;

fn operation(path: &str, params: &Params) -> &'static str {
    let grant = params.text("grant_type").unwrap_or_default();
    match (path, grant.as_str()) {
        ("/oauth/authorize", _) => "gitlab.authorize",
        ("/oauth/authorize_device", _) => "gitlab.authorize_device",
        ("/oauth/revoke", _) => "gitlab.revoke",
        ("/oauth/token/info", _) => "gitlab.token_info",
        ("/oauth/token", "authorization_code") => "gitlab.token_by_code",
        ("/oauth/token", "refresh_token") => "gitlab.token_by_refresh",
        ("/oauth/token", DEVICE_GRANT) => "gitlab.token_by_device",
        _ => "gitlab.unknown",
    }
}

/// Answers what concerns signing in.
pub(crate) async fn handle(
    shared: &Arc<Shared>,
    request: &HttpRequest,
    body: &[u8],
) -> HttpResponse {
    let operation = |params: &Params| operation(request.path(), params);
    let act =
        |operation: &str, params: &Params| act(&mut shared.gitlab(), operation, request, params);
    let voice = Gitlab(shared.ground.wall_now_s());
    match oauth::answer(shared, request, body, &voice, operation, act).await {
        Ok(answer) => answer.into_response(),
        Err(failed) => failed,
    }
}

fn act(state: &mut State, operation: &str, request: &HttpRequest, params: &Params) -> Answer {
    let ground = Arc::clone(&state.ground);
    let (client, secret) = params.applicant(request);
    let who = Applicant {
        client: &client,
        secret: secret.as_deref(),
    };
    let given = match operation {
        "gitlab.authorize" => return authorize(state, params),
        "gitlab.authorize_device" => return device(state, &client, params),
        "gitlab.token_info" => return info(state, request),
        "gitlab.revoke" => {
            let token = params.text("token").unwrap_or_default();
            return revoke(state, who, &token);
        }
        token => oauth::given(&mut state.desk, &ground, who, token, params),
    };
    let Some(given) = given else {
        if request.path() == "/oauth/token" {
            let words = "The authorization grant type is not supported.";
            return trouble(400, "unsupported_grant_type", words);
        }
        return error(404, "404 Not Found");
    };
    match given {
        Ok(grant) => {
            state.settle(&grant);
            ok(200, shown(state, &grant))
        }
        Err(what) => refused(what),
    }
}

fn shown(state: &State, grant: &Grant) -> Value {
    json!({
        "access_token": grant.access, "token_type": "Bearer", "expires_in": grant.expires_in_s,
        "refresh_token": grant.refresh, "scope": grant.scope, "created_at": state.now_s(),
    })
}

fn trouble(status: u16, word: &str, description: &str) -> Answer {
    ok(
        status,
        json!({ "error": word, "error_description": description }),
    )
}

fn refused(what: Trouble) -> Answer {
    let grant = "The provided authorization grant is invalid, expired, revoked, does not match \
                 the redirection URI used in the authorization request, or was issued to another \
                 client.";
    match what {
        Trouble::Client => {
            let words = "Client authentication failed due to unknown client, no client \
                         authentication included, or unsupported authentication method.";
            trouble(401, "invalid_client", words)
        }
        Trouble::Code
        | Trouble::Redirect
        | Trouble::Verifier
        | Trouble::Refresh
        | Trouble::DeviceCode => trouble(400, "invalid_grant", grant),
        Trouble::Pending => trouble(
            400,
            "authorization_pending",
            "The request is still pending.",
        ),
        Trouble::SlowDown => trouble(400, "slow_down", "The client polls too often."),
        Trouble::Expired => trouble(400, "expired_token", "The device code has expired."),
        Trouble::Denied => trouble(400, "access_denied", "The request was denied."),
    }
}

/// Who sits at the browser agrees at once.
fn authorize(state: &mut State, params: &Params) -> Answer {
    let (client, uri) = (
        params.text("client_id").unwrap_or_default(),
        params.text("redirect_uri"),
    );
    let asks_code = params.text("response_type").as_deref() == Some("code");
    let is_known_method = params
        .text("code_challenge_method")
        .is_none_or(|method| method == "S256");
    let (scope, ground) = (params.text("scope"), Arc::clone(&state.ground));
    let wish = Wish {
        client: &client,
        redirect_uri: uri.as_deref(),
        scope: scope.as_deref().unwrap_or("api"),
        challenge: params.text("code_challenge"),
    };
    let Ok(back) = state.desk.redirect(&client, uri.as_deref()) else {
        return trouble(
            400,
            "invalid_redirect_uri",
            "The redirect URI included is not valid.",
        );
    };
    if !asks_code {
        return params.back_to(&back, &[("error", "unsupported_response_type")]);
    }
    if !is_known_method {
        return params.back_to(&back, &[("error", "invalid_request")]);
    }
    match state.desk.authorize(&ground, wish) {
        Ok((code, back)) => params.back_to(&back, &[("code", &code)]),
        Err(_) => params.back_to(&back, &[("error", "access_denied")]),
    }
}

fn device(state: &mut State, client: &str, params: &Params) -> Answer {
    let scope = params.text("scope").unwrap_or_else(|| "api".into());
    let ground = Arc::clone(&state.ground);
    match state.desk.device(&ground, client, &scope) {
        Err(what) => refused(what),
        Ok(device) => {
            let url = format!("{}/oauth/device", ground.url());
            let whole = format!("{url}?user_code={}", device.user_code);
            let body = json!({
                "device_code": device.code, "user_code": device.user_code,
                "verification_uri": url, "verification_uri_complete": whole,
                "expires_in": state.desk.customs.device_s, "interval": device.interval_s,
            });
            ok(200, body)
        }
    }
}

fn revoke(state: &mut State, who: Applicant<'_>, token: &str) -> Answer {
    let client = state.desk.clients.get(who.client);
    if client.is_none_or(|client| client.secret.is_some() && client.secret.as_deref() != who.secret)
    {
        let words = "You are not authorized to revoke this token";
        return trouble(403, "unauthorized_client", words);
    }
    // What is not known counts as revoked.
    state.revoke_grant(token);
    ok(200, json!({}))
}

fn info(state: &State, request: &HttpRequest) -> Answer {
    let token = bearer(request).and_then(|text| state.tokens.get(text));
    let now_s = state.now_s();
    let is_good = |token: &&crate::simulator::state::gitlab::Token| {
        token.kind == TokenKind::Oauth
            && !token.is_revoked
            && token.expires_at_s.is_none_or(|at_s| at_s > now_s)
    };
    let Some(token) = token.filter(is_good) else {
        return unauthorized();
    };
    let left = token.expires_at_s.map(|at_s| at_s - now_s);
    let body = json!({
        "resource_owner_id": state.users.get(&token.login), "scope": token.scopes,
        "expires_in": left, "application": { "uid": null }, "created_at": token.created_at_s,
        "scopes": token.scopes, "expires_in_seconds": left,
    });
    ok(200, body)
}
