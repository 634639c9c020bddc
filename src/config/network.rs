//! The outbound proxy.

use super::environment::Environment;
use super::error::ConfigError;
use super::values::bad;
use serde::Deserialize;
use std::fmt;
use url::Url;

/// A proxy for calls to providers.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its URL. May contain a user and a password.
    pub url: Url,
    /// Hosts that are called without it: names (including subdomains), addresses, networks.
    pub no_proxy: Vec<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.url.host_str())
            .field("no_proxy", &self.no_proxy)
            .finish_non_exhaustive()
    }
}

/// The usual variables, in order of precedence. `HTTP_PROXY` is not among them: it is for plain
/// HTTP, and a request to a CGI program can set it.
const USUAL: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const USUAL_NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The section as it is written.
#[derive(Deserialize)]
pub(super) struct Section {
    proxy: String,
    no_proxy: Vec<String>,
    proxy_from_environment: bool,
}

impl Section {
    /// The configured proxy, else that of the usual variables if they are enabled.
    pub(super) fn proxy(self, environment: &Environment) -> Result<Option<Proxy>, ConfigError> {
        const KEY: &str = "network.proxy";
        let mut no_proxy = self.no_proxy;
        if !self.proxy.is_empty() {
            let url = url(KEY, &self.proxy)?;
            return Ok(Some(Proxy { url, no_proxy }));
        }
        if !self.proxy_from_environment {
            return Ok(None);
        }
        let first = |names: &[&'static str]| {
            let found = names
                .iter()
                .map(|name| Ok((*name, environment.text(name)?)))
                .find(|found: &Result<_, ConfigError>| !matches!(found, Ok((_, None))));
            found.transpose()
        };
        let Some((name, Some(text))) = first(&USUAL)? else {
            return Ok(None);
        };
        if let Some((_, Some(hosts))) = first(&USUAL_NONE)? {
            let hosts = hosts.split(',').map(str::trim);
            no_proxy.extend(hosts.filter(|host| !host.is_empty()).map(str::to_owned));
        }
        let url = url(name, &text)?;
        Ok(Some(Proxy { url, no_proxy }))
    }
}

/// A host and port alone mean a plain HTTP proxy, as in other programs.
fn url(key: &str, text: &str) -> Result<Url, ConfigError> {
    const EXPECTED: &str = "the http:// or https:// URL of a proxy, such as \
                            \"http://proxy.example:3128\"";
    // The value is not shown: it may hold a password.
    let fail = || bad(key, "(not shown)", EXPECTED);
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&full).map_err(|_| fail())?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none();
    let is_text = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let is_known = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_bare || !is_text || !is_known || url.fragment().is_some() {
        return Err(fail());
    }
    Ok(url)
}
