//! Requests as attackers write them: each is answered as it should be, and nothing that stands in
//! one of them is ever taken for a second one.

use super::stage::{Stage, settings};
use super::wire::{counted, open};
use crate::api::Settings;
use crate::provider::signature::github_sign;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// All that a server sends until it closes.
fn to_end(stream: &mut TcpStream) -> Vec<u8> {
    let (mut seen, mut some) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match stream.read(&mut some) {
            Ok(0) => return seen,
            Ok(n) => seen.extend_from_slice(&some[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return seen,
            Err(error) => panic!("it stays open: {error}"),
        }
    }
}

fn statuses(seen: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(seen);
    let found = text.match_indices("HTTP/1.");
    found
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .collect()
}

/// Sends this and then nothing more: the statuses of all answers.
fn ask(to: SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let mut stream = open(to);
    // A server that has heard enough may hang up.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    statuses(&to_end(&mut stream))
}

const HOOK: &str = "POST /api/v2/webhooks/github HTTP/1.1\r\nHost: x\r\n";
/// What is hidden behind each: answered with 404, should it ever be taken for a request.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";

#[track_caller]
fn check(api: &Stage, rows: &[(&str, &str, &[u16])]) {
    // At once: where something is left over, the server waits for a while before it closes.
    let asked: Vec<(String, Vec<u16>)> = std::thread::scope(|scope| {
        let ask = |(begin, rest, _): &(&str, &str, _)| {
            let bytes = format!("{begin}{rest}{HIDDEN}");
            scope.spawn(move || (bytes.clone(), ask(api.at, bytes.as_bytes())))
        };
        let asking: Vec<_> = rows.iter().map(ask).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for ((bytes, seen), (_, _, expected)) in asked.iter().zip(rows) {
        assert_eq!(seen, expected, "{bytes:?}");
    }
}

#[test]
fn a_body_whose_end_is_not_clear_is_refused_and_hides_nothing() {
    let api = Stage::new();
    let refused: Vec<(&str, &str, &[u16])> = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "Content-Length: 2\r\ncontent-length: 40\r\n\r\n{}",
        "Content-Length: 2, 2\r\n\r\n{}",
        "Content-Length: 0x2\r\n\r\n{}",
        "Content-Length: +2\r\n\r\n{}",
        "Content-Length: -2\r\n\r\n{}",
        "Content-Length: 2 2\r\n\r\n{}",
        "Content-Length: 99999999999999999999\r\n\r\n{}",
        "Content-Length:\r\n\r\n{}",
        "Content-Length : 2\r\n\r\n{}",
        "Content-Length:\r\n 2\r\n\r\n{}",
        "Transfer-Encoding: identity\r\n\r\n{}",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n10000000000000000000000002\r\n{}\r\n0\r\n\r\n",
    ]
    .iter()
    .map(|rest| (HOOK, *rest, &[400][..]))
    .collect();
    check(&api, &refused);
    let old = "POST /api/v2/webhooks/github HTTP/1.0\r\nHost: x\r\n";
    check(
        &api,
        &[
            (old, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
            (old, "\r\n{}", &[400]),
        ],
    );
}

#[test]
fn a_body_whose_end_is_clear_ends_there() {
    let api = Stage::new();
    // 400 for want of the headers of a delivery, and 404 for what stands behind it.
    let clear: Vec<(&str, &str, &[u16])> = [
        "Content-Length: 0002\r\n\r\n{}",
        "Content-Length:\t2\r\n\r\n{}",
        "Transfer-Encoding: ChUnKeD\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;a=\"b;c\"\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n",
    ]
    .iter()
    .map(|rest| (HOOK, *rest, &[400, 404][..]))
    .collect();
    check(&api, &clear);
}

#[test]
fn odd_heads_are_refused() {
    let api = Stage::new();
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    check(
        &api,
        &[
            (get, "X-A: b\r\n c\r\n\r\n", &[400]),
            (get, "X-A: b\rX-B: c\r\n\r\n", &[400]),
            (get, "X-A: a\0b\r\n\r\n", &[400]),
            (get, "X\0A: b\r\n\r\n", &[400]),
            (get, "no colon\r\n\r\n", &[400]),
            (get, ": no name\r\n\r\n", &[400]),
            (get, "Host: y\r\n\r\n", &[400]),
            ("GET /healthz HTTP/1.1\r\n", "\r\n", &[400]),
            ("GET /healthz HTTP/1.2\r\nHost: x\r\n", "\r\n", &[400]),
            ("GET /healthz HTTP/2.0\r\nHost: x\r\n", "\r\n", &[400]),
            ("GET /healthz\r\n", "\r\n", &[400]),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n", "\r\n", &[400]),
            ("\u{16}\u{3}\u{1}\u{2}", "", &[400]),
            ("GET /heal\0thz HTTP/1.1\r\nHost: x\r\n", "\r\n", &[400]),
            ("GET  HTTP/1.1\r\nHost: x\r\n", "\r\n", &[400]),
            ("  GET /healthz HTTP/1.1\r\nHost: x\r\n", "\r\n", &[400]),
            ("GET /healthz HTTP/1.1\rHost: x\r\r", "", &[400]),
            ("GET /healthz HTTP/1.1\r\r\nHost: x\r\n", "\r\n", &[400]),
        ],
    );
}

#[test]
fn what_says_nothing_or_is_only_unusual_does_no_harm() {
    let api = Stage::new();
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    check(
        &api,
        &[
            (
                "\r\n\r\n\n",
                "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                &[200, 404],
            ),
            ("GET /healthz HTTP/1.1\nHost: x\n", "\n", &[200, 404]),
            (get, "Expect: 200-maybe\r\n\r\n", &[200, 404]),
            (get, "Content-Length: 0\r\n\r\n", &[200, 404]),
            (
                "GET http://else.example/healthz HTTP/1.1\r\nHost: x\r\n",
                "\r\n",
                &[200, 404],
            ),
            (
                "GET /%68ealthz HTTP/1.1\r\nHost: x\r\n",
                "\r\n",
                &[200, 404],
            ),
            (
                "GET /healthz%00 HTTP/1.1\r\nHost: x\r\n",
                "\r\n",
                &[404, 404],
            ),
            ("GET /%zz HTTP/1.1\r\nHost: x\r\n", "\r\n", &[404, 404]),
            (
                "GET /api%2Fv2%2Fwhoami HTTP/1.1\r\nHost: x\r\n",
                "\r\n",
                &[404, 404],
            ),
            (
                "GET /api/v2/../../healthz HTTP/1.1\r\nHost: x\r\n",
                "\r\n",
                &[404, 404],
            ),
            ("OPTIONS * HTTP/1.1\r\nHost: x\r\n", "\r\n", &[404, 404]),
            (
                "TRACE /healthz HTTP/1.1\r\nHost: x\r\n",
                "\r\n",
                &[405, 404],
            ),
            ("HEAD /healthz HTTP/1.1\r\nHost: x\r\n", "\r\n", &[200, 404]),
            (
                "OPTIONS /api/v2/tokens HTTP/1.1\r\nHost: x\r\n",
                "\r\n",
                &[405, 404],
            ),
            ("BREW /healthz HTTP/1.1\r\nHost: x\r\n", "\r\n", &[405, 404]),
            (
                "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n",
                "\r\n",
                &[200, 404],
            ),
            ("GET /healthz HTTP/1.0\r\n", "\r\n", &[200]),
            (
                "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
                "\r\n",
                &[200],
            ),
        ],
    );
}

#[test]
fn other_protocols_are_refused_and_the_connection_ends() {
    let api = Stage::new();
    let websocket = "Connection: Upgrade\r\nUpgrade: WebSocket\r\n";
    check(
        &api,
        &[
            (
                "GET /healthz HTTP/1.1\r\nHost: x\r\n",
                &format!("{websocket}\r\n"),
                &[400],
            ),
            (
                HOOK,
                &format!("{websocket}Content-Length: 2\r\n\r\n{{}}"),
                &[400],
            ),
            (HOOK, &format!("{websocket}\r\n"), &[400]),
            (
                "CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n",
                "\r\n",
                &[400],
            ),
            ("CONNECT /healthz HTTP/1.1\r\nHost: x\r\n", "\r\n", &[400]),
            // Asks for another one, and goes on as before when it is not offered.
            (
                "GET /healthz HTTP/1.1\r\nHost: x\r\n",
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
                &[200],
            ),
        ],
    );
}

#[test]
fn a_head_has_a_size_however_it_comes() {
    let api = Stage::new();
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    let before = counted("head_bytes");
    for (head, expected) in [
        (format!("{get}X: {}\r\n\r\n", "a".repeat(15_000)), 200),
        (format!("{get}X: {}\r\n\r\n", "a".repeat(16_400)), 431),
        (format!("{get}X: {}\r\n\r\n", "a".repeat(200_000)), 431),
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(15_000)),
            404,
        ),
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000)),
            431,
        ),
        (format!("{get}{}\r\n", "X-A: b\r\n".repeat(200)), 431),
        (format!("{get}{}\r\n", "X-A: b\r\n".repeat(50_000)), 431),
        ("\r\n".repeat(20_000), 431),
    ] {
        let seen = ask(api.at, head.as_bytes());
        let is_reset = expected == 431 && seen.is_empty();
        assert!(
            is_reset || seen == [expected],
            "{seen:?} {expected}: {}",
            &head[..40]
        );
    }
    assert!(counted("head_bytes") >= before + 4);
}

