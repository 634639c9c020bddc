//! How fast a sink may be called: a bucket of calls that fills up again at a fixed pace.
//!
//! Time is counted from a fixed point by a clock that is never set, so a wrong date neither stops
//! nor hurries the calls. A bucket is one number: when it will be full again.

use super::SinkKind;
use std::time::Duration;

/// What a service bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Calls that may be made at once, after a quiet time. At least 1.
    pub burst: u32,
    /// The time in which another call becomes possible.
    pub every: Duration,
}

impl Pace {
    const fn of(burst: u32, every_ms: u64) -> Self {
        let every = Duration::from_millis(every_ms);
        Self { burst, every }
    }

    /// The time in which an empty bucket is filled.
    const fn filling(self) -> Duration {
        self.every.saturating_mul(self.burst)
    }
}

impl SinkKind {
    /// What sinks of this kind bear. A service may know better: then it answers with a wait.
    pub const fn pace(self) -> Pace {
        match self {
            // Machines.
            Self::Webhook | Self::Gotify | Self::Alertmanager => Pace::of(10, 20),
            // One message a second, and short bursts:
            // <https://docs.slack.dev/apis/web-api/rate-limits>. Synapse takes more.
            Self::Slack | Self::Mattermost | Self::Teams | Self::Matrix => Pace::of(5, 1_000),
            // The same, and a later message about an incident takes two calls.
            Self::Discord | Self::SlackBot => Pace::of(3, 2_000),
            // At most 120 events a minute for an integration.
            Self::Pagerduty => Pace::of(20, 600),
            // <https://docs.ntfy.sh/publish/#limitations>
            Self::Ntfy => Pace::of(60, 5_000),
            // Twenty a minute in a group, and a later message about an incident takes two calls:
            // <https://core.telegram.org/bots/faq#broadcasting-to-users>
            Self::Telegram => Pace::of(3, 6_000),
            // At most 500 requests an hour that make or change something, and a later message about
            // an incident takes two:
            // <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>
            Self::GithubIssue => Pace::of(5, 15_000),
            // A mail is a connection of its own.
            Self::Email => Pace::of(10, 2_000),
        }
    }
}

/// The calls that a sink may be made at present. A new one is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// How long to wait before the next call.
    pub const fn wait(&self, pace: Pace, now: Duration) -> Duration {
        let missing = self.full_at.saturating_sub(now);
        let spare = pace.every.saturating_mul(pace.burst.saturating_sub(1));
        missing.saturating_sub(spare)
    }

    /// A call is made. One that did not wait delays those that do, at most as long as it takes to
    /// fill an empty bucket.
    pub fn take(&mut self, pace: Pace, now: Duration) {
        let full_at = self.full_at.max(now).saturating_add(pace.every);
        self.full_at = full_at.min(now.saturating_add(pace.filling()));
    }

    /// Whether it is as good as a new one.
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_allowed_at_once_and_then_one_call_at_a_time() {
        let pace = Pace::of(3, 1_000);
        let mut bucket = Bucket::default();
        let now = 100 * SECOND;
        for _ in 0..3 {
            assert_eq!(bucket.wait(pace, now), Duration::ZERO);
            bucket.take(pace, now);
        }
        assert_eq!(bucket.wait(pace, now), SECOND);
        assert_eq!(bucket.wait(pace, now + SECOND / 4), SECOND * 3 / 4);
        bucket.take(pace, now + SECOND);
        assert_eq!(bucket.wait(pace, now + SECOND), SECOND);
        assert!(!bucket.is_full(now + 3 * SECOND) && bucket.is_full(now + 4 * SECOND));
    }

    #[test]
    fn calls_that_do_not_wait_delay_others_by_a_bounded_time() {
        let pace = Pace::of(3, 1_000);
        let mut bucket = Bucket::default();
        (0..1000).for_each(|_| bucket.take(pace, SECOND));
        assert_eq!(bucket.wait(pace, SECOND), SECOND);
    }

    /// Calls in the time that starts with this one, when each is made as soon as it may be.
    fn calls_within(pace: Pace, time: Duration) -> u128 {
        let (mut bucket, mut now, mut calls) = (Bucket::default(), Duration::ZERO, 0);
        while now < time {
            calls += 1;
            bucket.take(pace, now);
            now += bucket.wait(pace, now);
        }
        calls
    }

    #[test]
    fn no_kind_is_called_more_often_than_its_service_bears_and_none_is_stopped() {
        let minute = Duration::from_mins(1);
        for (kind, least, most) in [
            (SinkKind::Slack, 60, 70),
            (SinkKind::Mattermost, 60, 70),
            (SinkKind::Teams, 60, 70),
            (SinkKind::Discord, 30, 35),
            (SinkKind::SlackBot, 30, 35),
            (SinkKind::Ntfy, 60, 75),
            (SinkKind::Pagerduty, 100, 120),
            (SinkKind::Telegram, 10, 13),
            (SinkKind::Matrix, 60, 70),
            (SinkKind::Email, 30, 40),
            (SinkKind::GithubIssue, 8, 10),
            (SinkKind::Gotify, 1_000, 4_000),
            (SinkKind::Alertmanager, 1_000, 4_000),
            (SinkKind::Webhook, 1_000, 4_000),
        ] {
            let calls = calls_within(kind.pace(), minute);
            let name = kind.as_str();
            assert!((least..=most).contains(&calls), "{name}: {calls} a minute");
            assert!(kind.pace().burst > 0, "{name}");
        }
    }

    proptest::proptest! {
        /// At any moments: in no time more calls than the burst and what became possible in it.
        #[test]
        fn no_time_has_more_calls_than_fit(
            burst in 1_u32..20,
            every_ms in 1_u64..5_000,
            gaps in proptest::collection::vec(0_u64..4_000, 1..60),
        ) {
            let pace = Pace::of(burst, every_ms);
            let (mut bucket, mut now) = (Bucket::default(), Duration::ZERO);
            let mut made = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                now += bucket.wait(pace, now);
                proptest::prop_assert_eq!(bucket.wait(pace, now), Duration::ZERO);
                bucket.take(pace, now);
                made.push(now);
            }
            for (first, begin) in made.iter().enumerate() {
                for (last, end) in made.iter().enumerate().skip(first) {
                    let calls = (last - first + 1) as u128;
                    let became = end.saturating_sub(*begin).as_millis() / u128::from(every_ms);
                    proptest::prop_assert!(calls <= u128::from(burst) + became);
                }
            }
        }
    }
}
