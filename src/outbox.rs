//! The outbox: notifications of incidents, from what the store says has changed to what a sink has
//! accepted.
//!
//! One planner per process reads the incidents that stand otherwise than they were last announced,
//! and plans notifications for the sinks of their owners. Each sink has a task of its own while
//! any wait for it: a sink that is down holds up no other. All that matters is stored: a kill at
//! any point loses nothing, and repeats at most the call that was under way, with the same id. See
//! ADR 34.

mod announce;
mod call;
mod desk;
mod digest;
mod disabled;
mod explained;
mod handle;
mod health;
mod heartbeat;
mod late;
mod outcome;
mod paces;
mod reseal;
mod room;
mod sample;
mod sender;
#[cfg(test)]
mod tests;
mod tools;
mod trouble;
mod waiting;
mod worded;
mod worker;

pub use desk::{DeskError, Edit, NewRules, NewSink, Tested};
pub use handle::{Notifier, Notifying};
pub use outcome::OUTCOMES;
pub use reseal::ResealError;
pub use tools::Tools;

use std::time::Duration;

/// Settings of the outbox.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An incident that is resolved within this time is not sent.
    pub delay: Duration,
    /// How often incidents that last are sent again to sinks that would forget them.
    pub heartbeat: Duration,
    /// A notification is sent within this time, or its sink has trouble.
    pub longest_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(30),
            heartbeat: Duration::from_mins(1),
            longest_wait: Duration::from_hours(1),
        }
    }
}
