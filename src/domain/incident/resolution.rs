//! How incidents end.

use crate::domain::id::RunId;

named! {
    /// How an incident was resolved.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Resolution {
        /// A later run, or a later attempt, passed.
        Passed(RunId) = "passed",
        /// A user resolved it.
        ByHand = "manual",
        /// The hook, the credential or the sink works again.
        Recovered = "recovered",
        /// The connection was paused or disconnected, the credential was removed, or the sink was
        /// paused or removed.
        Disconnected = "disconnected",
        /// Version 0.1 followed one family of CI events at a time, and closed incidents of the
        /// others. Read, never written.
        Superseded = "superseded",
        /// The branch was deleted.
        BranchDeleted = "branch_deleted",
        /// The tag was deleted.
        TagDeleted = "tag_deleted",
        /// The pull or merge request was closed without being merged.
        PullRequestClosed = "pull_request_closed",
        /// The pull or merge request was merged.
        Merged = "merged",
        /// The entry left the merge queue.
        LeftQueue = "left_queue",
        /// A check suite had reported it; its workflow run reports the same failure in an incident
        /// that is still open.
        Mirrored = "mirrored",
        /// Another incident says more of the same.
        Replaced = "replaced",
        /// A late report has shown that its failures belong to an earlier incident: they failed too
        /// soon after a pass, or while the workflow flapped.
        Joined = "joined",
    }
}

impl Resolution {
    /// Whether it follows from the reports about runs and places, and not from an action of a user:
    /// then a late report may correct it.
    pub const fn is_derived(self) -> bool {
        match self {
            Self::Passed(_)
            | Self::BranchDeleted
            | Self::TagDeleted
            | Self::PullRequestClosed
            | Self::Merged
            | Self::LeftQueue
            | Self::Joined => true,
            Self::ByHand
            | Self::Recovered
            | Self::Disconnected
            | Self::Superseded
            | Self::Replaced
            | Self::Mirrored => false,
        }
    }
}
