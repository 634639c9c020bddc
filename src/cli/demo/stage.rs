//! The demo's stage: a simulated GitHub and GitLab, and a daemon, on loopback, in a temporary
//! directory.

use super::sink::Sink;
use crate::app::{App, new_master_key};
use crate::cli::failed::{CommandResult, Failed};
use crate::cli::output::Printer;
use crate::config::Config;
use crate::simulator::{GithubHandle, Simulator, SimulatorConfig};
use reqwest::Method;
use serde_json::Value;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Longest time that any step of the demo may take.
const STEP_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The demo's admin token; it opens nothing but the demo.
const ADMIN_TOKEN: &str = "hhk_demo_admin_token_that_opens_nothing_else";

/// Fails with these words unless it is so.
pub(super) fn ensure(is_so: bool, what: &str) -> CommandResult {
    is_so.then_some(()).ok_or_else(|| Failed::new(what))
}

pub(super) struct Stage {
    pub(super) url: String,
    pub(super) token: String,
    pub(super) simulator: Simulator,
    pub(super) sink: Sink,
    pub(super) printer: Printer,
    http: reqwest::Client,
    app: Option<App>,
    dir: tempfile::TempDir,
}

/// A port that is free now.
fn free_port() -> Result<u16, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Stage {
    pub(super) async fn set(printer: Printer) -> Result<Self, Failed> {
        let dir = tempfile::tempdir()?;
        let simulator = Simulator::start(&SimulatorConfig::default())?;
        let sink = Sink::start()?;
        let port = free_port()?;
        // Nothing that is set around the demo is the demo's: not a token, and no directory.
        let config = Config::of_text(&config(&dir, &simulator, &sink, port))?;
        crate::telemetry::init_logs(false, "error").map_err(Failed::new)?;
        let app = App::start(config).await?;
        let url = format!("http://{}", app.address());
        let http = reqwest::Client::builder()
            .timeout(STEP_MAX)
            .no_proxy()
            .build()?;
        let token = ADMIN_TOKEN.to_owned();
        Ok(Self {
            url,
            token,
            simulator,
            sink,
            printer,
            http,
            app: Some(app),
            dir,
        })
    }

    pub(super) async fn strike(mut self) {
        if let Some(app) = self.app.take() {
            app.stop().await;
        }
        drop(self.dir);
    }

    pub(super) fn github(&self) -> GithubHandle {
        self.simulator.github()
    }

    /// Prints the result of a step.
    pub(super) fn result(&self, words: &str) {
        self.say(&format!("   -> {words}"));
    }

    /// Says what happens next.
    pub(super) fn say(&self, words: &str) {
        self.printer.say(words);
    }

    /// Calls the daemon's API.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failed> {
        let url = format!("{}/api/v2/{path}", self.url);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, value) = (answer.status(), answer.json().await.unwrap_or(Value::Null));
        if status.is_success() {
            Ok(value)
        } else {
            Err(Failed::new(format!("{path}: {status} {value}")))
        }
    }

    /// Connects a repository.
    pub(super) async fn connect(&self, body: Value) -> Result<Value, Failed> {
        self.call(Method::POST, "repositories/connect", Some(body))
            .await
    }

    pub(super) async fn connection(&self, id: &str) -> Result<Value, Failed> {
        let path = format!("repositories/connections/{id}");
        self.call(Method::GET, &path, None).await
    }

    /// The first page of a list.
    pub(super) async fn items(&self, path: &str) -> Result<Vec<Value>, Failed> {
        let answer = self.call(Method::GET, path, None).await?;
        Ok(answer["items"].as_array().cloned().unwrap_or_default())
    }

    pub(super) async fn incidents(&self, status: &str) -> Result<Vec<Value>, Failed> {
        self.items(&format!("incidents?status={status}")).await
    }

    pub(super) async fn until_active(&self, id: &str) -> CommandResult {
        self.until("the webhook is active", async || {
            Ok(self.connection(id).await?["webhook_status"] == "active")
        })
        .await
    }

    /// Looks again and again until something is so.
    pub(super) async fn until(
        &self,
        what: &str,
        is_so: impl AsyncFn() -> Result<bool, Failed>,
    ) -> CommandResult {
        let deadline = Instant::now() + STEP_MAX;
        while !is_so().await? {
            if Instant::now() > deadline {
                return Err(Failed::new(format!(
                    "it did not happen in time that {what}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// The demo's configuration.
fn config(dir: &tempfile::TempDir, simulator: &Simulator, sink: &Sink, port: u16) -> String {
    let (data, key) = (dir.path().join("data"), new_master_key());
    let (api, gitlab) = (simulator.api_url(), simulator.gitlab_api_url());
    format!(
        "[server]\npublic_url = \"http://127.0.0.1:{port}\"\nlisten = \"127.0.0.1:{port}\"\n\
         data_dir = \"{}\"\n[seal]\nkey = \"{}\"\n[auth]\nadmin_token = \"{ADMIN_TOKEN}\"\n\
         [providers.github]\napi_url = \"{api}\"\nwrite_pause = \"0s\"\ncall_timeout = \"2s\"\n\
         [providers.gitlab]\napi_url = \"{gitlab}\"\nwrite_pause = \"0s\"\ncall_timeout = \"2s\"\n\
         [health]\ncheck_interval = \"2s\"\nping_interval = \"1h\"\nsettle_time = \"3s\"\n\
         retry_initial = \"300ms\"\nretry_max = \"1s\"\nslow_retry_initial = \"300ms\"\n\
         slow_retry_max = \"1s\"\nstartup_spread = \"100ms\"\nconnect_wait = \"3s\"\n\
         [sinks]\nallow = [\"{}\"]\ndelay = \"0s\"\n",
        data.display(),
        *key,
        sink.address
    )
}
