//! Sign-ins that are under way: in memory, bounded, short-lived, each for one user.

mod browser;
mod shelf;

pub(super) use browser::{Nonce, Target, challenge};

use crate::domain::id::{Entropy, UserId};
use crate::domain::repo::Instance;
use crate::domain::secret::OauthSecret;
use crate::domain::time::Timestamp;
use browser::STATE_LIFE;
use data_encoding::BASE64URL_NOPAD;
use shelf::{Full, Shelf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroize;

/// Longest life of a device's code that is believed.
const DEVICE_LIFE_MAX: Duration = Duration::from_hours(1);

/// A sign-in that went to the provider's page.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    /// Where it went.
    pub(super) instance: Instance,
    /// What proves that the code is ours (PKCE).
    pub(super) verifier: OauthSecret,
    /// The hash of the nonce in the cookie of the browser that began.
    pub(super) nonce_hash: [u8; 32],
    /// Where the user continues.
    pub(super) next: Option<Target>,
}

/// A sign-in on a device.
#[derive(Debug)]
pub(super) struct Device {
    /// Where.
    pub(super) instance: Instance,
    /// What we ask with.
    pub(super) code: OauthSecret,
    /// The wait between two questions.
    pub(super) interval: Duration,
    /// Nothing is asked before.
    pub(super) next_at: Timestamp,
}

/// A device whose turn it is; two questions at a time wait for each other.
pub(super) type SharedDevice = Arc<tokio::sync::Mutex<Device>>;

/// The sign-ins in progress. Found by the hashes of their names: the timing of a look-up reveals
/// nothing.
#[derive(Debug, Default)]
pub(super) struct SignIns {
    states: Shelf<Begun>,
    devices: Shelf<SharedDevice>,
}

fn key(name: &str) -> [u8; 32] {
    *blake3::hash(name.as_bytes()).as_bytes()
}

/// An unguessable name: 256 random bits, fit for URLs.
pub(super) fn unguessable(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; 32];
    entropy.fill(&mut bytes);
    let name = BASE64URL_NOPAD.encode(&bytes);
    bytes.zeroize();
    name
}

impl SignIns {
    /// Keeps a sign-in under its state.
    pub(super) fn begin(
        &self,
        user: UserId,
        state: &str,
        begun: Begun,
        now: Timestamp,
    ) -> Result<(), Full> {
        let until = now.plus(STATE_LIFE);
        self.states.put(user, key(state), begun, until, now)
    }

    /// Takes a sign-in by its state: once, and whatever becomes of it. `None` when it is not
    /// known, used, or over.
    pub(super) fn take(&self, state: &str, now: Timestamp) -> Option<(UserId, Begun)> {
        self.states.take(&key(state), now)
    }

    /// Keeps a device's sign-in under this name.
    pub(super) fn begin_device(
        &self,
        user: UserId,
        name: &str,
        device: Device,
        lives: Duration,
        now: Timestamp,
    ) -> Result<(), Full> {
        let until = now.plus(lives.min(DEVICE_LIFE_MAX));
        let device = Arc::new(tokio::sync::Mutex::new(device));
        self.devices.put(user, key(name), device, until, now)
    }

    /// This user's device; `None` when there is none, or it is another's.
    pub(super) fn device(&self, user: UserId, name: &str, now: Timestamp) -> Option<SharedDevice> {
        let (owner, device) = self.devices.get(&key(name), now)?;
        (owner == user).then_some(device)
    }

    /// Forgets whatever this user has begun.
    pub(super) fn end_all_of(&self, user: UserId) {
        self.states.take_all_of(user);
        self.devices.take_all_of(user);
    }

    /// Forgets a device.
    pub(super) fn end_device(&self, name: &str, now: Timestamp) {
        self.devices.take(&key(name), now);
    }
}
