//! Repositories at the provider, and connecting them.

use super::credentials::{host_named, instance, provider_named};
use super::{json, ok};
use crate::actor::{ConnectError, ConnectRequest};
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{Json, page_limit, query};
use crate::api::quota::{Held, Owned};
use crate::api::scope::{Caller, Shared};
use crate::domain::connection::EVENTS_MAX;
use crate::domain::delivery::EVENT_NAME_BYTES_MAX;
use crate::domain::id::CredentialId;
use crate::domain::repo::{FullName, ProviderKind, Repository};
use crate::provider::Decode;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::Deserialize;

/// Every event that the provider has.
const ALL_EVENTS: &str = "*";

/// The events asked for, sorted and each once.
pub(super) fn events_named(
    decoder: &dyn Decode,
    mut events: Vec<String>,
) -> Result<Vec<String>, Problem> {
    let named = |event: &str| {
        (1..=EVENT_NAME_BYTES_MAX).contains(&event.len()) && decoder.is_event_name(event)
    };
    events.sort_unstable();
    events.dedup();
    if events.is_empty() || events.len() > EVENTS_MAX {
        let why = format!("expected 1 to {EVENTS_MAX} events");
        return Err(Problem::invalid("webhook_events", why));
    }
    if events.len() > 1 && events.iter().any(|event| event == ALL_EVENTS) {
        let why = "\"*\" stands for all events and must stand alone";
        return Err(Problem::invalid("webhook_events", why));
    }
    if events.iter().all(|event| named(event)) {
        Ok(events)
    } else {
        let known = decoder.default_events().join(", ");
        let why = format!("expected the provider's names of events, such as {known}");
        Err(Problem::invalid("webhook_events", why))
    }
}

