//! From decoded events to runs, tracks and incidents.
//!
//! A fold works on a batch of deliveries: what one changes, the next one sees, and all of it is
//! committed together at the end. Whatever an incident says follows from its track and from the
//! run that failed last, and is brought in line whenever one of them changes: the order of events
//! does not matter.

use super::shared::World;
use crate::domain::connection::Connection;
use crate::domain::delivery::{Outcome, Source};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::incident::track::{Closed, End, Group, GroupEnd, TrackKey};
use crate::domain::incident::{
    CiFailure, Incident, IncidentSource, IncidentStatus, Resolution, Severity, Subject,
};
use crate::domain::run::{Family, Run, RunEvent};
use crate::domain::time::Timestamp;
use crate::store::{Change, ReadError};

mod hand;

use hand::Hand;

/// Runs, tracks and incidents of one connection, as changed so far.
pub(super) struct Fold<'a> {
    world: &'a World,
    connection: &'a Connection,
    hand: Hand<'a>,
    family: Option<Family>,
    opened: u32,
    resolved: u32,
}

/// What came of a fold.
#[derive(Debug, Default)]
pub(super) struct Gain {
    /// What is to be committed.
    pub(super) changes: Vec<Change>,
    /// The way of telling about CI that is followed from now on, when that is another one.
    pub(super) family: Option<Family>,
    /// Incidents that were opened.
    pub(super) opened: u32,
    /// Incidents that were resolved.
    pub(super) resolved: u32,
}

impl<'a> Fold<'a> {
    pub(super) fn new(world: &'a World, connection: &'a Connection) -> Self {
        Self {
            world,
            connection,
            hand: Hand::new(&*world.store, connection.id),
            family: connection.family,
            opened: 0,
            resolved: 0,
        }
    }

    /// Takes in what a delivery tells of a run.
    pub(super) fn take(&mut self, event: &RunEvent, source: Source) -> Result<Outcome, ReadError> {
        if !self.follows(event.family)? {
            return Ok(Outcome::Mirrored);
        }
        let (run, is_news) = self.take_run(event)?;
        let (key, moved) = self.take_verdict(event, run)?;
        let mut touched = None;
        for incident in &moved {
            let is_touched = self.refresh(*incident, &key, source)?;
            touched = is_touched.then_some(*incident).or(touched);
        }
        if is_news {
            for (incident, key) in self.shown_in(run)? {
                if !moved.contains(&incident) {
                    let is_touched = self.refresh(incident, &key, source)?;
                    touched = is_touched.then_some(incident).or(touched);
                }
            }
        }
        Ok(Outcome::Run {
            run,
            incident: touched,
        })
    }

    /// Whether events of this family count. The highest family that is heard of is the one that
    /// is followed; what a lower one opened is closed, so that nothing counts twice.
    fn follows(&mut self, family: Family) -> Result<bool, ReadError> {
        if self.family >= Some(family) {
            return Ok(self.family == Some(family));
        }
        self.family = Some(family);
        let (now, why) = (self.world.now(), Resolution::Superseded);
        for (mut incident, key) in self.hand.open_of_others(family)? {
            let track = self.hand.track(&key)?;
            track.is_changed |= track.record.close(incident.id, Closed { at: now, why });
            resolve(&mut incident, why, now);
            self.resolved += 1;
            log(&incident, Some(true), false);
            self.hand.put_incident(incident);
        }
        Ok(true)
    }

    fn take_run(&mut self, event: &RunEvent) -> Result<(RunId, bool), ReadError> {
        if let Some(held) = self.hand.run_told_of(event)? {
            let is_news = held.record.fold(event);
            held.is_changed |= is_news;
            return Ok((held.record.id, is_news));
        }
        let now = self.world.now();
        let id = RunId::generate(self.world.clock.now_for_id(), &*self.world.entropy);
        let connection = self.connection;
        let run = Run::begin(id, connection.id, connection.owner, event, now);
        self.hand.put_run(run);
        Ok((id, true))
    }

    /// The track of the event, and the incidents that changed there.
    fn take_verdict(
        &mut self,
        event: &RunEvent,
        run: RunId,
    ) -> Result<(TrackKey, Vec<IncidentId>), ReadError> {
        let key = TrackKey::of(self.connection.id, event.family, &event.facts);
        let rules = &self.world.settings.rules;
        let decided = event.status.conclusion().and_then(|conclusion| {
            let verdict = rules.verdict(conclusion, event.facts.branch.as_deref())?;
            Some((conclusion, verdict))
        });
        let Some((conclusion, verdict)) = decided else {
            return Ok((key, Vec::new()));
        };
        let end = End {
            position: event.position,
            at: event.updated_at,
            conclusion,
        };
        let new_id = || IncidentId::generate(self.world.clock.now_for_id(), &*self.world.entropy);
        let track = self.hand.track(&key)?;
        let before = track.record.points.len();
        let moved = track.record.take(end, verdict, run, new_id);
        track.is_changed |= !moved.is_empty() || track.record.points.len() != before;
        Ok((key, moved))
    }

