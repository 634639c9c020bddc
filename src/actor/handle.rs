//! The running actors, as outsiders hold them.

mod commands;
mod credentials;
mod operations;

use super::campaign::{Campaign, StopCampaign};
use super::connecting::Connector;
use super::connection::Cause;
use super::decoded::Ahead;
use super::interface::{
    Answering, Asking, CommandError, ConnectError, ConnectRequest, Connections, HookWish,
    Operating, Preview, Surveyed, TakeError,
};
use super::mover::{Mover, StopMoving};
use super::moves::Moves;
use super::news::{Hint, News};
use super::parked::Parked;
use super::preview::preview;
use super::quiet::QuietPings;
use super::registry::Registry;
use super::release::release;
use super::removal::{Begun, Remover, StopRemoving};
use super::router::{Alive, Hints, Look, Router};
use super::secrets;
use super::services::Services;
use super::settings::Settings;
use super::survey;
use super::sweeper::{StopSweeping, Sweeper};
use super::timers::Timers;
use crate::credentials::{Offer, Pool, Ports, ResealError};
use crate::domain::command::Command;
use crate::domain::connection::Connection;
use crate::domain::delivery::Delivery;
use crate::domain::errand::Priority;
use crate::domain::event::Decoded;
use crate::domain::id::{
    ConnectionId, CredentialId, DeliveryId, IncidentId, OperationId, OwnerId, UserId,
};
use crate::domain::incident::Subject;
use crate::domain::incident::care::Act;
use crate::domain::operation::Operation;
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::{Intervals, Pace};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{Instance, Repository};
use crate::domain::rotation::{SecretNumber, Signer};
use crate::domain::user::Credential;
use crate::provider::{TakenAway, Target};
use crate::store::CommitError;
use actix::prelude::*;
use futures_util::future::{join, join3};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Has the connections begin, fires their timers, and watches over the providers.
fn tick(registry: Arc<Registry>, connections: Vec<ConnectionId>) -> tokio::task::AbortHandle {
    let releasing = release(&registry.services);
    let ticking = actix::spawn(async move {
        let fire = |(id, timer), at| {
            registry.tell(id, Cause::Fired(timer, at));
        };
        let services = &registry.services;
        let firing = services.timers.run(fire);
        let watching = join(Arc::clone(&services.pool).watch(), releasing);
        let beginning = async {
            // Before anything is scheduled: how often depends on it.
            services.pool.weigh_all().await;
            registry.begin_all(connections).await;
        };
        join3(firing, beginning, watching).await;
    });
    ticking.abort_handle()
}

/// The running actors.
#[derive(Clone)]
pub struct Actors {
    services: Arc<Services>,
    registry: Arc<Registry>,
    router: Addr<Router>,
    news: Arc<News>,
    sweeper: Addr<Sweeper>,
    mover: Addr<Mover>,
    remover: Addr<Remover>,
    campaign: Addr<Campaign>,
    ticking: tokio::task::AbortHandle,
}

impl std::fmt::Debug for Actors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Actors({})", self.registry.len())
    }
}

impl Actors {
    /// Starts the router on this thread. `connections` are all that are stored; their actors begin
    /// one after the other. Needs a running actix system.
    pub fn start(ports: Ports, settings: Settings, connections: Vec<ConnectionId>) -> Self {
        let ports = Arc::new(ports);
        let (pool, deaths) = Pool::new(Arc::clone(&ports), settings.token_expiry_notice);
        let services = Arc::new(Services {
            started_at: ports.now(),
            quiet_pings: QuietPings::default(),
            ports,
            settings,
            pool,
            moves: Moves::default(),
            news: Arc::default(),
            timers: Timers::default(),
            parked: Parked::default(),
            ahead: Ahead::default(),
            changes: watch::Sender::new(()),
        });
        let registry = Registry::new(Arc::clone(&services), &connections);
        let news = Arc::clone(&services.news);
        let router = Router::new(Arc::clone(&registry), Arc::clone(&news)).start();
        let ticking = tick(Arc::clone(&registry), connections);
        let sweeper = Sweeper::start_on(Arc::clone(&services), Arc::clone(&registry), deaths);
        let mover = Mover::new(Arc::clone(&services), Arc::clone(&registry)).start();
        let remover = Remover::new(Arc::clone(&services), Arc::clone(&registry)).start();
        let campaign = Campaign::new(Arc::clone(&services), Arc::clone(&registry)).start();
        Self {
            services,
            registry,
            router,
            news,
            sweeper,
            mover,
            remover,
            campaign,
            ticking,
        }
    }

