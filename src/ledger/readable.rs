//! Whether a provider fails for one delivery only, or for all.
//!
//! An error while the payload of a delivery is read says little: the provider may be in trouble, or
//! this one entry of its log. Others tell: payloads of deliveries that are stored, read once more.

use super::reconcile::Reconcile;
use super::trouble::Trouble;
use crate::domain::delivery::Payload;
use crate::domain::errand::Priority;
use crate::domain::error_code::ErrorCode;
use crate::domain::ledger::Missing;
use crate::domain::lifecycle::Failure;
use crate::provider::{Hooks, LogRead, ProviderError};
use std::sync::Arc;

/// Attempts that are read to find out.
const CONTROLS_MAX: usize = 3;
/// After so many reconciles that failed in a row, a log whose list can be read is enough: what was
/// read to find out may be unreadable, too.
const FAILURES_MAX: u32 = 8;
/// Most deliveries for which that is enough, in one reconcile.
const WEAK_MAX: u32 = 10;

/// Attempts whose payloads show whether the provider's log can be read at all.
#[derive(Debug, Default)]
pub(super) struct Controls {
    attempts: Vec<u64>,
    weak: u32,
}

impl Controls {
    /// Adds an attempt; the first ones are kept.
    pub(super) fn add(&mut self, attempt: u64) {
        if self.attempts.len() < CONTROLS_MAX && !self.attempts.contains(&attempt) {
            self.attempts.push(attempt);
        }
    }
}

/// The result of reading a payload.
#[derive(Debug)]
pub(super) enum Reading {
    /// The payload.
    Payload(Payload),
    /// The provider does not have it.
    None,
    /// The provider answers for others, and not for this one.
    Unreadable,
}

/// Whether this error may concern one entry of a log only. The others are of the token, the budget,
/// or the way to the provider.
pub(super) fn may_be_of_one(error: &ProviderError) -> bool {
    let is_odd = matches!(
        error.code,
        ErrorCode::BadAnswer
            | ErrorCode::ProviderUnavailable
            | ErrorCode::ProviderTimeout
            | ErrorCode::WrongApiUrl
    );
    is_odd || matches!(error.failure, Failure::Rejected | Failure::NoAccess)
}

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
