//! The failures that belong together: the track of one workflow in one lane.
//!
//! A track is the set of decided attempts, ordered by position. Failures between two passes are one
//! incident; a pass resolves the failures before it and none after it. As everything follows from
//! the *set* of attempts, the order and the repetition of reports do not matter. An incident that a
//! person resolved, or that ended for another reason than a pass, is cut off at that point as if
//! there were a pass. So are attempts that began before their branch was deleted or their pull
//! request closed: see [`Track::end`].

use super::Resolution;
use crate::domain::id::{IncidentId, RunId};
use crate::domain::lane::place::{ENDS_MAX, EndedAt, Reach};
use crate::domain::rule::{Reopening, Verdict};
use crate::domain::run::{Conclusion, Position};
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

pub mod flapping;
mod group;
mod grouping;
mod key;

use flapping::Trend;
pub use group::{Group, GroupEnd};
pub use key::TrackKey;

/// Most attempts of a track that are stored. The oldest are dropped first; attempts from before
/// them are recorded as runs and change no incident.
pub const POINTS_MAX: usize = 256;

/// Stands for the incident of a new failure until it is grouped.
const UNGROUPED: IncidentId = IncidentId::from_u128(0);

/// The reported end of an attempt. The order is that of a track: by attempt, then, if an attempt
/// ends twice, by the provider's clock; of equal times a failure comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// The attempt.
    pub position: Position,
    /// The time by the provider's clock.
    pub at: Timestamp,
    /// The conclusion.
    pub conclusion: Conclusion,
}

impl End {
    /// A point before every end of this attempt.
    const fn before(position: Position) -> Self {
        Self {
            position,
            at: Timestamp(i64::MIN),
            conclusion: Conclusion::Success,
        }
    }
}

/// A decided attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its run.
    pub run: RunId,
    /// When that run began.
    pub began: Timestamp,
    /// What limits the reach of a place's end: see [`Reach`].
    pub mark: u64,
    /// When it belongs to the incident before, although a pass is between.
    pub reopening: Reopening,
    /// Its result.
    pub kind: PointKind,
}

/// The result of a decided attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointKind {
    /// It passed.
    Passed,
    /// It failed, and counts in this incident.
    Failed {
        /// The incident.
        incident: IncidentId,
        /// Set when the incident was resolved while this was its last failure.
        closed: Option<Closed>,
    },
}

impl PointKind {
    const fn incident(self) -> Option<IncidentId> {
        match self {
            Self::Failed { incident, .. } => Some(incident),
            Self::Passed => None,
        }
    }

    const fn has_failed(self) -> bool {
        self.incident().is_some()
    }

    const fn closed(self) -> Option<Closed> {
        match self {
            Self::Failed { closed, .. } => closed,
            Self::Passed => None,
        }
    }
}

/// A decided attempt, as reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Its end.
    pub end: End,
    /// Its result.
    pub verdict: Verdict,
    /// Its run.
    pub run: RunId,
    /// When that run began.
    pub began: Timestamp,
    /// See [`Point::mark`].
    pub mark: u64,
    /// See [`Point::reopening`].
    pub reopening: Reopening,
}

/// The end of an incident without a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The time.
    pub at: Timestamp,
    /// The reason.
    pub why: Resolution,
}

/// The decided attempts of one workflow in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The key.
    pub key: TrackKey,
    /// The attempts, in order.
    pub points: BTreeMap<End, Point>,
    /// When a run without attempt numbers began again: only then is a repeated report of a failure
    /// a new failure.
    pub starts: BTreeSet<Position>,
    /// When and why the targets of its runs ended.
    pub ends: BTreeMap<EndedAt, Resolution>,
    /// Attempts at or before this end are ignored.
    pub floor: Option<End>,
    /// The dropped failures of the incident to which the oldest stored failure belongs.
    pub forgotten: Option<Forgotten>,
    /// What the dropped attempts say about flapping.
    pub trend: Trend,
}

