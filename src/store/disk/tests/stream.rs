//! Payloads read a little at a time are those that are read whole.

use super::*;
use std::io::Read as _;
use std::pin::Pin;
use std::task::Poll;

fn body_of(n: u32, bytes: usize) -> Payload {
    let mut body = vec![b'a'; bytes];
    let noise = bytes / 2;
    samples::noise(n.into(), &mut body[..noise]);
    Payload {
        headers: vec![("a".into(), n.to_string()), ("b".into(), "x".repeat(300))],
        body: body.into(),
    }
}

fn streamed(store: &DiskStore, n: u32) -> Payload {
    let stored = store.body(delivery(n).id).ready().unwrap().unwrap();
    let mut body = Vec::new();
    stored.open().unwrap().read_to_end(&mut body).unwrap();
    assert_eq!(stored.bytes, body.len() as u64);
    // It can be opened again.
    let mut again = Vec::new();
    stored.open().unwrap().read_to_end(&mut again).unwrap();
    assert_eq!(again, body);
    Payload {
        headers: stored.headers,
        body: body.into(),
    }
}

#[test]
fn a_body_of_any_size_is_the_same_read_whole_or_a_little_at_a_time() {
    let (_dir, store) = new_store();
    let sizes = [0, 1, 250, 1000, 70_000, 3 << 20];
    for (n, bytes) in (0..).zip(sizes) {
        let other = Change::InsertDelivery(Box::new(delivery(n + 100)), body_of(n, 7));
        let change = Change::InsertDelivery(Box::new(delivery(n)), body_of(n, bytes));
        wait(store.commit(Batch::of(vec![other, change]))).unwrap();
    }
    for (n, bytes) in (0..).zip(sizes) {
        assert_eq!(streamed(&store, n), body_of(n, bytes), "{bytes}");
        assert_eq!(
            Some(streamed(&store, n)),
            store.payload(delivery(n).id).ready().unwrap()
        );
        assert_eq!(streamed(&store, n + 100), body_of(n, 7));
    }
    assert!(store.body(delivery(999).id).ready().unwrap().is_none());
}

#[test]
fn a_large_payload_is_read_on_another_thread_and_few_are_at_a_time() {
    let (_dir, store) = new_store();
    let large = Delivery {
        body_bytes: 100_000,
        ..delivery(1)
    };
    let change = Change::InsertDelivery(Box::new(large.clone()), body_of(1, 100_000));
    wait(store.commit(Batch::of(vec![change]))).unwrap();
    insert(&store, 2).unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().unwrap().block_on(async {
        let all = u32::try_from(WALKS_MAX).unwrap();
        let turns = Arc::clone(&store.walks).acquire_many_owned(all).await;
        let (mut body, mut payload) = (store.body(large.id), store.payload(large.id));
        let waits = std::future::poll_fn(|cx| {
            let body = Pin::new(&mut body).poll(cx).is_pending();
            let payload = Pin::new(&mut payload).poll(cx).is_pending();
            Poll::Ready((body, payload))
        });
        assert_eq!(waits.await, (true, true));
        assert!(store.body(delivery(2).id).ready().unwrap().is_some());
        drop(turns);
        assert_eq!(body.await.unwrap().unwrap().bytes, 100_000);
        assert_eq!(payload.await.unwrap(), Some(body_of(1, 100_000)));
    });
}

#[test]
fn a_flipped_bit_is_found_before_anything_is_read() {
    let (dir, store) = new_store();
    let change = Change::InsertDelivery(Box::new(delivery(1)), body_of(1, 100_000));
    wait(store.commit(Batch::of(vec![change]))).unwrap();
    let journal = super::super::journal_dir(dir.path());
    let mut files = std::fs::read_dir(&journal)
        .unwrap()
        .map(|file| file.unwrap().path());
    let path = files
        .find(|path| path.extension() == Some("segment".as_ref()))
        .unwrap();
    let good = std::fs::read(&path).unwrap();
    let end = good.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (40..end).step_by(997) {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        assert!(store.body(delivery(1).id).ready().is_err(), "byte {at}");
    }
    std::fs::write(&path, &good).unwrap();
    assert_eq!(streamed(&store, 1), body_of(1, 100_000));
}
