//! The daemon as a process, and its interface as a program would use it.

use crate::tools;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time for the daemon to start, and for what it was told to become visible.
const TIME_MAX: Duration = Duration::from_mins(1);
/// The built-in user's token.
pub(crate) const TOKEN: &str = "interop-admin-token-of-forty-characters-x";
/// base64 of 32 bytes.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A running daemon. Dropping it ends the process.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    url: String,
    client: reqwest::Client,
    _data: tempfile::TempDir,
}

impl Daemon {
    /// Starts a daemon on an empty directory whose GitHub is at `api_url`, and stores a credential.
    pub(crate) async fn start(name: &str, api_url: &str, provider_token: &str) -> Self {
        Self::start_with(name, api_url, provider_token, &[]).await
    }

    /// The same with more environment variables.
    pub(crate) async fn start_with(
        name: &str,
        api_url: &str,
        provider_token: &str,
        more: &[(&str, &str)],
    ) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let listen = format!("127.0.0.1:{}", tools::free_port());
        let url = format!("http://{listen}");
        let log = tools::out_dir().join(format!("{name}.log"));
        let output = File::create(&log).expect("target is writable");
        let errors = output.try_clone().expect("the handle can be copied");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args([env!("CARGO_BIN_EXE_hookherd"), "serve"])
            .current_dir(data.path())
            .env("HOOKHERD__SERVER__LISTEN", &listen)
            .env("HOOKHERD__SERVER__DATA_DIR", data.path().join("data"))
            .env("HOOKHERD__PROVIDERS__GITHUB__API_URL", api_url)
            .env("HOOKHERD__PROVIDERS__GITHUB__WRITE_PAUSE", "1ms")
            .env("WEBHOOK_BASE_URL", &url)
            .env("OAUTH_TOKEN_ENCRYPTION_KEY", KEY)
            .env("HOOKHERD_ADMIN_TOKEN", TOKEN)
            .env("NO_COLOR", "1")
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .expect("setpriv of util-linux is installed");
        let mut daemon = Self {
            child,
            log,
            url,
            client: crate::client::plain(),
            _data: data,
        };
        daemon.wait_until_ready().await;
        let credential = json!({"provider": "github", "token": provider_token, "host": null});
        let (status, answer) = daemon
            .ask(Method::POST, "/api/v2/credentials", Some(&credential))
            .await;
        assert_eq!(status, 201, "{answer}");
        daemon
    }

    /// Where its interface is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + TIME_MAX;
        loop {
            let ready = self.client.get(format!("{}/readyz", self.url)).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            self.assert_alive();
            assert!(Instant::now() < deadline, "not ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All that it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log was made at the start")
    }

    /// Fails unless the process runs and no part of it ever panicked.
    pub(crate) fn assert_alive(&mut self) {
        let exit = self.child.try_wait().expect("the child is ours");
        let log = self.log();
        assert!(exit.is_none(), "ended with {exit:?}:\n{log}");
        assert!(!log.contains("panicked"), "{log}");
    }

    /// Asks the interface; the status and the JSON of the answer.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = format!("{}{path}", self.url);
        let mut ask = self.client.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            ask = ask.header("content-type", "application/json");
            ask = ask.body(body.to_string());
        }
        let answer = ask.send().await.expect("the daemon answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a text");
        let json = serde_json::from_str(&text);
        (status, json.unwrap_or(Value::String(text)))
    }

    /// Asks, and fails unless the answer is a success.
    pub(crate) async fn must(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.ask(method.clone(), path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// Connects a repository and answers the connection.
    pub(crate) async fn connect(&self, full_name: &str) -> Value {
        let wanted = json!({
            "provider": "github", "repository_full_name": full_name, "setup_webhook": true,
            "webhook_events": ["workflow_run", "pull_request", "push"], "credential_id": null,
        });
        let path = "/api/v2/repositories/connect";
        self.must(Method::POST, path, Some(&wanted)).await
    }

    /// Asks for `path` again until `is_so` finds what it looks for in the answer.
    pub(crate) async fn wait_for<T>(
        &self,
        path: &str,
        what: &str,
        is_so: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + TIME_MAX;
        loop {
            let answer = self.must(Method::GET, path, None).await;
            if let Some(found) = is_so(&answer) {
                return found;
            }
            let log = self.log();
            assert!(Instant::now() < deadline, "no {what}: {answer}\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Delivers as GitHub would; the status and the `status` field of the answer.
    pub(crate) async fn deliver(
        &self,
        url: &str,
        event: &str,
        id: &str,
        signature: &str,
        body: Vec<u8>,
    ) -> (u16, Value) {
        let ask = self.client.post(url);
        let ask = ask.header("content-type", "application/json");
        let ask = ask.header("x-github-event", event);
        let ask = ask.header("x-github-delivery", id);
        let ask = ask.header("x-hub-signature-256", signature);
        let answer = ask.body(body).send().await.expect("the daemon answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a text");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
