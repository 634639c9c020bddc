//! Stories of actors in virtual time: hours of their life in milliseconds.

mod disabled;
mod events;
mod fakes;
mod fold;
mod lifecycle;
mod processing;
mod provider;
