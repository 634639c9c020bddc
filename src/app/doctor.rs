//! Whether what a daemon needs is there: looked at without a daemon, and without changing anything.

use super::providers::{egress, providers};
use super::{SystemClock, SystemEntropy};
use crate::config::{Config, Installation};
use crate::domain::repo::ProviderKind;
use crate::domain::time::{Clock, Timestamp};
use crate::provider::egress::Egress;
use crate::seal::ring::{KeyError, KeyRing, MasterKey, canary_fits};
use crate::store::disk::OpenError;
use crate::store::tools;
use reqwest::{Certificate, Client};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for anybody's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The thing.
    pub what: String,
    /// Whether it will do.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub words: String,
}

/// Whether a thing will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Good,
    /// Yes, with a limitation.
    Warning,
    /// No.
    Bad,
}

impl Verdict {
    /// The name used in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "FAILED",
        }
    }
}

impl Finding {
    /// A finding about a thing.
    pub fn new(what: impl Into<String>, verdict: Verdict, words: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict,
            words: words.into(),
        }
    }
}

/// Looks at everything that a configuration names.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let odd = |words: &String| Finding::new("configuration", Verdict::Warning, words);
    let mut findings: Vec<Finding> = config.warnings.iter().map(odd).collect();
    findings.push(data_dir(&config.server.data_dir));
    findings.extend(keys(config));
    let proxy = egress(config);
    let proxy = proxy.as_ref();
    for installation in config.github.iter().chain(&config.gitlab) {
        findings.push(provider(installation, proxy).await);
    }
    for (kind, all) in [
        (ProviderKind::Github, &config.github),
        (ProviderKind::Gitlab, &config.gitlab),
    ] {
        for installation in all {
            let public_url = &config.server.public_url;
            findings.extend(client_of(kind, installation, public_url, proxy).await);
        }
    }
    findings.extend(app(config));
    findings.push(public_url(&config.server.public_url).await);
    findings
}

/// The master key, and whether it fits the store.
fn keys(config: &Config) -> Vec<Finding> {
    let told = |verdict, words: &str| Finding::new("master key", verdict, words);
    let ring = config.seal_key.as_ref().ok_or(KeyError::Missing);
    let ring = ring.and_then(|key| {
        let keys = MasterKey::parse_list(&key.0)?;
        KeyRing::new(&keys, Arc::new(SystemEntropy))
    });
    let ring = match ring {
        Ok(ring) => ring,
        Err(error) => return vec![told(Verdict::Bad, &error.to_string())],
    };
    let dir = config.server.data_dir.display();
    let store = |verdict, words| Finding::new("store", verdict, words);
    match tools::canary(&config.server.data_dir) {
        Ok(Some(canary)) if canary_fits(&ring, &canary) => vec![
            told(Verdict::Good, "it fits the store"),
            stored(&config.server.data_dir),
        ],
        Ok(Some(_)) => vec![told(Verdict::Bad, "it does not fit the store")],
        Ok(None) => vec![
            told(Verdict::Good, "it can be used"),
            match tools::health(&config.server.data_dir) {
                Err(OpenError::Missing(_)) => {
                    let words =
                        format!("{dir} holds none; the first start makes it. Is its disk mounted?");
                    store(Verdict::Warning, words)
                }
                Ok(_) | Err(_) => stored(&config.server.data_dir),
            },
        ],
        Err(OpenError::InUse(_)) => vec![
            told(Verdict::Good, "it can be used"),
            store(Verdict::Good, used(&config.server.data_dir)),
        ],
        Err(error) => vec![store(Verdict::Bad, error.to_string())],
    }
}

/// Which store it is, in words.
fn name_of(dir: &Path) -> String {
    let dir_name = dir.display();
    match tools::identity(dir) {
        Some(id) => {
            let born = in_days(id.created_at());
            format!("{dir_name} holds {id}, made {born}")
        }
        None => format!("{dir_name} holds one without a name; the next start gives it one"),
    }
}

fn in_days(at: Timestamp) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(at.0 / 1000);
    at.map_or_else(|_| "at no time".to_owned(), |at| at.date().to_string())
}

fn used(dir: &Path) -> String {
    format!("{}; a daemon uses it", name_of(dir))
}

/// Whether a store that no daemon uses is whole.
fn stored(dir: &Path) -> Finding {
    let words = name_of(dir);
    let (verdict, words) = match tools::health(dir) {
        Ok(health) if !health.missing.is_empty() => {
            let gone = health.missing.join("; ");
            let words = format!("{words}; a part of it is gone, and it is not started: {gone}");
            (Verdict::Bad, words)
        }
        Ok(health) if !health.harmed.is_empty() => {
            let harmed = health.harmed.join("; ");
            let words = format!("{words}; harmed, and made anew at the next start: {harmed}");
            (Verdict::Warning, words)
        }
        Ok(_) => (Verdict::Good, words),
        Err(error) => (Verdict::Bad, error.to_string()),
    };
    Finding::new("store", verdict, words)
}

