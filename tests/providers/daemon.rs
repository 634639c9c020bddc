//! The whole daemon in this process, and its interface.

use hookherd::app::{App, StartError, new_master_key};
use hookherd::config::Config;
use hookherd::store::disk::OpenError;
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The built-in user's token.
const TOKEN: &str = "providers-admin-token-of-forty-characters";
/// Longest wait for something to happen.
const TIME_MAX: Duration = Duration::from_mins(1);

/// A running daemon.
pub(crate) struct Daemon {
    app: App,
    url: String,
    http: reqwest::Client,
    data: tempfile::TempDir,
}

/// Starts what the configuration in this directory says.
async fn start_in(data: &tempfile::TempDir) -> App {
    let deadline = Instant::now() + TIME_MAX;
    loop {
        let config = Config::load(Some(&data.path().join("hookherd.toml")));
        match App::start(config.expect("a configuration")).await {
            Ok(app) => return app,
            // Threads of the one before still hold it.
            Err(StartError::Store(OpenError::InUse(_))) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("it does not start: {error}"),
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").port()
}

impl Daemon {
    /// Starts a daemon with GitLab at these URLs, which looks at hooks every second.
    pub(crate) async fn start(gitlabs: &[String]) -> Self {
        Self::start_at("", gitlabs, "1s").await
    }

    /// Starts a daemon with GitLab at these URLs, which looks at hooks this often.
    pub(crate) async fn start_checking(gitlabs: &[String], check_interval: &str) -> Self {
        Self::start_at("", gitlabs, check_interval).await
    }

    /// Starts a daemon with GitHub at this URL, which looks at hooks only when it is told to.
    pub(crate) async fn start_github(github: &str) -> Self {
        Self::start_at(github, &[], "1h").await
    }

    async fn start_at(github: &str, gitlabs: &[String], check_interval: &str) -> Self {
        let providers = format!(
            "[providers.github]\napi_url = \"{github}\"\nwrite_pause = \"0s\"\n\
             [providers.gitlab]\napi_url = \"\"\nmore_api_urls = {gitlabs:?}\n\
             write_pause = \"0s\"\ncall_timeout = \"5s\"\n"
        );
        Self::with(&providers, check_interval).await
    }

    /// Starts a daemon with these sections of providers, which looks at hooks this often.
    pub(crate) async fn with(providers: &str, check_interval: &str) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let url = format!("http://127.0.0.1:{}", free_port());
        let listen = url.trim_start_matches("http://");
        let mut text = format!(
            "[server]\npublic_url = \"{url}\"\nlisten = \"{listen}\"\ndata_dir = \"{}\"\n\
             [seal]\nkey = \"{}\"\n[auth]\nadmin_token = \"{TOKEN}\"\n{providers}",
            data.path().join("data").display(),
            *new_master_key(),
        );
        let _ = write!(
            text,
            "[health]\ncheck_interval = \"{check_interval}\"\n\
             ping_interval = \"1h\"\nsettle_time = \"1s\"\n\
             retry_initial = \"100ms\"\nretry_max = \"1s\"\nslow_retry_initial = \"100ms\"\n\
             slow_retry_max = \"1s\"\nstartup_spread = \"10ms\"\nconnect_wait = \"5s\"\n"
        );
        let file = data.path().join("hookherd.toml");
        std::fs::write(&file, text).expect("a temporary file");
        let app = start_in(&data).await;
        Self {
            app,
            url,
            http: reqwest::Client::builder().no_proxy().build().expect("one"),
            data,
        }
    }

    /// Stops it and starts it again on the same data, with another public address that leads to
    /// the same place.
    pub(crate) async fn restart_at(self, public_url: &str) -> Self {
        self.app.stop().await;
        let file = self.data.path().join("hookherd.toml");
        let text = std::fs::read_to_string(&file).expect("it was written");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in &mut lines {
            if line.starts_with("public_url") {
                *line = format!("public_url = \"{public_url}\"");
            }
        }
        std::fs::write(&file, lines.join("\n")).expect("a temporary file");
        let app = start_in(&self.data).await;
        Self { app, ..self }
    }

    /// Where it listens, and where providers send people back to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }

    /// Asks the interface, which has to agree.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/api/v2/{path}", self.url);
        let mut ask = self.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            ask = ask.json(&body);
        }
        let answer = ask.send().await.expect("the daemon answers");
        let status = answer.status();
        let value: Value = answer.json().await.unwrap_or_default();
        assert!(status.is_success(), "{path}: {status} {value}");
        value
    }

    /// Asks the interface, and gets a cookie besides.
    pub(crate) async fn ask_with_cookie(&self, path: &str) -> (Value, String) {
        let url = format!("{}/api/v2/{path}", self.url);
        let answer = self.http.get(url).bearer_auth(TOKEN).send().await;
        let answer = answer.expect("the daemon answers");
        let cookie = answer.headers()["set-cookie"].to_str().expect("plain text");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        (answer.json().await.expect("JSON"), cookie)
    }

    /// Stores a credential for the GitLab at a host.
    pub(crate) async fn add_credential(&self, host: &str, token: &str) {
        let body = json!({"provider": "gitlab", "host": host, "token": token});
        self.ask(Method::POST, "credentials", Some(body)).await;
    }

    /// Connects a project; the connection, whose hook is there.
    pub(crate) async fn connect(&self, host: &str, full_name: &str) -> Value {
        let body = json!({
            "provider": "gitlab", "host": host, "repository_full_name": full_name
        });
        let path = "repositories/connect";
        let connection = self.ask(Method::POST, path, Some(body)).await;
        assert_eq!(connection["webhook_status"], "active", "{connection}");
        connection
    }

    /// The connection as it is now.
    pub(crate) async fn connection(&self, connection: &Value) -> Value {
        let id = connection["id"].as_str().expect("an id");
        let path = format!("repositories/connections/{id}");
        self.ask(Method::GET, &path, None).await
    }

    /// The incidents, newest first.
    pub(crate) async fn incidents(&self) -> Vec<Value> {
        let page = self.ask(Method::GET, "incidents", None).await;
        page["items"].as_array().expect("a list").clone()
    }

    /// Looks again and again until something is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + TIME_MAX;
        while !is_so().await {
            assert!(Instant::now() < deadline, "it never came true that {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the incident of this failure has this status, and returns it.
    pub(crate) async fn incident(&self, failure: &str, status: &str) -> Value {
        let found = async || {
            let incidents = self.incidents().await;
            let fits = |i: &Value| i["failure_type"] == failure && i["status"] == status;
            incidents.into_iter().find(fits)
        };
        let what = format!("{failure} is {status}");
        self.until(&what, async || found().await.is_some()).await;
        found().await.expect("it was there a moment ago")
    }
}
