//! A daemon with a gibibyte, and clients that do not read, read slowly, and send much at once:
//! it lives, what is authentic is answered in time meanwhile, and memory comes back.

use super::cgroup::{Cgroup, resident};
use super::daemon::{ADMIN, Daemon, REPOSITORY, Stage};
use hookherd::domain::secret::HookSecret;
use hookherd::provider::signature::github_sign;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// Connections that never read.
const SILENT: usize = 8_000;
/// Requests that each of them sends ahead.
const AHEAD: usize = 20;
/// Connections that read a large delivery slowly, and uploads of large ones.
const SLOW: usize = 200;
const UPLOADS: usize = 200;
/// Users whose these are. The first one's deliveries are those that must come in meanwhile.
const USERS: usize = 6;
/// A large delivery: what the daemon takes at most, less some for its beginning.
const LARGE_BYTES: usize = 25 * 1024 * 1024;
/// How long each kind of pressure lasts.
const PHASE: Duration = Duration::from_secs(6);
/// How often an authentic delivery is sent meanwhile.
const PROBE_EVERY: Duration = Duration::from_millis(20);
/// Slowest answer to all but one in a hundred.
const ANSWER_MAX: Duration = if cfg!(debug_assertions) {
    // To take 8,000 connections in takes a build without optimisation five seconds by itself on
    // two cores that it shares with the clients.
    Duration::from_secs(10)
} else {
    Duration::from_secs(1)
};
/// What may be held for longer than the pressure, beside what was held before. The budgets of
/// bodies and answers bound it; the allocator keeps what it was given, and uses it again.
const KEPT_BYTES: u64 = 192 * MIB;

/// Where deliveries go, and with what secret they are signed.
struct Hook {
    address: String,
    path: String,
    secret: HookSecret,
}

/// A user with a connection and a large delivery.
struct User {
    token: String,
    hook: Hook,
    large: String,
}

impl Hook {
    /// The one that was made last.
    fn newest(stage: &Stage) -> Self {
        let hook = stage.simulator.github().hooks(REPOSITORY).pop().unwrap();
        let url = hook.url.strip_prefix("http://").unwrap();
        let (address, path) = url.split_once('/').unwrap();
        Self {
            address: address.to_owned(),
            path: format!("/{path}"),
            secret: HookSecret::new(hook.secret.unwrap()).unwrap(),
        }
    }

    fn open(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        Ok(stream)
    }

    /// Sends an authentic delivery; the status of its answer, `0` when there is none.
    fn deliver(&self, id: &str, body: &[u8]) -> u16 {
        self.send(id, body, &github_sign(&self.secret, body))
    }

    fn send(&self, id: &str, body: &[u8], signature: &str) -> u16 {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             X-GitHub-Event: push\r\nX-GitHub-Delivery: {id}\r\n\
             X-Hub-Signature-256: {signature}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.path,
            body.len()
        );
        let send = || -> std::io::Result<u16> {
            let mut stream = self.open()?;
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
            status(&mut stream)
        };
        send().unwrap_or(0)
    }
}

fn status(stream: &mut TcpStream) -> std::io::Result<u16> {
    let mut seen = [0; 12];
    stream.read_exact(&mut seen)?;
    let digits = std::str::from_utf8(&seen[9..]).unwrap_or_default();
    Ok(digits.parse().unwrap_or(0))
}

/// A large body of JSON that hardly compresses.
fn large_body(n: u64) -> Vec<u8> {
    let mut body = format!(r#"{{"n":{n},"ref":"refs/heads/x","filler":""#).into_bytes();
    let mut state = n;
    while body.len() < LARGE_BYTES - 32 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        body.push(b'!' + 1 + u8::try_from((state >> 40) % 57).unwrap());
    }
    body.extend(b"\"}");
    body
}

