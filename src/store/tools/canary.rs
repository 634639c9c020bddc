//! The canary of a store that is not open: whether a master key fits is known before anything is
//! written.

use super::super::disk::{Lock, Log, OpenError, decode_canary, journal_dir, snapshot_dir};
use super::super::index::key::{Key, Kind};
use super::super::journal::{Position, scan_segment};
use super::super::record::{RecordError, decode};
use super::super::snapshot;
use crate::domain::secret::Sealed;
use std::path::Path;

/// The canary that the store in `dir` holds; `None` when it has none, or when there is no store.
/// Reads the newest whole snapshot and the journal since, and changes nothing.
pub fn canary(dir: &Path) -> Result<Option<Sealed>, OpenError> {
    let _lock = match Lock::take_existing(dir) {
        Ok(lock) => lock,
        Err(OpenError::Missing(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (from, mut canary) = in_snapshot(&snapshot_dir(dir))?;
    let log = Log::read_from(dir, from.segment)?;
    let mut is_newer = false;
    for (id, end) in log.ids.iter().zip(&log.ends) {
        let start = if *id == from.segment { from.offset } else { 0 };
        let take = |_, payload: &[u8]| match decode_canary(payload) {
            Ok(found) => canary = found.or(canary.take()),
            Err(RecordError::Newer) => is_newer = true,
            // Damage is counted when the store is opened.
            Err(RecordError::Damaged) => {}
        };
        scan_segment(&journal_dir(dir), *id, start, Some(*end), take)?;
    }
    if is_newer {
        return Err(OpenError::Newer(dir.display().to_string()));
    }
    Ok(canary)
}

/// The canary in the newest whole snapshot, and the position from which the journal continues.
fn in_snapshot(dir: &Path) -> Result<(Position, Option<Sealed>), OpenError> {
    if !dir.is_dir() {
        return Ok((Position::default(), None));
    }
    let wanted = Key::of(Kind::Canary);
    for (position, path) in snapshot::list(dir)?.into_iter().rev() {
        let (is_whole, value) = snapshot::find(&path, position, wanted.bytes())?;
        let canary = match value.map(|value| decode(&value)).transpose() {
            Err(RecordError::Newer) => return Err(OpenError::Newer(path.display().to_string())),
            Err(RecordError::Damaged) => None,
            Ok(canary) => canary,
        };
        if is_whole {
            return Ok((position, canary));
        }
    }
    Ok((Position::default(), None))
}
