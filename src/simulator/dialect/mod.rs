//! The dialects that a simulator speaks.

pub(super) mod github;
