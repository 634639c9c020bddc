//! A call that wants to go out, and what an installation bears.

use super::meter::{Cost, Limit};
use crate::domain::errand::Errand;
use std::time::Duration;

/// A token's name here: its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenKey(pub(super) [u8; 32]);

/// What an installation bears, and what of it one owner or token may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Most calls at once.
    pub(super) at_once: usize,
    /// Most calls at once with one token.
    pub(super) per_token: usize,
    /// Most calls that wait, and most of one owner's.
    pub(super) waiting: usize,
    pub(super) waiting_per_owner: usize,
    /// The pause between two writes with one token.
    pub(super) write_pause: Duration,
    /// What the provider allows one token.
    pub(super) limits: &'static [Limit],
}

impl Shape {
    /// Most calls at once for one owner: half of the places, so that others find some.
    pub(super) const fn per_owner(&self) -> usize {
        self.at_once.div_ceil(2)
    }

    /// Most calls at once that no person waits for: a quarter of the places is kept for people.
    pub(super) const fn unawaited(&self) -> usize {
        self.at_once - self.at_once / 4
    }
}

/// A call that wants to go out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) errand: Errand,
    pub(super) token: TokenKey,
    pub(super) writes: bool,
    pub(super) cost: Cost,
}
