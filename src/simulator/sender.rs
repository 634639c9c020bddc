//! Deliveries on their way: real requests with real signatures.

use super::Shared;
use super::faults::Miscarriage;
use super::state::Job;
use crate::domain::secret::HookSecret;
use crate::provider::signature::github_sign;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Deliveries under way at a time.
const AT_ONCE_MAX: usize = 32;
/// Bytes of an answer that the log keeps.
const ANSWER_BYTES_MAX: usize = 2000;

pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Option<Runtime>,
    under_way: Arc<AtomicUsize>,
    at_once: Arc<Semaphore>,
}

impl Sender {
    pub(super) fn new(timeout: Duration) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("GitHub-Hookshot/51e1d3a")
            .build()
            .map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("deliveries")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let (under_way, at_once) = (Arc::default(), Arc::new(Semaphore::new(AT_ONCE_MAX)));
        Ok(Self {
            client,
            runtime: Some(runtime),
            under_way,
            at_once,
        })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) > 0
    }

    /// Sends deliveries, and notes what comes of them.
    pub(super) fn send(&self, shared: &Arc<Shared>, jobs: Vec<Job>) {
        let Some(runtime) = &self.runtime else { return };
        for job in jobs {
            let miscarriage = shared.faults.take_delivery();
            let times = match miscarriage {
                Some(Miscarriage::Lost) => 0,
                Some(Miscarriage::Twice) => 2,
                Some(Miscarriage::WrongSecret | Miscarriage::ShaOneOnly) | None => 1,
            };
            for _ in 0..times {
                let (shared, client) = (Arc::clone(shared), self.client.clone());
                let (at_once, job) = (Arc::clone(&self.at_once), job.clone());
                let under_way = Arc::clone(&self.under_way);
                under_way.fetch_add(1, Ordering::SeqCst);
                runtime.spawn(async move {
                    let _turn = at_once.acquire().await;
                    let (status, answer) = post(&client, &job, miscarriage).await;
                    shared.state().note(job.attempt, status, answer);
                    under_way.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn post(
    client: &reqwest::Client,
    job: &Job,
    miscarriage: Option<Miscarriage>,
) -> (Option<u16>, String) {
    let json = job.body.to_string();
    let is_form = job.hook.content_type == "form";
    let body = if is_form {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &json).finish()
    } else {
        json
    };
    let kind = if is_form {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    };
    let mut request = client
        .post(&job.hook.url)
        .header("accept", "*/*")
        .header("content-type", kind)
        .header("x-github-event", &job.event)
        .header("x-github-delivery", &job.guid)
        .header("x-github-hook-id", job.hook.id)
        .header("x-github-hook-installation-target-id", job.repository)
        .header("x-github-hook-installation-target-type", "repository");
    let wrong = "another secret that nobody has given to anybody";
    let secret = match miscarriage {
        Some(Miscarriage::WrongSecret) => Some(wrong.to_owned()),
        Some(Miscarriage::Twice | Miscarriage::Lost | Miscarriage::ShaOneOnly) | None => {
            job.hook.secret.clone()
        }
    };
    if let Some(secret) = secret.and_then(|secret| HookSecret::new(secret).ok()) {
        // The old signature is never looked at by us; its value is of no account.
        request = request.header("x-hub-signature", format!("sha1={}", "0".repeat(40)));
        if miscarriage != Some(Miscarriage::ShaOneOnly) {
            let signature = github_sign(&secret, body.as_bytes());
            request = request.header("x-hub-signature-256", signature);
        }
    }
    match request.body(body).send().await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            let mut text = answer.text().await.unwrap_or_default();
            text.truncate(text.floor_char_boundary(ANSWER_BYTES_MAX));
            (Some(status), text)
        }
        Err(_) => (None, String::new()),
    }
}
