//! The fold: events of random CI histories, shuffled, told twice and in part not at all, end in
//! the state in which the ordered history ends, and that is the state that a plain reading of the
//! history gives.

mod history;
mod oracle;

use super::fakes::still_ports;
use crate::actor::incidents::Fold;
use crate::credentials::Ports;
use crate::domain::connection::Connection;
use crate::domain::delivery::Source;
use crate::domain::event::Event;
use crate::domain::id::{ConnectionId, RunId};
use crate::domain::incident::care::{Deed, Logged};
use crate::domain::incident::track::{End, PointKind, TrackKey};
use crate::domain::incident::{Incident, Resolution};
use crate::domain::repo::RepositoryId;
use crate::domain::rule::{Reopening, Rules};
use crate::domain::run::{Family, Run, RunEvent};
use crate::domain::samples;
use crate::domain::time::Timestamp;
use crate::store::memory::MemoryStore;
use crate::store::{After, Batch, IncidentFilter, Of};
use futures_util::FutureExt;
use history::{Story, Told, any_history};
use oracle::{Fact, Tell};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::BTreeMap;
use std::sync::Arc;

const CONNECTION: ConnectionId = ConnectionId::from_u128(2);

fn connection() -> Connection {
    Connection {
        repository: Some(RepositoryId(1)),
        ..samples::connection(CONNECTION.as_u128(), "o/r")
    }
}

/// What a history came to, without what is ours alone: our ids, and when we first heard.
#[derive(Debug, Default, PartialEq)]
struct State {
    runs: BTreeMap<(Family, u64), Run>,
    incidents: Vec<Incident>,
    tracks: BTreeMap<TrackKey, Vec<(End, bool)>>,
}

/// Takes in what is told, in batches of these sizes.
fn folded<T>(
    told: &[T],
    sizes: &[usize],
    reopening: Reopening,
    take: impl Fn(&mut Fold<'_>, &T),
) -> Ports {
    let ports = still_ports(Arc::new(MemoryStore::new()));
    let (rules, connection) = (Rules::default().reopens(reopening), connection());
    let (mut rest, mut sizes) = (told, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = *sizes.next().expect("it goes round").min(&rest.len());
        let (batch, later) = rest.split_at(size);
        let mut fold = Fold::new(&ports, &rules, &connection);
        for one in batch {
            take(&mut fold, one);
        }
        let committed = ports.store.commit(Batch::of(fold.finish()));
        at_hand(committed).unwrap();
        rest = later;
    }
    ports
}

/// Takes in `events` in batches of these sizes, and says what they came to.
fn fold<'a>(
    events: impl IntoIterator<Item = &'a RunEvent>,
    sizes: &[usize],
    reopening: Reopening,
) -> State {
    let events: Vec<_> = events.into_iter().collect();
    let ports = folded(&events, sizes, reopening, |fold, event| {
        at_hand(fold.take(event, Source::Webhook)).unwrap();
    });
    state(&ports, &events)
}

/// What a store in memory answers is at hand.
fn at_hand<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("memory is at hand")
}

fn incidents(ports: &Ports) -> Vec<Incident> {
    let filter = IncidentFilter::default();
    let found = ports
        .store
        .incidents_of(samples::ANN, &filter, After::first(usize::MAX));
    found.ready().unwrap().items
}

fn state(ports: &Ports, events: &[&RunEvent]) -> State {
    let store = &ports.store;
    let mut state = State::default();
    let mut names = BTreeMap::new();
    for run in store
        .runs(Of::Connection(CONNECTION), After::first(usize::MAX))
        .ready()
        .unwrap()
        .items
    {
        let name = RunId::from_u128(u128::from(run.provider_run_id));
        names.insert(run.id, name);
        let nameless = Run {
            id: name,
            first_seen_at: Timestamp(0),
            ..run
        };
        let key = (nameless.family, nameless.provider_run_id);
        state.runs.insert(key, nameless);
    }
    // Those that late reports joined to others only show what was known before.
    let is_whole = |incident: &Incident| incident.resolution != Some(Resolution::Joined);
    for mut incident in incidents(ports).into_iter().filter(is_whole) {
        incident.id = crate::domain::id::IncidentId::from_u128(0);
        // How often it was opened again or corrected by late reports follows from their order.
        let is_derived = |entry: &Logged| match entry.what {
            Deed::Corrected(_) | Deed::Reopened => true,
            Deed::Resolved(how) => how.is_derived(),
            _ => false,
        };
        assert!(incident.care.log.iter().all(is_derived), "{incident:?}");
        incident.care.log.clear();
        if let Some(Resolution::Passed(run)) = &mut incident.resolution {
            *run = names[run];
        }
        let ci = incident.ci.as_mut().expect("all are about CI");
        ci.run = names[&ci.run];
        state.incidents.push(incident);
    }
    let place = |i: &Incident| (i.ci.as_ref().unwrap().track.clone(), i.first_seen_at);
    state.incidents.sort_by_key(place);
    for event in events {
        let key = TrackKey::of(CONNECTION, event.family, &event.facts);
        if let Some(track) = store.track(&key).ready().unwrap() {
            let failed = |kind| matches!(kind, PointKind::Failed { .. });
            let points = track.points.iter();
            let points = points.map(|(end, point)| (*end, failed(point.kind)));
            state.tracks.insert(key, points.collect());
        }
    }
    state
}

