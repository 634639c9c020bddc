//! `hookherd simulate`.

use super::failed::CommandResult;
use super::output::Printer;
use crate::simulator::{Simulator, SimulatorConfig};
use serde_json::json;
use std::net::SocketAddr;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8099")]
    listen: SocketAddr,
}

pub(super) fn run(args: &Args, printer: Printer) -> CommandResult {
    let config = SimulatorConfig {
        listen: args.listen,
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::start(&config)?;
    let url = simulator.api_url();
    let gitlab = simulator.gitlab_api_url();
    let words = format!(
        "GitHub on {url}, GitLab on {gitlab}; control API below {url}/_sim; press Ctrl-C to \
         stop"
    );
    let answer = json!({ "api_url": url, "gitlab_api_url": gitlab });
    printer.words(&answer, &words);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(tokio::signal::ctrl_c())?;
    Ok(())
}
