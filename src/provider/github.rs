//! GitHub: github.com and GitHub Enterprise Server, distinguished by the base URL only.
//!
//! `decode` and `payload` are inbound, `app` and `jwt` are our GitHub App, the rest is outbound.
//! Code shared by all providers is in the parent module.

mod app;
mod client;
mod decode;
mod denials;
mod dialect;
mod errors;
mod explain;
mod hooks;
mod jwt;
mod log;
mod operations;
mod payload;
mod problem;
mod runs;
#[cfg(test)]
mod tests;
mod wire;

pub use app::{AppIdentity, GithubApp};
pub use client::Github;
pub use decode::GithubDecode;
pub(super) use dialect::GithubDialect;
pub use jwt::KeyError;
