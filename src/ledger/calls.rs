//! Calls for a connection, with the credentials that it may use.

use super::room::Room;
use super::trouble::is_limit;
use super::waiting::Place;
use crate::credentials::{About, Refusal, Refused};
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::Failure;
use crate::domain::wording;
use crate::provider::{Access, Hooks, ProviderError, Target};
use crate::store::ReadError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait in place for a limit, and the shortest: limits of a minute are waited for.
const WAIT_MAX: Duration = Duration::from_secs(75);
const WAIT_MIN: Duration = Duration::from_secs(1);
/// How long a reconcile waits in place, in all.
const PATIENCE: Duration = Duration::from_mins(10);
/// The same of one that a user requested: few have a place, and others' requests wait for theirs.
const PATIENCE_AWAITED: Duration = Duration::from_mins(2);
/// How long it keeps others from beginning: the calls of a long one wait in the queue, too.
const PLACE_FOR: Duration = Duration::from_mins(15);

/// Calls for a connection.
pub(super) struct Caller {
    room: Arc<Room>,
    connection: Connection,
    /// Best first. One that has no access is not tried again.
    credentials: VecDeque<CredentialUse>,
    /// Its place among those that wait for a limit, once it has met one.
    place: Option<Place>,
    /// How long it may still wait for limits.
    patience: Duration,
}

impl Caller {
    pub(super) async fn new(
        room: &Arc<Room>,
        connection: &Connection,
        is_awaited: bool,
    ) -> Result<Self, ReadError> {
        let credentials = room.pool.candidates_of(connection).await?;
        Ok(Self {
            room: Arc::clone(room),
            connection: connection.clone(),
            credentials: credentials.into(),
            place: None,
            patience: if is_awaited {
                PATIENCE_AWAITED
            } else {
                PATIENCE
            },
        })
    }

    /// The credentials that may be tried, best first.
    pub(super) fn credentials(&self) -> VecDeque<CredentialUse> {
        self.credentials.clone()
    }

    /// Has these credentials again.
    pub(super) fn set_credentials(&mut self, credentials: VecDeque<CredentialUse>) {
        self.credentials = credentials;
    }

    fn target(&self) -> Target {
        Target {
            repository: self.connection.repository,
            full_name: self.connection.full_name.clone(),
        }
    }

    /// Waits in place for a limit, if that is what the call has met, and this reconcile may wait.
    /// Returns whether it has: then the call is made again.
    async fn has_waited(&mut self, error: &ProviderError, with: CredentialUse) -> bool {
        let Some(wait) = self.may_wait(error, with) else {
            return false;
        };
        tokio::time::sleep(wait).await;
        true
    }

    /// How long to wait in place for a limit, if that is what the call has met, and this reconcile
    /// may wait.
    fn may_wait(&mut self, error: &ProviderError, with: CredentialUse) -> Option<Duration> {
        let Failure::Retryable { after: Some(after) } = error.failure else {
            return None;
        };
        let wait = after.max(WAIT_MIN);
        if !is_limit(error) || wait > WAIT_MAX || wait > self.patience {
            return None;
        }
        if self.place.is_none() {
            self.place = self.room.waiting.enter(with.id());
        }
        self.place.as_ref()?;
        self.patience -= wait;
        Some(wait)
    }

    /// It has kept others waiting long enough, and continues beside them.
    fn give_way(&mut self) {
        if self
            .place
            .take_if(|place| place.has_it_since() >= PLACE_FOR)
            .is_some()
        {
            self.patience = Duration::ZERO;
        }
    }

    /// Where a log is read on: see [`crate::provider::Logs::place_in_log`].
    pub(super) fn place_in_log(&self, page: &str, before: u64) -> String {
        let hooks = self.room.ports.providers.hooks(&self.connection.instance);
        hooks.map_or_else(|| page.to_owned(), |hooks| hooks.place_in_log(page, before))
    }

    /// Makes a call that may be repeated. A credential that is dead or has no access is replaced by
    /// the next one. A limit of a minute is waited for, if a place for that is free.
    pub(super) async fn ask<T, Calling>(
        &mut self,
        priority: Priority,
        call: impl Fn(Arc<dyn Hooks>, Access, Target) -> Calling,
    ) -> Result<T, ProviderError>
    where
        Calling: Future<Output = Result<T, ProviderError>>,
    {
        let instance = &self.connection.instance;
        let Some(hooks) = self.room.ports.providers.hooks(instance).cloned() else {
            let (failure, code) = (Failure::Rejected, ErrorCode::NotConfigured);
            let words = wording::PROVIDER_NOT_CONFIGURED;
            return Err(ProviderError::refused(failure, code, words));
        };
        let owner = self.connection.owner;
        let errand = Errand { owner, priority };
        self.give_way();
        let mut refusal = None;
        while let Some(credential) = self.credentials.front().copied() {
            let about = About {
                instance: &self.connection.instance,
                connection: Some(self.connection.id),
            };
            let asked = self.room.pool.ask(about, (credential, errand), |access| {
                call(Arc::clone(&hooks), access, self.target())
            });
            let refused = match asked.await {
                Ok(answer) => return Ok(answer),
                Err(refused) => refused,
            };
            if is_useless(&refused) {
                self.credentials.pop_front();
                refusal = Some(refused.error);
            } else if !self.has_waited(&refused.error, credential).await {
                return Err(refused.error);
            }
        }
        Err(refusal.unwrap_or_else(|| {
            let (failure, code) = (Failure::Unauthorized, ErrorCode::NoCredential);
            ProviderError::refused(failure, code, wording::NO_CREDENTIAL)
        }))
    }
}

/// Whether the credential is dead or has no access: another one may do.
fn is_useless(refused: &Refused) -> bool {
    match refused.why {
        Refusal::Dead => true,
        Refusal::Failed => refused.error.failure == Failure::NoAccess,
        Refusal::NoToken | Refusal::Replaced | Refusal::Unclear => false,
    }
}
