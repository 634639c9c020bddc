//! `hookherd serve`.

use super::failed::{CommandResult, Exit, Failed};
use crate::app;
use crate::config::Config;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Start without the missing part of the store, once: see "When a part is gone" in the
    /// operations guide. Never keep this in a service unit.
    #[arg(long)]
    accept_data_loss: bool,
}

pub(super) fn run(args: &Args, file: Option<&Path>) -> CommandResult {
    let mut config = Config::load(file).map_err(|error| {
        let failed = Failed::from(error);
        failed.exit(Exit::Configuration)
    })?;
    config.server.accept_data_loss = args.accept_data_loss;
    app::serve(config).map_err(|error| {
        let exit = if error.needs_a_person() {
            Exit::Configuration
        } else {
            Exit::Failed
        };
        Failed::new(error.to_string()).exit(exit)
    })
}
