//! A place in a list of runs.
//!
//! Source: "up to 1,000 results for each search" when a list is filtered by `created` (GitHub's API
//! description). A longer list is continued by a search for what was created before its last one.

use crate::domain::time::Timestamp;
use crate::provider::reading::written;
use std::time::Duration;

/// Runs of a page.
pub(super) const PER_PAGE: usize = 100;
/// Pages of a search.
const PAGES_MAX: u32 = 10;
/// How much earlier than the moment in question a run may have been created.
const EARLIER: Duration = Duration::from_hours(24);

/// A place in the list: a page of what was created until a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    until: Option<Timestamp>,
    pub(super) page: u32,
}

impl Place {
    pub(super) const FIRST: Self = Self {
        until: None,
        page: 1,
    };

    pub(super) fn read(cursor: &str) -> Option<Self> {
        let (until, page) = cursor.split_once(':')?;
        let until = match until {
            "" => None,
            until => Some(Timestamp(until.parse().ok()?)),
        };
        let page = page.parse().ok()?;
        let is_one = (1..=PAGES_MAX).contains(&page);
        is_one.then_some(Self { until, page })
    }

    pub(super) fn to_text(self) -> String {
        let until = self.until.map(|until| until.0.to_string());
        format!("{}:{}", until.unwrap_or_default(), self.page)
    }

    /// What `created` must be, as GitHub's search writes it.
    pub(super) fn created(self, since: Timestamp) -> String {
        let from = written(since.minus(EARLIER));
        match self.until {
            None => format!("%3E%3D{from}"),
            Some(until) => format!("{from}..{}", written(until)),
        }
    }

    /// The next place after a page with so many runs, the earliest of them created at this time.
    pub(super) fn next(self, has_next: bool, count: usize, earliest: Timestamp) -> Option<Self> {
        let is_at_end_of_search = self.page == PAGES_MAX && count >= PER_PAGE;
        if is_at_end_of_search {
            // Again what was created in the same second, but no endless search for it.
            let again = self.until.is_none_or(|until| earliest < until);
            let second = Duration::from_secs(1);
            let until = if again {
                earliest
            } else {
                earliest.minus(second)
            };
            let until = Some(until);
            return Some(Self { until, page: 1 });
        }
        (has_next && self.page < PAGES_MAX).then(|| Self {
            page: self.page + 1,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_ends_at_a_thousand_and_another_begins_before_its_last_one() {
        let (since, second) = (Timestamp(1_000_000_000_000), Duration::from_secs(1));
        let last = Place {
            until: None,
            page: 10,
        };
        let at = since.plus(Duration::from_hours(5));
        let next = last.next(false, 100, at).unwrap();
        assert_eq!((next.until, next.page), (Some(at), 1));
        assert_eq!(Place::read(&next.to_text()), Some(next));
        assert_eq!(
            next.created(since),
            "2001-09-08T01:46:40Z..2001-09-09T06:46:40Z"
        );
        // A thousand in one second: no search for them without an end.
        let stuck = Place {
            until: Some(at),
            page: 10,
        };
        let next = stuck.next(false, 100, at).unwrap();
        assert_eq!(next.until, Some(at.minus(second)));
        // A last page that is not full is the end, and so is a list without a next one.
        assert_eq!(last.next(true, 99, at), None);
        let first = Place::FIRST;
        assert_eq!(first.next(false, 100, at), None);
        assert_eq!(first.next(true, 100, at).map(|p| p.page), Some(2));
        assert_eq!(first.created(since), "%3E%3D2001-09-08T01:46:40Z");
        for odd in ["", "1", ":0", ":11", "x:1", "5:"] {
            assert_eq!(Place::read(odd), None, "{odd}");
        }
    }
}
