//! `hookherd serve`.

use super::{Failed, Outcome};
use crate::app;
use crate::config::Config;
use std::path::Path;

pub(super) fn run(file: Option<&Path>) -> Outcome {
    let config = Config::load(file)?;
    app::serve(config).map_err(|error| Failed(error.to_string()))
}
