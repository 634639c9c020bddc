//! The wanted hook of a connection: its URL, and its secrets, encrypted and decrypted.

use crate::credentials::Ports;
use crate::domain::connection::Connection;
use crate::domain::rotation::Signer;
use crate::domain::secret::{HookSecret, Sealed};
use crate::provider::{HookSpec, Target};
use crate::seal::{Purpose, SealError};

/// The same secrets, sealed with a newer key.
#[derive(Clone, Debug)]
pub(super) struct Resealed {
    pub(super) secret: Sealed,
    /// The former ones that are accepted, in their order.
    pub(super) old: Vec<Sealed>,
}

const fn purpose(c: &Connection) -> Purpose<'_> {
    Purpose::HookSecret {
        connection: c.id,
        owner: c.owner,
        instance: &c.instance,
    }
}

fn open(ports: &Ports, c: &Connection, sealed: &Sealed) -> Result<HookSecret, SealError> {
    let plain = ports.seal.open(&purpose(c), sealed)?;
    let text = String::from_utf8(plain.to_vec()).map_err(|_| SealError::Refused)?;
    HookSecret::new(text).map_err(|_| SealError::Refused)
}

/// Seals a hook secret for a connection.
pub(super) fn seal(ports: &Ports, c: &Connection, secret: &HookSecret) -> Sealed {
    ports.seal.seal(&purpose(c), secret.expose().as_bytes())
}

/// A connection's secrets sealed again, when one is not sealed with the newest key.
pub(super) fn resealed(ports: &Ports, c: &Connection) -> Option<Resealed> {
    let old = || c.rotation.old.iter().map(|old| &old.secret);
    let is_current = |sealed: &Sealed| ports.seal.is_current(sealed);
    if is_current(&c.secret) && old().all(is_current) {
        return None;
    }
    let reseal = |sealed: &Sealed| {
        let secret = open(ports, c, sealed).ok()?;
        Some(seal(ports, c, &secret))
    };
    Some(Resealed {
        secret: reseal(&c.secret)?,
        // One that cannot be opened stays as it is.
        old: old()
            .map(|sealed| reseal(sealed).unwrap_or_else(|| sealed.clone()))
            .collect(),
    })
}

/// The secrets that may have signed a delivery now, the current one first.
pub(super) fn accepted(ports: &Ports, c: &Connection) -> Vec<Signer> {
    let old = c.rotation.old.iter().map(|old| (old.number, &old.secret));
    let all = std::iter::once((c.rotation.number, &c.secret)).chain(old);
    let open = |(number, sealed)| match open(ports, c, sealed) {
        Ok(secret) => Some(Signer { number, secret }),
        Err(error) => {
            tracing::error!(connection.id = %c.id, %error, "a hook secret cannot be opened");
            None
        }
    };
    all.filter_map(open).collect()
}

/// The hook that a connection wants; `None` when its secret cannot be opened.
pub(super) fn hook_spec(ports: &Ports, c: &Connection) -> Option<HookSpec> {
    let secret = open(ports, c, &c.secret).ok()?;
    let (base, mark) = (&ports.public_url, hook_mark(c));
    Some(HookSpec {
        url: format!("{base}{mark}"),
        mark,
        events: c.events.clone(),
        secret,
        former_events: Vec::new(),
        takes: None,
        revision: c.lifecycle.wanted,
    })
}

/// The path of a connection's hook, by which it is ours at any address.
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
