//! What the configuration says of each provider, held against what the provider itself says.

use super::finding::{Finding, Verdict};
use crate::app::providers::{http, installations};
use crate::app::{StartError, SystemClock, SystemEntropy};
use crate::config::{Config, GithubApp as AppConfig, Installation, Oauth};
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{Entropy, UserId};
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::secret::OauthSecret;
use crate::domain::time::{Clock, Timestamp};
use crate::provider::ProviderError;
use crate::provider::github::{AppIdentity, Github, GithubApp};
use crate::provider::http::HttpConfig;
use crate::provider::oauth::{GrantError, GrantFailure, Grants, OauthClient};
use crate::provider::probe::probe;
use data_encoding::HEXLOWER;
use std::sync::Arc;
use std::time::Duration;

/// Clocks that differ by less agree: an answer takes its time, and its date has only seconds.
const APART_MAX: Duration = Duration::from_millis(APART_MAX_MS);
const APART_MAX_MS: u64 = 30_000;
/// By more than this GitLab's signed deliveries are refused as stale; GitHub's limit for what our
/// App signs is shorter.
const APART_BAD: Duration = Duration::from_mins(5);
/// The right that an App needs.
const APP_RIGHT: &str = "repository_hooks:write";

/// One installation under examination.
struct Subject<'a> {
    kind: ProviderKind,
    installation: &'a Installation,
    http: HttpConfig,
    public_url: &'a str,
}

/// Every installation that is configured, and whether our clock agrees with theirs.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut clocks = Vec::new();
    for kind in ProviderKind::ALL {
        for installation in installations(config, kind) {
            let what = format!("provider {} ({kind})", installation.host);
            let http = match http(kind, installation, config) {
                Ok(http) => http,
                Err(error) => {
                    findings.push(Finding::new(what, Verdict::Bad, error.to_string()));
                    continue;
                }
            };
            let subject = Subject {
                kind,
                installation,
                http,
                public_url: &config.server.public_url,
            };
            let (finding, apart) = subject.api(what).await;
            findings.push(finding);
            clocks.extend(apart.map(|apart| (apart, &installation.host)));
            if let Some(oauth) = &installation.oauth {
                findings.push(subject.sign_in(oauth).await);
            }
            if let Some(app) = &installation.app {
                findings.push(subject.app(app, apart).await);
            }
        }
    }
    let worst = clocks.into_iter().max_by_key(|(apart, _)| apart.abs());
    findings.extend(worst.map(|(apart, host)| clock(apart, host.as_str())));
    findings
}

/// How many milliseconds we are ahead of a time in the answer to a request. Within
/// the second that it names, and the time that the question took, there is no difference.
fn apart(asked: Timestamp, theirs: Timestamp, heard: Timestamp) -> i64 {
    let (earliest, latest) = (theirs.0, theirs.0.saturating_add(1000));
    if asked.0 > latest {
        asked.0 - latest
    } else {
        heard.0.saturating_sub(earliest).min(0)
    }
}

fn clock(apart: i64, host: &str) -> Finding {
    let by = Duration::from_millis(apart.unsigned_abs());
    let seconds = by.as_secs();
    let side = if apart > 0 { "ahead of" } else { "behind" };
    let (verdict, words) = if by > APART_BAD {
        let words = format!(
            "this machine's clock is {seconds} seconds {side} {host}: correct it. GitHub \
             rejects App tokens from a wrong clock, and GitLab's signed deliveries count as \
             stale"
        );
        (Verdict::Bad, words)
    } else if by > APART_MAX {
        let words = format!(
            "this machine's clock is {seconds} seconds {side} {host}: correct \
                             it"
        );
        (Verdict::Warning, words)
    } else {
        (Verdict::Good, format!("agrees with {host}"))
    };
    Finding::new("clock", verdict, words)
}

