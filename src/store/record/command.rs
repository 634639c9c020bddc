//! The frozen mirrors of commands.

use super::codec::second_versions;
use super::wire::{Wire, codes, frozen, mirror, mirror_enum};
use crate::domain::command::{Command, CommandKind, CommandOutcome, CommandState};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{CommandId, ConnectionId, DeliveryId, IncidentId, OperationId, UserId};
use crate::domain::incident::care::Tending;
use crate::domain::time::Timestamp;

codes!(CommandOutcome { 0 = Applied, 1 = Unchanged });
mirror_enum!(TendingV1 of Tending {
    Assign(Option<UserId>),
    Mute(Timestamp),
    Unmute,
    Note(String),
});
mirror_enum!(CommandKindV1 of CommandKind {
    SetEnabled(bool),
    SetEvents(Vec<String>),
    Disconnect { delete_hook: bool },
    Check,
    Ping,
    Recreate,
    RotateSecret,
    Acknowledge(IncidentId),
    Resolve(IncidentId),
    Replay(DeliveryId),
    Reconcile,
    ReplaceExisting(Option<String>),
    Tend { incident: IncidentId, act: Tending },
});
mirror_enum!(CommandStateV1 of CommandState {
    Asked,
    Done { at: Timestamp, outcome: CommandOutcome },
    Failed { at: Timestamp, code: ErrorCode },
});
mirror!(CommandV2 of Command {
    id: CommandId,
    connection: ConnectionId,
    owner: UserId,
    kind: CommandKind,
    asked_by: UserId,
    asked_at: Timestamp,
    state: CommandState,
    operation: Option<OperationId>,
});
frozen!(CommandV1 {
    id: u128,
    connection: u128,
    owner: u128,
    kind: CommandKindV1,
    asked_by: u128,
    asked_at: i64,
    state: CommandStateV1,
});

/// There were no operations.
fn without_operation(v1: CommandV1) -> Option<Command> {
    Command::from_wire(CommandV2 {
        id: v1.id,
        connection: v1.connection,
        owner: v1.owner,
        kind: v1.kind,
        asked_by: v1.asked_by,
        asked_at: v1.asked_at,
        state: v1.state,
        operation: None,
    })
}

second_versions! { Command = "command" from without_operation }

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;

    #[test]
    fn every_kind_and_every_state_comes_back() {
        let acts = [
            Tending::Assign(Some(UserId::from_u128(4))),
            Tending::Assign(None),
            Tending::Mute(Timestamp(9)),
            Tending::Unmute,
            Tending::Note("seen before".into()),
        ];
        let incident = IncidentId::from_u128(3);
        round(acts.map(|act| CommandKind::Tend { incident, act }).to_vec());
        round(vec![
            CommandKind::SetEnabled(true),
            CommandKind::SetEvents(vec!["push".into()]),
            CommandKind::Disconnect { delete_hook: true },
            CommandKind::Check,
            CommandKind::Ping,
            CommandKind::Recreate,
            CommandKind::RotateSecret,
            CommandKind::Acknowledge(IncidentId::from_u128(1)),
            CommandKind::Resolve(IncidentId::from_u128(2)),
            CommandKind::Replay(DeliveryId::from_u128(3)),
            CommandKind::Reconcile,
            CommandKind::ReplaceExisting(None),
            CommandKind::ReplaceExisting(Some("https://old.example/*".into())),
        ]);
        let at = Timestamp(-7);
        let outcomes = [CommandOutcome::Applied, CommandOutcome::Unchanged];
        let done = outcomes.map(|outcome| CommandState::Done { at, outcome });
        let code = ErrorCode::NotNow;
        round(
            [
                done.to_vec(),
                vec![CommandState::Asked, CommandState::Failed { at, code }],
            ]
            .concat(),
        );
    }
}
