//! Backups that are downloaded: by a client that does not read, and while the store cannot be read.

use super::stage::{Stage, settings};
use super::wire;
use crate::api::{Backup, Settings};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const ENOUGH: Duration = Duration::from_mins(1);

fn ask(api: &Stage) -> std::net::TcpStream {
    let mut socket = wire::open(api.at);
    let head = format!(
        "GET /api/v2/admin/backup HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: {}\r\n\r\n",
        api.admin.bearer()
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket
}

/// It holds the only place, and no more than a few pieces; it is cut off, and the place is free.
#[test]
fn a_client_that_does_not_read_its_backup_is_cut_off_and_others_get_theirs() {
    let (begun, has_begun) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let backup: Backup = Arc::new(move |out| {
        let _ = begun.send(());
        let piece = vec![7; 64 * 1024];
        let written = (0..10_000).try_for_each(|_| out.write_all(&piece));
        let _ = ended.send(written.as_ref().map_err(std::io::Error::kind).err());
        written
    });
    let hurried = Settings {
        write_deadline: Duration::from_secs(1),
        ..settings()
    };
    let api = Stage::backed_up(hurried, backup);
    let stalled = ask(&api);
    has_begun.recv_timeout(ENOUGH).expect("it begins");
    let refused = api.admin.get("admin/backup");
    assert_eq!(refused.status, 503, "one at a time: {refused:?}");
    assert_eq!(api.owner.get("stats").status, 200, "all else goes on");
    let ended = has_ended.recv_timeout(ENOUGH).expect("it is cut off");
    assert_eq!(ended, Some(ErrorKind::BrokenPipe));
    drop(stalled);
    assert!(gets_its_backup(&api), "the place is free");
    has_begun.recv_timeout(ENOUGH).expect("it begins");
}

/// Whether a client that asks again and again gets its backup in the end. The place is free a
/// moment after the backup's own end, so the first of its questions may still be refused.
fn gets_its_backup(api: &Stage) -> bool {
    let asked = Instant::now();
    let mut status = [0; 12];
    while asked.elapsed() < ENOUGH {
        ask(api).read_exact(&mut status).unwrap();
        match &status {
            b"HTTP/1.1 200" => return true,
            b"HTTP/1.1 503" => {}
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
    false
}

/// An error in the middle is none that a client could take for the end.
#[test]
fn a_backup_that_fails_is_broken_off() {
    for written in [0, 1, 100] {
        let backup: Backup = Arc::new(move |out| {
            out.write_all(&vec![7; written * 1024])?;
            Err(ErrorKind::StorageFull.into())
        });
        let api = Stage::backed_up(settings(), backup);
        let mut seen = Vec::new();
        // The end, or a reset.
        let _ = ask(&api).read_to_end(&mut seen);
        let is_whole = seen.ends_with(b"0\r\n\r\n") && seen.starts_with(b"HTTP/1.1 200");
        assert!(!is_whole, "{written} KiB: it ended well");
        assert_eq!(api.owner.get("stats").status, 200);
    }
}
