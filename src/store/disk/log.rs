//! What the journal on disk consists of, and whether anything says that there was more of it.

use super::identity::{Identity, IdentityRead};
use super::layout::{journal_dir, snapshot_dir, view_dir};
use super::report::{OpenError, OpenReport};
use crate::store::files;
use crate::store::journal::{
    Damage, Found, JournalError, Position, Segments, list_segments, scan_segment, segment_path,
};
use crate::store::snapshot;
use crate::store::view::{Marker, MarkerRead};
use std::path::Path;

/// What the journal on disk consists of.
#[derive(Debug)]
pub(in crate::store) struct Log {
    /// The segments, ascending.
    pub(in crate::store) ids: Vec<u64>,
    /// Where each of them ends.
    pub(in crate::store) ends: Vec<u64>,
    /// Where the log ends.
    pub(in crate::store) end: Position,
    /// What was found on the way.
    pub(in crate::store) report: OpenReport,
    /// What is gone, in words, that was not accepted as lost.
    pub(in crate::store) missing: Vec<String>,
    /// What is missing before this segment was accepted as lost.
    pub(in crate::store) accepted: u64,
    /// The newest segment that anything names, whether it is there or not.
    pub(in crate::store) newest: u64,
    /// Which store it is.
    pub(in crate::store) identity: IdentityRead,
}

/// A file that names a position of the journal.
struct Witness {
    what: &'static str,
    position: Position,
}

/// Whether a directory holds nothing of a store, so that one may begin there.
pub(in crate::store) fn is_vacant(dir: &Path) -> Result<bool, OpenError> {
    if files::is_dir(&journal_dir(dir))? && !list_segments(&journal_dir(dir))?.ids.is_empty() {
        return Ok(false);
    }
    let is_known = match Identity::read(dir) {
        IdentityRead::Good(identity) => identity.segment > 0,
        IdentityRead::None => files::is_dir(&view_dir(dir))?,
        IdentityRead::Harmed => true,
    };
    Ok(!is_known && witnesses(dir)?.is_empty())
}

/// What names a position of the journal beside the journal itself.
fn witnesses(dir: &Path) -> Result<Vec<Witness>, OpenError> {
    let mut found = Vec::new();
    if let IdentityRead::Good(identity) = Identity::read(dir)
        && identity.segment > 0
    {
        let (segment, offset) = (identity.segment, 0);
        found.push(Witness {
            what: "the file identity",
            position: Position { segment, offset },
        });
    }
    match Marker::read(&view_dir(dir)) {
        MarkerRead::Good(Marker { position, .. }) | MarkerRead::Older(position) => {
            found.push(Witness {
                what: "the view",
                position,
            });
        }
        MarkerRead::None | MarkerRead::Harmed => {}
    }
    if files::is_dir(&snapshot_dir(dir))? {
        for (position, path) in snapshot::list(&snapshot_dir(dir))? {
            // The name of one that is harmed in its head proves nothing.
            if snapshot::is_named_rightly(&path, position)? {
                found.push(Witness {
                    what: "a snapshot",
                    position,
                });
            }
        }
    }
    Ok(found)
}

impl Log {
    /// Walks over all segments and changes nothing. Looks for what says that there was more.
    pub(in crate::store) fn read(dir: &Path) -> Result<Self, OpenError> {
        // A daemon may be writing: what it writes from now on says nothing of what is read here.
        let witnesses = witnesses(dir)?;
        let mut log = Self::read_from(dir, 0)?;
        // Retention says in the identity what it takes before it does.
        log.identity = Identity::read(dir);
        match log.identity {
            IdentityRead::Good(identity) => {
                log.accepted = identity.accepted;
                log.look_for_first(identity.first);
            }
            IdentityRead::None => {
                // The first segment comes before the view, and the identity before both; only
                // version 0.1 wrote none.
                if log.ids.is_empty() && files::is_dir(&view_dir(dir))? {
                    log.missing.push("there is a view but no journal".into());
                }
            }
            IdentityRead::Harmed => log.report.harmed.push("the file identity".into()),
        }
        for witness in witnesses {
            log.newest = log.newest.max(witness.position.segment);
            log.hear(dir, &witness)?;
        }
        log.look_for_gaps();
        Ok(log)
    }

    /// The same, from this segment on, without witnesses.
    pub(in crate::store) fn read_from(dir: &Path, first: u64) -> Result<Self, OpenError> {
        let journal = journal_dir(dir);
        let mut report = OpenReport::default();
        let mut ids = Vec::new();
        if files::is_dir(&journal)? {
            let Segments { ids: all, strays } = list_segments(&journal)?;
            ids = all;
            report.harmed.extend(strays);
        }
        ids.retain(|id| *id >= first);
        let ends = ends_of(&journal, &mut ids, &mut report)?;
        let end = ids.last().zip(ends.last());
        let end = end.map_or(Position::default(), |(id, end)| Position {
            segment: *id,
            offset: *end,
        });
        Ok(Self {
            newest: end.segment,
            ids,
            ends,
            end,
            report,
            missing: Vec::new(),
            accepted: 0,
            identity: IdentityRead::None,
        })
    }

