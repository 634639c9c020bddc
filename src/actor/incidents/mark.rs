//! The mark that limits the reach of an end.

use crate::domain::lane::Lane;
use crate::domain::run::{RunEvent, Twin};

/// The mark that limits the reach of an end: the entry of a merge queue, the commit of a suite.
pub(super) fn mark(event: &RunEvent) -> u64 {
    match (&event.facts.lane, event.twin) {
        (Lane::Queue { number, .. }, _) => *number,
        (_, Twin::OfRun) => {
            let digits = event.facts.commit_sha.get(..15);
            let mark = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            mark.unwrap_or(event.provider_run_id)
        }
        (_, Twin::None | Twin::Suite(_)) => 0,
    }
}
