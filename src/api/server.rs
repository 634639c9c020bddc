//! The HTTP server: limits, timeouts and the headers that every answer has. Signals are the
//! program's business.

mod paths;

use super::routes;
use super::scope::Shared;
use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, HttpServer, web};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a client may take to acknowledge the end of a connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that the kernel holds while all workers are busy: a restart's worth of deliveries.
const BACKLOG: u32 = 2048;

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
        .wrap(from_fn(paths::lenient))
        .wrap(headers())
        .configure(routes::register)
}

/// Serves on an address until the returned server's handle is told to stop, and says which
/// address it is when any free port was asked for. The server must be polled (or spawned) within
/// an actix system.
pub fn serve(
    listen: SocketAddr,
    shared: web::Data<Shared>,
) -> std::io::Result<(SocketAddr, Server)> {
    let settings = shared.settings.clone();
    let server = HttpServer::new(move || app(shared.clone()))
        .workers(settings.workers)
        .max_connections(settings.connections_max)
        .backlog(BACKLOG)
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.head_timeout)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .shutdown_timeout(settings.shutdown_timeout.as_secs())
        .disable_signals()
        .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    Ok((address, server.run()))
}
