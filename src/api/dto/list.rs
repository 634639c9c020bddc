//! Pages of lists in JSON.

use crate::store::{After, Listing};
use serde::Serialize;
use std::fmt::Display;
use utoipa::ToSchema;

/// A page of a list, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// Items of the page.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page. Null on the last page.
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page of records in their JSON shape.
    pub(in crate::api) fn of<R, Id: Display>(
        page: Listing<R, Id>,
        shape: impl FnMut(R) -> T,
    ) -> Self {
        Self {
            items: page.items.into_iter().map(shape).collect(),
            next_cursor: page.next.map(|id| id.to_string()),
        }
    }
}

/// A page of records that are all in memory, in any order.
pub(in crate::api) fn cut<R, Id: Copy + Ord>(
    mut records: Vec<R>,
    after: After<Id>,
    id: impl Fn(&R) -> Id,
) -> Listing<R, Id> {
    records.sort_unstable_by_key(|record| std::cmp::Reverse(id(record)));
    records.retain(|record| after.last.is_none_or(|last| id(record) < last));
    let has_more = records.len() > after.limit;
    records.truncate(after.limit);
    let next = records.last().filter(|_| has_more).map(&id);
    Listing {
        items: records,
        next,
    }
}
