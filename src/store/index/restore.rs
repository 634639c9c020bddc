//! Taking in what a snapshot holds.
//!
//! A snapshot is taken while others write, and of its entries some are older than others. So only
//! the records are taken in, and the replay guards, which outlive theirs; the keys that lead to
//! records, and the counts, are made again. It does not matter in which form the snapshot has them.

use super::apply::{insert_delivery, read_delivery};
use super::key::Kind;
use super::{Index, Kv, Place, record};
use crate::store::record::Record;
use crate::store::{Change, ReadError};

fn boxed<R: Record>(value: &[u8]) -> Result<Box<R>, ReadError> {
    record(value).map(Box::new)
}

/// Makes the change that puts a record.
type Put = fn(&[u8]) -> Result<Change, ReadError>;

/// The kinds of records, and how each is put. Deliveries are not among them: they lie at a place.
const RECORDS: [(Kind, Put); 26] = [
    (Kind::User, |value| Ok(Change::PutUser(record(value)?))),
    (Kind::Token, |value| Ok(Change::PutToken(record(value)?))),
    (Kind::Credential, |value| {
        Ok(Change::PutCredential(record(value)?))
    }),
    (Kind::Connection, |value| {
        Ok(Change::PutConnection(boxed(value)?))
    }),
    (Kind::Run, |value| Ok(Change::PutRun(boxed(value)?))),
    (Kind::Track, |value| Ok(Change::PutTrack(boxed(value)?))),
    (Kind::Incident, |value| {
        Ok(Change::PutIncident(boxed(value)?))
    }),
    (Kind::Command, |value| Ok(Change::PutCommand(boxed(value)?))),
    (Kind::Operation, |value| {
        Ok(Change::PutOperation(boxed(value)?))
    }),
    (Kind::OperationChunk, |value| {
        Ok(Change::PutChunk(boxed(value)?))
    }),
    (Kind::Canary, |value| Ok(Change::PutCanary(record(value)?))),
    (Kind::Ledger, |value| Ok(Change::PutLedger(boxed(value)?))),
    (Kind::Gap, |value| Ok(Change::PutGap(boxed(value)?))),
    (Kind::Uptime, |value| Ok(Change::PutUptime(record(value)?))),
    (Kind::History, |value| Ok(Change::PutHistory(boxed(value)?))),
    (Kind::Takeover, |value| {
        Ok(Change::PutTakeover(boxed(value)?))
    }),
    (Kind::Hold, |value| Ok(Change::PutHold(record(value)?))),
    (Kind::Trouble, |value| {
        Ok(Change::PutTrouble(record(value)?))
    }),
    (Kind::Outage, |value| Ok(Change::PutOutage(boxed(value)?))),
    (Kind::Sink, |value| Ok(Change::PutSink(boxed(value)?))),
    (Kind::Notification, |value| {
        Ok(Change::PutNotification(boxed(value)?))
    }),
    (Kind::Thread, |value| Ok(Change::PutThread(boxed(value)?))),
    (Kind::Announced, |value| {
        Ok(Change::PutAnnounced(boxed(value)?))
    }),
    (Kind::Explanation, |value| {
        Ok(Change::PutExplanation(boxed(value)?))
    }),
    (Kind::Rulebook, |value| {
        Ok(Change::PutRulebook(boxed(value)?))
    }),
    (Kind::ReconcileAsked, |value| {
        Ok(Change::AskReconcile(record(value)?))
    }),
];

/// What only leads to records, and is rebuilt with them. What is neither here nor among the
/// records is taken as it is, such as replay guards, whose delivery may be gone.
const DERIVED: [Kind; 47] = [
    Kind::UserByName,
    Kind::TokenByHash,
    Kind::TokenByUser,
    Kind::CredentialByOwner,
    Kind::CredentialShared,
    Kind::ConnectionByHookKey,
    Kind::ConnectionByRepository,
    Kind::ConnectionByName,
    Kind::ConnectionByOwner,
    Kind::ConnectionByOwnerAndName,
    Kind::ConnectionByStatus,
    Kind::ConnectionByCredential,
    Kind::ConnectionLeaving,
    Kind::ConnectionByRotation,
    Kind::DeliveryByConnection,
    Kind::DeliveryByOwner,
    Kind::DeliveryByOutcome,
    Kind::DeliveryPending,
    Kind::DeliveryBySegment,
    Kind::RunByProviderId,
    Kind::RunByConnection,
    Kind::RunByOwner,
    Kind::CommandAsked,
    Kind::CommandByConnection,
    Kind::OperationByOwner,
    Kind::OperationUnfinished,
    Kind::IncidentByOwner,
    Kind::IncidentBySubject,
    Kind::IncidentByStatus,
    Kind::IncidentBySubjectAndStatus,
    Kind::IncidentByLook,
    Kind::Count,
    Kind::CountInAll,
    Kind::GapByOwner,
    Kind::GapByConnection,
    Kind::GapTotals,
    Kind::Behind,
    Kind::SinkByOwner,
    Kind::NotificationByOwner,
    Kind::NotificationByState,
    Kind::NotificationByIncident,
    Kind::NotificationBySink,
    Kind::NotificationDue,
    Kind::NotificationWaiting,
    Kind::IncidentUnannounced,
    Kind::IncidentUnexplained,
    Kind::ThreadOpen,
];

impl<K: Kv> Index<K> {
    /// Takes in an entry of a snapshot, in the order of their keys: records come before the guards.
    pub(in crate::store) fn restore(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), ReadError> {
        let is = |kind: Kind| key.first() == Some(&(kind as u8));
        if DERIVED.into_iter().any(is) {
            return Ok(());
        }
        if is(Kind::Delivery) {
            let (place, delivery) = read_delivery(&value)?;
            return self.write(insert_delivery(self, &delivery, place)?);
        }
        match RECORDS.iter().find(|(kind, _)| is(*kind)) {
            Some((_, put)) => self.apply(&put(&value)?, Place::default()),
            None => self.write(vec![(key, Some(value))]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken as it is: replay guards, whose delivery may be gone, and what no change puts.
    const KEPT: [Kind; 6] = [
        Kind::DeliveryByProviderId,
        Kind::DeliveryByDigest,
        Kind::DeliveryByOlderDigest,
        Kind::DeliveryForgotten,
        Kind::Note,
        Kind::LatestDelivery,
    ];

    /// The letters of all kinds, as they are written down.
    fn letters() -> Vec<u8> {
        let (_, kinds) = include_str!("key.rs").split_once("enum Kind {").unwrap();
        let (kinds, _) = kinds.split_once("\n}").unwrap();
        let letter = |line: &str| {
            line.split_once("= b'")
                .map(|(_, letter)| letter.as_bytes()[0])
        };
        kinds.lines().filter_map(letter).collect()
    }

    #[test]
    fn each_kind_is_a_record_or_derived_or_kept() {
        let records = RECORDS.iter().map(|(kind, _)| *kind);
        let known = records.chain([Kind::Delivery]).chain(DERIVED).chain(KEPT);
        let mut known: Vec<u8> = known.map(|kind| kind as u8).collect();
        let mut all = letters();
        known.sort_unstable();
        all.sort_unstable();
        let text = |letters: &[u8]| String::from_utf8(letters.to_vec()).unwrap();
        assert_eq!(
            text(&known),
            text(&all),
            "one is missing, or is in two places"
        );
    }
}
