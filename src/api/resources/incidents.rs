//! Incidents: list, look, acknowledge, resolve.

use super::{Paging, id, query_id};
use crate::actor::Command;
use crate::api::State;
use crate::api::dto::{self, List};
use crate::api::error::Problem;
use crate::api::scope::Owned;
use crate::domain::id::IncidentId;
use crate::domain::incident::{Incident, IncidentStatus};
use crate::store::IncidentFilter;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::Value;

/// What the list understands.
#[derive(Debug, Deserialize)]
pub struct Filter {
    status: Option<String>,
    connection_id: Option<String>,
    repository: Option<String>,
}

fn show(owned: &Owned, incident: &Incident) -> Result<Value, Problem> {
    Ok(dto::incident(
        incident,
        owned.repository_of(incident.connection)?,
    ))
}

/// `GET /api/v2/incidents`
pub async fn list(
    owned: Owned,
    paging: web::Query<Paging>,
    query: web::Query<Filter>,
) -> Result<HttpResponse, Problem> {
    let status = query.status.as_deref().map(|name| {
        let detail = "status must be open, acknowledged or resolved";
        IncidentStatus::from_name(name).ok_or_else(|| Problem::bad_request("bad_query", detail))
    });
    let mut connection = query_id(query.connection_id.as_ref(), "connection_id")?;
    if let Some(id) = connection {
        owned.connection(id)?;
    }
    if let Some(name) = &query.repository {
        let detail = "repository must be OWNER/NAME";
        let name = name
            .parse()
            .map_err(|_| Problem::bad_request("bad_query", detail))?;
        let Some(named) = owned.connection_named(&name)? else {
            return Ok(HttpResponse::Ok().json(List {
                items: Vec::new(),
                next_cursor: None,
            }));
        };
        if connection.is_some_and(|id| id != named) {
            return Ok(HttpResponse::Ok().json(List {
                items: Vec::new(),
                next_cursor: None,
            }));
        }
        connection = Some(named);
    }
    let filter = IncidentFilter {
        status: status.transpose()?,
        connection,
    };
    let page = owned.incidents(&filter, paging.after()?)?;
    Ok(HttpResponse::Ok().json(super::list(page, |incident| show(&owned, incident))?))
}

/// `GET /api/v2/incidents/{id}`
pub async fn get(owned: Owned, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let incident = owned.incident(id(&path, "incident")?)?;
    Ok(HttpResponse::Ok().json(show(&owned, &incident)?))
}

async fn order(
    state: &State,
    owned: &Owned,
    path: &str,
    command: impl FnOnce(IncidentId) -> Command,
) -> Result<HttpResponse, Problem> {
    let id: IncidentId = id(path, "incident")?;
    let incident = owned.incident(id)?;
    state.herd.command(incident.connection, command(id)).await?;
    Ok(HttpResponse::Ok().json(show(owned, &owned.incident(id)?)?))
}

/// `POST /api/v2/incidents/{id}/acknowledge`
pub async fn acknowledge(
    state: web::Data<State>,
    owned: Owned,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    order(&state, &owned, &path, Command::Acknowledge).await
}

/// `POST /api/v2/incidents/{id}/resolve`
pub async fn resolve(
    state: web::Data<State>,
    owned: Owned,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    order(&state, &owned, &path, Command::Resolve).await
}
