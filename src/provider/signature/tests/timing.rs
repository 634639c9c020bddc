//! How long a comparison takes must not tell where the bytes differ.
//!
//! Two classes of wrong values, one that differs in the first byte and one that differs in the
//! last, are verified in random order; Welch's t of the two samples, without their slowest parts,
//! says whether the times differ. A machine under load can make any two samples differ, so a few
//! tries are allowed; a comparison that stops at the first difference fails all of them, unless
//! the load hides it, as the last test shows.

use super::*;
use std::hint::black_box;
use std::time::Instant;

/// Above this the times differ: the usual bound for leaks.
const T_MAX: f64 = 4.5;
/// Measurements of one try.
const ROUNDS: usize = 12_000;
/// Tries before a difference is believed.
const TRIES: usize = 6;

/// Mean, and variance of the mean, of the quicker nine tenths.
fn moments(sample: &mut Vec<f64>) -> (f64, f64) {
    sample.sort_unstable_by(f64::total_cmp);
    sample.truncate(sample.len() * 9 / 10);
    let count = sample.iter().map(|_| 1.0).sum::<f64>();
    let mean = sample.iter().sum::<f64>() / count;
    let squares: f64 = sample.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, squares / (count - 1.0) / count)
}

/// Welch's t of the times that `verify` takes for `early` and for `late`.
fn welch(verify: &dyn Fn(&str) -> bool, early: &str, late: &str, mut dice: u64) -> f64 {
    let mut samples = [Vec::new(), Vec::new()];
    // Both classes are read from one place: where a text lies in memory has a time of its own.
    let mut place = String::with_capacity(early.len().max(late.len()));
    for _ in 0..ROUNDS {
        // Xorshift: good enough to keep the classes from falling in step with anything.
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let is_late = dice & 1 == 1;
        place.clear();
        place.push_str(black_box([early, late][usize::from(is_late)]));
        let began = Instant::now();
        let fits = black_box(verify(black_box(&place)));
        let took = began.elapsed().as_nanos();
        assert!(!fits);
        samples[usize::from(is_late)].push(f64::from(u32::try_from(took).unwrap_or(u32::MAX)));
    }
    let [mut early, mut late] = samples;
    let ((a, va), (b, vb)) = (moments(&mut early), moments(&mut late));
    (a - b) / (va + vb).sqrt()
}

/// Whether in every try the times differ.
fn leaks(verify: &dyn Fn(&str) -> bool, early: &str, late: &str) -> bool {
    let is_different = |n: usize| {
        let dice = 0x9e37_79b9_7f4a_7c15 + n as u64;
        welch(verify, early, late, dice).abs() >= T_MAX
    };
    (0..TRIES).all(is_different)
}

/// Two copies of a text of digits, one with another first digit and one with another last one.
fn wrong(good: &str, first: usize, last: usize) -> (String, String) {
    let change = |at: usize| {
        let mut bytes = good.as_bytes().to_vec();
        // Another sign of the same kind: decoding may take its time by the kind of what was sent.
        bytes[at] = match bytes[at] {
            first @ (b'0' | b'a' | b'A') => first + 1,
            b'+' => b'/',
            b'/' => b'+',
            other => other - 1,
        };
        String::from_utf8(bytes).unwrap()
    };
    (change(first), change(last))
}

#[test]
fn no_comparison_tells_where_the_bytes_differ() {
    let secrets = [HookSecret::new("k".repeat(64)).unwrap()];
    let keys = [SigningKey::of_gitlab(&secrets[0])];
    let body = br#"{"object_kind":"pipeline"}"#;

    let good = github_sign(&secrets[0], body);
    let (early, late) = wrong(&good, GITHUB_PREFIX.len(), good.len() - 1);
    let github = |value: &str| github_verifies(&secrets, body, value);
    assert!(!leaks(&github, &early, &late), "github's signature");

    let good = gitlab_token(&secrets[0]);
    let (early, late) = wrong(&good, 0, good.len() - 1);
    let token = |value: &str| gitlab_token_verifies(&secrets, value);
    assert!(!leaks(&token, &early, &late), "gitlab's token");

    let good = keys[0].sign("id", "1", body);
    // The last digit before the padding holds bits that must be zero: the one before it.
    let (early, late) = wrong(&good, STANDARD_PREFIX.len(), good.len() - 3);
    let signature = |value: &str| standard_verifies(&keys, "id", "1", body, value);
    assert!(!leaks(&signature, &early, &late), "gitlab's signature");
}

#[test]
fn a_comparison_that_stops_at_the_first_difference_is_found_out() {
    let secrets = [HookSecret::new("k".repeat(64)).unwrap()];
    let good = gitlab_token(&secrets[0]);
    let (early, late) = wrong(&good, 0, good.len() - 1);
    let hasty = |value: &str| {
        let token = gitlab_token(&secrets[0]);
        token.len() == value.len() && token.bytes().zip(value.bytes()).all(|(a, b)| a == b)
    };
    // A machine under load can hide it for a while.
    assert!((0..100).any(|_| leaks(&hasty, &early, &late)));
}
