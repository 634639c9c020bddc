//! The simulator keeps to what the providers really do, over a socket.

use super::*;

mod github;
mod gitlab;
mod receiver;
