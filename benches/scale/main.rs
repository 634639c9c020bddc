//! A daemon with a hundred thousand connections: how long it takes to start and to stop, what it
//! holds in memory, what it does when nothing happens, and how long a question and a delivery take.
//!
//! `cargo bench --bench scale`, or `-- --connections=5000` for a smaller house. With
//! `-- --deliveries=1000000` the same of a store with so many deliveries; with
//! `-- --payloads=DIR` how many bytes are stored for each of the payloads in a directory.

mod daemon;
mod house;

use daemon::{Client, Daemon, TOKEN};
use hookherd::domain::secret::HookSecret;
use hookherd::provider::signature::github_sign;
use house::{House, fill_deliveries};
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Connections, unless told otherwise.
const CONNECTIONS: u64 = 100_000;
/// Questions of a kind, and deliveries, that are timed.
const TIMES: usize = 200;
/// How long the daemon is watched while nothing happens.
const IDLE: Duration = Duration::from_secs(10);
/// The lists that are read in a loop, and how many pages of each.
const LISTS: [&str; 5] = [
    "/api/v2/repositories/connections",
    "/api/v2/deliveries",
    "/api/v2/workflows/runs",
    "/api/v2/incidents",
    "/api/v2/credentials",
];
const PAGES: usize = 20;

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

/// What the command `doctor` finds out about the daemon.
fn doctor(daemon: &Daemon) -> io::Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_hookherd"))
        .arg("doctor")
        .env("HOOKHERD_URL", &daemon.url)
        .env("HOOKHERD_TOKEN", TOKEN)
        .output()?;
    let words = String::from_utf8_lossy(&output.stdout);
    let is_told = words.contains(" healthy");
    is_told
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("doctor: {words}")))
}

/// Reads every list, some pages of each, until it is enough.
fn read_on(daemon: &Daemon, is_over: &AtomicBool) {
    let Ok(client) = Client::new() else { return };
    while !is_over.load(Ordering::Relaxed) {
        for list in LISTS {
            let mut cursor = String::new();
            for _ in 0..PAGES {
                let text = daemon.get(&client, &format!("{list}?limit=100{cursor}"));
                let page = serde_json::from_str(&text.unwrap_or_default());
                let page: serde_json::Value = page.unwrap_or_default();
                let Some(next) = page["next_cursor"].as_str() else {
                    break;
                };
                cursor = format!("&cursor={next}");
            }
        }
    }
}

/// Sends deliveries to the last connection.
struct Sender<'a> {
    client: &'a Client,
    daemon: &'a Daemon,
    path: &'a str,
    secret: &'a HookSecret,
    count: u64,
}

impl Sender<'_> {
    fn send(&self, number: usize) -> io::Result<()> {
        let repository = self.count;
        let body =
            format!("{{\"ref\":\"refs/heads/{number}\",\"repository\":{{\"id\":{repository}}}}}");
        let sign = github_sign(self.secret, body.as_bytes());
        let request = self
            .client
            .http
            .post(format!("{}{}", self.daemon.url, self.path))
            .header("x-github-event", "push")
            .header("x-github-delivery", format!("scale-{number}"))
            .header("x-hub-signature-256", sign)
            .body(body);
        match self.client.send(request) {
            Some((202, _)) => Ok(()),
            other => Err(io::Error::other(format!("a delivery: {other:?}"))),
        }
    }
}

fn run(count: u64) -> io::Result<()> {
    let house = House::new(count)?;
    let client = Client::new()?;
    println!("| with {count} connections | |\n|---|---|");

    let (daemon, ready) = house.start(&client)?;
    println!("| start until ready | {ready:.1?} |");
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
    let times = timed(TIMES / 10, |_| doctor(&daemon));
    tell("`hookherd doctor`, the whole process", times?);
    let sender = Sender {
        client: &client,
        daemon: &daemon,
        path: &house.path,
        secret: &house.secret,
        count,
    };
    let times = timed(TIMES * 5, |number| sender.send(number));
    tell("a delivery, one at a time", times?);
    let is_over = AtomicBool::new(false);
    let times = std::thread::scope(|scope| {
        scope.spawn(|| read_on(&daemon, &is_over));
        let times = timed(TIMES * 5, |number| sender.send(TIMES * 5 + number));
        is_over.store(true, Ordering::Relaxed);
        times
    });
    tell("the same while all lists are read in a loop", times?);
    println!("| an orderly stop | {:.1?} |", daemon.stop()?);
    let (daemon, ready) = house.start(&client)?;
    println!("| start after it, until ready | {ready:.1?} |");
    drop(daemon);
    let (_daemon, ready) = house.start(&client)?;
    println!("| start after a kill, until ready | {ready:.1?} |");
    Ok(())
}

fn run_deliveries(count: u64) -> io::Result<()> {
    let house = House::new(1)?;
    fill_deliveries(&house.dir.path().join("data"), count)?;
    let client = Client::new()?;
    println!("| with {count} deliveries | |\n|---|---|");
    for part in ["journal", "view"] {
        let each = house.bytes(part)? / count.max(1);
        println!("| bytes of the {part} for each | {each} |");
    }
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
    let (daemon, ready) = house.start(&client)?;
    println!("| start after a kill, until ready | {ready:.1?} |");
    println!(
        "| resident memory after it | {} MiB |",
        daemon.resident_mib()?
    );
    Ok(())
}

/// How often each payload is sent: sled's smallest file is larger than the view of a few hundred.
const ROUNDS: usize = 40;

/// Sends each payload by itself, as its own event, and waits until it is processed. It is sent again
/// with a space more at its end: so it is a new one, and its runs and incidents are known.
fn run_payloads(dir: &Path) -> io::Result<()> {
    let house = House::new(1)?;
    let client = Client::new()?;
    let (daemon, _) = house.start(&client)?;
    let before = (house.bytes("journal")?, house.bytes("view")?);
    let mut payloads = Vec::new();
    for file in std::fs::read_dir(dir)?.filter_map(Result::ok) {
        let name = file.file_name().to_string_lossy().into_owned();
        let event = name.split(['-', '.']).next().unwrap_or_default().to_owned();
        payloads.push((event, std::fs::read(file.path())?));
    }
    let (mut count, mut raw) = (0, 0);
    for round in 0..ROUNDS {
        for (event, body) in &payloads {
            let mut body = body.clone();
            body.resize(body.len() + round, b' ');
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
                return Err(io::Error::other(event.clone()));
            }
            daemon.until("processed", |d| {
                d.gauge(&client, "hookherd_oldest_unprocessed_delivery_seconds ") == 0
            })?;
        }
    }
    daemon.stop()?;
    let journal = house.bytes("journal")? - before.0;
    let view = house.bytes("view")?.saturating_sub(before.1);
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
