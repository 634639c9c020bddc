//! Where the parts of a store lie in its directory.

use std::path::{Path, PathBuf};

pub(in crate::store) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join("journal")
}

pub(in crate::store) fn view_dir(dir: &Path) -> PathBuf {
    dir.join("view")
}

pub(in crate::store) fn snapshot_dir(dir: &Path) -> PathBuf {
    dir.join("snapshots")
}
