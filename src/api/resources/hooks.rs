//! Webhooks that no connection keeps: searched for in parts, and removed one by one.

use super::credentials::{host_named, instance};
use super::events::{self, decoder, events_named};
use super::repositories::{created, may_connect};
use crate::actor::{HookWish, Surveyed, TakeError};
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{InPath, Json};
use crate::api::me::Me;
use crate::api::query::{HookPosition, Limit, Place, Query};
use crate::api::reply::ok;
use crate::domain::id::{ConnectionId, CredentialId, HookId};
use crate::domain::pattern::Pattern;
use crate::domain::repo::{FullName, Host, Instance, ProviderKind, Repository};
use crate::domain::standing::Fingerprint;
use crate::provider::Target;
use crate::store::{After, ConnectionFilter};
use serde::Deserialize;
use std::time::{Duration, Instant};
use utoipa::{IntoParams, ToSchema};

/// No further repository is begun in an answer after this time: clients wait a minute.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// Longest time for the webhooks of one repository, waits for the budget included.
const REPOSITORY_TIME: Duration = Duration::from_secs(25);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct HookQuery {
    /// Most repositories to look at.
    limit: Option<Limit>,
    cursor: Option<HookPosition>,
    host: Option<Host>,
    /// Look at this repository only.
    repository: Option<FullName>,
    /// Look only at the repositories that are connected. Otherwise also at all that your
    /// credentials can reach.
    connected_only: Option<bool>,
}

/// A part of a search.
struct Part<'a> {
    me: &'a Me,
    instance: Instance,
    began: Instant,
    limit: usize,
    found: dto::HookList,
}

/// Why a part ends before its limit.
enum End {
    /// Time is up, or the provider cannot be asked just now: the client continues later.
    Pause,
    /// The same, before anything was read.
    Refused(Problem),
}

impl Part<'_> {
    fn is_full(&self) -> bool {
        let seen = self.found.repositories_read as usize + self.found.unread.len();
        seen >= self.limit || self.began.elapsed() >= ANSWER_TIME
    }

    fn is_empty(&self) -> bool {
        self.found.repositories_read == 0 && self.found.unread.is_empty()
    }

    /// Looks at the webhooks of a repository.
    async fn look(&mut self, target: &Target) -> Result<(), End> {
        let (user, instance) = (self.me.caller.user, &self.instance);
        let looking = self.me.connections.survey(user, instance, target);
        let late = || {
            let words = "The provider's budget was used by more urgent calls.";
            Problem::new(Code::CallsWaiting, words)
        };
        let surveyed = match tokio::time::timeout(REPOSITORY_TIME, looking).await {
            Ok(surveyed) => surveyed.map_err(Problem::from),
            Err(_) => Err(late()),
        };
        match surveyed {
            Ok(surveyed) => {
                self.take(&surveyed);
                Ok(())
            }
            Err(problem) if is_of_repository(problem.code()) => {
                let name = target.full_name.clone();
                let why = (problem.code(), problem.to_string());
                self.found.unread.push(dto::UnreadRepository::of(name, why));
                Ok(())
            }
            Err(problem) if self.is_empty() => Err(End::Refused(problem)),
            Err(_) => Err(End::Pause),
        }
    }

    fn take(&mut self, surveyed: &Surveyed) {
        self.found.repositories_read += 1;
        let found = surveyed.hooks.iter();
        let found = found.map(|hook| dto::FoundHook::of(surveyed, hook));
        self.found.items.extend(found);
    }

    /// The repositories that are connected, from behind a connection. Returns where to continue,
    /// if not behind the last.
    async fn connected(&mut self, mut last: Option<ConnectionId>) -> Result<Option<Place>, End> {
        let filter = ConnectionFilter {
            provider: Some(self.instance.provider),
            host: Some(self.instance.host.clone()),
            ..ConnectionFilter::default()
        };
        loop {
            let after = After {
                last,
                limit: self.limit,
            };
            let page = self.me.owned().connections(&filter, after).await;
            let page = page.map_err(End::Refused)?;
            for connection in &page.items {
                if self.is_full() {
                    return Ok(Some(Place::Connected(last)));
                }
                let target = Target {
                    repository: connection.repository,
                    full_name: connection.full_name.clone(),
                };
                match self.look(&target).await {
                    Ok(()) => last = Some(connection.id),
                    Err(End::Pause) => return Ok(Some(Place::Connected(last))),
                    Err(refused @ End::Refused(_)) => return Err(refused),
                }
            }
            if page.next.is_none() {
                return Ok(None);
            }
        }
    }

    /// The repositories that a credential reaches, from a place in the provider's pages. Returns
    /// where to continue, if not behind the last.
    async fn reached(
        &mut self,
        credential: CredentialId,
        (mut page, mut offset): (u32, usize),
    ) -> Result<Option<Place>, End> {
        let here = |page, offset| Place::Reached(credential, (page, offset));
        loop {
            if self.is_full() {
                return Ok(Some(here(page, offset)));
            }
            let (user, instance) = (self.me.caller.user, &self.instance);
            let listing = self.me.connections.reach(user, instance, credential, page);
            let (repositories, has_more) = match listing.await {
                Ok(listed) => listed,
                Err(error) if self.is_empty() => return Err(End::Refused(error.into())),
                Err(_) => return Ok(Some(here(page, offset))),
            };
            for repository in repositories.iter().skip(offset) {
                if self.is_full() {
                    return Ok(Some(here(page, offset)));
                }
                match self.look_at_reached(repository).await {
                    Ok(()) => offset += 1,
                    Err(End::Pause) => return Ok(Some(here(page, offset))),
                    Err(refused @ End::Refused(_)) => return Err(refused),
                }
            }
            if !has_more {
                return Ok(None);
            }
            (page, offset) = (page.saturating_add(1), 0);
        }
    }

    async fn look_at_reached(&mut self, repository: &Repository) -> Result<(), End> {
        let full_name = repository.full_name.clone();
        // Those that are connected were looked at before.
        if self.is_connected(&full_name).await? {
            return Ok(());
        }
        if repository.can_manage_hooks == Some(false) {
            let words = "The credential may not manage the webhooks of this repository.";
            let why = (Code::NoAccess, words.to_owned());
            self.found
                .unread
                .push(dto::UnreadRepository::of(full_name, why));
            return Ok(());
        }
        let target = Target {
            repository: Some(repository.id),
            full_name,
        };
        self.look(&target).await
    }

    async fn is_connected(&self, full_name: &FullName) -> Result<bool, End> {
        let Ok(pattern) = Pattern::any_case(full_name.as_str()) else {
            return Ok(false);
        };
        let filter = ConnectionFilter {
            repository: Some(pattern),
            provider: Some(self.instance.provider),
            host: Some(self.instance.host.clone()),
            ..ConnectionFilter::default()
        };
        let found = self.me.owned().connections(&filter, After::first(1)).await;
        let found = found.map_err(End::Refused)?;
        Ok(!found.items.is_empty())
    }

    /// Continues with one credential of the caller's after the other.
    async fn walk(&mut self, from: Place, connected_only: bool) -> Result<Option<Place>, End> {
        let mut next = from;
        loop {
            let (stopped, then) = match next {
                Place::Connected(last) => (self.connected(last).await?, None),
                Place::Reached(id, at) => (self.reached(id, at).await?, Some(id)),
            };
            if stopped.is_some() || connected_only {
                return Ok(stopped);
            }
            let Some(credential) = self.credential_after(then).await? else {
                return Ok(None);
            };
            next = Place::Reached(credential, (1, 0));
        }
    }

    /// The caller's working credential for this installation that comes after one.
    async fn credential_after(
        &self,
        last: Option<CredentialId>,
    ) -> Result<Option<CredentialId>, End> {
        let all = self.me.owned().credentials().await;
        let all = all.map_err(|error| End::Refused(error.into()))?;
        let ids = all
            .iter()
            .filter(|c| c.works_for(&self.instance))
            .map(|c| c.id);
        Ok(ids.filter(|id| last.is_none_or(|last| *id < last)).max())
    }
}