/// Delivers small ones, one at each moment of a schedule, until the stop: how long after its
/// moment each answer came, and what was no 2xx. A slow answer delays none of those after it.
fn probe(hook: &Hook, stop: &AtomicBool) -> (Vec<Duration>, Vec<u16>) {
    let deliver = |n: u32, moment: Instant| {
        let body = format!(r#"{{"probe":{n},"ref":"refs/heads/main","before":"0","after":"1"}}"#);
        let status = hook.deliver(&format!("probe-{n}"), body.as_bytes());
        (moment.elapsed(), status)
    };
    let answers: Vec<(Duration, u16)> = std::thread::scope(|scope| {
        let (began, mut probes) = (Instant::now(), Vec::new());
        let mut n = 0;
        while !stop.load(Ordering::SeqCst) {
            let moment = began + PROBE_EVERY * n;
            std::thread::sleep(moment.saturating_duration_since(Instant::now()));
            probes.push(scope.spawn(move || deliver(n, moment)));
            n += 1;
        }
        probes
            .into_iter()
            .map(|probe| probe.join().unwrap())
            .collect()
    });
    let mut took: Vec<Duration> = answers.iter().map(|(took, _)| *took).collect();
    took.sort_unstable();
    let refused = answers.into_iter().map(|(_, status)| status);
    (took, refused.filter(|s| !(200..300).contains(s)).collect())
}

/// Opens connections that ask for a public document again and again, and never read.
fn silent(hook: &Hook) -> Vec<TcpStream> {
    let ask = "GET /api/v2/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(AHEAD);
    let open = |_| {
        let mut stream = hook.open().ok()?;
        stream.set_nonblocking(true).ok()?;
        let _ = stream.write(ask.as_bytes());
        Some(stream)
    };
    (0..SILENT).filter_map(open).collect()
}

/// Lets the daemon and the deliveries that are measured go first on the processors: those who press
/// have machines of their own, were it not for the test.
fn stand_back() {
    // Without the right to do so it goes as well, only slower.
    let _ = rustix::process::setpriority_process(None, 19);
}

/// Asks for a large delivery and reads a little of it at a time; whether it was given any.
fn slow(user: &User, until: Instant) -> bool {
    stand_back();
    let User { token, hook, large } = user;
    let ask = format!(
        "GET /api/v2/deliveries/{large} HTTP/1.1\r\nHost: x\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    let Ok(mut stream) = hook.open() else {
        return false;
    };
    let _ = stream.write_all(ask.as_bytes());
    let is_given = status(&mut stream).is_ok_and(|status| status == 200);
    let mut some = [0; 512];
    while Instant::now() < until && stream.read(&mut some).is_ok_and(|n| n > 0) {
        std::thread::sleep(Duration::from_millis(100));
    }
    is_given
}

/// The three kinds of pressure, one on top of the other. How many slow readers were given
/// something, and how many uploads were taken and refused.
fn press(users: &[User], body: &[u8]) -> (usize, usize, usize) {
    let silent = silent(&users[0].hook);
    // Signed once: what signing costs is the sender's business.
    let signatures: Vec<String> = users
        .iter()
        .map(|user| github_sign(&user.hook.secret, body))
        .collect();
    std::thread::scope(|scope| {
        let until = Instant::now() + 2 * PHASE;
        let readers: Vec<_> = (0..SLOW)
            .map(|n| scope.spawn(move || slow(&users[n % USERS], until)))
            .collect();
        let signatures = &signatures;
        let upload = |n: usize| {
            let (user, id) = (&users[n % USERS], format!("upload-{n}"));
            let signature = &signatures[n % USERS];
            scope.spawn(move || {
                stand_back();
                user.hook.send(&id, body, signature)
            })
        };
        let uploads: Vec<_> = (0..UPLOADS).map(upload).collect();
        let statuses: Vec<u16> = uploads.into_iter().map(|u| u.join().unwrap()).collect();
        let stored = statuses.iter().filter(|s| (200..300).contains(*s)).count();
        let refused = statuses.iter().filter(|s| **s >= 400).count();
        let given = readers.into_iter().map(|r| r.join().unwrap());
        let given = given.filter(|is| *is).count();
        drop(silent);
        (given, stored, refused)
    })
}

/// The users, each with a connection to the same repository and a large delivery.
fn users(stage: &Stage) -> Vec<User> {
    let body = large_body(1);
    stage.connect();
    let provider_token = stage.simulator.github().add_user("octo");
    let user = |n: usize| {
        let token = if n == 0 {
            ADMIN.to_owned()
        } else {
            let wish = json!({ "name": format!("user-{n}") });
            let user = stage.call(ADMIN, "POST users", &wish).json;
            let token = user["token"].as_str().unwrap().to_owned();
            stage.connect_as(&token, &provider_token);
            token
        };
        let hook = Hook::newest(stage);
        let status = hook.deliver("large", &body);
        assert_eq!(status, 202, "{}", stage.end_of_log());
        let list = stage.list(&token, "deliveries");
        let large = list.iter().find(|d| d["provider_delivery_id"] == "large");
        let large = large.unwrap()["id"].as_str().unwrap().to_owned();
        User { token, hook, large }
    };
    (0..USERS).map(user).collect()
}

fn start_within(stage: &Stage, cgroup: &Cgroup) -> Daemon {
    let script = format!("echo $$ > {} && exec \"$@\"", cgroup.door());
    stage.start_with(&["sh", "-c", &script, "sh"], &[])
}

#[test]
fn in_a_gibibyte_no_client_stops_it_or_delays_a_delivery() {
    let Some(cgroup) = Cgroup::new(GIB) else {
        return;
    };
    let stage = Stage::new();
    let daemon = start_within(&stage, &cgroup);
    let users = users(&stage);
    let body = large_body(2);
    let before = resident(daemon.pid());
    let stop = AtomicBool::new(false);
    let (pressed, (took, refused)) = std::thread::scope(|scope| {
        let probing = scope.spawn(|| probe(&users[0].hook, &stop));
        let pressed = press(&users, &body);
        stop.store(true, Ordering::SeqCst);
        (pressed, probing.join().unwrap())
    });
    let (given, stored, told) = pressed;
    let p99 = took[took.len() * 99 / 100];
    let peak = resident(daemon.pid());
    eprintln!(
        "{} probes: p50 {:?}, p99 {p99:?}, max {:?}; {given} slow readers were given something, \
         {stored} uploads were taken and {told} were told to come again; memory {} MiB before, {} \
         at the end",
        took.len(),
        took[took.len() / 2],
        took[took.len() - 1],
        before / MIB,
        peak / MIB,
    );
    assert_eq!(
        cgroup.killed(),
        0,
        "the kernel killed it: {}",
        stage.end_of_log()
    );
    stage.wait_until("the daemon to be ready", || stage.readiness() == Some(200));
    assert!(took.len() > 100, "only {} probes", took.len());
    assert_eq!(refused, [0; 0], "authentic deliveries were refused");
    assert!(p99 <= ANSWER_MAX, "{p99:?}");
    assert!(given > 0, "no slow reader was given anything");
    assert!(stored + told > 0, "no upload was answered");
    stage.wait_until("memory to come back", || {
        resident(daemon.pid()) < before + KEPT_BYTES
    });
    stage.assert_no_panic();
}
