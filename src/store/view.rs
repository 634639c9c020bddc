//! The view on disk: an ordered key-value space in sled. The only file that says `sled`.
//!
//! sled 0.34 does not survive power loss and may panic on what one leaves behind. So its files
//! are trusted only after an orderly end, which leaves a marker that names the journal position
//! they stand for; after any other end the view is made anew from snapshot and journal.
//!
//! On a full disk there may be no room to make it anew. Then it lives in memory until the next
//! start, loudly, so that the daemon starts and what is stored can be read.

use super::ReadError;
use super::index::{Entries, Kv, Scan, Write};
use super::journal::{Position, sync_dir};
use super::memory::{MemoryKv, end_of};
use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Memory that sled may use for its cache.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// How often sled writes back. `None` would turn its clean-up off.
const FLUSH_EVERY_MS: u64 = 500;
/// The marker of an orderly end.
const MARKER: &str = "clean";

/// A harmed value is at most this often a reason to make the view anew: were it harmed in the
/// journal, too, that would help nobody.
const DOUBT_EVERY: Duration = Duration::from_mins(1);

/// Where the entries are.
#[derive(Debug)]
enum Backing {
    Disk(sled::Db),
    Memory(MemoryKv),
}

/// A key-value space in sled.
#[derive(Debug)]
pub(super) struct View {
    /// `None` while it is made anew.
    db: RwLock<Option<Backing>>,
    /// Whether sled failed: after a failed write it may show less than it was given.
    has_failed: AtomicBool,
    /// When a harmed value was last a reason to make it anew.
    doubted_at: Mutex<Option<Instant>>,
    dir: PathBuf,
}

/// Why the view cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the view cannot be opened: {0}")]
pub(super) struct ViewError(String);

fn unavailable(error: &sled::Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

fn open_guarded(dir: &Path) -> Result<sled::Db, ViewError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    // sled panics on some damage where it should return an error.
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error)) => Err(ViewError(error.to_string())),
        Err(_) => Err(ViewError("sled panicked".into())),
    }
}

impl View {
    /// Opens the view that an orderly end at `position` left; `None` when there is none, or when
    /// it cannot be read. Takes the marker away: from now on only another orderly end will do.
    pub(super) fn open_clean(dir: &Path, position: Position) -> Result<Option<Self>, ViewError> {
        let marker = dir.join(MARKER);
        let expected = marker_text(position);
        if std::fs::read_to_string(&marker).ok().as_deref() != Some(&expected) {
            return Ok(None);
        }
        let io = |error: std::io::Error| ViewError(error.to_string());
        std::fs::remove_file(&marker).map_err(io)?;
        sync_dir(dir).map_err(io)?;
        Ok(open_guarded(dir).ok().map(|db| Self {
            db: RwLock::new(Some(Backing::Disk(db))),
            ..Self::at(dir)
        }))
    }

    /// A view that is still to be made, in this directory.
    pub(super) fn at(dir: &Path) -> Self {
        Self {
            db: RwLock::new(None),
            has_failed: AtomicBool::new(false),
            doubted_at: Mutex::new(None),
            dir: dir.to_owned(),
        }
    }

    /// Whether it failed, so that it has to be made anew. Until then reads are refused.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Takes over what `fresh` holds. Readers see all of it at once, and never a part.
    pub(super) fn replace(&self, fresh: Self) {
        let backing = fresh
            .db
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = backing;
        self.has_failed.store(false, Ordering::Release);
    }

