//! Credentials: verified with the provider, encrypted, and never shown again.

use crate::api::access::Caller;
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{Json, Path};
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::quota::Owned;
use crate::api::reply::{counted, json, ok};
use crate::api::scope::{Needing, Shared};
use crate::credentials::Offer;
use crate::domain::id::CredentialId;
use crate::domain::repo::{FullName, Host, Instance, ProviderKind};
use crate::domain::secret::ProviderToken;
use crate::domain::user::Credential;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

/// A credential to add: a token, or an installation of the App.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewCredential {
    /// Provider that it is for.
    #[schema(value_type = ProviderKind)]
    provider: String,
    /// Token of the provider. It is checked with the provider, encrypted, and never shown again.
    #[schema(pattern = "^[!-~]{1,4096}$", example = "ghp_...")]
    token: Option<String>,
    /// Number of an installation of the App. Admins only.
    #[schema(pattern = "^[0-9]{1,18}$", example = "123456")]
    installation: Option<String>,
    /// Host of the provider; the default one when left out.
    #[schema(value_type = Option<Host>)]
    host: Option<String>,
}

/// What a credential consists of: a token, or an installation of our App.
///
/// The App's key opens every installation: so only an admin may name one.
fn offer(
    caller: Caller,
    token: Option<String>,
    installation: Option<String>,
) -> Result<Offer, Problem> {
    match (token.map(Zeroizing::new), installation) {
        (Some(text), None) => {
            let token = ProviderToken::new(text.to_string());
            let token = token.map_err(|why| Problem::invalid("token", why))?;
            Ok(Offer::Token(token))
        }
        (None, Some(_)) if !caller.is_admin => {
            let detail = "Only an admin may add an installation of the App, and can share it.";
            Err(Problem::new(Code::Forbidden, detail))
        }
        (None, Some(number)) => {
            let why = "expected the number of the installation";
            let number = number.parse();
            let number = number.map_err(|_| Problem::invalid("installation", why))?;
            Ok(Offer::Installation(number))
        }
        (None, None) | (Some(_), Some(_)) => {
            let detail = "Send either a token or an installation of the App.";
            Err(Problem::new(Code::BadJson, detail))
        }
    }
}

/// The provider that a field names.
pub(super) fn provider_named(text: &str) -> Result<ProviderKind, Problem> {
    text.parse()
        .map_err(|why| Problem::invalid("provider", why))
}

/// The host that a field names.
pub(super) fn host_named(text: &str) -> Result<Host, Problem> {
    text.parse().map_err(|why| Problem::invalid("host", why))
}

/// The installation meant: the named one, else the configured default, else the only one.
pub(super) fn instance(
    shared: &Shared,
    provider: ProviderKind,
    host: Option<Host>,
) -> Result<Instance, Problem> {
    let unknown = |host: Option<&Host>| {
        let mut hosts: Vec<&str> = shared
            .providers
            .instances(provider)
            .map(|i| i.host.as_str())
            .collect();
        hosts.sort_unstable();
        let detail = match hosts.as_slice() {
            [] => format!("{provider} is not configured."),
            hosts => {
                let hosts = hosts.join(", ");
                match host {
                    Some(host) => format!("{host} is not configured. Configured: {hosts}."),
                    None => format!("Name the host: {hosts}."),
                }
            }
        };
        Problem::new(Code::UnknownProvider, detail)
    };
    if let Some(host) = host {
        let wanted = Instance { provider, host };
        return match shared.providers.hooks(&wanted) {
            Some(_) => Ok(wanted),
            None => Err(unknown(Some(&wanted.host))),
        };
    }
    let default = shared
        .default_instances
        .iter()
        .find(|i| i.provider == provider);
    let mut all = shared.providers.instances(provider);
    let only = match (all.next(), all.next()) {
        (Some(only), None) => Some(only),
        (Some(_) | None, _) => None,
    };
    default.or(only).cloned().ok_or_else(|| unknown(None))
}

