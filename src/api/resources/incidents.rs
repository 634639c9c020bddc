//! Incidents.

use crate::actor::CommandError;
use crate::api::dto;
use crate::api::error::Answer;
use crate::api::extract::Path;
use crate::api::me::Me;
use crate::api::query::{Limit, Query, RepositoryPattern, whose};
use crate::api::reply::{json, names, ok};
use crate::api::scope::Owned;
use crate::domain::command::CommandKind;
use crate::domain::id::{ConnectionId, IncidentId};
use crate::domain::incident::care::Act;
use crate::domain::incident::{Incident, IncidentStatus, Subject};
use crate::domain::pages::Pages;
use crate::domain::repo::ProviderKind;
use crate::domain::wording;
use crate::store::IncidentFilter;
use actix_web::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct IncidentQuery {
    limit: Option<Limit>,
    cursor: Option<IncidentId>,
    status: Option<IncidentStatus>,
    connection_id: Option<ConnectionId>,
    repository: Option<RepositoryPattern>,
    provider: Option<ProviderKind>,
    /// Only those that were, or were not, resolved by a pass of the commit that had failed.
    flaky: Option<bool>,
    /// Only those whose workflow fails and passes in turn now, or only others.
    flapping: Option<bool>,
}

/// List incidents
#[utoipa::path(
    get, path = "/api/v2/incidents", params(IncidentQuery),
    responses((status = 200, body = dto::List<dto::Incident>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<IncidentQuery>) -> Answer {
    let filter = IncidentFilter {
        whose: whose(asked.connection_id, asked.repository, asked.provider),
        status: asked.status,
        is_flaky: asked.flaky,
        is_flapping: asked.flapping,
    };
    let after = Limit::after(asked.limit, asked.cursor);
    let owned = me.owned();
    let found = owned.incidents(&filter, after).await?;
    let subjects = found.items.iter().map(|incident| incident.subject);
    let names = names(owned, subjects.filter_map(Subject::connection)).await?;
    let shape = |incident: Incident| {
        let connection = incident.subject.connection();
        let name = connection.and_then(|id| names.get(&id));
        dto::Incident::of(&incident, name)
    };
    ok(&dto::List::of(found, shape))
}

async fn shown(owned: Owned<'_>, id: IncidentId) -> Answer {
    let incident = owned.incident(id).await?;
    let name = match incident.subject.connection() {
        Some(id) => owned.full_name(id).await?,
        None => None,
    };
    ok(&dto::Incident::of(&incident, name.as_ref()))
}

/// Get an incident
///
/// With what the provider says about the failure, once that was read.
#[utoipa::path(
    get, path = "/api/v2/incidents/{id}",
    responses((status = 200, body = dto::IncidentDetail))
)]
pub(in crate::api) async fn one(me: Me, Path(id): Path<IncidentId>) -> Answer {
    let owned = me.owned();
    let incident = owned.incident(id).await?;
    let place = match incident.subject.connection() {
        Some(id) => owned.place_of(id).await?,
        None => None,
    };
    let base = place.as_ref();
    let base = base.and_then(|(instance, _)| Some((me.providers.web(instance)?, instance)));
    let pages = place
        .as_ref()
        .zip(base)
        .map(|((_, name), (base, of))| Pages {
            base,
            provider: of.provider,
            repository: name,
        });
    let authors = match &place {
        Some((instance, _)) => owned.authors(instance).await?,
        None => Vec::new(),
    };
    let by = dto::ShownAs {
        authors: &authors,
        pages,
        log_excerpts: me.settings.log_excerpts,
    };
    let explained = owned.explanation_of(&incident).await?;
    let name = place.as_ref().map(|(_, name)| name);
    ok(&dto::IncidentDetail {
        incident: dto::Incident::of(&incident, name),
        explanation: explained.map(|(it, run)| dto::Explanation::of(&it, run, by)),
    })
}

/// What a user wants, as a request to the connection of the incident.
fn kind_of(id: IncidentId, act: &Act) -> CommandKind {
    match act {
        Act::Acknowledge => CommandKind::Acknowledge(id),
        Act::Resolve => CommandKind::Resolve(id),
        Act::Tend(act) => CommandKind::Tend {
            incident: id,
            act: act.clone(),
        },
    }
}

pub(super) async fn act(me: &Me, id: IncidentId, act: Act) -> Answer {
    let incident = me.owned().incident(id).await?;
    let is_resolving = act == Act::Resolve;
    let done = match incident.subject {
        Subject::Connection(connection) => {
            let asking = me.asking(connection, incident.owner, kind_of(id, &act));
            match me.connections.ask(asking).await {
                Ok(command) if command.is_asked() => {
                    return json(StatusCode::ACCEPTED, &dto::Command::of(&command));
                }
                done => done.map(drop),
            }
        }
        subject @ (Subject::Credential(_)
        | Subject::Provider(_)
        | Subject::Sink(_)
        | Subject::Server) => me.connections.act(subject, id, act, me.caller.user).await,
    };
    match done {
        // What it was about is gone, and with that the incident ended.
        Err(CommandError::NoSuchConnection | CommandError::NoSuchSubject)
            if incident.status == IncidentStatus::Resolved =>
        {
            if !is_resolving {
                return Err(CommandError::NotNow(wording::INCIDENT_RESOLVED).into());
            }
        }
        done => done?,
    }
    shown(me.owned(), id).await
}

/// Acknowledge an incident
///
/// 202 when the request is stored, but not carried out after ten seconds: its command stays
/// pending.
#[utoipa::path(
    post, path = "/api/v2/incidents/{id}/acknowledge",
    responses((status = 200, body = dto::Incident), (status = 202, body = dto::Command))
)]
pub(in crate::api) async fn acknowledge(me: Me, Path(id): Path<IncidentId>) -> Answer {
    act(&me, id, Act::Acknowledge).await
}

/// Resolve an incident
///
/// 202 when the request is stored, but not carried out after ten seconds: its command stays
/// pending.
#[utoipa::path(
    post, path = "/api/v2/incidents/{id}/resolve",
    responses((status = 200, body = dto::Incident), (status = 202, body = dto::Command))
)]
pub(in crate::api) async fn resolve(me: Me, Path(id): Path<IncidentId>) -> Answer {
    act(&me, id, Act::Resolve).await
}