    /// What the actors work with, for others that call the providers for connections.
    pub fn tools(&self) -> (Arc<Ports>, Arc<Pool>) {
        let services = &self.services;
        (Arc::clone(&services.ports), Arc::clone(&services.pool))
    }

    /// Seals the tokens of all credentials with the newest key; see [`Pool::reseal`].
    pub async fn reseal(&self) -> Result<(), ResealError> {
        self.services.pool.reseal().await
    }

    /// Stops all actors, once no refresh of a grant is running. The store still completes running
    /// commits.
    pub async fn stop(&self) {
        self.sweeper.do_send(StopSweeping);
        self.mover.do_send(StopMoving);
        self.remover.do_send(StopRemoving);
        self.campaign.do_send(StopCampaign);
        self.ticking.abort();
        self.services.pool.rest().await;
        self.registry.close();
    }

    /// Drops every address, so that the actors end where they are: what a crash does to them.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        self.sweeper.do_send(StopSweeping);
        self.mover.do_send(StopMoving);
        self.remover.do_send(StopRemoving);
        self.campaign.do_send(StopCampaign);
        self.ticking.abort();
        self.registry.kill();
    }

    /// Whether the actor of a connection does not run; `None` when there is none.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self, id: ConnectionId) -> Option<bool> {
        self.registry.is_at_rest(id)
    }

    /// What the actors share.
    #[cfg(test)]
    pub(super) const fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Has the router take note of something that ingress says of a connection.
    fn hint(&self, id: ConnectionId, note: impl FnOnce(&mut Hint)) {
        if self.news.note_hint(id, note) {
            self.router.do_send(Hints);
        }
    }

    /// Whether the router handles what it is sent. Resolves when it has: never, should it hang.
    pub async fn is_routing(&self) -> bool {
        self.router.send(Alive).await.is_ok()
    }

    /// The router takes its next message, and is never done with it.
    #[cfg(test)]
    pub(super) fn stall_router(&self) {
        self.router.do_send(super::router::Stall);
    }

    /// The number of connections that have an actor, running or at rest.
    pub fn len(&self) -> usize {
        self.registry.len()
    }

    /// How many hooks still deliver to a former public address.
    #[cfg(test)]
    pub fn hooks_to_move(&self) -> usize {
        self.services.moves.count()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until no provider call of the connection is outstanding, at most for `within`.
    pub(super) async fn settled(&self, id: ConnectionId, within: Duration) -> bool {
        self.registry.settled(id, within).await
    }

    async fn connect_now(&self, request: ConnectRequest) -> Result<Connection, ConnectError> {
        let connector = Connector {
            services: Arc::clone(&self.services),
            registry: Arc::clone(&self.registry),
            priority: Priority::Person,
        };
        let connection = connector.connect(request).await?;
        let (id, wait) = (connection.id, self.services.settings.connect_wait);
        self.settled(id, wait).await;
        let stored = self.services.ports.store.connection(id).await?;
        Ok(stored.unwrap_or(connection))
    }
}

