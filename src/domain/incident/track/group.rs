//! The data that follows from the failures of an incident.

use super::{Closed, End, PointKind, Track};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::run::Position;
use crate::domain::time::Timestamp;
use std::ops::Bound;

/// The summary of a group of failures: all data of an incident that follows from the track.
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
    /// The attempt of this run that was decided before that: jobs that failed after it belong to
    /// the last failure.
    pub decided_before: Option<u32>,
    /// How and when it ended; `None` while it is open.
    pub end: Option<GroupEnd>,
    /// Whether the track flaps, and the next failure would count in this incident: what it is now
    /// may not last.
    pub is_flapping: bool,
}

/// How a group of failures ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEnd {
    /// This run passed.
    Passed(RunId, Timestamp),
    /// It was resolved otherwise.
    Closed(Closed),
}

impl Track {
    /// The summary of the failures of `incident`; `None` when it has none here.
    pub fn group(&self, incident: IncidentId) -> Option<Group> {
        let mut group: Option<Group> = None;
        // The first report of repeated reports.
        let mut first_reported: Option<End> = None;
        let forgotten = self.forgotten.filter(|f| f.incident == incident);
        for (end, point) in &self.points {
            match point.kind {
                PointKind::Failed {
                    incident: of,
                    closed,
                } if of == incident => {
                    let is_repeated = group
                        .as_ref()
                        .is_some_and(|group| self.is_same_failure(group.last, *end));
                    let group = group.get_or_insert(Group {
                        incident,
                        occurrences: forgotten.map_or(0, |f| f.occurrences),
                        first_seen_at: forgotten.map_or(end.at, |f| f.first_seen_at),
                        last_seen_at: end.at,
                        last: *end,
                        last_run: point.run,
                        decided_before: None,
                        end: None,
                        is_flapping: false,
                    });
                    if !is_repeated {
                        group.occurrences += 1;
                        group.last_seen_at = group.last_seen_at.max(end.at);
                        first_reported = Some(*end);
                    }
                    group.first_seen_at = group.first_seen_at.min(end.at);
                    (group.last, group.last_run) = (*end, point.run);
                    group.end = closed.map(GroupEnd::Closed);
                }
                PointKind::Passed => {
                    if let Some(group) = &mut group
                        && is_before(end.at, group.end)
                    {
                        group.end = Some(GroupEnd::Passed(point.run, end.at));
                    }
                }
                PointKind::Failed { .. } => {}
            }
        }
        if let (Some(group), Some(first)) = (&mut group, first_reported) {
            group.decided_before = self.decided_before(first.position);
            group.is_flapping = self.is_flapping(group);
        }
        group
    }

    /// Whether what comes next would belong to this group, because the track flaps.
    fn is_flapping(&self, group: &Group) -> bool {
        let may_continue = match group.end {
            None | Some(GroupEnd::Passed(..)) => true,
            Some(GroupEnd::Closed(_)) => false,
        };
        let mut failures = self.points.values().rev().filter(|it| it.kind.has_failed());
        let is_last = failures
            .next()
            .is_some_and(|it| it.kind.incident() == Some(group.incident));
        let newest = self.points.values().next_back();
        let counts = newest.is_some_and(|it| it.reopening.when_flapping);
        may_continue && is_last && counts && self.whole_trend().now.is_flapping
    }

    /// The failures of `incident` that are stored, in order of attempts, each with its run. One
    /// that was reported several times is there once.
    pub fn failures_of(&self, incident: IncidentId) -> Vec<(End, RunId)> {
        let mut failures = Vec::new();
        let mut last: Option<End> = None;
        let of_incident = self.points.iter();
        let of_incident = of_incident.filter(|(_, point)| point.kind.incident() == Some(incident));
        for (end, point) in of_incident {
            if !last.is_some_and(|last| self.is_same_failure(last, *end)) {
                failures.push((*end, point.run));
            }
            last = Some(*end);
        }
        failures
    }

    /// Whether two failures of an incident in a row are one that was reported twice.
    pub(super) fn is_same_failure(&self, first: End, second: End) -> bool {
        let (first, second) = (first.position, second.position);
        if self.key.family.counts_attempts() || first.number != second.number {
            return first == second;
        }
        let between = (Bound::Excluded(first), Bound::Included(second));
        first == second || self.starts.range(between).next().is_none()
    }

    /// The attempt of the same run that was decided last before this one.
    pub(super) fn decided_before(&self, position: Position) -> Option<u32> {
        let known = self.points.range(..End::before(position)).next_back();
        let before = known.map(|(end, _)| *end).or(self.floor)?.position;
        let is_same_run = before.number == position.number && before < position;
        is_same_run.then_some(before.attempt)
    }
}

/// Whether a pass at this time ended a group. A pass does not override an action of a person; of a
/// pass and the end of a place the earlier one counts, and of two passes the first.
fn is_before(at: Timestamp, end: Option<GroupEnd>) -> bool {
    match end {
        None => true,
        Some(GroupEnd::Closed(Closed { at: closed, why })) => why.is_derived() && at <= closed,
        Some(GroupEnd::Passed(..)) => false,
    }
}
