//! Timelines of incidents in JSON.

use crate::api::schema::ResolutionName;
use crate::api::scope::UserNames;
use crate::domain::id::{RunId, UserId};
use crate::domain::incident::Severity;
use crate::domain::incident::timeline::{self, EntryKind};
use crate::domain::time::Timestamp;

/// The name of a user who is still there.
fn name_of(id: Option<UserId>, names: &UserNames) -> Option<String> {
    names.get(&id?).cloned()
}

shapes! {
    /// What happened to an incident.
    Timeline(entries: &[timeline::Entry], names: &UserNames) {
        /// Oldest first.
        entries: Vec<TimelineEntry> =
            entries.iter().map(|entry| TimelineEntry::of(entry, names)).collect(),
    }

    /// An entry of a timeline.
    TimelineEntry(entry: &timeline::Entry, names: &UserNames) {
        /// When it happened; for several failures, the first time.
        at: Timestamp = entry.at,
        /// When it happened last.
        last_at: Timestamp = entry.last_at,
        /// How many failures the entry stands for.
        times: u32 = entry.times,
        /// What happened.
        kind: EntryKind = entry.kind,
        /// Id of the user who did it. Null when no user did, or when that was not stored.
        user_id: Option<UserId> = entry.by,
        /// Name of that user. Null when the user was removed.
        user: Option<String> = name_of(entry.by, names),
        /// Run that failed, or that resolved the incident.
        run_id: Option<RunId> = entry.run,
        /// Attempt of that run which failed.
        run_attempt: Option<u32> = entry.attempt,
        /// How it was resolved; for a correction, how it had been resolved before.
        resolution: Option<ResolutionName> = entry.resolution.as_ref().map(Into::into),
        /// Severity before it became worse.
        severity_before: Option<Severity> = entry.severity,
        /// Id of the user whom it was assigned to.
        assignee_id: Option<UserId> = entry.assignee,
        /// Name of that user.
        assignee: Option<String> = name_of(entry.assignee, names),
        /// End of the mute.
        until: Option<Timestamp> = entry.until,
        /// Text of the note.
        text: Option<String> = entry.text.clone(),
    }
}
