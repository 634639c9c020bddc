//! Lists of patterns as conditions.

use crate::domain::pattern::{BadPattern, Pattern};

/// Patterns that were checked when they were stored. One that will not do fits nothing.
pub(super) fn patterns(
    texts: &[String],
    of: fn(&str) -> Result<Pattern, BadPattern>,
) -> Vec<Pattern> {
    texts.iter().filter_map(|text| of(text).ok()).collect()
}

/// Whether one of the patterns fits, or there is no such condition.
pub(super) fn fits(texts: &[String], patterns: &[Pattern], name: Option<&str>) -> bool {
    let any = |name| patterns.iter().any(|pattern| pattern.fits(name));
    texts.is_empty() || name.is_some_and(any)
}
