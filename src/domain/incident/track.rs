//! Which failures belong together: the track of one workflow on one branch.
//!
//! A track is the set of decided attempts, ordered by position. Failures between two passes are
//! one incident; a pass resolves what stands before it and nothing after it. As everything
//! follows from the *set* of attempts, it does not matter in which order, or how often, they are
//! told. What is closed by a person, or for another reason that is no pass, is cut off at that
//! point as if a pass stood there.

use super::Resolution;
use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::rule::Verdict;
use crate::domain::run::{Conclusion, Family, Position, RunFacts};
use crate::domain::time::Timestamp;
use std::collections::BTreeMap;

/// Most attempts that a track remembers. The oldest are forgotten first; whatever arrives from
/// before them is recorded as a run and moves no incident.
pub const POINTS_MAX: usize = 256;

/// One workflow on one branch of one connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey {
    /// The connection.
    pub connection: ConnectionId,
    /// The family's name, a colon, and [`RunFacts::workflow_key`].
    pub workflow_key: String,
    /// The branch; empty when there is none.
    pub branch: String,
}

impl TrackKey {
    /// The track of the runs with these facts.
    pub fn of(connection: ConnectionId, family: Family, facts: &RunFacts) -> Self {
        Self {
            connection,
            workflow_key: format!("{}:{}", family.as_str(), facts.workflow_key),
            branch: facts.branch.clone().unwrap_or_default(),
        }
    }
}

/// How an attempt ended, as told. The order is that of a track: by attempt, then, should an
/// attempt end twice, by the provider's clock, and within its resolution a failure comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// Which attempt.
    pub position: Position,
    /// When, by the provider's clock.
    pub at: Timestamp,
    /// How.
    pub conclusion: Conclusion,
}

impl End {
    /// Stands before every end of this attempt.
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
    /// The run it is an attempt of.
    pub run: RunId,
    /// What it meant.
    pub kind: PointKind,
}

/// What a decided attempt meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointKind {
    /// It passed.
    Passed,
    /// It failed, and counts in this incident.
    Failed {
        /// The incident.
        incident: IncidentId,
        /// Set when the incident was closed while this was its last failure.
        closed: Option<Closed>,
    },
}

/// The end of an incident that no pass brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: Resolution,
}

/// The decided attempts of one workflow on one branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Which.
    pub key: TrackKey,
    /// The attempts, in order.
    pub points: BTreeMap<End, Point>,
    /// Nothing at or before this end is taken in any more.
    pub floor: Option<End>,
    /// What was forgotten of the incident that the oldest remembered failure belongs to.
    pub forgotten: Option<Forgotten>,
}

/// Failures that are no longer remembered one by one, and still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The incident.
    pub incident: IncidentId,
    /// How many.
    pub occurrences: u32,
    /// When the first of them ended.
    pub first_seen_at: Timestamp,
}

/// What a group of failures amounts to: everything an incident says that follows from the track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The incident.
    pub incident: IncidentId,
    /// Failed attempts in it.
    pub occurrences: u32,
    /// When the first and the last of them ended.
    pub first_seen_at: Timestamp,
    /// See `first_seen_at`.
    pub last_seen_at: Timestamp,
    /// The failure that is last by position.
    pub last: End,
    /// Its run.
    pub last_run: RunId,
    /// The attempt of this run that was decided before that: what failed after it belongs to the
    /// last failure.
    pub decided_before: Option<u32>,
    /// How it ended, and when; `None` while it goes on.
    pub end: Option<GroupEnd>,
}

/// How a group of failures ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEnd {
    /// This run passed.
    Passed(RunId, Timestamp),
    /// It was closed.
    Closed(Closed),
}

impl Track {
    /// A track without attempts.
    pub fn new(key: TrackKey) -> Self {
        Self {
            key,
            points: BTreeMap::new(),
            floor: None,
            forgotten: None,
        }
    }

