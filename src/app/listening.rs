//! The HTTP servers of the daemon. One that ended by itself must not leave a daemon behind that
//! serves nothing and looks alive: systemd can restart it only when it ends.

use super::failure::StartError;
use actix_web::dev::{Server, ServerHandle};
use futures_util::future::select_all;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

/// A server that serves.
pub(super) struct Listening {
    address: SocketAddr,
    handle: ServerHandle,
    end: JoinHandle<io::Result<()>>,
}

impl Listening {
    /// Has a server serve. Its threads are started here, so that it is known whether they could
    /// be: without files or threads to spare they cannot.
    pub(super) async fn begin(address: SocketAddr, mut server: Server) -> Result<Self, StartError> {
        let handle = server.handle();
        let (begun, has_begun) = oneshot::channel();
        // In a task of its own, for it panics where it lacks something.
        let end = actix::spawn(async move {
            let first = poll_fn(|context| Poll::Ready(Pin::new(&mut server).poll(context))).await;
            if let Poll::Ready(ended) = first {
                return ended;
            }
            let _ = begun.send(());
            server.await
        });
        if has_begun.await.is_err() {
            return Err(StartError::Listen(address, why(end.await)));
        }
        Ok(Self {
            address,
            handle,
            end,
        })
    }

    /// Takes no new requests, and waits for those under way.
    pub(super) async fn stop(&self) {
        self.handle.stop(true).await;
    }
}

/// Waits until one of the servers has ended, which none does unless it is stopped or broken.
pub(super) async fn ended(servers: &mut [Listening]) -> StartError {
    let ends = servers.iter_mut().map(|server| &mut server.end);
    let (ended, nth, _) = select_all(ends).await;
    StartError::Ended(servers[nth].address, why(ended))
}

fn why(ended: Result<io::Result<()>, JoinError>) -> io::Error {
    match ended {
        Ok(Ok(())) => io::Error::other("the server has stopped"),
        Ok(Err(error)) => error,
        Err(fallen) => io::Error::other(fallen.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, HttpServer};

    #[actix::test]
    async fn a_server_that_ends_by_itself_is_noticed() {
        let serve = || {
            let server = HttpServer::new(App::new).workers(1).disable_signals();
            let server = server.bind("127.0.0.1:0").unwrap();
            (server.addrs()[0], server.run())
        };
        let mut servers = Vec::new();
        for (address, server) in [serve(), serve()] {
            servers.push(Listening::begin(address, server).await.unwrap());
        }
        let (lasts, broken) = (servers[0].address, servers[1].address);
        servers[1].handle.stop(false).await;
        let reported = ended(&mut servers).await.to_string();
        assert!(reported.contains(&broken.to_string()), "{reported}");
        assert!(!reported.contains(&lasts.to_string()), "{reported}");
        servers[0].stop().await;
    }
}
