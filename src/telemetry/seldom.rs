//! Log lines that strangers and users can cause: so many a minute of each kind, and then a count.
//!
//! A line is asked for by its kind, which is its event name. When a minute with too many ends, the
//! next of that kind says how many were left out.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
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
}

/// Whether a line of this kind may be written now. Kinds are names in our source, so their number
/// is bounded. How many were left out is told here, once their minute is over.
pub fn may_tell(kind: &'static str) -> bool {
    static SELDOM: LazyLock<Mutex<Seldom>> = LazyLock::new(Mutex::default);
    let mut seldom = SELDOM.lock().unwrap_or_else(PoisonError::into_inner);
    let left_out = seldom.ask(kind, Instant::now());
    drop(seldom);
    if let Some(left_out) = left_out.filter(|left_out| *left_out > 0) {
        tracing::warn!(kind, left_out, "log_lines_left_out");
    }
    left_out.is_some()
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
    }
}
