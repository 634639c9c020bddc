//! Why a provider cannot be reached, and what to do about it.

use super::outbound::ProviderError;
use crate::domain::error_code::ErrorCode;
use rustls::CertificateError;
use std::error::Error;
use std::io::ErrorKind;

/// The cause. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreached {
    /// The host name was not found.
    NoName,
    /// The connection was refused.
    Refused,
    /// There is no route to the host.
    NoRoute,
    /// Connecting timed out.
    Silent,
    /// The server does not speak TLS.
    NotTls,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is for another name.
    OtherName,
    /// The issuer of the certificate is not trusted.
    UnknownIssuer,
    /// The certificate is that of an authority, which a server must not use.
    Authority,
    /// Another TLS error.
    Tls,
    /// Anything else.
    Other,
}

impl Unreached {
    /// The cause of an error that happened while connecting.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        let mut is_name = false;
        while let Some(error) = next {
            let found = match error.downcast_ref::<std::io::Error>() {
                Some(io) => of_io(io),
                None => error.downcast_ref::<rustls::Error>().map(of_tls),
            };
            if let Some(found) = found {
                return found;
            }
            // This error has no type, only a text.
            let words = error.to_string();
            is_name |= words.contains("dns error") || words.contains("lookup address");
            next = error.source();
        }
        match (is_name, error.is_timeout()) {
            (true, _) => Self::NoName,
            (false, true) => Self::Silent,
            (false, false) => Self::Other,
        }
    }

    /// Whether a retry within the same call may help: not with a name or a certificate.
    pub(super) const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::NoRoute | Self::Silent | Self::Tls | Self::Other
        )
    }

    /// The code of the reason.
    const fn code(self) -> ErrorCode {
        match self {
            Self::NoName => ErrorCode::HostNotFound,
            Self::Refused | Self::NoRoute | Self::Silent | Self::Other => {
                ErrorCode::ProviderUnreachable
            }
            Self::NotTls => ErrorCode::WrongApiUrl,
            Self::Expired
            | Self::NotYetValid
            | Self::OtherName
            | Self::UnknownIssuer
            | Self::Authority
            | Self::Tls => ErrorCode::BadCertificate,
        }
    }

    /// The error, for the provider of this name at `place`.
    pub(super) fn error(self, name: &str, place: &str) -> ProviderError {
        let settings = format!("providers.{}", name.to_ascii_lowercase());
        let certificate = format!("The certificate of {place}");
        let words = match self {
            Self::NoName => format!(
                "Host name {place} not found. Check {settings}.api_url and the DNS of this machine."
            ),
            Self::Refused => format!(
                "{place} refuses connections. Check host and port of {settings}.api_url, and that \
                 {name} is running."
            ),
            Self::NoRoute => format!("No route to {place}. Check the network of this machine."),
            Self::Silent => {
                format!("Connecting to {place} timed out: it is down, or a firewall blocks it.")
            }
            Self::NotTls => format!(
                "{place} does not speak TLS. Check the port of {settings}.api_url, or use http://."
            ),
            Self::Expired => {
                format!("{certificate} has expired. Renew it, or correct this machine's clock.")
            }
            Self::NotYetValid => {
                format!("{certificate} is not valid yet. Correct this machine's clock.")
            }
            Self::OtherName => format!(
                "{certificate} is for another name. Use that name in {settings}.api_url, or issue \
                 a certificate for this one."
            ),
            Self::UnknownIssuer => format!(
                "{certificate} has an issuer that is not trusted. Set {settings}.ca_file to the \
                 issuer's PEM file."
            ),
            Self::Authority => format!(
                "{certificate} is that of a certificate authority (CA:TRUE), which a server may \
                 not use. Install one that this authority has signed on the server, and set \
                 {settings}.ca_file to the authority's PEM file."
            ),
            Self::Tls => {
                format!("TLS connection to {place} failed. Check its TLS versions and certificate.")
            }
            Self::Other => {
                format!("{place} cannot be reached. Check the network and {settings}.api_url.")
            }
        };
        ProviderError::retryable(self.code(), words, None, false)
    }
}

fn of_io(error: &std::io::Error) -> Option<Unreached> {
    // The error that an I/O error wraps is not among its sources.
    if let Some(inner) = error.get_ref() {
        let tls = inner.downcast_ref().map(of_tls);
        let found = tls.or_else(|| of_io(inner.downcast_ref()?));
        if found.is_some() {
            return found;
        }
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(Unreached::Refused),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Some(Unreached::NoRoute),
        ErrorKind::TimedOut => Some(Unreached::Silent),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> Unreached {
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::InvalidMessage(_) => Unreached::NotTls,
        _ => Unreached::Tls,
    }
}

fn of_certificate(error: &CertificateError) -> Unreached {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Unreached::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Unreached::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Unreached::OtherName
        }
        CertificateError::UnknownIssuer => Unreached::UnknownIssuer,
        // The name of webpki's error, which has no type here.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => Unreached::Authority,
        _ => Unreached::Tls,
    }
}