/// Whether a problem is of one repository, and the others can be read.
const fn is_of_repository(code: Code) -> bool {
    matches!(
        code,
        Code::NoAccess
            | Code::RepositoryNotFound
            | Code::InsufficientScope
            | Code::SsoRequired
            | Code::IpNotAllowed
            | Code::TokenForbidden
            | Code::AppRestricted
            | Code::RepositoryBlocked
            | Code::RepositoryArchived
            | Code::Rejected
            | Code::BadAnswer
    )
}

/// Search for webhooks that no connection keeps
///
/// Reads the webhooks of your connected repositories, and then those of all repositories that your
/// own credentials can reach, at the lowest priority. An answer is a part of the search: it ends at
/// `limit` repositories or after some seconds, and `next_cursor` continues it. Webhooks of
/// organisations, groups and GitHub Apps are not read.
#[utoipa::path(
    get, path = "/api/v2/hooks/{provider}", params(HookQuery),
    responses((status = 200, body = dto::HookList))
)]
pub(in crate::api) async fn list(
    me: Me,
    InPath(provider): InPath,
    Query(asked): Query<HookQuery>,
) -> Answer {
    let instance = instance(&me, provider, asked.host)?;
    let mut part = Part {
        me: &me,
        instance,
        began: Instant::now(),
        limit: Limit::or_default(asked.limit),
        found: dto::HookList {
            items: Vec::new(),
            unread: Vec::new(),
            repositories_read: 0,
            next_cursor: None,
        },
    };
    let walked = if let Some(full_name) = asked.repository {
        let target = Target {
            repository: None,
            full_name,
        };
        part.look(&target).await.map(|()| None)
    } else {
        let from = asked.cursor.map(|HookPosition(place)| place);
        let from = from.unwrap_or(Place::Connected(None));
        part.walk(from, asked.connected_only.unwrap_or(false)).await
    };
    part.found.next_cursor = match walked {
        Ok(next) => next.map(|place| place.to_string()),
        Err(End::Refused(problem)) => return Err(problem),
        Err(End::Pause) => None,
    };
    ok(&part.found)
}

