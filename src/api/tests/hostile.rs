//! Requests as attackers write them: each is answered as it should be, and nothing that stands in
//! one of them is ever taken for a second one.

use super::stage::{Stage, settings};
use super::wire::{counted, open, statuses, to_end};
use crate::api::Settings;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// Sends this and then nothing more: the statuses of all answers.
fn ask(to: SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let mut stream = open(to);
    // A server that has received enough may hang up.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    statuses(&to_end(&mut stream))
}

const HOOK: &str = "POST /api/v2/webhooks/github HTTP/1.1\r\nHost: x\r\n";
const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
/// What is hidden behind each: answered with 404, should it ever be taken for a request.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";

/// Requests that begin alike, and the statuses that each is answered with.
#[track_caller]
fn check(begin: &str, rows: &[&str], expected: &[u16]) {
    let api = Stage::new();
    // At once: where something is left over, the server waits for a while before it closes.
    std::thread::scope(|scope| {
        let ask = |rest: &&str| {
            let bytes = format!("{begin}{rest}{HIDDEN}");
            scope.spawn(move || (bytes.clone(), ask(api.at, bytes.as_bytes())))
        };
        let asking: Vec<_> = rows.iter().map(ask).collect();
        for (bytes, seen) in asking.into_iter().map(|one| one.join().unwrap()) {
            assert_eq!(seen, expected, "{bytes:?}");
        }
    });
}

#[test]
fn a_body_whose_end_is_not_clear_is_refused_and_hides_nothing() {
    let rows = [
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
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n10000000000000000000000002\r\n{}\r\n0\r\n\r\n",
    ];
    check(HOOK, &rows, &[400]);
    let old = "POST /api/v2/webhooks/github HTTP/1.0\r\nHost: x\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check(old, &[chunked, "\r\n{}"], &[400]);
}

#[test]
fn a_body_whose_end_is_clear_ends_there() {
    let rows = [
        "Content-Length: 0002\r\n\r\n{}",
        "Content-Length:\t2\r\n\r\n{}",
        "Transfer-Encoding: ChUnKeD\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;a=\"b;c\"\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n",
    ];
    // 400 for want of the headers of a delivery, and 404 for what stands behind it.
    check(HOOK, &rows, &[400, 404]);
}

#[test]
fn odd_heads_are_refused() {
    let lines = [
        "X-A: b\r\n c\r\n\r\n",
        "X-A: b\rX-B: c\r\n\r\n",
        "X-A: a\0b\r\n\r\n",
        "X\0A: b\r\n\r\n",
        "no colon\r\n\r\n",
        ": no name\r\n\r\n",
        "Host: y\r\n\r\n",
    ];
    check(GET, &lines, &[400]);
    let heads = [
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n",
        "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
        "GET /heal\0thz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: x\r\n\r\n",
        "  GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\rHost: x\r\r",
        "GET /healthz HTTP/1.1\r\r\nHost: x\r\n\r\n",
    ];
    check("", &heads, &[400]);
}

#[test]
fn what_says_nothing_or_is_only_unusual_does_no_harm() {
    let fine = [
        "\r\n\r\n\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: x\n\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "GET http://else.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%68ealthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ];
    check("", &fine, &[200, 404]);
    let nowhere = [
        "GET /healthz%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api%2Fv2%2Fwhoami HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /api/v2/../../healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    check("", &nowhere, &[404, 404]);
    let methods = [
        "TRACE /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS /api/v2/tokens HTTP/1.1\r\nHost: x\r\n\r\n",
        "BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    check("", &methods, &[405, 404]);
    let last = [
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        // Asks for another protocol, and continues as before when it is not offered.
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n\
         Upgrade: h2c\r\n\r\n",
    ];
    check("", &last, &[200]);
}

#[test]
fn other_protocols_are_refused_and_the_connection_ends() {
    let websocket = "Connection: Upgrade\r\nUpgrade: WebSocket\r\n";
    let rows = [
        format!("{GET}{websocket}\r\n"),
        format!("{HOOK}{websocket}Content-Length: 2\r\n\r\n{{}}"),
        format!("{HOOK}{websocket}\r\n"),
        "CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "CONNECT /healthz HTTP/1.1\r\nHost: x\r\n\r\n".into(),
    ];
    check("", &rows.each_ref().map(String::as_str), &[400]);
}

#[test]
fn a_head_has_a_size_however_it_comes() {
    let api = Stage::new();
    let before = counted("head_bytes");
    let (field, lines) = (|n| "a".repeat(n), |n| "X-A: b\r\n".repeat(n));
    let target = |n| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", field(n));
    for (head, expected) in [
        (format!("{GET}X: {}\r\n\r\n", field(15_000)), 200),
        (format!("{GET}X: {}\r\n\r\n", field(16_400)), 431),
        (format!("{GET}X: {}\r\n\r\n", field(200_000)), 431),
        (target(15_000), 404),
        (target(70_000), 431),
        (format!("{GET}{}\r\n", lines(200)), 431),
        (format!("{GET}{}\r\n", lines(50_000)), 431),
        ("\r\n".repeat(20_000), 431),
    ] {
        let (seen, begin) = (ask(api.at, head.as_bytes()), &head[..40]);
        let is_reset = expected == 431 && seen.is_empty();
        assert!(
            is_reset || seen == [expected],
            "{seen:?} {expected}: {begin}"
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
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let nowhere = format!("POST /nowhere HTTP/1.1\r\nHost: x\r\n{chunked}");
    let gzip = format!("{HOOK}Content-Encoding: gzip\r\n");
    let long = "a".repeat(1_000_000);
    let rows = [
        (format!("{GET}{chunked}5\r\n12345"), 200),
        (format!("{GET}Content-Length: 50\r\n\r\n12345"), 200),
        (format!("{nowhere}5\r\n12"), 404),
        (format!("{HOOK}Content-Length: 30000000\r\n\r\n12345"), 413),
        (format!("{gzip}Content-Length: 9\r\n\r\n12"), 415),
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
        let request = api.raw_delivery(target, n, &format!("{{\"n\":{n}}}"));
        assert_eq!(ask(api.at, &request), [202], "{target}");
    }
}
