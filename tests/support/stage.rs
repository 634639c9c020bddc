//! A daemon as a process, with a directory and a simulated provider: the common part of all tests
//! of the binary. Each test target adds its own methods.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]

use data_encoding::BASE64;
use hookherd::simulator::{Simulator, SimulatorConfig};
use parking_lot::Mutex;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The built-in user's token, unless a test sets another.
pub(crate) const ADMIN: &str = "hhk_e2e-admin-token-0123456789";
/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
/// Last lines of the log in a failure's message.
const LINES: usize = 15;

/// A master key that is like no other text, by a number.
pub(crate) fn master_key(number: u8) -> String {
    BASE64.encode(blake3::hash(&[number]).as_bytes())
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Head and body, as text.
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// Everything around a daemon: its directory, its address, its provider.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) dir: tempfile::TempDir,
    /// The environment of every process that is started.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) runtime: Runtime,
    pub(crate) client: reqwest::Client,
    /// The answers, with the requests.
    pub(crate) heard: Mutex<Vec<(String, Answer)>>,
    address: String,
}

/// A running daemon, killed when this is dropped.
pub(crate) struct Daemon(pub(crate) Child);

impl Daemon {
    /// SIGTERM, and how the process ends.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = i32::try_from(self.0.id()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("the kernel gives positive numbers");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let simulator = Simulator::start(&SimulatorConfig::default()).unwrap();
        // A port that was free a moment ago: the hook's URL must outlive the daemon.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .user_agent("stage")
            .no_proxy();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let mut stage = Self {
            dir: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
            runtime: runtime.unwrap(),
            client: client.build().unwrap(),
            heard: Mutex::default(),
            address,
            simulator,
        };
        let (url, data_dir) = (stage.url(""), stage.path("data"));
        let api_url = stage.simulator.api_url();
        let gitlab_api_url = stage.simulator.gitlab_api_url();
        for (name, value) in [
            ("WEBHOOK_BASE_URL", url.as_str()),
            ("HOOKHERD_URL", &url),
            ("OAUTH_TOKEN_ENCRYPTION_KEY", &master_key(1)),
            ("HOOKHERD_ADMIN_TOKEN", ADMIN),
            ("HOOKHERD__SERVER__LISTEN", &stage.address.clone()),
            ("HOOKHERD__SERVER__DATA_DIR", data_dir.to_str().unwrap()),
            ("HOOKHERD__PROVIDERS__GITHUB__API_URL", &api_url),
            ("HOOKHERD__PROVIDERS__GITHUB__WRITE_PAUSE", "1ms"),
            ("HOOKHERD__PROVIDERS__GITLAB__API_URL", &gitlab_api_url),
            ("HOOKHERD__PROVIDERS__GITLAB__WRITE_PAUSE", "1ms"),
            ("HOOKHERD__HEALTH__STARTUP_SPREAD", "100ms"),
            ("HOOKHERD__HEALTH__SETTLE_TIME", "1s"),
            ("HOOKHERD__HEALTH__RETRY_INITIAL", "100ms"),
            ("HOOKHERD__HEALTH__RETRY_MAX", "1s"),
            ("HOOKHERD__HEALTH__SLOW_RETRY_INITIAL", "100ms"),
            ("HOOKHERD__HEALTH__SLOW_RETRY_MAX", "1s"),
        ] {
            stage.set(name, value);
        }
        stage
    }

    /// Sets a variable for all processes started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// A path in the directory; the data is in `data`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The binary with these arguments, behind those of another program if there is one.
    pub(crate) fn program(&self, prefix: &[&str], words: &[&str]) -> Command {
        let binary = env!("CARGO_BIN_EXE_hookherd");
        let mut all = prefix.iter().chain([&binary]).chain(words);
        let mut command = Command::new(all.next().expect("the binary is there"));
        command.args(all).env_clear().envs(&self.variables);
        let of_ours = match prefix {
            [] => &["LLVM_PROFILE_FILE"][..],
            [..] => &["LLVM_PROFILE_FILE", "PATH"],
        };
        for name in of_ours {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir(self.dir.path());
        command
    }

    /// Starts the daemon, and does not wait.
    pub(crate) fn spawn(&self, prefix: &[&str], flags: &[&str]) -> Daemon {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let mut command = self.program(prefix, &[&["serve"], flags].concat());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Daemon(command.spawn().unwrap())
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

    /// The status of the daemon's readiness; `None` if it does not answer.
    pub(crate) fn readiness(&self) -> Option<u16> {
        let request = self.request(Method::GET, &self.url("/readyz"));
        self.send(request).map(|answer| answer.status)
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Daemon {
        self.start_with(&[], &[])
    }

    /// The same behind another program, and with flags of `serve`.
    pub(crate) fn start_with(&self, prefix: &[&str], flags: &[&str]) -> Daemon {
        let mut daemon = self.spawn(prefix, flags);
        let is_ready = self.is_ready(&mut daemon);
        assert!(is_ready, "the daemon ended: {}", self.end_of_log());
        daemon
    }

    /// Where all output of the daemon goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.path("log")
    }

    pub(crate) fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Looks again and again until something is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl FnMut() -> bool) {
        self.wait_long(what, PATIENCE, is_so);
    }

    /// The same, for what has to wait for a provider's limits, up to so long.
    #[track_caller]
    pub(crate) fn wait_long(
        &self,
        what: &str,
        patience: Duration,
        mut is_so: impl FnMut() -> bool,
    ) {
        let deadline = Instant::now() + patience;
        while !is_so() {
            let is_late = Instant::now() > deadline;
            assert!(!is_late, "{what} did not come: {}", self.end_of_log());
            std::thread::sleep(PAUSE);
        }
    }

    /// A request to any address.
    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        // Inside of the runtime: already making the request starts its clock.
        let _inside = self.runtime.enter();
        self.client.request(method, url)
    }

    /// Sends a request; `None` when there is no answer.
    pub(crate) fn send(&self, request: RequestBuilder) -> Option<Answer> {
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            let head = format!("{status} {:?}", answer.headers());
            let body = answer.text().await.ok()?;
            let json = serde_json::from_str(&body).unwrap_or(Value::Null);
            let text = format!("{head}\n{body}");
            Some(Answer { status, text, json })
        })
    }

    /// Calls the API with this token: `line` is a method and a path, of which the start may be left
    /// out. `None` when there is no answer.
    pub(crate) fn try_ask(&self, token: &str, line: &str, body: Option<&str>) -> Option<Answer> {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let url = if path.starts_with('/') {
            self.url(path)
        } else {
            self.url(&format!("/api/v2/{path}"))
        };
        let method = method.parse().expect("a method");
        let mut request = self.request(method, &url).bearer_auth(token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        self.send(request)
    }

    /// The same, of a daemon that must be there; the answer is kept among what was heard.
    pub(crate) fn ask(&self, token: &str, line: &str, body: Option<&str>) -> Answer {
        let answer = self.try_ask(token, line, body);
        let answer = answer.unwrap_or_else(|| panic!("{line}: no answer: {}", self.end_of_log()));
        let heard = (line.to_owned(), answer.clone());
        self.heard.lock().push(heard);
        answer
    }

    /// The same, and it must succeed, once the limit of requests lets it.
    #[track_caller]
    pub(crate) fn call(&self, token: &str, line: &str, body: &Value) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        let mut answer = self.ask(token, line, body.as_deref());
        self.wait_until("an end of the limit", || {
            if answer.status == 429 {
                answer = self.ask(token, line, body.as_deref());
            }
            answer.status != 429
        });
        let (text, log) = (&answer.text, || self.end_of_log());
        assert!(answer.status < 300, "{line}: {text}: {}", log());
        answer
    }

    /// Adds a credential for an account of the provider's.
    pub(crate) fn add_credential(&self, token: &str, provider: &str, provider_token: &str) {
        let credential = json!({ "provider": provider, "token": provider_token });
        self.call(token, "POST credentials", &credential);
    }

    /// The connection with this id.
    pub(crate) fn connection(&self, token: &str, id: &str) -> Value {
        let line = format!("GET repositories/connections/{id}");
        self.call(token, &line, &Value::Null).json
    }

    /// Waits until a connection's webhook is in this state.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, token: &str, id: &str, status: &str) {
        self.wait_until(status, || {
            self.connection(token, id)["webhook_status"] == status
        });
    }

    /// The items of a list.
    pub(crate) fn list(&self, token: &str, path: &str) -> Vec<Value> {
        let answer = self.call(token, &format!("GET {path}"), &Value::Null);
        answer.json["items"].as_array().expect("a list").clone()
    }
}
