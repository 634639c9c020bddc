//! Stories of actors in virtual time: hours of their life in milliseconds.

mod credentials;
mod fakes;
mod grants;
mod keeper;
mod lifecycle;
mod processing;
mod provider;
