//! What happened at the provider, after a delivery was verified and decoded.

use super::id::HookId;
use super::lane::place::Ended;
use super::repo::{FullName, RepositoryId};
use super::run::RunEvent;

/// A decoded delivery: which repository it speaks of, and what happened there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The repository in the payload; `None` for events that carry none (an organisation's ping).
    pub repository: Option<RepositoryId>,
    /// The repository's present name as the payload tells it. A hint for display only: a payload
    /// never changes a connection's identity.
    pub full_name: Option<FullName>,
    /// The payload's action, such as `completed`, when it has one.
    pub action: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What happened, in the provider-neutral words of the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The provider answers a ping, or greets a new hook.
    Pong {
        /// The hook that it says it belongs to.
        hook: Option<HookId>,
    },
    /// A run was requested, started or finished.
    Run(Box<RunEvent>),
    /// Understood and worth keeping in the history, but nothing follows from it (push, pull
    /// request).
    Recorded,
    /// A branch, a tag or a pull request is over: nothing waits for a pass there any more.
    Ended(Ended),
    /// The repository has another name, or the hook is gone, as far as a payload can tell: a
    /// reason to look now, and nothing more.
    LookNow,
    /// An event that means nothing to us. It is stored and answered 2xx all the same.
    Ignored,
}
