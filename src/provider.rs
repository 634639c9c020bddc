//! Providers: what comes in from them ([`Decode`]) and what we ask of them ([`Hooks`]).

mod access;
mod budget;
mod cache;
pub mod call;
mod client;
mod dialect;
pub mod egress;
mod errors;
mod explain;
mod explaining;
mod gate;
pub mod github;
pub mod gitlab;
pub mod http;
mod inbound;
mod latest;
mod logs;
mod meter;
pub mod oauth;
mod operations;
mod others;
mod ours;
mod outbound;
mod outside;
mod part;
mod payload;
pub mod probe;
mod providers;
mod queue;
mod quota;
mod reading;
mod session;
pub mod signature;
#[cfg(test)]
mod tests;
mod ticket;
mod unchanged;
mod unreached;
mod unread;

pub use access::{Access, Calling, ProviderError, Target};
pub use explain::{Explain, FailedRun};
pub use inbound::{
    Claim, Decode, DecodeError, HeaderLookup, Inbound, Proven, Verified, VerifyError,
};
pub use logs::{
    Found, ListedRun, LogPage, LogRead, Logged, LoggedPayload, Logs, Redelivered, RunsPage,
    RunsRead, Unsent,
};
pub use outbound::{
    CheckReport, Checked, Ensured, HookSpec, Hooks, Identity, Listed, Pinged, Repaired, TakenAway,
    TheirHook,
};
pub use outside::{Carried, Lost, Outside};
pub use providers::Providers;
