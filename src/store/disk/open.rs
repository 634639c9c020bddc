//! Opening a store: lock, recovery, threads.
//!
//! First everything is looked at, and nothing is changed: a store that is newer, that is not ours
//! or that has lost something is left as it is. What is derived (the view, the snapshots) is
//! believed only with the digest of its bytes.

use super::ballast::Ballast;
use super::committer::{Committer, Limits};
use super::fill::remake;
use super::identity::{self, Identity, IdentityRead, Known};
use super::layout::{journal_dir, snapshot_dir, view_dir};
use super::lock::Lock;
use super::log::{Log, is_vacant};
use super::options::Options;
use super::report::{OpenError, OpenReport};
use super::retain::Upkeep;
use super::shared::Shared;
use super::{DiskStore, Threads, WALKS_MAX};
use crate::domain::id::StoreId;
use crate::store::files;
use crate::store::index::Index;
use crate::store::journal::{Disk, JournalError, RealDisk, segment_path, sync_dir};
use crate::store::snapshot;
use crate::store::view::{Left, View};
use parking_lot::Mutex;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::Semaphore;

/// What lies under our names has to be ours.
fn check_names(dir: &Path) -> Result<(), JournalError> {
    for sub in [journal_dir(dir), snapshot_dir(dir), view_dir(dir)] {
        files::is_dir(&sub)?;
    }
    let clock = super::clock::path(dir);
    for file in [identity::path(dir), clock, dir.join("ballast")] {
        files::is_file(&file)?;
    }
    files::is_file(&snapshot_dir(dir).join("unfinished"))?;
    Ok(())
}

impl DiskStore {
    /// Opens the store in `dir`, making it when there is none.
    pub fn open(dir: &Path, options: &Options) -> Result<(Self, OpenReport), OpenError> {
        Self::open_on(dir, options, Arc::new(RealDisk))
    }

    pub(super) fn open_on(
        dir: &Path,
        options: &Options,
        disk: Arc<dyn Disk>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let begun = Instant::now();
        if options.require_existing && is_vacant(dir)? {
            return Err(OpenError::Required(dir.display().to_string()));
        }
        let lock = Arc::new(Lock::take(dir)?);
        let recovered = Recovered::read(dir, options)?;
        let mut report = recovered.report;
        report.took = begun.elapsed();
        let index = Arc::new(Index::new(recovered.view));
        let shared = Arc::new(Shared::new(recovered.log.end));
        shared.damaged.store(report.places(), Ordering::Relaxed);
        let segments = recovered.log.ids.len() as u64;
        shared.segments.store(segments, Ordering::Relaxed);
        shared
            .journal_bytes
            .store(recovered.journal_bytes, Ordering::Relaxed);
        let identity = Arc::new(Known::new(dir, recovered.identity));
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
            end: recovered.log.end,
            newest_at_opening: recovered.log.end.segment,
            identity: Arc::clone(&identity),
            next_segment: recovered.next_segment,
            segment: None,
            buffer: Vec::new(),
            tried_at: None,
            is_view_broken: false,
            remake_view: remake(dir, &index),
        };
        let upkeep = Upkeep::new(dir, options, &shared, &index, &lock, &identity)?;
        let (stop_upkeep, stopped) = std::sync::mpsc::channel();
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        committer.begin();
        let committer = spawn("committer").spawn(move || committer.run());
        let committer = committer.map_err(JournalError::io("starting the committer"))?;
        let upkeep = spawn("upkeep").spawn(move || upkeep.run(&stopped));
        let upkeep = upkeep.map_err(JournalError::io("starting the upkeep"))?;
        let threads = Mutex::new(Some(Threads {
            committer,
            upkeep,
            stop_upkeep,
        }));
        let store = Self {
            shared,
            index,
            dir: dir.to_owned(),
            walks: Arc::new(Semaphore::new(WALKS_MAX)),
            threads,
            _lock: lock,
        };
        Ok((store, report))
    }
}

/// What is on disk, made readable.
struct Recovered {
    view: View,
    log: Log,
    identity: Identity,
    /// The number of the next segment, at least.
    next_segment: u64,
    journal_bytes: u64,
    report: OpenReport,
}

