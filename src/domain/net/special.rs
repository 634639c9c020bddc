//! Addresses that are not those of a host on the internet: the IANA registries of special-purpose
//! addresses, multicast, and all of IPv6 that is not given out.

use super::{Network, canonical};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

named! {
    /// What the addresses of a special range are for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Special {
        /// This host or this network.
        Unspecified = "unspecified",
        /// The machine itself.
        Loopback = "loopback",
        /// A private network: RFC 1918, unique local and site-local addresses.
        Private = "private",
        /// Shared by the customers of a carrier.
        Shared = "carrier-shared",
        /// One link; the metadata services of clouds are here.
        LinkLocal = "link-local",
        /// A group of hosts.
        Multicast = "multicast",
        /// All hosts.
        Broadcast = "broadcast",
        /// Examples in documents.
        Documentation = "documentation",
        /// Tests of networks.
        Benchmarking = "benchmarking",
        /// A tunnel or a translation that leads to an address which cannot be read from this one.
        Tunnel = "tunnel",
        /// A protocol of the internet itself.
        Protocol = "protocol",
        /// Not given out.
        Reserved = "reserved",
    }
}

const fn v4(a: u8, b: u8, c: u8, length: u32, special: Special) -> (Network, Special) {
    (Network::v4(Ipv4Addr::new(a, b, c, 0), length), special)
}

const fn v6(a: u16, b: u16, c: u16, length: u32, special: Special) -> (Network, Special) {
    let address = Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
    (Network::v6(address, length), special)
}

/// The ranges of IPv4; the first that holds an address counts. Some of both tables are reachable
/// from everywhere (anycast of AS112 and of AMT), but no notifications are received there.
const V4: [(Network, Special); 19] = [
    v4(0, 0, 0, 8, Special::Unspecified),
    v4(10, 0, 0, 8, Special::Private),
    v4(100, 64, 0, 10, Special::Shared),
    v4(127, 0, 0, 8, Special::Loopback),
    v4(169, 254, 0, 16, Special::LinkLocal),
    v4(172, 16, 0, 12, Special::Private),
    v4(192, 0, 0, 24, Special::Protocol),
    v4(192, 0, 2, 24, Special::Documentation),
    v4(192, 31, 196, 24, Special::Protocol),
    v4(192, 52, 193, 24, Special::Protocol),
    v4(192, 88, 99, 24, Special::Tunnel),
    v4(192, 168, 0, 16, Special::Private),
    v4(192, 175, 48, 24, Special::Protocol),
    v4(198, 18, 0, 15, Special::Benchmarking),
    v4(198, 51, 100, 24, Special::Documentation),
    v4(203, 0, 113, 24, Special::Documentation),
    v4(224, 0, 0, 4, Special::Multicast),
    (Network::v4(Ipv4Addr::BROADCAST, 32), Special::Broadcast),
    v4(240, 0, 0, 4, Special::Reserved),
];

/// The ranges of IPv6, likewise.
const V6: [(Network, Special); 15] = [
    (UNSPECIFIED, Special::Unspecified),
    (Network::LOOPBACK_V6, Special::Loopback),
    // Translations of IPv4 with a prefix of the operator, RFC 8215.
    v6(0x64, 0xff9b, 1, 48, Special::Tunnel),
    // Teredo, and what else RFC 2928 keeps for protocols.
    v6(0x2001, 0, 0, 32, Special::Tunnel),
    v6(0x2001, 2, 0, 48, Special::Benchmarking),
    v6(0x2001, 0, 0, 23, Special::Protocol),
    v6(0x2001, 0xdb8, 0, 32, Special::Documentation),
    v6(0x2620, 0x4f, 0x8000, 48, Special::Protocol),
    v6(0x3fff, 0, 0, 20, Special::Documentation),
    // Segment routing, RFC 9602.
    v6(0x5f00, 0, 0, 16, Special::Protocol),
    v6(0xfc00, 0, 0, 7, Special::Private),
    v6(0xfe80, 0, 0, 10, Special::LinkLocal),
    v6(0xfec0, 0, 0, 10, Special::Private),
    v6(0xff00, 0, 0, 8, Special::Multicast),
    // Discard-only, RFC 6666 and RFC 9780.
    v6(0x100, 0, 0, 48, Special::Reserved),
];

const UNSPECIFIED: Network = Network::v6(Ipv6Addr::UNSPECIFIED, 128);
/// What is given out to hosts. All else is reserved.
const UNICAST: Network = Network::v6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const COMPATIBLE: Network = Network::v6(Ipv6Addr::UNSPECIFIED, 96);
const NAT64: Network = Network::v6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
const SIX_TO_FOUR: Network = Network::v6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// The IPv4 address to which an IPv6 address leads, if it shows one: NAT64 with the well-known
/// prefix, 6to4, and the deprecated IPv4-compatible form.
fn embedded(six: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, first, second, .., high, low] = six.segments();
    let four = |high, low| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let address = IpAddr::V6(six);
    if NAT64.holds(address) || COMPATIBLE.holds(address) {
        Some(four(high, low))
    } else if SIX_TO_FOUR.holds(address) {
        Some(four(first, second))
    } else {
        None
    }
}

fn find(table: &[(Network, Special)], address: IpAddr) -> Option<Special> {
    let found = table.iter().find(|(network, _)| network.holds(address));
    found.map(|(_, special)| *special)
}

