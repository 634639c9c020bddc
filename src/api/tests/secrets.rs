//! No secret stands in any answer, and every answer has the headers that it must have.

use super::stage::Stage;
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
    let mut answers = Vec::new();
    let new = r#"{"provider":"github","token":"ghp_canary-new"}"#;
    answers.push(api.call(Some(&api.owner), "POST /api/v2/credentials", Some(new)));
    let bad = r#"{"provider":"github","token":"ghp_canary bad"}"#;
    answers.push(api.call(Some(&api.owner), "POST /api/v2/credentials", Some(bad)));
    let wrong = r#"{"provider":"github","token":["ghp_canary"]}"#;
    answers.push(api.call(Some(&api.owner), "POST /api/v2/credentials", Some(wrong)));
    let query = "GET /api/v2/deliveries?limit=ghp_canary";
    answers.push(api.call(Some(&api.owner), query, None));
    for path in GET_PATHS {
        for who in [&api.owner, &api.admin] {
            answers.push(api.call(Some(who), &format!("GET {path}"), None));
        }
    }
    for path in [
        format!("/api/v2/repositories/connections/{}", api.connection.id),
        format!("/api/v2/deliveries/{}", api.delivery),
        format!("/api/v2/workflows/runs/{}", api.run),
        format!("/api/v2/incidents/{}", api.incident),
    ] {
        let reply = api.call(Some(&api.owner), &format!("GET {path}"), None);
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
    for line in lines {
        for who in [None, Some(&api.owner)] {
            let reply = api.call(
                who,
                &line.replace("{id}", "x").replace("{provider}", "x"),
                None,
            );
            assert_eq!(
                reply.header("x-content-type-options"),
                Some("nosniff"),
                "{line}"
            );
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{line}");
            assert_eq!(
                reply.header("referrer-policy"),
                Some("no-referrer"),
                "{line}"
            );
            let policy = reply.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'"), "{line}");
            assert_eq!(reply.header("server"), None, "{line}");
        }
    }
}
