//! How requests leave, and where chance comes from: sockets and the system, or a simulation.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::fmt;

/// What a simulation puts in place of the network and of the system's randomness, so that one seed
/// always leads to the same history.
pub trait Outside: fmt::Debug + Send + Sync + 'static {
    /// Carries a request to the provider and returns its answer.
    fn carry(&self, request: reqwest::Request) -> BoxFuture<'static, Result<Carried, Lost>>;

    /// A number that is uniform over all of `u64`, for jitter.
    fn chance(&self) -> u64;
}

/// An answer of a provider, complete.
#[derive(Clone, Debug)]
pub struct Carried {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// No connection. Nothing was sent.
    Unreached,
    /// The connection broke before the answer was complete. The request may have been carried out.
    Cut,
}
