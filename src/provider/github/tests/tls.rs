//! HTTPS for real: a server with a certificate of its own making, also behind a proxy.

use super::{access, github_at, repo, target};
use crate::provider::Hooks;
use crate::provider::egress::Egress;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

const CA: &[u8] = include_bytes!("../../../../tests/fixtures/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../../../tests/fixtures/tls/server.key");
/// A certificate of an authority, used by a server: what `openssl req -x509` makes.
const AUTHORITY: &[u8] = include_bytes!("../../../../tests/fixtures/tls/authority.pem");
const AUTHORITY_KEY: &[u8] = include_bytes!("../../../../tests/fixtures/tls/authority.key");
/// One that was good for a day in 2020.
const EXPIRED: &[u8] = include_bytes!("../../../../tests/fixtures/tls/outdated.pem");
const EXPIRED_KEY: &[u8] = include_bytes!("../../../../tests/fixtures/tls/outdated.key");

/// Answers every connection with the repository, as long as the handshake succeeds.
fn serve(listener: &TcpListener, certificate: &[u8], key: &[u8]) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate).unwrap()],
            PrivateKeyDer::from_pem_slice(key).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    for stream in listener.incoming() {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
        if !matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
            continue;
        }
        let body = repo().to_string();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
}

#[tokio::test]
async fn https_works_with_an_authority_that_is_configured_and_fails_without() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || serve(&listener, CERTIFICATE, KEY));
    let url = format!("https://localhost:{port}");

    let trusting = github_at(&url, |config| config.ca_pem = Some(CA.to_vec()));
    let found = trusting.repository(&access(), &target()).await.unwrap();
    assert_eq!(found.unwrap().full_name.as_str(), "o/r");

    let strict = github_at(&url, |_| ());
    let error = strict.repository(&access(), &target()).await.unwrap_err();
    assert_eq!(error.code.as_str(), "bad_certificate");
    assert!(
        error.message.contains("providers.github.ca_file"),
        "{error}"
    );
}

/// Heads of the requests that a proxy was sent.
type Heads = Arc<Mutex<Vec<String>>>;

/// A proxy that opens tunnels for whoever knows the password.
fn proxy() -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Heads::default();
    let seen = Arc::clone(&heads);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            seen.lock().push(head.clone());
            // Of "user:pass word".
            if !head.contains("Basic dXNlcjpwYXNzIHdvcmQ=") {
                let _ = client.write_all(b"HTTP/1.1 407 Who are you?\r\n\r\n");
                continue;
            }
            let target = head.split(' ').nth(1).unwrap();
            let server = TcpStream::connect(target).unwrap();
            client.write_all(b"HTTP/1.1 200 Go on\r\n\r\n").unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
            });
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, heads)
}

#[tokio::test]
async fn a_proxy_is_gone_through_by_tunnel_with_its_password_unless_a_host_needs_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || serve(&listener, CERTIFICATE, KEY));
    let (address, heads) = proxy();
    let url = format!("https://localhost:{port}");
    let through = |user: &str, no_proxy: &[&str]| {
        let no_proxy: Vec<String> = no_proxy.iter().map(|host| (*host).to_owned()).collect();
        let proxy = format!("http://{user}{address}").parse().unwrap();
        github_at(&url, |config| {
            config.ca_pem = Some(CA.to_vec());
            config.proxy = Some(Egress::new(proxy, &no_proxy));
        })
    };
    let client = through("user:pass%20word@", &["example.org"]);
    let found = client.repository(&access(), &target()).await.unwrap();
    assert_eq!(found.unwrap().full_name.as_str(), "o/r");
    let asked = std::mem::take(&mut *heads.lock());
    assert!(
        asked[0].starts_with(&format!("CONNECT localhost:{port} ")),
        "{asked:?}"
    );
    assert!(
        !asked.concat().to_lowercase().contains("bearer"),
        "{asked:?}"
    );

    let error = through("", &[])
        .repository(&access(), &target())
        .await
        .unwrap_err();
    assert_eq!(error.code.as_str(), "provider_unreachable");
    assert!(!std::mem::take(&mut *heads.lock()).is_empty());

    let client = through("", &["localhost"]);
    assert!(
        client
            .repository(&access(), &target())
            .await
            .unwrap()
            .is_some()
    );
    assert!(heads.lock().is_empty());
}

/// What is told of a server with this certificate, by a client that trusts `ca`.
async fn told(
    (certificate, key): (&'static [u8], &'static [u8]),
    ca: Option<&[u8]>,
    host: &str,
) -> (&'static str, String) {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || serve(&listener, certificate, key));
    let github = github_at(&format!("https://{host}:{port}"), |config| {
        config.ca_pem = ca.map(<[u8]>::to_vec);
    });
    let error = github.repository(&access(), &target()).await.unwrap_err();
    (error.code.as_str(), error.message)
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told() {
    for (pair, ca, host, words) in [
        (
            (CERTIFICATE, KEY),
            None,
            "localhost",
            "providers.github.ca_file",
        ),
        ((CERTIFICATE, KEY), Some(CA), "127.0.0.2", "another name"),
        (
            (AUTHORITY, AUTHORITY_KEY),
            Some(AUTHORITY),
            "localhost",
            "CA:TRUE",
        ),
        (
            (EXPIRED, EXPIRED_KEY),
            Some(EXPIRED),
            "localhost",
            "has expired",
        ),
    ] {
        let (code, message) = told(pair, ca, host).await;
        assert_eq!(code, "bad_certificate", "{message}");
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[tokio::test]
async fn what_keeps_a_connection_from_being_made_is_told() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in plain.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    for (url, code, words) in [
        (
            format!("https://127.0.0.1:{port}"),
            "wrong_api_url",
            "not speak TLS",
        ),
        (
            "http://127.0.0.1:1".into(),
            "provider_unreachable",
            "refuses connections",
        ),
        ("http://nowhere.invalid".into(), "host_not_found", "DNS"),
    ] {
        let github = github_at(&url, |_| ());
        let error = github.repository(&access(), &target()).await.unwrap_err();
        assert_eq!(error.code.as_str(), code, "{url}: {error}");
        assert!(error.message.contains(words), "{error}");
    }
}
