//! The real daemon, `hookherd serve`, with a simulated GitHub that sends it deliveries.

use hookherd::simulator::{RunSpec, Simulator, SimulatorConfig};
use reqwest::Method;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Runtime;

/// The repository that is connected.
pub(crate) const REPOSITORY: &str = "octo/app";
/// The daemon's client at GitLab: its id, and its secret.
pub(crate) const OAUTH_CLIENT: (&str, &str) = ("crash-client", "crash-client-secret");
/// How long the daemon may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// Deliveries asked for in a page.
const PAGE: usize = 100;

pub(crate) fn token() -> String {
    format!("hhk_{}", "5".repeat(64))
}

/// Everything around a daemon that may die: its directory, its address, its provider.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    data_dir: PathBuf,
    log: PathBuf,
    address: String,
    runtime: Runtime,
    client: reqwest::Client,
    _dir: tempfile::TempDir,
}

/// A running daemon, killed when this is dropped.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.end();
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

    /// SIGTERM, and how the process ends.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = i32::try_from(self.pid()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("the kernel gives positive numbers");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap()
    }

    fn end(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }

    /// The process, as the kernel numbers it.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
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

impl Stage {
    /// A provider, and a directory for the daemon: `data_dir`, or one of its own.
    pub(crate) fn new(data_dir: Option<&Path>) -> Self {
        let simulator = Simulator::start(&SimulatorConfig::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        // A port that was free a moment ago: the hook's URL must outlive the daemon.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
        Self {
            simulator,
            data_dir: data_dir.map_or_else(|| dir.path().join("data"), Path::to_owned),
            log: dir.path().join("log"),
            address,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            client: client.build().unwrap(),
            _dir: dir,
        }
    }

    /// Starts the daemon, as the last arguments of `prefix` when there is one, and waits until
    /// it is ready.
    pub(crate) fn start(&self, prefix: &[&str]) -> Daemon {
        let mut daemon = self.spawn(prefix);
        let is_ready = self.is_ready(&mut daemon);
        assert!(is_ready, "the daemon ended: {}", self.end_of_log());
        daemon
    }

    /// Waits until the daemon is ready (`true`), or has ended (`false`).
    pub(crate) fn is_ready(&self, daemon: &mut Daemon) -> bool {
        let mut has_ended = false;
        self.wait_until("the daemon to be ready", || {
            has_ended = daemon.0.try_wait().unwrap().is_some();
            has_ended || self.readiness() == Some(200)
        });
        !has_ended
    }

    /// What the daemon says of its readiness; `None` when it says nothing.
    pub(crate) fn readiness(&self) -> Option<u16> {
        let url = format!("http://{}/readyz", self.address);
        // Inside of the runtime: already making the request starts its clock.
        let asked = async { self.client.get(&url).send().await };
        let answer = self.runtime.block_on(asked).ok()?;
        Some(answer.status().as_u16())
    }

    /// What time it is there, in seconds since 1970: the date of an answer.
    pub(crate) fn clock(&self) -> u64 {
        let url = format!("http://{}/readyz", self.address);
        let asked = async { self.client.get(&url).send().await };
        let answer = self.runtime.block_on(asked).unwrap();
        let date = answer.headers()["date"].to_str().unwrap();
        let date: actix_web::http::header::HttpDate = date.parse().unwrap();
        let since = SystemTime::from(date).duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap().as_secs()
    }

    /// Starts the daemon, and does not wait.
    pub(crate) fn spawn(&self, prefix: &[&str]) -> Daemon {
        let binary = env!("CARGO_BIN_EXE_hookherd");
        let mut words = prefix.iter().copied().chain([binary, "serve"]);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let child = Command::new(words.next().expect("there is always the binary"))
            .args(words)
            .env("WEBHOOK_BASE_URL", format!("http://{}", self.address))
            .env("OAUTH_TOKEN_ENCRYPTION_KEY", format!("{}=", "A".repeat(43)))
            .env("HOOKHERD_ADMIN_TOKEN", token())
            .env("HOOKHERD__SERVER__LISTEN", &self.address)
            .env("HOOKHERD__SERVER__DATA_DIR", &self.data_dir)
            .env(
                "HOOKHERD__PROVIDERS__GITHUB__API_URL",
                self.simulator.api_url(),
            )
            .env("HOOKHERD__PROVIDERS__GITHUB__WRITE_PAUSE", "1ms")
            .env(
                "HOOKHERD__PROVIDERS__GITLAB__API_URL",
                self.simulator.gitlab_api_url(),
            )
            .env("HOOKHERD__PROVIDERS__GITLAB__WRITE_PAUSE", "1ms")
            .env("GITLAB_OAUTH_CLIENT_ID", OAUTH_CLIENT.0)
            .env("GITLAB_OAUTH_CLIENT_SECRET", OAUTH_CLIENT.1)
            .env("HOOKHERD__HEALTH__STARTUP_SPREAD", "100ms")
            .env("HOOKHERD__HEALTH__SETTLE_TIME", "1s")
            .env("HOOKHERD__HEALTH__RETRY_INITIAL", "100ms")
            .env("HOOKHERD__HEALTH__RETRY_MAX", "1s")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Daemon(child)
    }

    pub(crate) fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// What the daemon complained of.
    pub(crate) fn errors_in_log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let is_error = |line: &&str| line.contains("ERROR") || line.contains(" WARN");
        log.lines().filter(is_error).map(str::to_owned).collect()
    }

