//! GitHub: github.com and GitHub Enterprise Server, told apart by the base URL only.
//!
//! `decode` and `payload` are inbound; `hooks`, `repos`, `errors` and `wire` are outbound, `app`
//! and `jwt` are our GitHub App. What is
//! common to all providers lives a floor above, in `http`, `budget` and `call`.

use super::call::{CallObserver, Caller};
use super::http::{Http, HttpConfig, HttpError, NoAnswer, literal};
use super::{
    Access, Calling, Checked, Ensured, HookSpec, Hooks, Identity, ProviderError, Repaired, Target,
};
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::domain::time::Clock;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

mod app;
mod decode;
mod errors;
mod hooks;
mod jwt;
mod payload;
mod repos;
mod session;
#[cfg(test)]
mod tests;
mod wire;

pub use app::{GithubApp, KeyError};
pub use decode::GithubDecode;
use session::Session;

/// Longest time for an operation with all its requests, pages and waits. A slow list of many pages
/// fits; a provider that answers each request just in time does not hold anybody up for long.
const OPERATION_TIME_MAX: Duration = Duration::from_secs(90);

/// One GitHub installation, as we call it.
pub struct Github {
    caller: Caller,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Github {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Github").finish_non_exhaustive()
    }
}

impl Github {
    /// A client of the installation whose API is at `config.api_url`: `https://api.github.com`, or
    /// `https://HOST/api/v3` for GitHub Enterprise Server.
    pub fn new(
        config: &HttpConfig,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn CallObserver>,
    ) -> Result<Self, HttpError> {
        let headers = [
            // The second is for servers that know JSON only by its plain name.
            literal(
                "accept",
                "application/vnd.github+json, application/json;q=0.9",
            ),
            literal("x-github-api-version", "2022-11-28"),
        ];
        let http = Http::new(config, headers.into_iter().collect())?;
        Ok(Self {
            caller: Caller::new(http, config.retry_wait, observer),
            clock,
        })
    }

    /// Runs an operation as a session of its own and reports it.
    fn run<'a, T, F>(
        &'a self,
        operation: &'static str,
        access: &'a Access,
        steps: F,
    ) -> Calling<'a, T>
    where
        T: Send + 'a,
        F: for<'s> FnOnce(&'s mut Session<'a>) -> Calling<'s, T> + Send + 'a,
    {
        Box::pin(self.caller.observed(operation, async move {
            let mut session = Session::new(self, access);
            let outcome = tokio::time::timeout(OPERATION_TIME_MAX, steps(&mut session)).await;
            // Cut off wherever it stood: a write may have been under way.
            let outcome =
                outcome.unwrap_or_else(|_| Err(errors::of_no_answer(NoAnswer::TimedOut, true)));
            outcome.map_err(|mut error: ProviderError| {
                error.may_have_acted |= session.has_acted();
                error
            })
        }))
    }
}

impl Hooks for Github {
    fn ensure<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        spec: &'a HookSpec,
    ) -> Calling<'a, Ensured> {
        self.run("ensure", access, move |s| {
            Box::pin(hooks::ensure(s, target, spec))
        })
    }

    fn check<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        spec: &'a HookSpec,
    ) -> Calling<'a, Checked> {
        self.run("check", access, move |s| {
            Box::pin(hooks::check(s, target, hook, spec))
        })
    }

    fn repair<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        spec: &'a HookSpec,
    ) -> Calling<'a, Repaired> {
        self.run("repair", access, move |s| {
            Box::pin(hooks::repair(s, target, hook, spec))
        })
    }

    fn ping<'a>(&'a self, access: &'a Access, target: &'a Target, hook: HookId) -> Calling<'a, ()> {
        self.run("ping", access, move |s| {
            Box::pin(hooks::ping(s, target, hook))
        })
    }

    fn delete<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        url: &'a str,
    ) -> Calling<'a, ()> {
        self.run("delete", access, move |s| {
            Box::pin(hooks::delete(s, target, url))
        })
    }

    fn repository<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
    ) -> Calling<'a, Option<Repository>> {
        self.run("repository", access, move |s| {
            Box::pin(repos::find(s, target))
        })
    }

    fn repositories<'a>(
        &'a self,
        access: &'a Access,
        page: u32,
    ) -> Calling<'a, (Vec<Repository>, bool)> {
        self.run("repositories", access, move |s| {
            Box::pin(repos::page(s, page))
        })
    }

    fn identity<'a>(&'a self, access: &'a Access) -> Calling<'a, Identity> {
        self.run("identity", access, move |s| Box::pin(repos::identity(s)))
    }
}
