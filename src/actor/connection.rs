//! The actor of one connection: the only writer of the connection, its runs and its incidents.
//!
//! Each message is handled in one turn ([`turn`]): take it, read the necessary data, plan, commit,
//! adopt, act. The state is moved into the turn and back, so that there is no intermediate state;
//! the mailbox waits meanwhile. At rest an actor keeps nothing and ends: the next message for the
//! connection starts it, and the next turn reads the connection.
//!
//! The invariants, each with the tests that show it (ADR 17):
//!
//! - **AC-1** one at a time: no message is handled during a turn
//!   (`many_commands_at_once_are_carried_out_one_after_the_other`);
//! - **AC-2** commit, then act: no call is made, no timer armed and no answer sent for a plan that
//!   is not durable; a plan whose commit failed has changed nothing
//!   (`a_command_that_cannot_be_stored_changes_nothing`);
//! - **AC-3** no step is lost: one that no other part can repeat is owed until it is committed, and
//!   delays no command
//!   (`a_store_that_fails_for_a_while_loses_no_step`);
//! - **AC-4** a panic costs the current message: the state is dropped, the store is read, and
//!   messages of an earlier life to itself are void (`tests::processing`, `supervise::tests`);
//! - **AC-5** one writer: all writes of an actor go through [`turn::Turn`], also when its
//!   predecessor panicked too often (`tests::processing`);
//! - **AC-6** no kill loses a user's request: a command is stored before it is answered, drained in
//!   order before deliveries, and its outcome is committed with its step
//!   (`a_command_is_carried_out_once_though_the_process_dies_at_any_moment`);
//! - **AC-7** at rest it does not run, and no message to it is lost on the way
//!   (`an_actor_at_rest_does_not_run`, `an_actor_that_comes_to_rest_loses_no_message`).
//!
//! `started` runs after every start and every panic alike. There is no other way in.

mod actor;
mod calls;
mod cause;
mod commands;
mod deliveries;
mod doubt;
mod doubts;
mod home;
mod moving;
mod notes;
mod observe;
mod others;
mod plan;
mod quiet;
mod retire;
mod rotating;
mod state;
mod tending;
mod turn;

#[cfg(test)]
pub(super) use actor::Die;
pub(super) use actor::{ConnectionActor, First};
pub(super) use cause::{Cause, Leaving, Waiter, Wanted};
pub(super) use deliveries::outcome_of;
pub(super) use home::Home;
