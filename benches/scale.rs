//! A daemon with a hundred thousand connections: how long it takes to start and to stop, what it
//! holds in memory, what it does when nothing happens, and how long a question and a delivery take.
//!
//! `cargo bench --bench scale`, or `-- --connections=5000` for a smaller house. With
//! `-- --deliveries=1000000` the same of a store with so many deliveries; with
//! `-- --payloads=DIR` how many bytes are stored for each of the payloads in a directory.

use hookherd::app::{SystemClock, SystemEntropy};
use hookherd::domain::connection::Connection;
use hookherd::domain::delivery::{BodyDigest, Delivery, DeliveryState, Outcome, Payload, Source};
use hookherd::domain::id::{ConnectionId, DeliveryId, HookId, HookKey, UserId};
use hookherd::domain::lifecycle::{Hook, Lifecycle, Phase};
use hookherd::domain::repo::{Instance, ProviderKind, RepositoryId};
use hookherd::domain::secret::{HookSecret, Proof};
use hookherd::domain::time::Clock;
use hookherd::domain::user::{ADMIN_NAME, User};
use hookherd::provider::signature::github_sign;
use hookherd::seal::ring::{KeyRing, MasterKey, make_canary};
use hookherd::seal::{Purpose, Seal};
use hookherd::store::disk::{DiskStore, Options};
use hookherd::store::{Batch, Change, Read as _, Store};
use reqwest::RequestBuilder;
use std::fs::{File, read_to_string};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections, unless told otherwise.
const CONNECTIONS: u64 = 100_000;
/// Connections that are stored in one commit.
const BATCH: u64 = 100;
/// Questions of a kind, and deliveries, that are timed.
const TIMES: usize = 200;
/// How long the daemon is watched while nothing happens.
const IDLE: Duration = Duration::from_secs(10);
/// Longest wait for the daemon.
const PATIENCE: Duration = Duration::from_mins(2);
/// The daemon's admin token; it opens nothing else.
const TOKEN: &str = "hhk_bench_admin_token_that_opens_nothing_else";

/// A connection as it is when all is well.
fn connection(number: u64, owner: UserId, ring: &KeyRing, secret: &HookSecret) -> Connection {
    let now = SystemClock.now();
    let instance = Instance {
        provider: ProviderKind::Github,
        host: "github.com".parse().expect("it is a host"),
    };
    let id = ConnectionId::generate(now, &SystemEntropy);
    let purpose = Purpose::HookSecret {
        connection: id,
        owner,
        instance: &instance,
    };
    let sealed = ring.seal(&purpose, secret.expose().as_bytes());
    let mut events: Vec<String> = ["pull_request", "push", "workflow_run"]
        .map(Into::into)
        .into();
    events.sort();
    let full_name = format!("octo/repository-{number}").parse();
    let full_name = full_name.expect("a name");
    let hook_key = HookKey::generate(&SystemEntropy);
    let mut connection = Connection::new(id, owner, instance, full_name, hook_key, now);
    connection.repository = Some(RepositoryId(number));
    connection.events = events;
    connection.secret = sealed;
    connection.proof = Proof::Signature;
    connection.lifecycle = Lifecycle {
        phase: Phase::Active,
        hook: Hook::Present(HookId(number)),
        applied: Some(1),
        ..Lifecycle::default()
    };
    (connection.hook_created_at, connection.last_check_at) = (Some(now), Some(now));
    connection
}

