//! Log lines that strangers and users can cause: so many a minute of each kind, and then a count.
//!
//! A line is asked for by its kind, which is its event name, or a module of a library. When a
//! minute with too many has ended, the next of that kind says how many were left out, or
//! [`log_left_out`] does.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Lines of one kind in a span.
const LINES_MAX: u32 = 20;
const SPAN: Duration = Duration::from_mins(1);

#[derive(Debug)]
struct Kind {
    began: Instant,
    logged: u32,
    left_out: u64,
}

/// Counts lines by kind.
#[derive(Debug, Default)]
struct Throttle(HashMap<&'static str, Kind>);

impl Throttle {
    /// Whether a line of this kind may be written now, and how many were left out since the last.
    fn ask(&mut self, kind: &'static str, now: Instant) -> Option<u64> {
        let entry = self.0.entry(kind).or_insert(Kind {
            began: now,
            logged: 0,
            left_out: 0,
        });
        if now.saturating_duration_since(entry.began) >= SPAN {
            (entry.began, entry.logged) = (now, 0);
        }
        if entry.logged >= LINES_MAX {
            entry.left_out += 1;
            return None;
        }
        entry.logged += 1;
        Some(std::mem::take(&mut entry.left_out))
    }

    /// Of which kinds lines were left out in a minute that has ended, and how many.
    fn over(&mut self, now: Instant) -> Vec<(&'static str, u64)> {
        let is_over = |kind: &Kind| now.saturating_duration_since(kind.began) >= SPAN;
        let over = self.0.iter_mut().filter(|(_, kind)| is_over(kind));
        let left_out = over.map(|(name, kind)| (*name, std::mem::take(&mut kind.left_out)));
        left_out.filter(|(_, left_out)| *left_out > 0).collect()
    }
}

fn throttle() -> MutexGuard<'static, Throttle> {
    static THROTTLE: LazyLock<Mutex<Throttle>> = LazyLock::new(Mutex::default);
    THROTTLE.lock()
}

fn log_count(kind: &'static str, left_out: u64) {
    tracing::warn!(kind, left_out, "log_lines_left_out");
}

/// Whether a line of this kind may be written now. Kinds are names in our source, so their number
/// is bounded. The number of lines left out is logged once their minute has ended.
pub fn may_log(kind: &'static str) -> bool {
    let left_out = throttle().ask(kind, Instant::now());
    if let Some(left_out) = left_out.filter(|left_out| *left_out > 0) {
        log_count(kind, left_out);
    }
    left_out.is_some()
}

/// The same without a line of its own: asked by what is writing one. The count stays for
/// [`log_left_out`].
pub(super) fn may_log_quietly(kind: &'static str) -> bool {
    let mut throttle = throttle();
    let left_out = throttle.ask(kind, Instant::now());
    if let (Some(left_out), Some(entry)) = (left_out, throttle.0.get_mut(kind)) {
        entry.left_out = left_out;
    }
    left_out.is_some()
}

/// Logs how many lines were left out in minutes that have ended. To be called regularly.
pub fn log_left_out() {
    let over = throttle().over(Instant::now());
    for (kind, left_out) in over {
        log_count(kind, left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute_of_each_kind_and_then_a_count() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let logged = (0..10_000)
            .filter(|_| throttle.ask("a", now).is_some())
            .count();
        assert_eq!(logged, 20);
        assert_eq!(throttle.ask("b", now), Some(0), "another kind");
        assert_eq!(throttle.ask("a", now + SPAN), Some(10_000 - 20));
        assert_eq!(throttle.ask("a", now + SPAN), Some(0));
        for _ in 0..100 {
            throttle.ask("c", now);
        }
        assert_eq!(throttle.over(now), [], "the minute is not over");
        assert_eq!(throttle.over(now + SPAN), [("c", 80)]);
        assert_eq!(throttle.over(now + SPAN), []);
    }
}
