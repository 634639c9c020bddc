//! What a timeline shows, whatever the order and number of reports.

use super::*;
use crate::domain::id::{ConnectionId, IncidentId};
use crate::domain::incident::IncidentSource;
use crate::domain::incident::care::{Act, Care, Tending};
use crate::domain::incident::track::{End, Reported, TrackKey};
use crate::domain::lane::Lane;
use crate::domain::rule::{Reopening, Verdict};
use crate::domain::run::{Conclusion, Family, Position};
use crate::domain::samples::{ANN, connection};
use proptest::prelude::*;

const ID: IncidentId = IncidentId::from_u128(7);

fn track() -> Track {
    Track::new(TrackKey {
        connection: ConnectionId::from_u128(1),
        family: Family::Actions,
        workflow: "77".into(),
        lane: Lane::of_branch("push", "main".into()),
    })
}

/// Run `number` ended at the same time: it failed, unless it is the last.
fn reported(number: u64, has_failed: bool) -> Reported {
    let (verdict, conclusion) = if has_failed {
        (Verdict::Failed, Conclusion::Failure)
    } else {
        (Verdict::Passed, Conclusion::Success)
    };
    let at = Timestamp(i64::try_from(number).unwrap() * 1000);
    Reported {
        end: End {
            position: Position { number, attempt: 1 },
            at,
            conclusion,
        },
        verdict,
        run: RunId::from_u128(u128::from(number)),
        began: at,
        mark: 0,
        reopening: Reopening::default(),
    }
}

/// The incident of `failures` failures in a row and a pass, as reported in this order.
fn told(failures: u64, order: &[u64]) -> (Incident, Track) {
    let mut track = track();
    let mut incident: Option<Incident> = None;
    for (n, number) in order.iter().enumerate() {
        track.take(reported(*number, *number <= failures), || ID);
        let now = Timestamp(1_000_000 + i64::try_from(n).unwrap());
        if let Some(group) = track.group(ID) {
            let known = incident.get_or_insert_with(|| {
                Incident::of_group(&group, &connection(1, "o/r"), IncidentSource::Webhook, now)
            });
            known.follow(&group, now);
        }
    }
    (incident.expect("something failed"), track)
}

fn kinds(entries: &[Entry]) -> Vec<EntryKind> {
    entries.iter().map(|entry| entry.kind).collect()
}

fn shuffled(failures: u64) -> impl Strategy<Value = Vec<u64>> {
    let times = prop::collection::vec(1..3_usize, usize::try_from(failures).unwrap() + 1);
    let all = times.prop_map(|times| {
        let each = (1..).zip(times);
        each.flat_map(|(number, times)| std::iter::repeat_n(number, times))
            .collect::<Vec<u64>>()
    });
    all.prop_shuffle()
}

proptest! {
    #![proptest_config(crate::histories::of(2_000))]

    #[test]
    fn reports_in_any_order_and_number_have_one_entry_each(
        (failures, order) in (1..9_u64).prop_flat_map(|n| (Just(n), shuffled(n)))
    ) {
        let (incident, track) = told(failures, &order);
        let entries = timeline(&incident, Some(&track));
        let mut expected = vec![EntryKind::Opened];
        expected.resize(usize::try_from(failures).unwrap(), EntryKind::Failed);
        expected.push(EntryKind::Resolved);
        prop_assert_eq!(kinds(&entries), expected);
        for (number, entry) in (1..).zip(&entries) {
            prop_assert_eq!(entry.run, Some(RunId::from_u128(number)));
            prop_assert_eq!(entry.at, Timestamp(i64::try_from(number).unwrap() * 1000));
        }
        prop_assert_eq!(incident.care.log, []);
        // Without the track, which is not kept as long, nothing is lost but the single runs.
        let incident = Incident { care: Care::default(), ..incident };
        let short = timeline(&incident, None);
        let times: u32 = short.iter().map(|entry| entry.times).sum();
        prop_assert_eq!(u64::from(times), failures + 1);
    }
}

#[test]
fn many_failures_share_an_entry_but_for_the_newest() {
    let order: Vec<u64> = (1..=301).collect();
    let (incident, track) = told(300, &order);
    let entries = timeline(&incident, Some(&track));
    assert_eq!(entries.len(), FAILURES_MAX + 3);
    assert_eq!(entries[0].kind, EntryKind::Opened);
    assert_eq!(entries[0].at, Timestamp(1000));
    assert_eq!(
        entries[1].times,
        300 - 1 - u32::try_from(FAILURES_MAX).unwrap()
    );
    assert_eq!(entries[1].last_at, Timestamp(250_000));
    let failures: u32 = entries[..entries.len() - 1].iter().map(|e| e.times).sum();
    assert_eq!(failures, 300);
}

#[test]
fn what_people_did_and_what_was_corrected_stands_between() {
    use EntryKind as K;
    let mut track = track();
    track.take(reported(1, true), || ID);
    let group = track.group(ID).unwrap();
    let at = Timestamp(1500);
    let of_group =
        |group| Incident::of_group(group, &connection(1, "o/r"), IncidentSource::Webhook, at);
    let mut incident = of_group(&group);
    let note = Act::Tend(Tending::Note("known".into()));
    for (ms, act) in [(1600, Act::Acknowledge), (1700, note)] {
        incident.act(&act, ANN, Timestamp(ms)).unwrap();
    }
    // Resolved by the third run; then the second turns out to have passed before.
    for (number, now) in [(3, 4000), (2, 5000)] {
        track.take(reported(number, false), || ID);
        incident.follow(&track.group(ID).unwrap(), Timestamp(now));
    }
    let entries = timeline(&incident, Some(&track));
    let expected = [
        K::Opened,
        K::Acknowledged,
        K::Note,
        K::Resolved,
        K::Corrected,
    ];
    assert_eq!(kinds(&entries), expected);
    assert_eq!(entries[2].text.as_deref(), Some("known"));
    assert_eq!(entries[2].by, Some(ANN));
    assert_eq!(entries[3].run, Some(RunId::from_u128(2)));
    assert_eq!(entries[3].by, None);
    let was = Resolution::Passed(RunId::from_u128(3));
    assert_eq!(entries[4].resolution, Some(was));
    incident.reopen(Timestamp(6000));
    incident.act(&Act::Resolve, ANN, Timestamp(7000)).unwrap();
    let entries = timeline(&incident, Some(&track));
    assert_eq!(kinds(&entries)[5..], [K::Reopened, K::Resolved]);
    assert_eq!(entries[6].by, Some(ANN));
    assert_eq!(entries.iter().filter(|e| e.kind == K::Resolved).count(), 2);
}

#[test]
fn an_incident_of_an_older_version_shows_what_it_has() {
    use EntryKind as K;
    let incident = Incident {
        occurrences: 3,
        acknowledged_at: Some(Timestamp(20)),
        resolved_at: Some(Timestamp(30)),
        resolution: Some(Resolution::ByHand),
        first_seen_at: Timestamp(1),
        last_seen_at: Timestamp(10),
        ..crate::domain::samples::incident(ID, ConnectionId::from_u128(1))
    };
    let entries = timeline(&incident, None);
    let expected = [K::Opened, K::Failed, K::Acknowledged, K::Resolved];
    assert_eq!(kinds(&entries), expected);
    assert_eq!((entries[1].times, entries[1].last_at), (2, Timestamp(10)));
}
