//! Bad input gets a clear error and changes nothing.

use super::stage::{Stage, settings};
use super::wire::{answered, open, read, send, send_raw};
use crate::api::Settings;
use crate::provider::signature::github_sign;
use crate::store::{After, Of, Read};
use std::io::Write;
use std::time::{Duration, Instant};

fn small() -> Stage {
    Stage::with(Settings {
        ingress_body_bytes_max: 64 * 1024,
        api_body_bytes_max: 1024,
        body_timeout: Duration::from_millis(300),
        ..settings()
    })
}

fn stored(api: &Stage) -> usize {
    let all = After {
        last: None,
        limit: 100,
    };
    api.store
        .deliveries(Of::Owner(api.owner.user), all)
        .ready()
        .unwrap()
        .items
        .len()
}

const HOOK: &str = "POST /api/v2/webhooks/github";

#[test]
fn the_real_limit_is_25_mib_announced_or_not() {
    let (api, before) = (Stage::new(), answered("rejected_size"));
    let limit: usize = 25 * 1024 * 1024;
    let head = format!(
        "{HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        limit + 1
    );
    send_raw(api.at, head.as_bytes()).is(413, "body_too_large");
    let mut stream = open(api.at);
    let head = format!("{HOOK} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut chunk = b"100000\r\n".to_vec();
    chunk.extend_from_slice(&vec![b'x'; 0x10_0000]);
    chunk.extend_from_slice(b"\r\n");
    // Ten times the limit, or until the server hangs up.
    for _ in 0..250 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    read(&mut stream).is(413, "body_too_large");
    assert!(answered("rejected_size") >= before + 2);
    // And 25 MiB to the byte are taken.
    let body = vec![b' '; limit];
    assert_eq!(api.deliver("just", "push", &body).status, 202);
}

#[test]
fn a_slow_body_is_cut_off() {
    let (api, before) = (small(), answered("rejected_slow"));
    let began = Instant::now();
    let mut stream = open(api.at);
    let head = format!("{HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab");
    stream.write_all(head.as_bytes()).unwrap();
    read(&mut stream).is(408, "body_timeout");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(answered("rejected_slow") > before);
}

#[test]
fn a_slow_head_is_cut_off() {
    let api = Stage::with(Settings {
        head_timeout: Duration::from_millis(300),
        ..settings()
    });
    let mut stream = open(api.at);
    stream
        .write_all(format!("{HOOK} HTTP/1.1\r\nHo").as_bytes())
        .unwrap();
    assert_eq!(read(&mut stream).status, 408);
}

#[test]
fn compressed_deliveries_are_refused_unread() {
    let (api, before) = (small(), answered("rejected_malformed"));
    for encoding in ["gzip", "br", "zstd", "identity, gzip", ",gzip"] {
        let headers = [("Content-Encoding", encoding)];
        send(api.at, HOOK, &headers, Some(b"x")).is(415, "unsupported_encoding");
    }
    assert!(answered("rejected_malformed") >= before + 5);
}

#[test]
fn too_many_bytes_in_flight_are_refused_for_now() {
    let api = Stage::with(Settings {
        ingress_bytes_in_flight_max: 4000,
        ..settings()
    });
    let reply = api.deliver("d", "push", &[b' '; 2000]);
    reply.is(503, "overloaded");
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(api.deliver("d", "push", &[b' '; 900]).status, 202);
    let api = Stage::with(Settings {
        ingress_requests_max: 0,
        ..settings()
    });
    api.deliver("d", "push", b"{}").is(503, "overloaded");
}

#[test]
fn odd_bodies_that_are_signed_are_stored_and_never_break_anything() {
    let api = Stage::new();
    let deep = "[".repeat(100_000);
    let many = format!(
        "{{{}\"z\":1}}",
        (0..50_000).fold(String::new(), |text, n| {
            text + &format!("\"k{n}\":{n},")
        })
    );
    let table: [(&str, &[u8]); 9] = [
        ("malformed", b"{\"a\":"),
        ("deep", deep.as_bytes()),
        ("duplicate keys", br#"{"repository":{"id":1,"id":4711}}"#),
        ("huge numbers", br#"{"repository":{"id":1e999}}"#),
        ("not UTF-8", b"{\"a\":\"\xFF\xFE\"}"),
        ("form", b"payload=%7B%22zen%22%3A1%7D"),
        ("empty", b""),
        ("NUL and BOM", b"\xEF\xBB\xBF{\"a\":\"\\u0000\"}\0"),
        ("many keys", many.as_bytes()),
    ];
    for (n, (what, body)) in table.iter().enumerate() {
        let reply = api.deliver(&format!("odd-{n}"), "workflow_run", body);
        assert_eq!(reply.status, 202, "{what}: {reply:?}");
        let id = reply.json()["delivery_id"].as_str().unwrap().to_owned();
        let shown = api.call(
            Some(&api.owner),
            &format!("GET /api/v2/deliveries/{id}"),
            None,
        );
        assert_eq!(shown.status, 200, "{what}");
        // The same without a hook key: unsigned, so that only the claim is looked at.
        let keyless = "/api/v2/webhooks/github";
        let headers = [("X-Hub-Signature-256", "sha256=00")];
        api.deliver_to(keyless, "n", "push", &headers, body)
            .is(401, "bad_signature");
    }
    assert_eq!(stored(&api), 1 + table.len());
}

#[test]
fn deliveries_without_their_headers_are_refused() {
    let api = Stage::new();
    let signature = github_sign(&api.connections.secret_of(api.connection.id), b"{}");
    let signature = ("X-Hub-Signature-256", signature.as_str());
    let line = format!("{HOOK}/{}", api.connection.hook_key);
    let long = "x".repeat(4000);
    for headers in [
        vec![signature],
        vec![signature, ("X-GitHub-Event", "push")],
        vec![signature, ("X-GitHub-Delivery", "d")],
        vec![
            signature,
            ("X-GitHub-Event", "pu sh"),
            ("X-GitHub-Delivery", "d"),
        ],
        vec![
            signature,
            ("X-GitHub-Event", &long),
            ("X-GitHub-Delivery", "d"),
        ],
        vec![
            signature,
            ("X-GitHub-Event", "push"),
            ("X-GitHub-Delivery", &long),
        ],
    ] {
        send(api.at, &line, &headers, Some(b"{}")).is(400, "bad_delivery_header");
    }
    let unknown = send(api.at, "POST /api/v2/webhooks/gitea", &[], Some(b"{}"));
    unknown.is(404, "no_such_route");
    assert_eq!(stored(&api), 1);
}

type Mistake<'a> = (&'a str, Option<&'a str>, u16, &'a str);

/// Makes mistakes and holds that nothing came of them.
fn make(api: &Stage, mistakes: &[Mistake<'_>]) {
    let before = api.store.connection(api.connection.id).ready().unwrap();
    for (line, body, status, code) in mistakes {
        let reply = api.call(Some(&api.owner), line, *body);
        let answered = (reply.status, reply.json()["code"].clone());
        assert_eq!(
            answered,
            (*status, (*code).into()),
            "{line} {body:?} {reply:?}"
        );
        reply.is(*status, code);
    }
    assert_eq!(
        api.store.connection(api.connection.id).ready().unwrap(),
        before
    );
    assert!(api.connections.commands.lock().is_empty());
}

#[test]
fn mistakes_in_urls_have_their_codes() {
    let mistakes = [
        ("GET /nowhere", None, 404, "no_such_route"),
        (
            "GET /api/v2/repositories/connections/",
            None,
            404,
            "no_such_route",
        ),
        (
            "GET /api/v2/repositories/connections/con_x",
            None,
            404,
            "not_found",
        ),
        (
            "GET /api/v2/deliveries/../users",
            None,
            404,
            "no_such_route",
        ),
        ("GET /api/v2/deliveries?limit=0", None, 400, "bad_query"),
        ("GET /api/v2/deliveries?limit=101", None, 400, "bad_query"),
        ("GET /api/v2/deliveries?limit=many", None, 400, "bad_query"),
        ("GET /api/v2/deliveries?page=2", None, 400, "bad_query"),
        (
            "GET /api/v2/deliveries?connection_id=x",
            None,
            400,
            "bad_query",
        ),
        ("GET /api/v2/deliveries?cursor=x", None, 400, "bad_cursor"),
        (
            "GET /api/v2/incidents?status=closed",
            None,
            400,
            "bad_query",
        ),
        ("GET /api/v2/incidents?repository=x", None, 400, "bad_query"),
        (
            "GET /api/v2/whoami?access_token=hhk_1",
            None,
            400,
            "token_in_query",
        ),
        (
            "GET /api/v2/whoami?x=1&TOKEN=hhk_1",
            None,
            400,
            "token_in_query",
        ),
        (
            "GET /api/v2/repositories/gitlab",
            None,
            422,
            "unknown_provider",
        ),
    ];
    make(&small(), &mistakes);
}

const CONNECT: &str = "POST /api/v2/repositories/connect";

#[test]
fn bodies_of_the_wrong_form_have_their_codes() {
    let large = format!(r#"{{"repository_full_name":"{}"}}"#, "x".repeat(2000));
    let deep = "[".repeat(900);
    let number = r#"{"repository_full_name":7}"#;
    let unknown = r#"{"repository":"o/r"}"#;
    let api = small();
    let patch = format!(
        "PATCH /api/v2/repositories/connections/{}",
        api.connection.id
    );
    let twice = r#"{"is_enabled":true,"is_enabled":false}"#;
    let mistakes = [
        (CONNECT, Some("{"), 400, "bad_json"),
        (CONNECT, Some("{}"), 400, "bad_json"),
        (CONNECT, Some("[]"), 400, "bad_json"),
        (CONNECT, Some(deep.as_str()), 400, "bad_json"),
        (CONNECT, Some(number), 400, "bad_json"),
        (CONNECT, Some(unknown), 400, "unknown_field"),
        (CONNECT, Some(&large), 413, "body_too_large"),
        (&patch, Some("{}"), 422, "invalid_field"),
        (&patch, Some(twice), 400, "bad_json"),
    ];
    make(&api, &mistakes);
}

#[test]
fn invalid_values_have_their_codes() {
    let named = |name: &str| format!(r#"{{"repository_full_name":"{name}"}}"#);
    let with = |more: &str| format!(r#"{{"repository_full_name":"o/r",{more}}}"#);
    let connects = [
        (named("o"), 422, "invalid_field"),
        (named("a/b/c"), 422, "invalid_field"),
        (named("canary/repository"), 409, "already_connected"),
        (with(r#""provider":"gitea""#), 422, "invalid_field"),
        (with(r#""host":"a b""#), 422, "invalid_field"),
        (with(r#""host":"ghes.example""#), 422, "unknown_provider"),
        (with(r#""webhook_events":[]"#), 422, "invalid_field"),
        (with(r#""webhook_events":["Push"]"#), 422, "invalid_field"),
        (with(r#""credential_id":"crd_1""#), 422, "invalid_field"),
    ];
    let api = small();
    for (body, status, code) in &connects {
        make(&api, &[(CONNECT, Some(body), *status, code)]);
    }
    let token = "POST /api/v2/credentials";
    let empty = r#"{"provider":"github","token":""}"#;
    let unknown = r#"{"provider":"gitlab","token":"x"}"#;
    let others = r#"{"user":"admin"}"#;
    let mistakes = [
        (token, Some(empty), 422, "invalid_field"),
        (token, Some(unknown), 422, "unknown_provider"),
        ("POST /api/v2/tokens", Some(others), 403, "forbidden"),
    ];
    make(&api, &mistakes);
}

#[test]
fn wrong_methods_types_and_tokens_are_refused() {
    let api = Stage::new();
    let reply = api.call(Some(&api.owner), "PUT /api/v2/credentials", None);
    reply.is(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), Some("POST, GET, HEAD"));
    let bearer = format!("Bearer {}", api.owner.token.expose());
    let line = "POST /api/v2/tokens";
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
    ] {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        send(api.at, line, &headers, Some(b"{}")).is(415, "unsupported_media_type");
    }
    let twice = [
        ("Authorization", bearer.as_str()),
        ("Authorization", bearer.as_str()),
    ];
    for headers in [
        &[][..],
        &twice,
        &[("Authorization", "Bearer hhk_wrong")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Basic b3duZXI6eA==")],
        &[("Cookie", "token=x")],
    ] {
        let reply = send(api.at, "GET /api/v2/whoami", headers, None);
        reply.is(401, "unauthenticated");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    let good = [("Authorization", bearer.as_str())];
    assert_eq!(
        send(api.at, "GET /api/v2/whoami", &good, None).json()["name"],
        "owner"
    );
}

#[test]
fn unclear_framing_is_refused() {
    let api = Stage::new();
    let begin = format!("{HOOK} HTTP/1.1\r\nHost: x\r\n");
    for rest in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "Content-Length: +2\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let reply = send_raw(api.at, format!("{begin}{rest}").as_bytes());
        assert_eq!(reply.status, 400, "{rest:?}: {reply:?}");
    }
    assert_eq!(stored(&api), 1);
}

#[test]
fn a_delivery_finds_its_hook_whatever_its_slashes_and_with_an_empty_encoding() {
    let api = Stage::new();
    let key = api.connection.hook_key.to_string();
    for (n, path) in [
        format!("/api/v2/webhooks/github/{key}/"),
        format!("//api/v2/webhooks/github/{key}"),
        format!("/api/v2//webhooks///github/{key}//"),
        format!("/api/v2/webhooks/github/{key}/?from=proxy"),
        "/api/v2/webhooks/github/".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let body = format!(r#"{{"n":{n},"repository":{{"full_name":"canary/repository"}}}}"#);
        let secret = api.connections.secret_of(api.connection.id);
        let signature = github_sign(&secret, body.as_bytes());
        let headers = [
            ("X-Hub-Signature-256", signature.as_str()),
            ("Content-Encoding", ""),
        ];
        let reply = api.deliver_to(path, &format!("d{n}"), "push", &headers, body.as_bytes());
        assert_eq!(reply.status, 202, "{path}: {reply:?}");
    }
    // What is not ingress is called by its name.
    let reply = api.call(Some(&api.owner), "GET /api/v2/whoami/", None);
    reply.is(404, "no_such_route");
}