/// The dialect of a provider that this daemon is configured with.
pub(super) fn decoder(shared: &Shared, provider: ProviderKind) -> Result<&dyn Decode, Problem> {
    let decoder = shared.providers.decoder(provider).map(|decoder| &**decoder);
    decoder.ok_or_else(|| Problem::invalid("provider", "this daemon does not serve that provider"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Connect {
    provider: Option<String>,
    host: Option<String>,
    repository_full_name: String,
    setup_webhook: Option<bool>,
    webhook_events: Option<Vec<String>>,
    credential_id: Option<String>,
}

/// How many connections a user has.
async fn held(shared: &web::Data<Shared>, caller: Caller) -> Result<Held, Problem> {
    if let Some(count) = shared.counters.held(caller.user) {
        return Ok(count);
    }
    let count = shared.owned(caller).held().await?;
    shared.counters.hold(caller.user, count);
    Ok(count)
}

/// `POST /api/v2/repositories/connect`
pub(in crate::api) async fn connect(
    caller: Caller,
    shared: web::Data<Shared>,
    Json(asked): Json<Connect>,
) -> Answer {
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
        instance(&shared, provider, host.clone())?;
    }
    let decoder = decoder(&shared, provider)?;
    let defaults = || {
        let names = decoder.default_events().iter();
        names.map(|name| (*name).to_owned()).collect()
    };
    let events = events_named(decoder, asked.webhook_events.unwrap_or_else(defaults))?;
    let credential = match &asked.credential_id {
        None => None,
        Some(text) => {
            let bad = |why| Problem::invalid("credential_id", why);
            let id: CredentialId = text.parse().map_err(bad)?;
            let found = shared.owned(caller).credential(id).await;
            let none = |problem: Problem| {
                if problem.code() == Code::NotFound {
                    Problem::invalid("credential_id", "you have no such credential")
                } else {
                    problem
                }
            };
            Some(found.map_err(none)?)
        }
    };
    let request = ConnectRequest {
        owner: caller.user,
        provider,
        host,
        full_name,
        events,
        setup_webhook: asked.setup_webhook.unwrap_or(true),
        credential: credential.map(|credential| credential.id),
    };
    shared.counters.may_connect(caller.user)?;
    let have = held(&shared, caller).await?;
    let counters = &shared.counters;
    counters.may_have_one_more(Owned::Repositories, have.present)?;
    counters.may_have_one_more(Owned::Removed, have.kept)?;
    let connected = shared.herd.connect(request).await;
    if matches!(connected, Err(ConnectError::NoSuchRepository)) {
        counters.connect_failed(caller.user);
    }
    let connection = connected?;
    counters.connected(caller.user);
    let dto = dto::Connection::of(&connection, &shared.settings.public_url);
    json(StatusCode::CREATED, &dto)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    host: Option<String>,
    owner: Option<String>,
}

/// The user, organisation or group whose repositories are wanted.
fn owner_named(provider: ProviderKind, owner: Option<&str>) -> Result<Option<&str>, Problem> {
    let Some(owner) = owner else { return Ok(None) };
    let is_group = owner.contains('/');
    let is_name = format!("{owner}/x").parse::<FullName>().is_ok();
    if is_name && (provider == ProviderKind::Gitlab || !is_group) {
        return Ok(Some(owner));
    }
    let why = "owner: expected a user, an organisation or a group";
    Err(Problem::new(Code::BadQuery, why))
}

/// Whether a repository is of an owner, or of a group below it, in any case.
fn is_of(repository: &Repository, owner: &str) -> bool {
    let theirs = repository.full_name.owner();
    let (start, rest) = theirs.split_at_checked(owner.len()).unwrap_or((theirs, ""));
    start.eq_ignore_ascii_case(owner) && (rest.is_empty() || rest.starts_with('/'))
}

/// Where a page of ours begins within the provider's pages, as `page.offset`.
fn position(cursor: Option<&String>) -> Result<(u32, usize), Problem> {
    let Some(text) = cursor else {
        return Ok((1, 0));
    };
    text.split_once('.')
        .and_then(|(page, offset)| Some((page.parse().ok()?, offset.parse().ok()?)))
        .filter(|(page, _)| *page >= 1)
        .ok_or_else(|| {
            Problem::new(
                Code::BadCursor,
                "pass a next_cursor of this list, unchanged",
            )
        })
}

/// `GET /api/v2/repositories/{provider}`
pub(in crate::api) async fn list(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: ListQuery = query(&request)?;
    let name = request.match_info().get("provider").unwrap_or_default();
    let provider = name
        .parse::<ProviderKind>()
        .map_err(|_| Problem::not_found())?;
    let host = asked.host.as_deref().map(host_named).transpose()?;
    let instance = instance(&shared, provider, host)?;
    let limit = page_limit(asked.limit)?;
    let (page, offset) = position(asked.cursor.as_ref())?;
    let owner = owner_named(provider, asked.owner.as_deref())?;
    // Once for the whole list: the pages that follow are of an owner that was there.
    let looked_for = owner.filter(|_| (page, offset) == (1, 0));
    if looked_for.is_some() {
        shared.counters.may_connect(caller.user)?;
    }
    let listed = shared
        .herd
        .repositories(caller.user, &instance, looked_for, page);
    let listed = listed.await.map_err(Problem::from);
    if listed
        .as_ref()
        .is_err_and(|problem| problem.code() == Code::OwnerNotFound)
    {
        shared.counters.connect_failed(caller.user);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Entropy;
    use crate::provider::github::GithubDecode;

    struct Zeroes;

    impl Entropy for Zeroes {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn events_are_checked_sorted_and_each_kept_once() {
        let decoder = GithubDecode::new(&Zeroes);
        let named =
            |events: &[&str]| events_named(&decoder, events.iter().map(|e| (*e).into()).collect());
        assert_eq!(
            named(&["push", "check_run", "push"]).unwrap(),
            ["check_run", "push"]
        );
        assert_eq!(named(&["*"]).unwrap(), ["*"]);
        for bad in [
            &[][..],
            &["*", "push"],
            &["Push"],
            &[""],
            &["a b"],
            &["push\n"],
        ] {
            assert_eq!(
                named(bad).unwrap_err().code(),
                Code::InvalidField,
                "{bad:?}"
            );
        }
        let many: Vec<String> = (0..=EVENTS_MAX).map(|n| "e".repeat(n + 1)).collect();
        assert!(events_named(&decoder, many).is_err());
    }

    #[test]
    fn cursors_of_pages_within_pages_lead_back() {
        assert_eq!(position(None).unwrap(), (1, 0));
        assert_eq!(position(Some(&"3.50".into())).unwrap(), (3, 50));
        for bad in ["", "3", "0.1", "-1.0", "a.b", "1.2.3"] {
            assert!(position(Some(&bad.into())).is_err(), "{bad}");
        }
    }
}
