//! Many requests over one connection: each body is a body, however its bytes arrive.

use super::stage::Stage;
use super::wire::{open, read};
use std::io::Write;

/// A signed delivery of about so many bytes: its head, and its body.
fn delivery(api: &Stage, n: usize, bytes: usize, is_chunked: bool) -> (Vec<u8>, Vec<u8>) {
    let body = format!("{{\"n\":{n},\"x\":\"{}\"}}", "y\\r\\n".repeat(bytes / 5));
    let signature = api.signed(body.as_bytes());
    let key = &api.connection.hook_key;
    let framing = if is_chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", body.len())
    };
    let head = format!(
        "POST /api/v2/webhooks/github/{key} HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\n\
         X-GitHub-Delivery: many-{n}\r\nX-Hub-Signature-256: {signature}\r\n{framing}\r\n\r\n"
    );
    let body = if is_chunked {
        format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    } else {
        body
    };
    (head.into_bytes(), body.into_bytes())
}

#[test]
fn a_body_is_never_taken_for_the_head_of_the_next_request() {
    let api = Stage::new();
    let mut stream = open(api.at);
    for n in 0..60 {
        // Bodies that come with their head, and larger ones than what is read at a time.
        let bytes = [20, 2_000, 6_000, 40_000][n % 4];
        let (head, body) = delivery(&api, n, bytes, n % 3 == 2);
        if n % 5 == 4 {
            stream.write_all(&head).unwrap();
            stream.write_all(&body).unwrap();
        } else {
            stream.write_all(&[head, body].concat()).unwrap();
        }
        let reply = read(&mut stream);
        assert_eq!(reply.status, 202, "request {n}: {reply:?}");
    }
}
