//! The operator's allow list of outbound calls, and the decision whether an address may be called.

use super::Network;
use super::hostname::normalised;
use super::special::{Special, special};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Hosts and networks that may be called in addition to the internet, on their ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    entries: Vec<Entry>,
}

/// One entry: a host or a network, on one port or on all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    place: Place,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A name, whatever its addresses are.
    Host(String),
    Network(Network),
}

impl Entry {
    fn is_for(&self, port: u16) -> bool {
        self.port.is_none_or(|of| of == port)
    }
}

/// Why an address may not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is in a special range, and no entry allows it.
    Special(Special),
    /// It is on the internet, but neither is the port permitted there, nor does an entry allow it.
    Port,
}

impl Allowed {
    /// The list of these entries.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// Whether an entry is this host by name (normalised, see [`normalised`]), on this port.
    pub fn names(&self, host: &str, port: u16) -> bool {
        let is_it = |place: &Place| matches!(place, Place::Host(name) if name == host);
        let mut entries = self.entries.iter();
        entries.any(|entry| is_it(&entry.place) && entry.is_for(port))
    }

    /// Whether an entry is a network that contains this address, on this port. An IPv6 address that
    /// leads to an IPv4 address is in networks of IPv6 only, except for mapped ones.
    pub fn holds(&self, address: IpAddr, port: u16) -> bool {
        let is_in = |place: &Place| match place {
            Place::Network(network) => network.holds(address),
            Place::Host(_) => false,
        };
        let mut entries = self.entries.iter();
        entries.any(|entry| is_in(&entry.place) && entry.is_for(port))
    }

    /// Whether an entry is a network, on this port: only the addresses of a host can show whether
    /// it is allowed.
    pub fn has_networks_on(&self, port: u16) -> bool {
        let is_network = |place: &Place| matches!(place, Place::Network(_));
        let mut entries = self.entries.iter();
        entries.any(|entry| is_network(&entry.place) && entry.is_for(port))
    }

    /// Whether `address` may be called: an entry allows it on this port, by network or by the name
    /// of the host that was asked for, or it is on the internet and the port is one of `public`.
    pub fn judge(
        &self,
        host: Option<&str>,
        address: IpAddr,
        port: u16,
        public: &[u16],
    ) -> Result<(), Refusal> {
        if host.is_some_and(|host| self.names(host, port)) || self.holds(address, port) {
            return Ok(());
        }
        match special(address) {
            Some(special) => Err(Refusal::Special(special)),
            None if public.contains(&port) => Ok(()),
            None => Err(Refusal::Port),
        }
    }
}

/// Why a text is not an entry: what is expected in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// Neither a host name, nor an address, nor a network.
    Other,
    /// A URL.
    Url,
    /// The port is not one.
    Port,
    /// IPv6 and a port without brackets.
    Brackets,
    /// The length of the network is none.
    Length,
    /// The network has an address with bits beyond its length: the network that contains it.
    Inexact(Network),
    /// An address in a notation that is easily misread: the address.
    Notation(IpAddr),
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other => f.write_str(
                "a host, an address or a network, with or without a port, such as \
                 \"chat.internal\", \"chat.internal:8443\", \"10.0.0.0/8\" or \
                 \"[fd00::/8]:8443\"",
            ),
            Self::Url => f.write_str("a host without scheme and path, such as \"chat.internal\""),
            Self::Port => f.write_str("a port from 1 to 65535 after the last colon"),
            Self::Brackets => f.write_str("brackets around IPv6 with a port: \"[fd00::/8]:8443\""),
            Self::Length => f.write_str("a length of at most 32 for IPv4 and 128 for IPv6"),
            Self::Inexact(network) => {
                let first = network.ends().0;
                write!(f, "the first address of the network, which is {first}")
            }
            Self::Notation(address) => write!(f, "the usual notation of the address, {address}"),
        }
    }
}

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        if text.contains("://") {
            return Err(EntryError::Url);
        }
        let (place, port) = split(text)?;
        let port = port.map(read_port).transpose()?;
        let place = match place {
            Written::V6(text) => Place::Network(network(text)?),
            Written::Any(text) if is_network(text) => Place::Network(network(text)?),
            Written::Any(text) => Place::Host(host(text)?),
        };
        Ok(Self { place, port })
    }
}

/// A place as written: IPv6 in brackets, or anything.
enum Written<'a> {
    V6(&'a str),
    Any(&'a str),
}

fn split(text: &str) -> Result<(Written<'_>, Option<&str>), EntryError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, rest) = rest.split_once(']').ok_or(EntryError::Other)?;
        let (address, _) = inner.split_once('/').unwrap_or((inner, ""));
        address.parse::<Ipv6Addr>().map_err(|_| EntryError::Other)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((Written::V6(inner), Some(port))),
            None if rest.is_empty() => Ok((Written::V6(inner), None)),
            None => Err(EntryError::Other),
        };
    }
    match text.rsplit_once(':') {
        Some((before, _)) if before.contains(':') => bare_v6(text).map(|text| (text, None)),
        Some((before, port)) => Ok((Written::Any(before), Some(port))),
        None => Ok((Written::Any(text), None)),
    }
}

/// IPv6 without brackets: all colons are those of the address, so it has no port.
fn bare_v6(text: &str) -> Result<Written<'_>, EntryError> {
    let is_v6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let (before, _) = address.rsplit_once(':').unwrap_or((address, ""));
    match is_v6(address) {
        true if length.contains(':') => Err(EntryError::Brackets),
        true => Ok(Written::V6(text)),
        false if is_v6(before) => Err(EntryError::Brackets),
        false => Err(EntryError::Other),
    }
}

fn read_port(text: &str) -> Result<u16, EntryError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_plain && *port > 0);
    port.ok_or(EntryError::Port)
}

fn is_network(text: &str) -> bool {
    let (address, _) = text.split_once('/').unwrap_or((text, ""));
    address.parse::<IpAddr>().is_ok()
}

fn network(text: &str) -> Result<Network, EntryError> {
    // The address is one: what is left to be wrong is the length.
    let network: Network = text.parse().map_err(|_| EntryError::Length)?;
    if network.is_exact() {
        Ok(network)
    } else {
        Err(EntryError::Inexact(network))
    }
}

fn host(text: &str) -> Result<String, EntryError> {
    let address = match url::Host::parse(text) {
        Ok(url::Host::Ipv4(four)) => Some(IpAddr::V4(four)),
        Ok(url::Host::Ipv6(six)) => Some(IpAddr::V6(six)),
        Ok(url::Host::Domain(_)) | Err(_) => None,
    };
    match address {
        Some(address) => Err(EntryError::Notation(address)),
        None => normalised(text).ok_or(EntryError::Other),
    }
}

#[cfg(test)]
mod tests;
