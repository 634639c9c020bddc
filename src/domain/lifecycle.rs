//! The connection's lifecycle: `step(lifecycle, input) -> (lifecycle, effects)`.
//!
//! A pure state machine that an actor executes. Two rules keep it small: the user changes only
//! what is desired, replies and timers change only the phase; and at most one provider call is
//! outstanding. The invariants, which the property test in `tests.rs` drives against a model
//! provider:
//!
//! - **LC-1** at most one provider call outstanding per connection;
//! - **LC-2** the phase says whether one is;
//! - **LC-3** unless it waits for a person, a call or a timer will move it on;
//! - **LC-4** from any history, `Removed` on a working provider ends with no hook of ours there;
//! - **LC-5** from any history, `Active` on a working provider ends with exactly one hook of ours
//!   there, with the settings wanted, our present URL among them.
//!
//! A hook is ours when it has an id that the provider told us of, whatever its URL by now (our
//! secret is in it), or when its URL has our mark, whatever its id and address. LC-4 and LC-5 count
//! hooks by both. A hook with another id and another URL is somebody's, and never touched. The id
//! is told by the answer to a call, or by the hook itself: GitHub greets a new one with a ping that
//! names it, signed with our secret.
//!
//! A call that failed or was cut off may still have been carried out, or may be carried out a
//! little later. So its outcome is [`Hook::Unknown`] and never `Absent`, and the machine stays
//! [`Certainty::Unsure`] until a call that was begun after a settling time has confirmed the state.

use super::error_code::ErrorCode;
use super::id::HookId;
use super::time::Timestamp;
use std::time::Duration;

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// A working hook.
    Active,
    /// Leave the hook as it is and do nothing about what arrives.
    Paused,
    /// Disconnected: no hook, or whatever hook there is left alone.
    Removed {
        /// Whether to delete the hook at the provider.
        delete_hook: bool,
    },
}

/// What is known of the hook at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The provider said that there is none, or none was ever asked for.
    Absent,
    /// The provider told of it.
    Present(HookId),
    /// A call failed or was cut off, or the hook was not found: anything may be there. With the
    /// last id that was known, because a hook with that id is ours wherever it delivers to by now.
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

    /// The same hook, when anything may have become of it.
    pub(super) const fn in_doubt(self) -> Self {
        Self::Unknown(self.id())
    }
}

/// Whether a call of ours that was cut off may still be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// No.
    Sure,
    /// Yes; what the provider tells now may still change.
    Unsure,
    /// The settling time has passed, and the call that confirms the state is outstanding.
    Confirming,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// At rest, nothing outstanding, nothing armed: new, or paused.
    Idle,
    /// An ensure call is outstanding: find our hook or create it, and write all its settings.
    Creating {
        /// Failed attempts before this one.
        attempt: u32,
    },
    /// The hook is there. The check and ping timers are armed.
    Active,
    /// A check is outstanding.
    Checking,
    /// A ping is outstanding.
    Pinging,
    /// A repair is outstanding: write all settings of the hook that is there.
    Repairing {
        /// Failed attempts before this one.
        attempt: u32,
    },
    /// All settings are written again to a hook that is not known to be wrong: it is moved to our
    /// present address, or its secret is doubted. Whatever comes of it, the hook goes on working.
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
    /// The hooks are deleted, but an earlier creation may still be carried out: the retry timer
    /// is armed with the settling time, then one more deletion confirms that none is left.
    Settling,
    /// The daemon gave up until someone acts.
    Suspended(SuspendReason),
    /// Over. Final.
    Removed,
}

/// Why the daemon gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspendReason {
    /// The provider refused the credential, or there is none.
    Unauthorized,
    /// Somebody keeps deleting the hook.
    HookDeletedRepeatedly,
    /// The connection's actor panicked too often.
    Panics,
}

