//! Outages of providers: while one lasts, calls are refused at once, one call a minute finds out
//! whether it has ended, and each owner has one incident about it (ADR 32).
//!
//! What is decided is in [`crate::domain::outage`]. All that matters is stored: a restart finds the
//! same outage, with the same incidents, and does not call sooner.

mod census;
mod incidents;
mod watch;

use super::ports::Ports;
use crate::domain::connection::LastError;
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::outage::{ProviderOutage, Sign, Signs, fails};
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::time::Timestamp;
use crate::domain::wording;
use crate::domain::{error_code::ErrorCode, outage};
use crate::provider::ProviderError;
use crate::store::ReadError;
use crate::telemetry::metric;
use census::Census;
use metrics::gauge;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Notify, OnceCell, broadcast};

/// Ends that are announced and not taken notice of yet.
const ENDS_MAX: usize = 64;

/// For whom a call is made.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The installation that is called.
    pub instance: &'a Instance,
    /// The connection, if the call is for one.
    pub connection: Option<ConnectionId>,
}

/// A provider answers again.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The installation.
    pub instance: Instance,
    /// Since when it had not.
    pub since: Timestamp,
    /// When it did.
    pub at: Timestamp,
    /// The connections there.
    pub connections: Vec<ConnectionId>,
}

/// What is known of an installation.
#[derive(Debug, Default)]
struct Place {
    signs: Signs,
    /// The last outage, which may have ended.
    outage: Option<ProviderOutage>,
    /// Why the last call failed.
    error: Option<LastError>,
    /// Whether it has to be judged whether there is an outage.
    is_suspect: bool,
    /// What uses it, as last counted.
    census: Option<Census>,
    /// The last probe could not be made, for want of a credential.
    has_no_probe: bool,
}

impl Place {
    fn lasting(&self) -> Option<&ProviderOutage> {
        self.outage.as_ref().filter(|outage| outage.lasts())
    }
}

/// The outages of all providers.
pub struct Outages {
    ports: Arc<Ports>,
    places: Mutex<BTreeMap<Instance, Place>>,
    /// What is stored was read.
    known: OnceCell<()>,
    /// There is something for the watch.
    wake: Notify,
    ends: broadcast::Sender<Arc<Ended>>,
    /// Held while incidents about outages are changed.
    changing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Outages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outages").finish_non_exhaustive()
    }
}

impl Outages {
    pub(super) fn new(ports: Arc<Ports>) -> Self {
        for kind in ProviderKind::ALL {
            for instance in ports.providers.instances(kind) {
                show(instance, true);
            }
        }
        Self {
            ports,
            places: Mutex::default(),
            known: OnceCell::new(),
            wake: Notify::new(),
            ends: broadcast::Sender::new(ENDS_MAX),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// The ends of outages from now on. The awkward case: a listener that misses one learns that it
    /// missed some.
    pub fn ends(&self) -> broadcast::Receiver<Arc<Ended>> {
        self.ends.subscribe()
    }

    /// Reads what is stored, once.
    async fn load(&self) -> Result<(), ReadError> {
        let loading = async || {
            let outages = self.ports.store.outages().await?;
            let mut places = self.places.lock();
            for outage in outages {
                show(&outage.instance, !outage.lasts());
                let place = places.entry(outage.instance.clone()).or_default();
                place.outage = Some(outage);
            }
            Ok(())
        };
        self.known.get_or_try_init(loading).await?;
        Ok(())
    }

    /// The outage of an installation, if it has one. Reads what is stored, if that was not read
    /// yet.
    pub async fn of(&self, instance: &Instance) -> Option<ProviderOutage> {
        if let Err(error) = self.load().await {
            tracing::warn!(%error, "the outages of providers cannot be read");
        }
        self.now(instance)
    }

    /// The outage of an installation, as far as it is known yet.
    pub fn now(&self, instance: &Instance) -> Option<ProviderOutage> {
        self.places.lock().get(instance)?.lasting().cloned()
    }

    /// Whether an installation has an outage, as far as it is known yet.
    pub fn lasts(&self, instance: &Instance) -> bool {
        let places = self.places.lock();
        let place = places.get(instance);
        place.is_some_and(|place| place.lasting().is_some())
    }

    /// Whether an installation may be called. The error says when it will be.
    pub(super) async fn admit(&self, instance: &Instance) -> Result<(), ProviderError> {
        let Some(outage) = self.of(instance).await else {
            return Ok(());
        };
        let next = outage.probe_in(self.ports.now());
        let words = wording::outage_lasts(instance, next);
        let (code, after) = (ErrorCode::ProviderOutage, Some(outage::PROBE_EVERY));
        Err(ProviderError::retryable(code, words, after, false))
    }

    /// The same for a new credential, whose call takes the place of a probe that could not be made:
    /// without it no probe could ever show the end. Returns whether it does.
    pub(super) async fn admit_new(&self, instance: &Instance) -> Result<bool, ProviderError> {
        let Err(refused) = self.admit(instance).await else {
            return Ok(false);
        };
        let mut places = self.places.lock();
        let place = places.get_mut(instance);
        let takes_place = place.is_some_and(|place| std::mem::take(&mut place.has_no_probe));
        if takes_place { Ok(true) } else { Err(refused) }
    }

    /// Takes note of the outcome of a call.
    pub(super) fn note<T>(
        &self,
        about: About<'_>,
        credential: CredentialId,
        outcome: &Result<T, ProviderError>,
    ) {
        let error = outcome.as_ref().err();
        let Some(fails) = error.map_or(Some(false), |error| fails(error.code)) else {
            return;
        };
        // One call for no connection, repeated by a user, is no sign of an outage.
        if fails && about.connection.is_none() {
            return;
        }
        let at = self.ports.now();
        let mut places = self.places.lock();
        let place = places.entry(about.instance.clone()).or_default();
        if place.lasting().is_some() {
            return;
        }
        place.signs.note(Sign {
            at,
            connection: about.connection.unwrap_or(ConnectionId::from_u128(0)),
            credential,
            fails,
        });
        if let Some(error) = error.filter(|_| fails) {
            let (code, message) = (error.code, error.message.clone());
            place.error = Some(LastError { code, message, at });
            place.is_suspect = place.signs.are_bad();
            if place.is_suspect {
                self.wake.notify_one();
            }
        }
    }
}

/// Shows whether a provider answers.
fn show(instance: &Instance, is_up: bool) {
    let (provider, host) = (instance.provider.as_str(), instance.host.to_string());
    let up = if is_up { 1.0 } else { 0.0 };
    gauge!(metric::PROVIDER_UP, "provider" => provider, "host" => host).set(up);
}
