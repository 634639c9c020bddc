//! GitHub's dialect: paths, limits, refusals.

use super::errors::{self, NAMING};
use super::wire;
use crate::domain::pace::CallLimits;
use crate::domain::repo::Repository;
use crate::domain::secret::Proof;
use crate::domain::time::Timestamp;
use crate::provider::budget::Pace;
use crate::provider::dialect::{Asked, Dialect};
use crate::provider::errors::Naming;
use crate::provider::http::Answer;
use crate::provider::meter::{Cost, Limit};
use crate::provider::outbound::{HookSpec, ProviderError};
use crate::provider::session::Session;
use crate::provider::ticket::Left;
use reqwest::{Method, Url};
use std::time::Duration;

/// GitHub's dialect.
#[derive(Clone, Copy, Debug)]
pub struct GithubDialect;

/// A session with GitHub.
pub(super) type Talk<'a> = Session<'a, GithubDialect>;

/// What GitHub allows one user: 900 points a minute, and 80 creations a minute and 500 an hour.
/// Source: GitHub's documentation, "Rate limits for the REST API", secondary limits.
const LIMITS: [Limit; 3] = [
    Limit {
        most: 900,
        window: Duration::from_mins(1),
    },
    Limit {
        most: 80,
        window: Duration::from_mins(1),
    },
    Limit {
        most: 500,
        window: Duration::from_hours(1),
    },
];

pub(super) const PACE: Pace = Pace {
    limits: &LIMITS,
    cost,
};

/// A read is one point, other methods five. A POST counts as a creation, except for an App's
/// tokens, which are not content.
fn cost(method: &Method, path: &str) -> Cost {
    match *method {
        Method::GET => [1, 0, 0],
        Method::POST if !path.ends_with("/access_tokens") => [5, 1, 1],
        _ => [5, 0, 0],
    }
}

impl Dialect for GithubDialect {
    const NAMING: Naming = NAMING;
    const REWRITE: Method = Method::PATCH;
    /// Source: GitHub's documentation, "Best practices for using the REST API", conditional
    /// requests: a 304 does not count against the primary limit.
    const UNCHANGED_IS_FREE: bool = true;
    const WINDOWS_PER_HOUR: u64 = 1;

    type Hook = wire::HookBody;

    fn limit(_: &Url, answer: &Answer, now: Timestamp) -> Option<Duration> {
        errors::limit(answer, now)
    }

    fn remaining(answer: &Answer, now: Timestamp) -> Option<Left> {
        errors::remaining(answer, now)
    }

    /// github.com allows 5,000 calls an hour, and more for some; Enterprise Server any number, or
    /// what its administrator set, and then its answers say so. A check looks up the repository and
    /// lists its hooks; a test delivery counts as a creation.
    /// Source: GitHub's documentation, "Rate limits for the REST API".
    fn limits(per_hour: Option<u64>, is_cloud: bool) -> CallLimits {
        const CALLS: u64 = 5000;
        const CREATIONS: u64 = 500;
        // 900 points a minute hold for all.
        let secondary = 900 * 60;
        let reads = per_hour
            .or(is_cloud.then_some(CALLS))
            .map_or(secondary, |n| n.min(secondary));
        CallLimits {
            reads: Some(reads),
            checks: Some(reads / 2),
            pings: Some(CREATIONS.min(reads / 2)),
        }
    }

    fn has_next(answer: &Answer) -> bool {
        answer.links_to_next()
    }

    fn refusal(answer: &Answer, asked: Asked<'_>) -> ProviderError {
        errors::refusal(answer, asked)
    }

    fn is_already_there(answer: &Answer) -> bool {
        errors::is_already_there(answer)
    }

    fn hooks_path(repository: &Repository) -> String {
        format!("repos/{}/hooks", repository.full_name)
    }

    fn hook_body(spec: &HookSpec, is_new: bool) -> Vec<u8> {
        wire::hook_write(spec, is_new)
    }

    /// GitHub always signs.
    fn proof(_: &Answer) -> Result<Proof, ProviderError> {
        Ok(Proof::Signature)
    }
}
