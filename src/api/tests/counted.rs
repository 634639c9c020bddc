//! Each webhook request is counted once, by its outcome. The application runs in the test's own
//! thread here, because only what one thread counts can be told apart.

use super::stage::Stage;
use crate::api::server;
use crate::provider::signature::github_sign;
use crate::telemetry::{self, metric};
use actix_web::test::{TestRequest, call_service, init_service};
use std::net::SocketAddr;

const BODY: &[u8] = br#"{"repository":{"id":4711,"full_name":"canary/repository"}}"#;

#[actix_web::test]
async fn each_request_is_counted_once_by_its_outcome() {
    let api = Stage::new();
    let recorder = telemetry::local();
    let _local = metrics::set_default_local_recorder(&recorder);
    let app = init_service(server::app(api.shared.clone())).await;
    let secret = api.connections.secret_of(api.connection.id);
    let path = format!("/api/v2/webhooks/github/{}", api.connection.hook_key);
    let signature = github_sign(&secret, BODY);
    let wrong = github_sign(&secret, b"another body");
    let outcomes = [
        ("d1", "workflow_run", signature.as_str(), "accepted", 202),
        ("d1", "workflow_run", &signature, "duplicate", 200),
        ("d2", "workflow_run", &wrong, "rejected_signature", 401),
    ];
    for (counted, (id, event, signature, outcome, status)) in (1..).zip(outcomes) {
        let request = TestRequest::post()
            .uri(&path)
            .peer_addr(SocketAddr::from(([127, 0, 0, 1], 9)))
            .insert_header(("content-type", "application/json"))
            .insert_header(("x-github-event", event))
            .insert_header(("x-github-delivery", id))
            .insert_header(("x-hub-signature-256", signature))
            .set_payload(BODY);
        let answer = call_service(&app, request.to_request()).await;
        assert_eq!(answer.status().as_u16(), status, "{outcome}");
        let text = recorder.handle().render();
        let name = metric::DELIVERIES;
        let line = format!("{name}{{provider=\"github\",outcome=\"{outcome}\"}} 1");
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
        let all = text
            .lines()
            .filter(|found| found.starts_with(&format!("{name}{{")));
        assert_eq!(all.count(), counted, "{text}");
        let timed = format!("{}_count{{provider=\"github\"}} {counted}", metric::ANSWER);
        assert!(text.contains(&timed), "{timed}: {text}");
    }
}
