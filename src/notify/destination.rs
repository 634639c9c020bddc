//! An address that a user has entered, checked as far as it can be without a look-up.

use super::error::{ADDRESS_BYTES_MAX, AddressError};
use super::host::{Host, Lookup};
use crate::domain::net::allowed::Allowed;
use std::fmt;
use url::Url;

/// A URL that may be called as far as it shows. Its path and query are secrets and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    url: Url,
    pub(super) host: Host,
    pub(super) port: u16,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({})", self.place())
    }
}

impl Destination {
    /// The destination of a text. Its name is not looked up: see [`super::Outbound::send`].
    pub fn parse(text: &str, allowed: &Allowed) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        // A parser drops some of them without a word.
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if text.contains(is_bad) {
            return Err(AddressError::Characters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        if !["https", "http"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(AddressError::Scheme);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(AddressError::User);
        }
        // The parser would take `https:///path` for the host `path`.
        if authority.is_empty() {
            return Err(AddressError::Host);
        }
        let mut url = Url::parse(text).map_err(|error| match error {
            url::ParseError::InvalidPort => AddressError::Malformed,
            _ => AddressError::Host,
        })?;
        if url.fragment().is_some() {
            return Err(AddressError::Fragment);
        }
        let host = url.host().and_then(|host| Host::of(&host));
        let host = host.ok_or(AddressError::Host)?;
        let port = url.port_or_known_default().ok_or(AddressError::Malformed)?;
        url.set_host(Some(&host.to_string()))
            .map_err(|_| AddressError::Host)?;
        let destination = Self { url, host, port };
        let entered = destination.check_entered(allowed, Lookup::Ours);
        entered.map(|()| destination)
    }

    /// The checks that need no look-up.
    pub(super) fn check_entered(
        &self,
        allowed: &Allowed,
        lookup: Lookup,
    ) -> Result<(), AddressError> {
        let public = self.public();
        let checked = self.host.check_entered(self.port, public, allowed, lookup);
        checked.map_err(|error| self.of_scheme(error))
    }

    /// The ports on which hosts of the internet may be called. None with http: then only the allow
    /// list counts.
    pub(super) fn public(&self) -> &'static [u16] {
        match self.url.scheme() {
            "https" => &[443],
            _ => &[],
        }
    }

    /// With http it is not the port that is wrong.
    pub(super) fn of_scheme(&self, error: AddressError) -> AddressError {
        match error {
            AddressError::Port { host, .. } if self.url.scheme() == "http" => {
                AddressError::PlainHttp { host }
            }
            other => other,
        }
    }

    /// Its host, without the port, as in a URL.
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// Host and port, for people; the port only if it is not the usual one.
    pub fn place(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// The whole URL, which is a secret. Call it only where it is sealed.
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    /// The URL with more segments of its path and more pairs of its query.
    pub(super) fn with(&self, segments: &[String], query: &[(String, String)]) -> Url {
        let mut url = self.url.clone();
        if let (false, Ok(mut path)) = (segments.is_empty(), url.path_segments_mut()) {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}
