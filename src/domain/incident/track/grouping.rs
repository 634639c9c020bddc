//! Which failures are one incident, and the change from one answer to another.
//!
//! The answer follows from the set of ends alone. Late reports may split an incident in two, or
//! show that two are one: then the earlier one has the failures of both.

use super::flapping::Trend;
use super::{
    Closed, Group, IncidentId, Point, PointKind, Resolution, Shift, Timestamp, Track, UNGROUPED,
};
use crate::domain::rule::Reopening;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the failure before another one.
struct Before {
    closed: Option<Closed>,
    /// When the first pass after it ended.
    passed_at: Option<Timestamp>,
}

impl Before {
    /// Whether the next failure, when it failed, is of another incident.
    fn is_apart(&self, next: &Point, failed_at: Timestamp, is_flapping: bool) -> bool {
        let Reopening {
            within,
            when_flapping,
        } = next.reopening;
        let is_after = |passed_at: Timestamp| {
            let is_soon = !within.is_zero() && failed_at.since(passed_at) <= within;
            !(is_soon || is_flapping && when_flapping)
        };
        match (self.closed, self.passed_at) {
            (None, None) => false,
            (None, Some(passed_at)) => is_after(passed_at),
            (Some(closed), _) if !closed.why.is_derived() => true,
            (Some(closed), Some(passed_at)) if passed_at <= closed.at => is_after(passed_at),
            (Some(closed), None) if next.kind.closed() == Some(closed) => false,
            (Some(closed), _) => {
                !matches!(closed.why, Resolution::Passed(_)) || is_after(closed.at)
            }
        }
    }
}

impl Track {
    /// Changes the track, and has each failure in its incident afterwards.
    pub(super) fn change(
        &mut self,
        change: impl FnOnce(&mut Self),
        new_incident: impl FnMut() -> IncidentId,
    ) -> Shift {
        let before = self.groups();
        change(self);
        self.regroup(new_incident);
        let held: BTreeSet<IncidentId> = self.incidents().collect();
        let joined = before.keys().filter(|id| !held.contains(id));
        let joined = joined.copied().collect();
        self.forget_oldest();
        let mut changed: Vec<Group> = self.groups().into_values().collect();
        changed.retain(|group| before.get(&group.incident) != Some(group));
        changed.sort_unstable_by_key(|group| group.last);
        Shift {
            changed: changed.iter().map(|group| group.incident).collect(),
            joined,
            is_new: true,
        }
    }

    fn groups(&self) -> BTreeMap<IncidentId, Group> {
        let ids: BTreeSet<IncidentId> = self.incidents().collect();
        let groups = ids.into_iter().map(|id| Some((id, self.group(id)?)));
        groups.flatten().collect()
    }

    /// The incident of each failure.
    fn incidents(&self) -> impl Iterator<Item = IncidentId> {
        self.points
            .values()
            .filter_map(|point| point.kind.incident())
    }

    /// Whether each failure is the first of its incident.
    fn firsts(&self) -> Vec<bool> {
        let mut firsts = Vec::new();
        let mut trend = self.trend;
        let mut before: Option<Before> = None;
        for (end, point) in &self.points {
            let is_flapping = trend.take(end.position, point.kind.has_failed());
            match point.kind {
                PointKind::Failed { closed, .. } => {
                    let is_apart = |it: &Before| it.is_apart(point, end.at, is_flapping);
                    firsts.push(before.as_ref().is_none_or(is_apart));
                    before = Some(Before {
                        closed,
                        passed_at: None,
                    });
                }
                PointKind::Passed => {
                    if let Some(before) = &mut before {
                        before.passed_at.get_or_insert(end.at);
                    }
                }
            }
        }
        firsts
    }

    /// Gives each failure the incident that it belongs to: of those that the failures of a group
    /// had, the first that no earlier group has, or else a new one.
    fn regroup(&mut self, mut new_incident: impl FnMut() -> IncidentId) {
        let firsts = self.firsts();
        let mut groups: Vec<Vec<IncidentId>> = Vec::new();
        for (is_first, incident) in firsts.iter().zip(self.incidents()) {
            match groups.last_mut().filter(|_| !is_first) {
                Some(group) => group.push(incident),
                None => groups.push(vec![incident]),
            }
        }
        let mut given = BTreeSet::from([UNGROUPED]);
        let mut ids = groups.iter().map(|group| {
            let own = group.iter().find(|id| !given.contains(id));
            let id = own.copied().unwrap_or_else(&mut new_incident);
            given.insert(id);
            id
        });
        let mut id = UNGROUPED;
        let mut firsts = firsts.into_iter();
        for point in self.points.values_mut() {
            if let PointKind::Failed { incident, .. } = &mut point.kind {
                if firsts.next().unwrap_or_default() {
                    id = ids.next().unwrap_or(id);
                }
                *incident = id;
            }
        }
    }

    /// What all results say, with those that are forgotten.
    pub(super) fn whole_trend(&self) -> Trend {
        let mut trend = self.trend;
        for (end, point) in &self.points {
            trend.take(end.position, point.kind.has_failed());
        }
        trend
    }
}
