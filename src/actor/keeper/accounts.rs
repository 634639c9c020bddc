//! Credentials come, go, and are shared.

use super::refresh::grant_of;
use super::reject::resolved;
use super::{Turn, seal};
use crate::actor::handle::told;
use crate::actor::shared::World;
use crate::actor::{Command, CommandError, ConnectError, Offer};
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::grant::Grant;
use crate::domain::id::{CredentialId, UserId};
use crate::domain::incident::{Resolution, Subject};
use crate::domain::lifecycle::Failure;
use crate::domain::repo::Instance;
use crate::domain::secret::Sealed;
use crate::domain::user::{Account, Credential};
use crate::domain::wording;
use crate::provider::{Access, Identity, ProviderError};
use crate::seal::TokenField;
use crate::store::{Batch, Change, CommitError, Guard, ReadError};
use std::sync::atomic::Ordering;

/// Stores what a user offers, once the provider said whose it is. The same account, known by the
/// provider's number, becomes the same credential: what it rests on is replaced in place.
pub(in crate::actor) async fn add(
    world: &World,
    owner: UserId,
    instance: Instance,
    offer: Offer,
) -> Result<Credential, ConnectError> {
    let identity = identity(world, owner, &instance, &offer)
        .await
        .map_err(told)?;
    let _one_at_a_time = world.keeper.adding.lock().await;
    let known = same_account(world, owner, &instance, &identity.account, &offer)?;
    let Some(known) = known else {
        let now = world.now();
        let id = CredentialId::generate(world.clock.now_for_id(), &*world.entropy);
        let blank = Credential {
            id,
            owner,
            instance,
            account: identity.account,
            scopes: identity.scopes,
            grant: Grant::Token {
                token: Sealed(Vec::new()),
            },
            is_shared: false,
            created_at: now,
            rejected: None,
        };
        let credential = with(world, blank, &offer);
        let batch = Batch::of(vec![Change::PutCredential(credential.clone())]);
        let batch = batch.guarded_by(Guard::OwnerPresent(owner));
        world.store.commit(batch).await?;
        return Ok(credential);
    };
    let slot = world.keeper.slot(known);
    let mut turn = slot.turn().await?;
    let Some(present) = world.store.credential(known).await? else {
        return Err(ConnectError::NoCredential);
    };
    let renewed = Credential {
        account: identity.account,
        scopes: identity.scopes,
        rejected: None,
        ..present
    };
    let credential = with(world, renewed, &offer);
    let ended = resolved(world, known, Resolution::Recovered)?;
    let put = [Change::PutCredential(credential.clone())];
    let batch = Batch::of(put.into_iter().chain(ended).collect());
    let batch = batch.guarded_by(Guard::OwnerPresent(owner));
    world.store.commit(batch).await?;
    slot.install(None);
    slot.is_unproven.store(false, Ordering::Relaxed);
    *turn = Turn::default();
    Ok(credential)
}

async fn identity(
    world: &World,
    owner: UserId,
    instance: &Instance,
    offer: &Offer,
) -> Result<Identity, ProviderError> {
    let unknown = || {
        let words = wording::OFFER_NOT_CONFIGURED;
        ProviderError::refused(Failure::Rejected, ErrorCode::NotConfigured, words)
    };
    let token = match offer {
        Offer::Token(token) => token,
        Offer::Oauth(tokens) => &tokens.access,
        Offer::Installation(id) => {
            let apps = world.providers.apps(instance).ok_or_else(unknown)?;
            let found = apps.installation(*id, Errand::of_person(owner)).await?;
            return Ok(Identity {
                account: found.account,
                scopes: found.rights,
            });
        }
    };
    let hooks = world.providers.hooks(instance).ok_or_else(unknown)?;
    let access = Access {
        instance: instance.clone(),
        token: token.clone(),
        errand: Errand::of_person(owner),
    };
    hooks.identity(&access).await
}

