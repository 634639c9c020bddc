//! Bytes of every kind of record in every version that was ever written. A line stays as long as
//! there may be a store that holds such bytes; whoever adds a kind or a version adds lines.

use super::{Record, decode, encode};
use crate::domain::command::Command;
use crate::domain::connection::Connection;
use crate::domain::delivery::Delivery;
use crate::domain::incident::Incident;
use crate::domain::incident::track::{Track, TrackKey};
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::run::Run;
use crate::domain::secret::Sealed;
use crate::domain::user::{Credential, TokenRecord, User};
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

fn forms() -> [Form; 13] {
    [
        form::<User>(),
        form::<TokenRecord>(),
        form::<Credential>(),
        form::<Connection>(),
        form::<Delivery>(),
        form::<Run>(),
        form::<Track>(),
        form::<TrackKey>(),
        form::<Note>(),
        form::<NoteKey>(),
        form::<Incident>(),
        form::<Command>(),
        form::<Sealed>(),
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
        let was = hex::decode(was).unwrap();
        assert_eq!(hex::encode(step(&was)), is, "{name} of version {}", was[0]);
        assert_eq!(hex::decode(is).unwrap()[0], newest, "{name}");
        seen.insert((name, was[0]));
    }
    for (name, newest, _) in forms() {
        // Commands, notes and their keys are younger than version 0.1.
        let first = (1..=newest).find(|version| seen.contains(&(name, *version)));
        let oldest = if ["note", "note key"].contains(&name) {
            2
        } else {
            1
        };
        assert_eq!(first, Some(oldest), "{name}");
        for version in oldest..=newest {
            assert!(
                seen.contains(&(name, version)),
                "{name} of version {version}"
            );
        }
    }
}

