//! `hookherd openapi`.

use super::Outcome;
use crate::api::OPENAPI;
use std::io::Write;

pub(super) fn run() -> Outcome {
    std::io::stdout().write_all(OPENAPI.as_bytes())?;
    Ok(())
}
