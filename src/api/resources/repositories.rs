//! Repositories at the provider, and connecting them.

use super::credentials::{host_named, instance, provider_named};
use super::events::{self, decoder, events_named};
use crate::actor::{ConnectError, ConnectRequest};
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{InPath, Json};
use crate::api::me::Me;
use crate::api::query::{Limit, Owner, Position, Query, UrlPattern};
use crate::api::quota::{Held, Owned};
use crate::api::reply::{json, ok};
use crate::domain::connection::Connection;
use crate::domain::id::CredentialId;
use crate::domain::repo::{FullName, Host, ProviderKind, Repository};
use crate::domain::takeover::Replace;
use actix_web::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// A repository to connect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Connect {
    /// Provider of the repository; GitHub when left out.
    #[schema(value_type = Option<ProviderKind>)]
    provider: Option<String>,
    /// Host of the provider; the default one when left out.
    #[schema(value_type = Option<Host>)]
    host: Option<String>,
    /// Owner and name of the repository; GitLab nests groups.
    #[schema(value_type = FullName)]
    repository_full_name: String,
    /// Whether to create the webhook at the provider; true when left out.
    setup_webhook: Option<bool>,
    #[schema(schema_with = events::of_any)]
    webhook_events: Option<Vec<String>>,
    /// Credential to use; the best one when left out.
    #[schema(value_type = Option<CredentialId>)]
    credential_id: Option<String>,
    /// Whether webhooks that others made for this server are removed once the new one is proven to
    /// work; or a pattern of the URLs of those to remove, wherever they deliver to.
    replace_existing: Option<ReplaceExisting>,
}

/// True for the webhooks that deliver to the host of this server; or a pattern of URLs, with `*`
/// and `?`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected true, false, or a pattern of URLs")]
pub(in crate::api) enum ReplaceExisting {
    /// Whether to replace those that deliver to the host of this server.
    Flag(bool),
    /// The pattern.
    Matching(UrlPattern),
}

impl ReplaceExisting {
    fn understand(self) -> Option<Replace> {
        match self {
            Self::Flag(false) => None,
            Self::Flag(true) => Some(Replace::SameReceiver),
            Self::Matching(UrlPattern(which)) => Some(which),
        }
    }
}

/// How many connections a user has.
async fn held(me: &Me) -> Result<Held, Problem> {
    if let Some(count) = me.counters.held(me.caller.user) {
        return Ok(count);
    }
    let count = me.owned().held().await?;
    me.counters.hold(me.caller.user, count);
    Ok(count)
}

/// What is asked for, checked.
pub(super) async fn understand(me: &Me, asked: Connect) -> Result<ConnectRequest, Problem> {
    let provider = asked
        .provider
        .as_deref()
        .map_or(Ok(ProviderKind::Github), provider_named)?;
    let full_name: Result<FullName, _> = asked.repository_full_name.parse();
    let full_name = full_name.map_err(|why| Problem::invalid("repository_full_name", why))?;
    if provider == ProviderKind::Github && full_name.owner().contains('/') {
        return Err(Problem::invalid(
            "repository_full_name",
            "expected owner/name",
        ));
    }
    let host = asked.host.as_deref().map(host_named).transpose()?;
    if host.is_some() {
        instance(me, provider, host.clone())?;
    }
    let decoder = decoder(me, provider)?;
    let defaults = || {
        let names = decoder.default_events().iter();
        names.map(|name| (*name).to_owned()).collect()
    };
    let events = events_named(decoder, asked.webhook_events.unwrap_or_else(defaults))?;
    let replaces = asked.replace_existing.and_then(ReplaceExisting::understand);
    let credential = match &asked.credential_id {
        None => None,
        Some(text) => {
            let bad = |why| Problem::invalid("credential_id", why);
            let id: CredentialId = text.parse().map_err(bad)?;
            let found = me.owned().credential(id).await;
            let none = |problem: Problem| {
                if problem.code() == Code::NotFound {
                    Problem::new(Code::NoCredential, "You have no credential with this id.")
                } else {
                    problem
                }
            };
            Some(found.map_err(none)?)
        }
    };
    Ok(ConnectRequest {
        owner: me.caller.user,
        provider,
        host,
        full_name,
        events,
        setup_webhook: asked.setup_webhook.unwrap_or(true),
        credential: credential.map(|credential| credential.id),
        replaces,
        adopts: None,
    })
}

