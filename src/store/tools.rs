//! What is done with a store beside a daemon: verify and import while none has it open, export also
//! while one writes to it.
//!
//! Verifying and exporting change nothing in the store. Importing fills a directory in one step:
//! after a crash in the middle of it the directory is as empty as before.

mod canary;
mod export;
mod health;

pub use canary::canary;
pub use export::{Exported, export, export_to};
pub use health::{Health, health, identity, trusted_time};

use super::ReadError;
use super::archive::{ArchiveError, unpack};
use super::disk::{
    Bodies, Lock, Log, OpenError, decode_changes, harmed_snapshots, journal_dir, snapshot_dir,
    view_dir,
};
use super::files;
use super::index::{Index, Kv, Scan, digest, key::Kind, key::last_id};
use super::journal::{Damage, JournalError, scan_segment, sync_dir};
use super::record::RecordError;
use super::view::{Left, View};
use crate::domain::id::DeliveryId;
use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Deliveries looked at in one go.
const PAGE: usize = 1000;

/// Why a tool could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The export cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The view that was made from the journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The export's name is taken; nothing was changed.
    #[error("{0} already exists; nothing was changed")]
    Exists(String),
    /// A daemon has moved on in the store too often while it was read.
    #[error("the store changes faster than it can be read; try again")]
    Moving,
    /// A store is imported only to where nothing is.
    #[error("{0} is not empty; an import needs an empty or new directory")]
    NotEmpty(String),
}

impl From<JournalError> for ToolError {
    fn from(error: JournalError) -> Self {
        Self::Open(error.into())
    }
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> ToolError {
    move |error| JournalError::io(what)(error).into()
}

/// What the view is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// It holds what snapshot and journal say.
    Agrees,
    /// There is none to trust, as after any end that was not orderly; the next start rebuilds it.
    /// No damage.
    Unused,
    /// It is not what an orderly end left; the next start rebuilds it. Nothing is lost.
    Harmed,
    /// It would be trusted at the next start, and holds something else.
    Differs,
}

/// What verifying found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Batches in the journal.
    pub batches: u64,
    /// Deliveries that the store knows.
    pub deliveries: u64,
    /// Of those, the ones whose payload is not in the journal.
    pub payloads_missing: u64,
    /// Bytes of torn writes behind the log's ends. Never acknowledged; no damage.
    pub torn_bytes: u64,
    /// Harmed ranges of segments.
    pub damage: Vec<Damage>,
    /// What is gone, in words: the daemon does not start before it is back, or accepted as lost.
    pub missing: Vec<String>,
    /// What is harmed and can be rebuilt or done without.
    pub harmed: Vec<String>,
    /// Frames that are unharmed and yet cannot be understood.
    pub unreadable: u64,
    /// The view.
    pub view: ViewState,
}

impl Verification {
    /// Whether everything is as it should be.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
            && self.missing.is_empty()
            && self.harmed.is_empty()
            && self.unreadable == 0
            && self.payloads_missing == 0
            && matches!(self.view, ViewState::Agrees | ViewState::Unused)
    }
}

/// Reads everything that a stopped store holds and reports what is wrong with it.
pub fn verify(dir: &Path) -> Result<Verification, ToolError> {
    let _lock = Lock::take_existing(dir)?;
    let mut log = Log::read(dir)?;
    log.accept();
    let scratch = tempfile::tempdir().map_err(io("creating a temporary directory"))?;
    let mut whole = HashSet::new();
    let unreadable = decode_all(dir, &log, &mut whole)?;
    let (rebuilt, found) = log.replayed(dir, &scratch.path().join("rebuilt"))?;
    let missing = [std::mem::take(&mut log.report.lost), found.lost].concat();
    let index = Index::new(rebuilt);
    let view = state_of_view(dir, &log, &scratch.path().join("view"), &index.kv)?;
    let (deliveries, payloads_missing) = count_deliveries(&index, &whole)?;
    let mut harmed = log.report.harmed;
    harmed.extend(harmed_snapshots(dir)?);
    Ok(Verification {
        batches: log.report.batches,
        deliveries,
        payloads_missing,
        torn_bytes: log.report.torn_bytes,
        damage: log.report.damage,
        missing,
        harmed,
        unreadable,
        view,
    })
}

