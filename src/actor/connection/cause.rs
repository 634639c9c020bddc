//! What a turn of a connection's actor is about.

use super::calls::Called;
use crate::actor::interface::CommandError;
use crate::domain::command::{Command, CommandKind};
use crate::domain::errand::Priority;
use crate::domain::id::CommandId;
use crate::domain::lifecycle::Timer;
use crate::domain::removal::HookOutcome;
use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Where to say what became of the hook of a connection that was disconnected.
pub(in crate::actor) type Leaving = oneshot::Sender<HookOutcome>;

/// Something that happened. Each is handled in a turn of its own, one after the other.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actor) enum Cause {
    /// There may be deliveries to process.
    Deliveries,
    /// An authentic delivery arrived that was stored before.
    Heard,
    /// Something arrived that none of the secrets signed, so often.
    Rejected {
        /// How often.
        times: u32,
    },
    /// One of us asks for something that follows from what is stored.
    Wanted(Box<Wanted>),
    /// A command was stored.
    Asked(Box<Waiter>),
    /// Asks to be told when no provider call is outstanding.
    WhenSettled(oneshot::Sender<()>),
    /// It is this hook's turn to be moved to our present address.
    MoveTurn,
    /// A timer that was armed for then has fired.
    Fired(Timer, Instant),
}

/// What one of us asks for, and where to answer. It is asked again by who wants it: it follows from
/// what is stored.
#[derive(Debug)]
pub(in crate::actor) struct Wanted {
    pub(in crate::actor) kind: CommandKind,
    /// How urgent the calls are that follow.
    pub(in crate::actor) priority: Priority,
    pub(in crate::actor) answer: oneshot::Sender<Result<(), CommandError>>,
}

/// Who waits for a stored command.
#[derive(Debug)]
pub(in crate::actor) struct Waiter {
    pub(in crate::actor) command: CommandId,
    pub(in crate::actor) answer: oneshot::Sender<Result<Command, CommandError>>,
    /// Where to say what becomes of the hook, when the command is to disconnect.
    pub(in crate::actor) leaving: Option<Leaving>,
}

/// What an actor says to itself. It is void after a panic: the state that it speaks of is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Own {
    /// The life that it belongs to.
    pub(super) life: u32,
    pub(super) what: OwnCause,
}

/// What an actor says to itself.
#[derive(Debug)]
pub(super) enum OwnCause {
    /// It has started, for the first time or after a panic.
    Begin,
    /// The one before it panicked too often.
    GiveUp,
    /// A call has ended.
    Called(Called),
    /// There may be more deliveries to process.
    More,
    /// The pause after deliveries could not be processed is over.
    ProcessAgain,
    /// A step that could not be committed is to be taken now.
    Retry,
    /// A lifecycle timer fired while the state could not be read.
    Fire(Timer),
    /// The time for an authentic delivery is over: ask for a test delivery.
    Test(u64),
    /// The test delivery has had its time.
    JudgeTest,
    /// Nothing has happened for a while.
    Rest,
}
