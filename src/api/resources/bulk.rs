//! The body of a bulk request.

use super::credentials::{host_named, provider_named};
use super::events;
use super::repositories::Connect;
use crate::api::error::{Code, Problem};
use crate::api::query::{Limit, Owner, RepositoryPattern};
use crate::api::schema::ActionName;
use crate::api::scope::Selected;
use crate::domain::connection::WebhookStatus;
use crate::domain::id::ConnectionId;
use crate::domain::operation::{Action, Selection};
use crate::domain::repo::{Host, ProviderKind};
use crate::store::ConnectionFilter;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StringDeserializer};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Most ids in one request.
pub(super) const IDS_MAX: usize = 5000;

/// Which connections are meant: those that fit everything that is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Select {
    /// Ids of connections.
    #[schema(value_type = Option<Vec<ConnectionId>>, min_items = 1, max_items = 5000)]
    ids: Option<Vec<String>>,
    /// Provider of the connections.
    #[schema(value_type = Option<ProviderKind>)]
    provider: Option<String>,
    /// Host of the connections.
    #[schema(value_type = Option<Host>)]
    host: Option<String>,
    /// User, organisation or group of the repositories.
    #[schema(value_type = Option<Owner>)]
    owner: Option<String>,
    /// Name of the repositories, or a pattern.
    #[schema(value_type = Option<RepositoryPattern>)]
    r#match: Option<String>,
    /// State of the webhooks.
    #[schema(value_type = Option<WebhookStatus>)]
    status: Option<String>,
    /// True selects all connections. Needed when nothing else is given.
    all: Option<bool>,
}

/// An action on many connections.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Bulk {
    /// What to do with each of them.
    #[schema(value_type = ActionName)]
    action: String,
    /// Which connections are meant. Needed unless the action is `connect`.
    select: Option<Select>,
    /// Repositories to connect, for the action `connect`: at most 1000.
    #[schema(min_items = 1, max_items = 1000)]
    repositories: Option<Vec<Connect>>,
    #[schema(schema_with = events::of_any)]
    webhook_events: Option<Vec<String>>,
    /// Whether `disconnect` deletes the webhooks at the provider; true when left out.
    delete_webhook: Option<bool>,
    /// True only says what would change.
    dry_run: Option<bool>,
    /// Items on a page of a dry run.
    #[schema(value_type = Option<Limit>)]
    limit: Option<u64>,
    /// Where the page of a dry run begins: the `next_cursor` of the page before.
    #[schema(value_type = Option<ConnectionId>)]
    cursor: Option<String>,
}

/// What is asked for.
pub(super) struct Wanted {
    pub(super) action: Action,
    pub(super) selected: Selected,
    pub(super) selection: Selection,
    pub(super) is_dry_run: bool,
    pub(super) limit: Option<Limit>,
    pub(super) cursor: Option<ConnectionId>,
}

/// Most repositories in one request.
const REPOSITORIES_MAX: usize = 1000;

impl Bulk {
    /// Whether it connects repositories.
    pub(super) fn connects(&self) -> bool {
        self.action == "connect"
    }
}

/// The repositories that a request connects, and whether it is a dry run.
pub(super) fn repositories(asked: Bulk) -> Result<(Vec<Connect>, bool), Problem> {
    let others = [
        ("select", asked.select.is_some()),
        ("webhook_events", asked.webhook_events.is_some()),
        ("delete_webhook", asked.delete_webhook.is_some()),
        ("limit", asked.limit.is_some()),
        ("cursor", asked.cursor.is_some()),
    ];
    if let Some((name, _)) = others.into_iter().find(|(_, is_given)| *is_given) {
        return Err(Problem::invalid(name, "not for the action connect"));
    }
    let repositories = asked.repositories.unwrap_or_default();
    if !(1..=REPOSITORIES_MAX).contains(&repositories.len()) {
        let why = format!("expected 1 to {REPOSITORIES_MAX} repositories");
        return Err(Problem::invalid("repositories", why));
    }
    Ok((repositories, asked.dry_run.unwrap_or(false)))
}

/// A value as query strings have it.
fn like_in_query<'de, T: Deserialize<'de>>(field: &str, text: String) -> Result<T, Problem> {
    let text: StringDeserializer<Error> = text.into_deserializer();
    T::deserialize(text).map_err(|why| Problem::invalid(field, why))
}

