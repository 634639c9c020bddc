//! Records for the cases.

use crate::domain::command::{Command, CommandKind, CommandState};
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, DeliveryState, Outcome, Payload};
use crate::domain::id::{CommandId, ConnectionId, IncidentId, OwnerId, UserId};
use crate::domain::incident::{Incident, IncidentSource, IncidentStatus};
use crate::domain::repo::RepositoryId;
use crate::domain::samples;
pub(in crate::store) use crate::domain::samples::{ANN, credential, token, user};
use crate::domain::time::Timestamp;
use crate::store::contract::wait;
use crate::store::{Batch, Change, CommitError, Guard, Store};

pub(in crate::store) const BOB: OwnerId = UserId::from_u128(2);

/// Commits changes without a condition.
pub(in crate::store) fn put(store: &dyn Store, changes: Vec<Change>) {
    wait(store.commit(Batch::of(changes))).unwrap();
}

/// Commits a batch.
pub(in crate::store) fn commit(store: &dyn Store, batch: Batch) -> Result<(), CommitError> {
    wait(store.commit(batch))
}

/// A connection of Ann's; its id is its repository's number.
pub(in crate::store) fn connection(id: u8, name: &str) -> Connection {
    Connection {
        repository: Some(RepositoryId(id.into())),
        ..samples::connection(id.into(), name)
    }
}

pub(in crate::store) fn connected(id: u8) -> Change {
    Change::PutConnection(Box::new(connection(id, &format!("o/r{id}"))))
}

pub(in crate::store) fn command(id: u128, connection: u8) -> Command {
    Command {
        id: CommandId::from_u128(id),
        connection: ConnectionId::from_u128(u128::from(connection)),
        owner: ANN,
        kind: CommandKind::Check,
        asked_by: ANN,
        asked_at: Timestamp(1),
        operation: None,
        state: CommandState::Asked,
    }
}

/// A command as it is asked.
pub(in crate::store) fn asking(command: &Command) -> Batch {
    let put = Change::PutCommand(Box::new(command.clone()));
    Batch::of(vec![put]).guarded_by(Guard::NewCommand(command.connection))
}

/// An incident of Ann's about a connection.
pub(in crate::store) fn incident(id: u128, connection: u8, status: IncidentStatus) -> Incident {
    let connection = ConnectionId::from_u128(connection.into());
    Incident {
        status,
        source: IncidentSource::Health,
        failure_type: "no_access".into(),
        ..samples::incident(IncidentId::from_u128(id), connection)
    }
}
pub(in crate::store) fn delivery(n: u32, connection: u8) -> Delivery {
    samples::delivery(n, ConnectionId::from_u128(connection.into()))
}

pub(in crate::store) fn payload(n: u32) -> Payload {
    Payload {
        headers: vec![("x-test".into(), n.to_string())],
        body: n.to_string().into_bytes().into(),
    }
}

/// A delivery as ingress commits it.
pub(in crate::store) fn arriving(delivery: &Delivery, n: u32) -> Batch {
    let put = Change::InsertDelivery(Box::new(delivery.clone()), payload(n));
    Batch::of(vec![put]).guarded_by(Guard::NewDelivery {
        connection: delivery.connection,
        provider_delivery_id: delivery.provider_delivery_id.clone(),
        body_digest: delivery.body_digest,
    })
}

/// A delivery as its actor leaves it.
pub(in crate::store) fn processed(delivery: &Delivery) -> Change {
    let (at, outcome) = (Timestamp(9), Outcome::Recorded);
    Change::progress(Delivery {
        state: DeliveryState::Processed { at, outcome },
        ..delivery.clone()
    })
}
