//! The demo's sink: a receiver that keeps what it is sent.

use crate::cli::failed::Failed;
use actix_web::{App, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// The demo's sink.
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    came: Arc<Mutex<Vec<Value>>>,
}

impl Sink {
    /// Listens until the demo ends.
    pub(super) fn start() -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let came = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&came);
        let server = HttpServer::new(move || {
            let kept = Arc::clone(&kept);
            let take = move |body: web::Json<Value>| {
                kept.lock().push(body.into_inner());
                std::future::ready(HttpResponse::NoContent().finish())
            };
            App::new().route("/hook", web::post().to(take))
        });
        let server = server.disable_signals().workers(1).listen(listener)?;
        actix_web::rt::spawn(server.run());
        Ok(Self { address, came })
    }

    /// The kinds of the messages that came, in order.
    pub(super) fn kinds(&self) -> Vec<String> {
        let came = self.came.lock();
        let kinds = came.iter().filter_map(|message| message["type"].as_str());
        kinds.map(str::to_owned).collect()
    }
}
