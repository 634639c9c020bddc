//! A wall clock that jumps by years and back (libfaketime): nothing is lost, no replay guard goes,
//! and lists stay in order of arrival. `HOOKHERD_CLOCK_SECONDS` makes it wrong for so long.

use super::load::{CONNECTION, connecting};
use bytes::Bytes;
use hookherd::app::{SteadyClock, SystemEntropy};
use hookherd::domain::delivery::{BodyDigest, Delivery, DeliveryState, Outcome, Payload, Source};
use hookherd::domain::id::{DeliveryId, UserId};
use hookherd::domain::time::Clock;
use hookherd::store::disk::{DiskStore, Environment, Options, Retention};
use hookherd::store::{After, Batch, Change, CommitError, Guard, Of, Read, Store};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

pub(crate) const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];
/// The test that is a session when it is started as one.
const SESSION: &str = "clock::a_session_keeps_what_it_was_given";
const PATIENCE: Duration = Duration::from_mins(1);
/// A jump is longer than this, in seconds.
const JUMP: u64 = 100 * 24 * 3600;

/// Options under which retention is asked all the time, and nothing but age decides.
fn options(clock: &SteadyClock) -> Options {
    Options {
        segment_bytes: 8 << 10,
        snapshot_bytes: 1,
        ballast_bytes: 0,
        retention: Retention {
            floor_per_connection: 0,
            guards_per_connection: 0,
            guards_in_all: 0,
            ..Retention::default()
        },
        upkeep_interval: Duration::from_millis(5),
        environment: Environment {
            floor: clock.floor(),
            ..Environment::default()
        },
        ..Options::default()
    }
}

/// The delivery with this number, as it comes now.
fn delivery(n: u32, clock: &SteadyClock) -> Delivery {
    Delivery {
        id: DeliveryId::generate(clock.now_for_id(), &SystemEntropy),
        connection: CONNECTION,
        owner: UserId::from_u128(1),
        provider_delivery_id: format!("guid-{n}"),
        event: "push".into(),
        action: None,
        received_at: clock.now(),
        body_digest: BodyDigest::Blake3(*blake3::hash(&n.to_le_bytes()).as_bytes()),
        body_bytes: 600,
        source: Source::Webhook,
        signed_by: None,
        state: DeliveryState::Processed {
            at: clock.now(),
            outcome: Outcome::Recorded,
        },
        tries: 0,
    }
}

fn insertion(n: u32, clock: &SteadyClock) -> Batch {
    let delivery = delivery(n, clock);
    let guard = Guard::NewDelivery {
        connection: CONNECTION,
        provider_delivery_id: delivery.provider_delivery_id.clone(),
        body_digest: delivery.body_digest,
    };
    let mut body = vec![0; 600];
    let mut noise = blake3::Hasher::new();
    noise.update(&n.to_le_bytes());
    noise.finalize_xof().fill(&mut body);
    let payload = Payload {
        headers: Vec::new(),
        body: Bytes::from(body),
    };
    let changes = vec![Change::InsertDelivery(Box::new(delivery), payload)];
    Batch::of(changes).guarded_by(guard)
}

fn commit(store: &DiskStore, batch: Batch) -> Result<(), CommitError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(store.commit(batch))
}

fn open(dir: &Path) -> (DiskStore, SteadyClock) {
    let clock = SteadyClock::default();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match DiskStore::open(dir, &options(&clock)) {
            Ok((store, _)) => {
                if let Some(newest) = store.newest_id_at().unwrap() {
                    clock.begin_ids_after(newest);
                }
                return (store, clock);
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

fn newest_snapshot(dir: &Path) -> Option<String> {
    let entries = std::fs::read_dir(dir.join("snapshots")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".snapshot")).max()
}

/// All deliveries, newest first.
fn all(store: &DiskStore) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let last = all.last().map(|d: &Delivery| d.id);
        let after = After { last, limit: 500 };
        let page = store
            .deliveries(Of::Connection(CONNECTION), after)
            .wait()
            .unwrap();
        all.extend(page.items);
        if !page.has_more {
            return all;
        }
    }
}

