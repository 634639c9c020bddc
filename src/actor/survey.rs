//! Hooks at a provider that no connection keeps: found, and removed when a user says so.
//!
//! Only the caller's own credentials are used: what others share is for connecting, and neither
//! shows nor removes what others have made.

use super::around::Around;
use super::interface::{ConnectError, ConnectRequest, HookWish, Stranger, Surveyed, TakeError};
use super::services::Services;
use crate::credentials::{About, Refusal, Refused};
use crate::domain::connection::{CredentialUse, EVENTS_MAX};
use crate::domain::errand::{Errand, Priority};
use crate::domain::id::{CredentialId, UserId};
use crate::domain::lifecycle::Failure;
use crate::domain::repo::{Instance, Repository};
use crate::domain::standing::{self, Fingerprint, Standing};
use crate::provider::{
    Access, Hooks, Listed, LogRead, ProviderError, TakenAway, Target, TheirHook,
};
use std::sync::Arc;

/// Most credentials with which a repository's hooks are looked for.
const ASKED_MAX: usize = 8;

/// A repository of a user, and with what it can be asked about.
struct Place<'a> {
    services: &'a Arc<Services>,
    instance: Instance,
    owner: UserId,
    hooks: Arc<dyn Hooks>,
    credentials: Vec<CredentialUse>,
    priority: Priority,
}

impl<'a> Place<'a> {
    async fn new(
        services: &'a Arc<Services>,
        (owner, priority): (UserId, Priority),
        instance: &Instance,
    ) -> Result<Self, ConnectError> {
        let hooks = services.hooks(instance)?;
        let credentials = services.pool.own(owner, instance).await?;
        if credentials.is_empty() {
            return Err(ConnectError::NoCredential);
        }
        Ok(Self {
            services,
            instance: instance.clone(),
            owner,
            hooks,
            credentials,
            priority,
        })
    }

    /// Asks with one credential after the other, until one is not refused; the next question
    /// begins with that one. `call` may be repeated.
    async fn ask<T, Calling>(
        &mut self,
        call: impl Fn(Arc<dyn Hooks>, Access) -> Calling,
    ) -> Result<T, ConnectError>
    where
        Calling: Future<Output = Result<T, ProviderError>>,
    {
        let (owner, priority) = (self.owner, self.priority);
        let errand = Errand { owner, priority };
        let about = About {
            instance: &self.instance,
            connection: None,
        };
        let mut refusal = None;
        let candidates = self.credentials.iter().copied().take(ASKED_MAX);
        for (at, credential) in candidates.enumerate() {
            let asking = |access: Access| call(Arc::clone(&self.hooks), access);
            let asked = self.services.pool.ask(about, (credential, errand), asking);
            match asked.await {
                Ok(answer) => {
                    self.credentials.swap(0, at);
                    return Ok(answer);
                }
                Err(refused) if is_useless(&refused) => refusal = refusal.or(Some(refused.error)),
                Err(refused) => return Err(shown(refused.error)),
            }
        }
        Err(refusal.map_or(ConnectError::NoCredential, shown))
    }
}

/// Whether another credential may do better.
fn is_useless(refused: &Refused) -> bool {
    match refused.why {
        Refusal::Dead => true,
        Refusal::Failed => refused.error.failure == Failure::NoAccess,
        Refusal::NoToken | Refusal::Replaced | Refusal::Unclear => false,
    }
}

fn shown(error: ProviderError) -> ConnectError {
    error.into()
}

/// A page of the repositories that a credential of the owner's reaches, at the lowest urgency.
pub(super) async fn reach(
    services: &Arc<Services>,
    owner: UserId,
    instance: &Instance,
    credential: CredentialId,
    page: u32,
) -> Result<(Vec<Repository>, bool), ConnectError> {
    let mut place = Place::new(services, (owner, Priority::Check), instance).await?;
    place.credentials.retain(|usable| usable.id() == credential);
    place
        .ask(|hooks, access| async move { hooks.repositories(&access, page).await })
        .await
}

/// The hooks of a repository that are worth a word, and whose they are.
pub(super) async fn survey(
    services: &Arc<Services>,
    owner: UserId,
    instance: &Instance,
    target: &Target,
) -> Result<Surveyed, ConnectError> {
    let mut place = Place::new(services, (owner, Priority::Check), instance).await?;
    let listed = place
        .ask(|hooks, access| async move { hooks.hooks(&access, target).await })
        .await?;
    let around = Around::read(&services.ports, owner, instance, &listed.repository).await?;
    let at = target_of(&listed.repository);
    let mut hooks = Vec::new();
    for hook in &listed.hooks {
        let standing = around.judge(&services.ports, hook).await?;
        if matches!(standing, Standing::Kept | Standing::Unrelated) {
            continue;
        }
        let last_answer = if standing.may_be_taken() {
            last_answer(&mut place, &at, hook).await?
        } else {
            None
        };
        let public_url = &services.ports.public_url;
        hooks.push(Stranger {
            id: hook.id,
            url: hook
                .url
                .as_deref()
                .map(|url| standing::shown(url, public_url)),
            fingerprint: Fingerprint::of(hook.id, hook.url.as_deref()),
            standing,
            events: hook.events.clone(),
            is_active: hook.is_active,
            created_at: hook.created_at,
            last_answer,
        });
    }
    Ok(Surveyed {
        connection: around.own.map(|own| own.id),
        repository: listed.repository,
        hooks,
    })
}

