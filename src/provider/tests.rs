//! What the tests of all dialects share.

pub(super) mod deliveries;
pub(super) mod scripted;
