//! The frozen mirrors of histories of connections.

use super::codec::Record;
use super::wire::{Wire, codes, mirror};
use crate::domain::error_code::ErrorCode;
use crate::domain::history::{Entry, EntryKind, Evidence, History, Reaction};
use crate::domain::id::{ConnectionId, HookId, UserId};
use crate::domain::time::Timestamp;

codes!(EntryKind {
    0 = Created, 1 = Recreated, 2 = Adopted, 3 = Drifted, 4 = Repaired, 5 = Updated,
    6 = Rewritten, 7 = Moved, 8 = Lost, 9 = Disabled, 10 = Paused, 11 = Enabled, 12 = Silent,
    13 = Heard, 14 = Refused, 15 = Accepted, 16 = Suspended, 17 = StoppedByUser, 18 = Resumed,
    19 = EventsChanged, 20 = RotationBegun, 21 = Rotated, 22 = OldSecretDropped, 23 = Renamed,
    28 = ExistingFound, 29 = ExistingReplaced, 30 = ExistingRemoved, 31 = ExistingLeft,
    24 = SecretProven,
});
codes!(Evidence {
    0 = Check, 1 = Write, 2 = Delivery, 3 = Pings, 4 = Refusal, 5 = Answer, 6 = Request, 7 = Time,
    8 = Fault,
});
codes!(Reaction {
    0 = None, 1 = Repair, 2 = Ensure, 3 = Check, 4 = Ping, 5 = Delete, 6 = AskUser,
});
mirror!(EntryV1 of Entry {
    number: u64,
    at: Timestamp,
    last_at: Timestamp,
    times: u32,
    kind: EntryKind,
    fields: Vec<String>,
    hook: Option<HookId>,
    from: Option<String>,
    to: Option<String>,
    code: Option<ErrorCode>,
    evidence: Evidence,
    reaction: Reaction,
});
mirror!(HistoryV1 of History {
    connection: ConnectionId,
    owner: UserId,
    last: u64,
    entries: Vec<Entry>,
});

impl Record for History {
    const VERSION: u8 = 1;
    const KIND: &'static str = "history";
}

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::samples;

    #[test]
    fn every_kind_proof_and_reaction_comes_back() {
        round(EntryKind::ALL.to_vec());
        round(Evidence::ALL.to_vec());
        round(Reaction::ALL.to_vec());
        let id = ConnectionId::from_u128(3);
        round(vec![samples::history(id), History::new(id, samples::ANN)]);
    }
}