/// The effect of a change to a track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// The incidents whose [`Group`] has changed, or is new, in the order of the track.
    pub changed: Vec<IncidentId>,
    /// Those whose failures all belong to an earlier one now.
    pub joined: Vec<IncidentId>,
    /// Whether the track has changed.
    pub is_new: bool,
}

/// Failures that are no longer stored one by one, but still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The incident.
    pub incident: IncidentId,
    /// Their number.
    pub occurrences: u32,
    /// When the first of them ended.
    pub first_seen_at: Timestamp,
}

impl Track {
    /// A track without attempts.
    pub fn new(key: TrackKey) -> Self {
        Self {
            key,
            points: BTreeMap::new(),
            starts: BTreeSet::new(),
            ends: BTreeMap::new(),
            floor: None,
            forgotten: None,
            trend: Trend::default(),
        }
    }

    /// Adds a decided attempt. Nothing changes when it is known or too old.
    ///
    /// `new_incident` is asked for an id when a failure belongs to no known incident, or when one
    /// is split in two.
    pub fn take(&mut self, reported: Reported, new_incident: impl FnMut() -> IncidentId) -> Shift {
        let end = reported.end;
        if self.floor.is_some_and(|floor| end <= floor) {
            return Shift::default();
        }
        if let Some(known) = self.known_before(end) {
            // It is reported again, at another time: the earliest report counts.
            if end >= known || self.points.range(end..known).next().is_some() {
                return Shift::default();
            }
            let change = |track: &mut Self| {
                let point = track.points.remove(&known);
                track.points.extend(point.map(|point| (end, point)));
            };
            return self.change(change, new_incident);
        }
        let mut point = Point {
            run: reported.run,
            began: reported.began,
            mark: reported.mark,
            reopening: reported.reopening,
            kind: PointKind::Passed,
        };
        if reported.verdict == Verdict::Failed {
            point.kind = PointKind::Failed {
                incident: UNGROUPED,
                closed: self.closed_by_place(end, &point),
            };
        }
        let change = |track: &mut Self| track.points.extend([(end, point)]);
        self.change(change, new_incident)
    }

    /// Records that a run without attempt numbers began at this position.
    pub fn start(&mut self, position: Position) -> Shift {
        let is_forgotten = self.floor.is_some_and(|floor| position <= floor.position);
        if is_forgotten || !self.starts.insert(position) {
            return Shift::default();
        }
        while self.starts.len() > POINTS_MAX {
            self.starts.pop_first();
        }
        let later = self.points.range(End::before(position)..);
        let next = later
            .take_while(|(end, _)| end.position.number == position.number)
            .find_map(|(_, point)| point.kind.incident());
        Shift {
            changed: next.into_iter().collect(),
            joined: Vec::new(),
            is_new: true,
        }
    }

    /// Records that the targets of the runs ended: the failures that this reaches are resolved.
    pub fn end(
        &mut self,
        at: EndedAt,
        why: Resolution,
        new_incident: impl FnMut() -> IncidentId,
    ) -> Shift {
        if self.ends.get(&at).is_some_and(|known| *known >= why) {
            return Shift::default();
        }
        self.ends.insert(at, why);
        while self.ends.len() > ENDS_MAX {
            self.ends.pop_first();
        }
        self.change(|track| track.reach(at, why), new_incident)
    }

    /// The first end of a failure counts, in any order of arrival, and an earlier action of a
    /// person.
    fn reach(&mut self, place: EndedAt, why: Resolution) {
        let by = Closed { at: place.at, why };
        for (end, point) in &mut self.points {
            let is_reached = reaches(place, *end, point);
            let PointKind::Failed { closed, .. } = &mut point.kind else {
                continue;
            };
            let is_first = closed.is_none_or(|known| {
                known.why.is_derived()
                    && (known.at > by.at || (known.at == by.at && known.why < why))
            });
            if is_reached && is_first {
                *closed = Some(by);
            }
        }
    }

