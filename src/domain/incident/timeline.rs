//! The timeline of an incident: what happened to it, in order of time.
//!
//! Only what people did, and what the incident itself no longer shows, is stored (its log). The
//! rest follows from the incident and from the track of its failures: repeated, late and lost
//! reports can neither double nor lose it.

use super::care::{Deed, Logged};
use super::track::Track;
use super::{Incident, Resolution, Severity};
use crate::domain::id::{RunId, UserId};
use crate::domain::time::Timestamp;

/// Most failures that have entries of their own: the newest. The older ones share one.
pub const FAILURES_MAX: usize = 50;

named! {
    /// What happened to an incident.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum EntryKind {
        /// The first failure.
        Opened = "opened",
        /// Another failure.
        Failed = "failed",
        /// It became more severe.
        Worse = "worse",
        /// It was acknowledged.
        Acknowledged = "acknowledged",
        /// It was assigned.
        Assigned = "assigned",
        /// Its assignment was removed.
        Unassigned = "unassigned",
        /// It was muted.
        Muted = "muted",
        /// Its mute was ended.
        Unmuted = "unmuted",
        /// A note.
        Note = "note",
        /// It was resolved.
        Resolved = "resolved",
        /// It was opened again.
        Reopened = "reopened",
        /// A late report has changed how or when it was resolved.
        Corrected = "corrected",
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it happened: runs by the provider's clock, the rest by ours.
    pub at: Timestamp,
    /// When it happened last, if the entry stands for several failures.
    pub last_at: Timestamp,
    /// For how many failures it stands.
    pub times: u32,
    /// What happened.
    pub kind: EntryKind,
    /// The user who did it.
    pub by: Option<UserId>,
    /// The run that failed, or that resolved it.
    pub run: Option<RunId>,
    /// The attempt of that run which failed.
    pub attempt: Option<u32>,
    /// How it was resolved; for a correction, how it had been.
    pub resolution: Option<Resolution>,
    /// The severity before it became worse.
    pub severity: Option<Severity>,
    /// The user whom it was assigned to.
    pub assignee: Option<UserId>,
    /// The end of a mute.
    pub until: Option<Timestamp>,
    /// The text of a note.
    pub text: Option<String>,
}

impl Entry {
    const fn new(kind: EntryKind, at: Timestamp) -> Self {
        Self {
            at,
            last_at: at,
            times: 1,
            kind,
            by: None,
            run: None,
            attempt: None,
            resolution: None,
            severity: None,
            assignee: None,
            until: None,
            text: None,
        }
    }

    fn resolved(kind: EntryKind, at: Timestamp, how: Resolution) -> Self {
        let run = match how {
            Resolution::Passed(run) => Some(run),
            Resolution::ByHand
            | Resolution::Recovered
            | Resolution::Disconnected
            | Resolution::Superseded
            | Resolution::BranchDeleted
            | Resolution::TagDeleted
            | Resolution::PullRequestClosed
            | Resolution::Merged
            | Resolution::LeftQueue
            | Resolution::Mirrored
            | Resolution::Replaced
            | Resolution::Joined => None,
        };
        Self {
            run,
            resolution: Some(how),
            ..Self::new(kind, at)
        }
    }

    fn logged(logged: &Logged) -> Self {
        let of = |kind| Self::new(kind, logged.at);
        let entry = match &logged.what {
            Deed::Acknowledged => of(EntryKind::Acknowledged),
            Deed::Assigned(to) => Self {
                assignee: Some(*to),
                ..of(EntryKind::Assigned)
            },
            Deed::Unassigned => of(EntryKind::Unassigned),
            Deed::Muted(until) => Self {
                until: Some(*until),
                ..of(EntryKind::Muted)
            },
            Deed::Unmuted => of(EntryKind::Unmuted),
            Deed::Noted(text) => Self {
                text: Some(text.clone()),
                ..of(EntryKind::Note)
            },
            Deed::Resolved(how) => Self::resolved(EntryKind::Resolved, logged.at, *how),
            Deed::Reopened => of(EntryKind::Reopened),
            Deed::Corrected(was) => Self::resolved(EntryKind::Corrected, logged.at, *was),
            Deed::Worsened(from) => Self {
                severity: Some(*from),
                ..of(EntryKind::Worse)
            },
        };
        Self {
            by: logged.by,
            ..entry
        }
    }
}

/// The timeline of an incident, oldest first. `track` is the track of its failures, if it is about
/// CI and the track is still stored.
pub fn timeline(incident: &Incident, track: Option<&Track>) -> Vec<Entry> {
    let mut entries = failures(incident, track);
    entries.extend(incident.care.log.iter().map(Entry::logged));
    if let Some((at, how)) = incident.resolved_at.zip(incident.resolution) {
        let is_logged = |entry: &Logged| entry.at == at && entry.what == Deed::Resolved(how);
        if !incident.care.log.iter().any(is_logged) {
            entries.push(Entry::resolved(EntryKind::Resolved, at, how));
        }
    }
    // An older version did not store who acknowledged it.
    let is_acknowledged = |entry: &Logged| entry.what == Deed::Acknowledged;
    if let Some(at) = incident.acknowledged_at
        && !incident.care.log.iter().any(is_acknowledged)
    {
        entries.push(Entry::new(EntryKind::Acknowledged, at));
    }
    entries.sort_by_key(|entry| (entry.kind != EntryKind::Opened, entry.at));
    entries
}

/// The failures: those that the track has, one by one; those before them together.
fn failures(incident: &Incident, track: Option<&Track>) -> Vec<Entry> {
    let mut listed: Vec<Entry> = track
        .iter()
        .flat_map(|track| track.failures_of(incident.id))
        .map(|(end, run)| Entry {
            run: Some(run),
            attempt: Some(end.position.attempt),
            ..Entry::new(EntryKind::Failed, end.at)
        })
        .collect();
    listed.sort_by_key(|entry| entry.at);
    let count = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    let unlisted = incident.occurrences.saturating_sub(count);
    let mut opened = match listed.first() {
        Some(_) if unlisted == 0 => listed.remove(0),
        Some(_) | None => Entry::new(EntryKind::Opened, incident.first_seen_at),
    };
    opened.kind = EntryKind::Opened;
    let surplus = listed.len().saturating_sub(FAILURES_MAX);
    let old: Vec<Entry> = listed.drain(..surplus).collect();
    let of_old = u32::try_from(old.len()).unwrap_or(u32::MAX);
    let times = of_old.saturating_add(unlisted.saturating_sub(1));
    let mut entries = vec![opened];
    if times > 0 {
        let first = old.first().filter(|_| unlisted <= 1);
        let last = match (old.last(), listed.first()) {
            (Some(last), _) => last.at,
            // No later than those that are listed.
            (None, Some(next)) => next.at,
            (None, None) => incident.last_seen_at,
        };
        entries.push(Entry {
            last_at: last,
            times,
            ..Entry::new(
                EntryKind::Failed,
                first.map_or(incident.first_seen_at, |first| first.at),
            )
        });
    }
    entries.extend(listed);
    entries
}

#[cfg(test)]
mod tests;
