//! What entries allow, and which texts are none.

use super::*;
use crate::histories;
use proptest::prelude::*;

fn allowed(entries: &[&str]) -> Allowed {
    Allowed::new(entries.iter().map(|text| text.parse().unwrap()).collect())
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const HTTPS: &[u16] = &[443];

#[test]
fn without_entries_only_the_internet_on_the_usual_ports_may_be_called() {
    let none = Allowed::default();
    let judge = |text, port, public| none.judge(Some("a.example"), address(text), port, public);
    assert_eq!(judge("8.8.8.8", 443, HTTPS), Ok(()));
    assert_eq!(judge("2606:4700::1111", 443, HTTPS), Ok(()));
    assert_eq!(judge("8.8.8.8", 8443, HTTPS), Err(Refusal::Port));
    assert_eq!(judge("8.8.8.8", 80, &[]), Err(Refusal::Port));
    assert_eq!(judge("8.8.8.8", 587, &[465, 587]), Ok(()));
    let refused = |special| Err(Refusal::Special(special));
    assert_eq!(judge("10.0.0.1", 443, HTTPS), refused(Special::Private));
    assert_eq!(
        judge("64:ff9b::a9fe:a9fe", 443, HTTPS),
        refused(Special::LinkLocal)
    );
    // The range is the reason that counts, whatever the port.
    assert_eq!(judge("127.0.0.1", 22, HTTPS), refused(Special::Loopback));
}

#[test]
fn an_entry_allows_its_host_or_network_on_its_port_and_no_more() {
    let of = |entry, host, text, port| {
        let allowed = allowed(&[entry]);
        allowed.judge(host, address(text), port, HTTPS).is_ok()
    };
    let chat = Some("chat.internal");
    for (entry, host, text, port, expected) in [
        ("chat.internal", chat, "10.0.0.1", 8065, true),
        ("Chat.Internal.", chat, "169.254.1.1", 443, true),
        (
            "chat.internal",
            Some("x.chat.internal"),
            "10.0.0.1",
            443,
            false,
        ),
        ("chat.internal", None, "10.0.0.1", 443, false),
        ("chat.internal:8065", chat, "10.0.0.1", 8065, true),
        ("chat.internal:8065", chat, "10.0.0.1", 443, false),
        ("chat.internal:8065", chat, "8.8.8.8", 443, true),
        ("10.0.0.0/8", chat, "10.200.0.1", 22, true),
        ("10.0.0.0/8", None, "::ffff:10.0.0.1", 443, true),
        ("10.0.0.0/8", chat, "11.0.0.1", 22, false),
        ("10.0.0.0/8", chat, "192.168.0.1", 443, false),
        // Where they lead depends on the gateway.
        ("10.0.0.0/8", None, "64:ff9b::a00:1", 443, false),
        ("10.0.0.0/8", None, "2002:a00:1::", 443, false),
        ("64:ff9b::/96", None, "64:ff9b::a00:1", 443, true),
        ("10.0.0.0/8:8443", None, "10.0.0.1", 8443, true),
        ("10.0.0.0/8:8443", None, "10.0.0.1", 443, false),
        ("10.1.2.3", None, "10.1.2.3", 1, true),
        ("10.1.2.3", None, "10.1.2.4", 1, false),
        ("10.1.2.3:25", None, "10.1.2.3", 25, true),
        ("8.8.8.8:53", None, "8.8.8.8", 53, true),
        ("fd00::/8", None, "fd12::1", 8443, true),
        ("[fd00::/8]", None, "fd12::1", 8443, true),
        ("[fd00::/8]:8443", None, "fd12::1", 8443, true),
        ("[fd00::/8]:8443", None, "fd12::1", 443, false),
        ("[::1]:25", None, "::1", 25, true),
        ("::1", None, "::1", 25, true),
        ("::1", None, "127.0.0.1", 25, false),
        ("0.0.0.0/0", None, "169.254.169.254", 80, true),
        ("0.0.0.0/0", None, "fe80::1", 80, false),
    ] {
        assert_eq!(
            of(entry, host, text, port),
            expected,
            "{entry}: {host:?} {text} {port}"
        );
    }
}

#[test]
fn names_and_networks_can_be_asked_for_without_an_address() {
    let list = allowed(&["chat.internal:8065", "10.0.0.0/8:8443"]);
    assert!(list.names("chat.internal", 8065) && !list.names("chat.internal", 443));
    assert!(list.has_networks_on(8443) && !list.has_networks_on(8065));
    assert!(list.holds(address("10.0.0.1"), 8443) && !list.holds(address("10.0.0.1"), 443));
}

#[test]
fn what_is_no_entry_is_refused_with_what_is_expected() {
    for (text, expected) in [
        ("", "a host, an address or a network"),
        ("*", "a host, an address or a network"),
        ("*.internal", "a host, an address or a network"),
        ("https://chat.internal/hooks", "a host without scheme"),
        ("chat.internal/8", "a host, an address or a network"),
        ("chat internal", "a host, an address or a network"),
        ("user@chat.internal", "a host, an address or a network"),
        ("[chat.internal]:1", "a host, an address or a network"),
        ("[10.0.0.1]:1", "a host, an address or a network"),
        ("[::1", "a host, an address or a network"),
        ("[::1]x", "a host, an address or a network"),
        ("[::1]/128:1", "a host, an address or a network"),
        ("a:b:c", "a host, an address or a network"),
        (":443", "a host, an address or a network"),
        ("chat.internal:", "a port from 1 to 65535"),
        ("chat.internal:0", "a port from 1 to 65535"),
        ("chat.internal:65536", "a port from 1 to 65535"),
        ("chat.internal:+1", "a port from 1 to 65535"),
        ("chat.internal:https", "a port from 1 to 65535"),
        ("[::1]:", "a port from 1 to 65535"),
        ("fd00::/8:443", "brackets"),
        ("fd00:1:2:3:4:5:6:7:443", "brackets"),
        ("10.0.0.0/33", "a length of at most 32"),
        ("10.0.0.0/", "a length of at most 32"),
        ("10.0.0.0/x:1", "a length of at most 32"),
        ("fd00::/129", "a length of at most 32"),
        (
            "10.1.2.3/8",
            "the first address of the network, which is 10.0.0.0",
        ),
        ("fd00::1/8:443", "brackets"),
        ("[fd00::1/8]:443", "which is fd00::"),
        ("0x7f.1", "the usual notation of the address, 127.0.0.1"),
        (
            "2130706433:80",
            "the usual notation of the address, 127.0.0.1",
        ),
        ("010.0.0.1", "the usual notation of the address, 8.0.0.1"),
    ] {
        let error = text.parse::<Entry>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

fn networks() -> impl Strategy<Value = Network> {
    let v4 = (any::<u32>(), 0_u32..=32).prop_map(|(bits, length)| {
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        Network::v4(std::net::Ipv4Addr::from_bits(bits & mask), length)
    });
    let v6 = (any::<u128>(), 1_u32..=128).prop_map(|(bits, length)| {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        Network::v6(Ipv6Addr::from_bits(bits & mask), length)
    });
    prop_oneof![v4, v6]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let host = prop::sample::select(vec!["a.internal", "b.internal"]);
    let place = prop_oneof![
        host.prop_map(|name| Place::Host(name.to_owned())),
        networks().prop_map(Place::Network),
    ];
    let port = prop::option::of(prop::sample::select(vec![443, 8443]));
    let entry = (place, port).prop_map(|(place, port)| Entry { place, port });
    prop::collection::vec(entry, 0..4)
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        any::<u64>().prop_map(|low| IpAddr::V6((0xfd00_u128 << 112 | u128::from(low)).into())),
    ]
}

proptest! {
    #![proptest_config(histories::of(20_000))]

    /// An address in a special range is called only because an entry of the list says so, and a
    /// longer list refuses nothing that a shorter one allows.
    #[test]
    fn only_entries_open_what_is_closed(
        list in entries(),
        more in entries(),
        address in addresses(),
        host in prop::option::of(prop::sample::select(vec!["a.internal", "c.internal"])),
        port in prop::sample::select(vec![443_u16, 8443, 25]),
    ) {
        let none = Allowed::default().judge(host, address, port, HTTPS);
        prop_assert_eq!(none.is_ok(), special(address).is_none() && port == 443);
        let opened = |entry: &Entry| entry.is_for(port) && match &entry.place {
            Place::Host(name) => host == Some(name),
            Place::Network(network) => {
                // Mapped addresses are compared as IPv4, as the table does.
                let (first, last) = network.ends();
                let address = super::super::canonical(address);
                let six = |a: IpAddr| match a {
                    IpAddr::V4(four) => four.to_ipv6_mapped(),
                    IpAddr::V6(six) => six,
                };
                (six(first)..=six(last)).contains(&six(address))
            }
        };
        let expected = none.is_ok() || list.iter().any(opened);
        let short = Allowed::new(list.clone());
        prop_assert_eq!(short.judge(host, address, port, HTTPS).is_ok(), expected);
        let long = Allowed::new(list.into_iter().chain(more).collect());
        prop_assert!(!expected || long.judge(host, address, port, HTTPS).is_ok());
    }

    #[test]
    fn a_network_is_read_as_it_is_written(network in networks(), port in 1_u16..) {
        let (first, last) = network.ends();
        let Some(text) = (match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let length = (first.to_bits() ^ last.to_bits()).leading_zeros();
                Some(format!("{first}/{length}:{port}"))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let length = (first.to_bits() ^ last.to_bits()).leading_zeros();
                Some(format!("[{first}/{length}]:{port}"))
            }
            // Mapped IPv4 within IPv6 has two forms.
            _ => None,
        }) else {
            return Ok(());
        };
        let entry: Entry = text.parse().unwrap();
        prop_assert_eq!(entry, Entry { place: Place::Network(network), port: Some(port) });
    }
}
