//! GitHub: github.com and GitHub Enterprise Server, told apart by the base URL only.
//!
//! `decode` and `payload` are inbound; `hooks`, `repos`, `errors` and `wire` are outbound, `app`
//! and `jwt` are our GitHub App. What is common to all providers lives a floor above.

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

mod app;
mod decode;
mod denials;
mod errors;
mod hooks;
mod jwt;
mod payload;
mod repos;
#[cfg(test)]
mod tests;
mod wire;

pub use app::{AppIdentity, GithubApp, KeyError};
pub use decode::GithubDecode;

/// One GitHub installation, as we call it.
pub type Github = Client<GithubDialect>;

/// What GitHub says in its own way.
#[derive(Clone, Copy, Debug)]
pub struct GithubDialect;

/// A session with GitHub.
type Talk<'a> = Session<'a, GithubDialect>;

impl Github {
    /// A client of the installation whose API is at `config.api_url`: `https://api.github.com`, or
    /// `https://HOST/api/v3` for GitHub Enterprise Server.
    pub fn new(
        config: &HttpConfig,
        clock: Arc<dyn Clock>,
        instance: &Instance,
    ) -> Result<Self, HttpError> {
        let headers = [
            // The second is for servers that know JSON only by its plain name.
            literal(
                "accept",
                "application/vnd.github+json, application/json;q=0.9",
            ),
            literal("x-github-api-version", "2022-11-28"),
        ];
        let headers = headers.into_iter().collect();
        let dialect = (GithubDialect, PACE);
        Self::speaking(dialect, config, headers, clock, instance)
    }
}

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

const PACE: Pace = Pace {
    limits: &LIMITS,
    cost,
};

/// A read is one point, anything else five; what is posted counts as created, but for an App's
/// tokens, which are no content.
fn cost(method: &Method, path: &str) -> Cost {
    match *method {
        Method::GET => [1, 0, 0],
        Method::POST if !path.ends_with("/access_tokens") => [5, 1, 1],
        _ => [5, 0, 0],
    }
}

impl Dialect for GithubDialect {
    const NAME: &'static str = "GitHub";
    const API_URL: &'static str = "https://api.github.com, or https://HOST/api/v3";
    const REWRITE: Method = Method::PATCH;

    type Hook = wire::HookBody;

    fn limit(answer: &Answer, now: Timestamp) -> Option<Duration> {
        errors::limit(answer, now)
    }

    fn remaining(answer: &Answer, now: Timestamp) -> Option<(u64, Duration)> {
        errors::remaining(answer, now)
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
