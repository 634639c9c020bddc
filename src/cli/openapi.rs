//! `hookherd openapi`.

use super::Outcome;
use crate::api::openapi::DOCUMENT;
use std::io::Write;

pub(super) fn run() -> Outcome {
    std::io::stdout().write_all(DOCUMENT.as_bytes())?;
    Ok(())
}
