//! When a token expires that a user has added, as its provider says.

use super::id::IncidentId;
use super::time::Timestamp;
use std::time::Duration;

/// How long before its end the owner of a token is notified, unless otherwise configured.
pub const NOTICE: Duration = Duration::from_hours(7 * 24);
/// What the provider says about the end of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// When it expires; `None` when it does not, or when the provider does not say.
    pub at: Option<Timestamp>,
    /// The incident about it, if there is one.
    pub told: Option<Told>,
}

/// The incident about the end of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The incident.
    pub incident: IncidentId,
    /// How close the end was.
    pub nearness: Nearness,
}

/// How close the end of a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// Within the time of notice.
    Soon,
    /// Within a day, or past.
    Close,
}

impl Expiry {
    /// What the provider says of a new token.
    pub const fn new(at: Option<Timestamp>) -> Self {
        Self { at, told: None }
    }
}
