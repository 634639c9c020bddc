//! A look at a store that is not open: which one it is, and whether it would be started.

use super::super::disk::{
    Identity, IdentityRead, Lock, Log, OpenError, harmed_snapshots, view_dir, written_time,
};
use super::super::view::{Marker, MarkerRead, is_as_left};
use crate::domain::id::StoreId;
use crate::domain::time::Timestamp;
use std::path::Path;

/// The id of the store in `dir`; `None` when it has none, as in version 0.1. It may be open.
pub fn identity(dir: &Path) -> Option<StoreId> {
    match Identity::read(dir) {
        IdentityRead::Good(identity) => Some(identity.id),
        IdentityRead::None | IdentityRead::Harmed => None,
    }
}

/// The time that the store has seen and trusts, as last written down; `None` where none is. It may
/// be open.
pub fn trusted_time(dir: &Path) -> Option<Timestamp> {
    written_time(dir)
}

/// What the next start would find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What is gone: the daemon would not start.
    pub missing: Vec<String>,
    /// What is harmed and would be rebuilt or left aside, or is damaged and would be reported.
    pub harmed: Vec<String>,
}

/// Looks at a store that is not open, and changes nothing.
pub fn health(dir: &Path) -> Result<Health, OpenError> {
    let _lock = Lock::take_existing(dir)?;
    let log = Log::read(dir)?;
    let mut harmed = log.report.harmed;
    for damage in &log.report.damage {
        harmed.push(format!("the journal in segment {}", damage.segment));
    }
    harmed.extend(harmed_snapshots(dir)?);
    let is_harmed = match Marker::read(&view_dir(dir)) {
        MarkerRead::Good(marker) => !is_as_left(&view_dir(dir), &marker),
        MarkerRead::Harmed => true,
        MarkerRead::Older(_) | MarkerRead::None => false,
    };
    if is_harmed {
        harmed.push("the view".to_owned());
    }
    Ok(Health {
        missing: log.missing,
        harmed,
    })
}
