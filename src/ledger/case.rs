//! A missing delivery whose step is about to be taken.

use super::steps::Records;
use crate::domain::id::GapId;
use crate::domain::ledger::{Deferred, Gap, Marks, Missing};
use crate::domain::time::Timestamp;

/// A missing delivery, and what else its step changes.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) missing: Missing,
    /// The gap whose account has it, when it was pending.
    pub(super) gap: Option<GapId>,
    /// How far the log is settled with this step, and when the next missing one was sent.
    pub(super) progress: Option<(Marks, Option<Timestamp>)>,
    /// It is not counted as missing yet.
    pub(super) is_new: bool,
}

impl Case {
    /// One that a list contains with its payload, or without any.
    pub(super) const fn listed(missing: Missing) -> Self {
        Self {
            missing,
            gap: None,
            progress: None,
            is_new: true,
        }
    }

    pub(super) fn pending(deferred: &Deferred) -> Self {
        Self {
            missing: deferred.missing.clone(),
            gap: deferred.gap,
            progress: None,
            is_new: false,
        }
    }

    /// Its gap; it is counted as missing there.
    pub(super) fn account<'r>(
        &self,
        records: &'r mut Records,
        (fresh, now): (GapId, Timestamp),
    ) -> &'r mut Gap {
        let gap = records.gap_with(fresh, self.gap, (&self.missing, now));
        if self.is_new {
            gap.one_missing();
        }
        gap
    }

    pub(super) fn settle(&self, records: &mut Records) {
        if let Some((marks, next)) = self.progress {
            records.ledger.settle(marks);
            records.ledger.behind(next);
        }
    }
}
