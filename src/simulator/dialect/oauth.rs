//! Signing in, as far as both providers do it alike: RFC 6749 and RFC 8628.

use super::answer::Answer;
use super::params::Params;
use super::wrong::{self, Voice};
use crate::simulator::shared::Shared;
use crate::simulator::state::Ground;
use crate::simulator::state::oauth::{Applicant, Desk, Grant, Trouble};
use actix_web::{HttpRequest, HttpResponse};

/// The name of the grant of RFC 8628.
pub(super) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Answers a request: what it asks for is found by `operation`, and done by `act`.
pub(super) async fn answer(
    shared: &Shared,
    request: &HttpRequest,
    body: &[u8],
    voice: &impl Voice,
    operation: impl FnOnce(&Params) -> &'static str,
    act: impl FnOnce(&'static str, &Params) -> Answer,
) -> Result<Answer, HttpResponse> {
    let params = Params::of_request(request, body).map_err(Answer::into_response)?;
    let operation = operation(&params);
    let host = wrong::host_of(request);
    let fault = wrong::before(shared, operation, &host, voice).await?;
    let answer = act(operation, &params);
    match wrong::after(fault, voice, &answer).await {
        Some(failed) => Err(failed),
        None => Ok(answer),
    }
}

/// What the desk gives for a code, a refresh token or a device; `None` for any other operation.
pub(super) fn given(
    desk: &mut Desk,
    ground: &Ground,
    who: Applicant<'_>,
    operation: &str,
    params: &Params,
) -> Option<Result<Grant, Trouble>> {
    let text = |name: &str| params.text(name).unwrap_or_default();
    match operation.trim_start_matches("gitlab.") {
        "token_by_code" => {
            let (uri, verifier) = (params.text("redirect_uri"), params.text("code_verifier"));
            let (uri, verifier) = (uri.as_deref(), verifier.as_deref());
            Some(desk.by_code(ground, who, &text("code"), uri, verifier))
        }
        "token_by_refresh" => Some(desk.by_refresh(ground, who, &text("refresh_token"))),
        "token_by_device" => Some(desk.by_device(ground, who.client, &text("device_code"))),
        _ => None,
    }
}