/// The events, each some times over, but for some of those that another one makes superfluous.
fn mixed(told: Vec<Told>) -> impl Strategy<Value = Vec<RunEvent>> {
    let times = prop::collection::vec(0..3_usize, told.len());
    times
        .prop_map(move |times| {
            let each = told.iter().zip(times).flat_map(|(told, times)| {
                let times = times.max(usize::from(told.is_last));
                std::iter::repeat_n(told.event.clone(), times)
            });
            each.collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn any_telling() -> impl Strategy<Value = (Story, Vec<RunEvent>, Vec<usize>)> {
    any_history().prop_flat_map(|story| {
        let sizes = prop::collection::vec(1..9_usize, 1..4);
        (Just(story.clone()), mixed(story.told()), sizes)
    })
}

proptest! {
    #![proptest_config(crate::histories::of(2_000))]

    #[test]
    fn any_order_repetition_and_loss_ends_like_the_ordered_history(
        (story, anyhow, sizes) in any_telling()
    ) {
        let told = story.told();
        let ordered = fold(told.iter().map(|told| &told.event), &[1], story.reopening);
        prop_assert_eq!(&ordered, &fold(&anyhow, &sizes, story.reopening));
        let read: Vec<_> = ordered.incidents.iter().map(history::reading_of).collect();
        prop_assert_eq!(read, story.reading());
    }
}

/// Takes in what is told, in batches of these sizes, and says what it came to.
fn fold_told(told: &[Tell], sizes: &[usize]) -> Vec<Incident> {
    let never = Reopening::default();
    let ports = folded(told, sizes, never, |fold, tell| match &tell.event {
        Event::Run(run) => drop(at_hand(fold.take(run, Source::Webhook)).unwrap()),
        Event::Ended(ended) => {
            drop(at_hand(fold.end(ended, tell.at, Source::Webhook)).unwrap());
        }
        other => panic!("{other:?}"),
    });
    incidents(&ports)
}

/// What is told in any order, some of it twice; but what has to be told first is.
fn anyhow(told: Vec<Tell>) -> impl Strategy<Value = (Vec<Tell>, Vec<usize>)> {
    let times = prop::collection::vec(1..3_usize, told.len());
    let shuffled = times.prop_flat_map(move |times| {
        let each = told.iter().zip(times);
        let each = each.flat_map(|(tell, times)| std::iter::repeat_n(tell.clone(), times));
        let (first, rest): (Vec<_>, Vec<_>) = each.partition(|tell| tell.is_first);
        let rest = Just(rest).prop_shuffle();
        rest.prop_map(move |rest| [first.clone(), rest].concat())
    });
    (shuffled, prop::collection::vec(1..9_usize, 1..4))
}

/// Told in order and in any other way, a history comes to what a plain reading of it says.
fn comes_to(
    facts: Vec<(i64, Fact)>,
    in_order: &[Tell],
    (anyhow, sizes): &(Vec<Tell>, Vec<usize>),
) -> Result<(), TestCaseError> {
    let expected = oracle::expected(facts);
    let ordered = oracle::told(&fold_told(in_order, &[3]));
    prop_assert_eq!(&ordered, &expected, "in order");
    let told = oracle::told(&fold_told(anyhow, sizes));
    prop_assert_eq!(told, expected, "in any order");
    Ok(())
}

proptest! {
    #![proptest_config(crate::histories::of(6_000))]

    #[test]
    fn every_key_of_github_is_mended_and_ended_as_a_plain_reading_says(
        (story, anyhow) in oracle::github::any_story()
            .prop_flat_map(|story| (Just(story.clone()), anyhow(story.told())))
    ) {
        comes_to(story.facts(), &story.told(), &anyhow)?;
    }
}

proptest! {
    #![proptest_config(crate::histories::of(4_000))]

    #[test]
    fn every_key_of_gitlab_is_mended_and_ended_as_a_plain_reading_says(
        (story, anyhow) in oracle::gitlab::any_story()
            .prop_flat_map(|story| (Just(story.clone()), anyhow(story.told())))
    ) {
        comes_to(story.facts(), &story.told(), &anyhow)?;
    }
}
