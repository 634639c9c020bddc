//! The HTTP server: limits, timeouts and the headers that every answer has. Signals are the
//! program's business.
//!
//! actix serves, on connections that are watched over: [`socket`] hands it one request at a time
//! and cuts off who does not read, [`peers`] makes room, [`answers`] bounds what goes out,
//! [`stopping`] ends answers without an end. See ADR 13.

pub(in crate::api) mod answers;
pub(in crate::api) mod client;
mod framing;
mod paths;
mod peers;
pub(in crate::api) mod socket;
pub(in crate::api) mod stopping;
mod watch;

use super::routes;
use super::scope::Shared;
use actix_http::HttpService;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, web};
use answers::PIECE_BYTES;
use peers::{Limits, Peers};
use socket::{Pace, Socket};
use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use stopping::Stopping;

/// How long a client may take to acknowledge the end of a connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that the kernel holds while all workers are busy: a restart's worth of deliveries.
const BACKLOG: i32 = 2048;
/// What the kernel may hold for a client that does not read; it takes twice that.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// The headers that every answer has. Answers are data, never a page: nothing may be loaded,
/// framed, guessed at, or kept.
fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add(("Cache-Control", "no-store"))
        .add(("Referrer-Policy", "no-referrer"))
        .add((
            "Content-Security-Policy",
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
}

/// The application: all routes with what they share.
pub fn app(
    shared: web::Data<Shared>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(shared)
        .wrap(from_fn(watch::watched))
        .wrap(headers())
        .configure(routes::register)
}

/// Listens on an address: from now on the kernel holds what comes, until [`serve`] serves it.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketType, sockopt};
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Serves what comes to a [bound](bind) address until the returned server's handle stops it. The
/// server must be polled (or spawned) within an actix system.
pub fn serve(listener: TcpListener, shared: web::Data<Shared>) -> std::io::Result<Server> {
    let settings = shared.settings.clone();
    let peers = Arc::new(Peers::new(Limits {
        total: settings.connections_max,
        per_peer: settings.connections_per_peer_max,
        proxies: settings.trusted_proxies.clone(),
    }));
    let pace = Pace {
        head_deadline: settings.head_timeout,
        write_deadline: settings.write_deadline,
    };
    let builder = Server::build()
        .workers(settings.workers)
        // Which connection is closed is our decision; the server itself refuses none.
        .max_concurrent_connections(settings.connections_max.saturating_mul(2))
        .shutdown_timeout(settings.shutdown_timeout.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let (peers, stopping) = (Arc::clone(&peers), stopping.clone());
        let app = app(shared.clone())
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let signal = stopping.clone();
        let ends = Stopping::new(move || {
            let signal = signal.clone();
            async move { signal.notified().await }
        });
        let http = HttpService::build()
            .keep_alive(settings.keep_alive)
            // Ours is for each head.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .h1_write_buffer_size(PIECE_BYTES)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(move |socket: &Socket, data| {
                data.insert(socket.gate());
                data.insert(ends.clone());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        fn_service(move |io: TcpStream| ready(admit(io, &peers, pace))).and_then(http)
    })?;
    Ok(server.run())
}

/// Lets a connection in, in the place of another where there is no room.
fn admit(
    io: TcpStream,
    peers: &Arc<Peers>,
    pace: Pace,
) -> Result<(Socket, Option<SocketAddr>), actix_http::error::DispatchError> {
    let address = io.peer_addr()?;
    let seat = peers.admit(address.ip());
    let seat = seat.ok_or_else(|| std::io::Error::other("all connections bring deliveries"))?;
    // Without either it works as well, only less well.
    let _ = io.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&io, SEND_BUFFER_BYTES);
    Ok((Socket::new(io, seat, pace), Some(address)))
}
