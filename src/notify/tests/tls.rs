//! HTTPS: certificates are verified, and what is wrong with one is said.

use super::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{Read, Write};
use std::net::TcpListener;

pub(super) const CA: &[u8] = include_bytes!("../../../tests/fixtures/tls/ca.pem");
pub(super) const CERTIFICATE: &[u8] = include_bytes!("../../../tests/fixtures/tls/server.pem");
pub(super) const KEY: &[u8] = include_bytes!("../../../tests/fixtures/tls/server.key");
pub(super) const EXPIRED_CA: &[u8] = include_bytes!("../../../tests/fixtures/tls/expired-ca.pem");
pub(super) const EXPIRED: &[u8] = include_bytes!("../../../tests/fixtures/tls/expired.pem");
pub(super) const EXPIRED_KEY: &[u8] = include_bytes!("../../../tests/fixtures/tls/expired.key");

fn config(certificate: &[u8], key: &[u8]) -> Arc<rustls::ServerConfig> {
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
    Arc::new(config)
}

/// Begins TLS with this certificate.
pub(super) fn accepting(certificate: &[u8], key: &[u8]) -> tokio_rustls::TlsAcceptor {
    config(certificate, key).into()
}

/// A server that answers 204 to one connection after the other, with this certificate: its port.
fn serve(certificate: &[u8], key: &[u8]) -> u16 {
    let config = config(certificate, key);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                let _ = stream.write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

/// A server that answers in plain HTTP: its port.
fn plain() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    port
}

/// The result of a request to this name, which is this machine.
async fn sent(name: &str, port: u16, ca: Option<&[u8]>) -> Result<u16, SendError> {
    let allowed = list(&[&format!("127.0.0.1:{port}")]);
    let zone = Arc::new(Zone::default());
    zone.add(name, &[&[address("127.0.0.1")]]);
    let ca = ca.map(<[u8]>::to_vec);
    let outbound = changed(&allowed, &zone, |settings| settings.ca_pem = ca);
    let to = Destination::parse(&format!("https://{name}:{port}/"), &allowed).unwrap();
    outbound
        .send(&to, post("x"))
        .await
        .map(|answer| answer.status)
}

#[tokio::test]
async fn a_certificate_must_be_valid_for_the_name_that_was_entered() {
    let port = serve(CERTIFICATE, KEY);
    assert_eq!(sent("localhost", port, Some(CA)).await, Ok(204));
    let old = serve(EXPIRED, EXPIRED_KEY);
    let plain = plain();
    for (name, port, ca, expected) in [
        ("localhost", port, None, TlsFault::UnknownIssuer),
        ("chat.internal", port, Some(CA), TlsFault::OtherName),
        ("localhost", old, Some(EXPIRED_CA), TlsFault::Expired),
        ("localhost", plain, Some(CA), TlsFault::NotTls),
    ] {
        let error = sent(name, port, ca).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent);
        let fault = match &error {
            SendError::Tls { fault, .. } => *fault,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(fault, expected);
        assert!(
            error.to_string().ends_with(&format!("{}.", fault.as_str())),
            "{error}"
        );
    }
}

#[test]
fn a_file_without_certificates_is_refused() {
    for pem in [
        &b""[..],
        b"none",
        b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----",
    ] {
        let mut settings = Settings::new(Allowed::default());
        settings.ca_pem = Some(pem.to_vec());
        assert!(Outbound::new(settings).is_err(), "{pem:?}");
    }
}