impl Recovered {
    fn read(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        // First a look at everything, without changing anything.
        check_names(dir)?;
        let mut log = Log::read(dir)?;
        if options.accept_loss {
            log.accept();
        } else if !log.missing.is_empty() {
            return Err(OpenError::lost(dir, &log.missing));
        }
        let is_new = log.is_new();
        for sub in [journal_dir(dir), snapshot_dir(dir)] {
            files::make_dir(&sub).map_err(JournalError::io("creating the store"))?;
        }
        sync_dir(dir).map_err(JournalError::io("syncing the data directory"))?;
        let mut report = std::mem::take(&mut log.report);
        let loose = files::tighten(dir);
        report.loose = loose.map_err(JournalError::io("restricting the data directory"))?;
        report.is_new = is_new;
        let identity = identify(dir, &log, options, is_new)?;
        report.store = Some(identity.id);
        // Both read a lot, and wait for nothing of each other.
        let (view, harmed) = std::thread::scope(|scope| {
            let harmed = scope.spawn(|| harmed_snapshots(dir));
            let view = recover_view(dir, &log, &mut report)?;
            let harmed = harmed.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            Ok::<_, OpenError>((view, harmed))
        })?;
        report.harmed.extend(harmed);
        let index = Index::new(view);
        look_for_payloads(dir, &log, &index, &mut report)?;
        report.is_empty = index.kv.is_empty();
        let size = |id| std::fs::metadata(segment_path(&journal_dir(dir), id));
        let sizes = log.ids.iter().map(|id| size(*id).map_or(0, |m| m.len()));
        Ok(Self {
            view: index.kv,
            journal_bytes: sizes.sum(),
            identity,
            next_segment: next_segment(&log)?,
            log,
            report,
        })
    }
}

/// After everything that anything names.
fn next_segment(log: &Log) -> Result<u64, OpenError> {
    let next = log.newest.max(log.end.segment).checked_add(1);
    next.filter(|next| *next < u64::MAX)
        .ok_or_else(|| OpenError::View("no segment number is left".to_owned()))
}

/// Who the store is. One of version 0.1 gets its identity now.
fn identify(dir: &Path, log: &Log, options: &Options, is_new: bool) -> Result<Identity, OpenError> {
    let mut identity = match log.identity {
        IdentityRead::Good(identity) => identity,
        IdentityRead::None | IdentityRead::Harmed => Identity {
            id: StoreId::generate(
                options.environment.clock.now(),
                &*options.environment.entropy,
            ),
            first: log.ids.first().copied().unwrap_or(0),
            segment: log.end.segment,
            accepted: 0,
        },
    };
    if log.accepted == u64::MAX {
        identity.accepted = next_segment(log)?;
        identity.first = log.ids.first().copied().unwrap_or(identity.accepted);
    }
    // Of a new store there is nothing that it could tell of yet: its view comes after it.
    if is_new {
        let written = identity.write(dir);
        written.map_err(JournalError::io("writing the identity"))?;
    }
    Ok(identity)
}

fn recover_view(dir: &Path, log: &Log, report: &mut OpenReport) -> Result<View, OpenError> {
    match View::open_clean(&view_dir(dir), log.end)? {
        Left::Trusted(view) => return Ok(*view),
        Left::Nothing => {}
        Left::Harmed(why) => report.harmed.push(format!("the view: {why}")),
    }
    report.is_rebuilt = !log.ids.is_empty();
    let (view, found) = log.replayed(dir, &view_dir(dir))?;
    report.unreadable += found.unreadable;
    report.lost.extend(found.lost);
    Ok(view)
}

/// The snapshots that are not whole, by name.
pub(in crate::store) fn harmed_snapshots(dir: &Path) -> Result<Vec<String>, JournalError> {
    let mut harmed = Vec::new();
    if !files::is_dir(&snapshot_dir(dir))? {
        return Ok(harmed);
    }
    for (position, path) in snapshot::list(&snapshot_dir(dir))? {
        if !snapshot::is_whole(&path, position)? {
            harmed.push(format!("the snapshot {}", path.display()));
        }
    }
    Ok(harmed)
}

/// Retention forgets the deliveries of a segment before it deletes it: where one is known whose
/// segment is gone, something else deleted it. Used where there is no identity.
fn look_for_payloads(
    dir: &Path,
    log: &Log,
    index: &Index<View>,
    report: &mut OpenReport,
) -> Result<(), OpenError> {
    let is_told = matches!(log.identity, IdentityRead::Good(_)) && log.accepted < u64::MAX;
    let Some(first) = log.ids.first().filter(|_| report.is_whole() && !is_told) else {
        return Ok(());
    };
    match index.segment_before(*first)? {
        Some(segment) if *first > log.accepted => {
            let words = format!("segment {segment} with payloads of deliveries is missing");
            Err(OpenError::lost(dir, &[words]))
        }
        Some(segment) => {
            report
                .lost
                .push(format!("the payloads in segment {segment}"));
            Ok(())
        }
        None => Ok(()),
    }
}
