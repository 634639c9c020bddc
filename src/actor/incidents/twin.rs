//! Duplicate reports of one run: a workflow run, and the check suite that mirrors it.
//!
//! The suite counts as long as no workflow run has arrived. The run, when it arrives, is the same
//! run with more data: it takes over the record and the open incident.

use super::fold::Fold;
use crate::domain::id::RunId;
use crate::domain::incident::track::TrackKey;
use crate::domain::incident::{Incident, Resolution};
use crate::domain::rule::Verdict;
use crate::domain::run::{Family, RunEvent, Suite, Twin};
use crate::domain::time::Timestamp;
use crate::store::ReadError;

impl Fold<'_> {
    /// Whether a workflow run of this suite has arrived.
    pub(super) async fn is_reported_by_run(&mut self, suite: &RunEvent) -> Result<bool, ReadError> {
        let known = self.records.reported_run(suite).await?;
        Ok(known.is_some_and(|held| held.record.family != Family::Checks))
    }

    /// The workflow run of a known suite has arrived.
    pub(super) async fn adopt_suite(&mut self, event: &RunEvent) -> Result<(), ReadError> {
        let Twin::Suite(suite) = event.twin else {
            return Ok(());
        };
        let connection = self.connection.id;
        if self.records.reported_run(event).await?.is_some() {
            return Ok(());
        }
        let Some(held) = self.records.run_by(Family::Checks, suite).await? else {
            return Ok(());
        };
        if held.record.family != Family::Checks {
            return Ok(());
        }
        let track = TrackKey::of(connection, Family::Checks, &held.record.facts);
        held.record.be_reported_by(event, track);
        let run = held.record.clone();
        self.records.put_run(run);
        Ok(())
    }

    /// The incidents that a suite opened for the run that has arrived, except those that a user
    /// resolved.
    pub(super) async fn incidents_of_suite(
        &mut self,
        event: &RunEvent,
        run: RunId,
    ) -> Result<Vec<Incident>, ReadError> {
        let Twin::Suite(_) = event.twin else {
            return Ok(Vec::new());
        };
        let suite = self
            .records
            .run(run)
            .await?
            .and_then(|run| run.suite.clone());
        let Some(Suite {
            track: Some(key), ..
        }) = suite
        else {
            return Ok(Vec::new());
        };
        let track = self.records.track(&key).await?;
        if track.record.points.is_empty() {
            return Ok(Vec::new());
        }
        let ids = track.record.incidents_of(run);
        // From here on the run's own track says what they say.
        track.record.points.clear();
        track.is_changed = true;
        let mut open = Vec::new();
        for id in ids {
            let incident = self.records.incident(id).await?;
            open.extend(incident.filter(|incident| {
                incident.resolution.is_none_or(Resolution::is_derived)
                    && incident.ci.as_ref().is_some_and(|ci| ci.track == *key)
            }));
        }
        Ok(open)
    }

    /// An incident of a suite belongs to the run from now on, and is resolved by it.
    pub(super) fn go_on(&mut self, mut incident: Incident) {
        if incident.resolution.is_some() {
            incident.reopen(self.ports.now());
            self.records.put_incident(incident);
        }
    }

    /// The failures of the suite are those of the run: resolved or open there.
    pub(super) fn end_suites(
        &mut self,
        incidents: Vec<Incident>,
        verdict: Verdict,
        run: RunId,
        at: Timestamp,
    ) {
        let why = match verdict {
            Verdict::Passed => Resolution::Passed(run),
            Verdict::Failed => Resolution::Mirrored,
        };
        let open = incidents.into_iter().filter(|i| i.resolution.is_none());
        for mut incident in open {
            // It is the same run, and so the same commit.
            incident.is_flaky = verdict == Verdict::Passed;
            self.end_incident(incident, why, at);
        }
    }
}