impl Subject<'_> {
    /// Whether the API is there. No token is sent.
    async fn api(&self, what: String) -> (Finding, Option<i64>) {
        let asked = SystemClock.now();
        let probed = probe(self.kind, &self.http).await;
        let heard = SystemClock.now();
        let url = &self.installation.api_url;
        match probed {
            Ok(probed) => {
                let words = format!("{url} is an API");
                let apart = probed.clock.map(|theirs| apart(asked, theirs, heard));
                (Finding::new(what, Verdict::Good, words), apart)
            }
            Err(error) => {
                let words = format!("{url}: {error}");
                (Finding::new(what, Verdict::Bad, words), None)
            }
        }
    }

    /// Our OAuth client: the provider is asked for what it never gives, tokens for a code that is
    /// none. Whether it refuses the code or the client shows whether the client is right.
    async fn sign_in(&self, oauth: &Oauth) -> Finding {
        let (kind, web_url) = (self.kind, &self.installation.web_url);
        let what = format!("sign-in with {kind} at {}", self.installation.host);
        let back = format!("{}/api/v2/oauth/{kind}/callback", self.public_url);
        let (id, secret) = (oauth.client_id.clone(), oauth.client_secret.clone());
        let has_secret = secret.is_some();
        let client = match OauthClient::new(kind, web_url, &self.http, id, secret) {
            Ok(client) => client,
            Err(error) => return Finding::new(what, Verdict::Bad, error.to_string()),
        };
        let asked = if has_secret {
            let (code, verifier) = (no_code(), no_code());
            client.exchange(&code, &verifier, &back).await.map(drop)
        } else {
            client.device_begin().await.map(drop)
        };
        let (verdict, words) = match asked {
            Ok(())
            | Err(GrantError {
                failure: GrantFailure::Refused,
                ..
            }) if has_secret => {
                let words = format!(
                    "the client is registered at {web_url}; its redirect URL there \
                             must be {back}"
                );
                (Verdict::Good, words)
            }
            Ok(()) => {
                let words = "without a client secret, only device sign-in works";
                (Verdict::Warning, words.to_owned())
            }
            Err(error) => (Verdict::Bad, refused(kind, web_url.as_str(), &error)),
        };
        Finding::new(what, verdict, words)
    }

    async fn ask_app(&self, app: &AppConfig) -> Result<AppIdentity, NoApp> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let unusable = |error: &dyn std::fmt::Display| NoApp::Unusable(error.to_string());
        let instance = Instance {
            provider: self.kind,
            host: self.installation.host.clone(),
        };
        let github = Github::new(&self.http, clock, &instance).map_err(|e| unusable(&e))?;
        let key = &app.private_key.0;
        let asked = GithubApp::new(Arc::new(github), instance, &app.id, key);
        let asked = asked.map_err(|e| unusable(&StartError::from(e)))?;
        let errand = Errand::of_person(UserId::from_u128(0));
        asked.identity(errand).await.map_err(NoApp::Refused)
    }

    /// Our App: the key can sign, GitHub knows the App, and the App may do what is needed.
    async fn app(&self, app: &AppConfig, apart: Option<i64>) -> Finding {
        let host = &self.installation.host;
        let what = format!("GitHub App at {host}");
        let (verdict, words) = match self.ask_app(app).await {
            Ok(known) if !known.rights.iter().any(|right| right == APP_RIGHT) => {
                let words = format!(
                    "registered at {host} as {}, but it lacks the repository permission \
                     Webhooks (read and write)",
                    known.slug
                );
                (Verdict::Bad, words)
            }
            Ok(known) => {
                let words = format!(
                    "registered at {host} as {}; the private key is valid",
                    known.slug
                );
                (Verdict::Good, words)
            }
            Err(NoApp::Unusable(why)) => (Verdict::Bad, why),
            Err(NoApp::Refused(error)) => {
                let is_right = apart.is_some_and(|ms| ms.unsigned_abs() <= APART_MAX_MS);
                let words = if is_right && error.code == ErrorCode::AppRefused {
                    format!(
                        "{error} The clock is right, so the private key belongs to another App \
                         than {}, or there is no such App.",
                        app.id
                    )
                } else {
                    error.to_string()
                };
                (Verdict::Bad, words)
            }
        };
        Finding::new(what, verdict, words)
    }
}

/// Why nothing is known of our App.
enum NoApp {
    /// The provider could not be asked.
    Unusable(String),
    /// GitHub was asked.
    Refused(ProviderError),
}

/// A token that no provider issued.
fn no_code() -> OauthSecret {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    OauthSecret::new(HEXLOWER.encode(&bytes)).expect("hex digits are visible characters")
}

/// Why our client does not work, and what to do about it.
fn refused(kind: ProviderKind, web_url: &str, error: &GrantError) -> String {
    let settings = format!("providers.{kind}");
    match error.failure {
        GrantFailure::Misconfigured | GrantFailure::Refused => format!(
            "{web_url}: {error} Check {settings}.oauth.client_id and client_secret, and that \
             {settings}.web_url is the URL of its web pages."
        ),
        GrantFailure::Unknown => {
            format!("{web_url}: {error} Check that {settings}.web_url is the URL of its web pages.")
        }
        GrantFailure::Retryable { .. } => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_apart_by_what_an_answer_cannot_explain() {
        let at = |seconds: i64| Timestamp(seconds * 1000);
        // Asked, theirs, heard; how far we are ahead.
        for (asked, theirs, heard, ahead) in [
            (100, 100, 101, 0),
            (100, 105, 110, 0),
            (200, 100, 201, 99),
            (100, 200, 101, -99),
        ] {
            assert_eq!(apart(at(asked), at(theirs), at(heard)), ahead * 1000);
        }
        for (ahead, verdict) in [
            (0, Verdict::Good),
            (-30, Verdict::Good),
            (31, Verdict::Warning),
            (-300, Verdict::Warning),
            (301, Verdict::Bad),
        ] {
            let found = clock(ahead * 1000, "host");
            assert_eq!(found.verdict, verdict, "{found:?}");
            let side = if ahead > 0 { "ahead" } else { "behind" };
            assert!(verdict == Verdict::Good || found.words.contains(side));
        }
    }
}
