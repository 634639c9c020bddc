//! The outbound proxy, if notifications are sent through it.

use super::host::Host;
use crate::domain::net::Network;
use crate::domain::net::hostname::normalised;
use std::fmt;
use url::Url;

/// A proxy. It looks up names itself, so addresses of names cannot be checked: only an operator can
/// decide to use one, who then trusts it to refuse private addresses.
#[derive(Clone)]
pub struct Proxy {
    url: Url,
    except: Vec<Except>,
}

#[derive(Clone)]
enum Except {
    All,
    /// The name and its subdomains.
    Name(String),
    Network(Network),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its URL may hold a password.
        f.debug_struct("Proxy")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy with user and password if its URL has them. Hosts in `no_proxy` are called directly,
    /// with all checks: names (including subdomains), addresses, networks, or `*`.
    pub fn new(url: Url, no_proxy: &[String]) -> Self {
        let except = no_proxy.iter().filter_map(|text| {
            let name = text.trim_start_matches('.');
            match text.parse() {
                Ok(network) => Some(Except::Network(network)),
                Err(_) if text == "*" => Some(Except::All),
                Err(_) => normalised(name).map(Except::Name),
            }
        });
        let except = except.collect();
        Self { url, except }
    }

    /// Whether a host is called through the proxy.
    pub(super) fn is_for(&self, host: &Host) -> bool {
        let is_except = |except: &Except| match (except, host) {
            (Except::All, _) => true,
            (Except::Name(name), Host::Name(host)) => {
                let before = host.strip_suffix(name.as_str());
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            (Except::Network(network), Host::Address(address)) => network.holds(*address),
            (Except::Name(_), Host::Address(_)) | (Except::Network(_), Host::Name(_)) => false,
        };
        !self.except.iter().any(is_except)
    }

    /// The proxy as reqwest wants it. Errors when it cannot use the URL.
    pub(super) fn as_reqwest(&self) -> reqwest::Result<reqwest::Proxy> {
        reqwest::Proxy::all(self.url.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_the_list_are_called_directly() {
        let proxy = |except: &[&str]| {
            let except: Vec<String> = except.iter().map(|text| (*text).to_owned()).collect();
            let url = Url::parse("http://ann:canary@proxy.example:3128").unwrap();
            Proxy::new(url, &except)
        };
        let list = proxy(&["internal.example", ".corp", "10.0.0.0/8", "not a name"]);
        for (host, expected) in [
            ("chat.example", true),
            ("internal.example", false),
            ("a.internal.example", false),
            ("xinternal.example", true),
            ("chat.corp", false),
            ("10.1.2.3", false),
            ("11.1.2.3", true),
            ("::1", true),
        ] {
            assert_eq!(list.is_for(&Host::parse(host).unwrap()), expected, "{host}");
        }
        assert!(!proxy(&["*"]).is_for(&Host::parse("chat.example").unwrap()));
        assert!(!format!("{list:?}").contains("canary"));
    }
}
