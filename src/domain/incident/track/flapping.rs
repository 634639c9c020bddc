//! Flapping: a workflow that fails and passes in turn.
//!
//! The measure is that of Nagios: of the last 21 results, the share of those that differ from the
//! one before, of which newer ones weigh more (0.75 for the oldest to 1.25 for the newest). It
//! flaps from above 30 % until below 20 %; so it takes seven results at least.

use crate::domain::run::Position;

/// How many changes between results count.
const CHANGES: u32 = 20;
/// The weight of the newest; that of each older one is less by [`STEP`]. In 76ths, which makes all
/// weights whole numbers.
const NEWEST: u32 = 95;
const STEP: u32 = 2;
const ALL: u32 = CHANGES * NEWEST - STEP * (CHANGES * (CHANGES - 1) / 2);

/// What the results up to an attempt say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether the last one failed; `None` while there is none.
    pub has_failed: Option<bool>,
    /// Which of the last results differed from the one before: the newest in the lowest bit.
    pub changes: u32,
    /// Whether it flaps.
    pub is_flapping: bool,
}

impl State {
    fn with(self, has_failed: bool) -> Self {
        let is_change = self.has_failed.is_some_and(|before| before != has_failed);
        let changes = (self.changes << 1 | u32::from(is_change)) & ((1 << CHANGES) - 1);
        let weights = (0..CHANGES).filter(|nth| changes >> nth & 1 == 1);
        let share: u32 = weights.map(|nth| NEWEST - STEP * nth).sum();
        Self {
            has_failed: Some(has_failed),
            changes,
            is_flapping: if self.is_flapping {
                share * 10 >= ALL * 2
            } else {
                share * 10 > ALL * 3
            },
        }
    }
}

/// The results of a track so far, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trend {
    /// Before the last attempt.
    pub before: State,
    /// With it.
    pub now: State,
    /// The last attempt: when it ends twice, only its last end counts.
    pub last: Option<Position>,
}

impl Trend {
    /// Adds the end of an attempt. Returns whether the track flaps then.
    pub fn take(&mut self, position: Position, has_failed: bool) -> bool {
        if self.last != Some(position) {
            self.before = self.now;
            self.last = Some(position);
        }
        self.now = self.before.with(has_failed);
        self.now.is_flapping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(results: &str) -> Trend {
        let mut trend = Trend::default();
        for (number, result) in (1..).zip(results.chars()) {
            let position = Position { number, attempt: 1 };
            trend.take(position, result == 'f');
        }
        trend
    }

    fn flaps(results: &str) -> bool {
        trend(results).now.is_flapping
    }

    #[test]
    fn the_share_is_weighted_over_the_last_21_results() {
        assert_eq!(ALL, 1520);
        assert!(!flaps("fpfpfp"), "95 + 93 + 91 + 89 + 87 is 29.9 %");
        assert!(flaps("fpfpfpf"), "and 85 more is 35.5 %");
        assert!(flaps("ffpfpfpf"), "what was before is of no account");
        // Of the same changes, older ones weigh less: the sixth from the end is worth 85.
        assert!(flaps("pfpfpfpp"), "93 + 91 + 89 + 87 + 85 + 83 is 34.7 %");
        let oldest = format!("fpfpfp{}", "p".repeat(15));
        assert!(!flaps(&oldest), "it has never flapped");
        assert_eq!(trend(&oldest).now.changes, 0b1111_1000_0000_0000_0000);
        let older = format!("{oldest}p");
        assert_eq!(
            trend(&older).now.changes,
            0b1111_0000_0000_0000_0000,
            "22 results"
        );
    }

    #[test]
    fn it_ends_below_a_fifth_only() {
        // Six changes: with each equal result the newest changes weigh 12 less.
        let after = |equal: usize| format!("fpfpfpf{}", "f".repeat(equal));
        assert!(
            flaps(&after(19 - 5)),
            "67 + 65 + 63 + 61 + 59 + 57 is 24.5 %"
        );
        assert!(flaps(&after(15)), "65 + 63 + 61 + 59 + 57 is 20.07 %");
        assert!(!flaps(&after(16)), "63 + 61 + 59 + 57 is 15.8 %");
        let again = format!("{}pf", after(16));
        assert!(!flaps(&again), "between the two shares it stays as it is");
    }

    #[test]
    fn an_attempt_that_ends_twice_counts_by_its_last_end() {
        let mut twice = trend("fpfpf");
        let (number, attempt) = (6, 1);
        twice.take(Position { number, attempt }, true);
        twice.take(Position { number, attempt }, false);
        assert_eq!(twice, trend("fpfpfp"));
        twice.take(Position { number, attempt }, true);
        assert_eq!(twice, trend("fpfpff"));
    }
}
