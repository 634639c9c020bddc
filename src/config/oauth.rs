//! Sign-in: our OAuth clients at the providers, and our GitHub App.

use super::ConfigError;
use super::layers::Written;
use super::values::{bad, base_url};
use crate::domain::secret::OauthSecret;
use serde::Deserialize;
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

/// Our OAuth client at an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oauth {
    /// Its id, which is not secret.
    pub client_id: String,
    /// Its secret; `None` for the device flow only.
    pub client_secret: Option<OauthSecret>,
}

/// Our GitHub App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubApp {
    /// Its id, or its client id.
    pub id: String,
    /// Its private key.
    pub private_key: Pem,
}

/// A private key; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem(pub Zeroizing<String>);

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(redacted)")
    }
}

/// The section `oauth` of a provider as it is written, without its secret.
#[derive(Deserialize)]
pub(super) struct Client {
    client_id: String,
}

impl Client {
    /// The client of this provider, if any.
    pub(super) fn checked(
        &self,
        provider: &str,
        written: &Written,
    ) -> Result<Option<Oauth>, ConfigError> {
        const EXPECTED: &str = "the id of an OAuth client, in visible ASCII characters";
        let key = |name: &str| format!("providers.{provider}.oauth.{name}");
        let client_id = self.client_id.clone();
        let secret = written.secret(&key("client_secret"));
        if client_id.is_empty() && secret.is_none() {
            return Ok(None);
        }
        if client_id.is_empty() || !client_id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(bad(&key("client_id"), &client_id, EXPECTED));
        }
        let secret = secret.map(|text| OauthSecret::new(text.to_string()));
        let client_secret = secret.transpose().map_err(|_| {
            let expected = "a secret in visible ASCII characters";
            bad(&key("client_secret"), "(not shown)", expected)
        })?;
        Ok(Some(Oauth {
            client_id,
            client_secret,
        }))
    }
}

/// The section `app` as it is written, without its key.
#[derive(Deserialize)]
pub(super) struct App {
    id: String,
}

impl App {
    /// The configured GitHub App, if any.
    pub(super) fn checked(&self, written: &Written) -> Result<Option<GithubApp>, ConfigError> {
        let (id, key) = (&self.id, written.secret("providers.github.app.private_key"));
        match (id.is_empty(), key) {
            (true, None) => Ok(None),
            (false, Some(key)) if id.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Ok(Some(GithubApp {
                    id: id.clone(),
                    private_key: Pem(lines(key)),
                }))
            }
            (_, Some(_) | None) => {
                let expected = "the App's id in letters and digits, and its private key beside it";
                Err(bad("providers.github.app.id", id, expected))
            }
        }
    }
}

/// A key whose line breaks were written as `\n`, because a variable must be one line.
fn lines(key: Zeroizing<String>) -> Zeroizing<String> {
    if key.contains('\n') {
        return key;
    }
    Zeroizing::new(key.replace("\\n", "\n"))
}

/// Where an installation's pages live: as configured, otherwise derived from its API's address.
pub(super) fn web_url(key: &str, text: &str, api_url: &Url) -> Result<Url, ConfigError> {
    if text.is_empty() {
        return Ok(derived(api_url));
    }
    base_url(text).map_err(|expected| bad(key, text, &expected))
}

/// `https://api.github.com` has its pages at `https://github.com`, `https://api.NAME.ghe.com` at
/// `https://NAME.ghe.com`; all others before the path of the API.
fn derived(api_url: &Url) -> Url {
    let mut url = api_url.clone();
    let host = url.host_str().unwrap_or_default().to_owned();
    let site = host
        .strip_prefix("api.")
        .filter(|site| *site == "github.com" || site.ends_with(".ghe.com"));
    if let Some(site) = site
        && url.set_host(Some(site)).is_err()
    {
        return url;
    }
    let path = url.path().trim_end_matches('/');
    let path = path
        .strip_suffix("/api/v3")
        .or_else(|| path.strip_suffix("/api/v4"))
        .unwrap_or(path)
        .to_owned();
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_from_the_address_of_the_api() {
        for (api, web) in [
            ("https://api.github.com", "https://github.com/"),
            ("https://api.acme.ghe.com", "https://acme.ghe.com/"),
            ("https://ghe.example/api/v3", "https://ghe.example/"),
            ("https://ghe.example/api/v3/", "https://ghe.example/"),
            ("https://gitlab.com/api/v4", "https://gitlab.com/"),
            (
                "https://dev.example/gitlab/api/v4",
                "https://dev.example/gitlab",
            ),
            ("http://127.0.0.1:99", "http://127.0.0.1:99/"),
            ("https://api.example.org", "https://api.example.org/"),
        ] {
            assert_eq!(derived(&api.parse().unwrap()).as_str(), web, "{api}");
        }
    }
}
