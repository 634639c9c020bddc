//! Who a request comes from, where a proxy stands between.
//!
//! A proxy says so in `X-Forwarded-For`, or in `Forwarded` (RFC 7239). A client may send either
//! itself, and the proxy may pass on the one that it does not write. So where both are there and do
//! not name the same client, neither counts, and the request is the proxy's own.

use crate::domain::net::{Network, PeerKey};
use actix_web::HttpRequest;
use std::net::{IpAddr, SocketAddr};

/// Most addresses of a header that are looked at.
const HOPS_MAX: usize = 32;

/// The client: the peer, or, where that is a trusted proxy, the last address that it and other
/// trusted proxies name which is none of theirs. What stands before it the client may have made up.
pub(in crate::api) fn client_of(request: &HttpRequest, proxies: &[Network]) -> Option<PeerKey> {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.holds(address));
    let peer = request.peer_addr()?.ip();
    if !is_proxy(peer) {
        return Some(PeerKey::of(peer));
    }
    let named = |name: &str, hops_of: fn(&str) -> Vec<Option<IpAddr>>| {
        let lines: Vec<String> = request
            .headers()
            .get_all(name)
            // What is no text is no address; what stands beside it in the line may be one.
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect();
        let hops = lines.iter().rev().flat_map(|line| hops_of(line));
        let mut client = peer;
        for address in hops.take(HOPS_MAX).map_while(|hop| hop) {
            client = address;
            if !is_proxy(address) {
                break;
            }
        }
        (!lines.is_empty()).then(|| PeerKey::of(client))
    };
    let by_usage = named("x-forwarded-for", addresses);
    let by_standard = named("forwarded", forwarded);
    Some(match (by_usage, by_standard) {
        (Some(one), Some(other)) if one != other => PeerKey::of(peer),
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => PeerKey::of(peer),
    })
}

/// The addresses of a line of `X-Forwarded-For`, the last one first; `None` for what is none.
fn addresses(line: &str) -> Vec<Option<IpAddr>> {
    let hop = |text: &str| address(text.trim().trim_matches('"'));
    line.rsplit(',').take(HOPS_MAX).map(hop).collect()
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.unwrap_or(text).parse().ok().or_else(with_port)
}

/// The addresses of a line of `Forwarded`, the last one first; `None` for what hides itself. All of
/// a line counts or nothing: an open quote would swallow what a proxy appends.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    match elements(line) {
        Some(mut hops) => {
            hops.reverse();
            hops
        }
        None => vec![None],
    }
}

/// What `for` says in each element; `None` when the line is not well formed.
fn elements(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut rest = line.trim();
    let mut hops = Vec::new();
    let mut named: Option<Option<IpAddr>> = None;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        if !is_token(name) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") {
            let is_first = named.replace(address(&value)).is_none();
            is_first.then_some(())?;
        }
        let after = after.trim_start();
        if let Some(next) = after.strip_prefix(';') {
            rest = next.trim_start();
            continue;
        }
        hops.push(named.take().flatten());
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => return after.is_empty().then_some(hops),
        }
    }
}

