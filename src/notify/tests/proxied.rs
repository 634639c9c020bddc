//! Notifications through a proxy, which looks up names itself.

use super::server::{Server, Then};
use super::*;
use url::Url;

#[tokio::test]
async fn with_a_proxy_the_proxy_looks_up_names_and_the_rest_is_checked() {
    let refuse = b"HTTP/1.1 403 X\r\nconnection: close\r\n\r\n".to_vec();
    let proxy = Server::new(Then::Answer(refuse)).await;
    let direct = Server::answering(204, "", "").await;
    let port = direct.port();
    let allowed = list(&["plain.example", &format!("127.0.0.1:{port}")]);
    let zone = Arc::new(Zone::default());
    zone.add("chat.internal", &[&[address("127.0.0.1")]]);
    let url = Url::parse(&format!("http://ann:canary@{}", proxy.address)).unwrap();
    let by = Proxy::new(url, &["chat.internal".to_owned()]);
    let outbound = changed(&allowed, &zone, |settings| settings.proxy = Some(by));
    let send = async |url: &str| {
        let to = Destination::parse(url, &allowed)?;
        outbound.send(&to, post("x")).await
    };

    // Encrypted: the proxy sees the host only. It refused to connect, so nothing was sent.
    let error = send("https://hooks.example/canary").await.unwrap_err();
    assert!(matches!(error, SendError::Unreached { .. }), "{error:?}");
    let seen = proxy.seen();
    assert!(
        seen[0].starts_with("CONNECT hooks.example:443 HTTP/1.1\r\n"),
        "{seen:?}"
    );
    // Plain: its answer is the answer.
    assert_eq!(send("http://plain.example/x").await.unwrap().status, 403);
    assert!(proxy.seen()[1].starts_with("POST http://plain.example/x HTTP/1.1\r\n"));
    assert!(zone.asked().is_empty());

    // Refused before the proxy: addresses, ports, and the machine itself.
    for url in [
        "https://169.254.169.254/",
        "https://[64:ff9b::7f00:1]/",
        "https://localhost/",
        "https://hooks.example:8443/",
        "http://hooks.example/",
        // A network of the list allows addresses, and here no address is known.
        &format!("http://hooks.example:{port}/"),
        &format!("https://hooks.example:{port}/"),
        &format!("https://localhost:{port}/"),
    ] {
        let error = send(url).await.unwrap_err();
        assert!(matches!(error, SendError::Refused(_)), "{url}: {error:?}");
    }
    assert_eq!(proxy.seen().len(), 2);

    // Not through the proxy, and looked up here.
    let url = format!("http://chat.internal:{port}/");
    assert_eq!(send(&url).await.unwrap().status, 204);
    assert_eq!(
        (zone.asked().len(), proxy.seen().len(), direct.seen().len()),
        (1, 2, 1)
    );
    assert!(!format!("{outbound:?}").contains("canary"));
}
