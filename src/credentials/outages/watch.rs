//! The watch: judges whether there is an outage, calls once a minute while one lasts, and ends it.

use super::census::Census;
use super::{Ended, Outages, Place};
use crate::credentials::pool::Pool;
use crate::domain::connection::LastError;
use crate::domain::errand::{Errand, Priority};
use crate::domain::id::ConnectionId;
use crate::domain::incident::Resolution;
use crate::domain::outage::{PROBE_EVERY, ProviderOutage, Signs, fails};
use crate::domain::repo::Instance;
use crate::provider::{Access, ProviderError, Target};
use crate::telemetry::metric;
use futures_util::future::join_all;
use metrics::counter;
use std::sync::Arc;
use std::time::Duration;

/// Connections with which it is tried to call, if a try says nothing: no credential fits, or its
/// own limit does not permit a call.
const TRIES_MAX: usize = 8;
/// The wait before what could not be read or written is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// What a call has shown.
enum Shown {
    /// The provider answers.
    Answer,
    /// It does not.
    Failure(LastError),
    /// Neither: no call was made.
    Nothing,
    /// There is no connection with which it could be called.
    NoOne,
}

/// What is to be done.
#[derive(Default)]
struct Work {
    suspects: Vec<Instance>,
    due: Vec<ProviderOutage>,
    /// When there will be more.
    next: Option<Duration>,
}

impl Outages {
    fn work(&self) -> Work {
        let now = self.ports.now();
        let mut work = Work::default();
        for (instance, place) in &mut *self.places.lock() {
            if let Some(outage) = place.lasting() {
                let wait = outage.probe_in(now);
                if wait.is_zero() {
                    work.due.push(outage.clone());
                } else {
                    work.next = Some(work.next.map_or(wait, |next| next.min(wait)));
                }
            } else if std::mem::take(&mut place.is_suspect) {
                work.suspects.push(instance.clone());
            }
        }
        work
    }

    fn edit<T>(&self, instance: &Instance, edit: impl FnOnce(&mut Place) -> T) -> T {
        edit(self.places.lock().entry(instance.clone()).or_default())
    }

    /// The count of who uses an installation, taken again if it is old.
    async fn census(&self, instance: &Instance) -> Option<Census> {
        let known = self.edit(instance, |place| place.census.clone());
        if let Some(known) = known.filter(|census| !census.is_old(self.ports.now())) {
            return Some(known);
        }
        match Census::take(&self.ports, instance, |_| {}).await {
            Ok(census) => {
                self.edit(instance, |place| place.census = Some(census.clone()));
                Some(census)
            }
            Err(error) => {
                tracing::warn!(%error, "the connections of a provider cannot be counted");
                None
            }
        }
    }

    /// Judges whether an installation has an outage.
    async fn judge(&self, instance: &Instance) {
        let Some(census) = self.census(instance).await else {
            return;
        };
        let now = self.ports.now();
        let begun = self.edit(instance, |place| {
            let since = place.signs.outage(census.users())?;
            let (error, last) = (place.error.clone()?, place.outage.as_ref());
            let mut outage = ProviderOutage::begun(instance.clone(), since, error, last, now);
            outage.connections = census.connections();
            (place.signs, place.outage) = (Signs::default(), Some(outage.clone()));
            Some(outage)
        });
        if let Some(outage) = begun {
            let (connections, error) = (outage.connections, &outage.error.message);
            tracing::error!(provider = %instance, connections, error, "provider_outage_begun");
            self.keep(&outage, Some(&census)).await;
        }
    }

    /// Stores an outage that lasts, and its incidents. What fails is repeated with the next
    /// call.
    async fn keep(&self, outage: &ProviderOutage, census: Option<&Census>) {
        if let Err(error) = self.store(outage).await {
            tracing::warn!(%error, "the outage of a provider could not be stored");
        } else if let Some(census) = census
            && let Err(error) = self.tell(outage, census).await
        {
            tracing::warn!(%error, "the incidents about an outage could not be stored");
        }
    }

    /// Ends an outage, and says so.
    async fn end(&self, mut outage: ProviderOutage, why: Resolution) {
        let (instance, at) = (outage.instance.clone(), self.ports.now());
        (outage.ended_at, outage.probed_at) = (Some(at), at);
        let mut connections = Vec::new();
        let census = Census::take(&self.ports, &instance, |c| connections.push(c.id)).await;
        if let Err(error) = self.store(&outage).await {
            // It lasts until its end is stored: a restart must not find it lasting.
            tracing::warn!(%error, "the end of an outage could not be stored");
            return;
        }
        self.edit(&instance, |place| {
            (place.signs, place.outage) = (Signs::default(), Some(outage.clone()));
            place.census = census.ok();
        });
        let lasted = at.since(outage.since).as_secs();
        tracing::info!(provider = %instance, seconds = lasted, "provider_outage_ended");
        if let Err(error) = self.resolve(&outage, why).await {
            tracing::warn!(%error, "the incidents about an outage could not be resolved");
        }
        let since = outage.since;
        // Without listeners there is no one to continue.
        let _ = self.ends.send(Arc::new(Ended {
            instance,
            since,
            at,
            connections,
        }));
    }

