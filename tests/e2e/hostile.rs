//! What strangers send leaves few lines in the log.

use super::stage::{ADMIN, Stage};
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn what_cannot_be_read_is_told_so_many_times_a_minute() {
    let stage = Stage::new();
    let _daemon = stage.start();
    let address = stage.url("").replace("http://", "");
    for n in 0..300 {
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!("GET /\u{1} HTTP/1.1\r\nHost: x\r\nX: {n}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(stage.ask(ADMIN, "GET /healthz", None).status, 200);
    let log = std::fs::read_to_string(stage.log()).unwrap();
    let lines = log
        .lines()
        .filter(|line| line.contains("actix_http"))
        .count();
    assert!(lines <= 2 * 20, "{lines} lines, in two minutes at most");
    assert!(lines > 0, "the first of them are told: {log}");
}
