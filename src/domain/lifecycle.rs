//! The connection's lifecycle: `step(lifecycle, input) -> (lifecycle, effects)`.
//!
//! A pure state machine that an actor executes. Two rules keep it small: the user changes only the
//! desired state, replies and timers change only the phase; and at most one provider call is
//! outstanding. The invariants, which the property test in `tests.rs` checks against a model
//! provider:
//!
//! - **LC-1** at most one provider call outstanding per connection;
//! - **LC-2** the phase says whether one is;
//! - **LC-3** unless it waits for a person, a call or a timer will move it on;
//! - **LC-4** from any history, `Removed` on a working provider ends with no hook of ours there;
//! - **LC-5** from any history, `Active` on a working provider ends with exactly one hook of ours
//!   there, with the settings wanted, our present URL among them.
//!
//! A hook is ours when it has an id that the provider reported to us, at any URL (our secret is in
//! it), or when its URL has our mark, with any id and address. LC-4 and LC-5 count hooks by both. A
//! hook with another id and another URL is never changed. The id is in the answer to a call, or in
//! the first ping of a new GitHub hook, signed with our secret.
//!
//! A call that failed or was interrupted may still have been carried out, or may be carried out
//! later. So its outcome is [`Hook::Unknown`] and never `Absent`, and the machine stays
//! [`Certainty::Unsure`] until a call that began after a settling time has confirmed the state.

use super::error_code::ErrorCode;
use super::id::HookId;
use super::time::Timestamp;
use std::time::Duration;

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// A working hook.
    Active,
    /// Leave the hook unchanged and ignore its deliveries.
    Paused,
    /// Disconnected: no hook, or the existing hook is left unchanged.
    Removed {
        /// Whether to delete the hook at the provider.
        delete_hook: bool,
    },
}

/// The known state of the hook at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The provider reported none, or none was ever requested.
    Absent,
    /// The provider reported it.
    Present(HookId),
    /// A call failed or was interrupted, or the hook was not found: any hook may exist. With the
    /// last known id, because a hook with that id is ours at any URL.
    Unknown(Option<HookId>),
}

impl Hook {
    /// The id of the hook that is or was last known to be ours.
    pub const fn id(self) -> Option<HookId> {
        match self {
            Self::Absent => None,
            Self::Present(id) => Some(id),
            Self::Unknown(id) => id,
        }
    }

    /// The same hook in an unknown state.
    pub(super) const fn in_doubt(self) -> Self {
        Self::Unknown(self.id())
    }
}

/// Whether an interrupted call may still be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// No.
    Sure,
    /// Yes; the provider's current state may still change.
    Unsure,
    /// The settling time has passed, and the call that confirms the state is outstanding.
    Confirming,
}

/// The phase of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// At rest, nothing outstanding, no timer: new, or paused.
    Idle,
    /// An ensure call is outstanding: find our hook or create it, and write all its settings.
    Creating {
        /// Failed attempts before this one.
        attempt: u32,
    },
    /// The hook exists. The check and ping timers are armed.
    Active,
    /// A check is outstanding.
    Checking,
    /// A ping is outstanding.
    Pinging,
    /// A repair is outstanding: write all settings of the existing hook.
    Repairing {
        /// Failed attempts before this one.
        attempt: u32,
    },
    /// All settings are written again to a hook without known drift: it is moved to our current
    /// address, or its secret is in doubt. In any case the hook continues to work.
    Rewriting,
    /// A deletion is outstanding.
    Deleting {
        /// Failed attempts before this one.
        attempt: u32,
    },
    /// The retry timer is armed.
    Waiting {
        /// Failed attempts so far.
        attempt: u32,
    },
    /// The hooks are deleted, but an earlier creation may still be carried out: the retry timer is
    /// armed with the settling time, then one more deletion confirms that none is left.
    Settling,
    /// Suspended until a user acts.
    Suspended(SuspendReason),
    /// Final.
    Removed,
}

/// Why the connection was suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspendReason {
    /// The provider refused the credential, or there is none.
    Unauthorized,
    /// The hook is deleted repeatedly.
    HookDeletedRepeatedly,
    /// The connection's actor panicked too often.
    Panics,
}

impl SuspendReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [
        Self::Unauthorized,
        Self::HookDeletedRepeatedly,
        Self::Panics,
    ];

    /// The reason, for programs.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Unauthorized => ErrorCode::Unauthorized,
            Self::HookDeletedRepeatedly => ErrorCode::HookDeletedRepeatedly,
            Self::Panics => ErrorCode::Panics,
        }
    }

    /// The name used in JSON and logs.
    pub const fn as_str(self) -> &'static str {
        self.code().as_str()
    }
}

/// A number that increases whenever the wanted settings (events, secret) change.
pub type Revision = u32;

