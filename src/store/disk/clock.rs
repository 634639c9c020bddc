//! Time that can be acted on: nothing irreversible follows from a wall clock alone.
//!
//! Trusted time goes with the monotonic clock. It may run a bound ahead of that to follow the wall
//! clock, and somewhat faster for as long as it is behind; so an hour with a clock that is wrong by
//! years moves it by little more than an hour, and nothing is thought old that is not. It never
//! goes back, also not over a restart, and while the wall clock is behind it stands still. That it
//! lags after the daemon was off for long costs nothing: history is kept longer.

use crate::domain::time::{Clock, Timestamp};
use crate::store::files;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Most that trusted time may run ahead of the monotonic clock at once.
const BOUND: Duration = Duration::from_hours(1);
/// In each second it may run ahead by a fourth of one, up to the bound.
const GAIN: u32 = 4;
/// A wall clock that is off by more than this has jumped.
const JUMP: Duration = Duration::from_hours(2);
/// How often it is written down.
const WRITTEN_EVERY: Duration = Duration::from_mins(10);

const MAGIC: &str = "hookherd-clock-1";

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("clock")
}

fn check(line: &str) -> String {
    blake3::hash(line.as_bytes()).to_hex().to_string()
}

/// A clock that may be trusted.
pub(super) struct TrustedClock {
    wall: Arc<dyn Clock>,
    now: Timestamp,
    /// How far it may run ahead now.
    allowance: Duration,
    has_jumped: bool,
    /// Shared with all that date records: nothing is dated before it.
    floor: Arc<AtomicI64>,
    dir: PathBuf,
    looked_at: Instant,
    written_at: Option<Instant>,
}

