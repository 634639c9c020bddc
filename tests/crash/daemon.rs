//! The real daemon, `hookherd serve`, with a simulated GitHub that sends it deliveries.

#[path = "../support/stage.rs"]
mod shared;

pub(crate) use shared::{ADMIN, Daemon, Stage};

use hookherd::simulator::RunSpec;
use reqwest::Method;
use serde_json::{Value, json};
use shared::{PATIENCE, PAUSE};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

/// The repository that is connected.
pub(crate) const REPOSITORY: &str = "octo/app";
/// Deliveries asked for in a page.
const PAGE: usize = 100;

impl Daemon {
    /// SIGKILL.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// How a process ends that is to end by itself.
    pub(crate) fn outlive(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it lives on");
            std::thread::sleep(PAUSE);
        }
    }

    /// The process, as the kernel numbers it.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

/// Does a job with a daemon that is killed when it is time. Returns what the job did, and whether
/// it was time before it ended.
pub(crate) fn killed_when<T>(
    daemon: Daemon,
    is_time: impl Fn() -> bool + Sync,
    job: impl FnOnce() -> T,
) -> (T, bool) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (is_time, is_over) = (&is_time, &is_over);
        let killer = scope.spawn(move || {
            while !is_time() {
                if is_over.load(Ordering::Relaxed) {
                    return false;
                }
                std::thread::sleep(PAUSE);
            }
            daemon.kill();
            true
        });
        // A failure must not leave the killer behind, waiting.
        let done = catch_unwind(AssertUnwindSafe(job));
        is_over.store(true, Ordering::Relaxed);
        let is_killed = killer.join().unwrap();
        (done.unwrap_or_else(|cause| resume_unwind(cause)), is_killed)
    })
}

/// Says that it has ended when it is dropped, also when a check fails.
pub(crate) struct Ended<'a>(pub(crate) &'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Stage {
    /// A stage whose data is elsewhere.
    pub(crate) fn at(data_dir: &Path) -> Self {
        let mut stage = Self::new();
        let data_dir = data_dir.to_str().expect("paths of tests are text");
        stage.set("HOOKHERD__SERVER__DATA_DIR", data_dir);
        stage
    }

    /// What time it is there, in seconds since 1970: the date of an answer.
    pub(crate) fn clock(&self) -> u64 {
        let request = self.request(Method::GET, &self.url("/readyz"));
        let answer = self
            .runtime
            .block_on(async { request.send().await.unwrap() });
        let date = answer.headers()["date"].to_str().unwrap();
        let date: actix_web::http::header::HttpDate = date.parse().unwrap();
        let since = SystemTime::from(date).duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap().as_secs()
    }

    /// What the daemon complained of.
    pub(crate) fn errors_in_log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let is_error = |line: &&str| line.contains("ERROR") || line.contains(" WARN");
        log.lines().filter(is_error).map(str::to_owned).collect()
    }

    /// Whether the daemon ever panicked.
    pub(crate) fn assert_no_panic(&self) {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let panic = log.lines().find(|line| line.contains("panicked"));
        assert_eq!(panic, None);
    }

    /// Calls the API as the administrator; `None` when the daemon cannot be reached.
    pub(crate) fn try_call(&self, line: &str, body: &Value) -> Option<(u16, Value)> {
        let answer = self.try_ask(ADMIN, line, Some(&body.to_string()))?;
        Some((answer.status, answer.json))
    }

    /// Reads from the API. Reads may be refused for a moment: while a view that ran out of room is
    /// rebuilt, or because there were too many.
    pub(crate) fn get(&self, path: &str) -> Value {
        let mut answer = None;
        self.wait_until("an answer", || {
            answer = self.try_ask(ADMIN, &format!("GET {path}"), None);
            let status = answer.as_ref().expect("the daemon answers").status;
            status != 503 && status != 429
        });
        let answer = answer.expect("it was waited for");
        assert!(answer.status < 300, "{path}: {answer:?}");
        answer.json
    }

    /// Posts a text in JSON to a URL: the status of the answer.
    pub(crate) fn post(&self, url: &str, headers: &[(&str, &str)], body: String) -> u16 {
        let mut request = self.request(Method::POST, url).body(body);
        for (name, value) in headers
            .iter()
            .chain(&[("content-type", "application/json")])
        {
            request = request.header(*name, *value);
        }
        self.send(request).expect("the daemon answers").status
    }

    /// Adds the credential and connects the repository, until its hook is there.
    pub(crate) fn connect(&self) {
        let github = self.simulator.github();
        let provider_token = github.add_user("octo");
        github.add_repository(REPOSITORY, "octo");
        self.connect_as(ADMIN, &provider_token);
    }

    /// Connects the repository for the owner of this API token.
    pub(crate) fn connect_as(&self, token: &str, provider_token: &str) {
        let github = self.simulator.github();
        let before = github.hooks(REPOSITORY).len();
        self.add_credential(token, "github", provider_token);
        let connection = json!({ "repository_full_name": REPOSITORY });
        self.call(token, "POST repositories/connect", &connection);
        self.wait_until("the hook", || github.hooks(REPOSITORY).len() > before);
    }

    /// Runs fail at the provider: three deliveries each.
    pub(crate) fn play_failures(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let spec = RunSpec::new(number, "failure");
            self.simulator.github().play_run(REPOSITORY, &spec);
        }
    }

    /// The ids of the deliveries that the daemon answered with success.
    pub(crate) fn acknowledged(&self) -> Vec<String> {
        let all = self.simulator.github().deliveries(REPOSITORY);
        let answered = all
            .into_iter()
            .filter(|d| d.status.is_some_and(|s| s < 300));
        answered.map(|d| d.guid).collect()
    }

    /// All deliveries that the daemon has.
    pub(crate) fn stored(&self) -> Vec<Value> {
        self.stored_until(|_| false)
    }

    /// The deliveries that the daemon has, newest first, up to the first page whose ids are known.
    pub(crate) fn stored_until(&self, is_known: impl Fn(&str) -> bool) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        let mut path = format!("deliveries?limit={PAGE}");
        loop {
            let mut page = self.get(&path);
            let items = page["items"].as_array_mut().expect("a list");
            items.retain(|item| !item["id"].as_str().is_some_and(&is_known));
            // What arrived before a known one may have been stored after it.
            let is_last = items.is_empty();
            all.append(items);
            match page["next_cursor"].as_str() {
                Some(cursor) if !is_last => {
                    path = format!("deliveries?limit={PAGE}&cursor={cursor}");
                }
                Some(_) | None => return all,
            }
        }
    }
}
