//! Neighbours who take what they can: others' deliveries come in all the same.

use super::stage::{Stage, connect, settings};
use super::wire::{open, read, send_raw};
use crate::api::Settings;
use crate::domain::connection::Connection;
use crate::domain::id::UserId;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const MIB: usize = 1024 * 1024;
const LARGE: usize = 25 * MIB;
/// What a provider gives us, less some for a machine that is busy.
const SOON: Duration = Duration::from_secs(6);

/// Sends the head of a delivery to a path, and nothing behind it.
fn announce(api: &Stage, path: &str, framing: &str) -> TcpStream {
    let mut stream = open(api.at);
    let head = format!(
        "POST /api/v2/webhooks/github{path} HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\n\
         X-GitHub-Delivery: greedy\r\n{framing}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn announces(api: &Stage, of: &Connection, bytes: usize, count: usize) -> Vec<TcpStream> {
    let path = format!("/{}", of.hook_key);
    let framing = format!("Content-Length: {bytes}");
    let one = |_| announce(api, &path, &framing);
    let streams = (0..count).map(one).collect();
    settle(api);
    streams
}

/// Waits until the daemon has seen what was announced: it takes connections in their order.
fn settle(api: &Stage) {
    let reply = send_raw(api.at, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(reply.status, 200);
}

fn hook(api: &Stage, user: UserId, n: usize) -> Connection {
    let name = format!("greedy/r{n}");
    connect(&api.connections, user, &name, api.credential)
}

#[track_caller]
fn is_taken_soon(api: &Stage, id: &str, bytes: usize) {
    let began = Instant::now();
    let reply = api.deliver(id, "push", &vec![b' '; bytes]);
    assert_eq!(reply.status, 202, "{reply:?}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn one_who_announces_much_and_sends_nothing_starves_nobody() {
    let api = Stage::new();
    let neighbour = hook(&api, api.foreign.user, 1);
    let _held = announces(&api, &neighbour, LARGE, 20);
    is_taken_soon(&api, "large", LARGE);
    let _small = announces(&api, &neighbour, MIB, 200);
    for n in 0..10 {
        is_taken_soon(&api, &format!("small-{n}"), 10_000 + n);
    }
}

/// Another hook of the same user, a user with many hooks, and many users.
#[test]
fn nor_do_many_hooks_whosever_they_are() {
    type Of = fn(&Stage, usize) -> UserId;
    let table: [(usize, usize, Of); 3] = [
        (1, 20, |api, _| api.owner.user),
        (30, 2, |api, _| api.foreign.user),
        (30, 2, |_, n| UserId::from_u128(1000 + n as u128)),
    ];
    for (hooks, each, of) in table {
        let api = Stage::new();
        let hooks = (0..hooks).map(|n| hook(&api, of(&api, n), n));
        let held: Vec<_> = hooks
            .map(|hook| announces(&api, &hook, LARGE, each))
            .collect();
        is_taken_soon(&api, "large", LARGE);
        drop(held);
    }
}

#[test]
fn nor_does_a_user_whose_many_bodies_stop_half_way() {
    let api = Stage::new();
    let begin = vec![b' '; 200_000];
    let mut held = Vec::new();
    for n in 0..30 {
        let hook = hook(&api, api.foreign.user, n);
        held.extend(announces(&api, &hook, LARGE, 2));
    }
    for stream in &mut held {
        stream.write_all(&begin).unwrap();
    }
    is_taken_soon(&api, "large", LARGE);
}

#[test]
fn requests_that_hang_leave_places_for_others() {
    let api = Stage::with(Settings {
        ingress_requests_max: 64,
        ..settings()
    });
    let neighbour = hook(&api, api.foreign.user, 1);
    let _held = announces(&api, &neighbour, 10, 200);
    for n in 0..20 {
        is_taken_soon(&api, &format!("d-{n}"), 100 + n);
    }
}

#[test]
fn a_chunked_body_is_charged_for_what_has_come_and_one_that_trickles_makes_room() {
    let api = Stage::with(Settings {
        ingress_bytes_in_flight_max: 8 * MIB,
        ingress_body_bytes_max: MIB,
        ..settings()
    });
    let path = format!("/{}", hook(&api, api.foreign.user, 1).hook_key);
    let chunked = "Transfer-Encoding: chunked";
    // Three mebibytes are for small ones: each of these holds 16 KiB at first.
    let mut held: Vec<_> = (0..150).map(|_| announce(&api, &path, chunked)).collect();
    for stream in &mut held {
        stream.write_all(b"1\r\nx\r\n").unwrap();
    }
    settle(&api);
    for n in 0..5 {
        is_taken_soon(&api, &format!("d-{n}"), MIB - n);
    }
}

#[test]
fn a_body_of_many_tiny_chunks_costs_no_more_than_its_bytes() {
    let api = Stage::new();
    let body = vec![b' '; 200_000];
    let signature = api.signed(&body);
    let path = format!("/{}", api.connection.hook_key);
    let framing = format!("X-Hub-Signature-256: {signature}\r\nTransfer-Encoding: chunked");
    let mut stream = announce(&api, &path, &framing);
    let chunks = "1\r\n \r\n".repeat(body.len()) + "0\r\n\r\n";
    stream.write_all(chunks.as_bytes()).unwrap();
    assert_eq!(read(&mut stream).status, 202);
}

#[test]
fn strangers_who_announce_much_do_not_keep_each_other_out() {
    let api = Stage::new();
    let from = |n: usize| format!("X-Forwarded-For: 192.0.2.{n}\r\nContent-Length: {LARGE}");
    let _held: Vec<_> = (0..20).map(|_| announce(&api, "", &from(1))).collect();
    settle(&api);
    // By the claim of the repository, without a key in the URL.
    let mut body = br#"{"repository":{"full_name":"canary/repository"},"x":""#.to_vec();
    body.resize(LARGE - 2, b'x');
    body.extend(b"\"}");
    let signature = api.signed(&body);
    let framing = format!("X-Hub-Signature-256: {signature}\r\n{}", from(2));
    let began = Instant::now();
    let mut stream = announce(&api, "", &framing);
    stream.write_all(&body).unwrap();
    let reply = read(&mut stream);
    assert_eq!(reply.status, 202, "{reply:?}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn a_slow_body_is_taken_where_nobody_needs_its_room() {
    let api = Stage::with(Settings {
        body_timeout: Duration::from_mins(1),
        ..settings()
    });
    let body = vec![b' '; 100_000];
    let signature = api.signed(&body);
    let path = format!("/{}", api.connection.hook_key);
    let length = body.len();
    let framing = format!("X-Hub-Signature-256: {signature}\r\nContent-Length: {length}");
    let mut stream = announce(&api, &path, &framing);
    for (n, piece) in body.chunks(10_000).enumerate() {
        stream.write_all(piece).unwrap();
        // Others come in between.
        is_taken_soon(&api, &format!("between-{n}"), 1000 + n);
    }
    assert_eq!(read(&mut stream).status, 202);
}

#[test]
fn a_burst_of_one_repository_passes_whole() {
    let api = Stage::with(Settings {
        connections_per_peer_max: 100,
        trusted_proxies: Vec::new(),
        workers: 2,
        ..settings()
    });
    // All connections are there before the first of them says a word.
    let mut streams: Vec<TcpStream> = (0..350).map(|_| open(api.at)).collect();
    let path = format!("/api/v2/webhooks/github/{}", api.connection.hook_key);
    for (n, stream) in streams.iter_mut().enumerate() {
        let body = format!("{{\"n\":{n},\"x\":\"{}\"}}", "y".repeat(20_000));
        stream
            .write_all(&api.raw_delivery(&path, n, &body))
            .unwrap();
    }
    for stream in &mut streams {
        assert_eq!(read(stream).status, 202);
    }
}
