//! Opening a store: lock, recovery, threads.

use super::ballast::{Ballast, free_bytes};
use super::batch::decode_changes;
use super::committer::{Committer, Limits, Shared};
use super::retain::Keeper;
use super::{DiskStore, Options, Threads, journal_dir, snapshot_dir, view_dir};
use crate::store::index::{Index, Kv, Place};
use crate::store::journal::{
    Damage, Disk, JournalError, Position, RealDisk, list_segments, scan_segment, segment_path,
    sync_dir,
};
use crate::store::record::RecordError;
use crate::store::snapshot;
use crate::store::view::{View, ViewError};
use crate::store::{Observer, ReadError};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Why a store cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another hookherd process")]
    InUse(String),
    /// Written by a newer version.
    #[error("{0} was written by a newer version of hookherd; nothing was changed")]
    Newer(String),
    /// There is no store there.
    #[error("{0} holds no hookherd store")]
    Missing(String),
    /// The directory cannot be made or read.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The view cannot be made anew.
    #[error("{0}")]
    View(String),
}

impl From<ViewError> for OpenError {
    fn from(error: ViewError) -> Self {
        Self::View(error.to_string())
    }
}

impl OpenError {
    /// Whether it fails in the same way however often it is tried: a person has to look at it.
    pub fn needs_a_person(&self) -> bool {
        use std::io::ErrorKind;
        match self {
            Self::Newer(_) | Self::Missing(_) | Self::Journal(JournalError::Newer(_)) => true,
            Self::Journal(JournalError::Io { source, .. }) => matches!(
                source.kind(),
                ErrorKind::AlreadyExists
                    | ErrorKind::NotADirectory
                    | ErrorKind::PermissionDenied
                    | ErrorKind::ReadOnlyFilesystem
            ),
            Self::InUse(_) | Self::View(_) => false,
        }
    }
}

/// What was found at opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Batches in the journal that were read.
    pub batches: u64,
    /// Whether the view was made anew.
    pub is_rebuilt: bool,
    /// Bytes of torn writes behind the log's ends. Never acknowledged; no damage.
    pub torn_bytes: u64,
    /// Harmed ranges. What was in them is lost, everything else is there.
    pub damage: Vec<Damage>,
    /// Frames that are unharmed and yet cannot be understood.
    pub unreadable: u64,
    /// How long it took.
    pub took: Duration,
}

fn lock_dir(dir: &Path) -> Result<File, OpenError> {
    std::fs::create_dir_all(dir).map_err(JournalError::io("creating the data directory"))?;
    let file = File::create(dir.join("lock"));
    let file = file.map_err(JournalError::io("creating the lock file"))?;
    take_lock(dir, file)
}

/// Locks a store that is there already, without making one where there is none.
pub(in crate::store) fn lock_existing(dir: &Path) -> Result<File, OpenError> {
    if !journal_dir(dir).is_dir() {
        return Err(OpenError::Missing(dir.display().to_string()));
    }
    match File::open(dir.join("lock")) {
        Ok(file) => take_lock(dir, file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => lock_dir(dir),
        Err(error) => Err(JournalError::io("opening the lock file")(error).into()),
    }
}

fn take_lock(dir: &Path, file: File) -> Result<File, OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.display().to_string())),
        Err(TryLockError::Error(error)) => {
            Err(JournalError::io("locking the data directory")(error).into())
        }
    }
}

impl DiskStore {
    /// Opens the store in `dir`, making it when there is none.
    pub fn open(
        dir: &Path,
        options: &Options,
        observer: Arc<dyn Observer>,
    ) -> Result<(Self, OpenReport), OpenError> {
        Self::open_on(dir, options, observer, Arc::new(RealDisk))
    }

    pub(super) fn open_on(
        dir: &Path,
        options: &Options,
        observer: Arc<dyn Observer>,
        disk: Arc<dyn Disk>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let begun = Instant::now();
        let lock = lock_dir(dir)?;
        for sub in [journal_dir(dir), snapshot_dir(dir)] {
            std::fs::create_dir_all(sub).map_err(JournalError::io("creating the store"))?;
        }
        sync_dir(dir).map_err(JournalError::io("syncing the data directory"))?;
        let recovered = Recovered::read(dir)?;
        let mut report = recovered.report;
        report.took = begun.elapsed();
        let index = Arc::new(Index::new(recovered.view));
        let shared = Arc::new(Shared::new(recovered.end));
        shared.damaged.store(
            report.damage.len() as u64 + report.unreadable,
            Ordering::Relaxed,
        );
        shared.segments.store(recovered.segments, Ordering::Relaxed);
        shared
            .journal_bytes
            .store(recovered.journal_bytes, Ordering::Relaxed);
        let mut committer = Committer {
            shared: Arc::clone(&shared),
            index: Arc::clone(&index),
            disk,
            dir: journal_dir(dir),
            ballast: Ballast::new(dir, options.ballast_bytes),
            limits: Limits {
                segment_bytes: options.segment_bytes,
                heal_interval: options.heal_interval,
            },
            observer,
            end: recovered.end,
            newest_at_opening: recovered.end.segment,
            segment: None,
            tried_at: None,
            is_view_broken: false,
            remake_view: remake(dir, &index),
        };
        let keeper = Keeper::new(dir, options, Arc::clone(&shared), Arc::clone(&index));
        let (stop_keeper, stopped) = std::sync::mpsc::channel();
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        committer.begin();
        let committer = spawn("committer").spawn(move || committer.run());
        let committer = committer.map_err(JournalError::io("starting the committer"))?;
        let keeper = spawn("keeper").spawn(move || keeper.run(&stopped));
        let keeper = keeper.map_err(JournalError::io("starting the keeper"))?;
        let threads = Mutex::new(Some(Threads {
            committer,
            keeper,
            stop_keeper,
        }));
        let store = Self {
            shared,
            index,
            dir: dir.to_owned(),
            threads,
            _lock: lock,
        };
        Ok((store, report))
    }
}

