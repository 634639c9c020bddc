//! The result of reading a payload from a log, and what is read to judge an error.

use crate::domain::delivery::Payload;
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::Failure;
use crate::domain::time::Timestamp;
use crate::provider::ProviderError;

/// Attempts that are read to find out.
const CONTROLS_MAX: usize = 3;

/// Attempts whose payloads show whether the provider's log can be read at all.
#[derive(Debug, Default)]
pub(super) struct Controls {
    pub(super) attempts: Vec<u64>,
    /// Deliveries for which a readable list was enough.
    pub(super) weak: u32,
}

impl Controls {
    /// Adds an attempt; the first ones are kept.
    pub(super) fn add(&mut self, attempt: u64) {
        if self.attempts.len() < CONTROLS_MAX && !self.attempts.contains(&attempt) {
            self.attempts.push(attempt);
        }
    }
}

/// Runs that the provider lists and does not let be read.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// When they changed, by the provider's clock.
    pub(super) at: Vec<Timestamp>,
    /// How many there were since the last one that could be read.
    pub(super) in_row: u32,
    /// Some of them are to be listed again.
    pub(super) is_kept: bool,
}

/// The result of reading a payload.
#[derive(Debug)]
pub(super) enum Reading {
    /// The payload.
    Payload(Payload),
    /// The provider does not have it.
    None,
    /// The provider answers for others, and not for this one.
    Unreadable,
}

/// Whether this error may concern one entry of a log only. The others are of the token, the budget,
/// or the way to the provider.
pub(super) fn may_be_of_one(error: &ProviderError) -> bool {
    let is_odd = matches!(
        error.code,
        ErrorCode::BadAnswer
            | ErrorCode::ProviderUnavailable
            | ErrorCode::ProviderTimeout
            | ErrorCode::WrongApiUrl
    );
    is_odd || matches!(error.failure, Failure::Rejected | Failure::NoAccess)
}
