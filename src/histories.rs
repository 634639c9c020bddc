//! How many random histories the property tests play.

use proptest::prelude::ProptestConfig;

/// So many; or as many as `HOOKHERD_HISTORIES` says, when those are fewer (`just quick`).
pub(crate) fn of(count: u32) -> ProptestConfig {
    let most = std::env::var("HOOKHERD_HISTORIES").ok();
    let most = most.map_or(u32::MAX, |most| {
        most.parse().expect("a number of histories")
    });
    ProptestConfig::with_cases(count.min(most))
}
