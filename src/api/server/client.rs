//! Who a request comes from, where a proxy stands between.

use crate::domain::net::{Network, PeerKey};
use actix_web::HttpRequest;
use std::net::{IpAddr, SocketAddr};

/// Most addresses that are looked at.
const HOPS_MAX: usize = 32;

/// An address as proxies write it: alone, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port)
}

/// The client: the peer, or, where that is a trusted proxy, the last address in
/// `X-Forwarded-For` that is none. What stands before it the client may have made up.
pub(in crate::api) fn client_of(request: &HttpRequest, proxies: &[Network]) -> Option<PeerKey> {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.holds(address));
    let peer = request.peer_addr()?.ip();
    if !is_proxy(peer) {
        return Some(PeerKey::of(peer));
    }
    let lines: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|line| line.to_str().ok())
        .collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut client = peer;
    for hop in hops.take(HOPS_MAX) {
        let Some(address) = address(hop) else { break };
        client = address;
        if !is_proxy(address) {
            break;
        }
    }
    Some(PeerKey::of(client))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_a_trusted_proxy_says_for_whom_it_asks() {
        let proxies = [
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
        for (peer, forwarded, expected) in [
            ("192.0.2.1:5", &["198.51.100.1"][..], "192.0.2.1"),
            ("127.0.0.1:5", &[], "127.0.0.1"),
            ("127.0.0.1:5", &["198.51.100.1"], "198.51.100.1"),
            (
                "127.0.0.1:5",
                &["1.2.3.4, 198.51.100.1, 10.0.0.7"],
                "198.51.100.1",
            ),
            (
                "127.0.0.1:5",
                &["1.2.3.4", "198.51.100.1:99"],
                "198.51.100.1",
            ),
            ("10.9.9.9:5", &["[2001:db8::1]:8080"], "2001:db8::1"),
            ("10.9.9.9:5", &["198.51.100.1, nonsense"], "10.9.9.9"),
            ("10.9.9.9:5", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ] {
            let mut request = TestRequest::default().peer_addr(peer.parse().unwrap());
            for line in forwarded {
                request = request.append_header(("X-Forwarded-For", *line));
            }
            let seen = client_of(&request.to_http_request(), &proxies);
            let expected = PeerKey::of(expected.parse().unwrap());
            assert_eq!(seen, Some(expected), "{peer} {forwarded:?}");
        }
    }
}
