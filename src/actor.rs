//! The living part: one supervised actor per connection, a router that hands deliveries to them,
//! and a warden that starts them and counts their falls.
//!
//! Outsiders see [`Connections`] and nothing else. Every change to a connection, and to the runs
//! and incidents that hang on it, is made by its actor: nobody else writes them. Credentials are
//! written by the [`crate::credentials`].

mod connection;
mod handle;
mod incidents;
mod interface;
mod mover;
mod moves;
mod registry;
mod removal;
mod router;
mod secrets;
mod services;
pub mod settings;
pub mod supervise;
mod sweeper;
mod timers;
mod warden;

pub use handle::Actors;
pub use interface::{Answering, Asking, CommandError, ConnectError, ConnectRequest, Connections};

#[cfg(test)]
mod tests;
