//! Why there is no connection to a provider, and what to do about it.

use super::outbound::ProviderError;
use crate::domain::error_code::ErrorCode;
use rustls::CertificateError;
use std::error::Error;
use std::io::ErrorKind;

/// What stands in the way. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreached {
    /// The host's name is not found.
    NoName,
    /// Nobody takes connections there.
    Refused,
    /// No way leads there.
    NoRoute,
    /// No connection within the time for it.
    Silent,
    /// What answers speaks no TLS.
    NotTls,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is for another name.
    OtherName,
    /// The certificate's authority is not trusted.
    UnknownIssuer,
    /// The certificate is that of an authority, which no server may show.
    Authority,
    /// Some other trouble with TLS.
    Tls,
    /// Anything else.
    Other,
}

impl Unreached {
    /// What an error is that happened while connecting.
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
            // Told in words alone.
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

    /// Whether another try within the same call may help: not with a name or a certificate.
    pub(super) const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::NoRoute | Self::Silent | Self::Tls | Self::Other
        )
    }

    /// The reason, for programs.
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

    /// The error that it is, when the provider of this name is looked for at `place`.
    pub(super) fn told(self, name: &str, place: &str) -> ProviderError {
        let settings = format!("providers.{}", name.to_ascii_lowercase());
        let certificate = format!("the certificate of {place}");
        let words = match self {
            Self::NoName => format!(
                "the name of {place} is not found: check {settings}.api_url and this machine's DNS"
            ),
            Self::Refused => format!(
                "{place} refuses connections: check host and port of {settings}.api_url, and that \
                 {name} runs"
            ),
            Self::NoRoute => format!("no way leads to {place}: check this machine's network"),
            Self::Silent => {
                format!("{place} takes no connection: it is down, or a firewall is in between")
            }
            Self::NotTls => format!(
                "{place} speaks no TLS: check the port of {settings}.api_url, or write http://"
            ),
            Self::Expired => {
                format!("{certificate} has expired: renew it, or set this machine's clock")
            }
            Self::NotYetValid => {
                format!("{certificate} is not valid yet: set this machine's clock")
            }
            Self::OtherName => format!(
                "{certificate} is for another name: write the one that it is for into \
                 {settings}.api_url, or have it made for this one"
            ),
            Self::UnknownIssuer => format!(
                "{certificate} is of an authority that is not trusted here: name that \
                 authority's PEM file as {settings}.ca_file"
            ),
            Self::Authority => format!(
                "{certificate} is that of a certificate authority (CA:TRUE), which a server may \
                 not use: give the server one that this authority has signed, and name the \
                 authority's PEM file as {settings}.ca_file"
            ),
            Self::Tls => {
                format!("no secure connection to {place}: check its TLS versions and certificate")
            }
            Self::Other => {
                format!("{place} cannot be reached: check the network and {settings}.api_url")
            }
        };
        ProviderError::retryable(self.code(), words, None, false)
    }
}

fn of_io(error: &std::io::Error) -> Option<Unreached> {
    // What an I/O error wraps is not among its sources.
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
        // The name of webpki's error, which has no type of its own here.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => Unreached::Authority,
        _ => Unreached::Tls,
    }
}
