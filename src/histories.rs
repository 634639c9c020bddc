//! How much property tests and sweeps play.

use proptest::prelude::ProptestConfig;

/// The most histories of any property.
const MOST: u32 = 100_000;
/// The fewest of a quick run.
const FEWEST: u32 = 250;

/// Whether this is a quick run, which leaves out the longest part of a sweep.
pub(crate) fn are_few() -> bool {
    std::env::var_os("HOOKHERD_HISTORIES").is_some()
}

/// So many; in a quick run (`just quick`), where `HOOKHERD_HISTORIES` says how many the largest
/// property plays, as many in proportion.
pub(crate) fn of(count: u32) -> ProptestConfig {
    let Ok(most) = std::env::var("HOOKHERD_HISTORIES") else {
        return ProptestConfig::with_cases(count);
    };
    let most: u32 = most.parse().expect("a number of histories");
    let share = u64::from(count) * u64::from(most) / u64::from(MOST);
    let share = u32::try_from(share).unwrap_or(count).max(FEWEST);
    ProptestConfig::with_cases(share.min(count))
}
