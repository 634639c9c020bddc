//! Installations of providers.

use super::ConfigError;
use super::layers::Written;
use super::oauth::{self, GithubApp, Oauth};
use super::values::{api_url, bad, duration, interval, within};
use crate::domain::repo::Host;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// An installation of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Base of its REST API.
    pub api_url: Url,
    /// The URL of its web pages.
    pub web_url: Url,
    /// The host by which users refer to it.
    pub host: Host,
    /// Our OAuth client there.
    pub oauth: Option<Oauth>,
    /// Our GitHub App there.
    pub app: Option<GithubApp>,
    /// More certificate authorities to trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// Timeout of a request.
    pub call_timeout: Duration,
    /// Pause between writes with one token.
    pub write_pause: Duration,
    /// Most concurrent calls.
    pub concurrency: usize,
}

/// The sections of all kinds of providers.
#[derive(Deserialize)]
pub(super) struct Providers {
    pub(super) github: Provider,
    pub(super) gitlab: Provider,
}

/// A section as it is written.
#[derive(Deserialize)]
pub(super) struct Provider {
    api_url: String,
    web_url: String,
    more_api_urls: Vec<String>,
    ca_file: PathBuf,
    #[serde(deserialize_with = "interval")]
    call_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    write_pause: Duration,
    #[serde(deserialize_with = "within::<_, 1, 100>")]
    concurrency: usize,
    oauth: oauth::Client,
    app: Option<oauth::App>,
}

impl Provider {
    /// The installations; the first is the one of `api_url`. An empty URL names none; a variable
    /// cannot be empty, and uses `none`.
    pub(super) fn installations(
        &self,
        name: &str,
        written: &Written,
    ) -> Result<Vec<Installation>, ConfigError> {
        let mut installations: Vec<Installation> = Vec::new();
        let key = |key: &str| format!("providers.{name}.{key}");
        let client = self.oauth.checked(name, written)?;
        let app = self.app.as_ref().map(|app| app.checked(written));
        let app = app.transpose()?.flatten();
        let has_main = !["", "none", "off"].contains(&self.api_url.to_lowercase().as_str());
        let main = Some(&self.api_url).filter(|_| has_main);
        for text in main.into_iter().chain(&self.more_api_urls) {
            // OAuth client and App are registered with one installation and unknown to the others.
            let is_main = has_main && installations.is_empty();
            let name = if is_main { "api_url" } else { "more_api_urls" };
            let (api_url, host) =
                api_url(text).map_err(|expected| bad(&key(name), text, &expected))?;
            if installations.iter().any(|known| known.host == host) {
                let expected = "a host that is not configured yet";
                return Err(bad(&key(name), text, expected));
            }
            let web_url = if is_main { &self.web_url } else { "" };
            installations.push(Installation {
                web_url: oauth::web_url(&key("web_url"), web_url, &api_url)?,
                oauth: client.clone().filter(|_| is_main),
                app: app.clone().filter(|_| is_main),
                api_url,
                host,
                ca_file: Some(self.ca_file.clone()).filter(|path| !path.as_os_str().is_empty()),
                call_timeout: self.call_timeout,
                write_pause: self.write_pause,
                concurrency: self.concurrency,
            });
        }
        Ok(installations)
    }
}
