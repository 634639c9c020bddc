//! Requests and answers over real connections.

use super::server::{Server, Then};
use super::*;
use reqwest::header::HeaderValue;

/// An outbound that may call this server by the name `chat.internal`, and the server's URL.
fn chat(server: &Server) -> (Outbound, Destination, Arc<Zone>) {
    let port = server.port();
    let allowed = list(&[&format!("127.0.0.1:{port}")]);
    let zone = Arc::new(Zone::default());
    zone.add("chat.internal", &[&[address("127.0.0.1")]]);
    let url = format!("http://chat.internal:{port}/hooks/canary?key=canary");
    let to = Destination::parse(&url, &allowed).unwrap();
    let quick = |settings: &mut Settings| settings.total_timeout = Duration::from_millis(1500);
    (changed(&allowed, &zone, quick), to, zone)
}

#[tokio::test]
async fn a_request_arrives_whole_and_its_answer_comes_back() {
    let headers = "retry-after: 7\r\nx-id: 5\r\n";
    let server = Server::answering(429, headers, "slow down\n").await;
    let (outbound, to, _) = chat(&server);
    let mut request = post("{\"text\":\"hello\"}");
    request.method = reqwest::Method::PATCH;
    let secret = HeaderValue::from_static("Bearer canary-token");
    request.headers.insert("authorization", secret);
    request.segments = ["messages", "1/2?3"].map(str::to_owned).to_vec();
    request.query = vec![("wait".to_owned(), "a&b".to_owned())];
    let shown = format!("{request:?} {to:?} {outbound:?}");
    let answer = outbound.send(&to, request).await.unwrap();
    let seen = server.seen().remove(0);
    let path = "/hooks/canary/messages/1%2F2%3F3?key=canary&wait=a%26b";
    assert!(
        seen.starts_with(&format!("PATCH {path} HTTP/1.1\r\n")),
        "{seen}"
    );
    for part in [
        &format!("\r\nhost: chat.internal:{}\r\n", server.port()),
        "\r\nauthorization: Bearer canary-token\r\n",
        "\r\nuser-agent: hookherd/",
        "\r\n\r\n{\"text\":\"hello\"}",
    ] {
        assert!(seen.contains(part), "no {part:?} in {seen}");
    }
    assert_eq!((answer.status, answer.is_success()), (429, false));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    assert_eq!((answer.header("x-id"), answer.is_cut), (Some("5"), false));
    assert_eq!(
        (&answer.body[..], answer.text()),
        (&b"slow down\n"[..], "slow down".to_owned())
    );
    let shown = format!("{shown} {answer:?}");
    assert!(
        !shown.contains("canary") && !shown.contains("slow down"),
        "{shown}"
    );
}

