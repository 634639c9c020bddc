//! What an action would do to a connection: for a dry run, and for the plan of `apply`.
//!
//! It says what the connection's actor would decide now. What happens before the command is carried
//! out may change it, so the outcome that is counted is the command's.

use super::Action;
use crate::domain::connection::Connection;
use crate::domain::lifecycle::{Desired, Hook, Phase};

named! {
    /// What an action would do to a connection.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Verdict {
        /// Its hook is checked at the provider.
        Check = "check",
        /// A test delivery is requested.
        Ping = "ping",
        /// Its hook is deleted and created again.
        Recreate = "recreate",
        /// Its hook gets a new secret.
        RotateSecret = "rotate_secret",
        /// It is paused: its hook is left as it is.
        Pause = "pause",
        /// It is resumed.
        Resume = "resume",
        /// It is enabled already; its next attempt is made now.
        Retry = "retry",
        /// It is disconnected, and its hook is deleted at the provider.
        Disconnect = "disconnect",
        /// It is disconnected, and its hook is left at the provider.
        DisconnectOnly = "disconnect_keeping_webhook",
        /// Its hook subscribes to other events.
        SetEvents = "set_events",
        /// It is stored, and done when the connection is resumed.
        WhenResumed = "when_resumed",
        /// The repository is connected.
        Connect = "connect",
        /// Nothing: the repository is connected already.
        AlreadyConnected = "already_connected",
        /// Nothing: it is paused.
        Paused = "paused",
        /// Nothing: it is paused already.
        AlreadyPaused = "already_paused",
        /// Nothing: it is enabled already.
        AlreadyEnabled = "already_enabled",
        /// Nothing: it subscribes to these events already.
        SameEvents = "same_events",
        /// Nothing: it is suspended. Resume it, or check it.
        Suspended = "suspended",
        /// Nothing: no hook is known to exist.
        NoHook = "no_webhook",
        /// Nothing more: a call to the provider for it is in progress, or will be retried.
        Busy = "busy",
        /// Nothing: it was removed.
        Removed = "removed",
    }
}

impl Verdict {
    /// Whether something changes, here or at the provider.
    pub const fn is_change(self) -> bool {
        match self {
            Self::Check
            | Self::Ping
            | Self::Recreate
            | Self::RotateSecret
            | Self::Pause
            | Self::Resume
            | Self::Retry
            | Self::Disconnect
            | Self::DisconnectOnly
            | Self::SetEvents
            | Self::WhenResumed
            | Self::Connect => true,
            Self::AlreadyConnected
            | Self::Paused
            | Self::AlreadyPaused
            | Self::AlreadyEnabled
            | Self::SameEvents
            | Self::Suspended
            | Self::NoHook
            | Self::Busy
            | Self::Removed => false,
        }
    }
}

/// What `action` would do to a connection now.
pub fn judge(action: &Action, connection: &Connection) -> Verdict {
    let l = &connection.lifecycle;
    if connection.is_removed() {
        return Verdict::Removed;
    }
    let is_suspended = matches!(l.phase, Phase::Suspended(_));
    let is_paused = l.desired == Desired::Paused;
    match action {
        // A suspension ends, and nothing else follows.
        Action::Check if is_paused && is_suspended => Verdict::Pause,
        Action::Check | Action::Ping if is_paused => Verdict::Paused,
        Action::Check if l.call_outstanding() || l.phase == Phase::Idle => Verdict::Busy,
        Action::Check => Verdict::Check,
        Action::Ping if is_suspended => Verdict::Suspended,
        Action::Ping => match (l.phase, l.hook) {
            (Phase::Active, Hook::Present(_)) => Verdict::Ping,
            (_, Hook::Absent | Hook::Unknown(_)) => Verdict::NoHook,
            (_, Hook::Present(_)) => Verdict::Busy,
        },
        Action::Recreate if l.recreate && is_paused && !is_suspended => Verdict::Paused,
        Action::Recreate if is_paused => Verdict::WhenResumed,
        Action::Recreate if l.recreate && (l.call_outstanding() || l.phase == Phase::Idle) => {
            Verdict::Busy
        }
        Action::Recreate => Verdict::Recreate,
        Action::RotateSecret if is_paused || is_suspended => Verdict::WhenResumed,
        Action::RotateSecret => Verdict::RotateSecret,
        Action::Pause if is_paused && !is_suspended => Verdict::AlreadyPaused,
        Action::Pause => Verdict::Pause,
        Action::Resume if is_paused || is_suspended => Verdict::Resume,
        Action::Resume if matches!(l.phase, Phase::Waiting { .. } | Phase::Idle) => Verdict::Retry,
        Action::Resume => Verdict::AlreadyEnabled,
        Action::Connect => Verdict::AlreadyConnected,
        Action::Disconnect { delete_hook: true } => Verdict::Disconnect,
        Action::Disconnect { delete_hook: false } => Verdict::DisconnectOnly,
        Action::SetEvents(events) if *events == connection.events => Verdict::SameEvents,
        Action::SetEvents(_) if is_paused || is_suspended => Verdict::WhenResumed,
        Action::SetEvents(_) => Verdict::SetEvents,
    }
}
