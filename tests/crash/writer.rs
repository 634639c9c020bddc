//! The victim: a process that commits deliveries and says which were acknowledged.

use super::ledger::Ledger;
use super::load::{connecting, insertion, payload, processing};
use hookherd::domain::id::DeliveryId;
use hookherd::store::disk::{DiskStore, Options, Retention};
use hookherd::store::{CommitError, Read, Store};
use parking_lot::{Condvar, Mutex};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long a writer may take to say what is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// The test that is a writer when it is started as one.
const SESSION: &str = "writer::a_writer_acknowledges_what_is_stored_and_nothing_else";
/// Pause before a refused delivery is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// What a writer does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// The number of its first delivery.
    pub(crate) from: u64,
    /// Deliveries in flight at a time.
    pub(crate) width: u64,
    /// Whether history is bounded so tightly that segments are deleted all the time.
    pub(crate) retains_little: bool,
}

impl Job {
    /// Options small enough that segments, snapshots and healing happen all the time.
    pub(crate) fn options(self) -> Options {
        // The deliveries of these tests are dated in 1970.
        let mut retention = Retention {
            max_age: Duration::from_secs(u32::MAX.into()),
            guards_max_age: Duration::from_secs(u32::MAX.into()),
            ..Retention::default()
        };
        if self.retains_little {
            retention.max_bytes = 3 << 20;
            retention.floor_per_connection = 3;
        }
        Options {
            segment_bytes: 256 << 10,
            snapshot_bytes: 512 << 10,
            ballast_bytes: 16 << 20,
            heal_interval: Duration::from_millis(50),
            retention,
            upkeep_interval: Duration::from_millis(20),
            ..Options::default()
        }
    }

    /// Whether the writer processes this delivery, after which retention may take it. The others
    /// must stay whatever happens.
    pub(crate) fn is_processed(self, n: u64) -> bool {
        if self.retains_little {
            n % 16 != 1
        } else {
            n.is_multiple_of(4)
        }
    }

    fn to_text(self) -> String {
        format!("{} {} {}", self.from, self.width, self.retains_little)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            from: words.next()?.parse().ok()?,
            width: words.next()?.parse().ok()?,
            retains_little: words.next()?.parse().ok()?,
        })
    }
}

/// What a writer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The store is open.
    Open,
    /// This delivery was acknowledged.
    Acknowledged(u64),
    /// The processing of this delivery was acknowledged.
    Processed(u64),
    /// A delivery was refused, for this reason.
    Refused(String),
    /// While deliveries were refused, an acknowledged one was read back, rightly or not.
    ReadBack(bool),
    /// Anything else: panics and other news for people.
    Other(String),
}

impl Said {
    fn read(line: &str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.parse()) {
            ("@open", _) => Self::Open,
            ("@ack", Ok(n)) => Self::Acknowledged(n),
            ("@done", Ok(n)) => Self::Processed(n),
            ("@no", _) => Self::Refused(rest.to_owned()),
            ("@read", _) => Self::ReadBack(rest == "true"),
            _ => Self::Other(line.to_owned()),
        }
    }
}

/// Reports a line to the process that started this one: one write a line.
fn say(line: &str) {
    let written = std::io::stderr().write_all(format!("{line}\n").as_bytes());
    // A writer whose test has gone away must not live on.
    if written.is_err() {
        std::process::exit(1);
    }
}

/// What a writer does: some deliveries at a time, up to a number.
struct Session<'a> {
    store: &'a DiskStore,
    job: Job,
    /// The number of the first delivery that is not written any more.
    until: u64,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Session<'_> {
    fn run(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without any driver");
        while let Err(error) = runtime.block_on(self.store.commit(connecting())) {
            (self.say)(&format!("@no {error}"));
            std::thread::sleep(PAUSE);
        }
        std::thread::scope(|scope| {
            for lane in 0..self.job.width {
                scope.spawn(move || self.write(lane));
            }
        });
    }

    fn write(&self, lane: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without any driver");
        let (store, job, say) = (self.store, self.job, self.say);
        let width = usize::try_from(job.width).expect("few lanes");
        let mut last_acknowledged = None;
        for n in (job.from + lane..self.until).step_by(width) {
            while let Err(error) = runtime.block_on(store.commit(insertion(n))) {
                if matches!(error, CommitError::Conflict(_)) {
                    // A try that was refused as failed may have landed: a provider that asks
                    // again gets the answer that it is a duplicate, which is an acknowledgement.
                    break;
                }
                say(&format!("@no {error}"));
                if let Some(known) = last_acknowledged {
                    self.read_and_process(&runtime, known);
                }
                std::thread::sleep(PAUSE);
            }
            say(&format!("@ack {n}"));
            last_acknowledged = Some(n);
            if n % 4 == 0 && runtime.block_on(store.commit(processing(n))).is_ok() {
                say(&format!("@done {n}"));
            }
        }
    }

    /// What must continue while deliveries are refused: reads, and our own work.
    fn read_and_process(&self, runtime: &Runtime, known: u64) {
        let read = self
            .store
            .payload(DeliveryId::from_u128(u128::from(known) + 1))
            .wait();
        let is_right = matches!(&read, Ok(Some(found)) if *found == payload(known));
        (self.say)(&format!("@read {is_right}"));
        let is_processed = || {
            runtime
                .block_on(self.store.commit(processing(known)))
                .is_ok()
        };
        if self.job.is_processed(known) && is_processed() {
            (self.say)(&format!("@done {known}"));
        }
    }
}