#[tokio::test]
async fn scenario_50_a_redirect_is_an_answer_and_is_not_followed() {
    // Also not to a server that could be called.
    let other = Server::answering(200, "", "").await;
    let local = format!("http://127.0.0.1:{}/", other.port());
    for location in ["http://169.254.169.254/", &local] {
        for status in [301, 302, 303, 307, 308] {
            let server = Server::answering(status, &format!("location: {location}\r\n"), "").await;
            let allowed = list(&["127.0.0.0/8"]);
            let zone = Arc::new(Zone::default());
            let outbound = outbound(&allowed, &zone);
            let url = format!("http://127.0.0.1:{}/hook", server.port());
            let to = Destination::parse(&url, &allowed).unwrap();
            let answer = outbound.send(&to, post("x")).await.unwrap();
            assert_eq!((answer.status, answer.is_success()), (status, false));
            assert_eq!((server.seen().len(), other.seen().len()), (1, 0));
        }
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_called() {
    let answer = b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n".to_vec();
    let [bad, good] = Server::pair(Then::Answer(answer)).await;
    let port = good.port();
    let allowed = list(&[&format!("127.0.0.2:{port}")]);
    let zone = Arc::new(Zone::default());
    let (one, two) = (address("127.0.0.1"), address("127.0.0.2"));
    let outbound = outbound(&allowed, &zone);
    let to = format!("http://rebind.example:{port}/");
    let to = Destination::parse(&to, &allowed).unwrap();
    // The second look-up would find the other address: there is none.
    zone.add(
        "rebind.example",
        &[&[two], &[one], &[one, two], &[two, one], &[two]],
    );
    assert_eq!(outbound.send(&to, post("x")).await.unwrap().status, 204);
    assert_eq!(zone.asked(), ["rebind.example"]);
    // Each request is checked again, and one bad address among good ones is enough.
    for _ in 0..3 {
        let error = outbound.send(&to, post("x")).await.unwrap_err();
        assert!(
            matches!(error, SendError::Refused(AddressError::Special { .. })),
            "{error}"
        );
        assert_eq!(zone.asked(), ["rebind.example"]);
    }
    assert_eq!(outbound.send(&to, post("x")).await.unwrap().status, 204);
    assert_eq!((good.seen().len(), bad.seen().len()), (2, 0));
}

#[tokio::test]
async fn requests_at_once_get_each_its_own_addresses() {
    let answer = b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n".to_vec();
    let [first, second] = Server::pair(Then::Answer(answer)).await;
    let port = first.port();
    let allowed = list(&[&format!("127.0.0.0/8:{port}")]);
    let zone = Arc::new(Zone::default());
    let outbound = outbound(&allowed, &zone);
    let servers = [
        (&first, "127.0.0.1", "a.internal"),
        (&second, "127.0.0.2", "b.internal"),
    ];
    for (_, ip, name) in servers {
        zone.add(name, &[&[address(ip)]]);
    }
    let send = |name: &str| {
        let to = Destination::parse(&format!("http://{name}:{port}/"), &allowed).unwrap();
        let outbound = &outbound;
        async move { outbound.send(&to, post("x")).await }
    };
    let all = (0..40).map(|i| send(servers[i % 2].2));
    for sent in futures_util::future::join_all(all).await {
        assert_eq!(sent.unwrap().status, 204);
    }
    for (server, _, name) in servers {
        let seen = server.seen();
        assert_eq!(seen.len(), 20);
        let host = format!("host: {name}:{port}");
        assert!(
            seen.iter().all(|request| request.contains(&host)),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn scenario_49_what_has_no_answer_in_time_says_what_has_happened() {
    let closed = |bytes: &str| Then::Answer(bytes.as_bytes().to_vec());
    let open = |bytes: &str| Then::Stay(bytes.as_bytes().to_vec());
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab";
    for (then, outcome, words) in [
        (open(""), Outcome::Unknown, "did not answer in time"),
        (
            open(begun),
            Outcome::Answered(200),
            "answered too slowly (HTTP 200)",
        ),
        (closed(""), Outcome::Unknown, "broke"),
        (closed("SSH-2.0-x\r\n"), Outcome::Unknown, "broke"),
        (closed(begun), Outcome::Answered(200), "broke"),
    ] {
        let server = Server::new(then).await;
        let (outbound, to, _) = chat(&server);
        let error = outbound.send(&to, post("x")).await.unwrap_err();
        assert_eq!(error.outcome(), outcome, "{error}");
        let place = format!("chat.internal:{}", server.port());
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(&place), "{text}");
        let shown = format!("{error:?}{error}");
        assert!(
            !shown.contains("canary") && server.seen().len() == 1,
            "{shown}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_reached_was_not_sent() {
    let server = Server::answering(200, "", "").await;
    let (outbound, to, zone) = chat(&server);
    let outcome = async || {
        let error = outbound.send(&to, post("x")).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent, "{error:?}");
        error
    };
    zone.add("chat.internal", &[&[]]);
    assert!(matches!(outcome().await, SendError::NotResolved { .. }));
    zone.addresses.lock().clear();
    let error = outcome().await;
    assert_eq!(
        error.to_string(),
        "Host name chat.internal not found. Check the address."
    );
    zone.add("chat.internal", &[&[address("127.0.0.1")]]);
    assert!(server.seen().is_empty());
    drop(server);
    // The port is closed as soon as the server's task has ended.
    let error = loop {
        match outbound.send(&to, post("x")).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SendError::Unreached { .. }), "{error:?}");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

/// A resolver that never answers.
struct Silent;

impl Names for Silent {
    fn addresses<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_look_up_has_a_limit_of_its_own() {
    let allowed = Allowed::default();
    let silent = |settings: &mut Settings| {
        settings.names = Arc::new(Silent);
        settings.connect_timeout = Duration::from_millis(20);
    };
    let outbound = changed(&allowed, &Arc::default(), silent);
    let to = Destination::parse("https://chat.example/", &allowed).unwrap();
    let error = outbound.send(&to, post("x")).await.unwrap_err();
    assert!(matches!(error, SendError::NotResolved { .. }), "{error:?}");
}

#[tokio::test]
async fn the_systems_names_are_found_and_checked_likewise() {
    let server = Server::answering(204, "", "").await;
    let local = format!("localhost:{}", server.port());
    let outbound = Outbound::new(Settings::new(list(&[&local]))).unwrap();
    let to = Destination::parse(&format!("http://{local}/"), outbound.allowed()).unwrap();
    assert_eq!(outbound.send(&to, post("x")).await.unwrap().status, 204);
    let found = outbound.resolve("no-such-name.invalid", 587, &[587]).await;
    assert!(
        matches!(found, Err(SendError::NotResolved { .. })),
        "{found:?}"
    );
}

#[tokio::test]
async fn of_a_long_answer_64_kib_are_read() {
    for (bytes, is_cut) in [(64 << 10, false), ((64 << 10) + 1, true), (300 << 10, true)] {
        let server = Server::answering(200, "", &"x".repeat(bytes)).await;
        let (outbound, to, _) = chat(&server);
        let answer = outbound.send(&to, post("x")).await.unwrap();
        assert_eq!(
            (answer.body.len(), answer.is_cut),
            (64 << 10, is_cut),
            "{bytes}"
        );
    }
    // One that never ends is cut, too, before the time is up.
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100 << 10));
    let server = Server::new(Then::Stay(endless.into_bytes())).await;
    let (outbound, to, _) = chat(&server);
    assert!(outbound.send(&to, post("x")).await.unwrap().is_cut);
}

#[tokio::test]
async fn addresses_for_other_protocols_are_checked_likewise() {
    let zone = Arc::new(Zone::default());
    let allowed = list(&["10.0.0.0/8:25", "mail.internal"]);
    let outbound = outbound(&allowed, &zone);
    let public = address("8.8.8.8");
    zone.add("mail.example", &[&[public, address("2606:4700::1111")]]);
    zone.add("mail.internal", &[&[address("192.168.0.5")]]);
    zone.add("inside.example", &[&[address("10.0.0.5")]]);
    zone.add("mixed.example", &[&[public, address("10.0.0.5")]]);
    let ports = &[465, 587];
    let found = outbound.resolve("Mail.Example.", 587, ports).await.unwrap();
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["8.8.8.8:587", "[2606:4700::1111]:587"]);
    // All are checked, few are tried.
    zone.add("many.example", &[&[public; 100]]);
    let found = outbound.resolve("many.example", 587, ports).await;
    assert_eq!(found.unwrap().len(), 8);
    for (host, port, refusal) in [
        ("8.8.8.8", 465, None),
        ("[2606:4700::1111]", 465, None),
        ("2606:4700::1111", 465, None),
        ("mail.internal", 2525, None),
        ("inside.example", 25, None),
        ("10.0.0.5", 25, None),
        ("8.8.8.8", 25, Some("Port 25 of 8.8.8.8 is not permitted.")),
        (
            "mail.example",
            25,
            Some("Port 25 of mail.example is not permitted."),
        ),
        (
            "mixed.example",
            25,
            Some("Port 25 of mixed.example is not permitted."),
        ),
        (
            "mixed.example",
            587,
            Some("mixed.example has an address that is not of the internet"),
        ),
        ("inside.example", 587, Some("(private)")),
        (
            "0x7f.1",
            587,
            Some("127.0.0.1 has an address that is not of the internet (loopback)"),
        ),
        ("localhost", 587, Some("(loopback)")),
        ("::1", 587, Some("[::1] has")),
        ("mail.example", 0, Some("Port 0")),
        ("a b", 587, Some("no valid host name")),
        ("", 587, Some("no valid host name")),
        ("user@mail.example", 587, Some("no valid host name")),
        ("mail.example:25", 587, Some("no valid host name")),
        ("mail.example\r\nRCPT", 587, Some("no valid host name")),
    ] {
        let found = outbound.resolve(host, port, ports).await;
        let error = found.err().map(|error| error.to_string());
        match (&error, refusal) {
            (None, None) => {}
            (Some(error), Some(words)) => assert!(error.contains(words), "{host}: {error}"),
            _ => panic!("{host}:{port}: {error:?}"),
        }
    }
}