impl SuspendReason {
    /// Every reason there is.
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

/// A number that goes up whenever the wanted settings (events, secret) change.
pub type Revision = u32;

/// The whole state of the machine. Stored with every step.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is known apart from the others; what excludes each other is the phase"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// What the user wants.
    pub desired: Desired,
    /// Where it stands.
    pub phase: Phase,
    /// What is known of the hook.
    pub hook: Hook,
    /// Whether an earlier call may still be carried out.
    pub certainty: Certainty,
    /// The settings that are wanted.
    pub wanted: Revision,
    /// The settings that the hook is known to have; `None` when that is not known.
    pub applied: Option<Revision>,
    /// Delete the hook and create it anew as soon as nothing is outstanding.
    pub recreate: bool,
    /// The hook was found changed or gone, and is not known to be mended.
    pub ill: bool,
    /// The last call was refused in a way that only a person can mend. A call without an outcome
    /// (an outage, a time-out, a limit) leaves this as it is: not knowing is not ill.
    pub refused: bool,
    /// Checks and pings in a row that failed.
    pub checks_failed: u32,
    /// Pings in a row that no delivery followed.
    pub pings_unanswered: u32,
    /// Whether a delivery arrived since the ping timer last fired.
    pub heard: bool,
    /// That the provider was found to have disabled the hook, and how many test deliveries were
    /// asked for since, or since it was made anew; `None` when it is enabled as far as is known.
    pub disabled: Option<u32>,
    /// When the hook was found missing lately, oldest first; at most [`LOSSES_MAX`].
    pub losses: Vec<Timestamp>,
}

/// Losing the hook this often within [`LOSSES_WINDOW`] means that somebody does not want it.
pub const LOSSES_MAX: usize = 3;
/// See [`LOSSES_MAX`].
pub const LOSSES_WINDOW: Duration = Duration::from_hours(24);
/// From this many unanswered pings on the hook counts as silent: one may be lost on the way, and
/// the newest has had no time to be answered.
pub const PINGS_UNANSWERED_SILENT: u32 = 2;

/// What happens to the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Sent once after every start: whatever was outstanding or armed is no longer.
    Recovered,
    /// The user wants something else.
    DesiredChanged(Desired),
    /// The wanted events or the secret changed.
    SettingsChanged,
    /// Look now: checks, retries, or resumes, whichever the phase allows.
    CheckRequested,
    /// Ping now, if the hook is there.
    PingRequested,
    /// Delete the hook and create it anew.
    RecreateRequested,
    /// It is this hook's turn to be written again, though nothing is known to be wrong with it.
    RewriteDue,
    /// The outstanding call succeeded.
    Replied(Reply),
    /// The outstanding call failed, or its outcome is not known.
    CallFailed {
        /// Why.
        failure: Failure,
        /// Whether the provider may have carried it out, or may yet.
        may_have_acted: bool,
    },
    /// A verified delivery arrived: the way from the provider to us works.
    DeliveryArrived {
        /// The hook that it says it comes from. Our secret signed it, so that hook is ours.
        hook: Option<HookId>,
    },
    /// A timer fired.
    TimerFired(Timer),
    /// The actor is given up.
    GaveUp(SuspendReason),
}

/// What a call found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Ensure: the hook is there, alone, with the settings of this revision.
    Ensured {
        /// Its id.
        hook: HookId,
        /// The id that the call looked for.
        known: Option<HookId>,
        /// The settings written.
        revision: Revision,
    },
    /// Check: as we left it.
    Intact,
    /// Check: there, but not as we left it (or there is another one with our mark).
    Drifted,
    /// Check: as we left it, but the provider sends nothing because deliveries failed. A test
    /// delivery that we answer may change that.
    Disabled {
        /// Not until somebody acts.
        permanently: bool,
    },
    /// Check or repair: the provider shows the list of hooks, and the one with this id is
    /// not there.
    Missing {
        /// When that was found.
        at: Timestamp,
    },
    /// Repair: written.
    Repaired {
        /// The settings written.
        revision: Revision,
    },
    /// Ping: the provider will send one, or has sent it.
    Pinged,
    /// Ping: the provider has nothing that it could send. Says nothing about the hook.
    Untestable,
    /// Delete: the provider shows the list of hooks, and none of ours is left, by id or by mark.
    Deleted {
        /// The id that the call looked for.
        known: Option<HookId>,
    },
}

