//! Explaining incidents: what the provider says about a failure is read after the incident opened.
//!
//! The store lists the incidents about CI that are open and not explained in their present episode,
//! each with when it is due; writers of incidents know nothing of it. One worker per process takes
//! them from that list, a few at a time, and few of one installation, so that one that hangs delays
//! no others. Calls are made like all calls of a connection, with the lowest priority. Each step is
//! stored: a kill repeats at most the reads of those that were under way, and counts a try. No
//! notification waits for an explanation. See ADR 37.

mod asking;
mod handle;
mod once;
mod room;
#[cfg(test)]
mod tests;
mod worker;

pub use handle::Explainer;
pub use once::OUTCOMES;

/// Settings of the room.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether the ends of logs are read and stored.
    pub log_excerpts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { log_excerpts: true }
    }
}
