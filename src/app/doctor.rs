//! Whether what a daemon needs is there: looked at without a daemon, and without changing anything.
//!
//! A finding is bad when something does not work, or will not when it is next needed, and stays so
//! until it is corrected; it is a warning when it works with a limitation, or will end soon.

mod finding;
mod provider;
mod store;

pub use finding::{Finding, Verdict};

use crate::config::Config;
use reqwest::Client;
use std::time::Duration;

/// Longest wait for an answer at the public address.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at everything that a configuration names.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let odd = |words: &String| Finding::new("configuration", Verdict::Warning, words);
    let mut findings: Vec<Finding> = config.warnings.iter().map(odd).collect();
    findings.extend(store::examine(config));
    findings.extend(provider::examine(config).await);
    findings.push(public_url(&config.server.public_url).await);
    findings
}

fn client() -> Result<Client, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(concat!("hookherd/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE);
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

/// Whether a daemon answers at the public address, as seen from here.
async fn public_url(url: &str) -> Finding {
    let asked = async {
        let answer = client()?.get(format!("{url}/healthz")).send().await;
        let answer = answer.map_err(|error| format!("no response: {}", in_words(&error)))?;
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap_or_default();
        if status == 200 && body == r#"{"status":"ok"}"# {
            return Ok(());
        }
        Err(format!("Got HTTP {status}, but not from Hookherd"))
    };
    let (verdict, words) = match asked.await {
        Ok(()) if url.starts_with("http:") => (
            Verdict::Warning,
            format!("{url} is reachable, but only from this machine"),
        ),
        Ok(()) => (Verdict::Good, format!("{url} is reachable")),
        Err(why) => (
            Verdict::Bad,
            format!("{url}: {why}; the daemon must be running for this check"),
        ),
    };
    Finding::new("public address", verdict, words)
}