    /// Whether the daemon ever panicked.
    pub(crate) fn assert_no_panic(&self) {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let panic = log.lines().find(|line| line.contains("panicked"));
        assert_eq!(panic, None);
    }

    /// Looks again and again until something is so.
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let is_late = Instant::now() > deadline;
            assert!(!is_late, "waited in vain for {what}: {}", self.end_of_log());
            std::thread::sleep(PAUSE);
        }
    }

    /// Calls the API; `None` when the daemon cannot be reached.
    pub(crate) fn try_call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        self.try_call_as(&token(), method, path, body)
    }

    /// Calls the API of a daemon that must be there, with this token.
    pub(crate) fn call_as(&self, token: &str, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.try_call_as(token, method, path, body);
        self.expect_success(path, answer.expect("the daemon answers"))
    }

    /// The same for the owner of an API token.
    pub(crate) fn try_call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let url = format!("http://{}/api/v2/{path}", self.address);
        let call = async {
            let request = self.client.request(method, url);
            let request = request.bearer_auth(token).json(body);
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.json().await.unwrap_or(Value::Null)))
        };
        self.runtime.block_on(call)
    }

    /// Calls the API of a daemon that must be there.
    pub(crate) fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.try_call(method, path, body);
        self.expect_success(path, answer.expect("the daemon answers"))
    }

    /// Reads from the API. Reads may be refused for a moment, while a view that ran out of room is
    /// made anew.
    pub(crate) fn get(&self, path: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.try_call(Method::GET, path, &Value::Null);
            let (status, answer) = answer.expect("the daemon answers");
            if status != 503 || Instant::now() > deadline {
                return self.expect_success(path, (status, answer));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Posts a text in JSON to a URL: the status of the answer.
    pub(crate) fn post(&self, url: &str, headers: &[(&str, &str)], body: String) -> u16 {
        let call = async {
            let mut request = self.client.post(url).body(body);
            request = request.header("content-type", "application/json");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.send().await.unwrap().status().as_u16()
        };
        self.runtime.block_on(call)
    }

    fn expect_success(&self, path: &str, (status, answer): (u16, Value)) -> Value {
        let log = || self.end_of_log();
        assert!(status < 300, "{path}: {status} {answer}: {}", log());
        answer
    }

    /// Adds the credential and connects the repository, until its hook is there.
    pub(crate) fn connect(&self) {
        let github = self.simulator.github();
        let provider_token = github.add_user("octo");
        github.add_repository(REPOSITORY, "octo");
        self.connect_as(&token(), &provider_token);
    }

    /// Connects the repository for whoever this API token is of.
    pub(crate) fn connect_as(&self, token: &str, provider_token: &str) {
        let github = self.simulator.github();
        let before = github.hooks(REPOSITORY).len();
        let credential = json!({ "provider": "github", "token": provider_token });
        self.call_as(token, Method::POST, "credentials", &credential);
        let connection = json!({ "repository_full_name": REPOSITORY });
        self.call_as(token, Method::POST, "repositories/connect", &connection);
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

    /// The deliveries that the daemon has, newest first, up to the page with one whose id is known.
    pub(crate) fn stored_until(&self, is_known: impl Fn(&str) -> bool) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        let mut path = format!("deliveries?limit={PAGE}");
        loop {
            let mut page = self.get(&path);
            let items = page["items"].as_array_mut().expect("a list");
            let had = items.len();
            items.retain(|item| !item["id"].as_str().is_some_and(&is_known));
            let is_last = items.len() < had;
            all.append(items);
            match page["next_cursor"].as_str() {
                Some(cursor) if !is_last => {
                    path = format!("deliveries?limit={PAGE}&cursor={cursor}");
                }
                Some(_) | None => return all,
            }
        }
    }

    /// The list at a path of the API.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let answer = self.get(path);
        answer["items"].as_array().expect("a list").clone()
    }
}