/// Whether the data directory, or the place where it will be made, can be written.
fn data_dir(dir: &Path) -> Finding {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let there = absolute.ancestors().find(|path| path.exists());
    let there = there.unwrap_or(Path::new("/"));
    let (verdict, words) = match tempfile::tempfile_in(there) {
        Ok(_) => (Verdict::Good, format!("{} can be written", there.display())),
        Err(error) => (Verdict::Bad, format!("{}: {error}", there.display())),
    };
    Finding::new("data directory", verdict, words)
}

fn client(ca_file: Option<&Path>, proxy: Option<&Egress>) -> Result<Client, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder()
        .user_agent(concat!("hookherd/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE);
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|e| e.to_string())?;
        client = client.tls_certs_merge(certificates);
    }
    if let Some(proxy) = proxy {
        client = proxy.apply(client).map_err(|error| error.to_string())?;
    }
    client.build().map_err(|error| error.to_string())
}

/// The words of an error and of what caused it: the cause is what helps.
fn in_words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Whether an installation answers at all. Nobody's token is shown to it.
async fn provider(installation: &Installation, proxy: Option<&Egress>) -> Finding {
    let url = &installation.api_url;
    let asked = async {
        let client = client(installation.ca_file.as_deref(), proxy)?;
        let answer = client.get(url.clone()).send().await;
        answer.map_err(|error| in_words(&error))
    };
    let (verdict, words) = match asked.await {
        Ok(_) => (Verdict::Good, format!("{url} answers")),
        Err(why) => (Verdict::Bad, format!("{url} does not answer: {why}")),
    };
    Finding::new(format!("provider {}", installation.host), verdict, words)
}

/// Our OAuth client at an installation: what must be registered there, and whether the pages are
/// there where users agree. Whether the provider knows the client, only a sign-in tells.
async fn client_of(
    kind: ProviderKind,
    installation: &Installation,
    public_url: &str,
    proxy: Option<&Egress>,
) -> Option<Finding> {
    let oauth = installation.oauth.as_ref()?;
    let url = &installation.web_url;
    let asked = async {
        let client = client(installation.ca_file.as_deref(), proxy)?;
        let answer = client.get(url.clone()).send().await;
        answer.map_err(|error| in_words(&error))
    };
    let (verdict, words) = match (asked.await, &oauth.client_secret) {
        (Err(why), _) => (Verdict::Bad, format!("{url} does not answer: {why}")),
        (Ok(_), None) => {
            let words = "without a client secret only devices can sign in";
            (Verdict::Warning, words.to_owned())
        }
        (Ok(_), Some(_)) => {
            let back = format!("{public_url}/api/v2/oauth/{kind}/callback");
            let words = format!("{back} has to be its redirect URL at the provider");
            (Verdict::Good, words)
        }
    };
    let what = format!("sign-in with {kind} at {}", installation.host);
    Some(Finding::new(what, verdict, words))
}

/// Whether the private key of our App can sign.
fn app(config: &Config) -> Option<Finding> {
    config.github.iter().find(|one| one.app.is_some())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (verdict, words) = match providers(config, &clock, &SystemEntropy) {
        Ok(_) => (Verdict::Good, "its private key can sign".to_owned()),
        Err(error) => (Verdict::Bad, error.to_string()),
    };
    Some(Finding::new("GitHub App", verdict, words))
}

/// Whether a daemon answers at the public address, as seen from here.
async fn public_url(url: &str) -> Finding {
    let asked = async {
        let answer = client(None, None)?
            .get(format!("{url}/healthz"))
            .send()
            .await;
        let answer = answer.map_err(|error| format!("nobody answers: {}", in_words(&error)))?;
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap_or_default();
        if status == 200 && body == r#"{"status":"ok"}"# {
            return Ok(());
        }
        Err(format!("somebody answers with {status}, but no hookherd"))
    };
    let (verdict, words) = match asked.await {
        Ok(()) if url.starts_with("http:") => (
            Verdict::Warning,
            format!("a daemon answers at {url}, which only this machine can reach"),
        ),
        Ok(()) => (Verdict::Good, format!("a daemon answers at {url}")),
        Err(why) => (
            Verdict::Bad,
            format!("{url}: {why}; the daemon has to run for this"),
        ),
    };
    Finding::new("public address", verdict, words)
}
