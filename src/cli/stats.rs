//! `hookherd stats`: totals.

use super::failed::CommandResult;
use super::session::Session;

pub(super) fn run(session: &Session) -> CommandResult {
    session.printer.record(&session.client()?.get("stats")?);
    Ok(())
}
