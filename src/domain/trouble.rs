//! The kinds of trouble of the server itself: when each begins and ends.

use std::time::Duration;

/// Less free space than this is little ...
pub const LITTLE_BYTES: u64 = 1 << 30;
/// ... on a disk so much larger. On a smaller one, less than this part of it is trouble: it could
/// never have more.
const LITTLE_PART: u64 = 20;

named! {
    /// The kinds of trouble.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum TroubleKind {
        /// Little space is left for the store.
        DiskNearlyFull = "disk_nearly_full",
        /// Deliveries are stored and not processed.
        DeliveriesWaiting = "deliveries_waiting",
    }
}

/// The space of the disk that holds the store, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What the daemon may still use.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

impl Space {
    /// Less than this is little.
    const fn least(self) -> u64 {
        let part = self.total / LITTLE_PART;
        if part < LITTLE_BYTES {
            part
        } else {
            LITTLE_BYTES
        }
    }

    /// Whether little is left: deliveries may soon be refused.
    pub const fn is_little(self) -> bool {
        self.free < self.least()
    }

    /// How it is. A quarter more than little is enough again.
    pub const fn finding(self) -> Finding {
        if self.is_little() {
            Finding::Bad
        } else if self.free >= self.least() + self.least() / 4 {
            Finding::Good
        } else {
            Finding::Between
        }
    }
}

/// How it is when the oldest delivery has waited so long, of which `longest` is usual at most. Half
/// of that is good again.
pub fn finding_of_wait(wait: Duration, longest: Duration) -> Finding {
    if wait > longest {
        Finding::Bad
    } else if wait <= longest / 2 {
        Finding::Good
    } else {
        Finding::Between
    }
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is trouble.
    Bad,
    /// Neither: what is the case remains so.
    Between,
    /// There is none.
    Good,
}

/// What was measured when trouble was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// The space.
    Space(Space),
    /// How long the oldest delivery has waited.
    Wait(Duration),
}

impl Measured {
    /// The kind of trouble that it is about.
    pub const fn kind(self) -> TroubleKind {
        match self {
            Self::Space(_) => TroubleKind::DiskNearlyFull,
            Self::Wait(_) => TroubleKind::DeliveriesWaiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_space_is_a_gibibyte_or_a_twentieth_and_somewhat_more_is_enough_again() {
        let of = |free, total| Space { free, total }.finding();
        let (gib, large) = (1_u64 << 30, 1_u64 << 40);
        assert_eq!(of(gib - 1, large), Finding::Bad);
        assert_eq!(of(gib, large), Finding::Between);
        assert_eq!(of(gib + gib / 4 - 1, large), Finding::Between);
        assert_eq!(of(gib + gib / 4, large), Finding::Good);
        // A disk of 2,000 bytes.
        assert_eq!(of(99, 2_000), Finding::Bad);
        assert_eq!(of(100, 2_000), Finding::Between);
        assert_eq!(of(125, 2_000), Finding::Good);
    }

    #[test]
    fn a_wait_is_too_long_until_it_is_half_as_long() {
        let of = |wait| finding_of_wait(Duration::from_secs(wait), Duration::from_secs(10));
        assert_eq!(
            [of(11), of(10), of(6)],
            [Finding::Bad, Finding::Between, Finding::Between]
        );
        assert_eq!([of(5), of(0)], [Finding::Good; 2]);
    }
}
