//! Providers: what comes in from them ([`Decode`]) and what we ask of them ([`Hooks`]).

mod budget;
mod cache;
pub mod call;
mod client;
mod dialect;
pub mod egress;
mod errors;
mod gate;
pub mod github;
pub mod gitlab;
pub mod http;
mod inbound;
mod meter;
pub mod oauth;
mod operations;
mod ours;
mod outbound;
mod payload;
pub mod probe;
mod providers;
mod queue;
mod quota;
mod session;
pub mod signature;
#[cfg(test)]
mod tests;
mod ticket;
mod unreached;

pub use inbound::{
    Claim, Decode, DecodeError, HeaderLookup, Inbound, Proven, Verified, VerifyError,
};
pub use outbound::{
    Access, Calling, CheckReport, Checked, Ensured, HookSpec, Hooks, Identity, Pinged,
    ProviderError, Repaired, Target,
};
pub use providers::Providers;
