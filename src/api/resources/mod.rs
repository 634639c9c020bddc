//! What users work with, one file a resource.

pub mod connections;
pub mod credentials;
pub mod deliveries;
pub mod health;
pub mod incidents;
pub mod repositories;
pub mod runs;
pub mod stats;
pub mod users;

use super::dto::List;
use super::error::Problem;
use crate::store::{After, Page};
use serde::Deserialize;
use serde_json::Value;
use std::str::FromStr;

/// Items of a page unless asked otherwise.
const LIMIT_DEFAULT: usize = 50;
/// Most items of a page.
const LIMIT_MAX: usize = 100;

/// What every list understands.
#[derive(Debug, Default, Deserialize)]
pub struct Paging {
    limit: Option<usize>,
    cursor: Option<String>,
}

impl Paging {
    /// Where the list goes on.
    fn after<Id: FromStr>(&self) -> Result<After<Id>, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::bad_request("bad_query", "limit must be 1 to 100"));
        }
        let parse = |text: &String| {
            let detail = "cursor must be the next_cursor of the page before";
            text.parse()
                .map_err(|_| Problem::bad_request("bad_query", detail))
        };
        Ok(After {
            last: self.cursor.as_ref().map(parse).transpose()?,
            limit,
        })
    }
}

/// A page as JSON. The cursor is the id of the last item.
fn list<T>(page: Page<T>, show: impl Fn(&T) -> Result<Value, Problem>) -> Result<List, Problem> {
    let items = page
        .items
        .iter()
        .map(show)
        .collect::<Result<Vec<Value>, _>>()?;
    let last = items.last().and_then(|item| item["id"].as_str());
    let next_cursor = last.filter(|_| page.has_more).map(str::to_owned);
    Ok(List { items, next_cursor })
}

/// An id in a path; something that is no id names nothing.
fn id<Id: FromStr>(text: &str, what: &str) -> Result<Id, Problem> {
    text.parse().map_err(|_| Problem::not_found(what))
}

/// An id in a query.
fn query_id<Id: FromStr>(text: Option<&String>, name: &str) -> Result<Option<Id>, Problem> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| Problem::bad_request("bad_query", format!("{name} is no id")))
    };
    text.map(parse).transpose()
}
