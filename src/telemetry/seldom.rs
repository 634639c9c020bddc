//! Log lines that strangers and users can cause: so many a minute of each kind, and then a count.
//!
//! A line is asked for by its kind, which is its event name, or a module of a library. When a
//! minute with too many is over, the next of that kind says how many were left out, or
//! [`tell_left_out`] does.

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
    told: u32,
    left_out: u64,
}

/// Counts lines by kind.
#[derive(Debug, Default)]
struct Seldom(HashMap<&'static str, Kind>);

impl Seldom {
    /// Whether a line of this kind may be written now, and how many were left out since the last.
    fn ask(&mut self, kind: &'static str, now: Instant) -> Option<u64> {
        let entry = self.0.entry(kind).or_insert(Kind {
            began: now,
            told: 0,
            left_out: 0,
        });
        if now.saturating_duration_since(entry.began) >= SPAN {
            (entry.began, entry.told) = (now, 0);
        }
        if entry.told >= LINES_MAX {
            entry.left_out += 1;
            return None;
        }
        entry.told += 1;
        Some(std::mem::take(&mut entry.left_out))
    }

    /// Of which kinds lines were left out in a minute that is over, and how many.
    fn over(&mut self, now: Instant) -> Vec<(&'static str, u64)> {
        let is_over = |kind: &Kind| now.saturating_duration_since(kind.began) >= SPAN;
        let over = self.0.iter_mut().filter(|(_, kind)| is_over(kind));
        let left_out = over.map(|(name, kind)| (*name, std::mem::take(&mut kind.left_out)));
        left_out.filter(|(_, left_out)| *left_out > 0).collect()
    }
}

fn seldom() -> MutexGuard<'static, Seldom> {
    static SELDOM: LazyLock<Mutex<Seldom>> = LazyLock::new(Mutex::default);
    SELDOM.lock()
}

fn tell(kind: &'static str, left_out: u64) {
    tracing::warn!(kind, left_out, "log_lines_left_out");
}

/// Whether a line of this kind may be written now. Kinds are names in our source, so their number
/// is bounded. How many were left out is told here, once their minute is over.
pub fn may_tell(kind: &'static str) -> bool {
    let left_out = seldom().ask(kind, Instant::now());
    if let Some(left_out) = left_out.filter(|left_out| *left_out > 0) {
        tell(kind, left_out);
    }
    left_out.is_some()
}

/// The same without a line of its own: asked by what is writing one. The count stays for
/// [`tell_left_out`].
pub(super) fn may_tell_quietly(kind: &'static str) -> bool {
    let mut seldom = seldom();
    let left_out = seldom.ask(kind, Instant::now());
    if let (Some(left_out), Some(entry)) = (left_out, seldom.0.get_mut(kind)) {
        entry.left_out = left_out;
    }
    left_out.is_some()
}

/// Tells how many lines were left out in minutes that are over. To be called now and then.
pub fn tell_left_out() {
    let over = seldom().over(Instant::now());
    for (kind, left_out) in over {
        tell(kind, left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute_of_each_kind_and_then_a_count() {
        let (mut seldom, now) = (Seldom::default(), Instant::now());
        let told = (0..10_000)
            .filter(|_| seldom.ask("a", now).is_some())
            .count();
        assert_eq!(told, 20);
        assert_eq!(seldom.ask("b", now), Some(0), "another kind");
        assert_eq!(seldom.ask("a", now + SPAN), Some(10_000 - 20));
        assert_eq!(seldom.ask("a", now + SPAN), Some(0));
        for _ in 0..100 {
            seldom.ask("c", now);
        }
        assert_eq!(seldom.over(now), [], "the minute is not over");
        assert_eq!(seldom.over(now + SPAN), [("c", 80)]);
        assert_eq!(seldom.over(now + SPAN), []);
    }
}
