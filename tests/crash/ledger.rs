//! What must be in a store, and whether it is.

use super::load::{CONNECTION, delivery, insertion, payload};
use super::writer::{Job, Said};
use hookherd::domain::delivery::{DeliveryState, Payload};
use hookherd::domain::id::DeliveryId;
use hookherd::store::disk::{DiskStore, OpenError, OpenReport};
use hookherd::store::{After, CommitError, Of, Read, Store};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a directory may look as if it were in use.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was acknowledged to writers.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) acknowledged: BTreeSet<u64>,
    pub(crate) processed: BTreeSet<u64>,
}

/// Opens a store as the next process would. A process that another test is just starting has, for
/// a moment, the files of this one open, the lock of a store included.
pub(crate) fn open(dir: &Path, job: Job) -> (DiskStore, OpenReport) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match DiskStore::open(dir, &job.options()) {
            Err(OpenError::InUse(_)) if Instant::now() < deadline => std::thread::yield_now(),
            opened => return opened.expect("the store opens"),
        }
    }
}

fn id_of(n: u64) -> DeliveryId {
    DeliveryId::from_u128(u128::from(n) + 1)
}

/// The payload that is stored; none also when it is harmed. Retention may carry it to another
/// segment between the look at its place and the look there, so it has two chances.
fn stored(store: &DiskStore, n: u64) -> Option<Payload> {
    let read = || store.payload(id_of(n)).wait().ok().flatten();
    read().or_else(read)
}

impl Ledger {
    /// Notes what a writer said.
    pub(crate) fn note(&mut self, said: &[Said]) {
        for line in said {
            match line {
                Said::Acknowledged(n) => drop(self.acknowledged.insert(*n)),
                Said::Processed(n) => drop(self.processed.insert(*n)),
                Said::Other(line) => assert!(!line.contains("panicked"), "the writer {line}"),
                Said::Open | Said::Refused(_) | Said::ReadBack(_) => {}
            }
        }
    }

    /// Opens the store twice (rebuilt, and from an orderly end) and checks both. Returns how
    /// the first opening went.
    pub(crate) fn check(&self, dir: &Path, job: Job) -> OpenReport {
        let (store, report) = open(dir, job);
        self.check_open(&store, job);
        let digest = store.digest().expect("readable");
        store.close();
        drop(store);
        let (store, second) = open(dir, job);
        assert!(!second.is_rebuilt, "an orderly end was not trusted");
        if !job.retains_little {
            assert_eq!(store.digest().expect("readable"), digest);
        }
        store.close();
        report
    }

    /// Checks every acknowledgement in an open store.
    pub(crate) fn check_open(&self, store: &DiskStore, job: Job) {
        let lost: Vec<u64> = self.lost(store, job);
        let count = self.acknowledged.len();
        assert!(lost.is_empty(), "{} of {count} lost: {lost:?}", lost.len());
        for n in &self.processed {
            let found = store.delivery(id_of(*n)).wait().expect("readable");
            let is_kept = found.is_none_or(|d| d.state != DeliveryState::Received);
            assert!(is_kept, "the processing of {n} is lost");
        }
        Self::check_that_the_rest_is_whole(store);
        self.check_replay_guards(store);
    }

    /// The acknowledged deliveries that are not there, byte for byte, and that nothing but a
    /// fault could have taken.
    pub(crate) fn lost(&self, store: &DiskStore, job: Job) -> Vec<u64> {
        let is_there = |n: u64| match stored(store, n) {
            Some(found) => found == payload(n),
            None => job.retains_little && job.is_processed(n),
        };
        let all = self.acknowledged.iter().copied();
        all.filter(|n| !is_there(*n)).collect()
    }

    fn check_that_the_rest_is_whole(store: &DiskStore) {
        let mut last = None;
        loop {
            let after = After { last, limit: 100 };
            let page = store.deliveries(Of::Connection(CONNECTION), after).wait();
            let page = page.expect("readable");
            for found in &page.items {
                let n = u64::try_from(found.id.as_u128() - 1).expect("a number of ours");
                let mut expected = delivery(n);
                expected.state = found.state.clone();
                assert_eq!(*found, expected, "nobody wrote this");
                let is_whole = stored(store, n).is_some_and(|stored| stored == payload(n));
                // Retention may take it away while it is being looked at.
                let is_gone = store.delivery(found.id).wait().expect("readable").is_none();
                let state = &found.state;
                assert!(is_whole || is_gone, "only half of {n} is there: {state:?}");
            }
            last = page.items.last().map(|d| d.id);
            if !page.has_more {
                return;
            }
        }
    }

    /// Every acknowledged delivery that comes again is known, also when its payload is gone.
    fn check_replay_guards(&self, store: &DiskStore) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without any driver");
        let again = self
            .acknowledged
            .iter()
            .map(|n| store.commit(insertion(*n)));
        for (n, answer) in self.acknowledged.iter().zip(again.collect::<Vec<_>>()) {
            let answer = runtime.block_on(answer);
            let is_known = matches!(answer, Err(CommitError::Conflict(_)));
            assert!(is_known, "{n} was taken twice: {answer:?}");
        }
    }
}