/// Fills a store, and returns the path of the last connection's hook.
fn fill(dir: &Path, count: u64, ring: &KeyRing, secret: &HookSecret) -> io::Result<String> {
    let opened = DiskStore::open(dir, &Options::default());
    let (store, _) = opened.map_err(io::Error::other)?;
    let owner = UserId::generate(SystemClock.now(), &SystemEntropy);
    let user = Change::PutUser(User {
        id: owner,
        name: ADMIN_NAME.to_owned(),
        is_admin: true,
        removal: None,
        created_at: SystemClock.now(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let commit = |changes| runtime.block_on(store.commit(Batch::of(changes)));
    let canary = Change::PutCanary(make_canary(ring));
    commit(vec![user, canary]).map_err(io::Error::other)?;
    let (mut path, mut number) = (String::new(), 0);
    while number < count {
        let end = count.min(number + BATCH);
        let batch: Vec<Connection> = (number..end)
            .map(|number| connection(number + 1, owner, ring, secret))
            .collect();
        if let Some(last) = batch.last() {
            path = format!("/api/v2/webhooks/github/{}", last.hook_key);
        }
        let put = |c| Change::PutConnection(Box::new(c));
        commit(batch.into_iter().map(put).collect()).map_err(io::Error::other)?;
        number = end;
    }
    store.close();
    Ok(path)
}

/// Asks, and waits for the answer.
struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    fn new() -> io::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        Ok(Self {
            runtime: runtime.enable_all().build()?,
            http: http.build().map_err(io::Error::other)?,
        })
    }

    /// The status and the text of an answer; `None` without one.
    fn send(&self, request: RequestBuilder) -> Option<(u16, String)> {
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.text().await.ok()?))
        })
    }
}

/// The daemon's process, which does not outlive us.
struct Daemon {
    child: Child,
    url: String,
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
    fn start(dir: &Path, key: &str) -> io::Result<Self> {
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

    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> io::Result<Duration> {
        let begun = Instant::now();
        while !is_so(self) {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{what}: it took too long")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(begun.elapsed())
    }

    fn get(&self, client: &Client, path: &str) -> Option<String> {
        let url = format!("{}{path}", self.url);
        let asked = client.send(client.http.get(url).bearer_auth(TOKEN));
        asked.and_then(|(status, text)| (status == 200).then_some(text))
    }

    fn gauge(&self, client: &Client, name: &str) -> u64 {
        let text = self.get(client, "/metrics").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Mebibytes in memory.
    fn resident_mib(&self) -> io::Result<u64> {
        let status = read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        Ok(kib.unwrap_or(0) / 1024)
    }

    /// Hundredths of a second of CPU time so far.
    fn ticks(&self) -> io::Result<u64> {
        let stat = read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(2);
        Ok(ticks.filter_map(|t| t.parse::<u64>().ok()).sum())
    }

    /// Stops it in order, and says how long that took.
    fn stop(mut self) -> io::Result<Duration> {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        self.child.wait()?;
        Ok(begun.elapsed())
    }
}

/// Prints the median and the 99th of a hundred.
fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1));
    if let (Some(half), Some(most)) = (at(50), at(99)) {
        println!("| {what} | p50 {half:.1?}, p99 {most:.1?} |");
    }
}

fn timed(times: usize, mut act: impl FnMut(usize) -> io::Result<()>) -> io::Result<Vec<Duration>> {
    (0..times)
        .map(|number| {
            let begun = Instant::now();
            act(number)?;
            Ok(begun.elapsed())
        })
        .collect()
}

