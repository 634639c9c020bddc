//! Making a call of a provider's interface: repeating briefly what may be repeated, and reporting
//! each operation to whoever counts them.

use super::ProviderError;
use super::http::{Answer, Http, NoAnswer, Request};
use backoff::backoff::Backoff as _;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Most tries of one request within a call. Lasting failure is the caller's to wait out.
const TRIES_MAX: u32 = 3;
/// Longest wait between two tries within a call.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);

/// What providers are asked, by the names that metrics have for it.
pub const OPERATIONS: [&str; 15] = [
    "ensure",
    "check",
    "repair",
    "ping",
    "delete",
    "repository",
    "owner",
    "repositories",
    "identity",
    "installation",
    "installation_token",
    "oauth_exchange",
    "oauth_refresh",
    "oauth_device",
    "oauth_device_poll",
];

/// Is told of every finished operation, for metrics.
pub trait CallObserver: Send + Sync + 'static {
    /// `operation` is the method's name in [`super::Hooks`], `outcome` is `ok` or the error's code.
    fn call_finished(&self, operation: &'static str, outcome: &'static str, took: Duration);
    /// So many calls are left to a token until its window ends. `token` is a number that stands
    /// for it here and tells nothing about it.
    fn quota_left(&self, _token: u64, _remaining: u64, _ends_in: Duration) {}
}

/// Whoever does not count.
#[derive(Clone, Copy, Debug)]
pub struct NobodyObserves;

impl CallObserver for NobodyObserves {
    fn call_finished(&self, _: &'static str, _: &'static str, _: Duration) {}
}

/// The client of an installation, with manners.
pub(super) struct Caller {
    pub(super) http: Http,
    retry_wait: Duration,
    pub(super) observer: Arc<dyn CallObserver>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.http.fmt(f)
    }
}

impl Caller {
    pub(super) fn new(http: Http, retry_wait: Duration, observer: Arc<dyn CallObserver>) -> Self {
        Self {
            http,
            retry_wait,
            observer,
        }
    }

    /// Runs an operation and reports how it ended.
    pub(super) async fn observed<T>(
        &self,
        operation: &'static str,
        steps: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let began = Instant::now();
        let outcome = steps.await;
        let name = outcome
            .as_ref()
            .err()
            .map_or("ok", |error| error.code.as_str());
        self.observer
            .call_finished(operation, name, began.elapsed());
        outcome
    }

    /// Sends a request, and again (up to three times) when nothing came back, the server failed,
    /// and either the request may be repeated or it never left. `acted` is set once a write may
    /// have been carried out.
    pub(super) async fn send<'r>(
        &self,
        request: impl Fn() -> Request<'r> + Send + Sync,
        is_repeatable: bool,
        acted: &mut bool,
    ) -> Result<Answer, NoAnswer> {
        let mut waits = backoff::ExponentialBackoffBuilder::new()
            .with_initial_interval(self.retry_wait)
            .with_max_interval(RETRY_WAIT_MAX)
            .with_max_elapsed_time(None)
            .build();
        let mut tries = 1;
        loop {
            let request = request();
            let writes = request.writes();
            let outcome = self.http.send(request).await;
            let never_left = matches!(
                outcome,
                Err(NoAnswer::Unreached(_) | NoAnswer::Away(_) | NoAnswer::BadRedirect)
            );
            // An answer below 500 says what was done: a refusal did nothing.
            let was_refused = outcome
                .as_ref()
                .is_ok_and(|answer| (300..500).contains(&answer.status.as_u16()));
            *acted |= writes && !never_left && !was_refused;
            let failed = match &outcome {
                Ok(answer) => answer.status.is_server_error(),
                Err(NoAnswer::Unreached(why)) => why.may_pass(),
                Err(NoAnswer::Cut) => true,
                // A provider that is slow is not asked more, and whoever waits waited enough.
                Err(
                    NoAnswer::TimedOut
                    | NoAnswer::Away(_)
                    | NoAnswer::TooLong
                    | NoAnswer::BadRedirect,
                ) => false,
            };
            // A server that says when to come again is not asked before.
            let was_told = outcome
                .as_ref()
                .is_ok_and(|answer| answer.header("retry-after").is_some());
            let may_repeat = (is_repeatable || never_left) && !was_told;
            if !failed || !may_repeat || tries == TRIES_MAX {
                return outcome;
            }
            tries += 1;
            let wait = waits.next_backoff().unwrap_or(RETRY_WAIT_MAX);
            tokio::time::sleep(wait).await;
        }
    }
}
