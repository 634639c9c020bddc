//! `hookherd openapi`.

use super::failed::CommandResult;
use crate::api::OPENAPI;
use std::io::Write;

pub(super) fn run() -> CommandResult {
    std::io::stdout().write_all(OPENAPI.as_bytes())?;
    Ok(())
}