/// The value of a parameter, a token or a quoted text, and what stands behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        // Some write an address of IPv6 without quotes.
        let is_node = |c: char| is_token_char(c) || matches!(c, ':' | '[' | ']');
        let is_good = !token.is_empty() && token.chars().all(is_node);
        return is_good.then(|| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    /// Rows of `PEER | X-Forwarded-For | Forwarded | CLIENT`: `~` ends a line of a header, `?` is
    /// no text.
    #[track_caller]
    fn check(rows: &[&str]) {
        let proxies = [
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
        for row in rows {
            let columns: Vec<&str> = row.split('|').map(str::trim).collect();
            let [peer, usage, standard, client] = columns[..] else {
                panic!("{row}")
            };
            let peer = format!("{peer}:5").parse().unwrap();
            let mut request = TestRequest::default().peer_addr(peer);
            for (name, lines) in [("X-Forwarded-For", usage), ("Forwarded", standard)] {
                for line in lines.split_terminator('~') {
                    let bytes = line.replace('?', "\u{ff}");
                    let bytes: Vec<u8> = bytes.chars().map(|c| c as u8).collect();
                    let value = HeaderValue::from_bytes(&bytes).unwrap();
                    request = request.append_header((name, value));
                }
            }
            let seen = client_of(&request.to_http_request(), &proxies);
            let expected = PeerKey::of(client.parse().unwrap());
            assert_eq!(seen, Some(expected), "{row}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_for_whom_it_asks() {
        check(&[
            "192.0.2.1 | 198.51.100.1~ | | 192.0.2.1",
            "192.0.2.1 | | for=198.51.100.1~ | 192.0.2.1",
            "127.0.0.1 | | | 127.0.0.1",
            "127.0.0.1 | 198.51.100.1~ | | 198.51.100.1",
            "127.0.0.1 | 1.2.3.4, 198.51.100.1, 10.0.0.7~ | | 198.51.100.1",
            "127.0.0.1 | 1.2.3.4~198.51.100.1:99~ | | 198.51.100.1",
            "10.9.9.9 | [2001:db8::1]:8080~ | | 2001:db8::1",
            "10.9.9.9 | 198.51.100.1, nonsense~ | | 10.9.9.9",
            "10.9.9.9 | 10.0.0.1, 10.0.0.2~ | | 10.0.0.1",
        ]);
    }

    #[test]
    fn forwarded_is_read_as_its_standard_says() {
        check(&[
            "127.0.0.1 | | for=198.51.100.1~ | 198.51.100.1",
            r#"127.0.0.1 | | For="198.51.100.1:4711"~ | 198.51.100.1"#,
            "127.0.0.1 | | for=198.51.100.1:4711~ | 198.51.100.1",
            "127.0.0.1 | | by=10.0.0.1;FOR=198.51.100.1;proto=https~ | 198.51.100.1",
            r#"127.0.0.1 | | for="[2001:db8::1]"~ | 2001:db8::1"#,
            r#"127.0.0.1 | | for="[2001:db8::1]:80";host="a,b;for=1.1.1.1"~ | 2001:db8::1"#,
            "127.0.0.1 | | for=[2001:db8::1]~ | 2001:db8::1",
            "127.0.0.1 | | for=1.2.3.4, for=198.51.100.1,for=10.0.0.7~ | 198.51.100.1",
            "127.0.0.1 | | for=1.2.3.4~for=198.51.100.1 , for=10.0.0.7~ | 198.51.100.1",
            r#"127.0.0.1 | | for="198.51.100\.1"~ | 198.51.100.1"#,
            "127.0.0.1 | | for=10.0.0.1, for=10.0.0.2~ | 10.0.0.1",
        ]);
    }

    #[test]
    fn nobody_chooses_who_they_are() {
        check(&[
            // What hides itself, or is no address: the last that is known.
            "127.0.0.1 | | for=unknown~ | 127.0.0.1",
            "127.0.0.1 | | for=_hidden~ | 127.0.0.1",
            "127.0.0.1 | | for=1.2.3.4, for=unknown, for=10.0.0.7~ | 10.0.0.7",
            "127.0.0.1 | | for=1.2.3.4, proto=https~ | 127.0.0.1",
            // A line that is not well formed, in front of or around what a proxy appends.
            r#"127.0.0.1 | | for=9.9.9.9;x=", for=198.51.100.1~ | 127.0.0.1"#,
            r#"127.0.0.1 | | for=9.9.9.9;x=", for="198.51.100.1"~ | 127.0.0.1"#,
            "127.0.0.1 | | for=9.9.9.9, , for=198.51.100.1~ | 127.0.0.1",
            "127.0.0.1 | | for=9.9.9.9;for=198.51.100.1~ | 127.0.0.1",
            "127.0.0.1 | | for=9.9.9.9 for=198.51.100.1~ | 127.0.0.1",
            r#"127.0.0.1 | | for="9.9.9.9~ | 127.0.0.1"#,
            r#"127.0.0.1 | | for="9.9.9.9\~ | 127.0.0.1"#,
            "127.0.0.1 | | for = 9.9.9.9~ | 127.0.0.1",
            "127.0.0.1 | | =9.9.9.9~ | 127.0.0.1",
            "127.0.0.1 | | for=~ | 127.0.0.1",
            "127.0.0.1 | | ~ | 127.0.0.1",
            "127.0.0.1 | | for=9.9.9.9;x=?, for=198.51.100.1~ | 127.0.0.1",
            r#"127.0.0.1 | | x="~for=198.51.100.1~ | 198.51.100.1"#,
            // The client sends the header that the proxy does not write.
            "127.0.0.1 | 198.51.100.1~ | for=9.9.9.9~ | 127.0.0.1",
            "127.0.0.1 | 9.9.9.9~ | for=198.51.100.1~ | 127.0.0.1",
            "127.0.0.1 | 198.51.100.1~ | nonsense~ | 127.0.0.1",
            r#"127.0.0.1 | 198.51.100.1~ | for="198.51.100.1:1"~ | 198.51.100.1"#,
            // What is no text does not take what a proxy appended out of sight.
            "127.0.0.1 | 9.9.9.9~?, 198.51.100.1~ | | 198.51.100.1",
            "127.0.0.1 | 9.9.9.9~?~ | | 127.0.0.1",
            "127.0.0.1 | 9.9.9.9,~ | | 127.0.0.1",
            "127.0.0.1 | 9.9.9.9, [[198.51.100.1]]~ | | 127.0.0.1",
            "127.0.0.1 | 9.9.9.9, fe80::1%eth0~ | | 127.0.0.1",
            "127.0.0.1 | 9.9.9.9, 0x7f.1~ | | 127.0.0.1",
        ]);
        let many = "10.0.0.1,".repeat(5000);
        let row = format!("127.0.0.1 | 9.9.9.9,{many}10.0.0.1~ | | 10.0.0.1");
        check(&[&row]);
    }
}
