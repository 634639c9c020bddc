//! GitLab: gitlab.com and self-managed installations, told apart by the base URL only.
//!
//! The same rooms as `github`: `decode` and `payload` are inbound; `hooks`, `repos`, `errors` and
//! `wire` are outbound. Projects are addressed by their number once it is known, and always when
//! something is written: a path may belong to another project tomorrow.

use super::budget::Pace;
use super::client::Client;
use super::dialect::{Asked, Dialect, LookedUp};
use super::http::{Answer, HttpConfig, HttpError, literal};
use super::meter::{Cost, Limit};
use super::session::Session;
use super::{Calling, HookSpec, Identity, Pinged, ProviderError, Target};
use crate::domain::id::HookId;
use crate::domain::repo::{Instance, Repository};
use crate::domain::secret::Proof;
use crate::domain::time::{Clock, Timestamp};
use reqwest::Method;
use std::sync::Arc;
use std::time::Duration;

mod decode;
mod errors;
mod hooks;
mod payload;
mod repos;
#[cfg(test)]
mod tests;
mod wire;

pub use decode::GitlabDecode;

/// One GitLab installation, as we call it.
pub type Gitlab = Client<GitlabDialect>;

/// What GitLab says in its own way, and how many test deliveries were asked for lately.
#[derive(Debug, Default)]
pub struct GitlabDialect {
    tests: hooks::TestBudget,
}

/// A session with GitLab.
type Talk<'a> = Session<'a, GitlabDialect>;

impl Gitlab {
    /// A client of the installation whose API is at `config.api_url`, such as
    /// `https://gitlab.com/api/v4`.
    pub fn new(
        config: &HttpConfig,
        clock: Arc<dyn Clock>,
        instance: &Instance,
    ) -> Result<Self, HttpError> {
        let headers = [literal("accept", "application/json")];
        let headers = headers.into_iter().collect();
        let dialect = (GitlabDialect::default(), PACE);
        Self::speaking(dialect, config, headers, clock, instance)
    }
}

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

const PACE: Pace = Pace {
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
    const NAME: &'static str = "GitLab";
    const API_URL: &'static str = "https://gitlab.com/api/v4, or https://HOST/api/v4";
    const REWRITE: Method = Method::PUT;

    type Hook = wire::HookBody;

    fn limit(answer: &Answer, now: Timestamp) -> Option<Duration> {
        errors::limit(answer, now)
    }

    fn remaining(answer: &Answer, now: Timestamp) -> Option<(u64, Duration)> {
        errors::remaining(answer, now)
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

    fn look_up<'s>(s: &'s mut Talk<'_>, target: &'s Target) -> Calling<'s, LookedUp> {
        Box::pin(repos::look_up(s, target))
    }

    fn ping<'s>(
        s: &'s mut Talk<'_>,
        repository: &'s Repository,
        hook: HookId,
    ) -> Calling<'s, Pinged> {
        Box::pin(hooks::ping(s, repository, hook))
    }

    fn owner<'s>(s: &'s mut Talk<'_>, name: &'s str) -> Calling<'s, ()> {
        Box::pin(repos::owner(s, name))
    }

    fn page<'s>(s: &'s mut Talk<'_>, page: u32) -> Calling<'s, (Vec<Repository>, bool)> {
        Box::pin(repos::page(s, page))
    }

    fn identity<'s>(s: &'s mut Talk<'_>) -> Calling<'s, Identity> {
        Box::pin(repos::identity(s))
    }
}
