//! The simulator keeps to what the providers really do, over a socket.

use super::*;

mod github;
mod github_events;
mod gitlab;
mod receiver;
