//! The pure heart: what Hookherd knows and decides.
//!
//! Nothing here is async, reads a clock, rolls dice, touches a disk or a socket, or knows a
//! serialisation format. Time and chance come in as arguments; decisions go out as values. The
//! actors carry decisions out, the store writes them down, the edges translate.

pub mod backoff;
pub mod command;
pub mod connection;
pub mod delivery;
pub mod errand;
pub mod error_code;
pub mod event;
pub mod grant;
pub mod id;
pub mod incident;
pub mod lane;
pub mod lifecycle;
pub mod net;
pub mod pattern;
pub mod removal;
pub mod repo;
pub mod rule;
pub mod run;
pub mod secret;
pub mod text;
pub mod time;
pub mod user;
pub mod wording;
