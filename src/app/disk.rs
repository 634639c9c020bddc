//! The disk that holds the data directory.

use crate::domain::trouble::Space;
use std::path::Path;

/// Its space; `None` when it cannot be measured.
pub(super) fn space(dir: &Path) -> Option<Space> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(Space {
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        total: disk.f_blocks.saturating_mul(disk.f_frsize),
    })
}
