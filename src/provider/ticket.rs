//! A call to be queued, and the limits of an installation.

use super::meter::{Cost, Limit};
use crate::domain::errand::Errand;
use std::time::Duration;

/// The hash of a token, as its name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenKey(pub(super) [u8; 32]);

/// The limits of an installation, and of one owner or token in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Most concurrent calls.
    pub(super) at_once: usize,
    /// Most concurrent calls with one token.
    pub(super) per_token: usize,
    /// Most queued calls, and most of one owner.
    pub(super) waiting: usize,
    pub(super) waiting_per_owner: usize,
    /// The pause between two writes with one token.
    pub(super) write_pause: Duration,
    /// The provider's limits for one token.
    pub(super) limits: &'static [Limit],
}

impl Shape {
    /// Most concurrent calls of one owner: half of the places, so that some are left for others.
    pub(super) const fn per_owner(&self) -> usize {
        self.at_once.div_ceil(2)
    }

    /// Most concurrent background calls: a quarter of the places is reserved for users' requests.
    pub(super) const fn unawaited(&self) -> usize {
        self.at_once - self.at_once / 4
    }
}

/// What is left of a provider's window, as its answers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Calls of the whole window; `None` when the provider does not say.
    pub(super) limit: Option<u64>,
    /// Calls that are left.
    pub(super) remaining: u64,
    /// The time until its end.
    pub(super) reset_in: Duration,
}

/// A call to be queued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) errand: Errand,
    pub(super) token: TokenKey,
    pub(super) writes: bool,
    pub(super) cost: Cost,
}
