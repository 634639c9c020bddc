//! The providers that are configured, each with its ways to be asked.

use super::adapters::CallsToMetrics;
use super::start::StartError;
use crate::config::{Config, GithubInstance};
use crate::domain::id::Entropy;
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::time::Clock;
use crate::provider::Providers;
use crate::provider::github::{Github, GithubApp, GithubDecode};
use crate::provider::http::HttpConfig;
use crate::provider::oauth::OauthClient;
use std::sync::Arc;

/// How a GitHub installation is named.
pub(super) fn instance(github: &GithubInstance) -> Instance {
    Instance {
        provider: ProviderKind::Github,
        host: github.host.clone(),
    }
}

/// Everything that is configured.
pub(super) fn providers(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<Providers, StartError> {
    let mut providers = Providers::default();
    providers.add_decoder(ProviderKind::Github, Arc::new(GithubDecode::new(entropy)));
    for github in &config.github {
        add_github(&mut providers, github, clock)?;
    }
    Ok(providers)
}

fn add_github(
    providers: &mut Providers,
    github: &GithubInstance,
    clock: &Arc<dyn Clock>,
) -> Result<(), StartError> {
    let mut http = HttpConfig::new(github.api_url.clone());
    http.call_timeout = github.call_timeout;
    http.write_pause = github.write_pause;
    http.at_once_max = github.concurrency;
    if let Some(path) = &github.ca_file {
        http.ca_pem = Some(std::fs::read(path).map_err(StartError::Authority)?);
    }
    let kind = ProviderKind::Github;
    let observer = Arc::new(CallsToMetrics(kind.as_str()));
    let client = Arc::new(Github::new(&http, Arc::clone(clock), observer.clone())?);
    if let Some(oauth) = &github.oauth {
        let (id, secret) = (oauth.client_id.clone(), oauth.client_secret.clone());
        let grants = OauthClient::new(kind, &github.web_url, &http, id, secret, observer)?;
        providers.add_grants(instance(github), Arc::new(grants));
    }
    if let Some(app) = &github.app {
        let (client, key) = (Arc::clone(&client), &app.private_key.0);
        let app = GithubApp::new(client, instance(github), &app.id, key)?;
        providers.add_apps(instance(github), Arc::new(app));
    }
    providers.add_instance(instance(github), client);
    Ok(())
}