    /// Takes in a decided attempt. Returns the incidents whose [`Group`] may have changed; none
    /// when the attempt is known or too old.
    ///
    /// `new_incident` is asked for an id when the failure belongs to no known incident, or when a
    /// pass that arrives late splits one in two.
    pub fn take(
        &mut self,
        end: End,
        verdict: Verdict,
        run: RunId,
        mut new_incident: impl FnMut() -> IncidentId,
    ) -> Vec<IncidentId> {
        if self.floor.is_some_and(|floor| end <= floor) {
            return Vec::new();
        }
        if let Some(known) = self.told_before(end) {
            return self.correct(known, end);
        }
        let (before, after) = (self.failure_before(end), self.failure_after(end));
        let (kind, changed) = match verdict {
            Verdict::Failed => {
                let incident = before.or(after).unwrap_or_else(&mut new_incident);
                let closed = None;
                (PointKind::Failed { incident, closed }, vec![incident])
            }
            Verdict::Passed => match (before, after) {
                (Some(before), Some(after)) if before == after => {
                    let later = new_incident();
                    self.rename_after(end, before, later);
                    (PointKind::Passed, vec![before, later])
                }
                // For the failures after it, it is the attempt that was decided before.
                (before, after) => (PointKind::Passed, after.into_iter().chain(before).collect()),
            },
        };
        self.points.insert(end, Point { run, kind });
        self.forget_oldest();
        changed
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

    /// What the failures of `incident` amount to; `None` when it has none here.
    pub fn group(&self, incident: IncidentId) -> Option<Group> {
        let mut group: Option<Group> = None;
        let forgotten = self.forgotten.filter(|f| f.incident == incident);
        for (end, point) in &self.points {
            match point.kind {
                PointKind::Failed {
                    incident: of,
                    closed,
                } if of == incident => {
                    let is_told_twice = group
                        .as_ref()
                        .is_some_and(|group| group.last.position == end.position);
                    let group = group.get_or_insert(Group {
                        incident,
                        occurrences: forgotten.map_or(0, |f| f.occurrences),
                        first_seen_at: forgotten.map_or(end.at, |f| f.first_seen_at),
                        last_seen_at: end.at,
                        last: *end,
                        last_run: point.run,
                        decided_before: None,
                        end: None,
                    });
                    group.occurrences += u32::from(!is_told_twice);
                    group.first_seen_at = group.first_seen_at.min(end.at);
                    group.last_seen_at = group.last_seen_at.max(end.at);
                    (group.last, group.last_run) = (*end, point.run);
                    group.end = closed.map(GroupEnd::Closed);
                }
                PointKind::Passed => {
                    if let Some(group) = &mut group
                        && group.end.is_none()
                    {
                        group.end = Some(GroupEnd::Passed(point.run, end.at));
                    }
                }
                PointKind::Failed { .. } => {}
            }
        }
        if let Some(group) = &mut group {
            group.decided_before = self.decided_before(group.last.position);
        }
        group
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

    /// The incidents whose last failure is one of this run.
    pub fn incidents_of(&self, run: RunId) -> Vec<IncidentId> {
        let of_run = self.points.values().filter(|point| point.run == run);
        let mut incidents: Vec<_> = of_run
            .filter_map(|point| match point.kind {
                PointKind::Failed { incident, .. } => Some(incident),
                PointKind::Passed => None,
            })
            .collect();
        incidents.dedup();
        let is_last = |group: Group| group.last_run == run;
        incidents.retain(|incident| self.group(*incident).is_some_and(is_last));
        incidents
    }

    /// The end by which this one is known: of the same attempt, with the same conclusion.
    fn told_before(&self, end: End) -> Option<End> {
        let of_attempt = self.points.range(End::before(end.position)..);
        of_attempt
            .map(|(known, _)| *known)
            .take_while(|known| known.position == end.position)
            .find(|known| known.conclusion == end.conclusion)
    }

    /// An end that is told again, at another time: the earliest telling counts.
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
            PointKind::Passed => self.failure_before(end).into_iter().collect(),
        }
    }

    /// The attempt of the same run that was decided last before this one.
    fn decided_before(&self, position: Position) -> Option<u32> {
        let known = self.points.range(..End::before(position)).next_back();
        let before = known.map(|(end, _)| *end).or(self.floor)?.position;
        let is_same_run = before.number == position.number && before < position;
        is_same_run.then_some(before.attempt)
    }

    /// The incident of the failure right before `end`, unless it was closed there.
    fn failure_before(&self, end: End) -> Option<IncidentId> {
        match self.points.range(..end).next_back()?.1.kind {
            PointKind::Failed {
                incident,
                closed: None,
            } => Some(incident),
            PointKind::Failed { .. } | PointKind::Passed => None,
        }
    }

    /// The incident of the failure right after `end`.
    fn failure_after(&self, end: End) -> Option<IncidentId> {
        match self.points.range(end..).next()?.1.kind {
            PointKind::Failed { incident, .. } => Some(incident),
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

    /// Keeps the track bounded. What is forgotten of an incident that goes on still counts in it.
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
            // Should the attempt be remembered by another end, it is counted there.
            let is_remembered = self
                .points
                .first_key_value()
                .is_some_and(|(next, _)| next.position == end.position);
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

#[cfg(test)]
mod tests;
