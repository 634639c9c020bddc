//! Why an address that a user has entered may not be called.

use crate::domain::net::special::Special;

/// Longest address: those of workflows with a signed query have about 500 bytes.
pub(super) const ADDRESS_BYTES_MAX: usize = 2048;

/// Why an address may not be called, in a sentence for the user who entered it. Shows at most its
/// host and port: path and query are secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than the limit.
    #[error("Address too long. Use at most {ADDRESS_BYTES_MAX} bytes.")]
    TooLong,
    /// Characters that parsers of URLs read in different ways.
    #[error("Address has blanks, control characters or backslashes. Remove them.")]
    Characters,
    /// Not a URL.
    #[error("Address is not a URL. Use one such as https://chat.example/hooks/1.")]
    Malformed,
    /// Another scheme than https or http, or none.
    #[error("Address must start with https://.")]
    Scheme,
    /// http without an entry of the allow list.
    #[error(
        "{host} must be called with https://. Only hosts that an administrator allows \
         (sinks.allow) are called with http://."
    )]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// A user or a password.
    #[error("Address has a user name or a password before its host. Remove them.")]
    User,
    /// A fragment.
    #[error("Address has a fragment (#). Remove it.")]
    Fragment,
    /// No host, or none that the DNS can hold.
    #[error("Address has no valid host name.")]
    Host,
    /// A port that is not permitted.
    #[error(
        "Port {port} of {host} is not permitted. Use the usual port, or ask an administrator to \
         allow this one (sinks.allow)."
    )]
    Port {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// An address that is not one of the internet.
    #[error(
        "{host} has an address that is not of the internet ({}). Use another, or ask an \
         administrator to allow it (sinks.allow).",
        special.as_str()
    )]
    Special {
        /// The host.
        host: String,
        /// The range of its address.
        special: Special,
    },
}
