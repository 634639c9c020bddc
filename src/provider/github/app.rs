//! Our GitHub App: its installations and their tokens.

use super::client::Github;
use super::errors;
use super::jwt::{KeyError, Signer};
use super::wire::{AppBody, InstallationBody, InstallationTokenBody};
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::Failure;
use crate::domain::repo::Instance;
use crate::domain::secret::ProviderToken;
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, scopes_reported};
use crate::provider::budget::TokenKey;
use crate::provider::dialect::Asked;
use crate::provider::http::Answer;
use crate::provider::oauth::{Apps, Installation, InstallationToken};
use crate::provider::outbound::{Access, Calling, ProviderError};
use reqwest::Method;
use std::collections::BTreeMap;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Our app at a GitHub installation.
#[derive(Debug)]
pub struct GithubApp {
    github: Arc<Github>,
    instance: Instance,
    signer: Signer,
    /// Its tokens change with every call; GitHub limits the app.
    key: TokenKey,
}

impl GithubApp {
    /// The app with this id (or client id) and private key in PEM.
    pub fn new(
        github: Arc<Github>,
        instance: Instance,
        app_id: &str,
        pem: &str,
    ) -> Result<Self, KeyError> {
        let signer = Signer::new(app_id, pem)?;
        Ok(Self {
            github,
            instance,
            signer,
            key: TokenKey::named(&format!("app {app_id}")),
        })
    }

    /// Makes one request as the app itself.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        method: Method,
        path: String,
        errand: Errand,
        read: fn(&Answer) -> Result<T, ProviderError>,
    ) -> Calling<'a, T> {
        Box::pin(async move {
            let access = Access {
                instance: self.instance.clone(),
                token: self.signer.token(self.github.clock.now()),
                errand,
                is_probe: false,
            };
            let caller = &self.github.caller;
            let asked = async {
                let mut session = self.github.session(&access).within(self.key);
                // An unused token does no harm: the request may be repeated.
                let answer = session.put(method, &path, None).await.map_err(as_app)?;
                if answer.status.is_success() {
                    read(&answer)
                } else {
                    Err(refusal(&answer))
                }
            };
            caller.observed(operation, asked).await
        })
    }
}

/// An error of the app's own token never concerns a user: it says nothing about the installation.
fn as_app(error: ProviderError) -> ProviderError {
    if error.failure != Failure::Unauthorized {
        return error;
    }
    ProviderError::refused(
        Failure::Rejected,
        ErrorCode::AppRefused,
        "GitHub refuses the GitHub App. Check providers.github.app.id, its private key, and the \
         clock of this machine.",
    )
}

fn refusal(answer: &Answer) -> ProviderError {
    let error = errors::refusal(answer, Asked::Own);
    // Only an explicit answer ends a credential: an IP allow list, for example, also answers 403.
    let is_suspended = error.code == ErrorCode::AccountSuspended;
    match answer.status.as_u16() {
        403 if !is_suspended => error,
        403 | 404 => ProviderError::refused(
            Failure::Unauthorized,
            ErrorCode::Unauthorized,
            "The installation of the GitHub App does not exist or is suspended.",
        ),
        _ => error,
    }
}

fn read_installation(answer: &Answer) -> Result<Installation, ProviderError> {
    let body: InstallationBody = errors::parse(answer)?;
    Ok(Installation {
        account: Account::reported(body.account.id, &body.account.login),
        rights: rights(&body.permissions),
    })
}

fn read_token(answer: &Answer) -> Result<InstallationToken, ProviderError> {
    let body: InstallationTokenBody = errors::parse(answer)?;
    let unusable = |_| errors::bad_answer("an invalid installation token");
    let token = ProviderToken::new(body.token).map_err(unusable)?;
    let expires_at = OffsetDateTime::parse(&body.expires_at, &Rfc3339);
    let expires_at = expires_at.map_err(|_| errors::bad_answer("an invalid time"))?;
    let ms = expires_at.unix_timestamp_nanos() / 1_000_000;
    Ok(InstallationToken {
        token,
        expires_at: Timestamp(i64::try_from(ms).unwrap_or(i64::MAX)),
    })
}

/// Our app, as GitHub describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppIdentity {
    /// Its name in URLs.
    pub slug: String,
    /// The rights of its installations, as `right:level`.
    pub rights: Vec<String>,
}

fn rights(permissions: &BTreeMap<String, String>) -> Vec<String> {
    let rights = permissions.iter();
    let rights: Vec<String> = rights
        .map(|(right, level)| format!("{right}:{level}"))
        .collect();
    scopes_reported(rights.iter().map(String::as_str))
}

impl GithubApp {
    /// Asks GitHub for our identity: whether the app with our id exists and the key belongs to it.
    pub async fn identity(&self, errand: Errand) -> Result<AppIdentity, ProviderError> {
        let access = Access {
            instance: self.instance.clone(),
            token: self.signer.token(self.github.clock.now()),
            errand,
            is_probe: false,
        };
        let mut session = self.github.session(&access).within(self.key);
        let answer = session.put(Method::GET, "app", None).await;
        let answer = answer.map_err(as_app)?;
        match answer.status.as_u16() {
            200 => {
                let body: AppBody = errors::parse(&answer)?;
                Ok(AppIdentity {
                    slug: Account::reported(body.id, &body.slug).login,
                    rights: rights(&body.permissions),
                })
            }
            404 => Err(ProviderError::refused(
                Failure::Rejected,
                ErrorCode::AppRefused,
                "GitHub has no App with this id. Check providers.github.app.id.",
            )),
            _ => Err(errors::refusal(&answer, Asked::Own)),
        }
    }
}

impl Apps for GithubApp {
    fn installation(&self, id: u64, errand: Errand) -> Calling<'_, Installation> {
        let path = format!("app/installations/{id}");
        self.ask("installation", Method::GET, path, errand, read_installation)
    }

    fn installation_token(&self, id: u64, errand: Errand) -> Calling<'_, InstallationToken> {
        let path = format!("app/installations/{id}/access_tokens");
        self.ask("installation_token", Method::POST, path, errand, read_token)
    }
}
