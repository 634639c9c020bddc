//! As much of a GitHub as it takes to connect the repositories that the payloads speak of: each
//! repository `interop/rID` exists and has the numeric id ID. No judge of anything; it only says
//! which hooks were asked for.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;

/// A hook as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    /// Where deliveries go.
    pub(crate) url: String,
    /// What signs them.
    pub(crate) secret: String,
}

type Hooks = web::Data<Mutex<BTreeMap<u64, Hook>>>;

/// The running stub.
pub(crate) struct Stub {
    /// Its API.
    pub(crate) url: String,
    hooks: Hooks,
}

/// The name of the repository with this id.
pub(crate) fn full_name(id: u64) -> String {
    format!("interop/r{id}")
}

async fn answer(request: HttpRequest, body: web::Bytes, hooks: Hooks) -> HttpResponse {
    let path = request.path();
    if path == "/user" {
        return HttpResponse::Ok().json(json!({"id": 1, "login": "interop"}));
    }
    let Some(rest) = path.strip_prefix("/repos/interop/r") else {
        return HttpResponse::NotFound().json(json!({"message": "Not Found"}));
    };
    let (id, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let id = id.parse::<u64>().expect("ids are numbers");
    match (request.method().as_str(), rest) {
        ("GET", "") => HttpResponse::Ok().json(json!({
            "id": id, "full_name": full_name(id), "archived": false,
            "permissions": {"admin": true},
        })),
        ("GET", "hooks") => {
            let hooks = hooks.lock();
            let shown = hooks.get(&id).map(|hook| shown(id, hook));
            HttpResponse::Ok().json(shown.into_iter().collect::<Vec<_>>())
        }
        ("POST", "hooks") => {
            let asked: Value = serde_json::from_slice(&body).expect("we send JSON");
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let (url, secret) = (&asked["config"]["url"], &asked["config"]["secret"]);
            let (url, secret) = (text(url), text(secret));
            let hook = Hook { url, secret };
            let shown = shown(id, &hook);
            hooks.lock().insert(id, hook);
            HttpResponse::Created().json(shown)
        }
        _ => HttpResponse::NoContent().finish(),
    }
}

fn shown(id: u64, hook: &Hook) -> Value {
    json!({
        "type": "Repository", "id": id, "name": "web", "active": true,
        "events": ["pull_request", "push", "workflow_run"],
        "config": {
            "url": hook.url, "content_type": "json", "insecure_ssl": "0", "secret": "********",
        },
    })
}

impl Stub {
    pub(crate) fn start() -> Self {
        let hooks = Hooks::default();
        let shared = hooks.clone();
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        // A thread of its own, which ends with the process: tests block theirs.
        std::thread::spawn(move || {
            let app = move || {
                let service = web::to(answer);
                App::new().app_data(shared.clone()).default_service(service)
            };
            let server = HttpServer::new(app).workers(1).disable_signals();
            let server = server.listen(listener).expect("it is bound");
            actix_web::rt::System::new().block_on(server.run())
        });
        Self { url, hooks }
    }

    /// The hook of this repository, once it was asked for.
    pub(crate) fn hook(&self, id: u64) -> Option<Hook> {
        let hooks = self.hooks.lock();
        hooks.get(&id).cloned()
    }
}
