//! CI's records come back, and those of version 0.1 step up.

use super::super::kinds::tests::round;
use super::super::{Record, RecordError, decode, encode};
use super::*;
use crate::domain::lane::children::Seats;
use crate::domain::lane::second::{self, Commit};
use crate::domain::lane::tests::any_lane;
use data_encoding::HEXLOWER_PERMISSIVE;
use proptest::prelude::*;

/// Written as version 0.1 wrote them: a run of the workflow 77 on `main`, ...
const RUN: &str = "\
    0103020102fb29232a020201fd004d061a440300000102474704756e69740001076661696c757265\
    02373702434901046d61696e02616101034669780103616e6e0470757368010b68747470733a2f2f\
    782f310e";
/// ... the key of its track, ...
const KEY: &str = "01020a616374696f6e733a3737046d61696e";
/// ... a track of GitLab's schedules, with a failure that was superseded, a pass, and a failure
/// that goes on, ...
const TRACK: &str = "\
    010212706970656c696e65733a7363686564756c65046d61696e0301011401050106011604020128\
    00050003013c01050107000100090a0101060406";
/// ... an incident that is open, ...
const OPEN: &str = "\
    0107010002000100076661696c757265154349206661696c65643a204349206f6e206d61696e0103\
    02020a616374696f6e733a3737046d61696e02434901046d61696e026161000103616e6e00014704\
    756e69740001076661696c75726502143c000000";
/// ... and one of a credential that passed, as none can, to have every field.
const RESOLVED: &str =
    "01080101090202021363726564656e7469616c5f72656a656374656401740001143c0116013e010003";

fn read<R: Record>(hexadecimal: &str) -> R {
    decode(&HEXLOWER_PERMISSIVE.decode(hexadecimal.as_bytes()).unwrap()).unwrap()
}

fn main_of(family: Family, workflow: &str) -> TrackKey {
    TrackKey {
        connection: ConnectionId::from_u128(2),
        family,
        workflow: workflow.into(),
        lane: Lane::of_branch("push", "main".into()),
    }
}

#[test]
fn a_run_of_version_one_is_a_push() {
    let run: Run = read(RUN);
    assert_eq!(run.id, RunId::from_u128(3));
    assert_eq!((run.family, run.provider_run_id), (Family::Actions, 9001));
    assert_eq!((run.position.number, run.position.attempt), (42, 2));
    assert_eq!(run.status, RunStatus::Completed(Conclusion::Failure));
    assert_eq!(run.failed_jobs[&(2, 71)].name, "unit");
    let key = TrackKey::of(run.connection, run.family, &run.facts);
    assert_eq!(key, main_of(Family::Actions, "77"));
    assert_eq!(run.facts.own_branch(), Some("main"));
    assert_eq!(run.facts.author.as_deref(), Some("ann"));
}

#[test]
fn a_track_of_version_one_goes_on_under_the_key_that_it_had() {
    assert_eq!(read::<TrackKey>(KEY), main_of(Family::Actions, "77"));
    let track: Track = read(TRACK);
    let lane = Lane::Schedule {
        branch: "main".into(),
    };
    assert_eq!(track.key.lane, lane);
    assert_eq!(lane.branch_in_v1(Family::Pipelines), Some("main"));
    assert_eq!(
        lane.branch_in_v1(Family::Actions),
        None,
        "it had none there"
    );
    assert!(track.is_failing());
    let closed = track.group(IncidentId::from_u128(6)).unwrap();
    assert_eq!(closed.occurrences, 5, "what was forgotten still counts");
    let group = track.group(IncidentId::from_u128(7)).unwrap();
    assert_eq!((group.occurrences, group.end), (1, None));
    assert_eq!(track.floor.unwrap().position.attempt, 9);
}

#[test]
fn incidents_of_version_one_keep_everything() {
    let open: Incident = read(OPEN);
    assert_eq!(open.id, IncidentId::from_u128(7));
    assert_eq!((open.occurrences, open.resolution), (2, None));
    assert_eq!(open.repository, None);
    let ci = open.ci.unwrap();
    assert_eq!(ci.track, main_of(Family::Actions, "77"));
    assert_eq!(ci.branch.as_deref(), Some("main"));
    assert_eq!(ci.failed_jobs[0].id, 71);
    let resolved: Incident = read(RESOLVED);
    let passed = Resolution::Passed(RunId::from_u128(3));
    assert_eq!(resolved.resolution, Some(passed));
    assert_eq!(resolved.resolved_at, Some(Timestamp(31)));
    assert_eq!(resolved.acknowledged_at, Some(Timestamp(11)));
    assert_eq!(resolved.severity, Severity::Critical);
}

