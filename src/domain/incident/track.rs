//! Which failures belong together: the track of one workflow on one branch.
//!
//! A track is the set of decided attempts, ordered by position. Failures between two passes are
//! one incident; a pass resolves what stands before it and nothing after it. As everything
//! follows from the *set* of attempts, it does not matter in which order, or how often, they are
//! told. What a person resolves by hand is cut off at that point as if a pass stood there.

use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::rule::Verdict;
use crate::domain::run::Position;
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
    /// [`crate::domain::run::RunFacts::workflow_key`].
    pub workflow_key: String,
    /// The branch; empty when there is none.
    pub branch: String,
}

/// A decided attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The run it is an attempt of.
    pub run: RunId,
    /// When it ended, by the provider's clock.
    pub at: Timestamp,
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
        /// When a person resolved the incident while this was its last failure.
        resolved_by_hand_at: Option<Timestamp>,
    },
}

/// The decided attempts of one workflow on one branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Which.
    pub key: TrackKey,
    /// The attempts, by position.
    pub points: BTreeMap<Position, Point>,
    /// Nothing at or before this position is taken in any more.
    pub floor: Option<Position>,
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
    /// The run that failed last, by position.
    pub last_run: RunId,
    /// How it ended, and when; `None` while it goes on.
    pub end: Option<GroupEnd>,
}

/// How a group of failures ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEnd {
    /// This run passed.
    Passed(RunId, Timestamp),
    /// A person said so.
    ByHand(Timestamp),
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
        position: Position,
        verdict: Verdict,
        run: RunId,
        at: Timestamp,
        mut new_incident: impl FnMut() -> IncidentId,
    ) -> Vec<IncidentId> {
        let is_old = self.floor.is_some_and(|floor| position <= floor);
        if is_old || self.points.contains_key(&position) {
            return Vec::new();
        }
        let changed = match verdict {
            Verdict::Failed => {
                let incident = self.neighbour(position).unwrap_or_else(&mut new_incident);
                let kind = PointKind::Failed {
                    incident,
                    resolved_by_hand_at: None,
                };
                self.points.insert(position, Point { run, at, kind });
                vec![incident]
            }
            Verdict::Passed => {
                let before = self.failure_before(position);
                let after = self.failure_after(position);
                self.points.insert(
                    position,
                    Point {
                        run,
                        at,
                        kind: PointKind::Passed,
                    },
                );
                match (before, after) {
                    (Some(before), Some(after)) if before == after => {
                        let later = new_incident();
                        self.rename_after(position, before, later);
                        vec![before, later]
                    }
                    (before, _) => before.into_iter().collect(),
                }
            }
        };
        self.forget_oldest();
        changed
    }

    /// Ends the open group of `incident` here. Returns whether there was one.
    pub fn resolve_by_hand(&mut self, incident: IncidentId, now: Timestamp) -> bool {
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
                    resolved_by_hand_at,
                } if *of == incident => Some(resolved_by_hand_at),
                PointKind::Failed { .. } | PointKind::Passed => None,
            });
        match last {
            Some(resolved_at) if is_open => {
                *resolved_at = Some(now);
                true
            }
            Some(_) | None => false,
        }
    }

    /// The incident that is open now, if one is.
    pub fn open_incident(&self) -> Option<IncidentId> {
        match self.points.values().next_back()?.kind {
            PointKind::Failed {
                incident,
                resolved_by_hand_at: None,
            } => Some(incident),
            PointKind::Failed { .. } | PointKind::Passed => None,
        }
    }

    /// What the failures of `incident` amount to; `None` when it has none here.
    pub fn group(&self, incident: IncidentId) -> Option<Group> {
        let mut group: Option<Group> = None;
        let forgotten = self.forgotten.filter(|f| f.incident == incident);
        for point in self.points.values() {
            match point.kind {
                PointKind::Failed {
                    incident: of,
                    resolved_by_hand_at,
                } if of == incident => {
                    let group = group.get_or_insert(Group {
                        incident,
                        occurrences: forgotten.map_or(0, |f| f.occurrences),
                        first_seen_at: forgotten.map_or(point.at, |f| f.first_seen_at),
                        last_seen_at: point.at,
                        last_run: point.run,
                        end: None,
                    });
                    group.occurrences += 1;
                    group.first_seen_at = group.first_seen_at.min(point.at);
                    group.last_seen_at = group.last_seen_at.max(point.at);
                    group.last_run = point.run;
                    group.end = resolved_by_hand_at.map(GroupEnd::ByHand);
                }
                PointKind::Passed => {
                    if let Some(group) = &mut group
                        && group.end.is_none()
                    {
                        group.end = Some(GroupEnd::Passed(point.run, point.at));
                    }
                }
                PointKind::Failed { .. } => {}
            }
        }
        group
    }

    /// The incident that a failure at `position` joins: the one next to it with no end between.
    fn neighbour(&self, position: Position) -> Option<IncidentId> {
        self.failure_before(position)
            .or_else(|| self.failure_after(position))
    }

    /// The incident of the failure right before `position`, unless it ended there.
    fn failure_before(&self, position: Position) -> Option<IncidentId> {
        match self.points.range(..position).next_back()?.1.kind {
            PointKind::Failed {
                incident,
                resolved_by_hand_at: None,
            } => Some(incident),
            PointKind::Failed { .. } | PointKind::Passed => None,
        }
    }

    /// The incident of the failure right after `position`.
    fn failure_after(&self, position: Position) -> Option<IncidentId> {
        match self.points.range(position..).next()?.1.kind {
            PointKind::Failed { incident, .. } => Some(incident),
            PointKind::Passed => None,
        }
    }

    fn rename_after(&mut self, position: Position, old: IncidentId, new: IncidentId) {
        for point in self.points.range_mut(position..).map(|(_, point)| point) {
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
            let Some((position, point)) = self.points.pop_first() else {
                return;
            };
            self.floor = Some(position);
            let PointKind::Failed { incident, .. } = point.kind else {
                self.forgotten = None;
                continue;
            };
            let before = self.forgotten.filter(|f| f.incident == incident);
            self.forgotten = Some(Forgotten {
                incident,
                occurrences: before.map_or(0, |f| f.occurrences).saturating_add(1),
                first_seen_at: before.map_or(point.at, |f| f.first_seen_at.min(point.at)),
            });
        }
    }
}

#[cfg(test)]
mod tests;
