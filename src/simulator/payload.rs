//! Payloads as the providers make them.

pub(super) mod github;
pub(super) mod gitlab;
