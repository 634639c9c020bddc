//! A host that a user has entered: a name or an address.

use super::error::AddressError;
use crate::domain::net::allowed::{Allowed, Refusal};
use crate::domain::net::hostname;
use crate::domain::net::special::Special;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who looks up a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// We do, and check the addresses: one in a network of the list may be found.
    Ours,
    /// A proxy does: networks of the list allow no name.
    Theirs,
}

/// A normalised name, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(four)) => four.fmt(f),
            Self::Address(IpAddr::V6(six)) => write!(f, "[{six}]"),
        }
    }
}

impl Host {
    /// The host of a text, in any notation. IPv6 may be in brackets.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(six) = text.parse::<Ipv6Addr>() {
            return Some(Self::Address(IpAddr::V6(six)));
        }
        let host = url::Host::parse(text).ok()?;
        Self::of(&host)
    }

    /// What a parser of URLs has read. `None` when it is no name that the DNS can hold.
    pub(super) fn of<S: AsRef<str>>(host: &url::Host<S>) -> Option<Self> {
        match host {
            url::Host::Domain(name) => hostname::undotted(name.as_ref()).map(Self::Name),
            url::Host::Ipv4(four) => Some(Self::Address(IpAddr::V4(*four))),
            url::Host::Ipv6(six) => Some(Self::Address(IpAddr::V6(*six))),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }

    /// Whether one of its addresses may be called on a port: on one of `public` if it is on the
    /// internet, on others only if the list allows it.
    pub(super) fn check(
        &self,
        address: IpAddr,
        port: u16,
        public: &[u16],
        allowed: &Allowed,
    ) -> Result<(), AddressError> {
        let judged = allowed.judge(self.name(), address, port, public);
        judged.map_err(|refusal| self.error(refusal, port))
    }

    /// Whether it may be called, as far as this is known without its addresses.
    pub(super) fn check_entered(
        &self,
        port: u16,
        public: &[u16],
        allowed: &Allowed,
        lookup: Lookup,
    ) -> Result<(), AddressError> {
        let name = match self {
            Self::Address(address) => return self.check(*address, port, public, allowed),
            Self::Name(name) => name,
        };
        let is_local = hostname::is_local(name);
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let by_network = match lookup {
            Lookup::Theirs => false,
            Lookup::Ours if is_local => loopback.iter().any(|ip| allowed.holds(*ip, port)),
            Lookup::Ours => allowed.has_networks_on(port),
        };
        let is_public = public.contains(&port) && !is_local;
        let is_named = allowed.names(name, port);
        if port != 0 && (is_public || is_named || by_network) {
            Ok(())
        } else if is_local {
            Err(self.error(Refusal::Special(Special::Loopback), port))
        } else {
            Err(self.error(Refusal::Port, port))
        }
    }

    fn error(&self, refusal: Refusal, port: u16) -> AddressError {
        let host = self.to_string();
        match refusal {
            Refusal::Special(special) => AddressError::Special { host, special },
            Refusal::Port => AddressError::Port { host, port },
        }
    }
}