/// Makes the view of a store that is open anew, in place.
fn remake(
    dir: &Path,
    index: &Arc<Index<View>>,
) -> Box<dyn Fn(Position) -> Result<(), OpenError> + Send> {
    let (dir, index) = (dir.to_owned(), Arc::clone(index));
    Box::new(move |end| {
        let journal = journal_dir(&dir);
        let ids = list_segments(&journal)?;
        let mut report = OpenReport::default();
        let mut ends = ends_of(&journal, &ids, &mut report)?;
        // Behind the end there may be what was never acknowledged.
        for (id, told) in ids.iter().zip(&mut ends) {
            if *id == end.segment {
                *told = end.offset;
            }
        }
        // Filled aside: a reader that saw half of it would act on that.
        index.kv.discard();
        let fresh = Index::new(View::at(&view_dir(&dir)));
        fill(&dir, &fresh, &ids, &ends, &mut report)?;
        index.kv.replace(fresh.kv);
        Ok(())
    })
}

/// What is on disk, made readable.
struct Recovered {
    view: View,
    end: Position,
    segments: u64,
    journal_bytes: u64,
    report: OpenReport,
}

impl Recovered {
    fn read(dir: &Path) -> Result<Self, OpenError> {
        // First a look at everything, without changing anything: a newer store stays untouched.
        let Log {
            ids,
            ends,
            end,
            mut report,
        } = Log::read(dir)?;
        let journal = journal_dir(dir);
        let view = if let Some(view) = View::open_clean(&view_dir(dir), end)? {
            view
        } else {
            report.is_rebuilt = !ids.is_empty();
            rebuild(dir, &view_dir(dir), &ids, &ends, &mut report)?
        };
        let size = |id| std::fs::metadata(segment_path(&journal, id)).map_or(0, |m| m.len());
        let journal_bytes = ids.iter().map(|id| size(*id)).sum();
        Ok(Self {
            view,
            end,
            segments: ids.len() as u64,
            journal_bytes,
            report,
        })
    }
}

/// What the journal on disk consists of.
pub(in crate::store) struct Log {
    /// The segments, ascending.
    pub(in crate::store) ids: Vec<u64>,
    /// Where each of them ends.
    pub(in crate::store) ends: Vec<u64>,
    /// Where the log ends.
    pub(in crate::store) end: Position,
    /// What was found on the way.
    pub(in crate::store) report: OpenReport,
}

impl Log {
    /// Walks over all segments and changes nothing.
    pub(in crate::store) fn read(dir: &Path) -> Result<Self, OpenError> {
        Self::read_from(dir, 0)
    }

    /// The same, from this segment on.
    pub(in crate::store) fn read_from(dir: &Path, first: u64) -> Result<Self, OpenError> {
        let journal = journal_dir(dir);
        let mut ids = list_segments(&journal)?;
        ids.retain(|id| *id >= first);
        let mut report = OpenReport::default();
        let ends = ends_of(&journal, &ids, &mut report)?;
        let end = ids
            .last()
            .zip(ends.last())
            .map_or(Position::default(), |(id, end)| Position {
                segment: *id,
                offset: *end,
            });
        Ok(Self {
            ids,
            ends,
            end,
            report,
        })
    }

    /// Makes a view in `view` of what `dir` holds. The report tells of damaged snapshots.
    pub(in crate::store) fn replayed(
        &self,
        dir: &Path,
        view: &Path,
    ) -> Result<(View, OpenReport), OpenError> {
        let mut report = OpenReport::default();
        let view = rebuild(dir, view, &self.ids, &self.ends, &mut report)?;
        Ok((view, report))
    }
}

