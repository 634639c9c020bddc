//! Records for the cases.

use crate::domain::command::{Command, CommandKind, CommandState};
use crate::domain::connection::Connection;
use crate::domain::delivery::{BodyDigest, Delivery, DeliveryState, Outcome, Payload, Source};
use crate::domain::grant::Grant;
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, HookKey, IncidentId, OwnerId, TokenId,
    UserId,
};
use crate::domain::incident::{Incident, IncidentSource, IncidentStatus, Severity, Subject};
use crate::domain::repo::{Instance, ProviderKind, RepositoryId};
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, Credential, TokenRecord, User};
use crate::store::contract::wait;
use crate::store::{After, Batch, Change, CommitError, Guard, Store};

pub(in crate::store) const ANN: OwnerId = UserId::from_u128(1);
pub(in crate::store) const BOB: OwnerId = UserId::from_u128(2);

pub(in crate::store) fn first<Id>(limit: usize) -> After<Id> {
    After { last: None, limit }
}

/// Commits changes without a condition.
pub(in crate::store) fn put(store: &dyn Store, changes: Vec<Change>) {
    wait(store.commit(Batch::of(changes))).unwrap();
}

/// Commits a batch.
pub(in crate::store) fn commit(store: &dyn Store, batch: Batch) -> Result<(), CommitError> {
    wait(store.commit(batch))
}

pub(in crate::store) fn github() -> Instance {
    Instance {
        provider: ProviderKind::Github,
        host: "github.com".parse().unwrap(),
    }
}

/// A connection of Ann's; its id is its repository's number.
pub(in crate::store) fn connection(id: u8, name: &str) -> Connection {
    let number = u128::from(id);
    let mut connection = Connection::new(
        ConnectionId::from_u128(number),
        ANN,
        github(),
        name.parse().unwrap(),
        HookKey::from_bytes([id; 20]),
        Timestamp(1),
    );
    connection.repository = Some(RepositoryId(u64::from(id)));
    connection
}

pub(in crate::store) fn connected(id: u8) -> Change {
    Change::PutConnection(Box::new(connection(id, &format!("o/r{id}"))))
}

pub(in crate::store) fn credential(id: u128, owner: OwnerId) -> Credential {
    Credential {
        id: CredentialId::from_u128(id),
        owner,
        instance: github(),
        account: Account {
            id: 7,
            login: "ann".into(),
        },
        scopes: Vec::new(),
        grant: Grant::Token {
            token: Sealed(vec![1]),
        },
        is_shared: false,
        created_at: Timestamp(1),
        rejected: None,
    }
}

pub(in crate::store) fn command(id: u128, connection: u8) -> Command {
    Command {
        id: CommandId::from_u128(id),
        connection: ConnectionId::from_u128(u128::from(connection)),
        owner: ANN,
        kind: CommandKind::Check,
        asked_by: ANN,
        asked_at: Timestamp(1),
        state: CommandState::Asked,
    }
}

/// A command as it is asked.
pub(in crate::store) fn asking(command: &Command) -> Batch {
    let put = Change::PutCommand(Box::new(command.clone()));
    Batch::of(vec![put]).guarded_by(Guard::NewCommand(command.connection))
}
pub(in crate::store) fn user(id: OwnerId, name: &str) -> User {
    User {
        id,
        name: name.into(),
        is_admin: false,
        created_at: Timestamp(1),
        removal: None,
    }
}

/// An incident of Ann's about a connection.
pub(in crate::store) fn incident(id: u128, connection: u8, status: IncidentStatus) -> Incident {
    Incident {
        id: IncidentId::from_u128(id),
        owner: ANN,
        subject: Subject::Connection(ConnectionId::from_u128(u128::from(connection))),
        repository: None,
        status,
        severity: Severity::Error,
        source: IncidentSource::Health,
        failure_type: "no_access".into(),
        title: "Webhook suspended".into(),
        ci: None,
        occurrences: 1,
        first_seen_at: Timestamp(1),
        last_seen_at: Timestamp(1),
        acknowledged_at: None,
        resolved_at: None,
        resolution: None,
    }
}
pub(in crate::store) fn delivery(n: u32, connection: u8) -> Delivery {
    Delivery {
        id: DeliveryId::from_u128(u128::from(n)),
        connection: ConnectionId::from_u128(u128::from(connection)),
        owner: ANN,
        provider_delivery_id: format!("guid-{n}"),
        event: "push".into(),
        action: None,
        received_at: Timestamp(i64::from(n)),
        body_digest: BodyDigest::Blake3(*blake3::hash(&n.to_le_bytes()).as_bytes()),
        body_bytes: 4,
        source: Source::Webhook,
        state: DeliveryState::Received,
        tries: 0,
    }
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

/// An API token; its hash follows from its id.
pub(in crate::store) fn token(id: u8, user: OwnerId) -> TokenRecord {
    TokenRecord {
        id: TokenId::from_u128(u128::from(id)),
        user,
        hash: [id; 32],
        created_at: Timestamp(1),
        name: None,
        expires_at: None,
        last_used_at: None,
    }
}