/// The special range of an address, `None` for an address of the internet. IPv4 in IPv6 is what its
/// IPv4 address is.
pub fn special(address: IpAddr) -> Option<Special> {
    let six = match canonical(address) {
        four @ IpAddr::V4(_) => return find(&V4, four),
        IpAddr::V6(six) => six,
    };
    let address = IpAddr::V6(six);
    // `::` and `::1` would be the compatible forms of 0.0.0.0 and 0.0.0.1.
    let found = find(&V6, address);
    match embedded(six).filter(|_| found.is_none()) {
        Some(four) => find(&V4, IpAddr::V4(four)),
        None => found.or_else(|| (!UNICAST.holds(address)).then_some(Special::Reserved)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories;
    use proptest::prelude::*;

    fn of(text: &str) -> Option<Special> {
        special(text.parse().unwrap())
    }

    #[test]
    fn every_range_is_special_from_its_first_to_its_last_address() {
        for (network, special) in V4.iter().chain(&V6) {
            assert!(network.is_exact(), "{network:?}");
            let (first, last) = network.ends();
            let (first, last) = (super::special(first), super::special(last));
            assert!(first.is_some() && last.is_some(), "{network:?}");
            // Ranges within others come first.
            assert!(
                first == Some(*special) || last == Some(*special),
                "{network:?}"
            );
        }
    }

    #[test]
    fn what_is_beside_a_range_is_of_the_internet() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.31.195.255",
            "192.52.194.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "2620:4f:7fff::",
            "2620:4f:8001::",
            "3ffe:ffff::",
            "3fff:1000::",
            // IPv4 of the internet in IPv6.
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "::8.8.8.8",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_what_its_range_is_for() {
        for (text, special) in [
            ("0.0.0.0", Special::Unspecified),
            ("0.1.2.3", Special::Unspecified),
            ("::", Special::Unspecified),
            ("127.1.2.3", Special::Loopback),
            ("::1", Special::Loopback),
            ("::ffff:127.0.0.1", Special::Loopback),
            ("::127.0.0.1", Special::Loopback),
            ("64:ff9b::7f00:1", Special::Loopback),
            ("2002:7f00:1::", Special::Loopback),
            ("172.31.0.1", Special::Private),
            ("fd00::1", Special::Private),
            ("fec0::1", Special::Private),
            ("2002:c0a8:101::1", Special::Private),
            ("100.100.100.200", Special::Shared),
            ("169.254.169.254", Special::LinkLocal),
            ("64:ff9b::a9fe:a9fe", Special::LinkLocal),
            ("fe80::1", Special::LinkLocal),
            ("fd00:ec2::254", Special::Private),
            ("239.0.0.1", Special::Multicast),
            ("ff02::1", Special::Multicast),
            ("255.255.255.255", Special::Broadcast),
            ("255.255.255.254", Special::Reserved),
            ("2001:db8::1", Special::Documentation),
            ("3fff:fff::1", Special::Documentation),
            ("2001:2::1", Special::Benchmarking),
            ("2001::1", Special::Tunnel),
            ("64:ff9b:1::1", Special::Tunnel),
            ("2001:20::1", Special::Protocol),
            ("5f00::1", Special::Protocol),
            ("::ffff:0:8.8.8.8", Special::Reserved),
            ("64:ff9b:0:1::1", Special::Reserved),
            ("100::1", Special::Reserved),
            ("4000::1", Special::Reserved),
            ("fe00::1", Special::Reserved),
        ] {
            assert_eq!(of(text), Some(special), "{text}");
        }
    }

    proptest! {
        #![proptest_config(histories::of(20_000))]

        /// In each form in which IPv6 leads to it, and never less strict than the standard library.
        #[test]
        fn ipv4_is_the_same_in_every_form(bits in edges(), rest: [u16; 5]) {
            let four = Ipv4Addr::from_bits(bits);
            let (high, low) = ((bits >> 16) as u16, (bits & 0xffff) as u16);
            let [r0, r1, r2, r3, r4] = rest;
            let expected = special(IpAddr::V4(four));
            for six in [
                four.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, r0, r1, r2, r3, r4),
            ] {
                prop_assert_eq!(special(IpAddr::V6(six)), expected, "{}", six);
            }
            let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low);
            prop_assert_eq!(special(IpAddr::V6(compatible)).is_some(), expected.is_some());
            let is_known = four.is_private() || four.is_loopback() || four.is_link_local()
                || four.is_broadcast() || four.is_documentation() || four.is_multicast()
                || four.is_unspecified();
            prop_assert!(!is_known || expected.is_some(), "{}", four);
        }

        #[test]
        fn ipv6_that_is_not_given_out_is_special(bits: u128) {
            let six = Ipv6Addr::from_bits(bits);
            let is_known = six.is_loopback() || six.is_multicast() || six.is_unspecified()
                || six.is_unicast_link_local() || six.is_unique_local();
            let is_given_out = bits >> 125 == 1;
            let found = special(IpAddr::V6(six));
            prop_assert!(found.is_some() || is_given_out && !is_known, "{}", six);
        }
    }

    /// Addresses of which one in two is beside an end of a range.
    fn edges() -> impl Strategy<Value = u32> {
        let ends = V4.iter().flat_map(|(network, _)| {
            let (first, last) = network.ends();
            [first, last]
        });
        let ends: Vec<IpAddr> = ends.collect();
        let near = (prop::sample::select(ends), -2_i32..=2).prop_map(|(end, by)| match end {
            IpAddr::V4(four) => four.to_bits().wrapping_add_signed(by),
            IpAddr::V6(_) => unreachable!("the table has IPv4 only"),
        });
        prop_oneof![any::<u32>(), near]
    }
}
