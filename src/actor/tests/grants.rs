//! A provider of grants whose refresh tokens are used once, as real ones are, and a store that
//! stops where a test wants it to.

use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::Failure;
use crate::domain::secret::{OauthSecret, ProviderToken};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::Account;
use crate::provider::oauth::{
    Apps, DeviceCode, DevicePoll, GrantError, GrantFailure, Granting, Grants, Installation,
    InstallationToken, Tokens,
};
use crate::provider::{Calling, ProviderError};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use url::Url;

/// What the provider does with a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// Act, and answer.
    Work,
    /// Say nothing, do nothing.
    Hang,
    /// Act, and say nothing.
    ActThenHang,
    /// Act, and break the connection.
    ActThenFail,
    /// Nobody will ever know: the process dies, before or after the provider acted.
    Die,
    ActThenDie,
    /// Be out of reach.
    Unreachable,
    /// Refuse our client.
    Misconfigured,
}

#[derive(Default)]
struct Inside {
    /// The refresh token that is good now.
    refresh: Option<String>,
    /// The access token that is good now.
    access: String,
    next: usize,
    script: VecDeque<Refresh>,
}

#[derive(Default)]
pub(super) struct FakeGrants {
    inside: Mutex<Inside>,
    pub(super) refreshes: AtomicUsize,
}

pub(super) const LIFE: Duration = Duration::from_hours(2);
pub(super) const LATENCY: Duration = Duration::from_millis(400);

fn token(text: &str) -> ProviderToken {
    ProviderToken::new(text.to_owned()).unwrap()
}

impl FakeGrants {
    /// A user agreed: new tokens.
    pub(super) fn grant(&self) -> Tokens {
        let mut inside = self.inside.lock();
        inside.next += 1;
        let n = inside.next;
        inside.access = format!("access-{n}");
        inside.refresh = Some(format!("refresh-{n}"));
        Tokens {
            access: token(&inside.access),
            refresh: inside.refresh.as_deref().map(token),
            lives: Some(LIFE),
        }
    }

    /// The user or the provider ended it.
    pub(super) fn revoke(&self) {
        let mut inside = self.inside.lock();
        inside.refresh = None;
        inside.access = "nothing".into();
    }

    /// The provider no longer takes the access token, but the refresh token.
    pub(super) fn lose_access(&self) {
        self.inside.lock().access = "nothing".into();
    }

    pub(super) fn is_good(&self, access: &ProviderToken) -> bool {
        self.inside.lock().access == access.expose()
    }

    pub(super) fn next_does(&self, behaviours: &[Refresh]) {
        self.inside.lock().script.extend(behaviours);
    }

    /// From now on it works.
    pub(super) fn works_again(&self) {
        self.inside.lock().script.clear();
    }

    fn act(&self, refresh: &ProviderToken) -> Result<Tokens, GrantError> {
        let is_good = {
            let inside = self.inside.lock();
            inside.refresh.as_deref() == Some(refresh.expose())
        };
        if is_good {
            Ok(self.grant())
        } else {
            Err(GrantError::new(GrantFailure::Refused, "invalid_grant"))
        }
    }
}

impl Grants for FakeGrants {
    fn authorize_url(&self, _: &str, _: &str, _: &str) -> Url {
        "http://provider.test/".parse().unwrap()
    }
    fn is_issuer(&self, _: &str) -> bool {
        true
    }
    fn exchange<'a>(
        &'a self,
        _: &'a OauthSecret,
        _: &'a OauthSecret,
        _: &'a str,
    ) -> Granting<'a, Tokens> {
        Box::pin(async { Ok(self.grant()) })
    }
    fn refresh<'a>(&'a self, refresh: &'a ProviderToken, _: &'a str) -> Granting<'a, Tokens> {
        Box::pin(async move {
            self.refreshes.fetch_add(1, Ordering::SeqCst);
            let scripted = self.inside.lock().script.pop_front();
            tokio::time::sleep(LATENCY).await;
            let unknown = || GrantError::new(GrantFailure::Unknown, "no answer");
            let timeout = Duration::from_secs(15);
            match scripted.unwrap_or(Refresh::Work) {
                Refresh::Work => {
                    let answer = self.act(refresh);
                    tokio::time::sleep(LATENCY).await;
                    answer
                }
                Refresh::Hang => {
                    tokio::time::sleep(timeout).await;
                    Err(unknown())
                }
                Refresh::ActThenHang => {
                    let _ = self.act(refresh);
                    tokio::time::sleep(timeout).await;
                    Err(unknown())
                }
                Refresh::ActThenFail => {
                    let _ = self.act(refresh);
                    Err(unknown())
                }
                Refresh::Die => std::future::pending().await,
                Refresh::ActThenDie => {
                    let _ = self.act(refresh);
                    std::future::pending().await
                }
                Refresh::Unreachable => {
                    let failure = GrantFailure::Retryable { after: None };
                    Err(GrantError::new(failure, "unreachable"))
                }
                Refresh::Misconfigured => {
                    let failure = GrantFailure::Misconfigured;
                    Err(GrantError::new(failure, "invalid_client"))
                }
            }
        })
    }
    fn device_begin(&self) -> Granting<'_, DeviceCode> {
        Box::pin(async { Err(GrantError::new(GrantFailure::Misconfigured, "no devices")) })
    }
    fn device_poll<'a>(&'a self, _: &'a OauthSecret) -> Granting<'a, DevicePoll> {
        Box::pin(async { Ok(DevicePoll::Pending) })
    }
}

/// An app with one installation.
pub(super) struct FakeApps {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tokens: AtomicUsize,
    pub(super) is_gone: Mutex<bool>,
}

pub(super) const INSTALLATION: u64 = 77;

impl FakeApps {
    fn there(&self, id: u64) -> Result<Timestamp, ProviderError> {
        if id == INSTALLATION && !*self.is_gone.lock() {
            Ok(self.clock.now())
        } else {
            let failure = Failure::Unauthorized;
            Err(ProviderError::refused(
                failure,
                ErrorCode::Unauthorized,
                "none",
            ))
        }
    }
}

impl Apps for FakeApps {
    fn installation(&self, id: u64, _: Errand) -> Calling<'_, Installation> {
        Box::pin(async move {
            self.there(id)?;
            Ok(Installation {
                account: Account {
                    id: 9,
                    login: "acme".into(),
                },
                rights: vec!["repository_hooks:write".into()],
            })
        })
    }
    fn installation_token(&self, id: u64, _: Errand) -> Calling<'_, InstallationToken> {
        Box::pin(async move {
            tokio::time::sleep(LATENCY).await;
            let now = self.there(id)?;
            let n = self.tokens.fetch_add(1, Ordering::SeqCst);
            Ok(InstallationToken {
                token: token(&format!("ghs_{n}")),
                expires_at: now.plus(Duration::from_hours(1)),
            })
        })
    }
}
