//! The cause of a turn of a connection's actor.

use super::calls::Called;
use super::retire::Retired;
use crate::actor::interface::CommandError;
use crate::domain::command::{Command, CommandKind};
use crate::domain::errand::Priority;
use crate::domain::id::CommandId;
use crate::domain::lifecycle::Timer;
use crate::domain::removal::HookOutcome;
use crate::domain::rotation::SecretNumber;
use actix::prelude::*;
use std::collections::BTreeSet;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Where to report the outcome for the hook of a disconnected connection.
pub(in crate::actor) type Leaving = oneshot::Sender<HookOutcome>;

/// An event. Each is handled in its own turn, one after the other.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actor) enum Cause {
    /// There may be deliveries to process.
    Deliveries,
    /// Duplicates of authentic deliveries arrived, signed with these secrets.
    Heard(BTreeSet<SecretNumber>),
    /// Deliveries without a valid signature arrived.
    Rejected {
        /// Their number.
        times: u32,
    },
    /// Another part of Hookherd requests an action that follows from stored data.
    Wanted(Box<Wanted>),
    /// A command was stored.
    Asked(Box<Waiter>),
    /// Asks for a notice when no provider call is outstanding.
    WhenSettled(oneshot::Sender<()>),
    /// It is this hook's turn to be moved to our current address.
    MoveTurn,
    /// A timer that was armed for this time has fired.
    Fired(Timer, Instant),
}

/// A request of another part of Hookherd, and where to answer. It is repeated by its sender: it
/// follows from stored data.
#[derive(Debug)]
pub(in crate::actor) struct Wanted {
    pub(in crate::actor) kind: CommandKind,
    /// The urgency of the resulting calls.
    pub(in crate::actor) priority: Priority,
    pub(in crate::actor) answer: oneshot::Sender<Result<(), CommandError>>,
}

/// The caller that waits for a stored command.
#[derive(Debug)]
pub(in crate::actor) struct Waiter {
    pub(in crate::actor) command: CommandId,
    pub(in crate::actor) answer: oneshot::Sender<Result<Command, CommandError>>,
    /// Where to report the outcome for the hook, when the command is to disconnect.
    pub(in crate::actor) leaving: Option<Leaving>,
}

/// A message of an actor to itself. It is void after a panic: its state is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Own {
    /// The life that it belongs to.
    pub(super) life: u32,
    pub(super) what: OwnCause,
}

/// The content of a message of an actor to itself.
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
    /// The pause after deliveries could not be processed has ended.
    ProcessAgain,
    /// A step that could not be committed is to be retried now.
    Retry,
    /// A lifecycle timer fired while the state could not be read.
    Fire(Timer),
    /// The wait for an authentic delivery has ended: request a test delivery.
    Test(u64),
    /// The wait for the test delivery has ended.
    JudgeTest,
    /// A hook of others was removed, or could not be.
    Retired(Retired),
    /// Time to continue with hooks of others.
    Tend,
    /// Nothing has happened for a while.
    Rest,
}
