//! Signing in with a provider: in a browser, or on a device without one.

use super::credentials::{host_named, instance};
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{InPath, Json, Path, in_path};
use crate::api::me::Me;
use crate::api::query::Query;
use crate::api::quota::Owned;
use crate::api::reply::{json, ok};
use crate::api::scope::Shared;
use crate::api::signin::{Begun, Device, Nonce, Target, challenge, unguessable};
use crate::credentials::Offer;
use crate::domain::repo::{Host, Instance, ProviderKind};
use crate::domain::secret::OauthSecret;
use crate::domain::user::Credential;
use crate::provider::oauth::{DevicePoll, GrantError, GrantFailure, Grants, Tokens};
use crate::telemetry::{Limit, limit_reached};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// How much longer a device waits that asked too often (RFC 8628).
const SLOWER: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct AuthorizeQuery {
    /// Host of the provider; the default one when left out.
    host: Option<Host>,
    /// Path of this server where the browser continues afterwards.
    #[param(
        pattern = r"^/([!-.0-\[\]-~][!-\[\]-~]*)?$",
        max_length = 512,
        example = "/"
    )]
    next: Option<String>,
    /// `json` to get the URL instead of a redirect. `Accept: application/json` does the same.
    #[param(inline)]
    format: Option<Format>,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    Json,
}

/// The installation meant, and the way to sign in there.
fn grants(
    shared: &Shared,
    provider: ProviderKind,
    host: Option<Host>,
) -> Result<(Instance, Arc<dyn Grants>), Problem> {
    let instance = instance(shared, provider, host)?;
    let grants = shared.providers.grants(&instance).cloned();
    let grants = grants.ok_or_else(|| {
        let detail = format!("No OAuth client is configured for {instance}. Add a token instead.");
        Problem::new(Code::OauthNotConfigured, detail)
    })?;
    Ok((instance, grants))
}

fn redirect_uri(shared: &Shared, provider: ProviderKind) -> String {
    let base = &shared.settings.public_url;
    format!("{base}/api/v2/oauth/{provider}/callback")
}

fn too_many<E>(_: E) -> Problem {
    limit_reached(Limit::SignIns);
    Problem::new(
        Code::Overloaded,
        "Too many sign-ins in progress. Try again after Retry-After.",
    )
}

/// Whether a caller may have the credential that a sign-in brings.
async fn may_sign_in(me: &Me) -> Result<(), Problem> {
    let have = me.owned().counts().await?.credentials;
    me.counters.may_have_one_more(Owned::SignIns, have)
}

/// Start a sign-in in the browser
///
/// The answer sets a cookie, which the browser sends when it returns from the provider.
#[utoipa::path(
    get, path = "/api/v2/oauth/{provider}/authorize", params(AuthorizeQuery),
    responses(
        (status = 200, body = dto::Authorize, headers(("Set-Cookie" = String))),
        (status = 303, description = "Redirect to the provider.",
            headers(("Location" = String), ("Set-Cookie" = String)))
    )
)]
pub(in crate::api) async fn authorize(
    me: Me,
    InPath(provider): InPath,
    Query(asked): Query<AuthorizeQuery>,
    request: HttpRequest,
) -> Answer {
    let wants_json = asked.format.is_some() || accepts_json(&request);
    let public_url = &me.settings.public_url;
    let next = asked.next.as_deref().map(|text| {
        let why = "next: expected a path of this server, such as /connections.";
        Target::parse(text, public_url).ok_or_else(|| Problem::new(Code::BadQuery, why))
    });
    let next = next.transpose()?;
    let (instance, grants) = grants(&me, provider, asked.host)?;
    may_sign_in(&me).await?;

    let [state, nonce, verifier] = [(); 3].map(|()| unguessable(&*me.entropy));
    let challenge = challenge(&verifier);
    let begun = Begun {
        instance,
        verifier: OauthSecret::new(verifier).expect("base64 is visible"),
        nonce_hash: *blake3::hash(nonce.as_bytes()).as_bytes(),
        next,
    };
    let (now, user) = (me.now(), me.caller.user);
    me.sign_ins
        .begin(user, &state, begun, now)
        .map_err(too_many)?;
    let url = grants.authorize_url(&state, &challenge, &redirect_uri(&me, provider));
    let cookie = Nonce::of(&state, public_url).set(&nonce);
    let mut answer = if wants_json {
        HttpResponse::Ok()
    } else {
        HttpResponse::SeeOther()
    };
    answer.insert_header((SET_COOKIE, cookie));
    if wants_json {
        let authorize_url = url.to_string();
        Ok(answer.json(dto::Authorize { authorize_url }))
    } else {
        Ok(answer.insert_header((LOCATION, url.to_string())).finish())
    }
}

