//! The load: connections that are kept alive, each sending one delivery after the other.

use crate::process::Cpu;
use hookherd::domain::secret::HookSecret;
use hookherd::provider::signature::github_sign;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that answers slower than providers wait is broken.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A signed delivery, ready to be sent.
pub struct Delivery {
    head: String,
    forged_head: String,
    pub body: bytes::Bytes,
}

impl Delivery {
    /// A delivery to `path` with the headers that GitHub sends.
    pub fn new(path: &str, repository: u64, id: &str, secret: &HookSecret, body: Vec<u8>) -> Self {
        let head = |signature: &str| {
            let (sha1, bytes) = ("0".repeat(40), body.len());
            format!(
                "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n\
                 user-agent: GitHub-Hookshot/51e1d3a\r\ncontent-type: application/json\r\n\
                 x-github-delivery: {id}\r\nx-github-event: workflow_run\r\n\
                 x-github-hook-id: 501\r\nx-github-hook-installation-target-type: repository\r\n\
                 x-github-hook-installation-target-id: {repository}\r\n\
                 x-hub-signature: sha1={sha1}\r\nx-hub-signature-256: {signature}\r\n\
                 content-length: {bytes}\r\n\r\n"
            )
        };
        let signature = github_sign(secret, &body);
        let forged = format!("sha256={}", "5".repeat(64));
        Self {
            head: head(&signature),
            forged_head: head(&forged),
            body: body.into(),
        }
    }
}

/// What is sent where, and what should come of it.
#[derive(Clone)]
pub struct Plan {
    pub address: SocketAddr,
    pub deliveries: Arc<Vec<Delivery>>,
    /// Only so many of the deliveries are sent.
    pub first: usize,
    /// Whether they are sent again and again until the time is up.
    pub repeats: bool,
    /// Whether they carry signatures that nobody made.
    pub forged: bool,
    /// The only answer that is right.
    pub status: u16,
    pub connections: usize,
    pub lasts: Duration,
}

/// What came of it.
pub struct Slice {
    pub took: Duration,
    /// CPU time of the server, when it is known.
    pub cpu: Option<Duration>,
    /// From the first byte sent to the last byte answered.
    pub latencies: Vec<Duration>,
}

/// Sends deliveries until the time is up or, unless they are repeated, all are sent.
pub async fn drive(plan: Plan, server: Cpu) -> io::Result<Slice> {
    let mut streams = Vec::new();
    for _ in 0..plan.connections {
        let stream = TcpStream::connect(plan.address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let (before, begun) = (server.used()?, Instant::now());
    let senders: Vec<_> = streams
        .into_iter()
        .map(|stream| tokio::spawn(send_all(stream, plan.clone(), Arc::clone(&next), begun)))
        .collect();
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.append(&mut sender.await.map_err(io::Error::other)??);
    }
    Ok(Slice {
        took: begun.elapsed(),
        cpu: Some(server.used()?.saturating_sub(before)),
        latencies,
    })
}

async fn send_all(
    mut stream: TcpStream,
    plan: Plan,
    next: Arc<AtomicUsize>,
    begun: Instant,
) -> io::Result<Vec<Duration>> {
    let (mut latencies, mut answer) = (Vec::new(), Vec::with_capacity(4096));
    while begun.elapsed() < plan.lasts {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= plan.first && !plan.repeats {
            break;
        }
        let delivery = &plan.deliveries[number % plan.first];
        let sent = Instant::now();
        let asking = ask(&mut stream, delivery, plan.forged, &mut answer);
        let status = tokio::time::timeout(ANSWER_MAX, asking).await??;
        latencies.push(sent.elapsed());
        if status != plan.status {
            let text = String::from_utf8_lossy(&answer);
            let wanted = plan.status;
            return Err(io::Error::other(format!(
                "{status} instead of {wanted}: {text}"
            )));
        }
    }
    Ok(latencies)
}

async fn ask(
    stream: &mut TcpStream,
    delivery: &Delivery,
    forged: bool,
    answer: &mut Vec<u8>,
) -> io::Result<u16> {
    let head = if forged {
        &delivery.forged_head
    } else {
        &delivery.head
    };
    let mut parts = [IoSlice::new(head.as_bytes()), IoSlice::new(&delivery.body)];
    let mut left = &mut parts[..];
    while !left.is_empty() {
        match stream.write_vectored(left).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut left, written),
        }
    }
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(status) = whole(answer) {
            return Ok(status);
        }
    }
}

/// The status of an answer that has arrived to its end.
fn whole(answer: &[u8]) -> Option<u16> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let is_whole = match length {
        Some((_, length)) => answer.len() >= end + length.trim().parse::<usize>().ok()?,
        // Chunked: no server here sends trailers.
        None => answer.ends_with(b"0\r\n\r\n"),
    };
    is_whole.then_some(status)
}
