//! The client of one installation of a provider, for any dialect.

use super::budget::Pace;
use super::call::Caller;
use super::dialect::Asked;
use super::explain::{Explain, FailedRun};
use super::http::{Http, HttpConfig, HttpError, NoAnswer};
use super::logs::{Found, ListedRun, LogRead, Logs, Redelivered, RunsPage, RunsRead};
use super::operations::Operations;
use super::outbound::{
    Access, Calling, Checked, Ensured, HookSpec, Hooks, Identity, Listed, Pinged, ProviderError,
    Repaired, TakenAway, Target,
};
use super::session::Session;
use super::{errors, explaining, others, ours, reading};
use crate::domain::connection::Seen;
use crate::domain::delivery::Payload;
use crate::domain::explanation::Explained;
use crate::domain::id::HookId;
use crate::domain::pace::CallLimits;
use crate::domain::repo::{Instance, Repository};
use crate::domain::standing::Fingerprint;
use crate::domain::time::{Clock, Timestamp};
use reqwest::header::HeaderMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Longest time for an operation with all its requests, pages and waits. A slow list of many pages
/// fits; a provider that answers each request just in time does not block callers for long.
const OPERATION_TIME_MAX: Duration = Duration::from_secs(90);

/// One installation of a provider.
pub struct Client<D> {
    pub(super) caller: Caller,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dialect: D,
    /// Whether it is the provider's own installation.
    is_cloud: bool,
}

impl<D> fmt::Debug for Client<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl<D> Client<D> {
    /// A client that sends `headers` with every request.
    pub(super) fn speaking(
        (dialect, pace): (D, Pace),
        config: &HttpConfig,
        headers: HeaderMap,
        clock: Arc<dyn Clock>,
        instance: &Instance,
    ) -> Result<Self, HttpError> {
        let http = Http::new(config, headers, pace)?;
        Ok(Self {
            caller: Caller::new(http, config.retry_wait, instance),
            clock,
            dialect,
            is_cloud: matches!(instance.host.as_str(), "github.com" | "gitlab.com"),
        })
    }

    /// A session that calls with `access`.
    pub(super) fn session<'a>(&'a self, access: &'a Access) -> Session<'a, D> {
        Session::new((&self.caller, &*self.clock), &self.dialect, access)
    }
}

/// Runs an operation with its own session and reports it.
fn run<'a, D, T, F>(
    client: &'a Client<D>,
    operation: &'static str,
    access: &'a Access,
    steps: F,
) -> Calling<'a, T>
where
    D: Operations,
    T: Send + 'a,
    F: for<'s> FnOnce(&'s mut Session<'a, D>) -> Calling<'s, T> + Send + 'a,
{
    Box::pin(client.caller.observed(operation, async move {
        let mut session = client.session(access);
        let outcome = tokio::time::timeout(OPERATION_TIME_MAX, steps(&mut session)).await;
        // Cut off at any point: a write may have been in progress.
        let place = || client.caller.http.place();
        let cut = || {
            Err(errors::of_no_answer(
                D::NAMING,
                &place(),
                NoAnswer::TimedOut,
                true,
            ))
        };
        let outcome = outcome.unwrap_or_else(|_| cut());
        outcome.map_err(|mut error: ProviderError| {
            error.may_have_acted |= session.has_acted();
            error
        })
    }))
}

/// An operation whose steps are the same for all providers: see [`ours`] and [`reading`].
macro_rules! shared {
    ($room:ident::$name:ident($($argument:ident: $type:ty),*) -> $answer:ty) => {
        fn $name<'a>(
            &'a self,
            access: &'a Access,
            target: &'a Target,
            $($argument: $type),*
        ) -> Calling<'a, $answer> {
            run(self, stringify!($name), access, move |s| {
                Box::pin($room::$name(s, target, $($argument),*))
            })
        }
    };
}

impl<D: Operations> Logs for Client<D> {
    fn place_in_log(&self, page: &str, before: u64) -> String {
        D::place_in_log(page, before)
    }

    shared!(reading::delivery_log(hook: HookId, cursor: Option<&'a str>) -> LogRead);
    shared!(reading::logged_payload(hook: HookId, attempt: u64) -> Option<Payload>);
    shared!(reading::redeliver(hook: HookId, attempt: u64) -> Redelivered);
    shared!(reading::runs_since(since: Timestamp, cursor: Option<&'a str>) -> RunsPage);
    shared!(reading::latest_runs() -> Vec<ListedRun>);
    shared!(reading::read_runs(
        listed: &'a [ListedRun], since: Option<Timestamp>
    ) -> RunsRead);
    shared!(reading::run(run: u64) -> Vec<Found>);
}

impl<D: Operations> Explain for Client<D> {
    shared!(explaining::explain(run: &'a FailedRun) -> Explained);
}

impl<D: Operations> Hooks for Client<D> {
    fn limits(&self) -> CallLimits {
        let per_hour = self.caller.quota.limit();
        let per_hour = per_hour.map(|calls| calls.saturating_mul(D::WINDOWS_PER_HOUR));
        D::limits(per_hour, self.is_cloud)
    }

    shared!(ours::ensure(known: Option<HookId>, spec: &'a HookSpec) -> Ensured);
    shared!(ours::check(
        hook: HookId, spec: &'a HookSpec, seen: Option<&'a Seen>
    ) -> Checked);
    shared!(ours::repair(hook: HookId, spec: &'a HookSpec) -> Repaired);
    shared!(ours::ping(hook: HookId) -> Pinged);
    shared!(ours::delete(known: Option<HookId>, mark: &'a str) -> ());
    shared!(others::hooks() -> Listed);
    shared!(others::take_away(hook: HookId, expected: Fingerprint) -> TakenAway);

    fn repository<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
    ) -> Calling<'a, Option<Repository>> {
        run(self, "repository", access, move |s| {
            Box::pin(async move {
                match D::look_up(s, target).await? {
                    Ok(found) => Ok(Some(found)),
                    // Without an API there is no repository, either.
                    Err(answer) if answer.status.as_u16() == 404 => {
                        if s.is_api().await? {
                            Ok(None)
                        } else {
                            Err(errors::wrong_api_url(D::NAMING, &answer, false))
                        }
                    }
                    Err(answer) => Err(D::refusal(&answer, Asked::Repository(&target.full_name))),
                }
            })
        })
    }

    fn owner<'a>(&'a self, access: &'a Access, name: &'a str) -> Calling<'a, ()> {
        run(self, "owner", access, move |s| Box::pin(D::owner(s, name)))
    }

    fn repositories<'a>(
        &'a self,
        access: &'a Access,
        page: u32,
    ) -> Calling<'a, (Vec<Repository>, bool)> {
        run(self, "repositories", access, move |s| {
            Box::pin(D::page(s, page.max(1)))
        })
    }

    fn identity<'a>(&'a self, access: &'a Access) -> Calling<'a, Identity> {
        run(self, "identity", access, |s| Box::pin(D::identity(s)))
    }
}