/// Where each segment ends: where the next one says, or behind the last unharmed frame.
fn ends_of(journal: &Path, ids: &[u64], report: &mut OpenReport) -> Result<Vec<u64>, OpenError> {
    let mut told: Option<(u64, u64)> = None;
    let mut ends = Vec::new();
    for id in ids.iter().rev() {
        let limit = told.and_then(|(next, end)| (next == id + 1).then_some(end));
        let found = scan_segment(journal, *id, 0, limit, |_, _| {})?;
        report.batches += found.frames;
        // A segment whose creation was cut off has nothing behind its header, and never had.
        let is_unborn = found.previous_end.is_none() && found.frames == 0 && found.torn_bytes == 0;
        if !is_unborn {
            report.damage.extend(found.damage.iter().cloned());
        }
        match limit {
            // Bytes are missing that the next segment says were there.
            Some(limit) if found.end < limit => {
                report.damage.push(Damage {
                    segment: *id,
                    from: found.end,
                    to: limit,
                });
            }
            Some(_) => {}
            None => report.torn_bytes += found.torn_bytes,
        }
        ends.push(limit.unwrap_or(found.end));
        // Retention takes the oldest segments only: one that is missing in between was lost.
        if told.is_some_and(|(next, _)| next != id + 1) {
            report.damage.push(Damage {
                segment: id + 1,
                from: 0,
                to: 0,
            });
        }
        told = found.previous_end.map(|end| (*id, end));
    }
    ends.reverse();
    Ok(ends)
}

/// Makes the view anew: from the newest whole snapshot, and what the journal says since.
fn rebuild(
    dir: &Path,
    view: &Path,
    ids: &[u64],
    ends: &[u64],
    report: &mut OpenReport,
) -> Result<View, OpenError> {
    let index = Index::new(View::at(view));
    fill(dir, &index, ids, ends, report)?;
    Ok(index.kv)
}

/// Fills a view: on disk, or in memory when the disk has no room for it.
fn fill(
    dir: &Path,
    index: &Index<View>,
    ids: &[u64],
    ends: &[u64],
    report: &mut OpenReport,
) -> Result<(), OpenError> {
    index.kv.delete_files();
    if free_bytes(dir).is_none_or(|free| free >= VIEW_ROOM_BYTES) {
        let before = report.clone();
        let make_empty = || index.kv.make_empty();
        match fill_with(dir, index, ids, ends, report, make_empty) {
            Err(OpenError::View(error)) if is_lack_of_room(dir, &error) => {
                tracing::error!(error, "the view has no room on the disk");
                *report = before;
            }
            result => return result,
        }
    }
    tracing::error!("no room for the view: it lives in memory until the next start");
    let make_empty = || {
        index.kv.make_empty_in_memory();
        Ok(())
    };
    fill_with(dir, index, ids, ends, report, make_empty)
}

/// With less than this free the view is not tried on the disk: sled takes half a mebibyte at a
/// time, and one that runs out of room soon after would have to be made anew again.
const VIEW_ROOM_BYTES: u64 = 8 * 1024 * 1024;

fn is_lack_of_room(dir: &Path, error: &str) -> bool {
    // sled's errors come as words.
    let words = ["No space left", "StorageFull", "sled panicked"];
    words.iter().any(|word| error.contains(word))
        || free_bytes(dir).is_none_or(|free| free < VIEW_ROOM_BYTES)
}

/// From the newest whole snapshot and the journal since.
fn fill_with(
    dir: &Path,
    index: &Index<View>,
    ids: &[u64],
    ends: &[u64],
    report: &mut OpenReport,
    make_empty: impl Fn() -> Result<(), ViewError>,
) -> Result<(), OpenError> {
    let mut snapshots = snapshot::list(&snapshot_dir(dir))?;
    loop {
        make_empty()?;
        let from = match snapshots.pop() {
            None => Position::default(),
            Some((position, path)) => {
                let put = |key, value| index.kv.apply(vec![(key, Some(value))]);
                if !snapshot::read(&path, position, put)? {
                    tracing::warn!(
                        path = %path.display(),
                        "a snapshot is damaged; trying an older"
                    );
                    let damage = Damage {
                        segment: position.segment,
                        from: 0,
                        to: 0,
                    };
                    report.damage.push(damage);
                    continue;
                }
                position
            }
        };
        for (id, end) in ids.iter().zip(ends) {
            if *id >= from.segment {
                let start = if *id == from.segment { from.offset } else { 0 };
                replay(dir, index, *id, start, *end, report)?;
            }
        }
        return Ok(());
    }
}

fn replay(
    dir: &Path,
    index: &Index<View>,
    id: u64,
    from: u64,
    end: u64,
    report: &mut OpenReport,
) -> Result<(), OpenError> {
    let (mut failed, mut newer) = (None::<ReadError>, false);
    scan_segment(
        &journal_dir(dir),
        id,
        from,
        Some(end),
        |position, payload| match decode_changes(payload) {
            Ok(changes) => {
                for (change, number) in changes.iter().zip(0..) {
                    let place = Place {
                        segment: position.segment,
                        offset: position.offset,
                        change: number,
                    };
                    failed = failed.take().or(index.apply(change, place).err());
                }
            }
            Err(RecordError::Newer) => newer = true,
            Err(RecordError::Damaged) => report.unreadable += 1,
        },
    )?;
    match failed {
        _ if newer => Err(OpenError::Newer(dir.display().to_string())),
        Some(error) => Err(OpenError::View(error.to_string())),
        None => Ok(()),
    }
}
