//! A daemon as a process, with a directory, a provider, and everything that was heard of it.

use data_encoding::BASE64;
use hookherd::provider::signature::github_sign;
use hookherd::simulator::{Simulator, SimulatorConfig};
use reqwest::Method;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The repository that most stories are about.
pub(crate) const REPOSITORY: &str = "octo/app";
/// The built-in user's token, unless a story sets another.
pub(crate) const ADMIN: &str = "hhk_e2e-admin-token-0123456789";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// A master key that is like no other text, by a number.
pub(crate) fn master_key(number: u8) -> String {
    BASE64.encode(blake3::hash(&[number]).as_bytes())
}

/// An answer of the daemon, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Head and body, as text.
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// The value of a field that must be there, as text.
    pub(crate) fn field(&self, name: &str) -> String {
        let value = self.json[name].as_str();
        value
            .unwrap_or_else(|| panic!("{name} in {self:?}"))
            .to_owned()
    }

    /// What stands between this, which ends in a quotation mark, and the next one.
    pub(crate) fn quoted_after(&self, mark: &str) -> Option<String> {
        let (_, rest) = self.text.split_once(mark)?;
        rest.split('"').next().map(str::to_owned)
    }
}

/// Everything around a daemon.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    /// The environment of every process that is started.
    variables: BTreeMap<String, String>,
    address: String,
    dir: tempfile::TempDir,
    runtime: Runtime,
    client: reqwest::Client,
    /// What was answered, with what was asked.
    heard: RefCell<Vec<(String, Answer)>>,
}