    /// The incidents that show this run as the one that failed last.
    fn shown_in(&mut self, id: RunId) -> Result<Vec<(IncidentId, TrackKey)>, ReadError> {
        let Some(run) = self.hand.run(id)? else {
            return Ok(Vec::new());
        };
        let key = TrackKey::of(self.connection.id, run.family, &run.facts);
        let incidents = self.hand.track(&key)?.record.incidents_of(id);
        Ok(incidents.into_iter().map(|id| (id, key.clone())).collect())
    }

    /// Brings an incident in line with its group. Returns whether that changed it.
    fn refresh(
        &mut self,
        id: IncidentId,
        key: &TrackKey,
        source: Source,
    ) -> Result<bool, ReadError> {
        let Some(group) = self.hand.track(key)?.record.group(id) else {
            return Ok(false);
        };
        let known = self.hand.incident(id)?;
        let was_open = known.as_ref().map(|i| i.status != IncidentStatus::Resolved);
        let mut incident = match &known {
            Some(incident) => incident.clone(),
            None => self.begin_incident(&group, source),
        };
        bring_in_line(&mut incident, &group);
        if let Some(run) = self.hand.run(group.last_run)? {
            show(&mut incident, key, &group, run);
        }
        if known.as_ref() == Some(&incident) {
            return Ok(false);
        }
        let is_open = incident.status != IncidentStatus::Resolved;
        self.opened += u32::from(was_open.is_none());
        self.resolved += u32::from(was_open != Some(false) && !is_open);
        log(&incident, was_open, is_open);
        self.hand.put_incident(incident);
        Ok(true)
    }

    fn begin_incident(&self, group: &Group, source: Source) -> Incident {
        Incident {
            id: group.incident,
            owner: self.connection.owner,
            subject: Subject::Connection(self.connection.id),
            status: IncidentStatus::Open,
            severity: Severity::Error,
            source: match source {
                Source::Webhook => IncidentSource::Webhook,
                Source::Reconcile => IncidentSource::Reconcile,
            },
            failure_type: String::new(),
            title: String::new(),
            ci: None,
            occurrences: 0,
            first_seen_at: group.first_seen_at,
            last_seen_at: group.last_seen_at,
            acknowledged_at: None,
            resolved_at: None,
            resolution: None,
        }
    }

    /// Everything that changed.
    pub(super) fn finish(self) -> Gain {
        Gain {
            changes: self.hand.into_changes(),
            family: self
                .family
                .filter(|_| self.family != self.connection.family),
            opened: self.opened,
            resolved: self.resolved,
        }
    }
}

/// What follows from the group.
fn bring_in_line(incident: &mut Incident, group: &Group) {
    incident.failure_type = group.last.conclusion.as_str().to_owned();
    incident.occurrences = group.occurrences;
    incident.first_seen_at = group.first_seen_at;
    incident.last_seen_at = group.last_seen_at;
    match group.end {
        None => {}
        Some(GroupEnd::Passed(run, at)) => {
            // The first pass after the last failure counts, and it may be told late.
            if matches!(incident.resolution, Some(Resolution::Passed(_))) {
                incident.resolved_at = Some(at);
                incident.resolution = Some(Resolution::Passed(run));
            }
            resolve(incident, Resolution::Passed(run), at);
        }
        Some(GroupEnd::Closed(Closed { at, why })) => resolve(incident, why, at),
    }
}

/// What follows from the run that failed last.
fn show(incident: &mut Incident, key: &TrackKey, group: &Group, run: &Run) {
    let facts = &run.facts;
    let branch = Some(key.branch.clone()).filter(|branch| !branch.is_empty());
    incident.title = match &branch {
        Some(branch) => format!("CI failed: {} on {branch}", facts.workflow_name),
        None => format!("CI failed: {}", facts.workflow_name),
    };
    incident.ci = Some(CiFailure {
        run: run.id,
        family: run.family,
        track: key.clone(),
        workflow_name: facts.workflow_name.clone(),
        branch,
        commit_sha: facts.commit_sha.clone(),
        commit_message: facts.commit_message.clone(),
        author: facts.author.clone(),
        url: facts.url.clone(),
        failed_jobs: run.failed_jobs_of(group.decided_before, group.last.position.attempt),
    });
}

/// Ends an incident. One that ended already keeps its first end.
pub(super) fn resolve(incident: &mut Incident, resolution: Resolution, at: Timestamp) {
    if incident.status != IncidentStatus::Resolved {
        incident.status = IncidentStatus::Resolved;
        incident.resolved_at = Some(at);
        incident.resolution = Some(resolution);
    }
}

fn log(incident: &Incident, was_open: Option<bool>, is_open: bool) {
    let Some(connection) = incident.subject.connection() else {
        return;
    };
    let id = incident.id;
    match (was_open, is_open) {
        (None, _) => tracing::info!(
            incident.id = %id, connection.id = %connection, is_open,
            "incident_created_from_webhook"
        ),
        (Some(true), false) => {
            tracing::info!(incident.id = %id, connection.id = %connection, "incident_resolved");
        }
        (Some(_), _) => {}
    }
}
