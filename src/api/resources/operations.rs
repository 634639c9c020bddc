//! Operations: one request for many connections.

use super::bulk::{Bulk, Wanted, repositories, understand};
use super::credentials::instance;
use super::repositories as connecting;
use crate::actor::Operating;
use crate::api::dto;
use crate::api::error::{Answer, Problem};
use crate::api::extract::{Json, Path};
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::reply::{json, ok};
use crate::api::scope::Selected;
use crate::domain::connection::Connection;
use crate::domain::id::{ConnectionId, OperationId};
use crate::domain::operation::{
    Action, ITEMS_MAX, Item, NewConnection, Operation, Selection, Verdict, judge,
};
use crate::domain::repo::ProviderKind;
use crate::domain::takeover::Replace;
use crate::store::After;
use actix_web::http::StatusCode;
use serde::Deserialize;
use std::collections::BTreeSet;
use utoipa::IntoParams;

/// Run an action on many connections
///
/// Stores an operation, which runs in the background, also after a restart, a few connections at a
/// time. The connections are those selected now; later ones are not included. Operations that
/// pause, resume, connect or disconnect run one after the other, and so do those that change
/// events. The action `connect` takes `repositories` instead of a selection.
///
/// With `dry_run` nothing is stored: the answer is 200 and says what would change.
#[utoipa::path(
    post, path = "/api/v2/repositories/bulk", request_body = Bulk,
    responses((status = 200, body = dto::Planned), (status = 202, body = dto::Operated))
)]
pub(in crate::api) async fn bulk(me: Me, Json(asked): Json<Bulk>) -> Answer {
    if asked.connects() {
        return connect(&me, asked).await;
    }
    let wanted = understand(asked)?;
    let action = checked(&me, &wanted).await?;
    if wanted.is_dry_run {
        return plan(&me, &wanted, &action).await;
    }
    let mut items = Vec::new();
    let add = |connection: Connection| {
        if items.len() == ITEMS_MAX {
            let why = format!("more than {ITEMS_MAX} connections are selected; select fewer");
            return Err(Problem::invalid("select", why));
        }
        items.push(Item::Connection(connection.id));
        Ok(())
    };
    me.owned().each_selected(&wanted.selected, add).await?;
    let operating = Operating {
        owner: me.caller.user,
        asked_by: me.caller.user,
        action,
        selection: wanted.selection,
        items,
    };
    let operation = me.connections.operate(operating).await?;
    json(StatusCode::ACCEPTED, &dto::Operated::of(&operation))
}

/// Connects repositories as an operation; or says which of them would be connected.
async fn connect(me: &Me, asked: Bulk) -> Answer {
    let (asked, is_dry_run) = repositories(asked)?;
    let (mut new, mut seen) = (Vec::new(), BTreeSet::new());
    for one in asked {
        let request = connecting::understand(me, one).await?;
        let instance = instance(me, request.provider, request.host)?;
        if !seen.insert((instance.clone(), request.full_name.folded())) {
            let why = "a repository is named twice";
            return Err(Problem::invalid("repositories", why));
        }
        let one = NewConnection {
            instance,
            full_name: request.full_name,
            events: request.events,
            is_enabled: request.setup_webhook,
            credential: request.credential,
        };
        new.push((one, request.replaces));
    }
    if is_dry_run {
        return plan_of_new(me, &new).await;
    }
    connecting::may_connect(me, new.len()).await?;
    let operating = Operating {
        owner: me.caller.user,
        asked_by: me.caller.user,
        action: Action::Connect,
        selection: Selection::default(),
        items: new
            .into_iter()
            .map(|(new, replaces)| item_of(Box::new(new), replaces))
            .collect(),
    };
    let operation = me.connections.operate(operating).await?;
    json(StatusCode::ACCEPTED, &dto::Operated::of(&operation))
}

fn item_of(new: Box<NewConnection>, replaces: Option<Replace>) -> Item {
    match replaces {
        None => Item::Repository(new),
        Some(replaces) => Item::Replacing { new, replaces },
    }
}

async fn plan_of_new(me: &Me, new: &[(NewConnection, Option<Replace>)]) -> Answer {
    let mut items = Vec::new();
    for (one, _) in new {
        let connected = me.owned().connected(&one.instance, &one.full_name).await?;
        let result = match &connected {
            Some(_) => Verdict::AlreadyConnected,
            None => Verdict::Connect,
        };
        items.push(dto::PlanItem {
            connection_id: connected.map(|connection| connection.id),
            repository_full_name: one.full_name.clone(),
            provider: one.instance.provider,
            host: one.instance.host.clone(),
            changes: result.is_change(),
            result,
            added_events: if result.is_change() {
                one.events.clone()
            } else {
                Vec::new()
            },
            removed_events: Vec::new(),
        });
    }
    let count = |items: usize| u32::try_from(items).ok();
    let changing = items.iter().filter(|item| item.changes).count();
    ok(&dto::Planned {
        plan: dto::Plan {
            next_cursor: None,
            total: count(items.len()),
            changing: count(changing),
            items,
        },
    })
}

