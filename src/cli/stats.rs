//! `hookherd stats`: totals.

use super::CommandResult;
use super::session::Session;

pub(super) fn run(session: &Session) -> CommandResult {
    session.printer.record(&session.client()?.get("stats")?);
    Ok(())
}
