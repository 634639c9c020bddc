//! From decoded events to runs, tracks and incidents.
//!
//! A fold works on a batch of deliveries: each sees the changes of those before, and all of it is
//! committed together at the end. The data of an incident follows from its track and from the last
//! failed run, and is updated whenever one of them changes: the order of events does not matter.

use super::mark::mark;
use super::records::Records;
use crate::credentials::Ports;
use crate::domain::connection::Connection;
use crate::domain::delivery::{Outcome, Source};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::incident::track::{End, Reported, Shift, TrackKey};
use crate::domain::incident::{Incident, IncidentSource, IncidentStatus, Resolution};
use crate::domain::rule::{Rules, Verdict};
use crate::domain::run::{Conclusion, Run, RunEvent, Twin};
use crate::domain::time::Timestamp;
use crate::store::{Change, ReadError};

/// Runs, tracks and incidents of one connection, as changed so far.
pub(in crate::actor) struct Fold<'a> {
    pub(super) ports: &'a Ports,
    rules: &'a Rules,
    pub(super) connection: &'a Connection,
    pub(super) records: Records<'a>,
    /// Nothing of it will be committed.
    is_trial: bool,
}

/// The effect of a result on its track.
struct Moved {
    key: TrackKey,
    shifts: Vec<Shift>,
}

impl<'a> Fold<'a> {
    pub(in crate::actor) fn new(
        ports: &'a Ports,
        rules: &'a Rules,
        connection: &'a Connection,
    ) -> Self {
        Self {
            ports,
            rules,
            connection,
            records: Records::new(&*ports.store, connection.id),
            is_trial: false,
        }
    }

    /// A fold of which nothing will be committed: it says nothing in the log.
    pub(in crate::actor) fn trial(
        ports: &'a Ports,
        rules: &'a Rules,
        connection: &'a Connection,
    ) -> Self {
        Self {
            is_trial: true,
            ..Self::new(ports, rules, connection)
        }
    }

    /// Adds the data of a delivery about a run.
    pub(in crate::actor) async fn take(
        &mut self,
        event: &RunEvent,
        source: Source,
    ) -> Result<Outcome, ReadError> {
        if event.twin == Twin::OfRun && self.is_reported_by_run(event).await? {
            return Ok(Outcome::Mirrored);
        }
        let event = &self.in_its_lane(event).await?;
        let event = &self.in_its_second(event).await?;
        self.adopt_suite(event).await?;
        let (run, is_news) = self.take_run(event).await?;
        self.move_on(event, run, source).await?;
        let moved = self.take_verdict(event, run).await?;
        let mut touched = None;
        for shift in &moved.shifts {
            touched = self.follow(shift, &moved.key, source).await?.or(touched);
        }
        if is_news {
            for (incident, key) in self.shown_in(run).await? {
                let is_touched = self.refresh(incident, &key, source).await?;
                touched = touched.or(is_touched.then_some(incident));
            }
        }
        Ok(Outcome::Run {
            run,
            incident: touched,
        })
    }

    async fn take_run(&mut self, event: &RunEvent) -> Result<(RunId, bool), ReadError> {
        if let Some(held) = self.records.reported_run(event).await? {
            let is_news = held.record.fold(event);
            held.is_changed |= is_news;
            return Ok((held.record.id, is_news));
        }
        let now = self.ports.now();
        let id = RunId::generate(self.ports.clock.now_for_id(), &*self.ports.entropy);
        let connection = self.connection;
        let run = Run::begin(id, connection.id, connection.owner, event, now);
        self.records.put_run(run);
        Ok((id, true))
    }

    /// The track of the event, and the incidents that changed there.
    async fn take_verdict(&mut self, event: &RunEvent, run: RunId) -> Result<Moved, ReadError> {
        let key = TrackKey::of(self.connection.id, event.family, &event.facts);
        let Some((conclusion, verdict)) = self.decided(event, &key).await? else {
            return self.take_start(event, key).await;
        };
        let reported = Reported {
            end: End {
                position: event.position,
                at: event.updated_at,
                conclusion,
            },
            verdict,
            run,
            began: event.began_at,
            mark: mark(event),
            reopening: self.rules.reopening(),
        };
        let mut shifts = self.learn_ends(event, verdict, &key).await?;
        let mut suites = self.incidents_of_suite(event, run).await?;
        let has_failed = verdict == Verdict::Failed;
        let mut candidate = suites.first().filter(|_| has_failed).map(|i| i.id);
        let was_offered = candidate.is_some();
        let generate = || IncidentId::generate(self.ports.clock.now_for_id(), &*self.ports.entropy);
        let track = self.records.track(&key).await?;
        let shift = track
            .record
            .take(reported, || candidate.take().unwrap_or_else(generate));
        track.is_changed |= shift.is_new;
        if was_offered && candidate.is_none() {
            self.go_on(suites.remove(0));
        }
        self.end_suites(suites, verdict, run, event.updated_at);
        shifts.push(shift);
        Ok(Moved { key, shifts })
    }

