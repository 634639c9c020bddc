//! GitLab: gitlab.com and self-managed installations, distinguished by the base URL only.
//!
//! `decode` and `payload` are inbound, the rest is outbound. Projects are addressed by their id
//! once it is known, and always for writes: a path may belong to another project later.

mod client;
mod decode;
mod dialect;
mod errors;
mod explain;
mod hooks;
mod log;
mod operations;
mod payload;
mod runs;
mod test_budget;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Gitlab;
pub use decode::GitlabDecode;
pub(super) use dialect::GitlabDialect;
pub use wire::EVENTS;
