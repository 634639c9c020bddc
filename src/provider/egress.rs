//! The outbound proxy between us and the providers, or none. No client reads the proxy variables of
//! its environment: only the configuration counts.

use std::fmt;
use url::Url;

/// A proxy for requests: HTTPS by `CONNECT`, so that it sees only the host.
#[derive(Clone)]
pub struct Egress {
    url: Url,
    no_proxy: String,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its URL may hold a password.
        f.debug_struct("Egress")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

impl Egress {
    /// A proxy with user and password if its URL has them. Hosts in `no_proxy` are called directly:
    /// names (including subdomains), addresses, networks such as `10.0.0.0/8`, or `*`.
    pub fn new(url: Url, no_proxy: &[String]) -> Self {
        let no_proxy = no_proxy.join(",");
        Self { url, no_proxy }
    }

    /// Sends the requests of a client through the proxy. Errors when reqwest cannot use its URL.
    pub fn apply(&self, client: reqwest::ClientBuilder) -> reqwest::Result<reqwest::ClientBuilder> {
        let except = reqwest::NoProxy::from_string(&self.no_proxy);
        let proxy = reqwest::Proxy::all(self.url.clone())?.no_proxy(except);
        Ok(client.proxy(proxy))
    }
}