/// The whole state of the machine. Stored at every step.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is known apart from the others; what excludes each other is the phase"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// The desired state.
    pub desired: Desired,
    /// The phase.
    pub phase: Phase,
    /// The known state of the hook.
    pub hook: Hook,
    /// Whether an earlier call may still be carried out.
    pub certainty: Certainty,
    /// The wanted settings.
    pub wanted: Revision,
    /// The known settings of the hook; `None` when they are unknown.
    pub applied: Option<Revision>,
    /// Delete and recreate the hook as soon as nothing is outstanding.
    pub recreate: bool,
    /// The hook was found changed or missing, and is not known to be repaired.
    pub ill: bool,
    /// The last call was refused in a way that only a person can correct. A call without an outcome
    /// (an outage, a timeout, a rate limit) does not change this: unknown is not a failure.
    pub refused: bool,
    /// Failed checks and pings in a row.
    pub checks_failed: u32,
    /// Unanswered pings in a row.
    pub pings_unanswered: u32,
    /// Whether a delivery arrived since the ping timer last fired.
    pub heard: bool,
    /// Set when the provider was found to have disabled the hook, with the number of test
    /// deliveries requested since then or since it was recreated; `None` when it is enabled as far
    /// as known.
    pub disabled: Option<u32>,
    /// When the hook was recently found missing, oldest first; at most [`LOSSES_MAX`].
    pub losses: Vec<Timestamp>,
}

/// Losing the hook this often within [`LOSSES_WINDOW`] means that it is deleted on purpose.
pub const LOSSES_MAX: usize = 3;
/// See [`LOSSES_MAX`].
pub const LOSSES_WINDOW: Duration = Duration::from_hours(24);
/// From this many unanswered pings on the hook counts as silent: one may be lost, and the newest
/// has had no time for an answer.
pub const PINGS_UNANSWERED_SILENT: u32 = 2;

/// The inputs of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Sent once after every start: nothing is outstanding or armed any more.
    Recovered,
    /// The user changed the desired state.
    DesiredChanged(Desired),
    /// The wanted events or the secret changed.
    SettingsChanged,
    /// Check, retry, or resume now, as the phase allows.
    CheckRequested,
    /// Ping now, if the hook exists.
    PingRequested,
    /// Delete and recreate the hook.
    RecreateRequested,
    /// It is this hook's turn to be written again, without known drift.
    RewriteDue,
    /// The outstanding call succeeded.
    Replied(Reply),
    /// The outstanding call failed, or its outcome is unknown.
    CallFailed {
        /// Why.
        failure: Failure,
        /// Whether the provider may have carried it out, or may do so later.
        may_have_acted: bool,
    },
    /// A verified delivery arrived: the path from the provider to us works.
    DeliveryArrived {
        /// The hook named in it. It is signed with our secret, so that hook is ours.
        hook: Option<HookId>,
    },
    /// A timer fired.
    TimerFired(Timer),
    /// The actor panicked too often.
    GaveUp(SuspendReason),
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Ensure: exactly one hook of ours exists, with the settings of this revision.
    Ensured {
        /// Its id.
        hook: HookId,
        /// The id that the call looked for.
        known: Option<HookId>,
        /// The settings written.
        revision: Revision,
    },
    /// Check: with the wanted settings.
    Intact,
    /// Check: exists with other settings (or there is another one with our mark).
    Drifted,
    /// Check: with the wanted settings, but the provider sends nothing because deliveries failed. A
    /// test delivery that we answer may change that.
    Disabled {
        /// Until it is enabled again.
        permanently: bool,
    },
    /// Check or repair: the provider shows the list of hooks, and the one with this id is missing.
    Missing {
        /// The time of that.
        at: Timestamp,
    },
    /// Repair: written.
    Repaired {
        /// The settings written.
        revision: Revision,
    },
    /// Ping: the provider will send one, or has sent it.
    Pinged,
    /// Ping: the provider has no data for one. Says nothing about the hook.
    Untestable,
    /// Delete: the provider shows the list of hooks, without one of ours, by id or by mark.
    Deleted {
        /// The id that the call looked for.
        known: Option<HookId>,
    },
}

/// Why a call failed, as far as it affects the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Retry, at the earliest after this time.
    Retryable {
        /// The provider's wait.
        after: Option<Duration>,
    },
    /// The credential was refused, or there is none.
    Unauthorized,
    /// Not found, or not allowed: the provider does not distinguish them. Never means "deleted".
    NoAccess,
    /// The provider rejects this request: too many hooks, archived repository, and so on.
    Rejected,
}

/// The timers of a connection. Scheduling one again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Ends [`Phase::Waiting`].
    Retry,
    /// Time for a check.
    Check,
    /// Time to see whether a delivery arrived.
    Ping,
}

