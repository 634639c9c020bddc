//! GitLab's dialect: paths, limits, refusals.

use super::errors::{self, NAMING};
use super::test_budget::TestBudget;
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

/// GitLab's dialect, with the recent test deliveries and resends. GitLab counts them apart.
#[derive(Debug, Default)]
pub struct GitlabDialect {
    pub(super) tests: TestBudget,
    pub(super) resends: TestBudget,
}

/// A session with GitLab.
pub(super) type Talk<'a> = Session<'a, GitlabDialect>;

/// What gitlab.com allows one user: 2,000 requests a minute, and 400 of them for a project.
/// Source: GitLab's documentation, "GitLab.com settings", rate limits.
const LIMITS: [Limit; 2] = [
    Limit {
        most: 2000,
        window: Duration::from_mins(1),
    },
    Limit {
        most: 400,
        window: Duration::from_mins(1),
    },
];

pub(super) const PACE: Pace = Pace {
    limits: &LIMITS,
    cost,
};

/// `GET .../projects/:id`, and nothing below it, counts against both.
fn cost(method: &Method, path: &str) -> Cost {
    let project = path.rsplit_once("/projects/").map(|(_, project)| project);
    let is_look_up = *method == Method::GET && project.is_some_and(|p| !p.contains('/'));
    [1, is_look_up.into(), 0]
}

impl Dialect for GitlabDialect {
    const NAMING: Naming = NAMING;
    const REWRITE: Method = Method::PUT;
    /// GitLab counts every request: its limits name no exception for a 304.
    const UNCHANGED_IS_FREE: bool = false;
    const WINDOWS_PER_HOUR: u64 = 60;

    type Hook = wire::HookBody;

    fn limit(url: &Url, answer: &Answer, now: Timestamp) -> Option<Duration> {
        errors::limit(answer, now).filter(|_| !errors::is_limit_of_one_hook(url, answer))
    }

    fn remaining(answer: &Answer, now: Timestamp) -> Option<Left> {
        errors::remaining(answer, now)
    }

    /// gitlab.com allows 2,000 requests a minute, and 400 look-ups of projects, of which a check
    /// makes one. Self-managed installations allow what their administrator set, and then their
    /// answers say so.
    /// Source: GitLab's documentation, "GitLab.com settings" and "User and IP rate limits".
    fn limits(per_hour: Option<u64>, is_cloud: bool) -> CallLimits {
        const REQUESTS: u64 = 2000 * 60;
        const LOOK_UPS: u64 = 400 * 60;
        let reads = per_hour.or(is_cloud.then_some(REQUESTS));
        CallLimits {
            reads,
            checks: Some(reads.map_or(LOOK_UPS, |reads| LOOK_UPS.min(reads / 2))),
            pings: reads.map(|reads| reads / 2),
        }
    }

    /// Where GitLab gives the number of the next page, an empty one is the end.
    fn has_next(answer: &Answer) -> bool {
        match answer.header("x-next-page") {
            Some(next) => !next.trim().is_empty(),
            None => answer.links_to_next(),
        }
    }

    fn refusal(answer: &Answer, asked: Asked<'_>) -> ProviderError {
        errors::refusal(answer, asked)
    }

    /// GitLab takes any number of hooks with one URL.
    fn is_already_there(_: &Answer) -> bool {
        false
    }

    fn hooks_path(repository: &Repository) -> String {
        format!("projects/{}/hooks", repository.id)
    }

    fn hook_body(spec: &HookSpec, _: bool) -> Vec<u8> {
        wire::hook_write(spec)
    }

    fn proof(answer: &Answer) -> Result<Proof, ProviderError> {
        wire::HookBody::proof_of(answer)
    }
}