    /// Whether nothing was ever stored here.
    pub(in crate::store) fn is_new(&self) -> bool {
        let was_begun = match self.identity {
            IdentityRead::Good(identity) => identity.segment > 0,
            IdentityRead::None => false,
            IdentityRead::Harmed => true,
        };
        self.ids.is_empty() && self.newest == 0 && self.missing.is_empty() && !was_begun
    }

    /// Whether what is there since this position is all that followed it.
    pub(in crate::store) fn goes_on_from(&self, position: Position) -> bool {
        self.ids.first().is_none_or(|first| {
            *first <= self.accepted || position.segment >= *first || *first == 1
        })
    }

    /// Takes everything that is missing as lost.
    pub(in crate::store) fn accept(&mut self) {
        self.accepted = u64::MAX;
        self.report.lost.append(&mut self.missing);
    }

    /// A witness says that the journal reaches so far.
    fn hear(&mut self, dir: &Path, witness: &Witness) -> Result<(), OpenError> {
        let Position { segment, offset } = witness.position;
        if witness.position <= self.end || segment < self.accepted {
            return Ok(());
        }
        if segment == self.end.segment {
            let path = segment_path(&journal_dir(dir), segment);
            let meta = std::fs::symlink_metadata(path);
            let length = meta.map_err(JournalError::io("reading a segment"))?.len();
            if length >= offset {
                // It is there, and harmed: what no witness named would be a torn write.
                self.report.damage.push(Damage {
                    segment,
                    from: self.end.offset,
                    to: offset,
                });
                self.end.offset = offset;
                self.ends.pop();
                self.ends.push(offset);
                return Ok(());
            }
        }
        let Position {
            segment: end,
            offset: at,
        } = self.end;
        let here = if self.ids.is_empty() {
            "there is no journal".to_owned()
        } else {
            format!("the journal ends in segment {end} at byte {at}")
        };
        self.missing.push(format!(
            "{} was written when the journal ended in segment {segment}, byte {offset}; {here}",
            witness.what
        ));
        Ok(())
    }

    /// Retention says what it takes before it does; what was accepted as lost it cannot take.
    fn look_for_first(&mut self, needed: u64) {
        // Of a new store it is written when the first segment is there.
        let needed = needed.max(1);
        if let Some(first) = self.ids.first()
            && *first > needed
            && *first > self.accepted
        {
            let words = format!("the journal begins with segment {first}, but {needed} is needed");
            self.missing.push(words);
        }
    }

    /// Retention takes the oldest segments only: one that is missing in between was lost.
    fn look_for_gaps(&mut self) {
        for pair in self.ids.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            if after != before + 1 && after > self.accepted {
                let last = after - 1;
                let gone = if last == before + 1 {
                    format!("segment {last} is missing")
                } else {
                    format!("segments {} to {last} are missing", before + 1)
                };
                self.missing.push(format!("{gone} in the journal"));
            }
        }
    }
}

/// Where each segment ends: where the next one says, or behind the last unharmed frame. Files that
/// are named like segments and are none are taken out of the list.
fn ends_of(
    journal: &Path,
    ids: &mut Vec<u64>,
    report: &mut OpenReport,
) -> Result<Vec<u64>, OpenError> {
    let mut told: Option<(u64, u64)> = None;
    let (mut ends, mut strays) = (Vec::new(), Vec::new());
    for (index, id) in ids.iter().enumerate().rev() {
        let limit = told.and_then(|(next, end)| (next == id + 1).then_some(end));
        let found = scan_segment(journal, *id, 0, limit, |_, _| {})?;
        let is_alone = index
            .checked_sub(1)
            .is_some_and(|before| ids[before] + 1 != *id);
        if is_alone && limit.is_none() && is_nothing(&found) {
            report.harmed.push(format!("{id:016x}.segment"));
            strays.push(*id);
            continue;
        }
        ends.push(end_of(*id, limit, &found, report));
        told = found.previous_end.map(|end| (*id, end));
    }
    ids.retain(|id| !strays.contains(id));
    ends.reverse();
    Ok(ends)
}

/// Whether a file has nothing of a segment: neither its head nor any frame.
fn is_nothing(found: &Found) -> bool {
    found.previous_end.is_none() && found.frames == 0
}

fn end_of(id: u64, limit: Option<u64>, found: &Found, report: &mut OpenReport) -> u64 {
    report.batches += found.frames;
    // A segment whose creation was cut off has nothing behind its header, and never had.
    let is_unborn = is_nothing(found) && found.torn_bytes == 0;
    if !is_unborn {
        report.damage.extend(found.damage.iter().cloned());
    }
    match limit {
        // Bytes are missing that the next segment says were there.
        Some(limit) if found.end < limit => {
            report.damage.push(Damage {
                segment: id,
                from: found.end,
                to: limit,
            });
        }
        Some(_) => {}
        None => report.torn_bytes += found.torn_bytes,
    }
    limit.unwrap_or(found.end)
}
