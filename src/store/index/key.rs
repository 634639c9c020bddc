//! Keys: a letter for the kind, then fields in an order that makes scans useful.

use crate::domain::repo::{FullName, Instance, ProviderKind};
use crate::store::Of;

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::store) enum Kind {
    User = b'U',
    UserByName = b'u',
    Token = b'T',
    TokenByHash = b't',
    TokenByUser = b'v',
    Credential = b'C',
    CredentialByOwner = b'c',
    CredentialShared = b'h',
    Connection = b'N',
    ConnectionByHookKey = b'k',
    ConnectionByRepository = b'r',
    ConnectionByName = b'n',
    ConnectionByOwner = b'o',
    ConnectionByOwnerAndName = b'w',
    /// Without removed ones.
    ConnectionByStatus = b'a',
    /// Removed ones whose hook is still to be deleted, by owner.
    ConnectionLeaving = b'X',
    /// Without removed ones: those whose former secrets are accepted, by owner and state.
    ConnectionByRotation = b'S',
    /// Of those that may still need one; see `ways_to`.
    ConnectionByCredential = b'z',
    Delivery = b'D',
    DeliveryByConnection = b'd',
    DeliveryByOwner = b'e',
    DeliveryByOutcome = b'l',
    DeliveryPending = b'p',
    DeliveryByProviderId = b'g',
    DeliveryByDigest = b'E',
    /// By SHA-256, as an older version wrote it.
    DeliveryByOlderDigest = b'b',
    DeliveryBySegment = b's',
    /// What is left of a forgotten delivery: its replay guards.
    DeliveryForgotten = b'f',
    Run = b'R',
    RunByProviderId = b'q',
    RunByConnection = b'x',
    RunByOwner = b'y',
    Track = b'K',
    Note = b'L',
    Incident = b'I',
    IncidentByOwner = b'i',
    IncidentBySubject = b'j',
    IncidentByStatus = b'm',
    IncidentBySubjectAndStatus = b'J',
    /// Those that are not resolved, by status, severity and source.
    IncidentByLook = b'V',
    Command = b'O',
    /// Those that wait for a connection's actor, by connection.
    CommandAsked = b'A',
    CommandByConnection = b'P',
    Operation = b'Q',
    OperationByOwner = b'Y',
    /// Those that have not ended, by owner.
    OperationUnfinished = b'Z',
    /// The items of an operation, in chunks.
    OperationChunk = b'W',
    /// How long the list is whose keys begin so; see `counts`.
    Count = b'H',
    /// How long such lists of all owners are together.
    CountInAll = b'F',
    /// When the newest delivery of a kind of provider came.
    LatestDelivery = b'G',
    Canary = b'M',
    /// By connection.
    Ledger = b'1',
    Gap = b'2',
    GapByOwner = b'3',
    GapByConnection = b'4',
    /// By connection.
    ReconcileAsked = b'5',
    /// The sum of the totals in the ledgers of an owner.
    GapTotals = b'6',
    Uptime = b'7',
    /// Connections with missing deliveries, by owner and by when the oldest of them was sent.
    Behind = b'B',
    /// By connection.
    History = b'8',
    /// By connection.
    Takeover = b'@',
    /// The last one of each installation.
    Outage = b'9',
    /// The last one of each kind.
    Trouble = b'~',
    /// By credential.
    Hold = b'0',
    Sink = b'$',
    SinkByOwner = b'%',
    Notification = b'!',
    NotificationByOwner = b'#',
    NotificationByState = b'&',
    NotificationByIncident = b'*',
    /// Those that wait, by sink and when they are due.
    NotificationDue = b'(',
    /// Those that wait, by sink.
    NotificationBySink = b'.',
    /// Those that wait, by incident and sink.
    NotificationWaiting = b')',
    /// By incident and sink.
    Thread = b'+',
    /// Those that show an open incident, by sink and incident.
    ThreadOpen = b'/',
    /// By incident.
    Announced = b',',
    /// By incident.
    Explanation = b':',
    /// Those that are to be explained, by when.
    IncidentUnexplained = b';',
    /// The rules of an owner.
    Rulebook = b'|',
    /// Those that stand otherwise than they were last announced.
    IncidentUnannounced = b'-',
}

/// Room for the longest of the common keys: two ids and a word.
const KEY_BYTES: usize = 48;
/// Bytes of a hash that stand in a key: collisions of 128 bits do not happen.
const HASH_BYTES: usize = 16;

/// A key under construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Key(Vec<u8>);

impl Key {
    pub(in crate::store) fn of(kind: Kind) -> Self {
        let mut bytes = Vec::with_capacity(KEY_BYTES);
        bytes.push(kind as u8);
        Self(bytes)
    }

    pub(in crate::store) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(in crate::store) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(in crate::store) fn id(mut self, id: u128) -> Self {
        self.0.extend(id.to_be_bytes());
        self
    }

    pub(in crate::store) fn number(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(in crate::store) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(in crate::store) fn provider(mut self, provider: ProviderKind) -> Self {
        self.0.push(match provider {
            ProviderKind::Github => 0,
            ProviderKind::Gitlab => 1,
        });
        self
    }

    /// A name of ours, which never begins another one of its kind.
    pub(in crate::store) fn word(mut self, word: &'static str) -> Self {
        self.0.extend(word.as_bytes());
        self.0.push(0);
        self
    }

    /// A text of any length, as a hash: nothing needs to scan in order of it.
    pub(in crate::store) fn hashed(self, text: &[u8]) -> Self {
        let hash = blake3::hash(text);
        self.raw(&hash.as_bytes()[..HASH_BYTES])
    }

    pub(in crate::store) fn name(self, full_name: &FullName) -> Self {
        self.hashed(full_name.folded().as_bytes())
    }

    pub(in crate::store) fn instance(self, instance: &Instance) -> Self {
        let host = instance.host.clone();
        self.provider(instance.provider)
            .hashed(host.as_str().as_bytes())
    }
}

/// The id in the last 16 bytes.
pub(in crate::store) fn last_id(bytes: &[u8]) -> Option<u128> {
    bytes.last_chunk::<16>().map(|id| u128::from_be_bytes(*id))
}

/// The list of an owner, or of a connection.
pub(super) fn list_of(of: Of, by_owner: Kind, by_connection: Kind) -> Key {
    match of {
        Of::Owner(owner) => Key::of(by_owner).id(owner.as_u128()),
        Of::Connection(connection) => Key::of(by_connection).id(connection.as_u128()),
    }
}
