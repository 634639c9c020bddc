//! Rebuilding the view: from the newest whole snapshot, and the journal since.

use super::ballast::free_bytes;
use super::batch::{Bodies, decode_changes};
use super::layout::{journal_dir, snapshot_dir, view_dir};
use super::log::Log;
use super::report::{OpenError, OpenReport};
use crate::store::files;
use crate::store::index::{Index, Place};
use crate::store::journal::{JournalError, Position, scan_segment};
use crate::store::record::RecordError;
use crate::store::snapshot;
use crate::store::view::{View, ViewError};
use crate::store::{Change, ReadError};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

impl Log {
    /// Makes a view in `view` of what `dir` holds, with what was found on the way.
    pub(in crate::store) fn replayed(
        &self,
        dir: &Path,
        view: &Path,
    ) -> Result<(View, OpenReport), OpenError> {
        let mut report = OpenReport::default();
        let index = Index::new(View::at(view));
        fill(dir, &index, self, &mut report)?;
        Ok((index.kv, report))
    }
}

/// Rebuilds the view of a store that is open, in place.
pub(super) fn remake(
    dir: &Path,
    index: &Arc<Index<View>>,
) -> Box<dyn Fn(Position) -> Result<(), OpenError> + Send> {
    let (dir, index) = (dir.to_owned(), Arc::clone(index));
    Box::new(move |end| {
        let mut log = Log::read(&dir)?;
        // Behind the end there may be what was never acknowledged.
        for (id, told) in log.ids.iter().zip(&mut log.ends) {
            if *id == end.segment {
                *told = end.offset;
            }
        }
        // Filled aside: a reader that saw half of it would act on that.
        index.kv.discard();
        let fresh = Index::new(View::at(&view_dir(&dir)));
        fill(&dir, &fresh, &log, &mut OpenReport::default())?;
        index.kv.replace(fresh.kv);
        Ok(())
    })
}

/// Fills a view: on disk, or in memory when the disk has no room for it.
fn fill(
    dir: &Path,
    index: &Index<View>,
    log: &Log,
    report: &mut OpenReport,
) -> Result<(), OpenError> {
    let base = base(dir, log, report)?;
    index.kv.delete_files();
    if free_bytes(dir).is_none_or(|free| free >= VIEW_ROOM_BYTES) {
        let before = report.clone();
        let make_empty = || index.kv.make_empty();
        match fill_with(dir, index, log, base.as_ref(), report, make_empty) {
            Err(OpenError::View(error)) if is_lack_of_room(dir, &error) => {
                tracing::error!(error, "no disk space for the view");
                *report = before;
            }
            result => return result,
        }
    }
    tracing::error!("no disk space for the view: it stays in memory until the next start");
    let make_empty = || {
        index.kv.make_empty_in_memory();
        Ok(())
    };
    fill_with(dir, index, log, base.as_ref(), report, make_empty)
}

/// With less than this free the view is not tried on the disk: sled takes half a mebibyte at a
/// time, and one that runs out of room soon after would have to be rebuilt again.
const VIEW_ROOM_BYTES: u64 = 8 * 1024 * 1024;

fn is_lack_of_room(dir: &Path, error: &str) -> bool {
    // sled's errors come as words.
    let words = ["No space left", "StorageFull", "sled panicked"];
    words.iter().any(|word| error.contains(word))
        || free_bytes(dir).is_none_or(|free| free < VIEW_ROOM_BYTES)
}

/// A snapshot, and the position that it stands for.
type Base = (Position, PathBuf);

/// What to begin with: the newest snapshot that is whole and that the journal continues; the
/// beginning, when the journal has it; otherwise something is lost.
fn base(dir: &Path, log: &Log, report: &mut OpenReport) -> Result<Option<Base>, OpenError> {
    if files::is_dir(&snapshot_dir(dir))? {
        for (position, path) in snapshot::list(&snapshot_dir(dir))?.into_iter().rev() {
            if !snapshot::is_whole(&path, position)? {
                tracing::error!(path = %path.display(), "snapshot damaged; trying an older one");
            } else if log.goes_on_from(position) {
                return Ok(Some((position, path)));
            }
        }
    }
    let Some(first) = log.ids.first().filter(|first| **first > 1) else {
        return Ok(None);
    };
    let words = format!(
        "the journal begins with segment {first}, and no intact snapshot covers what was before"
    );
    if !log.goes_on_from(Position::default()) {
        return Err(OpenError::lost(dir, &[words]));
    }
    report.lost.push(words);
    Ok(None)
}

