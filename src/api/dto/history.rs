//! Histories of connections in JSON.

use crate::domain::error_code::ErrorCode;
use crate::domain::history::{self, EntryKind, Evidence, Reaction};
use crate::domain::time::Timestamp;

shapes! {
    /// What happened to a connection's webhook.
    HistoryEntry(entry: &history::Entry) {
        /// Number of the entry in the history of its connection.
        id: String = entry.number.to_string(),
        /// When it happened, for the first time if it was repeated.
        at: Timestamp = entry.at,
        /// When it happened last.
        last_at: Timestamp = entry.last_at,
        /// How often it happened with no other entry between.
        times: u32 = entry.times,
        /// What happened.
        kind: EntryKind = entry.kind,
        /// The settings that differed (`drifted`), or the events that were added (`+`) or removed
        /// (`-`) by request.
        fields: Vec<String> = entry.fields.clone(),
        /// The provider's id of the webhook.
        webhook_id: Option<String> = entry.hook.map(|hook| hook.0.to_string()),
        /// Former value: an address of this server, or a repository's name.
        from: Option<String> = entry.from.clone(),
        /// New value.
        to: Option<String> = entry.to.clone(),
        /// Reason of a refusal or a suspension; `tls_not_verified` when it is the TLS verification
        /// that was switched off.
        code: Option<ErrorCode> = entry.code,
        /// How it is known.
        proof: Evidence = entry.evidence,
        /// What was done about it.
        action: Reaction = entry.reaction,
    }
}
