//! What all actors share: the store, the seal, the providers, clock and chance.

use super::keeper::Keeper;
use super::moves::Moves;
use super::settings::Settings;
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::id::{Entropy, UserId};
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::secret::{HookSecret, Sealed};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::Credential;
use crate::provider::{HookSpec, Providers, Target};
use crate::seal::{Purpose, Seal, SealError};
use crate::store::{ReadError, Store};
use std::sync::Arc;

/// Everything that an actor needs of the world.
pub struct World {
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// Opens and seals secrets.
    pub seal: Arc<dyn Seal>,
    /// The providers.
    pub providers: Providers,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// The settings.
    pub settings: Settings,
    /// What hands out the right to make calls.
    pub keeper: Keeper,
    /// The hooks that are still at a former address.
    pub moves: Moves,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The same secrets, sealed with a newer key.
#[derive(Clone, Debug)]
pub(super) struct Resealed {
    pub(super) secret: Sealed,
    /// The one before a rotation, while it is accepted.
    pub(super) previous: Option<Sealed>,
}

impl World {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number that is uniform over all of `u64`.
    pub(super) fn chance(&self) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The URL of a connection's hook: our address, and the mark by which it is ours.
    pub(super) fn hook_url(&self, connection: &Connection) -> String {
        let (base, mark) = (&self.settings.public_url, hook_mark(connection));
        format!("{base}{mark}")
    }

    fn open_secret(&self, c: &Connection, sealed: &Sealed) -> Result<HookSecret, SealError> {
        let purpose = Purpose::HookSecret {
            connection: c.id,
            owner: c.owner,
            instance: &c.instance,
        };
        let plain = self.seal.open(&purpose, sealed)?;
        let text = String::from_utf8(plain.to_vec()).map_err(|_| SealError::Refused)?;
        HookSecret::new(text).map_err(|_| SealError::Refused)
    }

    /// Seals a hook secret for a connection.
    pub(super) fn seal_secret(&self, c: &Connection, secret: &HookSecret) -> Sealed {
        let purpose = Purpose::HookSecret {
            connection: c.id,
            owner: c.owner,
            instance: &c.instance,
        };
        self.seal.seal(&purpose, secret.expose().as_bytes())
    }

    /// A connection's secrets sealed anew, when one is not sealed with the newest key.
    pub(super) fn resealed(&self, c: &Connection) -> Option<Resealed> {
        let previous = c.previous_secret.as_ref().map(|(sealed, _)| sealed);
        let is_current = |sealed: &Sealed| self.seal.is_current(sealed);
        if is_current(&c.secret) && previous.is_none_or(is_current) {
            return None;
        }
        let anew = |sealed: &Sealed| {
            let secret = self.open_secret(c, sealed).ok()?;
            Some(self.seal_secret(c, &secret))
        };
        Some(Resealed {
            secret: anew(&c.secret)?,
            previous: previous.and_then(anew),
        })
    }

    /// The secrets that may have signed a delivery now.
    pub(super) fn hook_secrets(&self, c: &Connection) -> Vec<HookSecret> {
        let now = self.now();
        let previous = c
            .previous_secret
            .as_ref()
            .filter(|(_, until)| until.is_none_or(|u| u > now));
        let sealed = [Some(&c.secret), previous.map(|(sealed, _)| sealed)];
        let open = |sealed| match self.open_secret(c, sealed) {
            Ok(secret) => Some(secret),
            Err(error) => {
                tracing::error!(connection.id = %c.id, %error, "a hook secret cannot be opened");
                None
            }
        };
        sealed.into_iter().flatten().filter_map(open).collect()
    }

    /// The hook that a connection wants; `None` when its secret cannot be opened.
    pub(super) fn hook_spec(&self, c: &Connection) -> Option<HookSpec> {
        let secret = self.open_secret(c, &c.secret).ok()?;
        let (url, events) = (self.hook_url(c), c.events.clone());
        Some(HookSpec {
            url,
            mark: hook_mark(c),
            events,
            secret,
            revision: c.lifecycle.wanted,
        })
    }

    /// Where a provider sends users back to.
    pub(super) fn redirect_uri(&self, provider: ProviderKind) -> String {
        let base = &self.settings.public_url;
        format!("{base}/api/v2/oauth/{provider}/callback")
    }

    /// The credentials of a user for an instance that work, newest first.
    pub(super) fn usable_credentials(
        &self,
        owner: UserId,
        instance: &Instance,
    ) -> Result<Vec<Credential>, ReadError> {
        let mut credentials = self.store.credentials(owner).ready()?;
        credentials.retain(|c| c.works_for(instance));
        Ok(credentials)
    }

    /// The credentials that other users share for an instance, newest first.
    pub(super) fn shared_credentials(
        &self,
        owner: UserId,
        instance: &Instance,
    ) -> Result<Vec<Credential>, ReadError> {
        let mut credentials = self.store.shared_credentials().ready()?;
        credentials.retain(|c| c.owner != owner && c.works_for(instance));
        Ok(credentials)
    }

    /// The credentials that a connection may use, best first: the chosen one, the owner's newest,
    /// and what others share. Those come last that could not manage its hooks lately.
    pub(super) fn candidates(&self, c: &Connection) -> Result<Vec<CredentialUse>, ReadError> {
        let own = self.usable_credentials(c.owner, &c.instance)?;
        let shared = self.shared_credentials(c.owner, &c.instance)?;
        let own = own
            .iter()
            .map(|credential| CredentialUse::Own(credential.id));
        let shared = shared
            .iter()
            .map(|credential| CredentialUse::Shared(credential.id));
        let mut all: Vec<CredentialUse> = own.chain(shared).collect();
        all.sort_by_key(|usable| Some(usable.id()) != c.credential);
        all.sort_by_key(|usable| c.no_access.contains(&usable.id()));
        Ok(all)
    }
}

/// The path of a connection's hook, by which it is ours at whatever address.
pub(super) fn hook_mark(c: &Connection) -> String {
    let (provider, key) = (c.instance.provider, c.hook_key);
    format!("/api/v2/webhooks/{provider}/{key}")
}

/// What calls about a connection's repository are addressed to.
pub(super) fn target(c: &Connection) -> Target {
    Target {
        repository: c.repository,
        full_name: c.full_name.clone(),
    }
}