/// Why a call failed, as far as it decides what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Try again, at the earliest after this long.
    Retryable {
        /// The provider's wish.
        after: Option<Duration>,
    },
    /// The credential was refused, or there is none.
    Unauthorized,
    /// Not found, or not allowed: the provider does not tell which. Never means "gone".
    NoAccess,
    /// The provider refuses this request: too many hooks, archived repository, and so on.
    Rejected,
}

/// The timers of a connection. Scheduling one again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Ends [`Phase::Waiting`].
    Retry,
    /// Time for a check.
    Check,
    /// Time to see whether anything was heard.
    Ping,
}

impl Timer {
    /// Every timer there is.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Check, Self::Ping];
}

/// What the actor has to do after a step was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Call the provider.
    Call(Call),
    /// Arm a timer.
    Schedule(Timer, Delay),
    /// Something worth a log line, a metric or an incident.
    Observe(Observation),
}

/// A provider call. Each finds our hooks by id and by the mark in their URL, which holds the
/// connection's hook key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Find our hook or create it, write all settings, delete surplus ones of ours.
    Ensure {
        /// The hook that is kept when it is there. None is created then.
        known: Option<HookId>,
        /// The settings to write.
        revision: Revision,
    },
    /// Read the hooks and compare.
    Check(HookId),
    /// Write all settings of this hook, delete others of ours.
    Repair {
        /// Which.
        hook: HookId,
        /// The settings to write.
        revision: Revision,
    },
    /// Ask for a test delivery.
    Ping(HookId),
    /// Delete every hook of ours.
    Delete {
        /// The hook that is ours by its id.
        known: Option<HookId>,
    },
}

/// How long a timer runs. The actor turns it into time, with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// The configured interval between checks.
    CheckInterval,
    /// Somewhere within the check interval, so that a restart is no stampede.
    Spread,
    /// The configured interval between pings.
    PingInterval,
    /// Exponential, after this many failed attempts.
    Backoff(u32),
    /// Exponential and slow, for what a person has to mend at the provider.
    SlowBackoff(u32),
    /// At least this long: the provider's wish.
    Exactly(Duration),
    /// What was left of the timer of this kind before the restart.
    Remaining,
    /// Soon after a start.
    Startup,
    /// Longer than the provider may take to carry out a call that we gave up on.
    Settle,
}

/// What is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The hook is there, with our settings.
    HookEnsured(HookId),
    /// Somebody changed the hook; it is being repaired.
    HookDrifted,
    /// The changed hook has our settings again.
    HookRepaired,
    /// All settings of the hook were written again, which were not known to be wrong.
    HookRewritten,
    /// The hook was gone.
    HookLost,
    /// The provider has disabled the hook.
    HookDisabled {
        /// Not until somebody acts.
        permanently: bool,
    },
    /// The provider sends again.
    HookEnabled,
    /// Nothing is heard from the hook although it was pinged.
    HookSilent,
    /// Something is heard again.
    HookHeard,
    /// The daemon gave up.
    Suspended(SuspendReason),
    /// It goes on after a suspension.
    Resumed,
    /// The connection is over.
    Removed,
}

impl Default for Lifecycle {
    /// A new connection that wants a hook. Its hook key is new, so no hook of it can exist.
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

    /// Whether only a person can move it on.
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

    /// Whether the hook was pinged and nothing came of it.
    pub const fn is_silent(&self) -> bool {
        self.pings_unanswered >= PINGS_UNANSWERED_SILENT
    }
}

mod outcome;
mod step;
pub use step::step;

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
