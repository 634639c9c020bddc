//! The simulator keeps to what the providers really do, over a socket.

use super::*;

mod control;
mod github;
mod github_events;
mod github_oauth;
mod gitlab;
mod receiver;
