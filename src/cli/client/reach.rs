//! Why a daemon cannot be reached, and what to do about it.

use crate::cli::address::Address;
use crate::cli::failed::Failed;
use rustls::CertificateError;
use std::error::Error;
use std::io::ErrorKind;

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    Refused,
    NoSuchName,
    NoRoute,
    ConnectTimeout,
    AnswerTimeout,
    UnknownIssuer,
    NameMismatch,
    Expired,
    NotYetValid,
    Authority,
    NotTls,
    Tls,
    NotHttp,
    ClosedEarly,
    Other,
}

impl Obstacle {
    const fn code(self) -> &'static str {
        match self {
            Self::Refused => "connection_refused",
            Self::NoSuchName => "name_not_found",
            Self::NoRoute => "no_route",
            Self::ConnectTimeout | Self::AnswerTimeout => "timed_out",
            Self::UnknownIssuer => "tls_unknown_issuer",
            Self::NameMismatch => "tls_name_mismatch",
            Self::Expired => "tls_expired",
            Self::NotYetValid => "tls_not_yet_valid",
            Self::Authority => "tls_authority",
            Self::NotTls | Self::Tls => "tls_failed",
            Self::NotHttp => "not_http",
            Self::ClosedEarly => "connection_closed",
            Self::Other => "unreachable",
        }
    }

    /// What is said of it, and what to do.
    fn words(self, address: &Address) -> String {
        let (host, place) = (address.host(), address.host_and_port());
        match self {
            Self::Refused => {
                format!("nothing listens at {place}: is it running? See `hookherd serve`")
            }
            Self::NoSuchName => format!("host {host} not found: check the spelling"),
            Self::NoRoute => format!("no route to {place}: check the network"),
            Self::ConnectTimeout => {
                format!("connection to {place} timed out: it is down or blocked by a firewall")
            }
            Self::AnswerTimeout => {
                format!("{place} did not respond in time: see its log")
            }
            Self::UnknownIssuer => {
                "its certificate authority is not trusted: set SSL_CERT_FILE to the \
                 authority's file"
                    .to_owned()
            }
            Self::NameMismatch => {
                format!(
                    "its certificate is not valid for {host}: use the name in the \
                         certificate"
                )
            }
            Self::Expired => "its certificate has expired: renew it, or correct this \
                              machine's clock"
                .to_owned(),
            Self::NotYetValid => {
                "its certificate is not valid yet: correct this machine's clock".to_owned()
            }
            Self::Authority => {
                "its certificate belongs to a certificate authority (CA:TRUE), which no \
                 server may use: issue a server certificate signed by this authority"
                    .to_owned()
            }
            Self::NotTls => format!("{place} does not use TLS: try http://, or the proxy's port"),
            Self::Tls => "the TLS handshake failed".to_owned(),
            Self::NotHttp => format!("{place} does not speak HTTP: check the port"),
            Self::ClosedEarly if address.is_https() => {
                format!("{place} closed the connection without a response")
            }
            Self::ClosedEarly => format!(
                "{place} closed the connection without a response: if it uses TLS, use \
                 https://"
            ),
            Self::Other => "it is unreachable".to_owned(),
        }
    }
}

/// What the certificate lacks.
fn of_certificate(error: &CertificateError) -> Obstacle {
    match error {
        CertificateError::UnknownIssuer => Obstacle::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Obstacle::NameMismatch
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Obstacle::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Obstacle::NotYetValid
        }
        // The name of webpki's error, which has no type of its own here.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => Obstacle::Authority,
        _ => Obstacle::Tls,
    }
}

fn of_tls(error: &rustls::Error) -> Obstacle {
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::InvalidMessage(_) => Obstacle::NotTls,
        _ => Obstacle::Tls,
    }
}