#[test]
fn what_was_read_is_written_as_the_newest_version_and_read_again() {
    let run: Run = read(RUN);
    let track: Track = read(TRACK);
    let incident: Incident = read(OPEN);
    let versions = [encode(&run)[0], encode(&track)[0], encode(&incident)[0]];
    assert_eq!(versions, [3, 3, 5]);
    assert_eq!(decode(&encode(&run)), Ok(run));
    assert_eq!(decode(&encode(&track)), Ok(track));
    assert_eq!(decode(&encode(&incident)), Ok(incident));
    let mut old = HEXLOWER_PERMISSIVE.decode(RUN.as_bytes()).unwrap();
    old.truncate(old.len() - 1);
    assert_eq!(decode::<Run>(&old), Err(RecordError::Damaged));
    let never = [&[0], &old[1..]].concat();
    assert_eq!(decode::<Run>(&never), Err(RecordError::Damaged));
}

#[test]
fn every_end_and_every_place_comes_back() {
    round(vec![
        Resolution::Passed(RunId::from_u128(1)),
        Resolution::ByHand,
        Resolution::Recovered,
        Resolution::Disconnected,
        Resolution::Superseded,
        Resolution::BranchDeleted,
        Resolution::TagDeleted,
        Resolution::PullRequestClosed,
        Resolution::Merged,
        Resolution::LeftQueue,
        Resolution::Mirrored,
        Resolution::Replaced,
    ]);
    round(vec![Reach::Begun, Reach::BegunBut(1), Reach::DecidedBut(2)]);
    round(vec![
        Place::Branch("a".into()),
        Place::Tag("a".into()),
        Place::PullRequest(1),
        Place::Head {
            code: Code::ForkNamed("x/r".into()),
            branch: "a".into(),
        },
        Place::Commit("a".into()),
        Place::Entry(1),
        Place::Queue("a".into()),
        Place::Suites("a".into()),
        Place::Pipeline {
            project: Some(RepositoryId(1)),
            id: 2,
        },
        Place::Children {
            lane: "push|own|main|".into(),
            project: None,
        },
        Place::Second(7),
    ]);
    let connection = ConnectionId::from_u128(2);
    let place = Place::Commit("a".into());
    let mut note = Note::new(NoteKey { connection, place });
    let (at, reach) = (Timestamp(5), Reach::DecidedBut(3));
    note.end(EndedAt { at, reach }, Resolution::Merged);
    note.add_track(&main_of(Family::Checks, "5"));
    let mut seats = Seats::new();
    note.child(900, &Likeness::new([1, 2], [(3, 4)]), &mut seats);
    note.seats = seats;
    let (name, parents) = (1 << 59, vec![5]);
    let (status, second) = (6, 7);
    let commit = Commit {
        name,
        parents,
        status,
        second,
    };
    second::rank(&mut note.commits, &commit, None);
    assert_eq!(decode(&encode(&note)), Ok(note));
}

#[test]
fn a_note_of_version_one_keeps_everything() {
    // Of a pipeline: how it ended, no tracks, two children, and when it changed.
    let note: Note = read("010208001e010a0203080002fb840300fb8503010e");
    let connection = ConnectionId::from_u128(2);
    let (project, id) = (None, 30);
    let place = Place::Pipeline { project, id };
    let key = NoteKey { connection, place };
    let (at, reach) = (Timestamp(5), Reach::DecidedBut(3));
    let expected = Note {
        ends: BTreeMap::from([(EndedAt { at, reach }, Resolution::Merged)]),
        children: BTreeMap::from([(900, 0), (901, 1)]),
        touched_at: Timestamp(7),
        ..Note::new(key.clone())
    };
    assert_eq!(note, expected);
    assert_eq!(read::<NoteKey>("010208001e"), key);
    assert_eq!(encode(&note)[0], 2);
    assert_eq!(decode(&encode(&note)), Ok(note));
    assert_eq!(decode(&encode(&key)), Ok(key));
}

proptest! {
    #[test]
    fn every_lane_comes_back(lane in any_lane()) {
        round(vec![lane]);
    }
}