/// A webhook to remove.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RemoveHook {
    /// Host of the provider; the default one when left out.
    #[schema(value_type = Option<Host>)]
    host: Option<String>,
    /// Owner and name of the repository.
    #[schema(value_type = FullName)]
    repository_full_name: String,
    /// The provider's id of the webhook.
    #[schema(pattern = "^[0-9]{1,20}$", example = "123456")]
    webhook_id: String,
    /// `fingerprint` of the webhook as it was listed.
    #[schema(
        pattern = "^[0-9a-f]{32}$",
        example = "00112233445566778899aabbccddeeff"
    )]
    fingerprint: String,
    /// Also if its last delivery was answered, so that another Hookherd may use it.
    even_if_answered: Option<bool>,
}

/// What is asked for, checked.
fn understand(me: &Me, provider: ProviderKind, asked: &RemoveHook) -> Result<HookWish, Problem> {
    let host = asked.host.as_deref().map(host_named).transpose()?;
    let bad = |field: &'static str, why: &str| Problem::invalid(field, why);
    let full_name: Result<FullName, _> = asked.repository_full_name.parse();
    let full_name = full_name.map_err(|why| Problem::invalid("repository_full_name", why))?;
    let id = asked.webhook_id.parse();
    let id = id.map_err(|_| bad("webhook_id", "expected the provider's id of the webhook"))?;
    let fingerprint: Result<Fingerprint, _> = asked.fingerprint.parse();
    let fingerprint = fingerprint.map_err(|why| Problem::invalid("fingerprint", why))?;
    Ok(HookWish {
        owner: me.caller.user,
        instance: instance(me, provider, host)?,
        full_name,
        hook: HookId(id),
        fingerprint,
        even_if_answered: asked.even_if_answered.unwrap_or(false),
    })
}

/// A webhook to adopt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AdoptHook {
    /// Host of the provider; the default one when left out.
    #[schema(value_type = Option<Host>)]
    host: Option<String>,
    /// Owner and name of the repository.
    #[schema(value_type = FullName)]
    repository_full_name: String,
    /// The provider's id of the webhook.
    #[schema(pattern = "^[0-9]{1,20}$", example = "123456")]
    webhook_id: String,
    /// `fingerprint` of the webhook as it was listed.
    #[schema(
        pattern = "^[0-9a-f]{32}$",
        example = "00112233445566778899aabbccddeeff"
    )]
    fingerprint: String,
    /// Also if its last delivery was answered, so that another Hookherd may use it.
    even_if_answered: Option<bool>,
    #[schema(schema_with = events::of_any)]
    webhook_events: Option<Vec<String>>,
}

/// Adopt a webhook that no connection keeps
///
/// Connects its repository and makes the webhook the connection's own, in place: its id stays, its
/// URL, secret and settings become Hookherd's. Its events stay unless `webhook_events` is given.
#[utoipa::path(
    post, path = "/api/v2/hooks/{provider}/adopt", request_body = AdoptHook,
    responses((status = 201, body = dto::Connection))
)]
pub(in crate::api) async fn adopt(
    me: Me,
    InPath(provider): InPath,
    Json(asked): Json<AdoptHook>,
) -> Answer {
    let decoder = decoder(&me, provider)?;
    let named = |events| events_named(decoder, events);
    let events = asked.webhook_events.map(named).transpose()?;
    let hook = RemoveHook {
        host: asked.host,
        repository_full_name: asked.repository_full_name,
        webhook_id: asked.webhook_id,
        fingerprint: asked.fingerprint,
        even_if_answered: asked.even_if_answered,
    };
    let wish = understand(&me, provider, &hook)?;
    may_connect(&me, 1).await?;
    let connection = me.connections.adopt_hook(wish, events).await?;
    me.counters.connected(me.caller.user);
    created(&me, &connection).await
}

/// Remove a webhook that no connection keeps
///
/// Deletes it at the provider, with your own credentials, if it is still what it was when it was
/// listed. A webhook that a connection keeps, or that delivers to another receiver, is refused.
#[utoipa::path(
    post, path = "/api/v2/hooks/{provider}/remove", request_body = RemoveHook,
    responses((status = 200, body = dto::RemovedHook))
)]
pub(in crate::api) async fn remove(
    me: Me,
    InPath(provider): InPath,
    Json(asked): Json<RemoveHook>,
) -> Answer {
    let wish = understand(&me, provider, &asked)?;
    let (full_name, hook) = (wish.full_name.clone(), wish.hook);
    let taken = me.connections.remove_hook(wish).await?;
    let changed = || Problem::from(TakeError::Changed);
    let outcome = dto::RemovedHook::outcome(taken).ok_or_else(changed)?;
    ok(&dto::RemovedHook {
        webhook_id: hook.to_string(),
        repository_full_name: full_name,
        outcome,
    })
}
