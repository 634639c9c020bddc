//! Signing in with GitHub, below `/login`.

use super::answer::{Answer, Github, error, ok};
use crate::simulator::dialect::answer::{Said, answer};
use crate::simulator::dialect::oauth::{self, DEVICE_GRANT};
use crate::simulator::dialect::params::Params;
use crate::simulator::shared::Shared;
use crate::simulator::state::github::State;
use crate::simulator::state::oauth::{Applicant, Grant, Trouble, Wish};
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::sync::Arc;

fn operation(method: &Method, path: &str, params: &Params) -> &'static str {
    let grant = params.text("grant_type").unwrap_or_default();
    match (method.as_str(), path, grant.as_str()) {
        ("GET", "/login/oauth/authorize", _) => "authorize",
        ("POST", "/login/device/code", _) => "device_code",
        ("POST", "/login/oauth/access_token", "refresh_token") => "token_by_refresh",
        ("POST", "/login/oauth/access_token", DEVICE_GRANT) => "token_by_device",
        ("POST", "/login/oauth/access_token", _) => "token_by_code",
        _ => "unknown",
    }
}

/// Answers what concerns signing in.
pub(crate) async fn handle(
    shared: &Arc<Shared>,
    request: &HttpRequest,
    body: &[u8],
) -> HttpResponse {
    let operation = |params: &Params| operation(request.method(), request.path(), params);
    let act =
        |operation: &str, params: &Params| act(&mut shared.github(), operation, request, params);
    let voice = Github(shared.ground.wall_now_s());
    let answer = match oauth::answer(shared, request, body, &voice, operation, act).await {
        Ok(answer) => answer,
        Err(failed) => return failed,
    };
    let accept = request.headers().get("accept");
    let wants_json = accept.is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("json")));
    if wants_json { answer } else { as_form(answer) }.into_response()
}

/// The same as a form, which is what those get who do not ask for JSON.
fn as_form(said: Answer) -> Answer {
    let Said::Json(Value::Object(fields)) = &said.said else {
        return said;
    };
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        form.append_pair(name, &text);
    }
    answer(said.status, Said::Form(form.finish()))
}

fn act(state: &mut State, operation: &str, request: &HttpRequest, params: &Params) -> Answer {
    let ground = Arc::clone(&state.ground);
    let (client, secret) = params.applicant(request);
    let who = Applicant {
        client: &client,
        secret: secret.as_deref(),
    };
    let given = match operation {
        "authorize" => return authorize(state, params),
        "device_code" => return device(state, &client, params),
        token => oauth::given(&mut state.desk, &ground, who, token, params),
    };
    let Some(given) = given else {
        return error(404, "Not Found");
    };
    match given {
        Ok(grant) => {
            state.settle(&grant);
            ok(200, shown(&grant))
        }
        Err(what) => refused(state, what, &params.text("device_code").unwrap_or_default()),
    }
}

fn shown(grant: &Grant) -> Value {
    // Scopes are requested with spaces, and returned with commas.
    let scope = grant.scope.replace(' ', ",");
    let mut body = json!({
        "access_token": grant.access, "token_type": "bearer", "scope": scope,
    });
    if let Some(refresh) = &grant.refresh {
        body["expires_in"] = json!(grant.expires_in_s);
        body["refresh_token"] = json!(refresh);
        body["refresh_token_expires_in"] = json!(grant.refresh_expires_in_s);
    }
    body
}

/// An error, whose status says that all is well.
fn refused(state: &State, what: Trouble, device_code: &str) -> Answer {
    let (word, words) = match what {
        Trouble::Client => (
            "incorrect_client_credentials",
            "The client_id and/or client_secret passed are incorrect.",
        ),
        Trouble::Code | Trouble::Verifier => (
            "bad_verification_code",
            "The code passed is incorrect or expired.",
        ),
        Trouble::Redirect => (
            "redirect_uri_mismatch",
            "The redirect_uri MUST match the registered callback URL for this application.",
        ),
        Trouble::Refresh => (
            "bad_refresh_token",
            "The refresh token passed is incorrect or expired.",
        ),
        Trouble::DeviceCode => (
            "incorrect_device_code",
            "The device_code provided is not valid.",
        ),
        Trouble::Pending => (
            "authorization_pending",
            "The authorization request is still pending.",
        ),
        Trouble::SlowDown => ("slow_down", "Too many requests have been made."),
        Trouble::Expired => ("expired_token", "The device code has expired."),
        Trouble::Denied => ("access_denied", "The authorization request was denied."),
    };
    let mut body = json!({
        "error": word, "error_description": words,
        "error_uri": "https://docs.github.com/apps",
    });
    if what == Trouble::SlowDown {
        body["interval"] = json!(state.desk.interval_s(device_code));
    }
    ok(200, body)
}

/// Who sits at the browser agrees at once.
fn authorize(state: &mut State, params: &Params) -> Answer {
    let client = params.text("client_id").unwrap_or_default();
    let (uri, ground) = (params.text("redirect_uri"), Arc::clone(&state.ground));
    let Ok(known) = state.desk.redirect(&client, None) else {
        return error(404, "Not Found");
    };
    let scope = params.text("scope").unwrap_or_default();
    let wish = Wish {
        client: &client,
        redirect_uri: uri.as_deref(),
        scope: &scope,
        challenge: params.text("code_challenge"),
    };
    let back = uri.as_deref().unwrap_or(&known);
    match state.desk.authorize(&ground, wish) {
        Ok((code, back)) => params.back_to(&back, &[("code", &code)]),
        Err(Trouble::Redirect) => params.back_to(&known, &[("error", "redirect_uri_mismatch")]),
        Err(_) => params.back_to(back, &[("error", "access_denied")]),
    }
}

fn device(state: &mut State, client: &str, params: &Params) -> Answer {
    let scope = params.text("scope").unwrap_or_default();
    let ground = Arc::clone(&state.ground);
    match state.desk.device(&ground, client, &scope) {
        Err(_) => error(404, "Not Found"),
        Ok(device) => ok(
            200,
            json!({
                "device_code": device.code, "user_code": device.user_code,
                "verification_uri": format!("{}/login/device", ground.url()),
                "expires_in": state.desk.customs.device_s, "interval": device.interval_s,
            }),
        ),
    }
}
