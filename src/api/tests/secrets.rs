//! No secret stands in any answer, and every answer has the headers that it must have.

use super::stage::Stage;
use super::wire::Reply;
use crate::api::routes::{Access, Operation};
use data_encoding::HEXLOWER;

const GET_PATHS: [&str; 9] = [
    "/api/v2/credentials",
    "/api/v2/repositories/connections",
    "/api/v2/deliveries",
    "/api/v2/workflows/runs",
    "/api/v2/incidents",
    "/api/v2/stats",
    "/api/v2/users",
    "/api/v2/whoami",
    "/metrics",
];

#[test]
fn no_answer_holds_a_secret() {
    let api = Stage::new();
    let secret = api.connections.secret_of(api.connection.id);
    let canaries = [
        "ghp_canary",
        "canary-sealed",
        secret.expose(),
        api.owner.token.expose(),
    ];
    let hidden = [
        HEXLOWER.encode("canary-sealed".as_bytes()),
        "Y2FuYXJ5LXNlYWxlZA".to_owned(),
    ];
    let new = r#"{"provider":"github","token":"ghp_canary-new"}"#;
    let bad = r#"{"provider":"github","token":"ghp_canary bad"}"#;
    let wrong = r#"{"provider":"github","token":["ghp_canary"]}"#;
    let mut answers: Vec<Reply> = [new, bad, wrong]
        .map(|body| api.owner.post("credentials", body))
        .into();
    answers.push(api.owner.get("deliveries?limit=ghp_canary"));
    for path in GET_PATHS {
        for who in [&api.owner, &api.admin] {
            answers.push(who.call(&format!("GET {path}"), None));
        }
    }
    for path in [
        api.path(),
        format!("deliveries/{}", api.delivery),
        format!("workflows/runs/{}", api.run),
        format!("incidents/{}", api.incident),
    ] {
        let reply = api.owner.get(path);
        assert_eq!(reply.status, 200);
        answers.push(reply);
    }
    for reply in answers {
        let text = format!("{reply:?}");
        let hidden = hidden.iter().map(String::as_str);
        for canary in canaries.iter().copied().chain(hidden) {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
}

#[test]
fn every_answer_has_the_security_headers() {
    let api = Stage::new();
    let mut lines: Vec<String> = Operation::ALL
        .iter()
        .map(|operation| operation.route())
        .filter(|route| route.access != Access::Ingress)
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    lines.extend([
        "GET /nowhere".into(),
        "PUT /healthz".into(),
        "GET /api/v2/whoami?token=x".into(),
    ]);
    for line in &lines {
        for who in [None, Some(&api.owner)] {
            let line = line.replace("{id}", "x").replace("{provider}", "x");
            let reply = api.call(who, &line, None);
            for (name, value) in [
                ("x-content-type-options", Some("nosniff")),
                ("cache-control", Some("no-store")),
                ("referrer-policy", Some("no-referrer")),
                ("server", None),
            ] {
                assert_eq!(reply.header(name), value, "{line}: {name}");
            }
            let policy = reply.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'"), "{line}");
        }
    }
}
