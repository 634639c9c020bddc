//! Missing deliveries that could not be read yet, or not at all.

use super::compare::{ATTEMPTS_MAX, Missing};
use super::gap::Loss;
use super::marks::Marks;
use crate::domain::id::GapId;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// Most deliveries of a connection that are kept for later or requested again. Beyond, the oldest
/// of those kept has its last chance early.
pub const PENDING_MAX: usize = 100;

/// Most deliveries of a connection that are given up in the part of its log that is read once
/// more. Beyond, a reconcile fails: nothing may count twice.
pub const GIVEN_UP_MAX: usize = 1_000;

/// Waits between the tries to read a delivery again: within the three days for which github.com
/// keeps it.
const WAITS: [Duration; 4] = [
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(4),
    Duration::from_hours(12),
];
/// The last chance comes so long before the provider deletes a delivery.
const BEFORE_EXPIRY: Duration = Duration::from_hours(1);

/// When a delivery that could not be read `tries` times is read again; `None`: no more.
pub fn next_try(tries: u32, now: Timestamp, expires_at: Option<Timestamp>) -> Option<Timestamp> {
    let index = usize::try_from(tries).ok()?.checked_sub(1)?;
    let at = now.plus(*WAITS.get(index)?);
    let is_in_time = expires_at.is_none_or(|expires_at| at < expires_at.minus(BEFORE_EXPIRY));
    is_in_time.then_some(at)
}

/// A missing delivery that could not be read. Listed until it is stored, or given up and the log is
/// settled beyond it, so that nothing counts twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deferred {
    /// The delivery.
    pub missing: Missing,
    /// The gap whose account has it; `None` in records of older versions.
    pub gap: Option<GapId>,
    /// What was done about it.
    pub state: Deferral,
}

/// What was done about a delivery that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferral {
    /// The provider answers for others, and not for this one; or it says that it does not have the
    /// payload, and was asked to send it again. It is read again.
    SetAside {
        /// How often it could not be read.
        tries: u32,
        /// When it is read again.
        due_at: Timestamp,
    },
    /// A redelivery was requested.
    Asked {
        /// When.
        at: Timestamp,
    },
    /// It cannot be recovered, and counts as that.
    GivenUp,
}

impl Deferral {
    const fn is_pending(self) -> bool {
        match self {
            Self::SetAside { .. } | Self::Asked { .. } => true,
            Self::GivenUp => false,
        }
    }
}

impl Deferred {
    /// One that is given up now. If it may have been sent again without success, the log has a
    /// later attempt of it, beyond these marks.
    pub fn given_up(missing: &Missing, reason: Loss, (marks, now): (Marks, Timestamp)) -> Self {
        let mut missing = missing.clone();
        let was_sent_again = reason == Loss::NotRedelivered || missing.attempts.len() > 1;
        if let Some(at) = missing.at.filter(|_| was_sent_again) {
            // The provider's clock may be ahead of ours.
            let beyond = marks.settled_at.map(|at| at.plus(Duration::from_millis(1)));
            missing.at = Some(at.max(now)).max(beyond);
        }
        Self {
            missing,
            gap: None,
            state: Deferral::GivenUp,
        }
    }

    /// The log has this attempt of it. If it is pending, its payload may be read there. If it is
    /// given up, it is listed until the log is settled beyond that attempt, too.
    pub fn saw(&mut self, attempt: u64, at: Option<Timestamp>) {
        let missing = &mut self.missing;
        if !self.state.is_pending() {
            missing.at = missing.at.max(at);
        } else if missing.attempts.iter().all(|known| *known < attempt) {
            missing.attempts.truncate(ATTEMPTS_MAX - 1);
            missing.attempts.push(attempt);
        }
    }

    /// Whether it may still be recovered.
    pub const fn is_pending(&self) -> bool {
        self.state.is_pending()
    }

    /// Whether the log is settled beyond it.
    pub fn is_settled(&self, marks: Marks) -> bool {
        let attempt = self.missing.attempts.first().copied();
        marks.is_settled(attempt.unwrap_or_default(), self.missing.at)
    }
}
