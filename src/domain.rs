//! The pure core: the model and the decisions of Hookherd.
//!
//! Nothing here is async, reads a clock or a random source, uses a disk or a socket, or contains a
//! serialisation format. Time and randomness are arguments; decisions are values. The actors carry
//! decisions out, the store persists them, the edges translate.

#[macro_use]
pub(crate) mod named;

pub mod backoff;
pub mod command;
pub mod connection;
pub mod delivery;
pub mod errand;
pub mod error_code;
pub mod event;
pub mod excerpt;
pub mod expiring;
pub mod expiry;
pub mod explanation;
pub mod grant;
pub mod health;
pub mod history;
pub mod id;
pub mod incident;
pub mod lane;
pub mod ledger;
pub mod lifecycle;
pub mod net;
pub mod notification;
pub mod operation;
pub mod outage;
pub mod pace;
pub mod pages;
pub mod pattern;
pub mod removal;
pub mod repo;
pub mod report;
pub mod rhythm;
pub mod rotation;
pub mod rule;
pub mod rulebook;
pub mod run;
pub mod secret;
pub mod server_trouble;
pub mod sink;
pub mod standing;
pub mod suspects;
pub mod takeover;
pub mod text;
pub mod time;
pub mod trouble;
pub mod user;
pub mod wording;

#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) use tests::samples;
