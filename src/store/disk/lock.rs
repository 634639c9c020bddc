//! One process at a time.
//!
//! Two locks are held: on the file `lock`, as every version does, and on the directory itself,
//! which is not deleted by mistake while it is used. When the file is deleted, or another put in
//! its place, it is created and locked again; if another process holds the other one, nothing is
//! accepted until that ends.

use super::log::is_vacant;
use super::report::OpenError;
use crate::store::files;
use crate::store::journal::JournalError;
use parking_lot::Mutex;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The locks of a store. Held for as long as this lives.
#[derive(Debug)]
pub(in crate::store) struct Lock {
    path: PathBuf,
    file: Mutex<File>,
    _dir: File,
}

fn take(dir: &Path, file: &File) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.display().to_string())),
        Err(TryLockError::Error(error)) => {
            Err(JournalError::at("locking the data directory", dir)(error).into())
        }
    }
}

impl Lock {
    /// Locks the store in `dir`, which is made when it is not there.
    pub(in crate::store) fn take(dir: &Path) -> Result<Self, OpenError> {
        if !dir.is_dir() {
            let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
            parent
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| files::make_dir(dir))
                .map_err(JournalError::at("creating the data directory", dir))?;
        }
        Self::take_in(dir)
    }

    /// Locks a store that is there already, without making one where there is none.
    pub(in crate::store) fn take_existing(dir: &Path) -> Result<Self, OpenError> {
        if is_vacant(dir)? {
            return Err(OpenError::Missing(dir.display().to_string()));
        }
        Self::take_in(dir)
    }

    fn take_in(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("lock");
        files::is_file(&path)?;
        let opened =
            File::open(dir).map_err(JournalError::at("opening the data directory", dir))?;
        take(dir, &opened)?;
        let file = files::open_or_create(&path);
        let file = file.map_err(JournalError::io("opening the lock file"))?;
        take(dir, &file)?;
        Ok(Self {
            path,
            file: Mutex::new(file),
            _dir: opened,
        })
    }

    /// Whether the file is still the one that is locked. Creates and locks it when it is gone;
    /// `false` when another process holds what is in its place.
    pub(in crate::store) fn keep(&self) -> bool {
        let mut ours = self.file.lock();
        let place = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let there = std::fs::symlink_metadata(&self.path).map(place);
        match (&there, ours.metadata().map(place)) {
            (Ok(there), Ok(ours)) if *there == ours => return true,
            (Err(error), _) if error.kind() != ErrorKind::NotFound => return true,
            (Ok(_) | Err(_), _) => {}
        }
        tracing::error!("the lock file was deleted or replaced; it is locked again");
        let Ok(file) = files::open_or_create(&self.path) else {
            return false;
        };
        if file.try_lock().is_err() {
            return false;
        }
        *ours = file;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_holds_also_when_its_file_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("data");
        let lock = Lock::take(&dir).unwrap();
        let is_refused = || matches!(Lock::take(&dir), Err(OpenError::InUse(_)));
        assert!(is_refused() && lock.keep());
        std::fs::remove_file(dir.join("lock")).unwrap();
        assert!(is_refused(), "the directory is locked, too");
        assert!(lock.keep() && dir.join("lock").exists() && is_refused());
        // Version 0.1 locks nothing but the file, and got hold of one.
        std::fs::remove_file(dir.join("lock")).unwrap();
        let other = File::create(dir.join("lock")).unwrap();
        other.try_lock().unwrap();
        assert!(!lock.keep());
        drop(other);
        assert!(lock.keep());
        drop(lock);
        Lock::take(&dir).unwrap();
    }

    #[test]
    fn no_link_is_followed_and_nothing_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        std::fs::write(&precious, "precious").unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&precious, data.join("lock")).unwrap();
        let told = Lock::take(&data).unwrap_err();
        assert!(told.to_string().contains("a symbolic link") && told.needs_a_person());
        std::fs::remove_file(data.join("lock")).unwrap();
        std::fs::hard_link(&precious, data.join("lock")).unwrap();
        drop(Lock::take(&data).unwrap());
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    }
}
