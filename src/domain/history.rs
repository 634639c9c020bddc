//! The history of a connection: what happened to its hook, how that is known, and what was done.
//!
//! An entry is committed in the batch of the step that it reports, so that there is no step without
//! its entry and no entry without its step. The history is bounded: [`ENTRIES_MAX`], [`KEPT_FOR`].

mod tell;

pub use tell::{Facts, Made, tell};

use super::error_code::ErrorCode;
use super::id::{ConnectionId, HookId, UserId};
use super::time::Timestamp;
use std::time::Duration;

/// Most entries of a connection; the oldest make room.
pub const ENTRIES_MAX: usize = 100;
/// How long an entry is stored, at least until the next one is added.
pub const KEPT_FOR: Duration = Duration::from_hours(24 * 90);
/// Most fields of an entry: of what changed.
pub const FIELDS_MAX: usize = 40;

named! {
    /// What happened.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum EntryKind {
        /// The first hook was created.
        Created = "created",
        /// Another hook was created: the former one was missing, or this was requested.
        Recreated = "recreated",
        /// A hook with our mark was found and taken over.
        Adopted = "adopted",
        /// The hook was found with other settings: `fields` names them.
        Drifted = "drifted",
        /// Settings that had changed at the provider were written again.
        Repaired = "repaired",
        /// Settings that the user changed were written.
        Updated = "updated",
        /// All settings were written again, without known drift.
        Rewritten = "rewritten",
        /// The hook was moved to our current address: `from`, `to`.
        Moved = "moved",
        /// The hook was missing.
        Lost = "lost",
        /// The provider has disabled the hook until it is enabled again.
        Disabled = "disabled",
        /// The provider has disabled the hook for some time.
        Paused = "temporarily_disabled",
        /// The provider sends again.
        Enabled = "enabled",
        /// No deliveries arrive although the hook was pinged.
        Silent = "silent",
        /// Deliveries arrive again.
        Heard = "heard",
        /// The provider refuses our calls in a way that only a person can correct: `code`.
        Refused = "refused",
        /// The provider accepts our calls again.
        Accepted = "accepted",
        /// Work on the connection was suspended: `code`.
        Suspended = "suspended",
        /// A user paused the connection.
        StoppedByUser = "paused",
        /// A paused or suspended connection was resumed.
        Resumed = "resumed",
        /// The events to subscribe to were changed: `fields` names them, with `+` or `-`.
        EventsChanged = "events_changed",
        /// A new secret was made; both are accepted.
        RotationBegun = "rotation_begun",
        /// The provider has the new secret. Former ones are still accepted.
        Rotated = "rotated",
        /// A delivery arrived that the new secret signs.
        SecretProven = "secret_proven",
        /// Former secrets are no longer accepted.
        OldSecretDropped = "old_secret_dropped",
        /// The repository has another name: `from`, `to`.
        Renamed = "renamed",
        /// Hooks of others that deliver to this server, or that a user named, were found: `fields`
        /// has their URLs.
        ExistingFound = "existing_found",
        /// A hook of others is being removed, because ours is proven to work: `from` is its URL.
        ExistingReplaced = "existing_replaced",
        /// A hook of others was removed: `from`.
        ExistingRemoved = "existing_removed",
        /// A hook of others was left: it has changed, or the provider refuses (`code`): `from`.
        ExistingLeft = "existing_left",
    }
}

named! {
    /// How that is known.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Evidence {
        /// The provider showed the hook, or the list without it.
        Check = "check",
        /// The provider confirmed that it wrote the settings.
        Write = "write",
        /// A delivery with our signature arrived.
        Delivery = "delivery",
        /// Pings remained without an answer.
        Pings = "pings",
        /// The provider refused a call.
        Refusal = "refusal",
        /// The provider answered a call.
        Answer = "answer",
        /// A request, or a setting.
        Request = "request",
        /// Time has passed.
        Time = "time",
        /// An error of Hookherd itself.
        Fault = "fault",
    }
}

named! {
    /// What was done about it in the same step.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Reaction {
        /// Nothing: nothing is to be done, or it is done later.
        None = "none",
        /// A repair was begun: all settings are written.
        Repair = "repair",
        /// The hook is looked for, and created if there is none.
        Ensure = "ensure",
        /// The hook is checked.
        Check = "check",
        /// A test delivery was requested.
        Ping = "ping",
        /// The hook is deleted.
        Delete = "delete",
        /// Work stops until a user acts.
        AskUser = "ask_user",
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number within the history, from 1. Later entries have higher ones.
    pub number: u64,
    /// When it happened; for repetitions, the first time.
    pub at: Timestamp,
    /// When it happened last.
    pub last_at: Timestamp,
    /// How often it happened without another entry between.
    pub times: u32,
    /// What happened.
    pub kind: EntryKind,
    /// The settings concerned, at most [`FIELDS_MAX`].
    pub fields: Vec<String>,
    /// The hook concerned.
    pub hook: Option<HookId>,
    /// The former value.
    pub from: Option<String>,
    /// The new value.
    pub to: Option<String>,
    /// The reason; for drift [`ErrorCode::TlsNotVerified`] or none.
    pub code: Option<ErrorCode>,
    /// How it is known.
    pub evidence: Evidence,
    /// What was done.
    pub reaction: Reaction,
}