fn fill_with(
    dir: &Path,
    index: &Index<View>,
    log: &Log,
    base: Option<&Base>,
    report: &mut OpenReport,
    make_empty: impl Fn() -> Result<(), ViewError>,
) -> Result<(), OpenError> {
    make_empty()?;
    index.kv.set_filling(true);
    let mut from = Position::default();
    if let Some((position, path)) = base {
        let read = |give: &mut dyn FnMut(_)| {
            snapshot::read(path, *position, |_, key, value| {
                give((key, value));
                Ok(())
            })
        };
        let (whole, restored) = piped(read, |(key, value)| index.restore(key, value));
        if !whole? {
            let words = format!("{} changed while it was read", path.display());
            return Err(OpenError::View(words));
        }
        restored?;
        from = *position;
    }
    let (decoded, applied) = piped(
        |give| decode_all(dir, log, from, give),
        |(place, changes): (Place, Vec<Change>)| {
            let places = (0..).map(|change| Place { change, ..place });
            let mut changes = changes.iter().zip(places);
            changes.try_for_each(|(change, place)| index.apply(change, place))
        },
    );
    let decoded = decoded?;
    report.unreadable += decoded.unreadable;
    if decoded.is_newer {
        return Err(OpenError::Newer(dir.display().to_string()));
    }
    applied?;
    index.kv.set_filling(false);
    Ok(())
}

/// What could not be decoded.
#[derive(Debug, Default)]
struct Undecoded {
    unreadable: u64,
    is_newer: bool,
}

/// Decodes the journal from a position on: each batch, and where it lies.
fn decode_all(
    dir: &Path,
    log: &Log,
    from: Position,
    give: &mut dyn FnMut((Place, Vec<Change>)),
) -> Result<Undecoded, JournalError> {
    let mut undecoded = Undecoded::default();
    for (id, end) in log.ids.iter().zip(&log.ends) {
        if *id < from.segment {
            continue;
        }
        let start = if *id == from.segment { from.offset } else { 0 };
        scan_segment(
            &journal_dir(dir),
            *id,
            start,
            Some(*end),
            |at, payload| match decode_changes(payload, Bodies::Left) {
                Ok(changes) => {
                    let place = Place {
                        segment: at.segment,
                        offset: at.offset,
                        change: 0,
                    };
                    give((place, changes));
                }
                Err(RecordError::Newer) => undecoded.is_newer = true,
                Err(RecordError::Damaged) => undecoded.unreadable += 1,
            },
        )?;
    }
    Ok(undecoded)
}

/// Things that are handed over together, and how often that is done ahead.
const TOGETHER: usize = 64;
const AHEAD: usize = 64;

/// Makes things on another thread, and takes them here in the same order, until one cannot be
/// taken.
fn piped<T: Send, R: Send>(
    produce: impl FnOnce(&mut dyn FnMut(T)) -> R + Send,
    take: impl FnMut(T) -> Result<(), ReadError>,
) -> (R, Result<(), ReadError>) {
    let (sender, receiver) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let producer = scope.spawn(move || {
            let mut some = Vec::with_capacity(TOGETHER);
            let end = produce(&mut |thing| {
                some.push(thing);
                if some.len() == TOGETHER {
                    // Who takes no more has failed, and says so.
                    let _ = sender.send(std::mem::take(&mut some));
                }
            });
            let _ = sender.send(some);
            end
        });
        // The receiver goes with this statement, so that the other thread never waits for it.
        let taken = receiver.into_iter().flatten().try_for_each(take);
        let end = producer.join();
        (end.unwrap_or_else(|panic| resume_unwind(panic)), taken)
    })
}
