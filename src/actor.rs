//! The actors: one supervised actor per connection, a router that notifies them of deliveries, and
//! a registry that starts them and counts their panics.
//!
//! Other rooms use [`Connections`] only. Every change to a connection, its runs and its incidents
//! is made by its actor. Credentials are written by [`crate::credentials`].

mod around;
mod campaign;
mod connecting;
mod connection;
mod decoded;
mod handle;
mod incidents;
mod interface;
mod mover;
mod moves;
mod news;
mod parked;
mod preview;
mod quiet;
mod registry;
mod release;
mod removal;
mod router;
mod secrets;
mod services;
pub mod settings;
pub mod supervise;
mod survey;
mod sweeper;
mod timers;

pub use handle::Actors;
pub use interface::{
    Answering, Asking, CommandError, ConnectError, ConnectRequest, Connections, HookWish,
    Operating, Preview, Stranger, Surveyed, TakeError,
};

#[cfg(test)]
mod tests;