fn target_of(repository: &Repository) -> Target {
    Target {
        repository: Some(repository.id),
        full_name: repository.full_name.clone(),
    }
}

/// The status of the last answer to a hook's deliveries: `Some(None)` when the last one got none,
/// `None` when there is none on record.
async fn last_answer(
    place: &mut Place<'_>,
    target: &Target,
    hook: &TheirHook,
) -> Result<Option<Option<u16>>, ConnectError> {
    let read = place
        .ask(
            |hooks, access| async move { hooks.delivery_log(&access, target, hook.id, None).await },
        )
        .await;
    match read {
        Ok(LogRead::Page(page)) => Ok(page.attempts.first().map(|attempt| attempt.status)),
        Ok(LogRead::CursorLost | LogRead::HookMissing | LogRead::Unsupported) => Ok(None),
        // It may list hooks and not read logs: that is not known, then.
        Err(ConnectError::Provider(error))
            if matches!(error.failure, Failure::NoAccess | Failure::Rejected) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the hook that the user means is there, is still what they saw, and may be taken.
async fn examine(place: &mut Place<'_>, wish: &HookWish, listed: &Listed) -> Result<(), TakeError> {
    let services = place.services;
    let found = listed.hooks.iter().find(|hook| hook.id == wish.hook);
    let hook = found.ok_or(TakeError::Gone)?;
    if Fingerprint::of(hook.id, hook.url.as_deref()) != wish.fingerprint {
        return Err(TakeError::Changed);
    }
    let around = Around::read(
        &services.ports,
        wish.owner,
        &wish.instance,
        &listed.repository,
    )
    .await?;
    let standing = around.judge(&services.ports, hook).await?;
    if !standing.may_be_taken() {
        return Err(TakeError::NotFree(standing));
    }
    if standing.is_of_hookherd() && !wish.even_if_answered {
        let at = target_of(&listed.repository);
        let last = last_answer(place, &at, hook).await?;
        if let Some(Some(status @ 200..=299)) = last {
            return Err(TakeError::Answered(status));
        }
    }
    Ok(())
}

/// The repository of a wish, and the hooks that it has now.
async fn hooks_around<'a>(
    services: &'a Arc<Services>,
    wish: &HookWish,
) -> Result<(Place<'a>, Listed), TakeError> {
    let of = (wish.owner, Priority::Person);
    let mut place = Place::new(services, of, &wish.instance).await?;
    let target = &Target {
        repository: None,
        full_name: wish.full_name.clone(),
    };
    let listed = place
        .ask(|hooks, access| async move { hooks.hooks(&access, target).await })
        .await?;
    Ok((place, listed))
}

/// Removes a hook that no connection keeps. Everything is looked at again right before.
pub(super) async fn remove(
    services: &Arc<Services>,
    wish: &HookWish,
) -> Result<TakenAway, TakeError> {
    let (mut place, listed) = hooks_around(services, wish).await?;
    match examine(&mut place, wish, &listed).await {
        // It is as the user wants it.
        Err(TakeError::Gone) => return Ok(TakenAway::Gone),
        other => other?,
    }
    let (hook, print) = (wish.hook, wish.fingerprint);
    let (repository, user) = (&listed.repository.full_name, wish.owner);
    // Before the call: a kill in between leaves this line.
    tracing::info!(user.id = %user, %repository, hook.id = hook.0, "foreign_webhook_removal_begun");
    let at = &target_of(&listed.repository);
    let taken = place
        .ask(|hooks, access| async move { hooks.take_away(&access, at, hook, print).await })
        .await?;
    let outcome = format!("{taken:?}").to_ascii_lowercase();
    let (user, hook) = (user.to_string(), hook.0);
    tracing::info!(user.id = user, %repository, hook.id = hook, outcome, "foreign_webhook_removed");
    Ok(taken)
}

/// The request that makes a hook the user's own. Everything is looked at before it is stored, and
/// once more when the hook is written.
pub(super) async fn adoption(
    services: &Arc<Services>,
    wish: &HookWish,
    events: Option<Vec<String>>,
) -> Result<ConnectRequest, TakeError> {
    let (mut place, listed) = hooks_around(services, wish).await?;
    examine(&mut place, wish, &listed).await?;
    let found = listed.hooks.iter().find(|hook| hook.id == wish.hook);
    let theirs = found.map(|hook| hook.events.clone()).unwrap_or_default();
    let provider = wish.instance.provider;
    let decoder = services.ports.providers.decoder(provider);
    let decoder = decoder.ok_or(ConnectError::UnknownInstance)?;
    let fits = |events: &Vec<String>| {
        (1..=EVENTS_MAX).contains(&events.len()) && events.iter().all(|e| decoder.is_event_name(e))
    };
    let mut events = events
        .or_else(|| Some(theirs).filter(fits))
        .unwrap_or_else(|| {
            decoder
                .default_events()
                .iter()
                .map(|e| (*e).into())
                .collect()
        });
    events.sort_unstable();
    events.dedup();
    Ok(ConnectRequest {
        owner: wish.owner,
        provider,
        host: Some(wish.instance.host.clone()),
        full_name: listed.repository.full_name,
        events,
        setup_webhook: true,
        credential: place.credentials.first().map(|usable| usable.id()),
        replaces: None,
        adopts: Some((wish.hook, wish.fingerprint)),
    })
}
