//! Deliveries that were set aside or requested again: what has become of them.

use super::case::Case;
use super::reading::Reading;
use super::reconcile::Reconcile;
use super::steps::Records;
use super::trouble::Trouble;
use crate::domain::ledger::{Deferral, Deferred, GapCause, Loss};

impl Reconcile {
    /// Whether redeliveries that were requested have arrived.
    pub(super) async fn look_at_requested(&mut self) -> Result<(), Trouble> {
        let now = self.steps.room.ports.now();
        let wait = self.steps.room.settings.redelivery_wait;
        for deferred in self.steps.records.ledger.deferred.clone() {
            let Deferral::Asked { at } = deferred.state else {
                continue;
            };
            if self.has_arrived(&deferred).await? || now.since(at) < wait {
                continue;
            }
            self.steps.recall_gap(&deferred).await?;
            let case = Case::pending(&deferred);
            let lost = self.give_up(&case, Loss::NotRedelivered).await;
            if is_full(lost)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads again what was set aside and is due.
    pub(super) async fn retry_set_aside(&mut self) -> Result<(), Trouble> {
        let now = self.steps.room.ports.now();
        for deferred in self.steps.records.ledger.deferred.clone() {
            let Deferral::SetAside { tries, due_at } = deferred.state else {
                continue;
            };
            if due_at > now || self.has_arrived(&deferred).await? {
                continue;
            }
            let reading = self.read(&deferred.missing).await?;
            self.steps.recall_gap(&deferred).await?;
            let case = Case::pending(&deferred);
            let tries = tries.saturating_add(1);
            let handled = match reading {
                Reading::Payload(payload) => self.ingest(&case, payload).await,
                Reading::None => self.ask_again(&case, tries).await.map(drop),
                Reading::Unreadable => self.set_aside(&case, tries).await.map(drop),
            };
            if is_full(handled)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether a pending delivery is stored. Then it counts as recovered.
    async fn has_arrived(&mut self, deferred: &Deferred) -> Result<bool, Trouble> {
        let id = &deferred.missing.delivery_id;
        if !self.is_stored(id).await? {
            return Ok(false);
        }
        self.steps.recall_gap(deferred).await?;
        let (fresh, now) = (self.steps.fresh_id(), self.began);
        let case = Case::pending(deferred);
        let edit = |records: &mut Records| {
            case.account(records, (fresh, now)).recovered();
            records.ledger.undefer(id);
        };
        self.steps.take((Vec::new(), Vec::new()), edit).await?;
        Ok(true)
    }

    /// The connection has another hook: the log of the former one is gone, and what was missing in
    /// it with it.
    pub(super) async fn leave_log(&mut self) -> Result<(), Trouble> {
        let now = self.began;
        for deferred in self.steps.records.ledger.deferred.clone() {
            if !deferred.is_pending() || self.has_arrived(&deferred).await? {
                continue;
            }
            self.steps.recall_gap(&deferred).await?;
            let case = Case::pending(&deferred);
            let fresh = self.steps.fresh_id();
            let edit = |records: &mut Records| {
                case.account(records, (fresh, now)).lost(Loss::HookGone);
                records.ledger.undefer(&deferred.missing.delivery_id);
            };
            self.steps.take((Vec::new(), Vec::new()), edit).await?;
        }
        let (hook, without_hook) = (self.hook, self.time_without_hook());
        let fresh = self.steps.fresh_id();
        let edit = |records: &mut Records| {
            if let Some(gap) = &mut records.gap {
                gap.lost_some(Loss::HookGone, gap.totals.outstanding());
            }
            records.ledger.change_hook(hook);
            let gap = records.gap_of(fresh, GapCause::NoHook, without_hook);
            gap.logged_from = Some(without_hook.1);
        };
        Ok(self.steps.take((Vec::new(), Vec::new()), edit).await?)
    }
}

/// Whether no more can be listed as given up now. What is pending stays so: once the log is settled
/// beyond others, there is room.
fn is_full(handled: Result<(), Trouble>) -> Result<bool, Trouble> {
    match handled {
        Ok(()) => Ok(false),
        Err(Trouble::TooManyLost) => Ok(true),
        Err(trouble) => Err(trouble),
    }
}
