//! The outcome for the hook of a disconnected connection.

use super::connection::Connection;
use super::lifecycle::{Desired, Hook, Phase};

named! {
    /// The outcome for the hook of a disconnected connection.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum HookOutcome {
        /// The provider has shown that none is left, by its id or by the mark in its URL.
        Deleted = "deleted",
        /// No call that creates one ever reached the provider, so none was checked.
        NeverMade = "never_made",
        /// It was left there, as requested.
        Left = "left",
        /// It may still exist: the deletion continues.
        Pending = "pending",
    }
}

impl HookOutcome {
    /// What is known by the end of a step; `is_shown` when it was taken because the provider has
    /// just shown that no hook is left.
    pub fn of(connection: &Connection, is_shown: bool) -> Self {
        let lifecycle = &connection.lifecycle;
        let was_made = connection.hook_created_at.is_some() || lifecycle.hook != Hook::Absent;
        match (lifecycle.phase, lifecycle.desired) {
            (Phase::Removed, _) if is_shown => Self::Deleted,
            (Phase::Removed, _) if !was_made => Self::NeverMade,
            (Phase::Removed, Desired::Removed { delete_hook: false }) => Self::Left,
            // One was there, and only the provider's word makes it absent.
            (Phase::Removed, _) => Self::Deleted,
            // It is checked once more only because an interrupted call may still take effect.
            (Phase::Settling, _) if lifecycle.hook == Hook::Absent => Self::Deleted,
            (
                Phase::Idle
                | Phase::Creating { .. }
                | Phase::Active
                | Phase::Checking
                | Phase::Pinging
                | Phase::Repairing { .. }
                | Phase::Rewriting
                | Phase::Deleting { .. }
                | Phase::Waiting { .. }
                | Phase::Settling
                | Phase::Suspended(_),
                _,
            ) => Self::Pending,
        }
    }
}
