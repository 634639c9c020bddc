//! Names of hosts in one form, so that two spellings of a name are one name.

use url::Host;

/// Longest name in the DNS, without the trailing dot.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A host name in lower case and ASCII, without the trailing dot. `None` when it is no name: an
/// address in any notation, or what the DNS cannot hold.
pub fn normalised(text: &str) -> Option<String> {
    match Host::parse(text) {
        Ok(Host::Domain(name)) => undotted(&name),
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => None,
    }
}

/// A name that a parser of URLs has read, without the trailing dot.
pub fn undotted(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let fits = (1..=LABEL_BYTES_MAX).contains(&label.len());
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        fits && label.bytes().all(is_legal)
    };
    let is_name = name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label);
    is_name.then(|| name.to_ascii_lowercase())
}

/// Whether RFC 6761 reserves a normalised name for the machine itself.
pub fn is_local(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_one_name() {
        for text in [
            "chat.example",
            "Chat.EXAMPLE",
            "chat.example.",
            "ｃｈａｔ.example",
            "chat。example",
            "chat%2eexample",
        ] {
            assert_eq!(normalised(text).as_deref(), Some("chat.example"), "{text}");
        }
        assert_eq!(
            normalised("bücher.example").unwrap(),
            "xn--bcher-kva.example"
        );
        assert_eq!(normalised("a_b.local").unwrap(), "a_b.local");
    }

    #[test]
    fn addresses_and_what_the_dns_cannot_hold_are_no_names() {
        let long = "a".repeat(64);
        let longer = format!("{}.example", "a.".repeat(125));
        for text in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "[::1]",
            "::1",
            "",
            ".",
            "a..b",
            "a.b..",
            ".a",
            "a b",
            "a/b",
            "a@b",
            "a:1",
            "*.example",
            "a\u{0}b",
            &long,
            &longer,
        ] {
            assert_eq!(normalised(text), None, "{text}");
        }
        assert!(is_local("localhost") && is_local("a.localhost") && !is_local("localhost.a"));
    }
}