/// A short session, and what must be there after it. The other tests start this one as a process
/// of its own, which then writes until it is killed: a test binary has no other way in.
#[test]
fn a_writer_acknowledges_what_is_stored_and_nothing_else() {
    if let Some((dir, job)) = told_by_environment() {
        let (store, _) = super::ledger::open(&dir, job);
        say("@open");
        let until = u64::MAX;
        let say = &say;
        Session {
            store: &store,
            job,
            until,
            say,
        }
        .run();
        return;
    }
    let (dir, lines) = (tempfile::tempdir().unwrap(), Mutex::new(Vec::new()));
    let job = Job {
        from: 0,
        width: 4,
        retains_little: false,
    };
    let (store, _) = super::ledger::open(dir.path(), job);
    let say = |line: &str| lines.lock().push(Said::read(line));
    Session {
        store: &store,
        job,
        until: 40,
        say: &say,
    }
    .run();
    store.close();
    drop(store);
    let mut ledger = Ledger::default();
    ledger.note(&lines.into_inner());
    assert_eq!(ledger.acknowledged, (0..40).collect());
    assert_eq!(ledger.processed, (0..40).step_by(4).collect());
    ledger.check(dir.path(), job);
    // And the check can fail.
    ledger.acknowledged.insert(40);
    let (store, _) = super::ledger::open(dir.path(), job);
    assert_eq!(ledger.lost(&store, job), [40]);
}

/// Where to write and what, in a process that another test started.
fn told_by_environment() -> Option<(PathBuf, Job)> {
    let dir = std::env::var_os("WRITER_DIR")?;
    let job = std::env::var("WRITER_JOB").expect("set together with the directory");
    let job = Job::from_text(&job).expect("written by to_text");
    Some((dir.into(), job))
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<Said>>,
    news: Condvar,
    acknowledged: AtomicU64,
}

/// A running writer.
pub(crate) struct Writer {
    child: Child,
    heard: Arc<Heard>,
    reader: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts a writer on a directory.
    pub(crate) fn start(dir: &Path, job: Job) -> Self {
        Self::start_under(&[], dir, job)
    }

    /// Starts a writer as the last arguments of another command, such as strace.
    pub(crate) fn start_under(prefix: &[&str], dir: &Path, job: Job) -> Self {
        let this = std::env::current_exe().expect("a test has a path");
        let mut command = match prefix {
            [] => Command::new(&this),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&this);
                command
            }
        };
        command
            .args(["--exact", SESSION, "--nocapture", "--test-threads=1"])
            .env("WRITER_DIR", dir)
            .env("WRITER_JOB", job.to_text())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the writer starts");
        let stderr = child.stderr.take().expect("it was piped");
        let heard = Arc::new(Heard::default());
        let listener = Arc::clone(&heard);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let said = Said::read(&String::from_utf8_lossy(&line));
                if matches!(said, Said::Acknowledged(_)) {
                    listener.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                listener.lines.lock().push(said);
                listener.news.notify_all();
            }
        });
        Self {
            child,
            heard,
            reader: Some(reader),
        }
    }

    /// Waits until what was said so far fulfils a condition; fails when that takes too long.
    pub(crate) fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&[Said]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.heard.lines.lock();
        while !is_so(&lines) {
            let ended = self.child.try_wait().unwrap();
            let is_late = Instant::now() > deadline || ended.is_some();
            let last = &lines[lines.len().saturating_sub(20)..];
            assert!(!is_late, "{what} did not come ({ended:?}): {last:#?}");
            self.heard.news.wait_for(&mut lines, PAUSE);
        }
    }

    /// Waits for this many acknowledgements.
    pub(crate) fn wait_for_acknowledged(&mut self, count: u64) {
        let heard = Arc::clone(&self.heard);
        self.wait_until("an acknowledgement", |_| {
            heard.acknowledged.load(Ordering::SeqCst) >= count
        });
    }

    /// What was said so far.
    pub(crate) fn heard(&self) -> Vec<Said> {
        self.heard.lines.lock().clone()
    }

    /// The process, as the kernel numbers it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, and returns all that it ever said.
    pub(crate) fn kill(mut self) -> Vec<Said> {
        self.end();
        self.heard()
    }

    fn end(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}
