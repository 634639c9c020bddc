//! The HTTP servers of the daemon. One that ended by itself must not leave a daemon behind that
//! serves nothing and looks alive: systemd can restart it only when it ends.

use super::failure::StartError;
use crate::api::scope::Shared;
use crate::api::{self, MetricsText};
use crate::config;
use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer, web};
use futures_util::future::select_all;
use std::future::{Future, poll_fn, ready};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

/// The addresses that are listened on. Until they are served the kernel holds what comes.
pub(super) struct Doors {
    main: (SocketAddr, TcpListener),
    metrics: Option<(SocketAddr, TcpListener)>,
}

impl Doors {
    /// Listens on the configured addresses.
    pub(super) fn open(config: &config::Server) -> Result<Self, StartError> {
        Ok(Self {
            main: door(config.listen)?,
            metrics: config.metrics_listen.map(door).transpose()?,
        })
    }

    /// The main address, with the port that was free when none was named.
    pub(super) fn address(&self) -> SocketAddr {
        self.main.0
    }

    /// Serves everything at the main address, and the metrics at theirs, if they have one.
    pub(super) async fn serve(
        self,
        shared: &web::Data<Shared>,
        render: MetricsText,
    ) -> Result<Vec<Listening>, StartError> {
        let (address, listener) = self.main;
        let server = api::server::serve(listener, shared.clone())
            .map_err(|error| StartError::Listen(address, error))?;
        let mut servers = vec![Listening::begin(address, server).await?];
        if let Some((address, listener)) = self.metrics {
            let server = HttpServer::new(move || {
                let render = Arc::clone(&render);
                let show = move || ready(render());
                App::new().route("/metrics", web::get().to(show))
            })
            .disable_signals()
            .workers(1)
            .listen(listener)
            .map_err(|error| StartError::Listen(address, error))?
            .run();
            servers.push(Listening::begin(address, server).await?);
        }
        Ok(servers)
    }
}

fn door(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let bound = api::server::bind(address).and_then(|it| Ok((it.local_addr()?, it)));
    bound.map_err(|error| StartError::Listen(address, error))
}

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
