//! Servers that are no Hookherd, or one that says what it should not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// An answer in HTTP.
pub(crate) fn http(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

/// The same with a JSON body.
pub(crate) fn json(status: u16, headers: &str, body: &serde_json::Value) -> String {
    let headers = format!("content-type: application/json\r\n{headers}");
    http(status, &headers, &body.to_string())
}

fn asked(stream: &mut impl Read) -> Option<String> {
    let mut bytes = vec![0; 8192];
    let n = stream.read(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..n]).into_owned())
}

/// Answers connections with these texts in turn, the last one again and again. Whatever was
/// asked can be received.
pub(crate) fn server(answers: Vec<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let Some(asked) = asked(&mut stream) else {
                continue;
            };
            drop(sender.send(asked));
            let answer = &answers[number.min(answers.len() - 1)];
            number += 1;
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    (url, receiver)
}

/// A server of one answer that speaks TLS with this certificate, at this address: its port.
pub(crate) fn tls(address: &str, certificate: &[u8], key: &[u8], answer: String) -> u16 {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            if asked(&mut stream).is_some() {
                drop(stream.write_all(answer.as_bytes()));
                stream.conn.send_close_notify();
                drop(stream.flush());
            }
        }
    });
    port
}
