//! How long the server waits: for heads, for answers to be read, for requests that are sent ahead.
//! Each with a client that misbehaves, and with one that is only slow.

use super::stage::{Stage, settings};
use super::wire::{counted, open, read, statuses, to_end};
use crate::api::Settings;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const ASK: &str = "GET /api/v2/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
const ALIVE: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

fn hurried() -> Stage {
    Stage::with(Settings {
        head_timeout: Duration::from_secs(2),
        write_deadline: Duration::from_secs(1),
        ..settings()
    })
}

fn limit_writes(stream: &TcpStream, seconds: u64) {
    let timeout = Some(Duration::from_secs(seconds));
    stream.set_write_timeout(timeout).unwrap();
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let api = hurried();
    let before = counted("write_deadline");
    let mut stream = open(api.at);
    let began = Instant::now();
    limit_writes(&stream, 5);
    // Ends when the server hangs up: its side takes no more, and then the connection is reset.
    while stream.write_all(ASK.repeat(20).as_bytes()).is_ok() {}
    while counted("write_deadline") == before {
        let is_soon = began.elapsed() < Duration::from_secs(20);
        assert!(is_soon, "it is not cut off");
        std::thread::yield_now();
    }
    let sent = to_end(&mut stream).len();
    assert!(sent < 4 * 1024 * 1024, "{sent} bytes were sent");
}

#[test]
fn a_client_that_reads_slowly_is_served() {
    let api = hurried();
    let mut stream = open(api.at);
    let asked = 40;
    stream.write_all(ASK.repeat(asked).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let (began, mut seen) = (Instant::now(), Vec::new());
    let mut some = vec![0; 32 * 1024];
    // A part every now and then, for several of the spans in which it has to read something.
    while began.elapsed() < Duration::from_secs(4) {
        let until = Instant::now() + Duration::from_millis(100);
        let n = stream.read(&mut some).unwrap();
        assert!(n > 0, "closed after {} bytes", seen.len());
        seen.extend_from_slice(&some[..n]);
        while Instant::now() < until {
            std::thread::yield_now();
        }
    }
    seen.extend(to_end(&mut stream));
    assert_eq!(statuses(&seen), vec![200; asked]);
}

#[test]
fn a_head_has_a_deadline_also_when_it_is_the_second_one() {
    let api = hurried();
    for (first, begin) in [
        ("", ""),
        ("", "GET /healthz HTT"),
        ("", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "),
        (ALIVE, "GET /healthz HTTP/1.1\r\nHo"),
    ] {
        let before = counted("head_deadline");
        let mut stream = open(api.at);
        if !first.is_empty() {
            stream.write_all(first.as_bytes()).unwrap();
            assert_eq!(read(&mut stream).status, 200);
        }
        stream.write_all(begin.as_bytes()).unwrap();
        let began = Instant::now();
        assert_eq!(statuses(&to_end(&mut stream)), [408], "{begin:?}");
        assert!(counted("head_deadline") > before, "{begin:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_head_that_trickles_is_cut_off_however_often_a_byte_comes() {
    let api = hurried();
    let mut stream = open(api.at);
    let head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n";
    stream.write_all(head).unwrap();
    let brief = Some(Duration::from_millis(50));
    stream.set_read_timeout(brief).unwrap();
    let (began, mut some) = (Instant::now(), [0; 64]);
    loop {
        let is_soon = began.elapsed() < Duration::from_secs(15);
        assert!(is_soon, "it is never cut off");
        match stream.read(&mut some) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(_) | Err(_) => break,
        }
        if stream.write_all(b"X-A: b\r\n").is_err() {
            break;
        }
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_in_time_is_answered() {
    let api = Stage::new();
    let mut stream = open(api.at);
    stream.set_nodelay(true).unwrap();
    for _ in 0..3 {
        for byte in ALIVE.as_bytes() {
            stream.write_all(&[*byte]).unwrap();
        }
        assert_eq!(read(&mut stream).status, 200);
    }
}

#[test]
fn who_sends_ahead_without_reading_costs_no_more_than_one_answer() {
    let api = Stage::new();
    let mut stream = open(api.at);
    limit_writes(&stream, 1);
    let (mut sent, ask) = (0_usize, ALIVE.repeat(1000));
    while sent < 64 * 1024 * 1024 {
        match stream.write(ask.as_bytes()) {
            Ok(n) => sent += n,
            Err(_) => break,
        }
    }
    // What the kernels hold on the way, and nothing of ours.
    assert!(sent < 16 * 1024 * 1024, "{sent} bytes were taken");
    let mut other = open(api.at);
    other.write_all(ALIVE.as_bytes()).unwrap();
    assert_eq!(read(&mut other).status, 200);
}

#[test]
fn what_is_sent_ahead_is_answered_in_order() {
    let api = Stage::new();
    let mut stream = open(api.at);
    let asked = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + ALIVE + ALIVE;
    stream.write_all(asked.repeat(100).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let seen = statuses(&to_end(&mut stream));
    assert_eq!(seen, [404, 200, 200].repeat(100));
}
