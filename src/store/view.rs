//! The view on disk: an ordered key-value space in sled. The only file that says `sled`.
//!
//! sled 0.34 does not survive power loss and may panic on what one leaves behind. So its files
//! are trusted only after an orderly end, which leaves a [`Marker`] with the journal position that
//! they stand for, and with a digest of their bytes: one flipped bit, and the view is rebuilt
//! from snapshot and journal, as after any other end.
//!
//! It is a table in memory and sorted runs ([`tree`]), whose blocks lie in sled. It is derived, so
//! nothing is written to sled before a table is full, and a block is never changed: one that is not
//! there, or not what was written, is noticed as it is read.
//!
//! On a full disk there may be no room to rebuild it. Then it is kept in memory until the next
//! start, which is logged, so that the daemon starts and what is stored can be read.

mod backing;
mod block;
mod marker;
mod merge;
mod newer;
mod run;
mod tree;
mod written;

pub(super) use marker::{Marker, MarkerRead, is_as_left};

use super::ReadError;
use super::files;
use super::index;
use super::journal::{Position, sync_dir};
use super::memory::MemoryKv;
use backing::{Backing, unavailable};
use block::HARMED;
use parking_lot::{Mutex, RwLock};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tree::{Tree, Work};

/// Memory that sled may use for its cache.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// How often sled writes back. `None` would turn its clean-up off.
const FLUSH_EVERY_MS: u64 = 500;
/// A harmed value is at most this often a reason to rebuild the view: were it harmed in the
/// journal, too, that would not help.
const DOUBT_EVERY: Duration = Duration::from_mins(1);
/// How long sled may take to let go of its files.
const LETTING_GO: Duration = Duration::from_secs(5);

/// A key-value space in sled.
#[derive(Debug)]
pub(super) struct View {
    /// `None` while it is rebuilt, and when it is closed.
    tree: RwLock<Option<Tree>>,
    /// The work that makes runs. Taken before the lock above.
    work: Mutex<Work>,
    /// Whether sled failed: after a failed write it may show less than it was given.
    has_failed: AtomicBool,
    /// How often it was found harmed.
    harmed: AtomicU64,
    /// When a harmed value was last a reason to rebuild it.
    doubted_at: Mutex<Option<Instant>>,
    /// How writing to sled fails, and after how many steps.
    #[cfg(test)]
    breaks: Mutex<Option<(u32, Failure)>>,
    dir: PathBuf,
}

/// How writing to sled fails.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    Error(&'static str),
    Panic,
}

/// Why the view cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the view cannot be opened: {0}")]
pub(super) struct ViewError(String);

/// What an earlier run left of the view.
#[derive(Debug)]
pub(super) enum Left {
    /// What an orderly end left, unharmed.
    Trusted(Box<View>),
    /// Nothing to trust, as after any end that was not orderly, or after an upgrade.
    Nothing,
    /// An orderly end left something, and it is not that any more.
    Harmed(&'static str),
}

fn open_guarded(dir: &Path) -> Result<sled::Db, ViewError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    // sled panics on some damage where it should return an error.
    let opened = match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error)) => Err(ViewError(error.to_string())),
        Err(_) => Err(ViewError("sled panicked".into())),
    };
    // It makes its files as the umask says.
    files::tighten(dir).map_err(|error| ViewError(error.to_string()))?;
    opened
}

impl View {
    /// Opens the view that an orderly end at `position` left, when each of its bytes is as it was
    /// left. Takes the marker away: from now on only another orderly end will do.
    pub(super) fn open_clean(dir: &Path, position: Position) -> Result<Left, ViewError> {
        let marker = match Marker::read(dir) {
            MarkerRead::Good(marker) => marker,
            MarkerRead::None | MarkerRead::Older(_) => return Ok(Left::Nothing),
            MarkerRead::Harmed => return Ok(Left::Harmed("its marker is damaged")),
        };
        if marker.format != index::FORMAT {
            return Ok(Left::Nothing);
        }
        if marker.position != position {
            return Ok(Left::Harmed("it does not match the journal"));
        }
        // Before sled looks at them: it writes as it opens.
        if !is_as_left(dir, &marker) {
            return Ok(Left::Harmed("its files were changed"));
        }
        let io = |error: std::io::Error| ViewError(error.to_string());
        Marker::take_away(dir).map_err(io)?;
        let Ok(db) = open_guarded(dir) else {
            return Ok(Left::Harmed("sled cannot open it"));
        };
        let backing = Backing::Disk(db);
        let Ok(runs) = run::described(&backing) else {
            return Ok(Left::Harmed("sled does not give it back"));
        };
        let view = Self::at(dir);
        *view.tree.write() = Some(Tree::new(backing, runs));
        Ok(Left::Trusted(Box::new(view)))
    }