fn of_io(error: &std::io::Error) -> Option<Obstacle> {
    // What an I/O error wraps is not among its sources; and it may wrap another one.
    if let Some(found) = error.get_ref().and_then(|inner| judge(inner).0) {
        return Some(found);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(Obstacle::Refused),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Some(Obstacle::NoRoute),
        ErrorKind::TimedOut => Some(Obstacle::ConnectTimeout),
        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
            Some(Obstacle::ClosedEarly)
        }
        _ => None,
    }
}

/// The obstacle that an error and what caused it name, and the last words of the chain.
fn judge(error: &(dyn Error + 'static)) -> (Option<Obstacle>, String) {
    let mut found = None;
    let mut last = error.to_string();
    let mut next = Some(error);
    while let Some(error) = next {
        last = error.to_string();
        let by_type = match error.downcast_ref::<std::io::Error>() {
            Some(io) => of_io(io),
            None => error.downcast_ref::<rustls::Error>().map(of_tls),
        };
        // These two have words only.
        let by_words = || {
            let is_name = last.contains("dns error") || last.contains("lookup address");
            let is_foreign = last.contains("invalid HTTP") || last.contains("HTTP/0.9");
            let is_closed = last.contains("connection closed before message completed");
            match (is_name, is_foreign, is_closed) {
                (true, _, _) => Some(Obstacle::NoSuchName),
                (_, true, _) => Some(Obstacle::NotHttp),
                (_, _, true) => Some(Obstacle::ClosedEarly),
                (false, false, false) => None,
            }
        };
        found = found.or(by_type).or_else(by_words);
        next = error.source();
    }
    (found, last)
}

/// Why there is no answer.
pub(super) fn why(error: &reqwest::Error, address: &Address, named_by: &str) -> Failed {
    let (found, last) = judge(error);
    let obstacle = match found {
        Some(obstacle) => obstacle,
        None if error.is_timeout() && error.is_connect() => Obstacle::ConnectTimeout,
        None if error.is_timeout() => Obstacle::AnswerTimeout,
        None => Obstacle::Other,
    };
    let mut words = format!("no response from {address} ({named_by}): ");
    words.push_str(&obstacle.words(address));
    if matches!(obstacle, Obstacle::Other | Obstacle::Tls) {
        words.push_str(": ");
        words.push_str(&last);
    }
    Failed::new(words).coded(obstacle.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Duration;

    #[tokio::test]
    async fn who_takes_the_request_and_stays_silent_is_told_from_who_takes_nothing() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let address = Address::parse(&url).unwrap();
        let client = reqwest::Client::builder().no_proxy();
        let client = client.timeout(Duration::from_millis(100)).build().unwrap();
        let error = client.get(&url).send().await.unwrap_err();
        let failed = why(&error, &address, "--url");
        assert_eq!(failed.code(), Some("timed_out"));
        assert!(
            failed.to_string().contains("did not respond in time"),
            "{failed}"
        );
        assert!(failed.to_string().contains("(--url)"), "{failed}");
        let (found, _) = judge(&std::io::Error::from(ErrorKind::TimedOut));
        assert_eq!(found, Some(Obstacle::ConnectTimeout));
    }

    #[test]
    fn what_wraps_what_wraps_the_reason_is_looked_through() {
        let certificate = |error| rustls::Error::InvalidCertificate(error);
        for (error, obstacle) in [
            (
                certificate(CertificateError::UnknownIssuer),
                Obstacle::UnknownIssuer,
            ),
            (
                certificate(CertificateError::NotValidYet),
                Obstacle::NotYetValid,
            ),
            (certificate(CertificateError::BadSignature), Obstacle::Tls),
        ] {
            let inner = std::io::Error::new(ErrorKind::InvalidData, error);
            let outer = std::io::Error::other(inner);
            assert_eq!(judge(&outer).0, Some(obstacle));
        }
        let (found, last) = judge(&std::io::Error::other("something else"));
        assert_eq!((found, last.as_str()), (None, "something else"));
    }
}
