//! What happens within a group: guards, claims, and the order of sync, index and answer.

use super::*;
use crate::domain::connection::Connection;
use crate::domain::repo::RepositoryId;
use crate::store::contract::{Subject, contract};
use parking_lot::{Condvar, Mutex};
use std::task::{Context, Poll, Waker};

/// A disk whose syncs wait while it is held: what is submitted meanwhile becomes one group.
#[derive(Default)]
struct HeldDisk {
    is_held: Mutex<bool>,
    waiting: AtomicI64,
    news: Condvar,
}

impl HeldDisk {
    fn hold(&self, is_held: bool) {
        *self.is_held.lock() = is_held;
        self.news.notify_all();
    }
}

impl Disk for HeldDisk {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        RealDisk.write_at(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut held = self.is_held.lock();
        self.news.wait_while(&mut held, |is_held| *is_held);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        RealDisk.sync(file)
    }
}

/// A store whose committer waits for the sync of a group of one.
fn held(dir: &Path) -> (DiskStore, Arc<HeldDisk>) {
    let disk = Arc::new(HeldDisk::default());
    let (store, _) = open_with(dir, &options(), Arc::clone(&disk) as _);
    insert(&store, 1).unwrap();
    disk.hold(true);
    drop(store.commit(insertion(2)));
    while disk.waiting.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    (store, disk)
}

/// A store under test whose groups can be made to hold what is submitted together.
struct Held {
    store: DiskStore,
    disk: Arc<HeldDisk>,
    _dir: tempfile::TempDir,
}

impl Held {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(HeldDisk::default());
        let (store, _) = open_with(dir.path(), &options(), Arc::clone(&disk) as _);
        Self {
            store,
            disk,
            _dir: dir,
        }
    }
}

impl Subject for Held {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn together(&self, batches: Vec<Batch>) -> Vec<Result<(), CommitError>> {
        self.disk.hold(true);
        let canary = crate::domain::secret::Sealed(vec![1]);
        drop(
            self.store
                .commit(Batch::of(vec![Change::PutCanary(canary)])),
        );
        while self.disk.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let answers: Vec<_> = batches.into_iter().map(|b| self.store.commit(b)).collect();
        self.disk.hold(false);
        answers.into_iter().map(wait).collect()
    }
}

contract!(Held::new());

pub(in crate::store) fn connection(id: u128, repository: Option<u64>, name: &str) -> Connection {
    Connection {
        repository: repository.map(RepositoryId),
        ..samples::connection(id, name)
    }
}

/// What hangs on a connection that is gone is ended, however much it is, and goes with age; what
/// version 0.1 left behind, too.
#[test]
fn what_hangs_on_nothing_is_ended_and_goes() {
    let (dir, store) = new_store();
    connect(&store, CONNECTION);
    let all: Vec<_> = (0..2_500).map(|n| store.commit(insertion(n))).collect();
    for one in all {
        wait(one).unwrap();
    }
    wait(store.commit(Batch::of(vec![Change::DeleteConnection(CONNECTION)]))).unwrap();
    assert_eq!(
        store.connections_with_pending().ready().unwrap(),
        [CONNECTION]
    );
    end(store);
    let options = keeping_little(8192, 20);
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    until("they wait for ever", || {
        store.connections_with_pending().ready() == Ok(Vec::new())
    });
    until("they are carried on for ever", || {
        let page = store
            .deliveries(Of::Connection(CONNECTION), After::first(1))
            .ready();
        // Something has to come for the journal to move on.
        let user = samples::user(UserId::from_u128(9), "ann");
        wait(store.commit(Batch::of(vec![Change::PutUser(user)]))).unwrap();
        page.unwrap().items.is_empty()
    });
}

#[test]
fn nothing_is_answered_or_shown_before_its_sync_has_returned() {
    let dir = tempfile::tempdir().unwrap();
    let (store, disk) = held(dir.path());
    let mut answer = store.commit(insertion(3));
    let mut poll = || {
        answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    };
    assert_eq!(poll(), Poll::Pending);
    assert!(!is_there(&store, 2) && !is_there(&store, 3));
    // A snapshot that is taken now must not claim what is not in the index yet.
    let applied = store.shared.applied();
    let length = std::fs::metadata(segment_path(&journal_dir(dir.path()), applied.segment));
    assert!(applied.offset < length.unwrap().len());
    disk.hold(false);
    wait(answer).unwrap();
    assert!(is_there(&store, 2) && is_there(&store, 3));
    assert!(store.shared.applied() > applied);
    for n in 10..200 {
        insert(&store, n).unwrap();
        assert!(is_there(&store, n), "answered, and not in the index");
    }
}