#[test]
fn golden_make() {
    use crate::store::Change;
    use crate::store::record::decode_parts;
    let mut out = String::new();
    let mut kinds: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
    let mut line = |kind: &str, was: &[u8]| {
        let (_, _, step) = *forms().iter().find(|(name, ..)| *name == kind).unwrap();
        let n = kinds.entry(format!("{kind}{}", was[0])).or_default();
        *n += 1;
        if *n <= 3 {
            out.push_str(&format!(
                "{kind}\t{}\t{}\n",
                hex::encode(was),
                hex::encode(step(was))
            ));
        }
    };
    let dir =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1/journal");
    for id in [1, 2] {
        let _ = crate::store::journal::scan_segment(&dir, id, 0, None, |_, payload| {
            for (tag, bytes) in decode_parts(payload).unwrap() {
                match tag {
                    1 => line("user", &bytes),
                    2 => line("token", &bytes),
                    4 => line("credential", &bytes),
                    6 => line("connection", &bytes),
                    9 => line("delivery", &bytes),
                    11 => line("run", &bytes),
                    12 => line("track", &bytes),
                    13 => line("incident", &bytes),
                    14 => line("canary", &bytes),
                    17 => line("track key", &bytes),
                    _ => {}
                }
            }
        })
        .unwrap();
    }
    let un = |text: &str| hex::decode(text).unwrap();
    line("user", &un("01fb020103616e6e0101"));
    line("user", &un("02fb020103616e6e01010112fb020101"));
    line("token", &un(&format!("010304{}0a", "07".repeat(32))));
    line(
        "token",
        &un(&format!("020304{}0a0102636901020104", "07".repeat(32))),
    );
    line(
        "run",
        &un(
            "0103020102fb29232a020201fd004d061a440300000102474704756e69740001076661696c75726502373702434901046d61696e02616101034669780103616e6e0470757368010b68747470733a2f2f782f310e",
        ),
    );
    line("track key", &un("01020a616374696f6e733a3737046d61696e"));
    line(
        "track",
        &un(
            "010212706970656c696e65733a7363686564756c65046d61696e030101140105010601160402012800050003013c01050107000100090a0101060406",
        ),
    );
    line(
        "incident",
        &un(
            "0107010002000100076661696c757265154349206661696c65643a204349206f6e206d61696e010302020a616374696f6e733a3737046d61696e02434901046d61696e026161000103616e6e00014704756e69740001076661696c75726502143c000000",
        ),
    );
    line(
        "incident",
        &un("01080101090202021363726564656e7469616c5f72656a656374656401740001143c0116013e010003"),
    );
    line("note key", &un("010200046d61696e"));
    line("note", &un("010200046d61696e00000107023c"));
    const BEFORE: &str = "01fb0201fb0403010e6769746c61622e6578616d706c65014d0d67726f75702f7375622f617070140707070707070707070707070707070707070707010501010601010609020f706970656c696e655f6576656e74730b707573685f6576656e7473030102030101040164020103";
    let before = "01fb0201fb0403010e6769746c61622e6578616d706c65014d0d67726f75702f7375622f\
        617070140707070707070707070707070707070707070707010501010601\
        09020f706970656c696e655f6576656e74730b707573685f6576656e7473030102030101040164020103";
    let _ = BEFORE;
    const BEHIND: &str = "0103010201050601010102142801788c01a001b40001dc01\
        0c726174655f6c696d69746564056c61746572f0";
    for hook in ["070401fb6712", "090202", "0000"] {
        line("connection", &un(&format!("{before}00{hook}{BEHIND}")));
    }
    {
        let (counts, rest) = BEHIND.split_at(BEHIND.find("01788c01").unwrap());
        let before = before.strip_prefix("01").unwrap();
        let address = hex::encode("https://hooks.example");
        let lifecycle = format!("000b0201fb6712{counts}0101");
        line(
            "connection",
            &un(&format!("02{before}{lifecycle}{rest}0115{address}010e02")),
        );
    }
    {
        use crate::domain::command::*;
        use crate::domain::id::*;
        use crate::domain::time::Timestamp;
        let command = |kind, state| Command {
            id: CommandId::from_u128(0x0102),
            connection: ConnectionId::from_u128(3),
            owner: UserId::from_u128(4),
            kind,
            asked_by: UserId::from_u128(5),
            asked_at: Timestamp(-6),
            state,
        };
        let at = Timestamp(7);
        let done = CommandState::Done {
            at,
            outcome: CommandOutcome::Unchanged,
        };
        let failed = CommandState::Failed {
            at,
            code: crate::domain::error_code::ErrorCode::NotNow,
        };
        line(
            "command",
            &encode(&command(
                CommandKind::SetEvents(vec!["push".into()]),
                CommandState::Asked,
            )),
        );
        line(
            "command",
            &encode(&command(
                CommandKind::Disconnect { delete_hook: true },
                done,
            )),
        );
        line(
            "command",
            &encode(&command(
                CommandKind::Replay(DeliveryId::from_u128(9)),
                failed,
            )),
        );
        use crate::domain::incident::Resolution;
        use crate::domain::lane::place::*;
        use crate::domain::lane::*;
        let mut note = Note::new(NoteKey {
            connection: ConnectionId::from_u128(2),
            place: Place::PullRequest(7),
        });
        note.ends.insert(
            EndedAt {
                at: Timestamp(3),
                reach: Reach::BegunBut(4),
            },
            Resolution::Merged,
        );
        note.children.insert(5, 1);
        note.touched_at = Timestamp(8);
        line("note", &encode(&note));
        line("note key", &encode(&note.key));
        for state in [
            crate::domain::delivery::DeliveryState::Received,
            crate::domain::delivery::DeliveryState::Processed {
                at,
                outcome: crate::domain::delivery::Outcome::DeadLetter {
                    reason: "no".into(),
                },
            },
        ] {
            let d = crate::domain::delivery::Delivery {
                state,
                ..crate::store::disk::tests::delivery(1)
            };
            line("delivery", &encode(&d));
        }
        for kind in ["run", "track", "track key", "incident"] {
            let _ = kind;
        }
    }
    let lines: Vec<String> = out.lines().map(str::to_owned).collect();
    for text in lines {
        let words: Vec<&str> = text.split('\t').collect();
        if words[1] != words[2] && words[0] != "x" {
            out.push_str(&format!("{}\t{}\t{}\n", words[0], words[2], words[2]));
        }
    }
    std::fs::write("/tmp/golden.txt", out).unwrap();
}