fn accepts_json(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(ACCEPT);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    accepted.is_some_and(|text| text.contains("application/json"))
}

/// What a provider sends back with the user. Anything else that it sends is left alone.
#[derive(Deserialize)]
struct Returned {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

fn no_such_sign_in() -> Problem {
    let detail = "No such sign-in: it was used already, took over 10 minutes, or started in \
                  another browser. Start again.";
    Problem::new(Code::OauthState, detail)
}

/// Finish a sign-in in the browser
///
/// The provider sends the browser here. No API token is needed: the state names the user, and the
/// cookie proves that it is their browser. A state works once.
// Whatever happens, the cookie goes, and the code is never answered.
#[utoipa::path(
    get, path = "/api/v2/oauth/{provider}/callback",
    params(
        ("state" = Option<String>, Query, description = "State of the sign-in."),
        ("code" = Option<String>, Query, description = "Code of the provider."),
        ("error" = Option<String>, Query, description = "Why the provider refused."),
        ("iss" = Option<String>, Query, description = "Issuer, if the provider names it."),
    ),
    responses((status = 303, description = "Signed in.",
        headers(("Location" = String), ("Set-Cookie" = String))))
)]
pub(in crate::api) async fn callback(
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> HttpResponse {
    // Given twice, it is not clear which is meant.
    let Ok(returned) = serde_urlencoded::from_str::<Returned>(request.query_string()) else {
        return no_such_sign_in().error_response();
    };
    let nonce = Nonce::of(&returned.state, &shared.settings.public_url);
    let mut answer = match complete(&shared, &request, returned, &nonce).await {
        Ok(location) => HttpResponse::SeeOther()
            .insert_header((LOCATION, location))
            .finish(),
        Err(problem) => problem.error_response(),
    };
    let cookie = nonce.clear().parse();
    let cookie = cookie.expect("a cookie of ours is plain ASCII");
    answer.headers_mut().append(SET_COOKIE, cookie);
    answer
}

/// Finishes a sign-in. Returns where the browser continues.
async fn complete(
    shared: &Shared,
    request: &HttpRequest,
    returned: Returned,
    nonce: &Nonce,
) -> Result<String, Problem> {
    let provider = in_path(request)?;
    let taken = shared.sign_ins.take(&returned.state, shared.now());
    let (user, begun) = taken.ok_or_else(no_such_sign_in)?;
    let instance = begun.instance;
    let grants = shared.providers.grants(&instance);
    let is_genuine = instance.provider == provider && nonce.is_in(request, &begun.nonce_hash);
    let grants = grants.filter(|_| is_genuine).ok_or_else(no_such_sign_in)?;
    let is_other = |iss: &String| !grants.is_issuer(iss);
    if returned.iss.as_ref().is_some_and(is_other) {
        return Err(no_such_sign_in());
    }
    if shared.accounts().user(user).await?.is_none() {
        return Err(no_such_sign_in());
    }
    let code = returned.code.and_then(|code| OauthSecret::new(code).ok());
    let code = match (returned.error.as_deref(), code) {
        (None, Some(code)) => code,
        (Some("access_denied"), _) => return Err(denied()),
        (Some(_) | None, _) => return Err(refused("The provider refused the sign-in.")),
    };
    let redirect_uri = redirect_uri(shared, provider);
    let tokens = grants.exchange(&code, &begun.verifier, &redirect_uri).await;
    let tokens = tokens.map_err(|error| of_grant(&error))?;
    keep(shared, user, instance, tokens).await?;
    let done = || {
        let base = &shared.settings.public_url;
        format!("{base}/api/v2/oauth/{provider}/done")
    };
    Ok(begun.next.map_or_else(done, |next| next.to_string()))
}

async fn keep(
    shared: &Shared,
    user: crate::domain::id::UserId,
    instance: Instance,
    tokens: Tokens,
) -> Result<Credential, Problem> {
    let offer = Offer::Oauth(tokens);
    Ok(shared.connections.add_grant(user, instance, offer).await?)
}

fn denied() -> Problem {
    Problem::new(
        Code::OauthDenied,
        "You denied access at the provider. Nothing was changed.",
    )
}

fn refused(why: &str) -> Problem {
    Problem::new(
        Code::OauthRefused,
        format!("{why} Start the sign-in again."),
    )
}

fn of_grant(error: &GrantError) -> Problem {
    match error.failure {
        GrantFailure::Refused => refused(&error.message),
        GrantFailure::Misconfigured => {
            tracing::error!(%error, "oauth_client_refused");
            let detail = format!("{} Ask an administrator.", error.message);
            Problem::new(Code::ProviderUnavailable, detail)
        }
        GrantFailure::Retryable { .. } | GrantFailure::Unknown => {
            let detail = format!("{} Start the sign-in again.", error.message);
            Problem::new(Code::ProviderUnavailable, detail)
        }
    }
}

/// Show that a sign-in succeeded
#[utoipa::path(
    get, path = "/api/v2/oauth/{provider}/done",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(in crate::api) async fn done(InPath(provider): InPath) -> Answer {
    let words = format!("Signed in with {provider}. You can close this window.\n");
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(words))
}

