//! Incidents.

use super::{Names, away, ok};
use crate::actor::Command;
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{after, path_id, query, query_id};
use crate::api::scope::{Caller, Owned, Shared};
use crate::domain::id::IncidentId;
use crate::domain::incident::{Incident, IncidentStatus, Subject};
use crate::domain::repo::FullName;
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
}

/// `GET /api/v2/incidents`
pub(in crate::api) async fn list(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: ListQuery = query(&request)?;
    let bad = |words: &str| Problem::new(Code::BadQuery, words);
    let status = asked.status.as_deref().map(|name| {
        IncidentStatus::from_name(name)
            .ok_or_else(|| bad("status: expected open, acknowledged or resolved"))
    });
    let repository = asked.repository.as_deref().map(|name| {
        name.parse::<FullName>()
            .map_err(|_| bad("repository: expected owner/name"))
    });
    let (status, repository) = (status.transpose()?, repository.transpose()?);
    let connection = query_id("connection_id", asked.connection_id.as_ref())?;
    let after = after(asked.limit, asked.cursor.as_ref())?;
    let list = away(&shared, move |shared| {
        let owned = shared.owned(caller);
        let page = owned.incidents(status, connection, repository.as_ref(), after)?;
        let mut names = Names::new(owned);
        let shape = |incident: Incident| -> Result<_, Problem> {
            let name = match incident.subject.connection() {
                Some(id) => names.of(id)?,
                None => None,
            };
            Ok(dto::Incident::of(incident, name))
        };
        dto::List::of(page, |incident| incident.id, shape)
    });
    ok(&list.await?)
}

fn shown(owned: Owned<'_>, id: IncidentId) -> Answer {
    let incident = owned.incident(id)?;
    let name = match incident.subject.connection() {
        Some(id) => owned.full_name(id)?,
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
    shown(shared.owned(caller), path_id(&request)?)
}

async fn act(
    caller: Caller,
    shared: &Shared,
    request: &HttpRequest,
    command: fn(IncidentId) -> Command,
) -> Answer {
    let incident = shared.owned(caller).incident(path_id(request)?)?;
    let command = command(incident.id);
    match incident.subject {
        Subject::Connection(id) => shared.herd.command(id, command).await?,
        Subject::Credential(id) => shared.herd.command_credential(id, command).await?,
    }
    shown(shared.owned(caller), incident.id)
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