/// Does what its standard input says, a line at a time.
fn session(dir: &Path) {
    let (store, clock) = open(dir);
    commit(&store, connecting()).unwrap();
    let put = |n: u32| commit(&store, insertion(n, &clock)).unwrap();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let numbers: Vec<u32> = rest.split(' ').filter_map(|n| n.parse().ok()).collect();
        match word {
            "put" => (numbers[0]..numbers[1]).for_each(put),
            // The oldest of what is there: what is left of them are their guards.
            "forget" => {
                let oldest = all(&store).into_iter().rev().take(numbers[0] as usize);
                let changes = oldest.map(|d| Change::ForgetDelivery(d.id)).collect();
                commit(&store, Batch::of(changes)).unwrap();
            }
            // Waits until upkeep has surely looked at everything.
            "pass" => {
                for n in numbers[0]..numbers[0] + 3 {
                    let before = newest_snapshot(dir);
                    put(n);
                    let deadline = Instant::now() + PATIENCE;
                    while newest_snapshot(dir) == before {
                        assert!(Instant::now() < deadline, "no upkeep");
                        std::thread::yield_now();
                    }
                }
            }
            "wait" => std::thread::sleep(Duration::from_secs(1)),
            _ => store.close(),
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        println!("\n@done {}", now.unwrap_or_default().as_secs());
    }
}

/// A session in a process with a clock of its own.
struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn start(dir: &Path, library: &str, clock: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", SESSION, "--nocapture", "--test-threads=1"])
            .env("CLOCK_DIR", dir)
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Has it do something. Returns what time it is there, in seconds.
    fn does(&mut self, what: &str) -> u64 {
        writeln!(self.input, "{what}").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "{what}: the session ended");
            if let Some(seconds) = line.strip_prefix("@done ") {
                return seconds.trim().parse().unwrap();
            }
        }
    }

    fn end(mut self) {
        self.does("close");
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// For how long the clock is wrong, beside what happens anyhow; see the module's doc.
fn wrong_for() -> Duration {
    let seconds = std::env::var("HOOKHERD_CLOCK_SECONDS").ok();
    let seconds = seconds.map_or(0, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// A day's work: the clock jumps in the middle of it, and back, with restarts.
fn jump(library: &str, off: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (data, clock) = (dir.path().join("data"), dir.path().join("clock"));
    let set = |off: &str| std::fs::write(&clock, format!("{off}\n")).unwrap();
    set("+0");
    let mut session = Session::start(&data, library, &clock);
    session.does("put 0 100");
    session.does("forget 20");
    session.does("pass 100");
    set(off);
    let there = session.does("put 103 110");
    assert!(there.abs_diff(now()) > JUMP, "the clock did not jump");
    session.does("pass 110");
    let right_again = Instant::now() + wrong_for();
    while Instant::now() < right_again {
        session.does("wait");
    }
    session.end();
    let mut session = Session::start(&data, library, &clock);
    session.does("put 113 120");
    session.does("pass 120");
    set("+0");
    let there = session.does("put 123 130");
    assert!(there.abs_diff(now()) < 60, "the clock is right again");
    session.does("pass 130");
    session.end();
    let mut session = Session::start(&data, library, &clock);
    session.does("pass 133");
    session.end();

    let (store, steady) = open(&data);
    let found = all(&store);
    let names: Vec<_> = found
        .iter()
        .map(|d| d.provider_delivery_id.clone())
        .collect();
    let expected: Vec<_> = (20..136).rev().map(|n| format!("guid-{n}")).collect();
    assert_eq!(names, expected, "{off}: all of them, in order of arrival");
    for delivery in &found {
        let payload = store.payload(delivery.id).wait().unwrap();
        assert!(payload.is_some(), "{off}: {delivery:?} lost its payload");
        let is_dated_right = delivery.received_at.0 / 1000 > i64::try_from(now()).unwrap() - 3600;
        assert!(is_dated_right, "{off}: {delivery:?}");
    }
    for n in 0..136 {
        let again = commit(&store, insertion(n, &steady));
        let is_known = matches!(again, Err(CommitError::Conflict(_)));
        assert!(is_known, "{off}: {n} was taken twice");
    }
}

fn jump_if_there(off: &str) {
    let library = LIBRARIES.iter().find(|path| Path::new(path).exists());
    if !super::is_missing("libfaketime", library.is_some()) {
        jump(library.expect("it is not missing"), off);
    }
}

#[test]
fn a_clock_that_jumps_200_days_ahead_costs_nothing() {
    jump_if_there("+200d");
}

#[test]
fn a_clock_that_jumps_20_years_back_costs_nothing() {
    jump_if_there("-20y");
}

/// A short session in this process. The other tests start this one as a process of its own.
#[test]
fn a_session_keeps_what_it_was_given() {
    if let Some(dir) = std::env::var_os("CLOCK_DIR") {
        session(Path::new(&dir));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = open(dir.path());
    commit(&store, connecting()).unwrap();
    (0..10).for_each(|n| commit(&store, insertion(n, &clock)).unwrap());
    assert_eq!(all(&store).len(), 10);
}