    /// The meaning of the end of an attempt; `None` when it has not ended, or has none. Rules may
    /// have changed while an incident was open: where no new one is opened any more, a pass still
    /// resolves it.
    async fn decided(
        &mut self,
        event: &RunEvent,
        key: &TrackKey,
    ) -> Result<Option<(Conclusion, Verdict)>, ReadError> {
        let Some(conclusion) = event.status.conclusion() else {
            return Ok(None);
        };
        let facts = &event.facts;
        let verdict = match self.records.opens(self.connection).await? {
            Some(opens) => opens.verdict(self.rules, conclusion, facts),
            None => self.rules.verdict(conclusion, facts.own_branch()),
        };
        let verdict = match verdict {
            None if conclusion == Conclusion::Success => {
                let has_failed = !self.records.track(key).await?.record.points.is_empty();
                has_failed.then_some(Verdict::Passed)
            }
            verdict => verdict,
        };
        Ok(verdict.map(|verdict| (conclusion, verdict)))
    }

    /// A run without attempt numbers begins again: a failure after this is a new one.
    async fn take_start(&mut self, event: &RunEvent, key: TrackKey) -> Result<Moved, ReadError> {
        let is_start = !event.family.counts_attempts()
            && event.status.conclusion().is_none()
            && event.position.number != 0;
        let mut shifts = Vec::new();
        if is_start {
            let track = self.records.track(&key).await?;
            let shift = track.record.start(event.position);
            track.is_changed |= shift.is_new;
            shifts.push(shift);
        }
        Ok(Moved { key, shifts })
    }

    /// The incidents with this run as the last failed one.
    async fn shown_in(&mut self, id: RunId) -> Result<Vec<(IncidentId, TrackKey)>, ReadError> {
        let Some(run) = self.records.run(id).await? else {
            return Ok(Vec::new());
        };
        let key = TrackKey::of(self.connection.id, run.family, &run.facts);
        let incidents = self.records.track(&key).await?.record.incidents_of(id);
        Ok(incidents.into_iter().map(|id| (id, key.clone())).collect())
    }

    /// Updates the incidents that a change to a track concerns. Returns the last that changed.
    pub(super) async fn follow(
        &mut self,
        shift: &Shift,
        key: &TrackKey,
        source: Source,
    ) -> Result<Option<IncidentId>, ReadError> {
        for joined in &shift.joined {
            self.join(*joined).await?;
        }
        let mut touched = None;
        for incident in &shift.changed {
            let is_touched = self.refresh(*incident, key, source).await?;
            touched = is_touched.then_some(*incident).or(touched);
        }
        Ok(touched)
    }

    /// Ends an incident whose failures all belong to an earlier one.
    async fn join(&mut self, id: IncidentId) -> Result<(), ReadError> {
        let now = self.ports.now();
        if let Some(mut incident) = self.records.incident(id).await? {
            let was_open = incident.status != IncidentStatus::Resolved;
            incident.join(now);
            self.log(&incident, Some(was_open), false);
            self.records.put_incident(incident);
        }
        Ok(())
    }

    /// Updates an incident to match its group. Returns whether it changed.
    pub(super) async fn refresh(
        &mut self,
        id: IncidentId,
        key: &TrackKey,
        source: Source,
    ) -> Result<bool, ReadError> {
        let Some(group) = self.records.track(key).await?.record.group(id) else {
            return Ok(false);
        };
        let known = self.records.incident(id).await?;
        let was_open = known.as_ref().map(|i| i.status != IncidentStatus::Resolved);
        let now = self.ports.now();
        let mut incident = match &known {
            Some(incident) => incident.clone(),
            None => Incident::of_group(&group, self.connection, source_of(source), now),
        };
        incident.follow(&group, now);
        self.judge_pass(&mut incident, group.last_run).await?;
        if let Some(run) = self.records.run(group.last_run).await? {
            if known.is_none() {
                incident.severity = run.facts.severity();
            }
            incident.show(key, &group, run);
        }
        if known.as_ref() == Some(&incident) {
            return Ok(false);
        }
        let is_open = incident.status != IncidentStatus::Resolved;
        self.log(&incident, was_open, is_open);
        self.records.put_incident(incident);
        Ok(true)
    }

    /// Notes whether a pass of the commit that had failed resolved an incident. Without one of the
    /// two runs, what is known stays.
    async fn judge_pass(
        &mut self,
        incident: &mut Incident,
        last_failed: RunId,
    ) -> Result<(), ReadError> {
        let Some(Resolution::Passed(passed)) = incident.resolution else {
            incident.is_flaky = false;
            return Ok(());
        };
        let Some(failed) = self.records.run(last_failed).await?.cloned() else {
            return Ok(());
        };
        if let Some(passed) = self.records.run(passed).await? {
            incident.judge_pass(&failed, passed);
        }
        Ok(())
    }

    /// Ends an incident whose failure is reported or resolved elsewhere.
    pub(super) fn end_incident(&mut self, mut incident: Incident, why: Resolution, at: Timestamp) {
        incident.resolve(why, at);
        incident.is_flapping = false;
        self.log(&incident, Some(true), false);
        self.records.put_incident(incident);
    }

    fn log(&self, incident: &Incident, was_open: Option<bool>, is_open: bool) {
        let connection = incident.subject.connection();
        let Some(connection) = connection.filter(|_| !self.is_trial) else {
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

    /// The runs and incidents that changed, each as it is then.
    pub(in crate::actor) fn touched(self) -> (Vec<Run>, Vec<Incident>) {
        self.records.touched()
    }

    /// Everything that changed: what is to be committed.
    pub(in crate::actor) fn finish(self) -> Vec<Change> {
        self.records.into_changes()
    }
}

const fn source_of(source: Source) -> IncidentSource {
    match source {
        Source::Webhook => IncidentSource::Webhook,
        Source::Reconcile => IncidentSource::Reconcile,
    }
}
