//! The actor of one connection: the only one who writes it, its runs and its incidents.
//!
//! Each message is handled in one turn ([`turn`]): take it, read what is needed, plan, commit,
//! adopt, act. The state is moved into the turn and back, so that there is no state between; the
//! mailbox waits meanwhile. At rest an actor keeps nothing: the next turn reads the connection.
//!
//! The invariants, each with the tests that show it (ADR 17):
//!
//! - **AC-1** one at a time: no message is handled while a turn is under way
//!   (`many_commands_at_once_are_carried_out_one_after_the_other`);
//! - **AC-2** commit, then act: no call is made, no timer armed and nobody answered for a plan that
//!   is not durable; a plan whose commit failed has changed nothing
//!   (`a_command_that_cannot_be_stored_changes_nothing`);
//! - **AC-3** nothing is lost on the way: a step that nobody can repeat is owed until it is
//!   committed, and holds up no command
//!   (`a_store_that_fails_for_a_while_loses_no_step`);
//! - **AC-4** a panic costs the message in hand: the state is dropped, the store is read, and what
//!   an earlier life said to itself is void (`tests::processing`, `supervise::tests`);
//! - **AC-5** one writer: whatever an actor writes goes through [`turn::Turn`], also when its
//!   predecessor panicked too often (`tests::processing`);
//! - **AC-6** what a user was told is under way is lost by no kill: a command is stored before it
//!   is answered, drained in order before deliveries, and its outcome is committed with its step
//!   (`a_command_is_carried_out_once_though_the_process_dies_at_any_moment`);
//! - **AC-7** at rest it keeps nothing that is not stored, and no timer of its own
//!   (`an_actor_at_rest_keeps_nothing`).
//!
//! `started` runs after birth and after every panic alike. There is no other way in.

mod actor;
mod calls;
mod cause;
mod commands;
mod deliveries;
mod doubt;
mod doubts;
mod moving;
mod notes;
mod observe;
mod plan;
mod state;
mod turn;

pub(super) use actor::ConnectionActor;
#[cfg(test)]
pub(super) use actor::{Die, IsAtRest};
pub(super) use cause::{Cause, Leaving, Waiter, Wanted};
