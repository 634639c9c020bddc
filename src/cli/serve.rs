//! `hookherd serve`.

use super::{Ended, Exit, Failed};
use crate::app;
use crate::config::Config;
use std::path::Path;

pub(super) fn run(file: Option<&Path>) -> Result<(), Ended> {
    let config = Config::load(file).map_err(|error| Ended {
        why: error.into(),
        exit: Exit::Configuration,
    })?;
    app::serve(config).map_err(|error| Ended {
        exit: if error.needs_a_person() {
            Exit::Configuration
        } else {
            Exit::Failed
        },
        why: Failed(error.to_string()),
    })
}
