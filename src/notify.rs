//! Sinks: where people are notified.
//!
//! Each kind of sink has a file, which knows its limits, its escaping, and what its answers mean.
//! They call addresses that users enter.
//!
//! A user may enter any address, so a call must not reach what only this machine can reach. A
//! [`Destination`] is checked when it is entered and again when it is called: [`Outbound`] resolves
//! the name, checks every address with `domain::net`, and connects to the addresses it has checked.
//! Addresses, keys and answers' headers are secrets: no error and no `Debug` shows more of a URL
//! than its host and port.

mod alertmanager;
mod answer;
mod card;
mod deliver;
mod destination;
mod digest;
mod discord;
mod email;
mod error;
mod escape;
mod fault;
mod github_issue;
mod gotify;
mod hidden;
mod host;
mod matrix;
mod mattermost;
mod names;
mod ntfy;
mod outbound;
mod pagerduty;
mod proxy;
pub mod signature;
mod sinks;
mod slack;
mod slack_bot;
mod smtp;
mod stored;
mod teams;
mod telegram;
pub mod template;
#[cfg(test)]
mod tests;
mod tls;
mod verdict;
mod webhook;
mod words;

pub use answer::{Answer, clean};
pub use deliver::{
    Deliver, DigestMessage, Lasting, Message, Prepared, Receipt, Target, Unfit, Wish,
};
pub use destination::Destination;
pub use error::AddressError;
pub use fault::{Outcome, SendError, TlsFault};
pub use names::{Names, NotFound, Resolving, System};
pub use outbound::{Outbound, Request, Settings, SettingsError};
pub use proxy::Proxy;
pub use sinks::Sinks;
pub use words::Words;
