//! The real daemon, as it is shipped and with its defaults, connected to a repository of a
//! simulated GitHub.

use crate::bodies::{OWNER, REPOSITORY};
use crate::process::{Cores, Server, free_address};
use hookherd::domain::secret::HookSecret;
use hookherd::simulator::{Simulator, SimulatorConfig};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The built-in user's token: it opens nothing but this daemon.
const TOKEN: &str = "bench-admin-token-of-more-than-forty-characters";
/// base64 of 32 bytes.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// How long the daemon may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a daemon does besides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Besides {
    Nothing,
    /// Old history is deleted without an end, the provider's log is read, and a backup is taken.
    Upkeep,
}

/// History of a daemon with upkeep: less than a round brings in.
const HISTORY: &str = "16MiB";
/// Deliveries in the provider's log that each reconcile compares.
const LOGGED: usize = 500;

/// A running daemon with one connection.
pub struct Daemon {
    pub server: Server,
    /// Where the hook posts to.
    pub path: String,
    /// What it signs with.
    pub secret: HookSecret,
    /// The provider's id of the repository.
    pub repository: u64,
    client: Client,
    upkeep: Option<tokio::task::JoinHandle<()>>,
    // The hook's home; quiet while the load runs.
    _simulator: Simulator,
}

impl Daemon {
    /// Starts a daemon on an empty directory and connects the repository.
    pub async fn start(
        program: &str,
        cores: &Cores,
        dir: &Path,
        besides: Besides,
    ) -> io::Result<Self> {
        let simulator = Simulator::start(&SimulatorConfig::default())?;
        let address = free_address()?;
        let log = File::create(dir.join("daemon.log"))?;
        let mut command = Server::command(cores, program);
        command
            .arg("serve")
            .current_dir(dir)
            .env("HOOKHERD__SERVER__LISTEN", address.to_string())
            .env("HOOKHERD__SERVER__DATA_DIR", dir.join("data"))
            .env("HOOKHERD__PROVIDERS__GITHUB__API_URL", simulator.api_url())
            .env("HOOKHERD__PROVIDERS__GITHUB__WRITE_PAUSE", "1ms")
            .env("WEBHOOK_BASE_URL", format!("http://{address}"))
            .env("OAUTH_TOKEN_ENCRYPTION_KEY", KEY)
            .env("HOOKHERD_ADMIN_TOKEN", TOKEN)
            .stdout(log.try_clone()?)
            .stderr(log);
        if besides == Besides::Upkeep {
            command.env("HOOKHERD__RETENTION__MAX_BYTES", HISTORY);
        }
        let server = Server::start_on(&mut command, address)?;
        let client = Client::builder().no_proxy().timeout(PATIENCE).build();
        let client = client.map_err(io::Error::other)?;
        let (github, deadline) = (simulator.github(), Instant::now() + PATIENCE);
        let token = github.add_user(OWNER);
        let repository = github.add_repository(REPOSITORY, OWNER);
        let mut daemon = Self {
            server,
            path: String::new(),
            secret: HookSecret::new(KEY.to_owned()).map_err(io::Error::other)?,
            repository,
            client,
            upkeep: None,
            _simulator: simulator,
        };
        while daemon.ask(Method::GET, "/readyz", None).await.is_err() {
            pause_until(deadline).await?;
        }
        let credential = json!({ "provider": "github", "token": token });
        daemon
            .ask(Method::POST, "/api/v2/credentials", Some(credential))
            .await?;
        let connection = json!({ "repository_full_name": REPOSITORY });
        let path = "/api/v2/repositories/connect";
        let connected = daemon.ask(Method::POST, path, Some(connection)).await?;
        while github.hooks(REPOSITORY).is_empty() || daemon.processed().await? == 0 {
            pause_until(deadline).await?;
        }
        let hook = github.hooks(REPOSITORY).remove(0);
        let secret = HookSecret::new(hook.secret.unwrap_or_default());
        daemon.secret = secret.map_err(io::Error::other)?;
        daemon.path = hook.url.replace(&format!("http://{address}"), "");
        if besides == Besides::Upkeep {
            for _ in 0..LOGGED {
                github.push(REPOSITORY);
            }
            daemon.wait_processed(LOGGED as u64).await?;
            let connected: Value = serde_json::from_str(&connected)?;
            let id = connected["id"].as_str().unwrap_or_default().to_owned();
            daemon.begin_upkeep(&id);
        }
        Ok(daemon)
    }

    /// From now on a backup is read, and a reconcile asked for, again and again.
    fn begin_upkeep(&mut self, connection: &str) {
        let base = format!("http://{}/api/v2", self.server.address);
        let reconcile = format!("{base}/repositories/connections/{connection}/reconcile");
        let (client, backup) = (self.client.clone(), format!("{base}/admin/backup"));
        self.upkeep = Some(tokio::spawn(async move {
            loop {
                let asked = client.post(&reconcile).bearer_auth(TOKEN).send().await;
                let answer = client.get(&backup).bearer_auth(TOKEN).send().await;
                let (Ok(asked), Ok(mut answer)) = (asked, answer) else {
                    return eprintln!("the upkeep ended: no answer");
                };
                let statuses = [asked.status(), answer.status()];
                if !statuses.iter().all(StatusCode::is_success) {
                    return eprintln!("the upkeep ended: {statuses:?}");
                }
                while let Ok(Some(_)) = answer.chunk().await {}
            }
        }));
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> io::Result<String> {
        let url = format!("http://{}{path}", self.server.address);
        let mut request = self.client.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(io::Error::other)?;
        let status = answer.status();
        let text = answer.text().await.map_err(io::Error::other)?;
        if status.is_success() {
            Ok(text)
        } else {
            Err(io::Error::other(format!("{path}: {status} {text}")))
        }
    }

    /// How many deliveries were processed since the daemon started.
    pub async fn processed(&self) -> io::Result<u64> {
        let text = self.ask(Method::GET, "/metrics", None).await?;
        let lines = text.lines();
        let counts = lines.filter(|line| line.starts_with("hookherd_deliveries_processed_total{"));
        let counts = counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        Ok(counts.sum())
    }

    /// Waits until so many deliveries were processed since the daemon started.
    pub async fn wait_processed(&self, count: u64) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.processed().await? < count {
            pause_until(deadline).await?;
        }
        Ok(())
    }
}

async fn pause_until(deadline: Instant) -> io::Result<()> {
    if Instant::now() > deadline {
        return Err(io::Error::other("the daemon took too long; see its log"));
    }
    tokio::time::sleep(LOOK_EVERY).await;
    Ok(())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(upkeep) = &self.upkeep {
            upkeep.abort();
        }
    }
}
