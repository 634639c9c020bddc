//! What was measured, as ratios to the ceiling of the same round.

use crate::load::Slice;
use std::time::Duration;

/// One round of one candidate.
struct Round {
    per_second: f64,
    cpu_us: Option<f64>,
}

/// A candidate with its rounds so far.
pub struct Tally {
    name: String,
    rounds: Vec<Round>,
    latencies: Vec<Duration>,
}

impl Tally {
    /// A candidate that was not measured yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            rounds: Vec::new(),
            latencies: Vec::new(),
        }
    }

    /// Forgets all rounds.
    pub fn clear(&mut self) {
        self.rounds.clear();
        self.latencies.clear();
    }

    /// Adds a round.
    pub fn add(&mut self, slice: &Slice) {
        self.add_round(slice.latencies.len(), slice.took, slice.cpu);
        self.latencies.extend(&slice.latencies);
    }

    /// Adds a round whose answers were timed elsewhere.
    pub fn add_round(&mut self, count: usize, took: Duration, cpu: Option<Duration>) {
        let count = as_float(count);
        self.rounds.push(Round {
            per_second: count / took.as_secs_f64(),
            cpu_us: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / count),
        });
    }
}

fn quantile_ms(sorted: &[Duration], percent: usize) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? * percent / 100;
    sorted.get(place).map(|latency| latency.as_secs_f64() * 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
fn as_float(count: usize) -> f64 {
    count as f64
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// Prints a table. The first tally is the ceiling.
pub fn print(tallies: &[Tally]) {
    let Some(ceiling) = tallies.first() else {
        return;
    };
    println!(
        "| candidate | rate / ceiling | CPU / ceiling | requests/s | CPU us | p50 ms | p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    for tally in tallies {
        let pairs = || tally.rounds.iter().zip(&ceiling.rounds);
        let rate = pairs().map(|(ours, top)| ours.per_second / top.per_second);
        let cpu = pairs().filter_map(|(ours, top)| Some(ours.cpu_us? / top.cpu_us?));
        let per_second = tally.rounds.iter().map(|round| round.per_second);
        let cpu_us = tally.rounds.iter().filter_map(|round| round.cpu_us);
        let mut sorted = tally.latencies.clone();
        sorted.sort_unstable();
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            tally.name,
            shown(median(rate.collect()), 2),
            shown(median(cpu.collect()), 2),
            shown(median(per_second.collect()), 0),
            shown(median(cpu_us.collect()), 1),
            shown(quantile_ms(&sorted, 50), 2),
            shown(quantile_ms(&sorted, 99), 2),
        );
    }
}