/// The credential that the offer renews: of the same account, and of the same kind or dead. A user
/// may have several tokens of one account, so one that works is left alone by another.
fn same_account(
    world: &World,
    owner: UserId,
    instance: &Instance,
    account: &Account,
    offer: &Offer,
) -> Result<Option<CredentialId>, ReadError> {
    let is_renewed = |c: &Credential| match (&c.grant, offer) {
        (Grant::Oauth(_), Offer::Oauth(_)) => true,
        (Grant::App { installation }, Offer::Installation(id)) => installation == id,
        (Grant::Token { .. } | Grant::Oauth(_), Offer::Token(_) | Offer::Oauth(_)) => {
            c.rejected.is_some()
        }
        (Grant::App { .. }, Offer::Token(_) | Offer::Oauth(_))
        | (Grant::Token { .. } | Grant::Oauth(_), Offer::Installation(_)) => false,
    };
    let credentials = world.store.credentials(owner).ready()?.into_iter();
    let mut same: Vec<Credential> = credentials
        .filter(|c| c.instance == *instance && c.account.id == account.id && is_renewed(c))
        .collect();
    // One of the same kind first.
    same.sort_by_key(|c| !is_of_kind(&c.grant, offer));
    Ok(same.first().map(|c| c.id))
}

const fn is_of_kind(grant: &Grant, offer: &Offer) -> bool {
    matches!(
        (grant, offer),
        (Grant::Token { .. }, Offer::Token(_))
            | (Grant::Oauth(_), Offer::Oauth(_))
            | (Grant::App { .. }, Offer::Installation(_))
    )
}

/// The credential, resting on what is offered.
fn with(world: &World, credential: Credential, offer: &Offer) -> Credential {
    let grant = match offer {
        Offer::Token(token) => Grant::Token {
            token: seal(world, &credential, TokenField::Token, token),
        },
        Offer::Oauth(tokens) => Grant::Oauth(grant_of(world, &credential, tokens)),
        Offer::Installation(id) => Grant::App { installation: *id },
    };
    Credential {
        grant,
        ..credential
    }
}

/// Forgets a credential. Its incident is over.
pub(in crate::actor) async fn remove(world: &World, id: CredentialId) -> Result<(), CommitError> {
    let slot = world.keeper.slot(id);
    let _turn = slot.turn().await?;
    // What cannot be read cannot be ended; the credential goes all the same.
    let ended = resolved(world, id, Resolution::Disconnected).unwrap_or_default();
    let changes = [Change::DeleteCredential(id)].into_iter().chain(ended);
    world.store.commit(Batch::of(changes.collect())).await?;
    world.keeper.forget(id);
    Ok(())
}

/// Shares a credential with the connections of other users, or no longer.
pub(in crate::actor) async fn set_shared(
    world: &World,
    id: CredentialId,
    is_shared: bool,
) -> Result<Credential, CommandError> {
    let slot = world.keeper.slot(id);
    let _turn = slot.turn().await?;
    let present = world.store.credential(id).await?;
    let present = present.ok_or(CommandError::NoSuchSubject)?;
    let credential = Credential {
        is_shared,
        ..present
    };
    let changes = vec![Change::PutCredential(credential.clone())];
    world.store.commit(Batch::of(changes)).await?;
    Ok(credential)
}

/// Acknowledges or resolves the incident of a credential.
pub(in crate::actor) async fn command(
    world: &World,
    id: CredentialId,
    command: Command,
) -> Result<(), CommandError> {
    let slot = world.keeper.slot(id);
    let _turn = slot.turn().await?;
    let (Command::Acknowledge(incident) | Command::Resolve(incident)) = command else {
        return Err(CommandError::NotNow("that is nothing for a credential"));
    };
    let found = world.store.incident(incident).await?;
    let mut found = found
        .filter(|i| i.subject == Subject::Credential(id))
        .ok_or(CommandError::NoSuchSubject)?;
    let is_news = if matches!(command, Command::Acknowledge(_)) {
        let acknowledged = found.acknowledge(world.now());
        acknowledged.map_err(|_| CommandError::NotNow(wording::INCIDENT_RESOLVED))?
    } else {
        found.resolve(Resolution::ByHand, world.now())
    };
    if !is_news {
        return Ok(());
    }
    let changes = vec![Change::PutIncident(Box::new(found))];
    world.store.commit(Batch::of(changes)).await?;
    Ok(())
}
