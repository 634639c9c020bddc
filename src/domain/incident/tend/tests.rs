//! What people do is done once, is logged, and is bounded.

use super::*;
use crate::domain::id::{ConnectionId, IncidentId};
use crate::domain::incident::Resolution;
use crate::domain::incident::care::LOG_MAX;
use crate::domain::samples;

const ANN: UserId = samples::ANN;
const T1: Timestamp = Timestamp(1000);
const T2: Timestamp = Timestamp(2000);

fn incident() -> Incident {
    samples::incident(IncidentId::from_u128(1), ConnectionId::from_u128(1))
}

fn deeds(incident: &Incident) -> Vec<&Deed> {
    incident.care.log.iter().map(|entry| &entry.what).collect()
}

#[test]
fn each_act_changes_the_incident_once_and_has_an_entry() {
    let mut it = incident();
    let acts = [
        Act::Acknowledge,
        Act::Tend(Tending::Assign(Some(ANN))),
        Act::Tend(Tending::Mute(T2)),
        Act::Resolve,
    ];
    for act in &acts {
        assert_eq!(it.act(act, ANN, T1), Ok(true), "{act:?}");
    }
    assert_eq!(it.care.assignee, Some(ANN));
    assert_eq!(it.muted_until(T1), Some(T2));
    assert_eq!(it.muted_until(T2), None, "it has ended");
    let by_hand = Deed::Resolved(Resolution::ByHand);
    let expected = [
        &Deed::Acknowledged,
        &Deed::Assigned(ANN),
        &Deed::Muted(T2),
        &by_hand,
    ];
    assert_eq!(deeds(&it), expected);
    assert!(it.care.log.iter().all(|e| e.at == T1 && e.by == Some(ANN)));
    let before = it.clone();
    let again = [Act::Resolve, Act::Tend(Tending::Assign(Some(ANN)))];
    for act in &again {
        assert_eq!(it.act(act, ANN, T2), Ok(false), "{act:?}");
    }
    for act in [Act::Acknowledge, Act::Tend(Tending::Mute(Timestamp(9000)))] {
        assert_eq!(it.act(&act, ANN, T2), Err(Unacted::Resolved), "{act:?}");
    }
    assert_eq!(it.act(&Act::Tend(Tending::Unmute), ANN, T2), Ok(false));
    assert_eq!(it, before);
    assert_eq!(it.tend(&Tending::Assign(None), ANN, T2), Ok(true));
    assert_eq!(it.tend(&Tending::Assign(None), ANN, T2), Ok(false));
    assert_eq!(it.care.assignee, None);
}

#[test]
fn a_mute_of_the_past_is_none_and_one_that_lasts_is_ended() {
    let mut it = incident();
    assert_eq!(it.tend(&Tending::Mute(T1), ANN, T1), Ok(false));
    assert_eq!(it.tend(&Tending::Unmute, ANN, T1), Ok(false));
    assert_eq!(it.tend(&Tending::Mute(T2), ANN, T1), Ok(true));
    assert_eq!(it.tend(&Tending::Mute(T2), ANN, T1), Ok(false));
    assert_eq!(it.tend(&Tending::Unmute, ANN, T1), Ok(true));
    assert_eq!(it.muted_until(T1), None);
    assert_eq!(deeds(&it), [&Deed::Muted(T2), &Deed::Unmuted]);
}

#[test]
fn notes_and_the_log_are_bounded_and_no_note_makes_room() {
    let mut it = incident();
    for n in 0..NOTES_MAX {
        let note = Tending::Note(n.to_string());
        assert_eq!(it.tend(&note, ANN, T1), Ok(true));
    }
    let one_more = Tending::Note("more".into());
    assert_eq!(it.tend(&one_more, ANN, T1), Err(Unacted::NotesFull));
    for n in 0..3 * LOG_MAX {
        let to = (n % 2 == 0).then_some(ANN);
        assert_eq!(it.tend(&Tending::Assign(to), ANN, T2), Ok(true));
    }
    assert_eq!(it.care.log.len(), LOG_MAX);
    assert_eq!(it.care.notes(), NOTES_MAX);
    assert_eq!(it.care.log.last().unwrap().what, Deed::Unassigned);
}

#[test]
fn it_becomes_worse_and_never_better() {
    let mut it = incident();
    it.worsen(Severity::Warning, T1);
    it.worsen(it.severity, T1);
    assert_eq!((it.severity, it.care.log.len()), (Severity::Error, 0));
    it.worsen(Severity::Critical, T2);
    assert_eq!(it.severity, Severity::Critical);
    assert_eq!(deeds(&it), [&Deed::Worsened(Severity::Error)]);
}
