//! `hookherd stats`: totals.

use super::Outcome;
use super::session::Session;

pub(super) fn run(session: &Session) -> Outcome {
    session.printer.record(&session.client()?.get("stats")?);
    Ok(())
}
