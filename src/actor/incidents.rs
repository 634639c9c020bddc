//! From decoded events to runs, tracks and incidents.
//!
//! A fold works on a batch of deliveries: what one changes, the next one sees, and all of it is
//! committed together at the end.

use super::shared::World;
use crate::domain::connection::Connection;
use crate::domain::delivery::{Outcome, Source};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::incident::track::{Group, GroupEnd, Track, TrackKey};
use crate::domain::incident::{
    CiFailure, Incident, IncidentSource, IncidentStatus, Resolution, Severity, Subject,
};
use crate::domain::run::{Run, RunEvent};
use crate::domain::time::Timestamp;
use crate::store::{Change, ReadError};
use std::collections::BTreeMap;

/// Runs, tracks and incidents of one connection, as changed so far.
pub(super) struct Fold<'a> {
    world: &'a World,
    connection: &'a Connection,
    runs: BTreeMap<u64, Run>,
    tracks: BTreeMap<TrackKey, Track>,
    incidents: BTreeMap<IncidentId, Incident>,
    opened: u32,
    resolved: u32,
}

impl<'a> Fold<'a> {
    pub(super) fn new(world: &'a World, connection: &'a Connection) -> Self {
        Self {
            world,
            connection,
            runs: BTreeMap::new(),
            tracks: BTreeMap::new(),
            incidents: BTreeMap::new(),
            opened: 0,
            resolved: 0,
        }
    }

    /// Takes in what a delivery tells of a run.
    pub(super) fn take(&mut self, event: &RunEvent, source: Source) -> Result<Outcome, ReadError> {
        let run = self.take_run(event)?;
        let incident = self.take_verdict(event, run, source)?;
        Ok(Outcome::Run { run, incident })
    }

    fn take_run(&mut self, event: &RunEvent) -> Result<RunId, ReadError> {
        let id = event.provider_run_id;
        let known = match self.runs.remove(&id) {
            Some(run) => Some(run),
            None => self
                .world
                .store
                .run_by_provider_id(self.connection.id, id)?,
        };
        let run = if let Some(mut run) = known {
            run.fold(event);
            run
        } else {
            let now = self.world.now();
            let id = RunId::generate(now, &*self.world.entropy);
            Run::begin(id, self.connection.id, self.connection.owner, event, now)
        };
        let run_id = run.id;
        self.runs.insert(id, run);
        Ok(run_id)
    }

    fn take_verdict(
        &mut self,
        event: &RunEvent,
        run: RunId,
        source: Source,
    ) -> Result<Option<IncidentId>, ReadError> {
        let branch = event.facts.branch.as_deref();
        let rules = &self.world.settings.rules;
        let verdict = event
            .status
            .conclusion()
            .and_then(|end| rules.verdict(end, branch));
        let Some(verdict) = verdict else {
            return Ok(None);
        };
        let key = TrackKey {
            connection: self.connection.id,
            workflow_key: event.facts.workflow_key.clone(),
            branch: branch.unwrap_or("").to_owned(),
        };
        let mut track = match self.tracks.remove(&key) {
            Some(track) => track,
            None => self
                .world
                .store
                .track(&key)?
                .unwrap_or_else(|| Track::new(key.clone())),
        };
        let new_id = || IncidentId::generate(self.world.now(), &*self.world.entropy);
        let changed = track.take(event.position, verdict, run, event.updated_at, new_id);
        for incident in &changed {
            self.refresh(*incident, &track, event, source)?;
        }
        self.tracks.insert(key, track);
        Ok(changed.last().copied())
    }

    /// Brings an incident in line with its group.
    fn refresh(
        &mut self,
        id: IncidentId,
        track: &Track,
        event: &RunEvent,
        source: Source,
    ) -> Result<(), ReadError> {
        let Some(group) = track.group(id) else {
            return Ok(());
        };
        let known = match self.incidents.remove(&id) {
            Some(incident) => Some(incident),
            None => self.world.store.incident(id)?,
        };
        let was_open = known.as_ref().map(|i| i.status != IncidentStatus::Resolved);
        let incident = match known {
            Some(incident) => incident,
            None => self.begin_incident(&group, event, source),
        };
        let incident = self.in_line(incident, &group, event)?;
        let is_open = incident.status != IncidentStatus::Resolved;
        self.opened += u32::from(was_open.is_none());
        self.resolved += u32::from(was_open != Some(false) && !is_open);
        log(&incident, was_open, is_open);
        self.incidents.insert(id, incident);
        Ok(())
    }

    fn begin_incident(&self, group: &Group, event: &RunEvent, source: Source) -> Incident {
        let conclusion = event
            .status
            .conclusion()
            .map_or("failure", |end| end.as_str());
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
            failure_type: conclusion.to_owned(),
            title: title(event),
            ci: None,
            occurrences: 0,
            first_seen_at: group.first_seen_at,
            last_seen_at: group.last_seen_at,
            acknowledged_at: None,
            resolved_at: None,
            resolution: None,
        }
    }

    fn in_line(
        &self,
        mut incident: Incident,
        group: &Group,
        event: &RunEvent,
    ) -> Result<Incident, ReadError> {
        incident.occurrences = group.occurrences;
        incident.first_seen_at = group.first_seen_at;
        incident.last_seen_at = group.last_seen_at;
        if incident
            .ci
            .as_ref()
            .is_none_or(|ci| ci.run != group.last_run)
        {
            incident.ci = self.failure(group.last_run, event)?;
        }
        match group.end {
            None => {
                // A late word may take an end back: never by itself what a person said.
                if incident.status == IncidentStatus::Resolved
                    && incident.resolution != Some(Resolution::Disconnected)
                {
                    incident.status = IncidentStatus::Open;
                    incident.resolved_at = None;
                    incident.resolution = None;
                }
            }
            Some(GroupEnd::Passed(run, at)) => {
                resolve(&mut incident, Resolution::Passed(run), at);
            }
            Some(GroupEnd::ByHand(at)) => resolve(&mut incident, Resolution::ByHand, at),
        }
        Ok(incident)
    }

    fn failure(&self, id: RunId, event: &RunEvent) -> Result<Option<CiFailure>, ReadError> {
        let in_hand = self.runs.values().find(|run| run.id == id).cloned();
        let run = match in_hand {
            Some(run) => Some(run),
            None => self.world.store.run(id)?,
        };
        let facts = run.map_or_else(|| event.facts.clone(), |run| run.facts);
        Ok(Some(CiFailure {
            run: id,
            workflow_name: facts.workflow_name,
            branch: facts.branch,
            commit_sha: facts.commit_sha,
            commit_message: facts.commit_message,
            author: facts.author,
            url: facts.url,
            failed_jobs: Vec::new(),
        }))
    }

    /// Everything that changed, and how many incidents were opened and resolved.
    pub(super) fn finish(self) -> (Vec<Change>, u32, u32) {
        let runs = self
            .runs
            .into_values()
            .map(|run| Change::PutRun(Box::new(run)));
        let tracks = self
            .tracks
            .into_values()
            .map(|track| Change::PutTrack(Box::new(track)));
        let incidents = self
            .incidents
            .into_values()
            .map(|i| Change::PutIncident(Box::new(i)));
        (
            runs.chain(tracks).chain(incidents).collect(),
            self.opened,
            self.resolved,
        )
    }
}

fn title(event: &RunEvent) -> String {
    let (workflow, branch) = (&event.facts.workflow_name, event.facts.branch.as_deref());
    match branch {
        Some(branch) => format!("CI failed: {workflow} on {branch}"),
        None => format!("CI failed: {workflow}"),
    }
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
