//! An export: everything that a store holds, in one file or one stream.
//!
//! A daemon may be writing to the store meanwhile. The journal only grows, so what is read of it is
//! the store as of a moment during the export: every delivery that was acknowledged before it began
//! is in it. What retention deletes is held open first.

use super::{ToolError, io, parent_of};
use crate::store::archive::Packer;
use crate::store::disk::{Lock, Log, OpenError, journal_dir};
use crate::store::files;
use crate::store::journal::{Damage, JournalError, segment_path, sync_dir};
use crate::store::snapshot;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// How often a store is read again that a daemon has changed meanwhile.
const TRIES_MAX: u32 = 5;

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its size.
    pub bytes: u64,
    /// Damage in the store; what was lost there is not in the export either.
    pub damage: Vec<Damage>,
    /// What is gone out of the store, in words, and not in the export either.
    pub missing: Vec<String>,
}

/// A store as of a moment, with its segments held open.
struct Held {
    log: Log,
    segments: Vec<File>,
    image: std::path::PathBuf,
    missing: Vec<String>,
    /// The image is in it.
    _scratch: tempfile::TempDir,
}

impl Held {
    fn is_sound(&self) -> bool {
        self.log.report.damage.is_empty() && self.missing.is_empty()
    }
}

/// Reads a store.
fn hold(dir: &Path) -> Result<Held, ToolError> {
    let mut log = Log::read(dir)?;
    log.accept();
    let journal = journal_dir(dir);
    let open = |id: &u64| files::open(&segment_path(&journal, *id));
    let segments: Result<Vec<File>, _> = log.ids.iter().map(open).collect();
    let segments = segments.map_err(io("opening a segment to export"))?;
    let scratch = tempfile::tempdir().map_err(io("creating a temporary directory"))?;
    let (view, found) = log.replayed(dir, &scratch.path().join("view"))?;
    let image = snapshot::write(scratch.path(), log.end, &view)?;
    Ok(Held {
        missing: [std::mem::take(&mut log.report.lost), found.lost].concat(),
        log,
        segments,
        image,
        _scratch: scratch,
    })
}

/// Whether something was deleted while it was read, as retention does.
fn has_moved(error: &ToolError) -> bool {
    match error {
        ToolError::Open(OpenError::Journal(JournalError::Io { source, .. })) => {
            source.kind() == ErrorKind::NotFound
        }
        ToolError::Open(_)
        | ToolError::Archive(_)
        | ToolError::Read(_)
        | ToolError::Exists(_)
        | ToolError::Moving
        | ToolError::NotEmpty(_) => false,
    }
}

/// Reads a store, again when a daemon has changed it in a way that looks like damage.
fn hold_beside_a_daemon(dir: &Path) -> Result<Held, ToolError> {
    for tried in 1..=TRIES_MAX {
        match hold(dir) {
            Ok(held) if held.is_sound() || tried == TRIES_MAX => return Ok(held),
            Ok(_) => {}
            Err(error) if has_moved(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ToolError::Moving)
}

/// Writes everything that a store holds, payloads included, beside a daemon or not. Secrets in it
/// are as sealed as in the store. Nothing in the store changes.
pub fn export_to(dir: &Path, out: &mut dyn Write) -> Result<Exported, ToolError> {
    let held = match Lock::take_existing(dir) {
        Ok(_lock) => return pack(hold(dir)?, out),
        Err(OpenError::InUse(_)) => hold_beside_a_daemon(dir)?,
        Err(error) => return Err(error.into()),
    };
    pack(held, out)
}

fn pack(held: Held, out: &mut dyn Write) -> Result<Exported, ToolError> {
    let mut packer = Packer::begin(out)?;
    packer.snapshot(&held.image, held.log.end)?;
    let ends = held.log.ids.iter().zip(&held.log.ends);
    for ((id, end), file) in ends.zip(held.segments) {
        packer.segment(file, *id, *end)?;
    }
    Ok(Exported {
        bytes: packer.end()?,
        damage: held.log.report.damage,
        missing: held.missing,
    })
}

/// The same, to a new file, which gets its name when it is whole and durable.
pub fn export(dir: &Path, file: &Path) -> Result<Exported, ToolError> {
    let taken = || ToolError::Exists(file.display().to_string());
    if file.exists() {
        return Err(taken());
    }
    let parent = parent_of(file);
    let mut out = tempfile::NamedTempFile::new_in(&parent).map_err(io("creating the export"))?;
    let exported = export_to(dir, out.as_file_mut())?;
    out.as_file().sync_all().map_err(io("syncing the export"))?;
    match out.persist_noclobber(file) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
            return Err(taken());
        }
        Err(error) => return Err(io("naming the export")(error.error)),
    }
    sync_dir(&parent).map_err(io("syncing the export's name"))?;
    Ok(exported)
}
