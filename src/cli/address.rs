//! The daemon's address as people write it, checked.

use super::failed::Failed;
use url::Url;

/// Where the API begins; who pasted it with the address meant the address.
const API: &str = "/api/v2";

/// Whether a host is this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// A daemon's address: `http` or `https`, a host, perhaps a port and a path before `/api/v2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address(Url);

impl Address {
    /// Understands an address. Blanks around it, slashes at its end, and the API's own path are
    /// cut.
    pub(super) fn parse(text: &str) -> Result<Self, Failed> {
        let text = text.trim();
        let bad = |why: &str| {
            let words = format!("`{text}` is not a daemon address: {why}");
            Failed::new(words).coded("bad_url")
        };
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad("it contains a space or a line break"));
        }
        if !text.contains("://") {
            let host = text.trim_matches('/');
            let is_local = Url::parse(&format!("http://{host}")).is_ok_and(|u| is_loopback(&u));
            let scheme = if is_local { "http" } else { "https" };
            return Err(bad(&format!(
                "write it with http:// or https://, such as {scheme}://{host}"
            )));
        }
        let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("it must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let why = "it must not contain a user or password; put the API token in \
                       HOOKHERD_TOKEN";
            // The words quote the address, and must not quote a password.
            return Err(Failed::new(format!("the address of the daemon: {why}")).coded("bad_url"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it must end before `?` and `#`"));
        }
        let path = url.path().to_owned();
        let base = path.find(API).map_or(path.as_str(), |at| &path[..at]);
        url.set_path(base.trim_end_matches('/'));
        Ok(Self(url))
    }

    /// Whether it is on this machine: then no proxy is asked.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether TLS is spoken.
    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The path before the API's own one; empty in most cases.
    pub(super) fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Host and port, as in messages.
    pub(super) fn host_and_port(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        let port = self.0.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }

    /// The host alone.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The URL of a route below `/api/v2/`.
    pub(super) fn route(&self, route: &str) -> String {
        format!("{self}{API}/{route}")
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// A path of the API from its parts, each escaped: no id leads to another route. What cannot be
/// part of a path is refused, such as `../users`.
pub(super) fn route(parts: &[&str]) -> Result<String, Failed> {
    let mut path = String::new();
    for part in parts {
        // A part of dots alone is followed as a step, even when it is escaped; and a proxy may
        // read an escaped slash as one.
        let is_step = part.bytes().all(|b| b == b'.') || part.contains(['/', '\\']);
        if part.is_empty() || is_step {
            return Err(Failed::new(format!("`{part}` is not an id")).coded("bad_id"));
        }
        if !path.is_empty() {
            path.push('/');
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                path.push(char::from(byte));
            } else {
                use std::fmt::Write as _;
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    Ok(path)
}

/// A query string from the pairs that have a value; empty when none has.
pub(super) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            text.append_pair(name, value);
        }
    }
    let text = text.finish();
    if text.is_empty() {
        text
    } else {
        format!("?{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_to_what_was_meant() {
        for (text, meant) in [
            (" https://hooks.example.org/\n", "https://hooks.example.org"),
            ("HTTP://LocalHost:8080//", "http://localhost:8080"),
            ("https://h.example/hookherd/", "https://h.example/hookherd"),
            ("https://h.example/x/api/v2/whoami", "https://h.example/x"),
            ("http://[::1]:8080/api/v2", "http://[::1]:8080"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), meant, "{text}");
            assert_eq!(address.route("whoami"), format!("{meant}/api/v2/whoami"));
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_what_to_do() {
        for (text, says) in [
            ("hooks.example.org", "such as https://hooks.example.org"),
            ("localhost:8080", "such as http://localhost:8080"),
            ("127.0.0.1:8080/", "such as http://127.0.0.1:8080"),
            ("ftp://h.example", "http:// or https://"),
            ("https://", "empty host"),
            ("https://h.example:99999", "port"),
            ("https://h.example/?a=1", "before `?`"),
            ("https://h ex", "space"),
            ("https://u:secret@h.example", "user or password"),
        ] {
            let failed = Address::parse(text).unwrap_err();
            let words = failed.to_string();
            assert!(words.contains(says), "{text}: {words}");
            assert!(!words.contains("secret"), "{words}");
            assert_eq!(failed.code(), Some("bad_url"));
        }
    }

    #[test]
    fn no_id_changes_the_route() {
        let of = |id: &str| route(&["credentials", id]);
        assert_eq!(of("crd_1").unwrap(), "credentials/crd_1");
        assert_eq!(of("a?b#c d%").unwrap(), "credentials/a%3Fb%23c%20d%25");
        assert_eq!(of("ü\n").unwrap(), "credentials/%C3%BC%0A");
        for bad in ["", ".", "..", "...", "../users", "a/b", "a\\b"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn queries_leave_out_what_was_not_given_and_escape_the_rest() {
        assert_eq!(query(&[("a", None), ("b", None)]), "");
        assert_eq!(query(&[("a", Some("x y&z")), ("b", None)]), "?a=x+y%26z");
    }
}