/// Decodes every frame, noting where the good ones are. Returns how many cannot be understood.
fn decode_all(dir: &Path, log: &Log, whole: &mut HashSet<(u64, u64)>) -> Result<u64, ToolError> {
    let (mut unreadable, mut is_newer) = (0, false);
    for (id, end) in log.ids.iter().zip(&log.ends) {
        scan_segment(
            &journal_dir(dir),
            *id,
            0,
            Some(*end),
            |at, payload| match decode_changes(payload, Bodies::Whole) {
                Ok(_) => drop(whole.insert((at.segment, at.offset))),
                Err(RecordError::Newer) => is_newer = true,
                Err(RecordError::Damaged) => unreadable += 1,
            },
        )?;
    }
    if is_newer {
        return Err(OpenError::Newer(dir.display().to_string()).into());
    }
    Ok(unreadable)
}

/// Compares a copy of the view with what was rebuilt: opening the view itself would change it.
fn state_of_view(
    dir: &Path,
    log: &Log,
    copy: &Path,
    rebuilt: &View,
) -> Result<ViewState, ToolError> {
    let original = view_dir(dir);
    if !original.is_dir() {
        return Ok(ViewState::Unused);
    }
    copy_tree(&original, copy).map_err(io("copying the view"))?;
    let view = match View::open_clean(copy, log.end).map_err(OpenError::from)? {
        Left::Trusted(view) => *view,
        Left::Nothing => return Ok(ViewState::Unused),
        Left::Harmed(_) => return Ok(ViewState::Harmed),
    };
    // sled may find damage only now; to the next start that is a difference, too.
    Ok(match digest(&view) {
        Ok(found) if found == digest(rebuilt)? => ViewState::Agrees,
        Ok(_) | Err(_) => ViewState::Differs,
    })
}

/// Copies files and directories; what is neither is left out, and missed.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    files::make_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// How many deliveries there are, and how many of them have lost their payload.
fn count_deliveries(
    index: &Index<View>,
    whole: &HashSet<(u64, u64)>,
) -> Result<(u64, u64), ReadError> {
    let (mut count, mut missing, mut after) = (0, 0, None::<Vec<u8>>);
    loop {
        let found = index.kv.scan(Scan {
            prefix: &[Kind::Delivery as u8],
            after: after.as_deref(),
            newest_first: false,
            limit: PAGE,
        })?;
        let Some((last, _)) = found.last() else {
            return Ok((count, missing));
        };
        after = Some(last.clone());
        for (key, _) in &found {
            let id = last_id(key).map(DeliveryId::from_u128);
            let place = id.map(|id| index.delivery_at(id)).transpose()?.flatten();
            count += 1;
            let is_there = place.is_some_and(|(p, _)| whole.contains(&(p.segment, p.offset)));
            missing += u64::from(!is_there);
        }
    }
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Makes a store of an export, in a directory that is empty or not there, and verifies it.
pub fn import(file: &Path, dir: &Path) -> Result<Verification, ToolError> {
    let is_free = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(io("reading the directory to import to")(error)),
    };
    if !is_free {
        return Err(ToolError::NotEmpty(dir.display().to_string()));
    }
    let from = File::open(file).map_err(io("opening the export"))?;
    let parent = parent_of(dir);
    std::fs::create_dir_all(&parent).map_err(io("creating the directory to import to"))?;
    let staging = tempfile::Builder::new()
        .prefix("importing-")
        .tempdir_in(&parent);
    let staging = staging.map_err(io("creating a directory beside the one to import to"))?;
    let (journal, snapshots) = (journal_dir(staging.path()), snapshot_dir(staging.path()));
    for made in [&journal, &snapshots] {
        files::make_dir(made).map_err(io("creating the store"))?;
    }
    unpack(BufReader::new(from), &journal, &snapshots)?;
    let found = verify(staging.path())?;
    sync_dir(staging.path()).map_err(io("syncing the store"))?;
    std::fs::rename(staging.path(), dir).map_err(io("moving the store to its place"))?;
    // It has moved away; there is nothing left to clean up.
    drop(staging.keep());
    sync_dir(&parent).map_err(io("syncing the store's place"))?;
    Ok(found)
}

#[cfg(test)]
mod tests;
