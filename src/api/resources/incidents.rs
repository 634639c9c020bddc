//! Incidents.

use super::{names, ok};
use crate::actor::{Command, CommandError};
use crate::api::dto;
use crate::api::error::Answer;
use crate::api::extract::{after, path_id, query};
use crate::api::filter::{choice, whose};
use crate::api::scope::{Caller, Owned, Shared};
use crate::domain::id::IncidentId;
use crate::domain::incident::{Incident, IncidentStatus, Subject};
use crate::store::IncidentFilter;
use actix_web::{HttpRequest, web};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    status: Option<String>,
    connection_id: Option<String>,
    repository: Option<String>,
    provider: Option<String>,
}

/// `GET /api/v2/incidents`
pub(in crate::api) async fn list(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: ListQuery = query(&request)?;
    let (repository, provider) = (asked.repository.as_ref(), asked.provider.as_ref());
    let (all, status) = (&IncidentStatus::ALL, asked.status.as_ref());
    let filter = IncidentFilter {
        whose: whose(asked.connection_id.as_ref(), repository, provider)?,
        status: choice("status", status, all, IncidentStatus::as_str)?,
    };
    let after = after(asked.limit, asked.cursor.as_ref())?;
    let owned = shared.owned(caller);
    let found = owned.incidents(&filter, after).await?;
    let subjects = found.items.iter().map(|incident| incident.subject);
    let names = names(owned, subjects.filter_map(Subject::connection)).await?;
    let shape = |incident: Incident| {
        let connection = incident.subject.connection();
        let name = connection.and_then(|id| names.get(&id));
        dto::Incident::of(incident, name)
    };
    ok(&dto::List::narrowed(found, shape))
}

async fn shown(owned: Owned<'_>, id: IncidentId) -> Answer {
    let incident = owned.incident(id).await?;
    let name = match incident.subject.connection() {
        Some(id) => owned.full_name(id).await?,
        None => None,
    };
    ok(&dto::Incident::of(incident, name.as_ref()))
}

/// `GET /api/v2/incidents/{id}`
pub(in crate::api) async fn one(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    shown(shared.owned(caller), path_id(&request)?).await
}

async fn act(
    caller: Caller,
    shared: &Shared,
    request: &HttpRequest,
    command: fn(IncidentId) -> Command,
) -> Answer {
    let incident = shared.owned(caller).incident(path_id(request)?).await?;
    let command = command(incident.id);
    let done = match incident.subject {
        Subject::Connection(id) => shared.herd.command(id, command.clone()).await,
        Subject::Credential(id) => shared.herd.command_credential(id, command.clone()).await,
    };
    match done {
        // What it was about is gone, and with that the incident ended.
        Err(CommandError::NoSuchConnection | CommandError::NoSuchSubject)
            if incident.status == IncidentStatus::Resolved =>
        {
            if command != Command::Resolve(incident.id) {
                return Err(CommandError::NotNow("the incident is resolved").into());
            }
        }
        done => done?,
    }
    shown(shared.owned(caller), incident.id).await
}

/// `POST /api/v2/incidents/{id}/acknowledge`
pub(in crate::api) async fn acknowledge(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    act(caller, &shared, &request, Command::Acknowledge).await
}

/// `POST /api/v2/incidents/{id}/resolve`
pub(in crate::api) async fn resolve(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    act(caller, &shared, &request, Command::Resolve).await
}
