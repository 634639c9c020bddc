//! The data of an incident about failing CI: all of it follows from its group and from the last
//! failed run.

use super::care::{Care, Deed};
use super::track::{Closed, Group, GroupEnd, TrackKey};
use super::{CiFailure, Incident, IncidentSource, IncidentStatus, Resolution, Severity, Subject};
use crate::domain::connection::Connection;
use crate::domain::lane::Code;
use crate::domain::run::{Run, RunFacts};
use crate::domain::time::Timestamp;
use crate::domain::wording;

impl Incident {
    /// The incident of a new group.
    pub fn of_group(
        group: &Group,
        connection: &Connection,
        source: IncidentSource,
        now: Timestamp,
    ) -> Self {
        let mut incident = Self {
            id: group.incident,
            owner: connection.owner,
            subject: Subject::Connection(connection.id),
            repository: Some(connection.full_name.clone()),
            status: IncidentStatus::Open,
            severity: Severity::Error,
            source,
            failure_type: String::new(),
            title: String::new(),
            ci: None,
            affected: None,
            occurrences: 0,
            first_seen_at: group.first_seen_at,
            last_seen_at: group.last_seen_at,
            acknowledged_at: None,
            resolved_at: None,
            resolution: None,
            is_flaky: false,
            is_flapping: false,
            care: Care::default(),
        };
        incident.follow(group, now);
        incident
    }

    /// Updates it to match its group. If that corrects how it was resolved, this is logged.
    pub fn follow(&mut self, group: &Group, now: Timestamp) {
        group
            .last
            .conclusion
            .as_str()
            .clone_into(&mut self.failure_type);
        self.occurrences = group.occurrences;
        self.first_seen_at = group.first_seen_at;
        self.last_seen_at = group.last_seen_at;
        self.is_flapping = group.is_flapping;
        let (at, why) = match group.end {
            None => {
                if self.resolution.is_some_and(Resolution::is_derived) {
                    self.reopen(now);
                }
                return;
            }
            Some(GroupEnd::Passed(run, at)) => (at, Resolution::Passed(run)),
            Some(GroupEnd::Closed(Closed { at, why })) => (at, why),
        };
        // The first end after the last failure counts, and it may arrive late.
        let known = self.resolution.filter(|known| known.is_derived());
        if let Some(known) = known.filter(|_| why.is_derived()) {
            if (known, self.resolved_at) != (why, Some(at)) {
                self.log(now, None, Deed::Corrected(known));
            }
            self.resolved_at = Some(at);
            self.resolution = Some(why);
        }
        self.resolve(why, at);
    }

    /// Notes whether the run that resolved it had the commit that failed last: another attempt of
    /// the same run, or another run of the same commit. Both runs are those that the incident's
    /// group names.
    pub fn judge_pass(&mut self, failed: &Run, passed: &Run) {
        let commit = &failed.facts.commit_sha;
        let is_same = !commit.is_empty() && *commit == passed.facts.commit_sha;
        self.is_flaky = failed.id == passed.id || is_same;
    }

    /// Shows the last failed run.
    pub fn show(&mut self, key: &TrackKey, group: &Group, run: &Run) {
        let facts = &run.facts;
        let head = head(facts);
        let lane = key.lane.words(key.family, head.as_deref());
        self.title = wording::ci_title(&facts.workflow_name, &lane);
        self.ci = Some(CiFailure {
            run: run.id,
            family: key.family,
            track: key.clone(),
            workflow_name: facts.workflow_name.clone(),
            head,
            branch: facts.branch.clone(),
            trigger: facts.trigger.clone(),
            commit_sha: facts.commit_sha.clone(),
            commit_message: facts.commit_message.clone(),
            author: facts.author.clone(),
            url: facts.url.clone(),
            failed_jobs: run.failed_jobs_of(group.decided_before, group.last.position.attempt),
        });
    }
}

/// The repository of the code, when it is another one.
fn head(facts: &RunFacts) -> Option<String> {
    let named = facts.head.clone();
    match &facts.code {
        Code::Own => None,
        Code::Fork(id) => named.or_else(|| Some(id.0.to_string())),
        Code::ForkNamed(name) => named.or_else(|| Some(name.clone())),
        Code::Unreported => named.or_else(|| Some("unknown".to_owned())),
    }
}