/// A device sign-in to start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewDevice {
    /// Host of the provider; the default one when left out.
    #[schema(value_type = Option<Host>)]
    host: Option<String>,
}

/// Start a sign-in on a device without a browser
#[utoipa::path(
    post, path = "/api/v2/oauth/{provider}/device", request_body = NewDevice,
    responses((status = 201, body = dto::DeviceBegun))
)]
pub(in crate::api) async fn begin_device(
    me: Me,
    InPath(provider): InPath,
    Json(new): Json<NewDevice>,
) -> Answer {
    let host = new.host.as_deref().map(host_named).transpose()?;
    let (instance, grants) = grants(&me, provider, host)?;
    may_sign_in(&me).await?;
    let code = grants
        .device_begin()
        .await
        .map_err(|error| of_grant(&error))?;
    let (name, now) = (unguessable(&*me.entropy), me.now());
    let device = Device {
        instance,
        code: code.device_code,
        interval: code.interval,
        next_at: now.plus(code.interval),
    };
    let (sign_ins, lives) = (&me.sign_ins, code.lives);
    sign_ins
        .begin_device(me.caller.user, &name, device, lives, now)
        .map_err(too_many)?;
    json(
        StatusCode::CREATED,
        &dto::DeviceBegun {
            id: name,
            user_code: code.user_code,
            verification_uri: code.verification_uri.to_string(),
            expires_in: lives.as_secs(),
            interval: code.interval.as_secs(),
        },
    )
}

/// Get the state of a device sign-in
#[utoipa::path(
    post, path = "/api/v2/oauth/{provider}/device/{id}",
    responses((status = 200, body = dto::DeviceState))
)]
pub(in crate::api) async fn poll_device(
    me: Me,
    InPath(provider): InPath,
    Path(name): Path<String>,
) -> Answer {
    let found = me.sign_ins.device(me.caller.user, &name, me.now());
    let device = found.ok_or_else(Problem::not_found)?;
    let mut device = device.lock().await;
    if device.instance.provider != provider {
        return Err(Problem::not_found());
    }
    let now = me.now();
    // Requests that come too early are not passed on: the provider would slow us down.
    if now < device.next_at {
        return ok(&dto::DeviceState::pending(device.interval));
    }
    let grants = me.providers.grants(&device.instance);
    let grants = grants.ok_or_else(Problem::not_found)?;
    device.next_at = now.plus(device.interval);
    let polled = grants.device_poll(&device.code).await;
    let end = || me.sign_ins.end_device(&name, me.now());
    match polled {
        Ok(DevicePoll::Pending) => ok(&dto::DeviceState::pending(device.interval)),
        Ok(DevicePoll::SlowDown) => {
            device.interval += SLOWER;
            device.next_at = now.plus(device.interval);
            ok(&dto::DeviceState::pending(device.interval))
        }
        Ok(DevicePoll::Granted(tokens)) => {
            end();
            let instance = device.instance.clone();
            let credential = keep(&me, me.caller.user, instance, tokens).await?;
            ok(&dto::DeviceState::connected(&credential))
        }
        Ok(DevicePoll::Denied) => {
            end();
            Err(denied())
        }
        Ok(DevicePoll::Expired) => {
            end();
            let detail = "The device code expired. Start again.";
            Err(Problem::new(Code::OauthExpired, detail))
        }
        Err(error) => {
            // Trouble passes; a client that is refused does not.
            if error.failure == GrantFailure::Misconfigured {
                end();
            }
            Err(of_grant(&error))
        }
    }
}