impl Connections for Actors {
    fn connect(&self, request: ConnectRequest) -> Answering<'_, Connection, ConnectError> {
        Box::pin(self.connect_now(request))
    }

    fn ask(&self, asking: Asking) -> Answering<'_, Command, CommandError> {
        Box::pin(self.ask_now(asking, None))
    }

    fn preview(&self, delivery: DeliveryId) -> Answering<'_, Preview, CommandError> {
        Box::pin(preview(&self.services, delivery))
    }

    fn operate(&self, operating: Operating) -> Answering<'_, Operation, CommitError> {
        Box::pin(self.operate_now(operating))
    }

    fn cancel_operation(&self, id: OperationId) -> Answering<'_, Operation, CommandError> {
        Box::pin(self.cancel_operation_now(id))
    }

    fn disconnect(
        &self,
        asking: Asking,
        within: Duration,
    ) -> Answering<'_, HookOutcome, CommandError> {
        Box::pin(self.disconnect_now(asking, within))
    }

    fn decoded(&self, delivery: &Delivery, decoded: Decoded) {
        self.services.ahead.keep(delivery, decoded);
    }

    fn delivered(&self, id: ConnectionId) {
        self.services.note_change();
        if self.news.note_delivered(id) {
            self.router.do_send(Look(id));
        }
    }

    fn changes(&self) -> watch::Receiver<()> {
        self.services.changes.subscribe()
    }

    fn heard(&self, id: ConnectionId, signed_by: SecretNumber) {
        self.hint(id, |hint| {
            hint.heard.insert(signed_by);
        });
    }

    fn rejected(&self, id: ConnectionId) {
        self.hint(id, |hint| hint.rejected = hint.rejected.saturating_add(1));
    }

    fn hooks_to_move(&self, owner: OwnerId) -> Option<usize> {
        self.services.moves.count_of(owner)
    }

    fn hook_secrets(&self, connection: &Connection) -> Vec<Signer> {
        secrets::accepted(&self.services.ports, connection)
    }

    fn add_grant(
        &self,
        owner: UserId,
        instance: Instance,
        offer: Offer,
    ) -> Answering<'_, Credential, ConnectError> {
        Box::pin(self.add_grant_now(owner, instance, offer))
    }

    fn remove_credential(&self, id: CredentialId) -> Answering<'_, (), CommitError> {
        Box::pin(self.remove_credential_now(id))
    }

    fn user_removal_begun(&self, _: UserId) {
        self.remover.do_send(Begun);
    }

    fn share_credential(
        &self,
        id: CredentialId,
        is_shared: bool,
    ) -> Answering<'_, Credential, CommandError> {
        Box::pin(self.share_credential_now(id, is_shared))
    }

    fn act(
        &self,
        subject: Subject,
        incident: IncidentId,
        act: Act,
        by: UserId,
    ) -> Answering<'_, (), CommandError> {
        let pool = &self.services.pool;
        Box::pin(async move { Ok(pool.act(subject, incident, &act, by).await?) })
    }

    fn pace(&self, credential: CredentialId) -> Pace {
        let load = self.services.pool.load(credential);
        let wanted = self.services.settings.intervals();
        Pace {
            connections: load.connections,
            wanted,
            found: load.stretched(wanted),
        }
    }

    fn intervals(&self, connection: &Connection) -> Intervals {
        self.services.intervals(connection)
    }

    fn outage(&self, instance: &Instance) -> Option<ProviderOutage> {
        self.services.pool.outages().now(instance)
    }

    fn repositories<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        name: Option<&'a str>,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError> {
        Box::pin(self.repositories_now(owner, instance, name, page))
    }

    fn survey<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        target: &'a Target,
    ) -> Answering<'a, Surveyed, ConnectError> {
        Box::pin(survey::survey(&self.services, owner, instance, target))
    }

    fn reach<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        credential: CredentialId,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError> {
        let services = &self.services;
        Box::pin(survey::reach(services, owner, instance, credential, page))
    }

    fn remove_hook(&self, wish: HookWish) -> Answering<'_, TakenAway, TakeError> {
        Box::pin(async move { survey::remove(&self.services, &wish).await })
    }

    fn adopt_hook(
        &self,
        wish: HookWish,
        events: Option<Vec<String>>,
    ) -> Answering<'_, Connection, TakeError> {
        Box::pin(async move {
            let request = survey::adoption(&self.services, &wish, events).await?;
            Ok(self.connect_now(request).await?)
        })
    }
}
