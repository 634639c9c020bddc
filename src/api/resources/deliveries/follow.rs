//! Deliveries as they arrive, as server-sent events.
//!
//! The store is read again when something may have changed; the hint says no more. A delivery is
//! sent when it is first seen, and once more when it is processed. An id is made a moment before
//! its delivery is committed, so one with an older id may become visible later: each look begins
//! [`OVERLAP`] before the newest that was seen, and knows what it has sent.

use crate::api::access::Caller;
use crate::api::auth::still_good;
use crate::api::dto::DeliverySummary;
use crate::api::error::{Code, Problem};
use crate::api::me::Me;
use crate::api::query::{ActionName, EventName, Moment, RepositoryPattern, whose};
use crate::api::schema::{DeliveryStatus, OutcomeName};
use crate::api::scope::Shared;
use crate::api::server::answers::Spent;
use crate::api::server::stopping::Stopping;
use crate::domain::delivery::{Delivery, DeliveryState, Source};
use crate::domain::id::{ConnectionId, DeliveryId};
use crate::domain::repo::ProviderKind;
use crate::domain::time::Timestamp;
use crate::store::{After, DeliveryFilter, Order};
use actix_web::web::{self, Bytes};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use utoipa::IntoParams;

/// How much later than a newer one a delivery may become visible: longer than a commit takes.
const OVERLAP: Duration = Duration::from_secs(5);
/// Deliveries that are read in one look.
const PAGE: usize = 100;
/// Shortest wait between two looks: what comes in a burst is read together.
const PAUSE: Duration = Duration::from_millis(100);
/// A look may take one part in so many of the time.
const SHARE: u32 = 8;
/// Most deliveries that are remembered: the oldest that are processed are forgotten first.
const KNOWN_MAX: usize = 20_000;
/// Bytes of the budget of answers that a stream takes: what it remembers, and a page.
pub(super) const STREAM_BYTES: usize = 1024 * 1024;

/// Which deliveries are followed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct FollowQuery {
    connection_id: Option<ConnectionId>,
    repository: Option<RepositoryPattern>,
    provider: Option<ProviderKind>,
    event: Option<EventName>,
    action: Option<ActionName>,
    outcome: Option<OutcomeName>,
    state: Option<DeliveryStatus>,
    source: Option<Source>,
    /// Begin with those that arrived at this time, and not with the next one.
    since: Option<Moment>,
    /// Continue after this delivery, as with `Last-Event-ID`. Those of the last few seconds before
    /// it may be sent again.
    after: Option<DeliveryId>,
    /// End once everything that is stored was sent (`false`).
    live: Option<bool>,
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    since: Timestamp,
    is_live: bool,
}

impl FollowQuery {
    /// Where to begin; `last` is what a client that comes again has seen last.
    pub(super) fn begin(&self, last: Option<DeliveryId>, now: Timestamp) -> Begin {
        let is_live = self.live != Some(false);
        let resumed = last.or(self.after).map(|id| id.created_at().minus(OVERLAP));
        let since = self.since.as_ref().map(|Moment(at)| *at);
        let all = (!is_live).then_some(Timestamp(0));
        Begin {
            since: resumed.max(since).or(all).unwrap_or(now),
            is_live,
        }
    }

    /// Refuses a connection that is not the caller's.
    pub(super) async fn may_follow(&self, me: &Me) -> Result<(), Problem> {
        if let Some(id) = self.connection_id {
            me.owned().connection_or_removed(id).await?;
        }
        Ok(())
    }

    fn filter(self, since: Timestamp) -> DeliveryFilter {
        DeliveryFilter {
            whose: whose(self.connection_id, self.repository, self.provider),
            event: self.event.map(|EventName(name)| name),
            action: self.action.map(|ActionName(name)| name),
            outcome: self.outcome.map(OutcomeName::as_str),
            is_processed: self.state.map(|state| state == DeliveryStatus::PROCESSED),
            source: self.source,
            since: Some(since),
            until: None,
            provider_delivery_id: None,
            order: Order::OldestFirst,
        }
    }
}

/// A stream of one caller.
pub(super) struct Follow {
    shared: web::Data<Shared>,
    caller: Caller,
    stopping: Stopping,
    /// What is asked of the store: without what only processing shows.
    filter: DeliveryFilter,
    /// What is asked for in all.
    wanted: DeliveryFilter,
    changes: watch::Receiver<()>,
    is_live: bool,
    /// The next look begins after this one.
    last: Option<DeliveryId>,
    /// The newest that was seen.
    newest: Option<DeliveryId>,
    /// What was seen of late, or is not processed yet; and whether it was seen processed.
    known: BTreeMap<DeliveryId, bool>,
    /// Nothing up to this one is looked at again.
    floor: Option<DeliveryId>,
    ready: VecDeque<Bytes>,
    /// How long the looks since the last pause took.
    took: Duration,
    checked: Instant,
    _spent: Spent,
}

