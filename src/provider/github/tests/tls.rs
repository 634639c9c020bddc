//! HTTPS for real: a server with a certificate of its own making.

use super::{access, github_at, repo, target};
use crate::provider::Hooks;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

const CA: &[u8] = include_bytes!("../../../../tests/fixtures/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../../../tests/fixtures/tls/server.key");

/// Answers every connection with the repository, as long as the handshake succeeds.
fn serve(listener: &TcpListener) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
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
    std::thread::spawn(move || serve(&listener));
    let url = format!("https://localhost:{port}");

    let trusting = github_at(&url, |config| config.ca_pem = Some(CA.to_vec()));
    let found = trusting.repository(&access(), &target()).await.unwrap();
    assert_eq!(found.unwrap().full_name.as_str(), "o/r");

    let strict = github_at(&url, |_| ());
    let error = strict.repository(&access(), &target()).await.unwrap_err();
    assert_eq!(error.code.as_str(), "provider_unavailable");
}