fn read(dir: &Path) -> Option<(Timestamp, Duration)> {
    let text = String::from_utf8(files::bytes(&path(dir)).ok()?).ok()?;
    let (line, sum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    let mut words = line.strip_prefix(MAGIC)?.strip_prefix(' ')?.split(' ');
    let now = words.next()?.parse().ok()?;
    let allowance = words.next()?.parse().ok()?;
    let is_whole = check(line) == sum && words.next().is_none();
    is_whole.then_some((Timestamp(now), Duration::from_millis(allowance)))
}

/// The time that an earlier run wrote down.
pub(in crate::store) fn written_time(dir: &Path) -> Option<Timestamp> {
    read(dir).map(|(now, _)| now)
}

impl TrustedClock {
    /// Continues from what an earlier run wrote down. Where none did, from when the newest record
    /// was made, if that is not in the future.
    pub(super) fn resume(
        dir: &Path,
        wall: Arc<dyn Clock>,
        floor: Arc<AtomicI64>,
        newest: Option<Timestamp>,
    ) -> Self {
        let begun = wall.now();
        let fresh = || (newest.map_or(begun, |newest| newest.min(begun)), BOUND);
        let (now, allowance) = read(dir).unwrap_or_else(fresh);
        floor.store(now.0, Ordering::Relaxed);
        Self {
            wall,
            now,
            allowance: allowance.min(BOUND),
            has_jumped: false,
            floor,
            dir: dir.to_owned(),
            looked_at: Instant::now(),
            written_at: None,
        }
    }

    /// The time now.
    pub(super) fn look(&mut self) -> Timestamp {
        let elapsed = self.looked_at.elapsed();
        self.looked_at = Instant::now();
        self.go_on(elapsed);
        let is_due = self
            .written_at
            .is_none_or(|at| at.elapsed() >= WRITTEN_EVERY);
        if is_due {
            self.write();
        }
        self.now
    }

    fn go_on(&mut self, elapsed: Duration) {
        self.allowance = (self.allowance + elapsed / GAIN).min(BOUND);
        let wall = self.wall.now();
        let behind = wall.since(self.now);
        let ahead = behind.saturating_sub(elapsed).min(self.allowance);
        self.allowance -= ahead;
        self.now = self.now.plus(behind.min(elapsed) + ahead);
        self.floor.store(self.now.0, Ordering::Relaxed);
        let off = wall.since(self.now).max(self.now.since(wall));
        self.tell(off);
    }

    fn tell(&mut self, off: Duration) {
        let has_jumped = off > JUMP;
        if has_jumped && !self.has_jumped {
            tracing::warn!(
                off_seconds = off.as_secs(),
                "the clock of this machine and the time that the store trusts differ: retention \
                 waits; compare the clock, unless the daemon was off for so long"
            );
        }
        if self.has_jumped && !has_jumped {
            tracing::info!("the clock of this machine agrees with the store's again");
        }
        self.has_jumped = has_jumped;
    }

    /// Writes it down for the next run. Without it that run trusts less.
    pub(super) fn write(&mut self) {
        let line = format!(
            "{MAGIC} {} {}",
            self.now.0,
            self.allowance.as_millis().min(u128::from(u64::MAX))
        );
        let text = format!("{line} {}\n", check(&line));
        if let Err(error) = files::replace(&path(&self.dir), text.as_bytes()) {
            tracing::warn!(%error, "the time cannot be stored");
        }
        self.written_at = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const HOUR: Duration = Duration::from_hours(1);
    const START: Timestamp = Timestamp(1_800_000_000_000);

    #[derive(Default)]
    struct Wall(AtomicI64);

    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::Relaxed))
        }
    }

    struct Play {
        wall: Arc<Wall>,
        dir: tempfile::TempDir,
    }

    impl Play {
        fn new() -> Self {
            let wall = Arc::new(Wall::default());
            wall.0.store(START.0, Ordering::Relaxed);
            let dir = tempfile::tempdir().unwrap();
            Self { wall, dir }
        }

        fn clock(&self, newest: Option<Timestamp>) -> TrustedClock {
            let wall = Arc::clone(&self.wall) as _;
            TrustedClock::resume(self.dir.path(), wall, Arc::default(), newest)
        }

        /// Time passes while the wall clock shows what is right and this more.
        fn pass(&self, clock: &mut TrustedClock, time: Duration, off: i64) {
            let step = Duration::from_secs(10);
            let begun = clock.now;
            let mut passed = Duration::ZERO;
            while passed < time {
                passed += step;
                let wall = begun.plus(passed).0 + off;
                self.wall.0.store(wall, Ordering::Relaxed);
                clock.go_on(step);
            }
        }
    }

    fn days(count: i64) -> i64 {
        count * 24 * 3_600_000
    }

    #[test]
    fn with_a_clock_that_is_right_it_goes_with_it() {
        let play = Play::new();
        let mut clock = play.clock(None);
        play.pass(&mut clock, DAY, 0);
        assert_eq!(clock.now, START.plus(DAY));
    }

    #[test]
    fn an_hour_with_a_clock_of_another_year_moves_it_by_little_more_than_an_hour() {
        for off in [days(200), days(-20 * 365)] {
            let play = Play::new();
            let mut clock = play.clock(None);
            play.pass(&mut clock, HOUR, off);
            assert!(clock.now >= START && clock.now <= START.plus(3 * HOUR));
            // And restarts in a row gain nothing.
            for _ in 0..1000 {
                clock.write();
                clock = play.clock(None);
                clock.go_on(Duration::from_secs(1));
            }
            assert!(clock.now <= START.plus(4 * HOUR), "{:?}", clock.now);
        }
    }

    #[test]
    fn it_never_goes_back_and_catches_up_after_a_long_pause() {
        let play = Play::new();
        let mut clock = play.clock(None);
        play.pass(&mut clock, HOUR, 0);
        let before = clock.now;
        play.wall.0.store(0, Ordering::Relaxed);
        clock.go_on(HOUR);
        assert_eq!(clock.now, before);
        clock.write();
        drop(clock);
        // A day off: it lags, and follows.
        play.wall.0.store(before.plus(DAY).0, Ordering::Relaxed);
        let mut clock = play.clock(Some(Timestamp(7)));
        assert_eq!(clock.now, before);
        for second in 1..=i64::from(5 * 24 * 3600) {
            let wall = before.plus(DAY).0 + second * 1000;
            play.wall.0.store(wall, Ordering::Relaxed);
            clock.go_on(Duration::from_secs(1));
        }
        assert_eq!(clock.now, play.wall.now());
    }

    #[test]
    fn without_what_was_written_down_it_begins_at_the_newest_record() {
        let play = Play::new();
        let old = Timestamp(START.0 - days(3));
        assert_eq!(play.clock(Some(old)).now, old);
        assert_eq!(play.clock(Some(START.plus(DAY))).now, START);
        std::fs::write(path(play.dir.path()), "hookherd-clock-1 9 9 9\n").unwrap();
        assert_eq!(
            play.clock(Some(old)).now,
            old,
            "a harmed file tells nothing"
        );
    }
}
