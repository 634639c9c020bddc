//! Operations of a provider: short retries of what may be repeated, and a count of each operation.

use super::http::{Answer, Http, NoAnswer, Request};
use super::outbound::ProviderError;
use super::quota::Quota;
use crate::domain::backoff::Backoff;
use crate::domain::repo::{Instance, ProviderKind};
use crate::telemetry::metric;
use metrics::{counter, histogram};
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Most tries of one request within a call. The caller handles lasting failures.
const TRIES_MAX: u32 = 3;
/// Longest wait between two tries within a call.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);

/// The operations, by their names in metrics.
pub const OPERATIONS: [&str; 24] = [
    "ensure",
    "check",
    "repair",
    "ping",
    "delete",
    "hooks",
    "delivery_log",
    "logged_payload",
    "redeliver",
    "runs_since",
    "latest_runs",
    "read_runs",
    "run",
    "explain",
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

/// Counts a finished operation. `outcome` is `ok` or the code of its error.
pub(super) fn count(
    provider: ProviderKind,
    operation: &'static str,
    outcome: &'static str,
    took: Duration,
) {
    let provider = provider.as_str();
    let labels = [("provider", provider), ("operation", operation)];
    histogram!(metric::CALL_TIME, &labels).record(took);
    let labels = [labels[0], labels[1], ("outcome", outcome)];
    counter!(metric::CALLS, &labels).increment(1);
}

/// The client of an installation, with retries.
pub(super) struct Caller {
    pub(super) http: Http,
    retry_wait: Duration,
    provider: ProviderKind,
    pub(super) quota: Quota,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.http.fmt(f)
    }
}

impl Caller {
    pub(super) fn new(http: Http, retry_wait: Duration, instance: &Instance) -> Self {
        Self {
            http,
            retry_wait,
            provider: instance.provider,
            quota: Quota::new(instance),
        }
    }

    /// Runs an operation and counts its outcome.
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
        count(self.provider, operation, name, began.elapsed());
        outcome
    }

    /// Sends a request, up to three times if there was no answer or the server failed, and if the
    /// request may be repeated or was not sent. `acted` is set once a write may have been carried
    /// out.
    pub(super) async fn send<'r>(
        &self,
        request: impl Fn() -> Request<'r> + Send + Sync,
        is_repeatable: bool,
        acted: &mut bool,
    ) -> Result<Answer, NoAnswer> {
        let waits = Backoff {
            initial: self.retry_wait,
            cap: RETRY_WAIT_MAX,
        };
        let mut tries = 1;
        loop {
            let request = request();
            let tries_max = if request.is_probe { 1 } else { TRIES_MAX };
            let writes = request.writes();
            let outcome = self.http.send(request).await;
            let never_left = matches!(
                outcome,
                Err(NoAnswer::Unreached(_) | NoAnswer::Away(_) | NoAnswer::BadRedirect)
            );
            // An answer below 500 is definite: a refusal did nothing.
            let was_refused = outcome
                .as_ref()
                .is_ok_and(|answer| (300..500).contains(&answer.status.as_u16()));
            *acted |= writes && !never_left && !was_refused;
            let failed = match &outcome {
                Ok(answer) => answer.status.is_server_error(),
                Err(NoAnswer::Unreached(why)) => why.may_pass(),
                Err(NoAnswer::Cut) => true,
                // A slow provider gets no retries: the caller has waited long enough.
                Err(
                    NoAnswer::TimedOut
                    | NoAnswer::Away(_)
                    | NoAnswer::TooLong
                    | NoAnswer::BadRedirect,
                ) => false,
            };
            // A server that names a wait is not called before.
            let names_wait = outcome
                .as_ref()
                .is_ok_and(|answer| answer.header("retry-after").is_some());
            let may_repeat = (is_repeatable || never_left) && !names_wait;
            if !failed || !may_repeat || tries == tries_max {
                return outcome;
            }
            tokio::time::sleep(waits.wait(tries, self.http.chance())).await;
            tries += 1;
        }
    }
}
