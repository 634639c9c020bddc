//! Receives deliveries and keeps them. No judge of anything.

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// A delivery as it came.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The path that it was sent to.
    pub(crate) path: String,
    /// Its headers, with names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

type Kept = web::Data<Mutex<Vec<Delivery>>>;

/// The running receiver.
pub(crate) struct Receiver {
    /// Where it listens, without a slash at the end.
    pub(crate) url: String,
    kept: Kept,
    server: ServerHandle,
}

async fn take(request: HttpRequest, body: web::Bytes, kept: Kept) -> HttpResponse {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value.as_bytes())));
    let delivery = Delivery {
        path: request.path().to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    kept.lock().push(delivery);
    HttpResponse::Ok().finish()
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let kept = Kept::default();
        let shared = kept.clone();
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .default_service(web::to(take))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.bind(("127.0.0.1", 0));
        let server = server.expect("loopback has free ports");
        let url = format!("http://{}", server.addrs()[0]);
        let running = server.run();
        let server = running.handle();
        actix_web::rt::spawn(running);
        Self { url, kept, server }
    }

    /// What came to this path, oldest first.
    pub(crate) fn at(&self, path: &str) -> Vec<Delivery> {
        let kept = self.kept.lock();
        kept.iter()
            .filter(|delivery| delivery.path == path)
            .cloned()
            .collect()
    }

    pub(crate) async fn stop(self) {
        self.server.stop(false).await;
    }
}