#[test]
fn who_was_answered_and_does_not_send_the_rest_is_cut_off() {
    let api = Stage::with(Settings {
        body_timeout: Duration::from_millis(500),
        ..settings()
    });
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let long = "a".repeat(1_000_000);
    let rows = [
        (format!("{get}{chunked}5\r\n12345"), 200),
        (format!("{get}Content-Length: 50\r\n\r\n12345"), 200),
        (
            format!("POST /nowhere HTTP/1.1\r\nHost: x\r\n{chunked}5\r\n12"),
            404,
        ),
        (format!("{HOOK}Content-Length: 30000000\r\n\r\n12345"), 413),
        (
            format!("{HOOK}Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n12"),
            415,
        ),
        // Nothing of these is a body, and none of it is kept.
        (format!("{HOOK}{chunked}2;{long}"), 408),
        (format!("{HOOK}{chunked}2\r\n{{}}\r\n0\r\nX-T: {long}"), 408),
    ];
    let streams = rows.map(|(bytes, expected)| {
        let mut stream = open(api.at);
        stream.write_all(bytes.as_bytes()).unwrap();
        (stream, bytes, expected)
    });
    for (mut stream, bytes, expected) in streams {
        let seen = to_end(&mut stream);
        assert_eq!(statuses(&seen), [expected], "{:?}", &bytes[..70]);
    }
}

#[test]
fn a_delivery_is_found_by_an_absolute_or_an_escaped_target() {
    let api = Stage::new();
    let key = api.connection.hook_key.to_string();
    for (n, target) in [
        format!("http://x/api/v2/webhooks/github/{key}"),
        format!("http://x//api/v2/webhooks/github/{key}/"),
        format!("/api/v2/%77ebhooks/github/{key}"),
        format!("/api/v2/webhooks/github/{key}?a=%00"),
    ]
    .iter()
    .enumerate()
    {
        let body = format!("{{\"n\":{n}}}");
        let signature = github_sign(
            &api.connections.secret_of(api.connection.id),
            body.as_bytes(),
        );
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\n\
             X-GitHub-Delivery: t{n}\r\nX-Hub-Signature-256: {signature}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(ask(api.at, request.as_bytes()), [202], "{target}");
    }
}