    /// A view that is still to be made, in this directory.
    pub(super) fn at(dir: &Path) -> Self {
        Self {
            tree: RwLock::new(None),
            work: Mutex::default(),
            has_failed: AtomicBool::new(false),
            harmed: AtomicU64::new(0),
            doubted_at: Mutex::new(None),
            #[cfg(test)]
            breaks: Mutex::default(),
            dir: dir.to_owned(),
        }
    }

    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.tree.read().as_ref().is_none_or(Tree::is_empty)
    }

    /// How often it was found to hold something else than was written.
    pub(super) fn harmed(&self) -> u64 {
        self.harmed.load(Ordering::Relaxed)
    }

    /// Whether it failed, so that it has to be rebuilt. Until then reads are refused.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Takes over what `fresh` holds. Readers see all of it at once, and never a part.
    pub(super) fn replace(&self, fresh: Self) {
        let mut work = self.work.lock();
        let mut tree = self.tree.write();
        *work = fresh.work.into_inner();
        *tree = fresh.tree.into_inner();
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

    /// Closes it: until it is rebuilt, reads are refused.
    pub(super) fn discard(&self) {
        let mut work = self.work.lock();
        let tree = self.tree.write().take();
        *work = Work::default();
        // A poisoned sled may panic once more as it goes.
        if catch_unwind(AssertUnwindSafe(move || drop(tree))).is_err() {
            tracing::warn!("sled panicked as it was closed");
        }
    }

    /// Begins again with nothing in it.
    pub(super) fn make_empty(&self) -> Result<(), ViewError> {
        self.discard();
        let io = |error: std::io::Error| ViewError(error.to_string());
        if self.dir.exists() {
            std::fs::remove_dir_all(&self.dir).map_err(io)?;
        }
        files::make_dir(&self.dir).map_err(io)?;
        let db = open_guarded(&self.dir)?;
        self.begin(Backing::Disk(db));
        Ok(())
    }

    /// Begins again in memory; what was on disk is deleted.
    pub(super) fn make_empty_in_memory(&self) {
        self.discard();
        self.delete_files();
        self.begin(Backing::Memory(MemoryKv::default()));
    }

    fn begin(&self, backing: Backing) {
        *self.tree.write() = Some(Tree::new(backing, Vec::new()));
    }

    /// Whether it is being filled from snapshot and journal: then it is written as fast as it can
    /// be, for more memory, and merged later.
    pub(super) fn set_filling(&self, is_filling: bool) {
        if let Some(tree) = self.tree.write().as_mut() {
            tree.is_filling = is_filling;
        }
    }

    fn with<T>(&self, ask: impl FnOnce(&Tree) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let tree = self.tree.read();
        self.answer(tree.as_ref(), ask)
    }

    /// The same without readers. Out of space sled may panic instead of returning an error.
    fn alone<T>(
        &self,
        act: impl FnOnce(&mut Tree) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let mut tree = self.tree.write();
        self.answer(tree.as_mut(), |tree| {
            let done = catch_unwind(AssertUnwindSafe(|| act(tree)));
            done.unwrap_or_else(|_| Err(ReadError::Unavailable("sled panicked".to_owned())))
        })
    }

    fn answer<Of, T>(
        &self,
        tree: Option<Of>,
        ask: impl FnOnce(Of) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let gone = || ReadError::Unavailable("the view is being rebuilt".to_owned());
        let tree = tree.ok_or_else(gone)?;
        if self.has_failed() {
            return Err(gone());
        }
        let answer = ask(tree);
        let Err(error) = &answer else { return answer };
        tracing::error!(%error, "the view failed");
        self.has_failed.store(true, Ordering::Release);
        if *error != HARMED {
            return answer;
        }
        self.harmed.fetch_add(1, Ordering::Relaxed);
        Err(gone())
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        let size = self.with(|tree| match &tree.backing {
            Backing::Disk(db) => db.size_on_disk().map_err(|error| unavailable(&error)),
            Backing::Memory(_) => Ok(0),
        });
        size.unwrap_or(0)
    }

    /// Writes everything out, closes it, and leaves the marker: the orderly end. Nothing can be
    /// read any more.
    pub(super) fn close(&self, position: Position) -> Result<(), ViewError> {
        let io = |error: std::io::Error| ViewError(error.to_string());
        let left = self.leave();
        left.map_err(|error| ViewError(error.to_string()))?;
        if !self.dir.exists() {
            return Err(ViewError("the view is in memory".to_owned()));
        }
        self.discard();
        wait_until_let_go(&self.dir).map_err(io)?;
        files::tighten(&self.dir).map_err(io)?;
        sync_tree(&self.dir).map_err(io)?;
        let marker = Marker {
            format: index::FORMAT,
            position,
            digest: marker::digest(&self.dir).map_err(io)?,
        };
        marker.leave(&self.dir).map_err(io)
    }
}

