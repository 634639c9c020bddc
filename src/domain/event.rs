//! The event of a delivery, after it was verified and decoded.

use super::id::HookId;
use super::lane::place::Ended;
use super::repo::{FullName, RepositoryId};
use super::run::RunEvent;

/// A decoded delivery: its repository, and the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The repository in the payload; `None` for events that carry none (an organisation's ping).
    pub repository: Option<RepositoryId>,
    /// The repository's current name in the payload. A hint for display only: a payload never
    /// changes a connection's identity.
    pub full_name: Option<FullName>,
    /// The payload's action, such as `completed`, when it has one.
    pub action: Option<String>,
    /// The event.
    pub event: Event,
}

/// The event, in provider-neutral terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The provider answers a ping, or sends one to a new hook.
    Pong {
        /// The hook named in it.
        hook: Option<HookId>,
    },
    /// A run was requested, started or finished.
    Run(Box<RunEvent>),
    /// Known and worth keeping in the history, but without effects (push, pull request).
    Recorded,
    /// A branch, a tag or a pull request has ended: no pass is expected there any more.
    Ended(Ended),
    /// The repository was renamed, or the hook deleted, according to a payload: a reason for a
    /// check, and nothing more.
    LookNow,
    /// An unused event. It is stored and answered 2xx.
    Ignored,
}
