//! The daemon's process, and who asks it.

use reqwest::RequestBuilder;
use std::fs::{File, read_to_string};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the daemon.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// The daemon's admin token; it opens nothing else.
pub(crate) const TOKEN: &str = "hhk_bench_admin_token_that_opens_nothing_else";

/// Asks, and waits for the answer.
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    pub(crate) fn new() -> io::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        Ok(Self {
            runtime: runtime.enable_all().build()?,
            http: http.build().map_err(io::Error::other)?,
        })
    }

    /// The status and the text of an answer; `None` without one.
    pub(crate) fn send(&self, request: RequestBuilder) -> Option<(u16, String)> {
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.text().await.ok()?))
        })
    }
}

/// The daemon's process, which does not outlive us.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    /// Starts it. Its provider is a port that nobody listens on, and nothing is checked meanwhile.
    pub(crate) fn start(dir: &Path, key: &str) -> io::Result<Self> {
        let free = || std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr();
        let (address, nobody) = (free()?, free()?);
        let log = File::create(dir.join("daemon.log"))?;
        let child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                env!("CARGO_BIN_EXE_hookherd"),
                "serve",
            ])
            .current_dir(dir)
            .env("HOOKHERD__SERVER__LISTEN", address.to_string())
            .env("HOOKHERD__SERVER__DATA_DIR", dir.join("data"))
            .env(
                "HOOKHERD__PROVIDERS__GITHUB__API_URL",
                format!("http://{nobody}"),
            )
            .env("HOOKHERD__HEALTH__CHECK_INTERVAL", "30days")
            .env("HOOKHERD__HEALTH__PING_INTERVAL", "30days")
            .env("HOOKHERD__LOG__LEVEL", "warn")
            .env("HOOKHERD__LIMITS__REQUESTS_PER_MINUTE", "1000000")
            .env("WEBHOOK_BASE_URL", format!("http://{address}"))
            .env("OAUTH_TOKEN_ENCRYPTION_KEY", key)
            .env("HOOKHERD_ADMIN_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let url = format!("http://{address}");
        Ok(Self { child, url })
    }

    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> io::Result<Duration> {
        let begun = Instant::now();
        while !is_so(self) {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{what}: it took too long")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(begun.elapsed())
    }

    pub(crate) fn get(&self, client: &Client, path: &str) -> Option<String> {
        let url = format!("{}{path}", self.url);
        let asked = client.send(client.http.get(url).bearer_auth(TOKEN));
        asked.and_then(|(status, text)| (status == 200).then_some(text))
    }

    pub(crate) fn gauge(&self, client: &Client, name: &str) -> u64 {
        let text = self.get(client, "/metrics").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Mebibytes in memory.
    pub(crate) fn resident_mib(&self) -> io::Result<u64> {
        let status = read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        Ok(kib.unwrap_or(0) / 1024)
    }

    /// Hundredths of a second of CPU time so far.
    pub(crate) fn ticks(&self) -> io::Result<u64> {
        let stat = read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(2);
        Ok(ticks.filter_map(|t| t.parse::<u64>().ok()).sum())
    }

    /// Stops it in order, and says how long that took.
    pub(crate) fn stop(mut self) -> io::Result<Duration> {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        self.child.wait()?;
        Ok(begun.elapsed())
    }
}
