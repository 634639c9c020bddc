//! `hookherd serve`.

use super::failed::Exit;
use super::{Failed, Outcome};
use crate::app;
use crate::config::Config;
use std::path::Path;

pub(super) fn run(file: Option<&Path>) -> Outcome {
    let config = Config::load(file).map_err(|error| {
        let failed = Failed::from(error);
        failed.exit(Exit::Configuration)
    })?;
    app::serve(config).map_err(|error| {
        let exit = if error.needs_a_person() {
            Exit::Configuration
        } else {
            Exit::Failed
        };
        Failed::new(error.to_string()).exit(exit)
    })
}