impl Follow {
    pub(super) fn new(
        shared: web::Data<Shared>,
        caller: Caller,
        stopping: Stopping,
        (asked, begin): (FollowQuery, Begin),
        spent: Spent,
    ) -> Self {
        let wanted = asked.filter(begin.since);
        let filter = DeliveryFilter {
            action: None,
            outcome: None,
            is_processed: None,
            ..wanted.clone()
        };
        let changes = shared.connections.changes();
        Self {
            shared,
            caller,
            stopping,
            filter,
            wanted,
            changes,
            is_live: begin.is_live,
            last: None,
            newest: None,
            known: BTreeMap::new(),
            floor: None,
            ready: VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]),
            took: Duration::ZERO,
            checked: Instant::now(),
            _spent: spent,
        }
    }

    /// What is to be sent next; `None` when the stream ends. An error breaks it off: the API token
    /// is no longer good, or the store cannot be read. The client asks again, and gets the reason.
    pub(super) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            self.changes.mark_unchanged();
            let began = Instant::now();
            let has_more = match self.look().await {
                Ok(has_more) => has_more,
                Err(problem) => return Some(Err(broken(&problem))),
            };
            self.took += began.elapsed();
            // Longest wait: with nothing to tell, a comment shows that the stream is alive.
            let alive_every = self.shared.settings.stream_alive_every;
            if self.checked.elapsed() >= alive_every {
                self.checked = Instant::now();
                if let Err(problem) = still_good(&self.shared, self.caller).await {
                    return Some(Err(broken(&problem)));
                }
                self.ready.push_back(Bytes::from_static(b": alive\n\n"));
            }
            if !self.ready.is_empty() || has_more {
                continue;
            }
            if !self.is_live {
                return None;
            }
            let pause = PAUSE.max(std::mem::take(&mut self.took) * SHARE);
            let wait = alive_every.saturating_sub(self.checked.elapsed());
            let changes = &mut self.changes;
            let news = async {
                tokio::time::sleep(pause).await;
                // An end of the actors is an end of the process.
                let _ = tokio::time::timeout(wait, changes.changed()).await;
            };
            tokio::select! {
                () = news => {}
                () = self.stopping.begun() => return None,
            }
        }
    }

    /// Reads what may be new. Returns whether more is there.
    async fn look(&mut self) -> Result<bool, Problem> {
        let shared = self.shared.clone();
        let owned = shared.owned(self.caller);
        let open = self.known.iter().filter(|(_, is_over)| !**is_over);
        let open: Vec<DeliveryId> = open.map(|(id, _)| *id).collect();
        for id in open {
            match owned.delivery(id).await {
                Ok(delivery) if is_processed(&delivery) => self.tell(&delivery).await?,
                Ok(_) => {}
                // Retention took it.
                Err(problem) if problem.code() == Code::NotFound => {
                    self.known.insert(id, true);
                }
                Err(problem) => return Err(problem),
            }
        }
        let (last, limit) = (self.last, PAGE);
        let found = owned
            .deliveries(&self.filter, After { last, limit })
            .await?;
        for delivery in &found.items {
            if !self.known.contains_key(&delivery.id) {
                self.newest = self.newest.max(Some(delivery.id));
                self.tell(delivery).await?;
            }
        }
        let low = self.forget();
        self.last = found.next.or(low);
        Ok(found.next.is_some())
    }

    /// Forgets what no look comes to again. Returns where those begin that follow.
    fn forget(&mut self) -> Option<DeliveryId> {
        let newest = self.newest?;
        let low = DeliveryId::first_at(newest.created_at().minus(OVERLAP));
        self.known.retain(|id, is_over| !*is_over || *id >= low);
        while self.known.len() > KNOWN_MAX {
            let first = self.known.pop_first().map(|(id, _)| id);
            self.floor = self.floor.max(first);
        }
        self.floor.max(Some(low))
    }

    /// Makes an event of a delivery, if it is asked for.
    async fn tell(&mut self, delivery: &Delivery) -> Result<(), Problem> {
        self.known.insert(delivery.id, is_processed(delivery));
        if !self.fits(delivery) {
            return Ok(());
        }
        let owned = self.shared.owned(self.caller);
        let name = owned.full_name(delivery.connection).await?;
        let summary = DeliverySummary::of(delivery, name.as_ref());
        let json = serde_json::to_string(&summary).expect("texts and numbers serialise");
        let id = self.newest.unwrap_or(delivery.id);
        let event = format!("id: {id}\nevent: delivery\ndata: {json}\n\n");
        self.ready.push_back(event.into());
        Ok(())
    }

    /// What the store was not asked for, because processing may change it.
    fn fits(&self, delivery: &Delivery) -> bool {
        let outcome = match &delivery.state {
            DeliveryState::Received => None,
            DeliveryState::Processed { outcome, .. } => Some(outcome.as_str()),
        };
        let (wanted, action) = (&self.wanted, delivery.action.as_ref());
        (wanted.action.as_ref()).is_none_or(|wanted| action == Some(wanted))
            && wanted.outcome.is_none_or(|wanted| outcome == Some(wanted))
            && wanted.is_processed.is_none_or(|is| is == outcome.is_some())
    }
}

fn broken(problem: &Problem) -> io::Error {
    io::Error::other(problem.to_string())
}

const fn is_processed(delivery: &Delivery) -> bool {
    match delivery.state {
        DeliveryState::Received => false,
        DeliveryState::Processed { .. } => true,
    }
}
