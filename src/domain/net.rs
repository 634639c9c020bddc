//! Addresses and networks: of clients, as used by limits, and of outbound calls.

pub mod allowed;
pub mod hostname;
pub mod special;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The client of an address: itself, and for IPv6 its /64 network, because one customer has at
/// least that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey(u128);

/// IPv4 in IPv6, in any notation.
fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
    }
}

fn bits(address: IpAddr) -> u128 {
    match canonical(address) {
        IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
        IpAddr::V6(six) => six.to_bits(),
    }
}

impl PeerKey {
    /// The client of an address.
    pub fn of(address: IpAddr) -> Self {
        match canonical(address) {
            four @ IpAddr::V4(_) => Self(bits(four)),
            IpAddr::V6(six) => Self(six.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

/// A network, such as `10.0.0.0/8` or `2001:db8::/32`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    /// Bits of `base` that count, of 128: IPv4 lies in IPv6.
    length: u32,
}

impl Network {
    /// `127.0.0.0/8`
    pub const LOOPBACK_V4: Self = Self {
        base: Ipv4Addr::LOCALHOST.to_ipv6_mapped().to_bits(),
        length: 96 + 8,
    };
    /// `::1`
    pub const LOOPBACK_V6: Self = Self {
        base: Ipv6Addr::LOCALHOST.to_bits(),
        length: 128,
    };

    /// An IPv4 network; `length` is at most 32.
    pub(super) const fn v4(address: Ipv4Addr, length: u32) -> Self {
        Self {
            base: address.to_ipv6_mapped().to_bits(),
            length: 96 + length,
        }
    }

    /// An IPv6 network; `length` is at most 128.
    pub(super) const fn v6(address: Ipv6Addr, length: u32) -> Self {
        Self {
            base: address.to_bits(),
            length,
        }
    }

    /// Its first and its last address.
    pub fn ends(&self) -> (IpAddr, IpAddr) {
        let hosts = u128::MAX.checked_shr(self.length).unwrap_or(0);
        let address = |bits| canonical(IpAddr::V6(Ipv6Addr::from_bits(bits)));
        (address(self.base & !hosts), address(self.base | hosts))
    }

    /// Whether no bit is set beyond its length: `10.0.0.0/8`, but not `10.1.2.3/8`.
    pub fn is_exact(&self) -> bool {
        self.length >= 128 || self.base << self.length == 0
    }

    /// Whether it contains an address.
    pub fn holds(&self, address: IpAddr) -> bool {
        let differ = self.base ^ bits(address);
        self.length == 0 || differ >> (128 - self.length) == 0
    }
}

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an address or a network such as 10.0.0.0/8")
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let (most, before) = match address {
            IpAddr::V4(_) => (Ipv4Addr::BITS, Ipv6Addr::BITS - Ipv4Addr::BITS),
            IpAddr::V6(_) => (Ipv6Addr::BITS, 0),
        };
        let length = match length {
            None => most,
            Some(text) => text
                .parse::<u32>()
                .ok()
                .filter(|length| *length <= most)
                .ok_or(NotANetwork)?,
        };
        let base = match address {
            IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
            IpAddr::V6(six) => six.to_bits(),
        };
        let length = length + before;
        Ok(Self { base, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "255.255.255.255", "2001::"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.holds(inside.parse().unwrap()), "{inside}");
            assert!(!network.holds(outside.parse().unwrap()), "{outside}");
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "x/8",
            "10/8",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NotANetwork), "{bad}");
        }
    }

    #[test]
    fn the_ends_of_a_network_are_its_first_and_last_address() {
        for (network, first, last, is_exact) in [
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", true),
            ("10.1.2.3/8", "10.0.0.0", "10.255.255.255", false),
            ("10.1.2.3", "10.1.2.3", "10.1.2.3", true),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", true),
            (
                "fe80::/10",
                "fe80::",
                "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                true,
            ),
            ("::1", "::1", "::1", true),
            (
                "::/0",
                "::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                true,
            ),
            ("::1/127", "::", "::1", false),
        ] {
            let network: Network = network.parse().unwrap();
            let ends = (first.parse().unwrap(), last.parse().unwrap());
            assert_eq!(
                (network.ends(), network.is_exact()),
                (ends, is_exact),
                "{first}"
            );
        }
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_64_bits() {
        let key = |text: &str| PeerKey::of(text.parse().unwrap());
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8::1"), key("2001:db8:0:0:ffff::"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::"));
    }
}