impl Entry {
    /// An entry without details and without a number.
    pub const fn new(kind: EntryKind, evidence: Evidence, at: Timestamp) -> Self {
        Self {
            number: 0,
            at,
            last_at: at,
            times: 1,
            kind,
            fields: Vec::new(),
            hook: None,
            from: None,
            to: None,
            code: None,
            evidence,
            reaction: Reaction::None,
        }
    }

    /// Whether this says the same of another time.
    fn repeats(&self, last: &Self) -> bool {
        let of_one_time = Self {
            number: last.number,
            at: last.at,
            last_at: last.last_at,
            times: last.times,
            ..self.clone()
        };
        of_one_time == *last
    }
}

/// The history of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The connection.
    pub connection: ConnectionId,
    /// Its owner.
    pub owner: UserId,
    /// The number of the last entry that was ever added.
    pub last: u64,
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
}

impl History {
    /// An empty one.
    pub const fn new(connection: ConnectionId, owner: UserId) -> Self {
        Self {
            connection,
            owner,
            last: 0,
            entries: Vec::new(),
        }
    }

    /// Adds an entry, or counts up the last one if this says the same. `passed` is time that has
    /// certainly passed: older entries make room by it, because they cannot be brought back.
    pub fn add(&mut self, mut entry: Entry, passed: Timestamp) {
        entry.fields.truncate(FIELDS_MAX);
        match self.entries.last_mut() {
            Some(last) if entry.repeats(last) => {
                last.times = last.times.saturating_add(1);
                last.last_at = last.last_at.max(entry.at);
            }
            Some(_) | None => {
                self.last = self.last.saturating_add(1);
                entry.number = self.last;
                self.entries.push(entry);
            }
        }
        self.entries
            .retain(|entry| passed.since(entry.last_at) < KEPT_FOR);
        let surplus = self.entries.len().saturating_sub(ENTRIES_MAX);
        self.entries.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: i64) -> Timestamp {
        Timestamp(n)
    }

    fn entry(kind: EntryKind, n: i64) -> Entry {
        Entry::new(kind, Evidence::Check, at(n))
    }

    fn history() -> History {
        History::new(ConnectionId::from_u128(1), UserId::from_u128(1))
    }

    #[test]
    fn what_repeats_is_counted_and_numbers_only_rise() {
        let mut h = history();
        for n in 1..=3 {
            h.add(entry(EntryKind::Silent, n), at(n));
        }
        let mut other = entry(EntryKind::Silent, 4);
        other.fields = vec!["events".into()];
        h.add(other, at(4));
        h.add(entry(EntryKind::Heard, 5), at(5));
        h.add(entry(EntryKind::Silent, 6), at(6));
        let shown: Vec<_> = h
            .entries
            .iter()
            .map(|e| (e.number, e.times, e.at.0, e.last_at.0))
            .collect();
        assert_eq!(
            shown,
            [(1, 3, 1, 3), (2, 1, 4, 4), (3, 1, 5, 5), (4, 1, 6, 6)]
        );
    }

    #[test]
    fn it_is_bounded_by_number_by_age_and_by_fields() {
        let mut h = history();
        for n in 0..250 {
            let kind = [EntryKind::Drifted, EntryKind::Repaired][n % 2];
            h.add(entry(kind, 1000), at(1000));
        }
        assert_eq!((h.entries.len(), h.last), (ENTRIES_MAX, 250));
        assert_eq!(h.entries[0].number, 151);
        let much = vec!["x".to_owned(); 1000];
        h.add(
            Entry {
                fields: much,
                ..entry(EntryKind::Lost, 1000)
            },
            at(1000),
        );
        assert_eq!(h.entries.last().unwrap().fields.len(), FIELDS_MAX);
        // A wrong clock of the entry takes nothing away: only time that has passed does.
        let later = at(1000).plus(KEPT_FOR);
        h.add(
            Entry {
                at: later,
                last_at: later,
                ..entry(EntryKind::Heard, 0)
            },
            at(1001),
        );
        assert_eq!(h.entries.len(), ENTRIES_MAX);
        h.add(
            Entry {
                at: later,
                last_at: later,
                ..entry(EntryKind::Silent, 0)
            },
            later,
        );
        let kinds: Vec<_> = h.entries.iter().map(|e| e.kind).collect();
        assert_eq!(kinds, [EntryKind::Heard, EntryKind::Silent]);
    }
}
