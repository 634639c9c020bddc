//! Why a request has no answer.

use super::error::AddressError;
use crate::domain::named::named;
use rustls::CertificateError;
use std::error::Error;

named! {
    /// What is wrong with a TLS connection.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TlsFault {
        /// The server does not speak TLS.
        NotTls = "the server does not speak TLS",
        /// The certificate has expired.
        Expired = "its certificate has expired",
        /// The certificate is not valid yet.
        NotYetValid = "its certificate is not valid yet",
        /// The certificate is for another name.
        OtherName = "its certificate is for another name",
        /// The issuer of the certificate is not trusted.
        UnknownIssuer = "the issuer of its certificate is not trusted; an administrator can add it \
                         to sinks.ca_file",
        /// Anything else.
        Other = "no common version, or an invalid certificate",
    }
}

/// Why a request has no complete answer, in a sentence for the owner of the address. `place` is
/// host and port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The address may not be called. Nothing was sent. A retry fails until the address, the name's
    /// addresses or the allow list change.
    #[error(transparent)]
    Refused(#[from] AddressError),
    /// The name has no address, or the look-up failed or took too long. Nothing was sent.
    #[error("Host name {host} not found. Check the address.")]
    NotResolved {
        /// The host.
        host: String,
    },
    /// No connection. Nothing was sent.
    #[error("{place} cannot be reached: it is down, or a firewall blocks it.")]
    Unreached {
        /// Host and port.
        place: String,
    },
    /// No TLS connection. Nothing was sent.
    #[error("TLS connection to {place} failed: {}.", fault.as_str())]
    Tls {
        /// Host and port.
        place: String,
        /// The cause.
        fault: TlsFault,
    },
    /// No answer in time. The request may have been carried out.
    #[error("{place} did not answer in time.")]
    TimedOut {
        /// Host and port.
        place: String,
    },
    /// The answer began but did not end in time.
    #[error("{place} answered too slowly (HTTP {status}).")]
    TooSlow {
        /// Host and port.
        place: String,
        /// The status of the answer.
        status: u16,
    },
    /// The connection broke, or the answer was no HTTP.
    #[error("The connection to {place} broke.")]
    Broken {
        /// Host and port.
        place: String,
        /// The status, if the answer had begun.
        status: Option<u16>,
    },
}

/// What a failed request has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was sent.
    NotSent,
    /// It may have been carried out.
    Unknown,
    /// The server answered with this status; its body is missing.
    Answered(u16),
}

impl SendError {
    /// What the request has done.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_)
            | Self::NotResolved { .. }
            | Self::Unreached { .. }
            | Self::Tls { .. } => Outcome::NotSent,
            Self::TimedOut { .. } | Self::Broken { status: None, .. } => Outcome::Unknown,
            Self::TooSlow { status, .. }
            | Self::Broken {
                status: Some(status),
                ..
            } => Outcome::Answered(*status),
        }
    }

    /// The cause of an error before the answer. Nothing of the error itself is kept: it holds the
    /// URL.
    pub(super) fn of(error: &reqwest::Error, place: String) -> Self {
        if !error.is_connect() {
            let status = None;
            return Self::Broken { place, status };
        }
        match tls_fault(error) {
            Some(fault) => Self::Tls { place, fault },
            None => Self::Unreached { place },
        }
    }
}

impl SendError {
    /// The cause of a TLS connection that failed as it was made. `None` when it was lost.
    pub(super) fn of_tls(error: &std::io::Error, place: String) -> Option<Self> {
        tls_fault(error).map(|fault| Self::Tls { place, fault })
    }
}

fn tls_fault(error: &(dyn Error + 'static)) -> Option<TlsFault> {
    if let Some(tls) = error.downcast_ref() {
        return Some(of_tls(tls));
    }
    // The error that an I/O error wraps is not among its sources.
    let io = error.downcast_ref::<std::io::Error>();
    let wrapped = io.and_then(std::io::Error::get_ref);
    let found = wrapped.and_then(|inner| tls_fault(inner));
    found.or_else(|| tls_fault(error.source()?))
}

fn of_tls(error: &rustls::Error) -> TlsFault {
    let certificate = match error {
        rustls::Error::InvalidCertificate(error) => error,
        rustls::Error::InvalidMessage(_) => return TlsFault::NotTls,
        _ => return TlsFault::Other,
    };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::OtherName
        }
        CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
        _ => TlsFault::Other,
    }
}
