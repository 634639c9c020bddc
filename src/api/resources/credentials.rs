//! Credentials: the provider tokens that a user entrusted to us.

use super::id;
use crate::api::State;
use crate::api::dto::{self, List};
use crate::api::error::Problem;
use crate::api::scope::Owned;
use crate::domain::repo::{Host, Instance, ProviderKind};
use crate::domain::secret::ProviderToken;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

/// A token to store.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    provider: String,
    token: String,
    host: Option<String>,
}

/// The installation that is meant: the named one, or the first of its kind.
pub(super) fn instance(
    state: &State,
    provider: &str,
    host: Option<&str>,
) -> Result<Instance, Problem> {
    let unknown = || {
        let detail = "this daemon is not configured for that provider or host";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_provider", detail)
    };
    let provider: ProviderKind = provider.parse().map_err(|_| unknown())?;
    let named: Option<Host> = host.map(str::parse).transpose().map_err(|_| unknown())?;
    let mut instances = state.providers.instances(provider);
    let found = match named {
        Some(host) => instances.find(|instance| instance.host == host),
        None => state
            .default_instance(provider)
            .or_else(|| instances.next()),
    };
    found.cloned().ok_or_else(unknown)
}

/// `POST /api/v2/credentials`
pub async fn add(
    state: web::Data<State>,
    owned: Owned,
    add: web::Json<Add>,
) -> Result<HttpResponse, Problem> {
    let add = add.into_inner();
    let instance = instance(&state, &add.provider, add.host.as_deref())?;
    let token = ProviderToken::new(add.token).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            error.to_string(),
        )
    })?;
    let credential = state
        .herd
        .add_credential(owned.caller.user, instance, token)
        .await?;
    Ok(HttpResponse::Created().json(dto::credential(&credential)))
}

/// `GET /api/v2/credentials`
pub async fn list(owned: Owned) -> Result<HttpResponse, Problem> {
    let items = owned.credentials()?.iter().map(dto::credential).collect();
    Ok(HttpResponse::Ok().json(List {
        items,
        next_cursor: None,
    }))
}

/// `DELETE /api/v2/credentials/{id}`
pub async fn remove(
    state: web::Data<State>,
    owned: Owned,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let credential = owned.credential(id(&path, "credential")?)?;
    state.herd.remove_credential(credential.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