/// What a request asks for, all of it understood.
pub(super) fn understand(asked: Bulk) -> Result<Wanted, Problem> {
    if asked.repositories.is_some() {
        let why = "only for the action connect";
        return Err(Problem::invalid("repositories", why));
    }
    let action = action(&asked)?;
    let is_dry_run = asked.dry_run.unwrap_or(false);
    if !is_dry_run && (asked.limit.is_some() || asked.cursor.is_some()) {
        return Err(Problem::invalid("limit", "only with dry_run, as cursor"));
    }
    let limit = asked
        .limit
        .map(|limit| like_in_query("limit", limit.to_string()));
    let cursor = asked.cursor.map(|text| {
        let why = "Pass a next_cursor of this list, unchanged.";
        text.parse().map_err(|_| Problem::new(Code::BadCursor, why))
    });
    let Some(select) = asked.select else {
        return Err(Problem::invalid("select", "needed for this action"));
    };
    let (selected, selection) = selected(select)?;
    Ok(Wanted {
        action,
        selected,
        selection,
        is_dry_run,
        limit: limit.transpose()?,
        cursor: cursor.transpose()?,
    })
}

fn action(asked: &Bulk) -> Result<Action, Problem> {
    let mut action = match asked.action.as_str() {
        "check" => Action::Check,
        "ping" => Action::Ping,
        "recreate" => Action::Recreate,
        "rotate_secret" => Action::RotateSecret,
        "pause" => Action::Pause,
        "resume" => Action::Resume,
        "disconnect" => Action::Disconnect { delete_hook: true },
        "set_events" => Action::SetEvents(Vec::new()),
        _ => {
            let names = ActionName::ALL.map(ActionName::as_str).join(", ");
            return Err(Problem::invalid(
                "action",
                format!("expected one of {names}"),
            ));
        }
    };
    match (&mut action, asked.delete_webhook) {
        (Action::Disconnect { delete_hook }, Some(wanted)) => *delete_hook = wanted,
        (_, None) => {}
        (_, Some(_)) => {
            let why = "only for the action disconnect";
            return Err(Problem::invalid("delete_webhook", why));
        }
    }
    match (&mut action, &asked.webhook_events) {
        (Action::SetEvents(events), Some(wanted)) => events.clone_from(wanted),
        (Action::SetEvents(_), None) => {
            let why = "needed for the action set_events";
            return Err(Problem::invalid("webhook_events", why));
        }
        (_, None) => {}
        (_, Some(_)) => {
            let why = "only for the action set_events";
            return Err(Problem::invalid("webhook_events", why));
        }
    }
    Ok(action)
}

fn selected(select: Select) -> Result<(Selected, Selection), Problem> {
    let ids = match select.ids {
        None => None,
        Some(ids) if (1..=IDS_MAX).contains(&ids.len()) => {
            let ids = ids.iter().map(|id| id.parse());
            // A text that is no id cannot be the id of anything.
            let ids: Result<BTreeSet<ConnectionId>, _> = ids.collect();
            Some(ids.map_err(|_| Problem::not_found())?)
        }
        Some(_) => {
            let why = format!("expected 1 to {IDS_MAX} ids");
            return Err(Problem::invalid("select.ids", why));
        }
    };
    let owner = select.owner.map(|text| like_in_query("select.owner", text));
    let owner = owner.transpose()?.map(|Owner(name)| name);
    let pattern = select.r#match.clone();
    let repository = select
        .r#match
        .map(|text| like_in_query("select.match", text));
    let repository = repository.transpose()?;
    let status = select
        .status
        .map(|text| like_in_query("select.status", text));
    let selection = Selection {
        all: select.all.unwrap_or(false),
        ids: ids
            .as_ref()
            .map_or(0, |ids| u32::try_from(ids.len()).unwrap_or(u32::MAX)),
        provider: select.provider.as_deref().map(provider_named).transpose()?,
        host: select.host.as_deref().map(host_named).transpose()?,
        owner_name: owner,
        pattern,
        status: status.transpose()?,
    };
    let is_empty = selection == Selection::default();
    if is_empty {
        let why = "expected ids, provider, host, owner, match, status or all";
        return Err(Problem::invalid("select", why));
    }
    let filter = ConnectionFilter {
        repository: repository.map(|RepositoryPattern(pattern)| pattern),
        provider: selection.provider,
        host: selection.host.clone(),
        owner_name: selection.owner_name.clone(),
        status: selection.status,
        are_leaving: false,
    };
    Ok((Selected { filter, ids }, selection))
}
