//! Chance that is alike in each run: the generator `SplitMix64`.

use hookherd::domain::id::Entropy;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn mixed(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A source of chance. Each part of the world has its own, so that one that asks more often does
/// not change what the others get.
#[derive(Debug)]
pub struct Chance(Cell<u64>);

impl Chance {
    pub fn new(seed: u64, of: u64) -> Self {
        Self(Cell::new(mixed(seed ^ mixed(of.wrapping_mul(STEP)))))
    }

    pub fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(STEP));
        mixed(self.0.get())
    }

    /// A number below `most`, which is at least 1.
    pub fn below(&self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    /// Whether something happens that does once in `n` times.
    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub fn pick<'a, T>(&self, all: &'a [T]) -> &'a T {
        &all[self.index(all.len())]
    }

    pub fn between(&self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_millis()).unwrap();
        least + Duration::from_millis(self.below(span + 1))
    }
}

/// The same for ids, keys and secrets of the program.
#[derive(Debug)]
pub struct Seeded(AtomicU64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(mixed(seed ^ STEP)))
    }

    pub fn number(&self) -> u64 {
        mixed(self.0.fetch_add(STEP, Ordering::Relaxed))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}
