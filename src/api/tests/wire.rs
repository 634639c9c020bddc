//! A client that sends exactly the bytes that it is given.

use crate::domain::id::DeliveryId;
use crate::telemetry::{Recorder, metric};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything here may take; a test that reaches it fails.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// A text in its JSON.
    #[track_caller]
    pub(super) fn text(&self, field: &str) -> String {
        let json = self.json();
        let text = json[field].as_str();
        text.unwrap_or_else(|| panic!("no {field}: {self:?}"))
            .to_owned()
    }

    /// The delivery that ingress has stored.
    #[track_caller]
    pub(super) fn delivery_id(&self) -> DeliveryId {
        self.text("delivery_id").parse().unwrap()
    }

    /// Status and outcome of a delivery.
    #[track_caller]
    pub(super) fn outcome(&self) -> (u16, String) {
        (self.status, self.text("status"))
    }

    /// Asserts that it is a problem of this kind.
    #[track_caller]
    pub(super) fn is(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let kind = self.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json()["code"], code, "{self:?}");
        assert_eq!(self.json()["status"], status, "{self:?}");
    }

    /// What a client could tell two answers apart by: all but the time of day.
    pub(super) fn without_date(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "date");
        self
    }
}

pub(super) fn open(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Reads one answer.
pub(super) fn read(stream: &mut TcpStream) -> Reply {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(reply) = parse(&seen) {
            return reply;
        }
        let n = stream.read(&mut chunk).expect("an answer in time");
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..n]);
    }
}

/// All that a server sends until it closes, or resets.
pub(super) fn to_end(stream: &mut TcpStream) -> Vec<u8> {
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

/// The statuses of all answers.
pub(super) fn statuses(seen: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(seen);
    let status = |(at, _): (usize, &str)| text.get(at + 9..at + 12)?.parse().ok();
    text.match_indices("HTTP/1.").filter_map(status).collect()
}

fn parse(seen: &[u8]) -> Option<Reply> {
    let text = String::from_utf8_lossy(seen);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let body = body.get(..length)?.to_owned();
    Some(Reply {
        status,
        headers,
        body,
    })
}

/// Sends raw bytes; whether all of them were taken does not matter, the answer does.
pub(super) fn send_raw(to: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = open(to);
    let _ = stream.write_all(bytes);
    read(&mut stream)
}

/// A request with these header lines and this body.
pub(super) fn send(
    to: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Reply {
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: x\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if let Some(body) = body {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
    } else {
        bytes.extend_from_slice(b"\r\n");
    }
    send_raw(to, &bytes)
}

/// A request whose body is sent only when the server has said that it waits for it, and when
/// `meanwhile` has happened.
pub(super) fn send_slowly(
    to: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    meanwhile: impl FnOnce(),
) -> Reply {
    let mut head = format!("{line} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
    let mut stream = open(to);
    stream.write_all(head.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut byte = [0; 1];
    while !seen.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a word in time");
        seen.extend(byte);
    }
    assert!(seen.starts_with(b"HTTP/1.1 100"), "{seen:?}");
    meanwhile();
    stream.write_all(body).unwrap();
    read(&mut stream)
}

/// How often this limit was reached in this process, as the metrics say.
pub(super) fn counted(limit: &str) -> u64 {
    count_of(metric::LIMITS, &format!("limit=\"{limit}\""))
}

/// How many deliveries were answered with this outcome in this process.
pub(super) fn answered(outcome: &str) -> u64 {
    let labels = format!("provider=\"github\",outcome=\"{outcome}\"");
    count_of(metric::DELIVERIES, &labels)
}

fn count_of(metric: &str, labels: &str) -> u64 {
    let text = Recorder::install().unwrap().render();
    let begins = format!("{metric}{{{labels}}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&begins));
    line.map_or(0, |count| count.parse().unwrap())
}
