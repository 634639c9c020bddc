//! The dialects that a simulator speaks, on one socket: GitLab below `/api/v4` and `/oauth`,
//! GitHub everywhere else.

mod answer;
mod github;
mod gitlab;
mod oauth;
mod operation;
mod params;
mod wrong;

use super::shared::Shared;
use actix_web::{HttpRequest, HttpResponse, web};

/// Answers any request.
pub(super) async fn handle(
    shared: web::Data<Shared>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let shared = shared.into_inner();
    let path = request.uri().path();
    if path.starts_with("/api/v4/") {
        return gitlab::handle(&shared, &request, &body).await;
    }
    if path.starts_with("/oauth/") {
        return gitlab::oauth::handle(&shared, &request, &body).await;
    }
    if path.starts_with("/login/") {
        return github::oauth::handle(&shared, &request, &body).await;
    }
    if path.starts_with(github::code::STORAGE) {
        return github::code::storage(&shared, &request);
    }
    github::handle(&shared, &request, &body).await
}
