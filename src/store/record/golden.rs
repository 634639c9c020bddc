//! Bytes of every kind of record in every version that was ever written. A line stays as long as
//! there may be a store that holds such bytes; a new kind or version adds lines.

use super::{Record, decode, encode};
use crate::domain::command::Command;
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, DeliveryProgress};
use crate::domain::explanation::Explanation;
use crate::domain::history::History;
use crate::domain::incident::Incident;
use crate::domain::incident::track::{Track, TrackKey};
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::ledger::{Asked, Gap, Ledger, Totals, Uptime};
use crate::domain::notification::{Announced, Notification, Thread};
use crate::domain::operation::{Chunk, Operation};
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::Hold;
use crate::domain::rulebook::Rulebook;
use crate::domain::run::Run;
use crate::domain::secret::Sealed;
use crate::domain::server_trouble::ServerTrouble;
use crate::domain::sink::Sink;
use crate::domain::takeover::Takeover;
use crate::domain::user::{Credential, TokenRecord, User};
use data_encoding::HEXLOWER;
use std::collections::BTreeSet;

const LINES: &str = include_str!("../../../tests/fixtures/records.txt");

/// What today's bytes of a record are that these bytes stand for.
fn stepped_up<R: Record>(bytes: &[u8]) -> Vec<u8> {
    let record: R = decode(bytes).unwrap_or_else(|why| panic!("{}: {why}", R::KIND));
    let today = encode(&record);
    let again: R = decode(&today).expect("what is written can be read");
    assert_eq!(encode(&again), today, "{}", R::KIND);
    today
}

/// A kind of record: its name, the version written now, and how its bytes step up.
type Form = (&'static str, u8, fn(&[u8]) -> Vec<u8>);

fn form<R: Record>() -> Form {
    (R::KIND, R::VERSION, stepped_up::<R>)
}

fn forms() -> [Form; 32] {
    [
        form::<User>(),
        form::<TokenRecord>(),
        form::<Credential>(),
        form::<Connection>(),
        form::<Delivery>(),
        form::<DeliveryProgress>(),
        form::<Run>(),
        form::<Track>(),
        form::<TrackKey>(),
        form::<Note>(),
        form::<NoteKey>(),
        form::<Incident>(),
        form::<Command>(),
        form::<Operation>(),
        form::<Chunk>(),
        form::<Sealed>(),
        form::<Ledger>(),
        form::<Gap>(),
        form::<Totals>(),
        form::<Asked>(),
        form::<Uptime>(),
        form::<History>(),
        form::<Takeover>(),
        form::<Sink>(),
        form::<Notification>(),
        form::<Thread>(),
        form::<Announced>(),
        form::<Explanation>(),
        form::<Rulebook>(),
        form::<ProviderOutage>(),
        form::<Hold>(),
        form::<ServerTrouble>(),
    ]
}

#[test]
fn every_record_that_was_ever_written_is_read_and_todays_are_written_so() {
    let mut seen = BTreeSet::new();
    for line in LINES.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split('\t').collect();
        let [kind, was, is] = words[..] else {
            panic!("expected a kind, its bytes, and today's bytes: {line}");
        };
        let (name, newest, step) = *forms()
            .iter()
            .find(|(name, ..)| *name == kind)
            .unwrap_or_else(|| panic!("no such kind: {kind}"));
        let was = HEXLOWER
            .decode(was.as_bytes())
            .expect("the fixture is hexadecimal");
        assert_eq!(
            HEXLOWER.encode(&step(&was)),
            is,
            "{name} of version {}",
            was[0]
        );
        assert_eq!(
            HEXLOWER.decode(&is.as_bytes()[..2]),
            Ok(vec![newest]),
            "{name}"
        );
        seen.insert((name, was[0]));
    }
    for (name, newest, _) in forms() {
        for version in 1..=newest {
            assert!(
                seen.contains(&(name, version)),
                "{name} of version {version}"
            );
        }
    }
}