/// A running daemon, killed when this is dropped.
pub(crate) struct Daemon(Child);

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
        let dir = tempfile::tempdir().unwrap();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .user_agent("e2e")
            .no_proxy();
        let mut stage = Self {
            simulator,
            variables: BTreeMap::new(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            client: client.build().unwrap(),
            heard: RefCell::default(),
            address,
            dir,
        };
        let (url, data_dir) = (stage.url(""), stage.data_dir());
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

    /// Takes a variable away.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A path outside of the data directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookherd"));
        command.args(words).env_clear().envs(&self.variables);
        // Where coverage is measured, over what is started here, too.
        if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
            command.env("LLVM_PROFILE_FILE", profile);
        }
        command.current_dir(self.dir.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.run_with(words, "")
    }

    /// Runs a command to its end, with this on its standard input.
    pub(crate) fn run_with(&self, words: &[&str], input: &str) -> Output {
        let mut command = self.command(words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may have closed it.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        let heard = Answer {
            status: 0,
            text: format!("{said}{complained}"),
            json: Value::Null,
        };
        self.heard.borrow_mut().push((words.join(" "), heard));
        output
    }

    /// Starts the daemon, and does not wait.
    fn spawn_with(&self, flags: &[&str]) -> Daemon {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let mut command = self.command(&["serve"]);
        command.args(flags);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Daemon(command.spawn().unwrap())
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// The same, with flags of `serve`.
    pub(crate) fn start_with(&self, flags: &[&str]) -> Daemon {
        let mut daemon = self.spawn_with(flags);
        self.wait_until("the daemon to be ready", || {
            assert!(
                daemon.0.try_wait().unwrap().is_none(),
                "{}",
                self.end_of_log()
            );
            self.try_ask(Method::GET, "/readyz", None, None)
                .is_some_and(|a| a.status == 200)
        });
        daemon
    }

    /// Where all output of the daemon goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub(crate) fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
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

    fn send(&self, request: reqwest::RequestBuilder) -> Option<Answer> {
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

    fn try_ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> Option<Answer> {
        // Inside of the runtime: already making the request starts its clock.
        let _inside = self.runtime.enter();
        let mut request = self.client.request(method, self.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        self.send(request)
    }

    /// Asks as whoever has this token; the answer is kept among what was heard.
    pub(crate) fn ask(&self, token: &str, line: &str, body: Option<&str>) -> Answer {
        let answer = self.ask_in_secret(token, line, body);
        self.heard
            .borrow_mut()
            .push((line.to_owned(), answer.clone()));
        answer
    }

    /// Asks for what is shown once: a token of the caller's.
    pub(crate) fn ask_in_secret(&self, token: &str, line: &str, body: Option<&str>) -> Answer {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let method = method.parse().expect("a method");
        let answer = self.try_ask(method, path, Some(token), body);
        answer.unwrap_or_else(|| panic!("{line}: no answer: {}", self.end_of_log()))
    }

    /// Asks, and holds that it worked.
    pub(crate) fn call(&self, token: &str, line: &str, body: &Value) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        let answer = self.ask(token, line, body.as_deref());
        assert!(
            answer.status < 300,
            "{line}: {answer:?}: {}",
            self.end_of_log()
        );
        answer
    }

    /// A request to somebody else, such as the provider: the status of the answer.
    pub(crate) fn post_elsewhere(&self, url: &str, token: &str, body: &Value) -> u16 {
        let _inside = self.runtime.enter();
        let request = self.client.post(url).bearer_auth(token).json(body);
        self.send(request).expect("an answer").status
    }

    /// What is found at a URL that is not the daemon's own.
    pub(crate) fn get_elsewhere(&self, url: &str) -> Answer {
        let _inside = self.runtime.enter();
        self.send(self.client.get(url)).expect("an answer")
    }

    /// A browser with this cookie looks at a page, and does not follow where it leads.
    pub(crate) fn browse_in_secret(&self, url: &str, cookie: &str) -> Answer {
        let browser = reqwest::Client::builder()
            .timeout(PATIENCE)
            .user_agent("browser")
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let browser = browser.build().unwrap();
        let _inside = self.runtime.enter();
        let request = browser.get(url).header("cookie", cookie);
        self.send(request).expect("an answer")
    }

    /// Keeps an answer among what was heard.
    pub(crate) fn hear(&self, asked: &str, answer: &Answer) {
        let heard = (asked.to_owned(), answer.clone());
        self.heard.borrow_mut().push(heard);
    }

    /// A delivery to a hook, with these headers besides the usual ones.
    pub(crate) fn deliver(
        &self,
        url: &str,
        secret: &str,
        id: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let body = json!({ "after": id }).to_string();
        let secret = hookherd::domain::secret::HookSecret::new(secret.to_owned()).unwrap();
        let signature = github_sign(&secret, body.as_bytes());
        let _inside = self.runtime.enter();
        let mut request = self.client.post(url).body(body);
        for (name, value) in more.iter().copied().chain([
            ("content-type", "application/json"),
            ("x-github-event", "push"),
            ("x-github-delivery", id),
            ("x-hub-signature-256", signature.as_str()),
        ]) {
            request = request.header(name, value);
        }
        let answer = self.send(request).expect("an answer");
        self.heard
            .borrow_mut()
            .push((url.to_owned(), answer.clone()));
        answer
    }

    /// A new user of the daemon, by name: the API token.
    pub(crate) fn add_user(&self, name: &str) -> String {
        let body = json!({ "name": name }).to_string();
        let answer = self.ask_in_secret(ADMIN, "POST /api/v2/users", Some(&body));
        answer.field("token")
    }

    /// A new user of a daemon that runs, and GitHub's `octo`, who has the repository: the tokens.
    pub(crate) fn ann_and_octo(&self) -> (String, String) {
        let (ann, github) = (self.add_user("ann"), self.simulator.github());
        let token = github.add_user("octo");
        github.add_repository(REPOSITORY, "octo");
        (ann, token)
    }

    /// Adds a credential for an account of the provider's.
    pub(crate) fn add_credential(&self, token: &str, provider: &str, provider_token: &str) {
        let credential = json!({ "provider": provider, "token": provider_token });
        self.call(token, "POST /api/v2/credentials", &credential);
    }

    /// Adds a credential for an account of GitHub's, and connects a repository: its id.
    pub(crate) fn connect(&self, token: &str, provider_token: &str, repository: &str) -> String {
        self.add_credential(token, "github", provider_token);
        let wish = json!({ "repository_full_name": repository });
        let answer = self.call(token, "POST /api/v2/repositories/connect", &wish);
        answer.field("id")
    }

    /// The connection with this id.
    pub(crate) fn connection(&self, token: &str, id: &str) -> Value {
        let line = format!("GET /api/v2/repositories/connections/{id}");
        self.call(token, &line, &Value::Null).json
    }

    /// Waits until a connection's webhook is in this state.
    pub(crate) fn wait_for_status(&self, token: &str, id: &str, status: &str) {
        self.wait_until(status, || {
            self.connection(token, id)["webhook_status"] == status
        });
    }

    /// The items of a list.
    pub(crate) fn list(&self, token: &str, path: &str) -> Vec<Value> {
        let answer = self.call(token, &format!("GET /api/v2/{path}"), &Value::Null);
        answer.json["items"].as_array().expect("a list").clone()
    }

    /// Everything that was answered or printed so far.
    pub(crate) fn heard(&self) -> Vec<(String, Answer)> {
        self.heard.borrow().clone()
    }
}

/// All files below a directory, with what is in them.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    found
}
