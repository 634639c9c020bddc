//! Operations: how they are stored, and cancelled.

use super::Actors;
use crate::actor::campaign::Changed;
use crate::actor::interface::{CommandError, Operating};
use crate::domain::id::OperationId;
use crate::domain::operation::{KEPT_MAX, Operation, OperationState, Tally, chunked};
use crate::domain::wording;
use crate::store::{Batch, Change, CommitError, Conflict, Guard};

/// Most old operations that are deleted with a new one.
const OLD_MAX: usize = 20;

impl Actors {
    pub(super) async fn operate_now(&self, asked: Operating) -> Result<Operation, CommitError> {
        let ports = &self.services.ports;
        let (id, now) = (
            OperationId::generate(ports.clock.now_for_id(), &*ports.entropy),
            ports.now(),
        );
        let total = u32::try_from(asked.items.len()).expect("at most 100,000");
        let operation = Operation {
            id,
            owner: asked.owner,
            asked_by: asked.asked_by,
            asked_at: now,
            action: asked.action,
            selection: asked.selection,
            total,
            position: 0,
            open: Vec::new(),
            tally: Tally::default(),
            failures: Vec::new(),
            started_at: None,
            state: if total == 0 {
                OperationState::Done { at: now }
            } else {
                OperationState::Queued
            },
        };
        let mut changes = vec![Change::PutOperation(Box::new(operation.clone()))];
        let chunks = chunked(id, asked.items).into_iter();
        changes.extend(chunks.map(|chunk| Change::PutChunk(Box::new(chunk))));
        // With the new one, so many are kept. What cannot be read now goes another time.
        let old = ports
            .store
            .operations_beyond(asked.owner, KEPT_MAX - 1, OLD_MAX);
        let over = old
            .await
            .unwrap_or_default()
            .into_iter()
            .filter(Operation::is_over);
        changes.extend(over.map(|old| Change::ForgetOperation(old.id)));
        let batch = Batch::of(changes)
            .guarded_by(Guard::OwnerPresent(asked.owner))
            .guarded_by(Guard::NewOperation(asked.owner));
        ports.store.commit(batch).await?;
        self.campaign.do_send(Changed);
        Ok(operation)
    }

    pub(super) async fn cancel_operation_now(
        &self,
        id: OperationId,
    ) -> Result<Operation, CommandError> {
        let ports = &self.services.ports;
        loop {
            let found = ports.store.operation(id).await?;
            let before = found.ok_or(CommandError::NoSuchSubject)?;
            let mut after = before.clone();
            if !after.cancel(ports.now()) {
                return Err(CommandError::NotNow(wording::OPERATION_ENDED));
            }
            let put = Change::PutOperation(Box::new(after.clone()));
            let batch = Batch::of(vec![put]);
            let batch = batch.guarded_by(Guard::SameOperation(Box::new(before)));
            match ports.store.commit(batch).await {
                Ok(()) => {
                    self.campaign.do_send(Changed);
                    return Ok(after);
                }
                // An item ended meanwhile. Sooner or later the last one has.
                Err(CommitError::Conflict(Conflict::Operation(_))) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
