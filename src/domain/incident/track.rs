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
use crate::domain::rule::Verdict;
use crate::domain::run::{Conclusion, Position};
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

mod group;
mod key;

pub use group::{Group, GroupEnd};
pub use key::TrackKey;

/// Most attempts of a track that are stored. The oldest are dropped first; attempts from before
/// them are recorded as runs and change no incident.
pub const POINTS_MAX: usize = 256;

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
        }
    }

    /// Adds a decided attempt. Returns the incidents whose [`Group`] may have changed; none when
    /// the attempt is known or too old.
    ///
    /// `new_incident` is asked for an id when the failure belongs to no known incident, or when a
    /// pass that arrives late splits one in two.
    pub fn take(
        &mut self,
        reported: Reported,
        mut new_incident: impl FnMut() -> IncidentId,
    ) -> Vec<IncidentId> {
        let end = reported.end;
        if self.floor.is_some_and(|floor| end <= floor) {
            return Vec::new();
        }
        if let Some(known) = self.known_before(end) {
            return self.correct(known, end);
        }
        let mut point = Point {
            run: reported.run,
            began: reported.began,
            mark: reported.mark,
            kind: PointKind::Passed,
        };
        let (before, after) = (self.failure_before(end), self.failure_after(end));
        let mut changed = Vec::new();
        match reported.verdict {
            Verdict::Failed => {
                let closed = self.closed_by_place(end, &point);
                let before = before.filter(|(_, of)| !is_cut(*of, closed));
                let fits_after = after.filter(|(_, of)| !is_cut(closed, *of));
                let incident = before.or(fits_after);
                let incident = incident.map_or_else(&mut new_incident, |(incident, _)| incident);
                point.kind = PointKind::Failed { incident, closed };
                changed.push(incident);
                // Of one incident, and separated by an end of this failure and not the next.
                if fits_after.is_none() && after.is_some_and(|(after, _)| after == incident) {
                    let later = new_incident();
                    self.rename_after(end, incident, later);
                    changed.push(later);
                }
            }
            Verdict::Passed => match (before, after) {
                (Some((before, _)), Some((after, _))) if before == after => {
                    let later = new_incident();
                    self.rename_after(end, before, later);
                    changed.extend([before, later]);
                }
                // For the failures after it, it is the attempt that was decided before.
                (before, after) => {
                    changed.extend(after.into_iter().chain(before).map(|(id, _)| id));
                }
            },
        }
        self.points.insert(end, point);
        self.forget_oldest();
        changed
    }

    /// Records that a run without attempt numbers began at this position. Returns the incidents
    /// whose [`Group`] may have changed, and whether it was new.
    pub fn start(&mut self, position: Position) -> (Vec<IncidentId>, bool) {
        let is_forgotten = self.floor.is_some_and(|floor| position <= floor.position);
        if is_forgotten || !self.starts.insert(position) {
            return (Vec::new(), false);
        }
        while self.starts.len() > POINTS_MAX {
            self.starts.pop_first();
        }
        let later = self.points.range(End::before(position)..);
        let next = later
            .take_while(|(end, _)| end.position.number == position.number)
            .find_map(|(_, point)| point.kind.incident());
        (next.into_iter().collect(), true)
    }

    /// Records that the targets of the runs ended: the failures that this reaches are resolved.
    /// Returns the incidents whose [`Group`] may have changed, and whether it was new.
    pub fn end(
        &mut self,
        at: EndedAt,
        why: Resolution,
        mut new_incident: impl FnMut() -> IncidentId,
    ) -> (Vec<IncidentId>, bool) {
        if self.ends.get(&at).is_some_and(|known| *known >= why) {
            return (Vec::new(), false);
        }
        self.ends.insert(at, why);
        while self.ends.len() > ENDS_MAX {
            self.ends.pop_first();
        }
        let by = Closed { at: at.at, why };
        let mut changed = BTreeSet::new();
        for (end, point) in &mut self.points {
            let is_reached = reaches(at, *end, point);
            let PointKind::Failed { incident, closed } = &mut point.kind else {
                continue;
            };
            // The first end counts, in any order of arrival, and an earlier action of a person.
            let is_first = closed.is_none_or(|known| {
                known.why.is_derived()
                    && (known.at > by.at || (known.at == by.at && known.why < why))
            });
            if is_reached && is_first {
                *closed = Some(by);
                changed.insert(*incident);
            }
        }
        self.split_where_cut(&mut changed, &mut new_incident);
        (changed.into_iter().collect(), true)
    }

    /// Gives the later part of an incident a new id if an end is between.
    fn split_where_cut(
        &mut self,
        changed: &mut BTreeSet<IncidentId>,
        new_incident: &mut impl FnMut() -> IncidentId,
    ) {
        let mut before: Option<(IncidentId, Option<Closed>)> = None;
        // The id of the rest of an incident from here on.
        let mut renamed: Option<(IncidentId, IncidentId)> = None;
        for point in self.points.values_mut() {
            let PointKind::Failed { incident, closed } = &mut point.kind else {
                before = None;
                continue;
            };
            if let Some((old, new)) = renamed
                && *incident == old
            {
                *incident = new;
            }
            if let Some((of, by)) = before
                && of == *incident
                && is_cut(by, *closed)
            {
                let later = new_incident();
                let old = renamed.map_or(of, |(old, _)| old);
                renamed = Some((old, later));
                *incident = later;
                changed.insert(later);
            }
            before = Some((*incident, *closed));
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

    /// An end that is reported again, at another time: the earliest report counts.
    fn correct(&mut self, known: End, end: End) -> Vec<IncidentId> {
        if end >= known || self.points.range(end..known).next().is_some() {
            return Vec::new();
        }
        let Some(point) = self.points.remove(&known) else {
            return Vec::new();
        };
        self.points.insert(end, point);
        match point.kind {
            PointKind::Failed { incident, .. } => vec![incident],
            PointKind::Passed => {
                let before = self.failure_before(end);
                before.into_iter().map(|(incident, _)| incident).collect()
            }
        }
    }

    /// The incident of the failure right before `end`, and its end; `None` when a person resolved
    /// it there.
    fn failure_before(&self, end: End) -> Option<(IncidentId, Option<Closed>)> {
        match self.points.range(..end).next_back()?.1.kind {
            PointKind::Failed { incident, closed } => {
                let is_open = closed.is_none_or(|closed| closed.why.is_derived());
                is_open.then_some((incident, closed))
            }
            PointKind::Passed => None,
        }
    }

    /// The incident of the failure right after `end`, and its end.
    fn failure_after(&self, end: End) -> Option<(IncidentId, Option<Closed>)> {
        match self.points.range(end..).next()?.1.kind {
            PointKind::Failed { incident, closed } => Some((incident, closed)),
            PointKind::Passed => None,
        }
    }

    fn rename_after(&mut self, end: End, old: IncidentId, new: IncidentId) {
        for point in self.points.range_mut(end..).map(|(_, point)| point) {
            if let PointKind::Failed { incident, .. } = &mut point.kind
                && *incident == old
            {
                *incident = new;
            }
        }
    }

    /// Keeps the track bounded. Dropped failures of an incident that is still open count in it.
    fn forget_oldest(&mut self) {
        while self.points.len() > POINTS_MAX {
            let Some((end, point)) = self.points.pop_first() else {
                return;
            };
            self.floor = Some(end);
            let PointKind::Failed { incident, .. } = point.kind else {
                self.forgotten = None;
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

/// Whether something is between two failures in a row, of which these are the ends: the end of the
/// first has not ended the second.
fn is_cut(first: Option<Closed>, second: Option<Closed>) -> bool {
    first.is_some_and(|by| by.why.is_derived() && second != Some(by))
}

#[cfg(test)]
mod tests;