    /// Resolves what is left of outages that were over before this start.
    async fn tidy_up(&self) {
        let all: Vec<_> = {
            let places = self.places.lock();
            let over = places.values().filter_map(|place| place.outage.clone());
            over.filter(|outage| !outage.lasts()).collect()
        };
        for outage in all {
            if let Err(error) = self.resolve(&outage, Resolution::Recovered).await {
                tracing::warn!(%error, "the incidents about an outage could not be resolved");
            }
        }
    }
}

impl Pool {
    /// Watches over the outages of providers, forever.
    pub async fn watch(self: Arc<Self>) {
        while let Err(error) = self.outages.load().await {
            tracing::warn!(%error, "the outages of providers cannot be read");
            tokio::time::sleep(RETRY).await;
        }
        self.outages.tidy_up().await;
        loop {
            let woken = self.outages.wake.notified();
            let work = self.outages.work();
            join_all(work.suspects.iter().map(|it| self.outages.judge(it))).await;
            let is_idle = work.due.is_empty() && work.suspects.is_empty();
            join_all(work.due.into_iter().map(|it| self.probe(it))).await;
            match work.next {
                _ if !is_idle => {}
                Some(wait) => drop(tokio::time::timeout(wait, woken).await),
                None => woken.await,
            }
        }
    }

    /// Finds out whether a provider answers again.
    async fn probe(self: &Arc<Self>, mut outage: ProviderOutage) {
        let instance = outage.instance.clone();
        if self.ports.providers.hooks(&instance).is_none() {
            return self.outages.end(outage, Resolution::Disconnected).await;
        }
        // Before the call: however it ends, the next one is a minute later, also after a restart.
        outage.probed_at = self.ports.now();
        let census = self.outages.census(&instance).await;
        outage.connections = census
            .as_ref()
            .map_or(outage.connections, Census::connections);
        self.outages
            .edit(&instance, |place| place.outage = Some(outage.clone()));
        self.outages.keep(&outage, census.as_ref()).await;
        let targets = census.map(|census| census.targets);
        let shown = match targets {
            Some(targets) => self.call_one_of(&instance, &targets, outage.probes).await,
            None => Shown::Nothing,
        };
        let outcome = match &shown {
            Shown::Answer => "answered",
            Shown::Failure(_) => "failed",
            Shown::Nothing | Shown::NoOne => "not_made",
        };
        let provider = instance.provider.as_str();
        counter!(metric::PROBES, "provider" => provider, "outcome" => outcome).increment(1);
        self.outages.edit(&instance, |place| {
            place.has_no_probe = matches!(shown, Shown::Nothing);
        });
        match shown {
            Shown::Answer => self.outages.end(outage, Resolution::Recovered).await,
            Shown::NoOne => self.outages.end(outage, Resolution::Disconnected).await,
            Shown::Failure(error) => {
                outage.probes = outage.probes.saturating_add(1);
                outage.error = error;
                self.outages
                    .edit(&instance, |place| place.outage = Some(outage));
            }
            Shown::Nothing => {}
        }
    }

    /// Calls for the first of these connections that can be called for, beginning with another one
    /// each time.
    async fn call_one_of(
        self: &Arc<Self>,
        instance: &Instance,
        targets: &[ConnectionId],
        nth: u32,
    ) -> Shown {
        let first = usize::try_from(nth).unwrap_or_default() % targets.len().max(1);
        let order = targets[first..].iter().chain(&targets[..first]);
        let mut shown = Shown::NoOne;
        for target in order.take(TRIES_MAX) {
            let calling = self.call_for(instance, *target);
            shown = match tokio::time::timeout(PROBE_EVERY, calling).await {
                Ok(Shown::NoOne) => shown,
                Ok(Shown::Nothing) => Shown::Nothing,
                Ok(shown) => return shown,
                Err(_) => return Shown::Nothing,
            };
        }
        shown
    }

    /// Reads the hooks of a repository: of the calls that fail in an outage the one that says most,
    /// and that changes nothing.
    async fn call_for(self: &Arc<Self>, instance: &Instance, target: ConnectionId) -> Shown {
        let Ok(connection) = self.ports.store.connection(target).await else {
            return Shown::Nothing;
        };
        let connection = connection.filter(|c| c.instance == *instance);
        let (Some(connection), Some(hooks)) = (connection, self.ports.providers.hooks(instance))
        else {
            return Shown::NoOne;
        };
        let Ok(candidates) = self.candidates_of(&connection).await else {
            return Shown::Nothing;
        };
        let Some(credential) = candidates.first() else {
            return Shown::Nothing;
        };
        if self
            .may_call(credential.id(), instance.provider)
            .await
            .is_err()
        {
            return Shown::Nothing;
        }
        let errand = Errand {
            owner: connection.owner,
            priority: Priority::Repair,
        };
        let access = match self.access(credential.id(), errand).await {
            Ok(access) => Access {
                is_probe: true,
                ..access
            },
            Err(_) => return Shown::Nothing,
        };
        let target = Target {
            repository: connection.repository,
            full_name: connection.full_name.clone(),
        };
        let called = hooks.hooks(&access, &target).await;
        self.obey(credential.id(), &called).await;
        judge(called, self.ports.now())
    }
}

fn judge<T>(outcome: Result<T, ProviderError>, at: crate::domain::time::Timestamp) -> Shown {
    let Err(error) = outcome else {
        return Shown::Answer;
    };
    match fails(error.code) {
        Some(true) => Shown::Failure(LastError {
            code: error.code,
            message: error.message,
            at,
        }),
        Some(false) => Shown::Answer,
        None => Shown::Nothing,
    }
}