impl Timer {
    /// All timers.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Check, Self::Ping];
}

/// The effects that the actor carries out after a step was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Call the provider.
    Call(Call),
    /// Arm a timer.
    Schedule(Timer, Delay),
    /// An event for the log, a metric or an incident.
    Observe(Observation),
}

/// A provider call. Each finds our hooks by id and by the mark in their URL, which contains the
/// connection's hook key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Find our hook or create it, write all settings, delete surplus ones of ours.
    Ensure {
        /// The hook that is kept if it exists. None is created then.
        known: Option<HookId>,
        /// The settings to write.
        revision: Revision,
    },
    /// Read the hooks and compare.
    Check(HookId),
    /// Write all settings of this hook, delete others of ours.
    Repair {
        /// The hook.
        hook: HookId,
        /// The settings to write.
        revision: Revision,
    },
    /// Request a test delivery.
    Ping(HookId),
    /// Delete every hook of ours.
    Delete {
        /// The hook that is ours by its id.
        known: Option<HookId>,
    },
}

/// The duration of a timer. The actor turns it into time, with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// The configured interval between checks.
    CheckInterval,
    /// A random time within the check interval, so that a restart causes no burst.
    Spread,
    /// The configured interval between pings.
    PingInterval,
    /// The rest of that interval, so that a restart neither causes a burst nor puts pings off.
    PingRest,
    /// The time in which the answer to a ping usually arrives.
    Answer,
    /// Soon after the provider has confirmed a new secret, unless a delivery proves it before.
    Proof,
    /// Exponential, after this many failed attempts.
    Backoff(u32),
    /// Exponential and slow, for causes that a person has to correct at the provider.
    SlowBackoff(u32),
    /// At least this long: the provider's wait.
    Exactly(Duration),
    /// The rest of the timer of this kind from before the restart.
    Remaining,
    /// Soon after a start.
    Startup,
    /// Longer than a provider may take to carry out a call after its timeout.
    Settle,
}

/// Reported changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The hook exists, with our settings.
    HookEnsured(HookId),
    /// The hook was changed; it is being repaired.
    HookDrifted,
    /// The changed hook has our settings again.
    HookRepaired,
    /// All settings of the hook were written again, without known drift.
    HookRewritten,
    /// The hook was missing.
    HookLost,
    /// The provider has disabled the hook.
    HookDisabled {
        /// Until it is enabled again.
        permanently: bool,
    },
    /// The provider sends again.
    HookEnabled,
    /// No deliveries arrive although the hook was pinged.
    HookSilent,
    /// Deliveries arrive again.
    HookHeard,
    /// The connection was suspended.
    Suspended(SuspendReason),
    /// It was resumed after a suspension.
    Resumed,
    /// The connection was removed.
    Removed,
}

impl Default for Lifecycle {
    /// A new connection that wants a hook. Its hook key is new, so no hook with it can exist.
    fn default() -> Self {
        Self {
            desired: Desired::Active,
            phase: Phase::Idle,
            hook: Hook::Absent,
            certainty: Certainty::Sure,
            wanted: 1,
            applied: None,
            recreate: false,
            ill: false,
            refused: false,
            checks_failed: 0,
            pings_unanswered: 0,
            heard: false,
            disabled: None,
            losses: Vec::new(),
        }
    }
}

impl Lifecycle {
    /// Whether a provider call is outstanding (LC-2).
    pub const fn call_outstanding(&self) -> bool {
        match self.phase {
            Phase::Creating { .. }
            | Phase::Checking
            | Phase::Pinging
            | Phase::Repairing { .. }
            | Phase::Rewriting
            | Phase::Deleting { .. } => true,
            Phase::Idle
            | Phase::Active
            | Phase::Waiting { .. }
            | Phase::Settling
            | Phase::Suspended(_)
            | Phase::Removed => false,
        }
    }

    /// Whether only a person can resume it.
    pub const fn waits_for_a_person(&self) -> bool {
        match self.phase {
            Phase::Suspended(_) | Phase::Removed => true,
            Phase::Idle => matches!(self.desired, Desired::Paused),
            Phase::Active
            | Phase::Creating { .. }
            | Phase::Checking
            | Phase::Pinging
            | Phase::Repairing { .. }
            | Phase::Rewriting
            | Phase::Deleting { .. }
            | Phase::Waiting { .. }
            | Phase::Settling => false,
        }
    }

    /// Whether the hook was pinged without an answer.
    pub const fn is_silent(&self) -> bool {
        self.pings_unanswered >= PINGS_UNANSWERED_SILENT
    }
}

mod moves;
mod outcome;
mod step;
pub use step::step;

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
