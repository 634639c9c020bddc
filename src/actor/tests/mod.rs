//! Stories of actors in virtual time: hours of their life in milliseconds.

mod disabled;
mod fakes;
mod lifecycle;
mod processing;
mod provider;