/// The action, whose events every provider of the selected connections has.
async fn checked(me: &Me, wanted: &Wanted) -> Result<Action, Problem> {
    let Action::SetEvents(events) = &wanted.action else {
        return Ok(wanted.action.clone());
    };
    let mut providers = BTreeSet::<ProviderKind>::new();
    let owned = me.owned();
    let note = |connection: Connection| {
        providers.insert(connection.instance.provider);
        Ok(())
    };
    owned.each_selected(&wanted.selected, note).await?;
    // Without a connection, they must at least be names of events.
    let providers = if providers.is_empty() {
        BTreeSet::from([ProviderKind::Github])
    } else {
        providers
    };
    let mut named = events.clone();
    for provider in providers {
        let decoder = super::events::decoder(me, provider)?;
        named = super::events::events_named(decoder, events.clone())?;
    }
    Ok(Action::SetEvents(named))
}

async fn plan(me: &Me, wanted: &Wanted, action: &Action) -> Answer {
    let after = Limit::after(wanted.limit.clone(), wanted.cursor);
    let page = me.owned().selected(&wanted.selected, after).await?;
    let counts = match wanted.cursor {
        None => Some(counts(me, &wanted.selected, action).await?),
        Some(_) => None,
    };
    let items = page.items.iter().map(|c| planned(action, c));
    ok(&dto::Planned {
        plan: dto::Plan {
            items: items.collect(),
            next_cursor: page.next.map(|id: ConnectionId| id.to_string()),
            total: counts.map(|(total, _)| total),
            changing: counts.map(|(_, changing)| changing),
        },
    })
}

/// How many connections are selected, and how many of them would change.
async fn counts(me: &Me, selected: &Selected, action: &Action) -> Result<(u32, u32), Problem> {
    let (mut total, mut changing) = (0_u32, 0_u32);
    let count = |connection: Connection| {
        total = total.saturating_add(1);
        changing = changing.saturating_add(judge(action, &connection).is_change().into());
        Ok(())
    };
    me.owned().each_selected(selected, count).await?;
    Ok((total, changing))
}

fn planned(action: &Action, connection: &Connection) -> dto::PlanItem {
    let result: Verdict = judge(action, connection);
    let wanted = action.events().unwrap_or(&connection.events);
    let added_events = without(wanted, &connection.events);
    let removed_events = without(&connection.events, wanted);
    dto::PlanItem {
        connection_id: Some(connection.id),
        repository_full_name: connection.full_name.clone(),
        provider: connection.instance.provider,
        host: connection.instance.host.clone(),
        changes: result.is_change(),
        result,
        added_events,
        removed_events,
    }
}

fn without(events: &[String], others: &[String]) -> Vec<String> {
    let left = events.iter().filter(|event| !others.contains(event));
    left.cloned().collect()
}

/// Get an operation
#[utoipa::path(
    get, path = "/api/v2/operations/{id}",
    responses((status = 200, body = dto::Operation))
)]
pub(in crate::api) async fn one(me: Me, Path(id): Path<OperationId>) -> Answer {
    let operation = me.owned().operation(id).await?;
    ok(&dto::Operation::of(&operation))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct OperationQuery {
    limit: Option<Limit>,
    cursor: Option<OperationId>,
}

/// List operations
///
/// The newest 100 are kept, and no longer than other history.
#[utoipa::path(
    get, path = "/api/v2/operations", params(OperationQuery),
    responses((status = 200, body = dto::List<dto::Operation>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<OperationQuery>) -> Answer {
    let after: After<OperationId> = Limit::after(asked.limit, asked.cursor);
    let found = me.owned().operations(after).await?;
    ok(&dto::List::of(found, |operation: Operation| {
        dto::Operation::of(&operation)
    }))
}

/// Cancel an operation
///
/// What was not begun is left as it is. What was begun is carried out.
#[utoipa::path(
    post, path = "/api/v2/operations/{id}/cancel",
    responses((status = 200, body = dto::Operation))
)]
pub(in crate::api) async fn cancel(me: Me, Path(id): Path<OperationId>) -> Answer {
    let operation = me.owned().operation(id).await?;
    let operation = me.connections.cancel_operation(operation.id).await?;
    ok(&dto::Operation::of(&operation))
}
