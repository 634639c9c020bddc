//! The pace of calls: waits that a provider asks for, and how often checks fit what it allows.

use super::id::CredentialId;
use super::time::Timestamp;
use std::time::Duration;

/// Longest wait that is obeyed: GitHub's windows are an hour, and a wrong clock, here or there,
/// must not stop calls for days.
pub const HOLD_MAX: Duration = Duration::from_hours(2);

/// A wait that a provider has asked for: nothing is sent with the credential before its end.
/// Stored, because a restart must not forget it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The credential.
    pub credential: CredentialId,
    /// The end.
    pub until: Timestamp,
}

impl Hold {
    /// A wait that is asked for now.
    pub fn of(credential: CredentialId, wait: Duration, now: Timestamp) -> Self {
        Self {
            credential,
            until: now.plus(wait.min(HOLD_MAX)),
        }
    }

    /// How much of it is left; `None` when it has ended. One that ends later than any may was
    /// stored by a clock that has gone back since, and has ended, too.
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = self.until.since(now);
        (!left.is_zero() && left <= HOLD_MAX).then_some(left)
    }
}

/// What a provider allows one credential in an hour, as far as it is known; `None` is without a
/// limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallLimits {
    /// Reads.
    pub reads: Option<u64>,
    /// Checks of hooks: each is more than one read.
    pub checks: Option<u64>,
    /// Test deliveries.
    pub pings: Option<u64>,
}

/// The share of a limit, in percent, that regular work may use: the rest is for users, repairs, and
/// what else uses the same credential. Together below two thirds.
const CHECKS_PERCENT: u64 = 40;
const PINGS_PERCENT: u64 = 25;
const RECONCILES_PERCENT: u64 = 15;

/// Longest intervals that regular work is stretched to. Beyond, it does not fit: calls wait for
/// their budgets. GitHub's log of deliveries reaches back three days.
const CHECK_MAX: Duration = Duration::from_hours(24);
const PING_MAX: Duration = Duration::from_hours(7 * 24);
const RECONCILE_MAX: Duration = Duration::from_hours(36);

/// How often regular work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Between two checks of a hook.
    pub check: Duration,
    /// Without a delivery before a ping.
    pub ping: Duration,
    /// Between two reconciles.
    pub reconcile: Duration,
}

/// What uses a credential, and what its provider allows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Connections that use it.
    pub connections: u64,
    /// The limits.
    pub limits: CallLimits,
}

/// The shortest interval at which so many fit into a share of an hour's limit, at most `most`.
fn fitting(
    wanted: Duration,
    many: u64,
    limit: Option<u64>,
    percent: u64,
    most: Duration,
) -> Duration {
    const HOUR_MS: u64 = 3_600_000;
    let Some(limit) = limit else {
        return wanted;
    };
    let share = (limit.saturating_mul(percent) / 100).max(1);
    let ms = many.saturating_mul(HOUR_MS).div_ceil(share);
    // A longer interval that is wanted stays.
    wanted.max(Duration::from_millis(ms).min(most))
}

/// How often regular work is done with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Connections that use it.
    pub connections: u64,
    /// As configured.
    pub wanted: Intervals,
    /// As it fits what the provider allows.
    pub found: Intervals,
}

impl Load {
    /// The intervals that fit: as wanted where possible, else longer.
    pub fn stretched(&self, wanted: Intervals) -> Intervals {
        let (many, limits) = (self.connections, &self.limits);
        let (checks, pings, reads) = (limits.checks, limits.pings, limits.reads);
        Intervals {
            check: fitting(wanted.check, many, checks, CHECKS_PERCENT, CHECK_MAX),
            ping: fitting(wanted.ping, many, pings, PINGS_PERCENT, PING_MAX),
            reconcile: fitting(
                wanted.reconcile,
                many,
                reads,
                RECONCILES_PERCENT,
                RECONCILE_MAX,
            ),
        }
    }

    /// The time over which all its connections are checked once more, besides what is regular: none
    /// in particular if that fits into the share of an hour.
    pub fn round(&self) -> Duration {
        let checks = self.limits.checks;
        let an_hours = checks.is_none_or(|n| self.connections <= n * CHECKS_PERCENT / 100);
        if an_hours {
            return Duration::ZERO;
        }
        let many = self.connections;
        fitting(Duration::ZERO, many, checks, CHECKS_PERCENT, CHECK_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_obeyed_to_its_end_and_never_for_days() {
        let now = Timestamp(1_000_000);
        let minute = Duration::from_mins(1);
        let id = CredentialId::from_u128(1);
        let hold = Hold::of(id, minute, now);
        assert_eq!(hold.left(now), Some(minute));
        assert_eq!(hold.left(now.plus(minute)), None);
        assert_eq!(hold.left(now.minus(Duration::from_hours(5))), None);
        let long = Hold::of(id, Duration::from_hours(900), now);
        assert_eq!(long.left(now), Some(HOLD_MAX));
    }

    /// github.com: 5,000 calls an hour, two for a check; 500 test deliveries.
    const GITHUB: CallLimits = CallLimits {
        reads: Some(5000),
        checks: Some(2500),
        pings: Some(500),
    };
    const WANTED: Intervals = Intervals {
        check: Duration::from_mins(30),
        ping: Duration::from_hours(6),
        reconcile: Duration::from_hours(6),
    };

    fn load(connections: u64) -> Load {
        Load {
            connections,
            limits: GITHUB,
        }
    }

    #[test]
    fn what_fits_stays_and_what_does_not_is_stretched_and_bounded() {
        assert_eq!(load(500).stretched(WANTED), WANTED);
        let many = load(10_000).stretched(WANTED);
        assert_eq!(many.check, Duration::from_hours(10));
        assert_eq!(many.ping, Duration::from_hours(80));
        assert_eq!(many.reconcile.as_secs(), 48_000);
        let most = load(1_000_000).stretched(WANTED);
        assert_eq!(
            (most.check, most.ping, most.reconcile),
            (CHECK_MAX, PING_MAX, RECONCILE_MAX)
        );
        let unlimited = Load {
            connections: 1_000_000,
            limits: CallLimits::default(),
        };
        assert_eq!(unlimited.stretched(WANTED), WANTED);
        assert_eq!(unlimited.round(), Duration::ZERO);
        assert_eq!(load(1000).round(), Duration::ZERO);
        assert_eq!(load(10_000).round(), Duration::from_hours(10));
        let rare = Intervals {
            check: Duration::from_hours(48),
            ..WANTED
        };
        assert_eq!(load(1_000_000).stretched(rare).check, rare.check);
    }

    proptest::proptest! {
        /// With what is stretched and not at its longest, an hour's calls are below 80 %.
        #[test]
        fn regular_work_stays_below_its_shares(connections in 1_u32..9_000) {
            let found = load(connections.into()).stretched(WANTED);
            let an_hour = |every: Duration| {
                f64::from(connections) * 3600.0 / every.as_secs_f64()
            };
            let checks = an_hour(found.check) * 2.0;
            let pings = an_hour(found.ping);
            let reads = an_hour(found.reconcile);
            proptest::prop_assert!(pings <= 126.0);
            proptest::prop_assert!(checks + pings * 2.0 + reads <= 5000.0 * 0.65);
        }
    }
}
