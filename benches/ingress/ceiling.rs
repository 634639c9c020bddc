//! The ceilings: bare actix-web handlers. One reads the body and verifies its signature; the other
//! appends it to a plain file as well before it answers.

use crate::plain_log::PlainLog;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use hookherd::domain::secret::HookSecret;
use hookherd::provider::signature::github_verifies;
use std::io;
use std::path::PathBuf;

/// Threads of the server: as many as the daemon has by default.
const WORKERS: usize = 2;

struct Door {
    secrets: [HookSecret; 1],
    log: Option<PlainLog>,
}

async fn take(door: Data<Door>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let signature = request.headers().get("x-hub-signature-256");
    let signature = signature
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if github_verifies(&door.secrets, &body, signature).is_none() {
        return HttpResponse::Unauthorized().finish();
    }
    if let Some(log) = &door.log
        && !log.append(body).await
    {
        return HttpResponse::ServiceUnavailable().finish();
    }
    HttpResponse::Accepted().finish()
}

/// Serves until it is killed. Says its address on standard output.
pub fn serve(secret: String, log: Option<PathBuf>) -> io::Result<()> {
    let secrets = [HookSecret::new(secret).map_err(io::Error::other)?];
    let log = log.map(|path| PlainLog::create(&path)).transpose()?;
    let door = Data::new(Door { secrets, log });
    actix_web::rt::System::new().block_on(async move {
        let app = move || {
            App::new()
                .app_data(door.clone())
                .default_service(web::to(take))
        };
        let server = HttpServer::new(app)
            .workers(WORKERS)
            .bind(("127.0.0.1", 0))?;
        for address in server.addrs() {
            println!("{address}");
        }
        server.run().await
    })
}
