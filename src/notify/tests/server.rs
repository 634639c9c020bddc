//! Servers that answer what a test wants, and what they were asked.

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server does after it has read a request.
#[derive(Clone)]
pub(super) enum Then {
    /// Writes this and closes the connection.
    Answer(Vec<u8>),
    /// Writes this and keeps the connection open.
    Stay(Vec<u8>),
    /// Writes what this says of the request, and closes the connection.
    Says(Arc<dyn Fn(&str) -> String + Send + Sync>),
}

/// A server on this machine, until it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn new(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, then)
    }

    /// Two that answer so, on 127.0.0.1 and 127.0.0.2, with the same port.
    pub(super) async fn pair(then: Then) -> [Self; 2] {
        loop {
            let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = first.local_addr().unwrap().port();
            // Another test may have it there.
            if let Ok(second) = TcpListener::bind(("127.0.0.2", port)).await {
                return [Self::on(first, then.clone()), Self::on(second, then)];
            }
        }
    }

    fn on(listener: TcpListener, then: Then) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                let bytes = match &then {
                    Then::Answer(bytes) | Then::Stay(bytes) => bytes.clone(),
                    Then::Says(says) => says(&request).into_bytes(),
                };
                heard.lock().push(request);
                let _ = stream.write_all(&bytes).await;
                match &then {
                    Then::Answer(_) | Then::Says(_) => drop(stream.shutdown().await),
                    Then::Stay(_) => open.push(stream),
                }
            }
        });
        Self {
            address,
            seen,
            task,
        }
    }

    /// One that answers with this status, these headers and this body.
    pub(super) async fn answering(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        Self::new(Then::Answer(answer.into_bytes())).await
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }
}

/// A whole request, whose body has a length.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text.into_owned());
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&more[..read]),
            Ok(0) | Err(_) => return None,
        }
    }
}