fn run(count: u64) -> io::Result<()> {
    // The first in a process counts; any later one is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let key = MasterKey::generate(&SystemEntropy);
    let text = key.to_text();
    let ring = KeyRing::new(&[key], Arc::new(SystemEntropy)).map_err(io::Error::other)?;
    let secret = HookSecret::generate(&SystemEntropy);
    let path = fill(&dir.path().join("data"), count, &ring, &secret)?;
    let client = Client::new()?;
    println!("| with {count} connections | |\n|---|---|");

    let daemon = Daemon::start(dir.path(), &text)?;
    let ready = daemon.until("ready", |d| d.get(&client, "/readyz").is_some())?;
    println!("| start until ready | {ready:.1?} |");
    let all = |d: &Daemon| d.gauge(&client, "hookherd_actors ") >= count;
    let all = ready + daemon.until("all actors", all)?;
    println!("| start until every connection has its actor | {all:.1?} |");
    let before = daemon.ticks()?;
    std::thread::sleep(IDLE);
    let idle = daemon.ticks()?.saturating_sub(before);
    println!(
        "| CPU while nothing happens | {idle} of {} hundredths |",
        IDLE.as_secs() * 100
    );
    println!("| resident memory | {} MiB |", daemon.resident_mib()?);
    for (what, path) in [
        ("a page of connections", "/api/v2/repositories/connections"),
        ("a page of incidents", "/api/v2/incidents"),
        ("the statistics", "/api/v2/stats"),
        ("the metrics", "/metrics"),
    ] {
        let ask = |_| daemon.get(&client, path).map(drop);
        let times = timed(TIMES / 10, |n| ask(n).ok_or_else(|| io::Error::other(path)));
        tell(what, times?);
    }
    let times = timed(TIMES, |number| {
        let body = format!("{{\"ref\":\"refs/heads/{number}\",\"repository\":{{\"id\":{count}}}}}");
        let request = client
            .http
            .post(format!("{}{path}", daemon.url))
            .header("x-github-event", "push")
            .header("x-github-delivery", format!("scale-{number}"))
            .header("x-hub-signature-256", github_sign(&secret, body.as_bytes()))
            .body(body);
        match client.send(request) {
            Some((202, _)) => Ok(()),
            other => Err(io::Error::other(format!("a delivery: {other:?}"))),
        }
    });
    tell("a delivery, one at a time", times?);
    println!("| an orderly stop | {:.1?} |", daemon.stop()?);
    let daemon = Daemon::start(dir.path(), &text)?;
    let ready = daemon.until("ready again", |d| d.get(&client, "/readyz").is_some())?;
    println!("| start after it, until ready | {ready:.1?} |");
    Ok(())
}

/// A house with one connection, and a daemon for it.
struct House {
    dir: tempfile::TempDir,
    key: String,
    secret: HookSecret,
    path: String,
}

impl House {
    fn new() -> io::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let master = MasterKey::generate(&SystemEntropy);
        let key = master.to_text().to_string();
        let ring = KeyRing::new(&[master], Arc::new(SystemEntropy)).map_err(io::Error::other)?;
        let secret = HookSecret::generate(&SystemEntropy);
        let path = fill(&dir.path().join("data"), 1, &ring, &secret)?;
        Ok(Self {
            dir,
            key,
            secret,
            path,
        })
    }

    fn start(&self, client: &Client) -> io::Result<(Daemon, Duration)> {
        let daemon = Daemon::start(self.dir.path(), &self.key)?;
        let ready = daemon.until("ready", |d| d.get(client, "/readyz").is_some());
        ready.map(|ready| (daemon, ready))
    }

    /// Bytes of the files in a part of the data directory.
    fn bytes(&self, part: &str) -> io::Result<u64> {
        fn sum(dir: &Path) -> io::Result<u64> {
            let mut bytes = 0;
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                let is_dir = entry.file_type()?.is_dir();
                let within = is_dir.then(|| sum(&entry.path())).transpose()?;
                bytes += within.unwrap_or(entry.metadata()?.len());
            }
            Ok(bytes)
        }
        sum(&self.dir.path().join("data").join(part))
    }
}

/// Stores so many deliveries that are processed, each with a body of its own.
fn fill_deliveries(dir: &Path, count: u64) -> io::Result<()> {
    let opened = DiskStore::open(dir, &Options::default());
    let (store, _) = opened.map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let id = runtime.block_on(store.connection_ids());
    let id = id.map_err(io::Error::other)?.remove(0);
    let connection = runtime.block_on(store.connection(id));
    let owner = connection.map_err(io::Error::other)?.map(|c| c.owner);
    let owner = owner.ok_or_else(|| io::Error::other("no connection"))?;
    for number in (0..count).step_by(100) {
        let mut changes = Vec::new();
        for number in number..count.min(number + 100) {
            let now = SystemClock.now();
            let body = format!("{{\"ref\":\"refs/heads/{number}\",\"after\":\"{number:040x}\"}}");
            let delivery = Delivery {
                id: DeliveryId::generate(now, &SystemEntropy),
                connection: id,
                owner,
                provider_delivery_id: format!("{number:032x}"),
                event: "push".into(),
                action: None,
                received_at: now,
                body_digest: BodyDigest::Blake3(*blake3::hash(body.as_bytes()).as_bytes()),
                body_bytes: u32::try_from(body.len()).unwrap_or(0),
                source: Source::Webhook,
                state: DeliveryState::Processed {
                    at: now,
                    outcome: Outcome::Recorded,
                },
                tries: 0,
            };
            let headers = vec![("x-github-event".to_owned(), "push".to_owned())];
            let body = body.into_bytes().into();
            changes.push(Change::InsertDelivery(
                Box::new(delivery),
                Payload { headers, body },
            ));
        }
        let committing = store.commit(Batch::of(changes));
        runtime.block_on(committing).map_err(io::Error::other)?;
    }
    store.close();
    Ok(())
}

