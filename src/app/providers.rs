//! The providers that are configured, each with its ways to be asked.

use super::failure::StartError;
use crate::config::{Config, Installation};
use crate::domain::id::Entropy;
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::time::Clock;
use crate::provider::egress::Egress;
use crate::provider::github::{Github, GithubApp, GithubDecode};
use crate::provider::gitlab::{Gitlab, GitlabDecode};
use crate::provider::http::HttpConfig;
use crate::provider::oauth::OauthClient;
use crate::provider::{Decode, Hooks, Providers};
use std::sync::Arc;

/// What is configured of a kind.
pub(super) fn installations(config: &Config, kind: ProviderKind) -> &[Installation] {
    match kind {
        ProviderKind::Github => &config.github,
        ProviderKind::Gitlab => &config.gitlab,
    }
}

fn instance(provider: ProviderKind, installation: &Installation) -> Instance {
    Instance {
        provider,
        host: installation.host.clone(),
    }
}

/// The first installation of each kind: who names no host means that one.
pub(super) fn default_instances(config: &Config) -> Vec<Instance> {
    let first = |kind| {
        let first = installations(config, kind).first()?;
        Some(instance(kind, first))
    };
    ProviderKind::ALL.into_iter().filter_map(first).collect()
}

/// Everything that is configured.
pub(super) fn providers(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<Providers, StartError> {
    let mut providers = Providers::default();
    for kind in ProviderKind::ALL {
        let installations = installations(config, kind);
        if installations.is_empty() {
            continue;
        }
        let decoder: Arc<dyn Decode> = match kind {
            ProviderKind::Github => Arc::new(GithubDecode::new(entropy)),
            ProviderKind::Gitlab => Arc::new(GitlabDecode::new(entropy)),
        };
        providers.add_decoder(kind, decoder);
        for installation in installations {
            let http = http(kind, installation, config)?;
            add(&mut providers, kind, installation, &http, clock)?;
        }
    }
    Ok(providers)
}

fn add(
    providers: &mut Providers,
    kind: ProviderKind,
    installation: &Installation,
    http: &HttpConfig,
    clock: &Arc<dyn Clock>,
) -> Result<(), StartError> {
    let instance = instance(kind, installation);
    let failed = |error| StartError::Provider(kind, error);
    let clock = Arc::clone(clock);
    let client: Arc<dyn Hooks> = match kind {
        ProviderKind::Github => {
            let client = Arc::new(Github::new(http, clock, &instance).map_err(failed)?);
            if let Some(app) = &installation.app {
                let (own, key) = (Arc::clone(&client), &app.private_key.0);
                let app = GithubApp::new(own, instance.clone(), &app.id, key)?;
                providers.add_apps(instance.clone(), Arc::new(app));
            }
            client
        }
        ProviderKind::Gitlab => Arc::new(Gitlab::new(http, clock, &instance).map_err(failed)?),
    };
    if let Some(oauth) = &installation.oauth {
        let (id, secret) = (oauth.client_id.clone(), oauth.client_secret.clone());
        let web_url = &installation.web_url;
        let grants = OauthClient::new(kind, web_url, http, id, secret).map_err(failed)?;
        providers.add_grants(instance.clone(), Arc::new(grants));
    }
    providers.add_web(instance.clone(), installation.web_url.as_str());
    providers.add_instance(instance, client);
    Ok(())
}

/// The configured way out.
fn egress(config: &Config) -> Option<Egress> {
    let proxy = config.proxy.as_ref()?;
    Some(Egress::new(proxy.url.clone(), &proxy.no_proxy))
}

/// How an installation is called.
pub(super) fn http(
    kind: ProviderKind,
    installation: &Installation,
    config: &Config,
) -> Result<HttpConfig, StartError> {
    let mut http = HttpConfig::new(installation.api_url.clone());
    http.call_timeout = installation.call_timeout;
    http.write_pause = installation.write_pause;
    http.at_once_max = installation.concurrency;
    http.proxy = egress(config);
    if let Some(path) = &installation.ca_file {
        let failed = |error| StartError::Authority(kind, error);
        http.ca_pem = Some(std::fs::read(path).map_err(failed)?);
    }
    Ok(http)
}
