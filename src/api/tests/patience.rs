//! How long the server waits: for heads, for answers to be read, for requests that are sent ahead.
//! Each with a client that misbehaves, and with one that is only slow.

use super::stage::{Stage, settings};
use super::wire::{counted, open, read};
use crate::api::Settings;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const ASK: &str = "GET /api/v2/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
const ALIVE: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Reads until the server closes, or resets; all that came.
fn to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut some = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut some) {
            Ok(0) => return seen,
            Ok(n) => seen.extend_from_slice(&some[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return seen,
            Err(error) => panic!("neither answered nor closed: {error}"),
        }
    }
}

fn answers(seen: &[u8]) -> usize {
    let text = String::from_utf8_lossy(seen);
    text.matches("HTTP/1.1 200 OK").count()
}

fn hurried() -> Stage {
    Stage::with(Settings {
        head_timeout: Duration::from_secs(2),
        write_deadline: Duration::from_secs(1),
        ..settings()
    })
}

/// Asks again and again without reading, until the server takes no more.
fn stuff(stream: &mut TcpStream) {
    stream
        .set_write_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    while stream.write_all(ASK.repeat(20).as_bytes()).is_ok() {}
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let api = hurried();
    let before = counted("write_deadline");
    let mut stream = open(api.at);
    let began = Instant::now();
    // Ends when the server hangs up: its side takes no more, and then the connection is reset.
    stuff(&mut stream);
    while counted("write_deadline") == before {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it is not cut off"
        );
        std::thread::yield_now();
    }
    let seen = to_end(&mut stream);
    assert!(
        seen.len() < 4 * 1024 * 1024,
        "{} bytes were sent",
        seen.len()
    );
}

#[test]
fn a_client_that_reads_slowly_is_served() {
    let api = hurried();
    let mut stream = open(api.at);
    let asked = 40;
    stream.write_all(ASK.repeat(asked).as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
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
    assert_eq!(answers(&seen), asked);
}

#[test]
fn a_head_has_a_deadline_also_when_it_is_the_second_one() {
    let api = hurried();
    for begin in [
        "",
        "GET /healthz HTT",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    ] {
        let before = counted("head_deadline");
        let mut fresh = open(api.at);
        fresh.write_all(begin.as_bytes()).unwrap();
        let seen = to_end(&mut fresh);
        assert!(seen.starts_with(b"HTTP/1.1 408 "), "{begin:?}: {seen:?}");
        assert!(counted("head_deadline") > before, "{begin:?}");
    }
    let mut kept = open(api.at);
    kept.write_all(ALIVE.as_bytes()).unwrap();
    assert_eq!(read(&mut kept).status, 200);
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
    let began = Instant::now();
    let seen = to_end(&mut kept);
    assert!(seen.starts_with(b"HTTP/1.1 408 "), "{seen:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_head_that_trickles_is_cut_off_however_often_a_byte_comes() {
    let api = hurried();
    let mut stream = open(api.at);
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        .unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let (began, mut some) = (Instant::now(), [0; 64]);
    loop {
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "it goes on for ever"
        );
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
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut sent = 0_usize;
    let ask = ALIVE.repeat(1000);
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
    let mut asked = String::new();
    for n in 0..300 {
        let path = if n % 3 == 0 { "/nowhere" } else { "/healthz" };
        let _ = write!(asked, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    stream.write_all(asked.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let seen = to_end(&mut stream);
    let text = String::from_utf8_lossy(&seen);
    let statuses: Vec<&str> = text
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &text[at + 9..at + 12])
        .collect();
    assert_eq!(statuses.len(), 300);
    let are_right = |(n, status): (usize, &&str)| *status == if n % 3 == 0 { "404" } else { "200" };
    assert!(statuses.iter().enumerate().all(are_right), "{statuses:?}");
}