fn run_deliveries(count: u64) -> io::Result<()> {
    let house = House::new()?;
    fill_deliveries(&house.dir.path().join("data"), count)?;
    let client = Client::new()?;
    println!("| with {count} deliveries | |\n|---|---|");
    let (daemon, ready) = house.start(&client)?;
    println!("| start after an orderly stop, until ready | {ready:.1?} |");
    println!("| resident memory | {} MiB |", daemon.resident_mib()?);
    let all = "/api/v2/deliveries";
    for filter in ["", "?event=push", "?repository=octo/repository-1"] {
        let path = format!("{all}{filter}");
        let ask = |_| daemon.get(&client, &path).map(drop);
        let times = timed(TIMES, |n| ask(n).ok_or_else(|| io::Error::other(all)));
        tell(&format!("`{path}`"), times?);
    }
    drop(daemon);
    let (_daemon, ready) = house.start(&client)?;
    println!("| start after a kill, until ready | {ready:.1?} |");
    Ok(())
}

/// Sends each payload by itself, as its own event, and waits until it is processed.
fn run_payloads(dir: &Path) -> io::Result<()> {
    let house = House::new()?;
    let client = Client::new()?;
    let (daemon, _) = house.start(&client)?;
    let before = house.bytes("journal")?;
    let (mut count, mut raw) = (0, 0);
    for file in std::fs::read_dir(dir)?.filter_map(Result::ok) {
        let name = file.file_name().to_string_lossy().into_owned();
        let event = name.split(['-', '.']).next().unwrap_or_default().to_owned();
        let body = std::fs::read(file.path())?;
        raw += body.len() as u64;
        count += 1;
        let request = client
            .http
            .post(format!("{}{}", daemon.url, house.path))
            .header("user-agent", "GitHub-Hookshot/044aadd")
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header(
                "x-github-delivery",
                format!("{count:08}-6a64-11ef-8a2e-9d3c1b8f4e55"),
            )
            .header("x-github-hook-id", "292430182")
            .header("x-github-hook-installation-target-id", "79929171")
            .header("x-github-hook-installation-target-type", "repository")
            .header("x-hub-signature-256", github_sign(&house.secret, &body))
            .body(body);
        if client.send(request).is_none_or(|(status, _)| status > 202) {
            return Err(io::Error::other(name));
        }
        daemon.until("processed", |d| {
            d.gauge(&client, "hookherd_oldest_unprocessed_delivery_seconds ") == 0
        })?;
    }
    daemon.stop()?;
    let (journal, view) = (house.bytes("journal")? - before, house.bytes("view")?);
    let part = |bytes: u64| bytes * 1000 / raw.max(1);
    println!(
        "{count} payloads of {} bytes in the mean",
        raw / u64::max(count, 1)
    );
    println!(
        "journal: {} thousandths of that; view: {}",
        part(journal),
        part(view)
    );
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --benches` only wants to know that it starts.
        return ExitCode::SUCCESS;
    }
    let told = |name: &str| arguments.iter().find_map(|a| a.strip_prefix(name));
    let number = |name: &str| told(name).and_then(|number| number.parse().ok());
    let result = if let Some(dir) = told("--payloads=") {
        run_payloads(Path::new(dir))
    } else if let Some(count) = number("--deliveries=") {
        run_deliveries(count)
    } else {
        run(number("--connections=").unwrap_or(CONNECTIONS))
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
