//! Ballast: a file that does nothing but hold space that can be given back.

use crate::store::files;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The ballast of a store.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    bytes: u64,
    is_released: bool,
}

/// Free bytes of the file system that holds `path`, as far as this process may use them.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let stat = statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Takes space for a file that is empty.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // Not every file system can: then it is written. Without ballast all deliveries would be
        // refused.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(file, bytes),
        done => Ok(done?),
    }
}

fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(0xA5).take(bytes), &mut file).map(drop)
}

impl Ballast {
    /// Ballast in `dir`: `bytes`, but never more than a twentieth of what is free.
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        let path = dir.join("ballast");
        // A file that has another name as well is not ours alone.
        let there = std::fs::symlink_metadata(&path)
            .ok()
            .filter(|meta| meta.is_file() && meta.nlink() == 1)
            .map_or(0, |meta| meta.len());
        let free = free_bytes(dir).unwrap_or(0);
        let bytes = if there > 0 {
            there
        } else {
            bytes.min(free / 20)
        };
        let mut ballast = Self {
            path,
            bytes,
            is_released: false,
        };
        if there == 0 && !ballast.take_space() {
            ballast.is_released = true;
        }
        ballast
    }

    fn take_space(&self) -> bool {
        if self.bytes == 0 {
            return false;
        }
        let made = files::unlink(&self.path).and_then(|()| files::create_new(&self.path));
        let made = made.is_ok_and(|file| reserve(&file, self.bytes).is_ok());
        if !made {
            drop(std::fs::remove_file(&self.path));
        }
        made
    }

    /// Whether the space was given up, so that only our own work may use what is left.
    pub(super) const fn is_released(&self) -> bool {
        self.is_released
    }

    /// Gives the space up. Returns whether there was any to give.
    pub(super) fn release(&mut self) -> bool {
        let gave = !self.is_released && std::fs::remove_file(&self.path).is_ok();
        self.is_released = true;
        gave
    }

    /// Gives the space up before the disk is full to the last byte, and takes it back as soon as
    /// there is plenty.
    pub(super) fn watch(&mut self, is_healthy: bool) {
        let dir = self.path.parent().unwrap_or(&self.path);
        let Some(free) = free_bytes(dir) else { return };
        if !self.is_released {
            if free < LOW_BYTES {
                tracing::error!(free, "the disk is almost full: deliveries are refused");
                self.release();
            }
            return;
        }
        let wanted = self.bytes.saturating_mul(4).max(self.bytes + 2 * LOW_BYTES);
        if is_healthy && free > wanted && (self.bytes == 0 || self.take_space()) {
            self.is_released = false;
            tracing::warn!("disk space is available again: deliveries are accepted");
        }
    }
}

/// With less than this free deliveries are refused. sled takes half a mebibyte at a time and does
/// not survive it when there is none.
const LOW_BYTES: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_taken_with_and_without_the_help_of_the_file_system() {
        use std::os::unix::fs::MetadataExt;
        const BYTES: u64 = 1 << 20;
        for take in [reserve, fill] {
            let file = tempfile::tempfile().unwrap();
            take(&file, BYTES).unwrap();
            file.sync_all().unwrap();
            let meta = file.metadata().unwrap();
            assert_eq!(meta.len(), BYTES);
            assert!(meta.blocks() * 512 >= BYTES, "it is a hole");
        }
    }

    #[test]
    fn what_its_name_leads_to_is_left_alone() {
        use std::os::unix::fs::{MetadataExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (precious, ballast) = (dir.path().join("precious"), dir.path().join("ballast"));
        std::fs::write(&precious, "precious").unwrap();
        for is_soft in [false, true] {
            if is_soft {
                symlink(&precious, &ballast).unwrap();
            } else {
                std::fs::hard_link(&precious, &ballast).unwrap();
            }
            assert!(!Ballast::new(dir.path(), 4096).is_released());
            let meta = std::fs::symlink_metadata(&ballast).unwrap();
            assert!(meta.is_file() && meta.nlink() == 1 && meta.len() == 4096);
            assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
            std::fs::remove_file(&ballast).unwrap();
        }
    }

    #[test]
    fn what_is_given_up_is_taken_back_when_there_is_plenty() {
        let dir = tempfile::tempdir().unwrap();
        let mut ballast = Ballast::new(dir.path(), 4096);
        let file = dir.path().join("ballast");
        assert!(!ballast.is_released() && file.exists());
        assert!(ballast.release() && ballast.is_released() && !file.exists());
        assert!(!ballast.release(), "there is nothing more to give");
        ballast.watch(false);
        assert!(
            ballast.is_released(),
            "not while the journal cannot be written"
        );
        ballast.watch(true);
        assert!(!ballast.is_released() && file.exists());
    }
}
