//! Neighbours who take what they can: others' deliveries come in all the same.

use super::wire::{open, read, send_raw};
use super::world::{World, connect, settings};
use crate::api::Settings;
use crate::domain::connection::Connection;
use crate::domain::id::UserId;
use crate::provider::signature::github_sign;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const MIB: usize = 1024 * 1024;
const LARGE: usize = 25 * MIB;
/// What a provider gives us, less some for a machine that is busy.
const SOON: Duration = Duration::from_secs(6);

/// Sends the head of a delivery to a path, and nothing behind it.
fn announce(world: &World, path: &str, framing: &str) -> TcpStream {
    let mut stream = open(world.at);
    let head = format!(
        "POST /api/v2/webhooks/github{path} HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\n\
         X-GitHub-Delivery: greedy\r\n{framing}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn announces(world: &World, of: &Connection, bytes: usize, count: usize) -> Vec<TcpStream> {
    let path = format!("/{}", of.hook_key);
    let framing = format!("Content-Length: {bytes}");
    let one = |_| announce(world, &path, &framing);
    let streams = (0..count).map(one).collect();
    settle(world);
    streams
}

/// Waits until the daemon has seen what was announced: it takes connections in their order.
fn settle(world: &World) {
    let reply = send_raw(world.at, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(reply.status, 200);
}

fn hook(world: &World, user: UserId, n: usize) -> Connection {
    connect(&world.herd, user, &format!("greedy/r{n}"), world.credential)
}

#[track_caller]
fn is_taken_soon(world: &World, id: &str, bytes: usize) {
    let began = Instant::now();
    let reply = world.deliver(id, "push", &vec![b' '; bytes]);
    assert_eq!(reply.status, 202, "{reply:?}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn one_who_announces_much_and_sends_nothing_starves_nobody() {
    let world = World::new();
    let neighbour = hook(&world, world.foreign.user, 1);
    let _held = announces(&world, &neighbour, LARGE, 20);
    is_taken_soon(&world, "large", LARGE);
    let _small = announces(&world, &neighbour, MIB, 200);
    for n in 0..10 {
        is_taken_soon(&world, &format!("small-{n}"), 10_000 + n);
    }
}

#[test]
fn nor_does_another_hook_of_the_same_user() {
    let world = World::new();
    let neighbour = hook(&world, world.owner.user, 1);
    let _held = announces(&world, &neighbour, LARGE, 20);
    is_taken_soon(&world, "large", LARGE);
}

#[test]
fn nor_a_user_with_many_hooks() {
    let world = World::new();
    let hooks = (0..30).map(|n| hook(&world, world.foreign.user, n));
    let _held: Vec<_> = hooks
        .map(|hook| announces(&world, &hook, LARGE, 2))
        .collect();
    is_taken_soon(&world, "large", LARGE);
}

#[test]
fn nor_do_many_users_who_send_nothing() {
    let world = World::new();
    let hooks = (0..30).map(|n| hook(&world, UserId::from_u128(1000 + n), n as usize));
    let _held: Vec<_> = hooks
        .map(|hook| announces(&world, &hook, LARGE, 2))
        .collect();
    is_taken_soon(&world, "large", LARGE);
}

#[test]
fn nor_does_a_user_whose_many_bodies_stop_half_way() {
    let world = World::new();
    let begin = vec![b' '; 200_000];
    let mut held = Vec::new();
    for n in 0..30 {
        let hook = hook(&world, world.foreign.user, n);
        held.extend(announces(&world, &hook, LARGE, 2));
    }
    for stream in &mut held {
        stream.write_all(&begin).unwrap();
    }
    is_taken_soon(&world, "large", LARGE);
}

#[test]
fn requests_that_hang_leave_places_for_others() {
    let world = World::with(Settings {
        ingress_requests_max: 64,
        ..settings()
    });
    let neighbour = hook(&world, world.foreign.user, 1);
    let _held = announces(&world, &neighbour, 10, 200);
    for n in 0..20 {
        is_taken_soon(&world, &format!("d-{n}"), 100 + n);
    }
}

#[test]
fn a_chunked_body_is_charged_for_what_has_come_and_one_that_trickles_makes_room() {
    let world = World::with(Settings {
        ingress_bytes_in_flight_max: 8 * MIB,
        ingress_body_bytes_max: MIB,
        ..settings()
    });
    let path = format!("/{}", hook(&world, world.foreign.user, 1).hook_key);
    let chunked = "Transfer-Encoding: chunked";
    // Three mebibytes are for small ones: each of these holds 16 KiB at first.
    let mut held: Vec<_> = (0..150).map(|_| announce(&world, &path, chunked)).collect();
    for stream in &mut held {
        stream.write_all(b"1\r\nx\r\n").unwrap();
    }
    settle(&world);
    for n in 0..5 {
        is_taken_soon(&world, &format!("d-{n}"), MIB - n);
    }
}

#[test]
fn a_body_of_many_tiny_chunks_costs_no_more_than_its_bytes() {
    let world = World::new();
    let body = vec![b' '; 200_000];
    let signature = github_sign(&world.herd.secret_of(world.connection.id), &body);
    let path = format!("/{}", world.connection.hook_key);
    let framing = format!("X-Hub-Signature-256: {signature}\r\nTransfer-Encoding: chunked");
    let mut stream = announce(&world, &path, &framing);
    let chunks = "1\r\n \r\n".repeat(body.len()) + "0\r\n\r\n";
    stream.write_all(chunks.as_bytes()).unwrap();
    assert_eq!(read(&mut stream).status, 202);
}

#[test]
fn strangers_who_announce_much_do_not_keep_each_other_out() {
    let world = World::new();
    let from = |n: usize| format!("X-Forwarded-For: 192.0.2.{n}\r\nContent-Length: {LARGE}");
    let _held: Vec<_> = (0..20).map(|_| announce(&world, "", &from(1))).collect();
    settle(&world);
    // By the claim of the repository, without a key in the URL.
    let mut body = br#"{"repository":{"full_name":"canary/repository"},"x":""#.to_vec();
    body.resize(LARGE - 2, b'x');
    body.extend(b"\"}");
    let signature = github_sign(&world.herd.secret_of(world.connection.id), &body);
    let framing = format!("X-Hub-Signature-256: {signature}\r\n{}", from(2));
    let began = Instant::now();
    let mut stream = announce(&world, "", &framing);
    stream.write_all(&body).unwrap();
    let reply = read(&mut stream);
    assert_eq!(reply.status, 202, "{reply:?}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn a_slow_body_is_taken_where_nobody_needs_its_room() {
    let world = World::with(Settings {
        body_timeout: Duration::from_mins(1),
        ..settings()
    });
    let body = vec![b' '; 100_000];
    let signature = github_sign(&world.herd.secret_of(world.connection.id), &body);
    let path = format!("/{}", world.connection.hook_key);
    let framing = format!(
        "X-Hub-Signature-256: {signature}\r\nContent-Length: {}",
        body.len()
    );
    let mut stream = announce(&world, &path, &framing);
    for (n, piece) in body.chunks(10_000).enumerate() {
        stream.write_all(piece).unwrap();
        // Others come in between.
        is_taken_soon(&world, &format!("between-{n}"), 1000 + n);
    }
    assert_eq!(read(&mut stream).status, 202);
}

#[test]
fn a_burst_of_one_repository_passes_whole() {
    let world = World::with(Settings {
        connections_per_peer_max: 100,
        trusted_proxies: Vec::new(),
        workers: 2,
        ..settings()
    });
    // All connections are there before the first of them says a word.
    let mut streams: Vec<TcpStream> = (0..350).map(|_| open(world.at)).collect();
    let path = format!("/api/v2/webhooks/github/{}", world.connection.hook_key);
    for (n, stream) in streams.iter_mut().enumerate() {
        let body = format!("{{\"n\":{n},\"x\":\"{}\"}}", "y".repeat(20_000));
        let signature = github_sign(&world.herd.secret_of(world.connection.id), body.as_bytes());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\n\
             X-GitHub-Delivery: burst-{n}\r\nX-Hub-Signature-256: {signature}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
    }
    for stream in &mut streams {
        assert_eq!(read(stream).status, 202);
    }
}
