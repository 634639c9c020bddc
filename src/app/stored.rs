//! Opening the store, and what must be in it before anything else is done.
//!
//! Nothing is made only because it is absent: in a store that is damaged, absence means nothing.

use super::adapters::SteadyClock;
use super::failure::StartError;
use super::store_tools;
use crate::api::Admin;
use crate::config::Config;
use crate::domain::id::{Entropy, UserId};
use crate::domain::time::Clock;
use crate::domain::user::{ADMIN_NAME, User};
use crate::seal::Seal;
use crate::seal::ring::{canary_fits, make_canary};
use crate::store::disk::{DiskStore, Environment, OpenReport, Options, Retention};
use crate::store::{Batch, Change, CommitError, Conflict, Guard, Read, Store};
use crate::telemetry::metric;
use metrics::gauge;
use std::sync::Arc;

/// A store, and what was found as it was opened.
pub(super) struct Opened {
    pub(super) store: Arc<DiskStore>,
    report: OpenReport,
    /// Whether the loss of data was accepted.
    is_loss_accepted: bool,
}

/// Opens the store. From then on the clock does not go behind what the store has seen.
pub(super) fn open(config: &Config, clock: &SteadyClock) -> Result<Opened, StartError> {
    let options = Options {
        retention: Retention {
            max_age: config.retention.max_age,
            max_bytes: config.retention.max_bytes,
            floor_per_connection: config.retention.floor_per_connection,
            history_max_age: config.retention.history_max_age,
            guards_max_age: config.retention.guards_max_age,
            ..Retention::default()
        },
        require_existing: config.server.require_existing_store,
        accept_loss: config.server.accept_data_loss,
        environment: Environment {
            floor: clock.floor(),
            ..Environment::default()
        },
        ..Options::default()
    };
    let dir = &config.server.data_dir;
    let (store, report) = DiskStore::open(dir, &options)?;
    if let Some(newest) = store.newest_id_at()? {
        clock.begin_ids_after(newest);
    }
    log_report(config, &report);
    Ok(Opened {
        store: Arc::new(store),
        report,
        is_loss_accepted: config.server.accept_data_loss,
    })
}

/// Says what was found, each in its own line.
fn log_report(config: &Config, report: &OpenReport) {
    let dir = config.server.data_dir.display();
    if let Some(id) = report.store {
        gauge!(metric::STORE, "id" => id.to_string()).set(1.0);
        let seconds = u64::try_from(id.created_at().0 / 1000).unwrap_or(0);
        gauge!(metric::BORN).set(metric::float(seconds));
        tracing::info!(
            store.id = %id,
            batches = report.batches,
            torn_bytes = report.torn_bytes,
            took = ?report.took,
            rebuilt = report.is_rebuilt,
            "store opened"
        );
    }
    if report.is_new {
        tracing::warn!(
            "{dir} had no store: created a new one. If there should be one, its disk may not \
             be mounted (server.require_existing_store refuses to start then)"
        );
    }
    if !report.loose.is_empty() {
        let (count, first) = (report.loose.len(), report.loose[0].display());
        tracing::warn!(
            count,
            %first,
            "the data directory was readable by others; its permissions are corrected"
        );
    }
    for what in &report.harmed {
        tracing::error!("{what} was damaged; it was rebuilt or skipped, and nothing is lost");
    }
    for what in &report.lost {
        tracing::error!("accepted as lost: {what}");
    }
    for damage in &report.damage {
        let (segment, from, to) = (damage.segment, damage.from, damage.to);
        tracing::error!(
            segment,
            from,
            to,
            "the journal is damaged here; the rest is served"
        );
    }
}

/// A store that was sealed with another key is left alone: opening it would already write.
pub(super) fn check_key_of_closed(config: &Config, seal: &dyn Seal) -> Result<(), StartError> {
    match store_tools::canary(&config.server.data_dir)? {
        Some(canary) if !canary_fits(seal, &canary) => Err(StartError::WrongKey),
        Some(_) | None => Ok(()),
    }
}

impl Opened {
    /// Leaves a canary that is sealed with the newest key. It is the first record of every store.
    pub(super) async fn check_key(&self, seal: &dyn Seal) -> Result<(), StartError> {
        match self.store.canary().await? {
            Some(canary) if !canary_fits(seal, &canary) => return Err(StartError::WrongKey),
            Some(canary) if seal.is_current(&canary) => return Ok(()),
            None if !self.report.is_empty && !self.is_loss_accepted => {
                return Err(StartError::Absent(
                    "the proof that the master key is the right one",
                ));
            }
            Some(_) | None => {}
        }
        let canary = Change::PutCanary(make_canary(seal));
        Ok(self.store.commit(Batch::of(vec![canary])).await?)
    }

    /// The user that the configured admin token stands for; made when there never was one.
    pub(super) async fn admin(
        &self,
        config: &Config,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Option<Admin>, StartError> {
        let Some(token) = &config.admin_token else {
            if self.store.user_by_name(ADMIN_NAME).await?.is_none() {
                tracing::warn!(
                    "no admin token, so no first user can be added: set HOOKHERD_ADMIN_TOKEN \
                     and restart"
                );
            }
            return Ok(None);
        };
        if let Some(user) = self.store.user_by_name(ADMIN_NAME).await? {
            return Ok(Some(Admin::new(user.id, token)));
        }
        if !self.report.is_whole() && !self.is_loss_accepted {
            return Err(StartError::Absent("the user admin"));
        }
        let id = UserId::generate(clock.now_for_id(), entropy);
        let user = User {
            id,
            name: ADMIN_NAME.to_owned(),
            is_admin: true,
            created_at: clock.now(),
            removal: None,
        };
        let name = ADMIN_NAME.to_owned();
        let batch = Batch::of(vec![Change::PutUser(user)]).guarded_by(Guard::NewUser { name });
        match self.store.commit(batch).await {
            Ok(()) => Ok(Some(Admin::new(id, token))),
            Err(CommitError::Conflict(Conflict::User(id))) => Ok(Some(Admin::new(id, token))),
            Err(error) => Err(error.into()),
        }
    }
}