impl View {
    /// Writes everything out, and what describes it.
    fn leave(&self) -> Result<(), ReadError> {
        let mut work = self.work.lock();
        self.write_out(&mut work)?;
        work.give_up();
        while work.has_garbage() {
            self.alone(|tree| work.write(tree, false))?;
        }
        self.alone(|tree| {
            run::describe(tree.runs.iter().map(|run| &**run), &tree.backing)?;
            match &tree.backing {
                Backing::Disk(db) => db.flush().map(drop).map_err(|error| unavailable(&error)),
                Backing::Memory(_) => Ok(()),
            }
        })
    }
}

/// Waits until sled's threads have let go of its files: only then will nothing change them. sled
/// holds a lock on its file for as long as it may write.
fn wait_until_let_go(dir: &Path) -> std::io::Result<()> {
    let file = files::open(&dir.join("db"))?;
    let deadline = Instant::now() + LETTING_GO;
    while file.try_lock().is_err() {
        if Instant::now() >= deadline {
            return Err(std::io::Error::other("sled does not release its files"));
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    Ok(())
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

#[cfg(test)]
impl View {
    /// Writing to sled fails once, after so many steps.
    pub(super) fn breaks(&self, after: u32, failure: Failure) {
        *self.breaks.lock() = Some((after, failure));
    }

    /// Whether it has failed since.
    pub(super) fn is_broken(&self) -> bool {
        self.breaks.lock().is_none()
    }

    fn strike(&self) -> Result<(), ReadError> {
        let mut breaks = self.breaks.lock();
        let Some((after, failure)) = &mut *breaks else {
            return Ok(());
        };
        if *after > 0 {
            *after -= 1;
            return Ok(());
        }
        let failure = *failure;
        *breaks = None;
        drop(breaks);
        match failure {
            Failure::Error(why) => Err(ReadError::Unavailable(why.to_owned())),
            Failure::Panic => panic!("sled panics on a full disk"),
        }
    }

    /// Changes the block that a key is in.
    fn change(&self, key: &[u8], change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) {
        self.write_out(&mut self.work.lock()).unwrap();
        let tree = self.tree.write();
        let tree = tree.as_ref().unwrap();
        let places = tree
            .runs
            .iter()
            .find_map(|run| run.place_of(&tree.backing, key));
        let place = places.unwrap();
        let block = tree.backing.get(&place).unwrap().unwrap();
        tree.backing.put(&place, change(block)).unwrap();
    }

    /// sled loses an entry, and those beside it.
    pub(super) fn lose(&self, key: &[u8]) {
        self.change(key, |_| None);
    }

    /// sled gives back something else than it was given.
    pub(super) fn harm(&self, key: &[u8]) {
        self.change(key, |mut block| {
            block[0] ^= 1;
            Some(block)
        });
    }
}

#[cfg(test)]
mod tests;
