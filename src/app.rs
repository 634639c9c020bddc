//! The composition root: the only place that names concrete adapters and puts them together.

mod adapters;
mod census;
mod disk;
pub mod doctor;
mod events;
mod failure;
mod forwarding;
mod listening;
mod providers;
mod series;
mod start;
mod stored;
mod watchdog;

pub use crate::store::tools as store_tools;
pub use adapters::{SteadyClock, SystemClock, SystemEntropy};
pub use events::{default_events, is_event};
pub use failure::StartError;
pub use forwarding::Forwarding;
pub use start::App;

use crate::config::Config;
use crate::seal::ring::MasterKey;
use crate::telemetry;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

/// A new master key, as it stands in a configuration.
pub fn new_master_key() -> Zeroizing<String> {
    MasterKey::generate(&SystemEntropy).to_text()
}

/// Asks the system for as many open files as it lets us have: each connection is one, and the
/// usual 1,024 are fewer than we serve.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the open file limit cannot be raised");
    }
}

/// Runs the daemon until SIGTERM or SIGINT, or until its server has stopped.
pub fn serve(config: Config) -> Result<(), StartError> {
    telemetry::init_logs(config.log.json, &config.log.level).map_err(StartError::Log)?;
    raise_open_files();
    for warning in &config.warnings {
        tracing::warn!("configuration: {warning}");
    }
    actix::System::new().block_on(async move {
        // First the handlers, then the word that we are ready: a stop in between must not be lost.
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signal)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signal)?;
        let public_url = config.server.public_url.clone();
        let mut app = App::start(config).await?;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, address = %app.address(), public_url, "serving");
        // Without systemd there is nothing to notify.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        app.be_watched();
        let ended = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            error = app.ended() => Err(error),
        };
        tracing::info!("stopping");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        app.stop().await;
        tracing::info!("stopped");
        ended
    })
}
