//! The frozen mirrors of operations.

use super::codec::Record;
use super::wire::{Wire, codes, mirror, mirror_enum};
use crate::domain::connection::WebhookStatus;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{CommandId, ConnectionId, CredentialId, OperationId, UserId};
use crate::domain::operation::{
    Action, Chunk, Item, ItemFailure, ItemOutcome, NewConnection, Open, Operation, OperationState,
    Selection, Tally,
};
use crate::domain::repo::{FullName, Host, Instance, ProviderKind};
use crate::domain::takeover::Replace;
use crate::domain::time::Timestamp;

codes!(WebhookStatus {
    0 = Pending, 1 = Active, 2 = Degraded, 3 = Failed, 4 = Inactive, 5 = Suspended,
});
codes!(ItemOutcome { 0 = Applied, 1 = Unchanged, 2 = CallFailed, 3 = Failed, 4 = Gone });
mirror_enum!(ActionV1 of Action {
    Check,
    Ping,
    Recreate,
    RotateSecret,
    Pause,
    Resume,
    Disconnect { delete_hook: bool },
    SetEvents(Vec<String>),
    Connect,
});
mirror!(SelectionV1 of Selection {
    all: bool,
    ids: u32,
    provider: Option<ProviderKind>,
    host: Option<Host>,
    owner_name: Option<String>,
    pattern: Option<String>,
    status: Option<WebhookStatus>,
});
mirror!(TallyV1 of Tally {
    applied: u32,
    unchanged: u32,
    call_failed: u32,
    failed: u32,
    gone: u32,
});
mirror!(OpenV1 of Open { index: u32, command: Option<(ConnectionId, CommandId)> });
mirror!(ItemFailureV1 of ItemFailure {
    connection: Option<ConnectionId>,
    full_name: Option<FullName>,
    outcome: ItemOutcome,
    code: ErrorCode,
});
mirror_enum!(OperationStateV1 of OperationState {
    Queued,
    Running,
    Cancelled { at: Timestamp },
    Done { at: Timestamp },
});
mirror!(OperationV1 of Operation {
    id: OperationId,
    owner: UserId,
    asked_by: UserId,
    asked_at: Timestamp,
    action: Action,
    selection: Selection,
    total: u32,
    position: u32,
    open: Vec<Open>,
    tally: Tally,
    failures: Vec<ItemFailure>,
    started_at: Option<Timestamp>,
    state: OperationState,
});
mirror!(NewConnectionV1 of NewConnection {
    instance: Instance,
    full_name: FullName,
    events: Vec<String>,
    is_enabled: bool,
    credential: Option<CredentialId>,
});
mirror_enum!(ItemV1 of Item {
    Connection(ConnectionId),
    Repository(Box<NewConnection>),
    Replacing { new: Box<NewConnection>, replaces: Replace },
});
mirror!(ChunkV1 of Chunk { operation: OperationId, index: u32, items: Vec<Item> });

impl Record for Operation {
    const VERSION: u8 = 1;
    const KIND: &'static str = "operation";
}

impl Record for Chunk {
    const VERSION: u8 = 1;
    const KIND: &'static str = "operation items";
}

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::samples;

    #[test]
    fn every_action_state_and_item_comes_back() {
        let actions = [
            Action::Check,
            Action::Ping,
            Action::Recreate,
            Action::RotateSecret,
            Action::Pause,
            Action::Resume,
            Action::Disconnect { delete_hook: true },
            Action::SetEvents(vec!["push".into()]),
            Action::Connect,
        ];
        assert_eq!(actions.len(), Action::NAMES.len());
        round(actions.to_vec());
        round(WebhookStatus::ALL.to_vec());
        round(ItemOutcome::ALL.to_vec());
        let at = Timestamp(-7);
        let states = [
            OperationState::Queued,
            OperationState::Running,
            OperationState::Cancelled { at },
            OperationState::Done { at },
        ];
        assert_eq!(states.len(), OperationState::NAMES.len());
        let ids = (ConnectionId::from_u128(1), CommandId::from_u128(2));
        let open = |command| Open { index: 7, command };
        round(
            states
                .map(|state| Operation {
                    open: vec![open(Some(ids)), open(None)],
                    state,
                    ..samples::operation(1, Action::Check, 9)
                })
                .to_vec(),
        );
        let new = Box::new(NewConnection {
            instance: samples::github(),
            full_name: "o/r".parse().unwrap(),
            events: vec!["push".into()],
            is_enabled: true,
            credential: Some(CredentialId::from_u128(3)),
        });
        round(vec![
            Item::Connection(ConnectionId::from_u128(1)),
            Item::Repository(new.clone()),
            Item::Replacing {
                new,
                replaces: Replace::SameReceiver,
            },
        ]);
    }
}
