//! Whether a provider fails for one delivery only, or for all.
//!
//! An error while the payload of a delivery is read says little: the provider may be in trouble, or
//! this one entry of its log. Others tell: payloads of deliveries that are stored, read once more.

use super::reading::{Reading, may_be_of_one};
use super::reconcile::Reconcile;
use super::trouble::Trouble;
use crate::domain::delivery::Payload;
use crate::domain::errand::Priority;
use crate::domain::ledger::Missing;
use crate::provider::{Hooks, LogRead, ProviderError};
use std::sync::Arc;

/// After so many reconciles that failed in a row, a log whose list can be read is enough: what was
/// read to find out may be unreadable, too.
const FAILURES_MAX: u32 = 8;
/// Most deliveries for which that is enough, in one reconcile.
const WEAK_MAX: u32 = 10;

impl Reconcile {
    async fn payload_of(&mut self, attempt: u64) -> Result<Option<Payload>, ProviderError> {
        let hook = self.hook;
        let call = move |hooks: Arc<dyn Hooks>, access, target| async move {
            hooks.logged_payload(&access, &target, hook, attempt).await
        };
        // An access that is refused for one entry only is not refused for all.
        let credentials = self.caller.credentials();
        let answer = self.caller.ask(Priority::Recovery, call).await;
        if answer.is_err() {
            self.caller.set_credentials(credentials);
        }
        answer
    }

    /// Reads the payload of a missing delivery, by one of its attempts.
    pub(super) async fn read(&mut self, missing: &Missing) -> Result<Reading, Trouble> {
        let mut failed = None;
        for attempt in missing.attempts.iter().copied() {
            match self.payload_of(attempt).await {
                Ok(Some(payload)) => return Ok(Reading::Payload(payload)),
                Ok(None) => {}
                Err(error) if may_be_of_one(&error) => failed = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        let Some(error) = failed else {
            return Ok(Reading::None);
        };
        if self.is_alone(missing).await? {
            let id = self.steps.connection.id;
            let words = "the provider does not answer for one delivery of its log";
            tracing::debug!(connection.id = %id, %error, words);
            Ok(Reading::Unreadable)
        } else {
            Err(error.into())
        }
    }

    /// Whether the provider answers for others.
    pub(super) async fn is_alone(&mut self, missing: &Missing) -> Result<bool, Trouble> {
        let controls = self.controls.attempts.clone();
        let controls = controls
            .into_iter()
            .filter(|it| !missing.attempts.contains(it));
        let mut has_one = false;
        for attempt in controls {
            has_one = true;
            match self.payload_of(attempt).await {
                Ok(_) => return Ok(true),
                Err(error) if may_be_of_one(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !has_one {
            return self.has_list().await;
        }
        let is_enough = self.steps.records.ledger.failures >= FAILURES_MAX;
        let is_weak = is_enough && self.controls.weak < WEAK_MAX && self.has_list().await?;
        self.controls.weak += u32::from(is_weak);
        Ok(is_weak)
    }

    /// Whether the list can be read now.
    async fn has_list(&mut self) -> Result<bool, Trouble> {
        match self.read_page(None).await? {
            LogRead::Page(_) => Ok(true),
            LogRead::CursorLost | LogRead::HookMissing | LogRead::Unsupported => Ok(false),
        }
    }
}