    /// Deletes its files. It must be closed.
    pub(super) fn delete_files(&self) {
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the old view could not be deleted");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Closes it: until it was made anew, reads are refused.
    pub(super) fn discard(&self) {
        let db = self
            .db
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A poisoned sled may panic once more as it goes.
        if catch_unwind(AssertUnwindSafe(move || drop(db))).is_err() {
            tracing::warn!("sled panicked as it was closed");
        }
    }

    /// Begins anew with nothing in it.
    pub(super) fn make_empty(&self) -> Result<(), ViewError> {
        self.discard();
        if self.dir.exists() {
            std::fs::remove_dir_all(&self.dir).map_err(|error| ViewError(error.to_string()))?;
        }
        std::fs::create_dir_all(&self.dir).map_err(|error| ViewError(error.to_string()))?;
        let db = open_guarded(&self.dir)?;
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(Backing::Disk(db));
        Ok(())
    }

    /// Begins anew in memory; what was on disk is deleted.
    pub(super) fn make_empty_in_memory(&self) {
        self.discard();
        self.delete_files();
        let backing = Backing::Memory(MemoryKv::default());
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(backing);
    }

    fn with<T>(&self, ask: impl FnOnce(&Backing) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        self.ask(db.as_ref(), ask)
    }

    /// The same while nobody reads: a scan of sled may pass over keys when others are written
    /// beside it.
    fn alone<T>(&self, act: impl FnOnce(&Backing) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        self.ask(db.as_ref(), act)
    }

    fn ask<T>(
        &self,
        backing: Option<&Backing>,
        ask: impl FnOnce(&Backing) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let gone = || ReadError::Unavailable("the view is being made anew".to_owned());
        let backing = backing.ok_or_else(gone)?;
        if self.has_failed() {
            return Err(gone());
        }
        let answer = ask(backing);
        if answer.is_err() {
            self.has_failed.store(true, Ordering::Release);
        }
        answer
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        let size = self.with(|backing| match backing {
            Backing::Disk(db) => db.size_on_disk().map_err(|error| unavailable(&error)),
            Backing::Memory(_) => Ok(0),
        });
        size.unwrap_or(0)
    }

    /// Writes everything out and leaves the marker: the orderly end.
    pub(super) fn close(&self, position: Position) -> Result<(), ViewError> {
        let io = |error: std::io::Error| ViewError(error.to_string());
        let flushed = self.with(|backing| match backing {
            Backing::Disk(db) => db.flush().map_err(|error| unavailable(&error)),
            Backing::Memory(_) => Err(ReadError::Unavailable("the view is in memory".to_owned())),
        });
        flushed.map_err(|error| ViewError(error.to_string()))?;
        sync_tree(&self.dir).map_err(io)?;
        let marker = self.dir.join(MARKER);
        std::fs::write(&marker, marker_text(position)).map_err(io)?;
        File::open(&marker)
            .and_then(|file| file.sync_all())
            .map_err(io)?;
        sync_dir(&self.dir).map_err(io)
    }
}

fn marker_text(position: Position) -> String {
    format!("{} {}\n", position.segment, position.offset)
}

/// Makes all files and names below a directory durable.
fn sync_tree(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    sync_dir(dir)
}

impl Kv for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.with(|backing| match backing {
            Backing::Disk(db) => {
                let value = db.get(key).map_err(|error| unavailable(&error))?;
                Ok(value.map(|value| value.to_vec()))
            }
            Backing::Memory(kv) => kv.get(key),
        })
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Entries, ReadError> {
        self.with(|backing| match backing {
            Backing::Disk(db) => scan_sled(db, scan),
            Backing::Memory(kv) => kv.scan(scan),
        })
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), ReadError> {
        self.alone(|backing| match backing {
            Backing::Disk(db) => {
                let write_all = || {
                    writes
                        .into_iter()
                        .try_for_each(|write| write_one(db, write))
                };
                // Out of space it may panic instead of returning an error.
                match catch_unwind(AssertUnwindSafe(write_all)) {
                    Ok(result) => result.map_err(|error| unavailable(&error)),
                    Err(_) => Err(ReadError::Unavailable("sled panicked".to_owned())),
                }
            }
            Backing::Memory(kv) => kv.apply(writes),
        })
    }

    /// After a write that failed in the background, sled may give back rubbish for good.
    fn doubt(&self) -> bool {
        let mut doubted_at = self
            .doubted_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if doubted_at.is_some_and(|at| at.elapsed() < DOUBT_EVERY) {
            return self.has_failed();
        }
        *doubted_at = Some(Instant::now());
        tracing::error!("a value in the view is harmed");
        self.has_failed.store(true, Ordering::Release);
        true
    }
}

/// Writes what changes something: a record's keys are written with it each time, and most stay as
/// they are. Not as a batch: each makes sled close its log buffer twice, which costs more than all
/// else together, and crash atomicity is of no use to a view that is made anew after a crash.
fn write_one(db: &sled::Db, (key, value): Write) -> sled::Result<()> {
    let known = db.get(&key)?;
    if known.as_deref() == value.as_deref() {
        return Ok(());
    }
    match value {
        Some(value) => db.insert(key, value).map(drop),
        None => db.remove(key).map(drop),
    }
}

fn scan_sled(db: &sled::Db, scan: Scan<'_>) -> Result<Entries, ReadError> {
    let owned = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
        let (key, value) = entry.map_err(|error| unavailable(&error))?;
        Ok((key.to_vec(), value.to_vec()))
    };
    let prefix = scan.prefix.to_vec();
    if scan.newest_first {
        let end = match (scan.after, end_of(scan.prefix)) {
            (Some(after), _) => Bound::Excluded(after.to_vec()),
            (None, Some(end)) => Bound::Excluded(end),
            (None, None) => Bound::Unbounded,
        };
        let range = db.range::<Vec<u8>, _>((Bound::Included(prefix), end));
        return range.rev().take(scan.limit).map(owned).collect();
    }
    let start = match scan.after {
        Some(after) => Bound::Excluded(after.to_vec()),
        None => Bound::Included(prefix),
    };
    let end = end_of(scan.prefix).map_or(Bound::Unbounded, Bound::Excluded);
    let range = db.range::<Vec<u8>, _>((start, end));
    range.take(scan.limit).map(owned).collect()
}