/// Whether the caller may connect so many repositories more.
pub(super) async fn may_connect(me: &Me, count: usize) -> Result<(), Problem> {
    me.counters.may_connect(me.caller.user)?;
    let have = held(me).await?;
    let others = count.saturating_sub(1);
    let counters = &me.counters;
    counters.may_have_one_more(Owned::Repositories, have.present + others)?;
    counters.may_have_one_more(Owned::Removed, have.kept)
}

/// Connect a repository
///
/// Creates the webhook at the provider. A webhook that cannot be created yet is not an error: the
/// connection exists, and Hookherd keeps trying.
#[utoipa::path(
    post, path = "/api/v2/repositories/connect", request_body = Connect,
    responses((status = 201, body = dto::Connection))
)]
pub(in crate::api) async fn connect(me: Me, Json(asked): Json<Connect>) -> Answer {
    let request = understand(&me, asked).await?;
    may_connect(&me, 1).await?;
    let counters = &me.counters;
    let connected = me.connections.connect(request).await;
    if matches!(connected, Err(ConnectError::NoSuchRepository)) {
        counters.connect_failed(me.caller.user);
    }
    let connection = connected?;
    counters.connected(me.caller.user);
    created(&me, &connection).await
}

/// The answer with a new connection.
pub(super) async fn created(me: &Me, connection: &Connection) -> Answer {
    let takeover = me.owned().takeover_of(connection).await?;
    let (watch, takeover) = (me.settings.watch(), takeover.as_ref());
    let around = dto::Around::of(&*me.connections, connection);
    let dto = dto::Connection::of(connection, None, &watch, None, takeover, &around);
    json(StatusCode::CREATED, &dto)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RepositoryQuery {
    limit: Option<Limit>,
    cursor: Option<Position>,
    host: Option<Host>,
    owner: Option<Owner>,
}

/// Whether a repository is of an owner, or of a group below it, in any case.
fn is_of(repository: &Repository, owner: &str) -> bool {
    let theirs = repository.full_name.owner();
    let (start, rest) = theirs.split_at_checked(owner.len()).unwrap_or((theirs, ""));
    start.eq_ignore_ascii_case(owner) && (rest.is_empty() || rest.starts_with('/'))
}

/// List the repositories of a provider
///
/// Shows what your credentials can reach: all, or those of one owner.
#[utoipa::path(
    get, path = "/api/v2/repositories/{provider}", params(RepositoryQuery),
    responses((status = 200, body = dto::List<dto::Repository>))
)]
pub(in crate::api) async fn list(
    me: Me,
    InPath(provider): InPath,
    Query(asked): Query<RepositoryQuery>,
) -> Answer {
    let instance = instance(&me, provider, asked.host)?;
    let limit = Limit::or_default(asked.limit);
    let (page, offset) = asked.cursor.map_or((1, 0), |Position(at)| at);
    let owner = asked.owner.as_ref().map(|Owner(name)| name.as_str());
    if provider == ProviderKind::Github && owner.is_some_and(|owner| owner.contains('/')) {
        let detail = "GitHub has users and organisations, and no groups within them.";
        return Err(Problem::new(Code::OwnerNotFound, detail));
    }
    // Once for the whole list: the pages that follow are of an owner that was there.
    let looked_for = owner.filter(|_| (page, offset) == (1, 0));
    if looked_for.is_some() {
        me.counters.may_connect(me.caller.user)?;
    }
    let listed = me
        .connections
        .repositories(me.caller.user, &instance, looked_for, page);
    let listed = listed.await.map_err(Problem::from);
    if listed
        .as_ref()
        .is_err_and(|problem| problem.code() == Code::OwnerNotFound)
    {
        me.counters.connect_failed(me.caller.user);
    }
    let (mut found, more_pages) = listed?;
    if let Some(owner) = owner {
        found.retain(|repository| is_of(repository, owner));
    }
    let end = offset.saturating_add(limit);
    let next_cursor = if found.len() > end {
        Some(format!("{page}.{end}"))
    } else {
        more_pages.then(|| format!("{}.0", page.saturating_add(1)))
    };
    let items: Vec<dto::Repository> = found
        .iter()
        .skip(offset)
        .take(limit)
        .map(|repository| dto::Repository::of(repository, &instance.host))
        .collect();
    ok(&dto::List { items, next_cursor })
}