/// Add a credential
///
/// A token of the provider or, for admins, an installation of the App.
#[utoipa::path(
    post, path = "/api/v2/credentials", request_body = NewCredential,
    responses((status = 201, body = dto::Credential))
)]
pub(in crate::api) async fn create(me: Me, Json(new): Json<NewCredential>) -> Answer {
    let offer = offer(me.caller, new.token, new.installation)?;
    let provider = provider_named(&new.provider)?;
    let host = new.host.as_deref().map(host_named).transpose()?;
    let instance = instance(&me, provider, host)?;
    if matches!(offer, Offer::Installation(_)) && me.providers.apps(&instance).is_none() {
        let detail = format!("No App is configured for {instance}.");
        return Err(Problem::new(Code::OauthNotConfigured, detail));
    }
    let have = me.owned().counts().await?.credentials;
    let counters = &me.counters;
    counters.may_have_one_more(Owned::Credentials, have)?;
    let credential = me
        .connections
        .add_grant(me.caller.user, instance, offer)
        .await?;
    let pace = me.connections.pace(credential.id);
    json(
        StatusCode::CREATED,
        &dto::Credential::of(&credential, Some(pace)),
    )
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct CredentialQuery {
    limit: Option<Limit>,
    cursor: Option<CredentialId>,
}

/// List credentials
///
/// Their tokens are not shown.
#[utoipa::path(
    get, path = "/api/v2/credentials", params(CredentialQuery),
    responses((status = 200, body = dto::List<dto::Credential>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<CredentialQuery>) -> Answer {
    let after = Limit::after(asked.limit, asked.cursor);
    let all = me.owned().credentials().await?;
    let page = dto::cut(all, after, |credential| credential.id);
    let shape = |one: Credential| dto::Credential::of(&one, Some(me.connections.pace(one.id)));
    ok(&dto::List::of(page, shape))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RemoveCredentialQuery {
    /// Remove it even if connections, or webhooks that still have to be deleted, have no other one.
    #[param(default = false)]
    force: Option<bool>,
}

/// Remove a credential
#[utoipa::path(
    delete, path = "/api/v2/credentials/{id}", params(RemoveCredentialQuery),
    responses((status = 204))
)]
pub(in crate::api) async fn remove(
    me: Me,
    Path(id): Path<CredentialId>,
    Query(asked): Query<RemoveCredentialQuery>,
) -> Answer {
    let credential = me.owned().credential(id).await?;
    if !asked.force.unwrap_or(false) {
        still_needed(&me.owned().needing(&credential).await?)?;
    }
    me.connections.remove_credential(id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Names of repositories that a refusal lists.
const NAMED_MAX: usize = 5;

/// Refuses to remove the last credential that fits, unless the user insists.
fn still_needed(needing: &Needing) -> Result<(), Problem> {
    let Needing {
        connections,
        pending_deletions,
        others,
        is_cut_off,
    } = needing;
    let mut parts = Vec::new();
    if !connections.is_empty() {
        let names: Vec<&str> = connections
            .iter()
            .take(NAMED_MAX)
            .map(FullName::as_str)
            .collect();
        let more = if names.len() < connections.len() {
            ", ..."
        } else {
            ""
        };
        let (count, names) = (connections.len(), names.join(", "));
        parts.push(format!("{count} of your connections ({names}{more})"));
    }
    let deletions = counted(*pending_deletions, "webhook", " waiting for deletion");
    let others = match others {
        1 => Some("1 connection of another user".to_owned()),
        many => counted(*many, "connection", " of other users"),
    };
    parts.extend(deletions.into_iter().chain(others));
    if parts.is_empty() {
        return Ok(());
    }
    let least = if *is_cut_off { "at least " } else { "" };
    let detail = format!(
        "No other credential fits {least}{}. Add another one first, or pass force=true.",
        parts.join(", ")
    );
    Err(Problem::new(Code::CredentialInUse, detail))
}

/// Changes to a credential.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CredentialPatch {
    /// Whether connections of other users may use it.
    is_shared: bool,
}

/// Share a credential with other users, or stop sharing it
#[utoipa::path(
    patch, path = "/api/v2/credentials/{id}", request_body = CredentialPatch,
    responses((status = 200, body = dto::Credential))
)]
pub(in crate::api) async fn patch(
    me: Me,
    Path(id): Path<CredentialId>,
    Json(patch): Json<CredentialPatch>,
) -> Answer {
    let id = me.owned().credential(id).await?.id;
    let credential = me.connections.share_credential(id, patch.is_shared).await?;
    let pace = me.connections.pace(credential.id);
    ok(&dto::Credential::of(&credential, Some(pace)))
}