    /// The end of a new failure: the first end of a place that reaches it.
    fn closed_by_place(&self, end: End, point: &Point) -> Option<Closed> {
        let ends = self.ends.iter();
        let reached = ends.filter(|(at, _)| reaches(**at, end, point));
        reached
            .map(|(at, why)| Closed {
                at: at.at,
                why: *why,
            })
            .min_by_key(|closed| (closed.at, std::cmp::Reverse(closed.why)))
    }

    /// Ends the open group of `incident` here. Returns whether there was one.
    pub fn close(&mut self, incident: IncidentId, closed: Closed) -> bool {
        let is_open = self
            .group(incident)
            .is_some_and(|group| group.end.is_none());
        let last = self
            .points
            .values_mut()
            .rev()
            .find_map(|point| match &mut point.kind {
                PointKind::Failed {
                    incident: of,
                    closed,
                } if *of == incident => Some(closed),
                PointKind::Failed { .. } | PointKind::Passed => None,
            });
        match last {
            Some(last) if is_open => {
                *last = Some(closed);
                true
            }
            Some(_) | None => false,
        }
    }

    /// When an attempt last ended, by the provider's clock; `None` while none has.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.points.keys().map(|end| end.at).max()
    }

    /// Whether an incident is open.
    pub fn is_failing(&self) -> bool {
        let last = self.points.values().next_back();
        last.is_some_and(|point| match point.kind {
            PointKind::Failed { closed, .. } => closed.is_none(),
            PointKind::Passed => false,
        })
    }

    /// The incidents with a last failure of this run.
    pub fn incidents_of(&self, run: RunId) -> Vec<IncidentId> {
        let of_run = self.points.values().filter(|point| point.run == run);
        let mut incidents: Vec<_> = of_run
            .filter_map(|point| match point.kind {
                PointKind::Failed { incident, .. } => Some(incident),
                PointKind::Passed => None,
            })
            .collect();
        incidents.dedup();
        incidents.retain(|id| self.group(*id).is_some_and(|group| group.last_run == run));
        incidents
    }

    /// The end under which this one is known: of the same attempt, with the same conclusion.
    fn known_before(&self, end: End) -> Option<End> {
        let of_attempt = self.points.range(End::before(end.position)..);
        of_attempt
            .map(|(known, _)| *known)
            .take_while(|known| known.position == end.position)
            .find(|known| known.conclusion == end.conclusion)
    }

    /// Keeps the track bounded. Dropped failures of an incident that is still open count in it.
    fn forget_oldest(&mut self) {
        while self.points.len() > POINTS_MAX {
            let Some((end, point)) = self.points.pop_first() else {
                return;
            };
            self.floor = Some(end);
            self.trend.take(end.position, point.kind.has_failed());
            let PointKind::Failed { incident, .. } = point.kind else {
                let mut incidents = self.points.values().map(|point| point.kind.incident());
                let next = incidents.find_map(|incident| incident);
                // The pass may have been one in the middle of an incident.
                self.forgotten = self.forgotten.filter(|f| next == Some(f.incident));
                continue;
            };
            let before = self.forgotten.filter(|f| f.incident == incident);
            // If the same failure is stored under another end, it is counted there.
            let next = self.points.first_key_value();
            let is_remembered = next.is_some_and(|(next, point)| {
                point.kind.incident() == Some(incident) && self.is_same_failure(end, *next)
            });
            self.forgotten = Some(Forgotten {
                incident,
                occurrences: before
                    .map_or(0, |f| f.occurrences)
                    .saturating_add(u32::from(!is_remembered)),
                first_seen_at: before.map_or(end.at, |f| f.first_seen_at.min(end.at)),
            });
        }
    }
}

/// Whether the end of a place applies to this attempt.
fn reaches(place: EndedAt, end: End, point: &Point) -> bool {
    match place.reach {
        Reach::Begun => point.began <= place.at,
        Reach::BegunBut(mark) => point.mark != mark && point.began <= place.at,
        Reach::DecidedBut(mark) => point.mark != mark && end.at <= place.at,
    }
}

#[cfg(test)]
mod tests;
