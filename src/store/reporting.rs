//! Reading what a report looks at.

use super::{After, ConnectionFilter, IncidentFilter, ReadError, Store};
use crate::domain::id::UserId;
use crate::domain::report::{Report, Reporter};
use crate::domain::time::Timestamp;

/// The newest incidents, and the newest connections, that a report looks at.
const SCANNED_MAX: usize = 20_000;
/// Records that are read at a time.
const PAGE: usize = 500;

/// The report of an owner for a time, and whether there was more than a report looks at.
pub async fn report(
    store: &dyn Store,
    owner: UserId,
    since: Timestamp,
    until: Timestamp,
) -> Result<(Report, bool), ReadError> {
    let mut reporter = Reporter::new(since, until);
    let are_all = incidents(store, owner, &mut reporter).await?;
    let are_all = histories(store, owner, &mut reporter).await? && are_all;
    Ok((reporter.finish(), !are_all))
}

/// Returns whether all of them were looked at.
async fn incidents(
    store: &dyn Store,
    owner: UserId,
    reporter: &mut Reporter,
) -> Result<bool, ReadError> {
    let filter = IncidentFilter::default();
    let mut after = After::first(PAGE);
    for _ in 0..SCANNED_MAX / PAGE {
        let found = store.incidents_of(owner, &filter, after).await?;
        for incident in &found.items {
            reporter.take(incident);
        }
        let Some(last) = found.next else {
            return Ok(true);
        };
        after.last = Some(last);
    }
    Ok(false)
}

/// Returns whether those of all connections were looked at.
async fn histories(
    store: &dyn Store,
    owner: UserId,
    reporter: &mut Reporter,
) -> Result<bool, ReadError> {
    let filter = ConnectionFilter::default();
    let mut after = After::first(PAGE);
    for _ in 0..SCANNED_MAX / PAGE {
        let found = store.connections(owner, &filter, after).await?;
        for connection in &found.items {
            if let Some(history) = store.history(connection.id).await? {
                let name = connection.full_name.as_str();
                reporter.take_history(connection.id, name, &history);
            }
        }
        let Some(last) = found.next else {
            return Ok(true);
        };
        after.last = Some(last);
    }
    Ok(false)
}
