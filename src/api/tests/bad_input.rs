//! Bad input gets a clear error and changes nothing.

use super::stage::{Stage, settings};
use super::wire::{answered, open, read, send, send_raw};
use crate::api::Settings;
use crate::store::Read;
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

const HOOK: &str = "POST /api/v2/webhooks/github";

#[test]
fn the_real_limit_is_25_mib_announced_or_not() {
    let (api, before) = (Stage::new(), answered("rejected_size"));
    let limit: usize = 25 * 1024 * 1024;
    let begin = format!("{HOOK} HTTP/1.1\r\nHost: x\r\n");
    let head = format!("{begin}Content-Length: {}\r\n\r\n", limit + 1);
    send_raw(api.at, head.as_bytes()).is(413, "body_too_large");
    let mut stream = open(api.at);
    let head = format!("{begin}Transfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [&b"100000\r\n"[..], &vec![b'x'; 0x10_0000], b"\r\n"].concat();
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
    let fields: Vec<String> = (0..50_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = format!("{{{}}}", fields.join(","));
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
        let shown = format!("deliveries/{}", reply.delivery_id());
        assert_eq!(api.owner.get(shown).status, 200, "{what}");
        // The same without a hook key: unsigned, so that only the claim is looked at.
        let keyless = "/api/v2/webhooks/github";
        let headers = [("X-Hub-Signature-256", "sha256=00")];
        let reply = api.deliver_to(keyless, "n", "push", &headers, body);
        reply.is(401, "bad_signature");
    }
    assert_eq!(api.stored(), 1 + table.len());
}

#[test]
fn deliveries_without_their_headers_are_refused() {
    let api = Stage::new();
    let signature = api.signed(b"{}");
    let line = format!("{HOOK}/{}", api.connection.hook_key);
    let long = "x".repeat(4000);
    for (event, id) in [
        (None, None),
        (Some("push"), None),
        (None, Some("d")),
        (Some("pu sh"), Some("d")),
        (Some(long.as_str()), Some("d")),
        (Some("push"), Some(long.as_str())),
    ] {
        let mut headers = vec![("X-Hub-Signature-256", signature.as_str())];
        headers.extend(event.map(|event| ("X-GitHub-Event", event)));
        headers.extend(id.map(|id| ("X-GitHub-Delivery", id)));
        send(api.at, &line, &headers, Some(b"{}")).is(400, "bad_delivery_header");
    }
    let unknown = send(api.at, "POST /api/v2/webhooks/gitea", &[], Some(b"{}"));
    unknown.is(404, "no_such_route");
    assert_eq!(api.stored(), 1);
}

/// Requests with a mistake, each as `LINE -> STATUS CODE` or `LINE | BODY -> STATUS CODE`: each has
/// its code, and none changes anything.
#[track_caller]
fn make(api: &Stage, mistakes: &[&str]) {
    let before = api.store.connection(api.connection.id).ready().unwrap();
    for mistake in mistakes {
        let (request, answer) = mistake.rsplit_once(" -> ").unwrap();
        let (line, body) = match request.split_once(" | ") {
            Some((line, body)) => (line, Some(body)),
            None => (request, None),
        };
        let (status, code) = answer.split_once(' ').unwrap();
        let reply = api.call(Some(&api.owner), line, body);
        assert_eq!(reply.json()["code"], code, "{mistake}: {reply:?}");
        reply.is(status.parse().unwrap(), code);
    }
    let after = api.store.connection(api.connection.id).ready().unwrap();
    assert_eq!(after, before);
    assert!(api.connections.commands.lock().is_empty());
}

#[test]
fn mistakes_in_urls_have_their_codes() {
    let mistakes = [
        "GET /nowhere -> 404 no_such_route",
        "GET /api/v2/repositories/connections/ -> 404 no_such_route",
        "GET /api/v2/repositories/connections/con_x -> 404 not_found",
        "GET /api/v2/deliveries/../users -> 404 no_such_route",
        "GET /api/v2/whoami/ -> 404 no_such_route",
        "GET /api/v2/deliveries?limit=0 -> 400 bad_query",
        "GET /api/v2/deliveries?limit=101 -> 400 bad_query",
        "GET /api/v2/deliveries?limit=many -> 400 bad_query",
        "GET /api/v2/deliveries?page=2 -> 400 bad_query",
        "GET /api/v2/deliveries?connection_id=x -> 400 bad_query",
        "GET /api/v2/deliveries?cursor=x -> 400 bad_cursor",
        "GET /api/v2/incidents?status=closed -> 400 bad_query",
        "GET /api/v2/incidents?repository=x -> 400 bad_query",
        "GET /api/v2/whoami?access_token=hhk_1 -> 400 token_in_query",
        "GET /api/v2/whoami?x=1&TOKEN=hhk_1 -> 400 token_in_query",
        "GET /api/v2/repositories/gitlab -> 422 unknown_provider",
    ];
    make(&small(), &mistakes);
}

#[test]
fn bodies_of_the_wrong_form_have_their_codes() {
    let api = small();
    let connect = "POST /api/v2/repositories/connect";
    let patch = format!("PATCH /api/v2/{}", api.path());
    let (large, deep) = ("x".repeat(2000), "[".repeat(900));
    let mistakes = [
        format!("{connect} | {{ -> 400 bad_json"),
        format!("{connect} | {{}} -> 400 bad_json"),
        format!("{connect} | [] -> 400 bad_json"),
        format!("{connect} | {deep} -> 400 bad_json"),
        format!(r#"{connect} | {{"repository_full_name":7}} -> 400 bad_json"#),
        format!(r#"{connect} | {{"repository":"o/r"}} -> 400 unknown_field"#),
        format!(r#"{connect} | {{"repository_full_name":"{large}"}} -> 413 body_too_large"#),
        format!("{patch} | {{}} -> 422 invalid_field"),
        format!(r#"{patch} | {{"is_enabled":true,"is_enabled":false}} -> 400 bad_json"#),
    ];
    make(&api, &mistakes.each_ref().map(String::as_str));
}

#[test]
fn invalid_values_have_their_codes() {
    let connects = [
        r#""o" -> 422 invalid_field"#,
        r#""a/b/c" -> 422 invalid_field"#,
        r#""canary/repository" -> 409 already_connected"#,
        r#""o/r","provider":"gitea" -> 422 invalid_field"#,
        r#""o/r","host":"a b" -> 422 invalid_field"#,
        r#""o/r","host":"ghes.example" -> 422 unknown_provider"#,
        r#""o/r","webhook_events":[] -> 422 invalid_field"#,
        r#""o/r","webhook_events":["Push"] -> 422 invalid_field"#,
        r#""o/r","credential_id":"crd_1" -> 422 invalid_field"#,
    ];
    let connects = connects.map(|row| {
        let (fields, answer) = row.split_once(" -> ").unwrap();
        let line = "POST /api/v2/repositories/connect";
        format!(r#"{line} | {{"repository_full_name":{fields}}} -> {answer}"#)
    });
    let api = small();
    make(&api, &connects.each_ref().map(String::as_str));
    let others = [
        r#"POST /api/v2/credentials | {"provider":"github","token":""} -> 422 invalid_field"#,
        r#"POST /api/v2/credentials | {"provider":"gitlab","token":"x"} -> 422 unknown_provider"#,
        r#"POST /api/v2/tokens | {"user":"admin"} -> 403 forbidden"#,
        r#"POST /api/v2/credentials | {"provider":"github"} -> 400 bad_json"#,
        r#"POST /api/v2/credentials | {"provider":"github","installation":"77"} -> 403 forbidden"#,
        r#"POST /api/v2/tokens | {"name":""} -> 422 invalid_field"#,
        r#"POST /api/v2/tokens | {"name":" padded"} -> 422 invalid_field"#,
        "POST /api/v2/tokens | {\"name\":\"a\u{202e}b\"} -> 422 invalid_field",
        r#"POST /api/v2/tokens | {"expires_in":""} -> 422 invalid_field"#,
        r#"POST /api/v2/tokens | {"expires_in":"soon"} -> 422 invalid_field"#,
        r#"POST /api/v2/tokens | {"expires_in":"59s"} -> 422 invalid_field"#,
        r#"POST /api/v2/tokens | {"expires_in":"11years"} -> 422 invalid_field"#,
        r#"POST /api/v2/tokens | {"expires_in":"-1d"} -> 422 invalid_field"#,
    ];
    make(&api, &others);
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(101));
    let long = format!("POST /api/v2/tokens | {long} -> 422 invalid_field");
    make(&api, &[&long]);
    let tokens = api.store.tokens_of(api.owner.user).ready().unwrap();
    assert_eq!(tokens.len(), 1);
}

#[test]
fn wrong_methods_types_and_tokens_are_refused() {
    let api = Stage::new();
    let reply = api.owner.call("PUT /api/v2/credentials", None);
    reply.is(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), Some("POST, GET, HEAD"));
    let bearer = api.owner.bearer();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
    ] {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        let reply = send(api.at, "POST /api/v2/tokens", &headers, Some(b"{}"));
        reply.is(415, "unsupported_media_type");
    }
    let good = ("Authorization", bearer.as_str());
    for headers in [
        &[][..],
        &[good, good],
        &[("Authorization", "Bearer hhk_wrong")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Basic b3duZXI6eA==")],
        &[("Cookie", "token=x")],
    ] {
        let reply = send(api.at, "GET /api/v2/whoami", headers, None);
        reply.is(401, "unauthenticated");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    let reply = send(api.at, "GET /api/v2/whoami", &[good], None);
    assert_eq!(reply.json()["name"], "owner");
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
        let (id, body) = (format!("d{n}"), body.as_bytes());
        let signature = api.signed(body);
        let headers = [
            ("X-Hub-Signature-256", signature.as_str()),
            ("Content-Encoding", ""),
        ];
        let reply = api.deliver_to(path, &id, "push", &headers, body);
        assert_eq!(reply.status, 202, "{path}: {reply:?}");
    }
}
