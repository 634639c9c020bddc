//! A sink that forgets what is not sent again.

use super::*;
use crate::domain::notification::{Announced, Shown, Thread};
use crate::domain::sink::DisableReason;
use crate::outbox::Edit;
use crate::store::faulty::Fault;
use std::collections::BTreeSet;

const MINUTE: Duration = Duration::from_mins(1);

async fn world() -> World {
    let world = World::new().await;
    let sink = Sink {
        kind: SinkKind::Alertmanager,
        ..samples::sink(CHAT)
    };
    world.commit(vec![Change::PutSink(Box::new(sink))]).await;
    world
}

fn beats(world: &World) -> Vec<Beat> {
    world.sink.beats.lock().clone()
}

fn forget(world: &World) {
    world.sink.beats.lock().clear();
    world.sink.heard.lock().clear();
}

/// What a call says of an incident: that it is open, or that it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Open,
    Ended,
}

/// All that was said of an incident, in order.
fn said(world: &World, id: IncidentId) -> Vec<(Instant, Said)> {
    let messages = world.heard().into_iter().filter(|it| it.incident == id);
    let messages = messages.map(|it| match it.kind {
        NotificationKind::Resolved => (it.at, Said::Ended),
        NotificationKind::Opened
        | NotificationKind::Reopened
        | NotificationKind::Flapping
        | NotificationKind::Worse
        | NotificationKind::Reminded
        | NotificationKind::Digest => (it.at, Said::Open),
    });
    let of_beat = |beat: Beat| {
        let found = beat.incidents.into_iter().find(|(it, _)| *it == id);
        let said = |is_resolved| if is_resolved { Said::Ended } else { Said::Open };
        found.map(|(_, is_resolved)| (beat.at, said(is_resolved)))
    };
    let mut all: Vec<_> = messages
        .chain(beats(world).into_iter().filter_map(of_beat))
        .collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

async fn switched(world: &World, is_enabled: bool) {
    let edit = Edit {
        is_enabled: Some(is_enabled),
        ..Edit::default()
    };
    world.desk().edit(CHAT, edit).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_lasts_is_sent_again_and_again_before_it_expires() {
    let world = world().await;
    let incident = world.open(1).await;
    world.passes(Duration::from_hours(1)).await;
    let beats = beats(&world);
    assert!(
        (50..=70).contains(&beats.len()),
        "{} in an hour",
        beats.len()
    );
    for beat in &beats {
        assert_eq!(beat.incidents, [(incident.id, false)]);
    }
    let now = |at: Instant| Timestamp(1_700_000_000_000).plus(at - world.clock.0);
    let gaps: BTreeSet<_> = beats.windows(2).map(|two| two[1].at - two[0].at).collect();
    let in_time = |gap: &Duration| (MINUTE * 9 / 10..=MINUTE * 11 / 10 + MOMENT).contains(gap);
    assert!(gaps.iter().all(in_time) && gaps.len() > 10, "{gaps:?}");
    for beat in &beats {
        assert_eq!(beat.expires_at, now(beat.at).plus(4 * MINUTE));
    }
    assert_eq!(world.kinds().len(), 1, "and no message more");
}

/// What an alert looked like at the former address is not what one at the new address looks like.
#[tokio::test(start_paused = true)]
async fn with_another_address_nothing_of_the_former_one_is_repeated() {
    let world = world().await;
    world.open(1).await;
    world.passes(2 * MINUTE).await;
    let known = |beat: &Beat| beat.shown_as == [Some("m1".to_owned())];
    assert!(beats(&world).iter().all(known));
    let wish = Some(Wish::default());
    let edit = Edit {
        wish,
        ..Edit::default()
    };
    world.desk().edit(CHAT, edit).await.unwrap();
    forget(&world);
    world.passes(5 * MINUTE).await;
    let beats = beats(&world);
    assert!(
        beats.len() > 3 && beats.iter().all(|beat| beat.shown_as == [None]),
        "{beats:?}"
    );
}

/// To expire, an alert need only not be repeated: but that would be news.
#[tokio::test(start_paused = true)]
async fn while_an_incident_flaps_one_that_passes_lasts() {
    let world = world().await;
    let incident = world.open(1).await;
    for status in [IncidentStatus::Open, IncidentStatus::Resolved] {
        let flapping = Incident {
            status,
            is_flapping: true,
            ..incident.clone()
        };
        world.put(&flapping).await;
        forget(&world);
        world.passes(10 * MINUTE).await;
        let beats = beats(&world);
        let lasts = |beat: &Beat| beat.incidents == [(incident.id, false)];
        assert!(beats.len() > 8 && beats.iter().all(lasts), "{beats:?}");
    }
    world.resolve(&incident).await;
    world
        .until(|world| world.kinds() == [NotificationKind::Resolved])
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_end_is_sent_again_for_five_minutes_and_then_all_is_quiet() {
    let world = world().await;
    let incident = world.open(1).await;
    world.passes(10 * MINUTE).await;
    world.resolve(&incident).await;
    world.until(|world| world.kinds().len() == 2).await;
    let ended = Instant::now();
    forget(&world);
    world.passes(Duration::from_hours(5)).await;
    let beats = beats(&world);
    assert!((4..=6).contains(&beats.len()), "{beats:?}");
    assert!(
        beats
            .iter()
            .all(|beat| beat.incidents == [(incident.id, true)])
    );
    let last = beats.last().unwrap().at - ended;
    assert!((4 * MINUTE..=6 * MINUTE).contains(&last), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn kinds_that_do_not_forget_get_no_heartbeat() {
    let mut world = World::new().await;
    let incident = world.open(1).await;
    world.passes(Duration::from_hours(1)).await;
    world.kill();
    world.start();
    world.passes(Duration::from_hours(1)).await;
    world.resolve(&incident).await;
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(beats(&world), []);
    assert_eq!(world.kinds().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_begin_again_with_the_next_process() {
    let mut world = world().await;
    let (first, second) = (world.open(1).await, world.open(2).await);
    world.until(|world| world.states() == ["sent"; 2]).await;
    world.kill();
    world.passes(10 * MINUTE).await;
    forget(&world);
    world.start();
    let begun = Instant::now();
    world.until(|world| !beats(world).is_empty()).await;
    assert!(begun.elapsed() < 2 * MOMENT, "they may expire any time");
    let both = [(first.id, false), (second.id, false)];
    assert_eq!(beats(&world)[0].incidents, both);
    world.passes(10 * MINUTE).await;
    assert!((9..=13).contains(&beats(&world).len()));
    assert_eq!(world.heard(), [], "no message is sent again");
}

#[tokio::test(start_paused = true)]
async fn a_paused_and_a_disabled_sink_are_not_called_and_resume_at_once() {
    let world = world().await;
    let incident = world.open(1).await;
    world.passes(3 * MINUTE).await;
    switched(&world, false).await;
    forget(&world);
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(beats(&world), []);
    switched(&world, true).await;
    world.passes(2 * MOMENT).await;
    assert_eq!(beats(&world).len(), 1);
    // It refuses heartbeats, one after the other.
    *world.sink.to_beats.lock() = Some(Receipt::Refused {
        reason: DisableReason::Refused,
        why: "it answered 401".into(),
    });
    world.until(|world| !world.stored_sink().is_enabled()).await;
    forget(&world);
    world.resolve(&incident).await;
    world.passes(Duration::from_hours(1)).await;
    assert_eq!((beats(&world), world.heard()), (vec![], vec![]));
    *world.sink.to_beats.lock() = None;
    switched(&world, true).await;
    world.until(|world| world.states() == ["sent"; 2]).await;
    world.passes(Duration::from_hours(1)).await;
    let said = said(&world, incident.id);
    assert!(
        said.iter().all(|(_, said)| *said == Said::Ended),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_is_called_once_a_minute_and_gets_all_of_it_when_it_answers() {
    let world = world().await;
    for n in 0..250 {
        world.open(n).await;
    }
    world.until(|world| world.heard().len() == 250).await;
    world.passes(2 * MINUTE).await;
    *world.sink.to_beats.lock() = Some(later("no connection"));
    world.passes(5 * MINUTE).await;
    forget(&world);
    world.passes(Duration::from_hours(1)).await;
    let calls = beats(&world).len();
    assert!((50..=62).contains(&calls), "{calls} calls in an hour");
    *world.sink.to_beats.lock() = None;
    forget(&world);
    world.passes(3 * MINUTE).await;
    let reached: BTreeSet<_> = beats(&world)
        .into_iter()
        .flat_map(|it| it.incidents)
        .collect();
    assert_eq!(reached.len(), 250);
}

/// Ten thousand last at once: each is sent in time, in calls of a bounded size, and messages are
/// not held up.
#[tokio::test(start_paused = true)]
async fn ten_thousand_incidents_are_sent_again_in_time_and_a_message_does_not_wait_for_them() {
    const MANY: u128 = 10_000;
    let mut world = world().await;
    world.kill();
    let open = |n| Incident {
        severity: Severity::Error,
        ..samples::incident(IncidentId::from_u128(n), ConnectionId::from_u128(1))
    };
    let changes = |n: u128| {
        let incident = open(n);
        let announced = Announced {
            incident: incident.id,
            standing: incident.standing(),
            episode: 1,
            has_flapped: false,
        };
        let thread = Thread {
            shown: Shown::Open,
            ..Thread::new(incident.id, CHAT)
        };
        [
            Change::PutIncident(Box::new(incident)),
            Change::PutAnnounced(Box::new(announced)),
            Change::PutThread(Box::new(thread)),
        ]
    };
    world.commit((0..MANY).flat_map(changes).collect()).await;
    world.start();
    let begun = Instant::now();
    world.until(|world| beats(world).len() > 1).await;
    let news = world.open(MANY).await;
    world.until(|world| !world.heard().is_empty()).await;
    let took = begun.elapsed();
    assert!(took < MOMENT, "{took:?} until a message was sent");
    assert!(beats(&world).len() < 20, "it was sent between heartbeats");
    world.passes(10 * MINUTE).await;
    let beats = beats(&world);
    let largest = beats.iter().map(|beat| beat.incidents.len()).max();
    assert_eq!(largest, Some(100));
    let mut last = std::collections::BTreeMap::new();
    let mut longest = Duration::ZERO;
    for beat in &beats {
        for (id, _) in &beat.incidents {
            let before = last.insert(*id, beat.at).unwrap_or(begun);
            longest = longest.max(beat.at - before);
        }
    }
    assert_eq!(last.len() as u128, MANY + 1);
    assert!(last.contains_key(&news.id));
    assert!(longest < 2 * MINUTE, "{longest:?}");
    let calls = beats.len();
    assert!(
        (900..=1_300).contains(&calls),
        "{calls} calls in ten minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn while_the_answer_to_an_end_is_lost_no_heartbeat_opens_the_incident_again() {
    let world = world().await;
    let (incident, other) = (world.open(1).await, world.open(2).await);
    world.passes(3 * MINUTE).await;
    *world.sink.always.lock() = Some(Receipt::Unsure {
        why: "no answer".into(),
    });
    forget(&world);
    world.resolve(&incident).await;
    world.passes(20 * MINUTE).await;
    let open = said(&world, incident.id);
    assert!(
        open.iter().all(|(_, said)| *said == Said::Ended),
        "{open:?}"
    );
    assert!(said(&world, other.id).len() > 5, "the other one lasts");
    *world.sink.always.lock() = None;
    world.until(|world| world.states()[0] == "sent").await;
}

/// What may have ended there is not said to be open before its end is certain.
#[tokio::test(start_paused = true)]
async fn an_incident_that_opens_again_while_its_end_is_uncertain_waits_for_that_end() {
    let world = world().await;
    let (incident, other) = (world.open(1).await, world.open(2).await);
    world.passes(3 * MINUTE).await;
    *world.sink.always.lock() = Some(Receipt::Unsure {
        why: "no answer".into(),
    });
    forget(&world);
    world.resolve(&incident).await;
    world.until(|world| !world.heard().is_empty()).await;
    world.put(&incident).await;
    world.passes(20 * MINUTE).await;
    assert!(said(&world, other.id).len() > 5, "the other one lasts");
    *world.sink.always.lock() = None;
    world
        .until(|world| !world.states().contains(&"waiting"))
        .await;
    world.passes(10 * MINUTE).await;
    let mut turns: Vec<Said> = said(&world, incident.id).iter().map(|it| it.1).collect();
    turns.dedup();
    assert_eq!(turns, [Said::Ended, Said::Open]);
}

#[tokio::test(start_paused = true)]
async fn where_ends_are_not_wanted_what_has_ended_is_sent_no_more() {
    let world = world().await;
    let sink = Sink {
        wants: Wants {
            resolved: false,
            ..Wants::default()
        },
        ..world.stored_sink()
    };
    world.commit(vec![Change::PutSink(Box::new(sink))]).await;
    let incident = world.open(1).await;
    world.passes(3 * MINUTE).await;
    assert!(!beats(&world).is_empty());
    world.resolve(&incident).await;
    forget(&world);
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(said(&world, incident.id), []);
}

const fn is_ours(change: &Change) -> bool {
    matches!(
        change,
        Change::PutNotification(_) | Change::PutAnnounced(_) | Change::PutThread(_)
    )
}

/// An incident that opens, lasts, is resolved, and opens again; the process dies at the `nth` of
/// its batches of one part of that.
async fn dies_at(nth: usize, fault: Fault, part: usize) -> World {
    let mut world = world().await;
    let quick = Settings {
        heartbeat: Duration::from_millis(50),
        ..world.settings.clone()
    };
    world.kill();
    world.settings = quick;
    world.start();
    let incident = samples::incident(IncidentId::from_u128(1), ConnectionId::from_u128(1));
    for now in 0..3 {
        if now == part {
            world.store.breaks(nth, fault, is_ours);
        }
        let status = if now == 1 {
            IncidentStatus::Resolved
        } else {
            IncidentStatus::Open
        };
        world
            .put(&Incident {
                status,
                ..incident.clone()
            })
            .await;
        world.passes(2 * MOMENT).await;
        if now == part {
            world.kill();
            world.store.breaks(usize::MAX, fault, |_| false);
            world.start();
            world
                .until(|world| !world.states().contains(&"waiting"))
                .await;
            world.passes(2 * MOMENT).await;
        }
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_death_at_any_batch_lets_no_heartbeat_open_what_has_ended() {
    let mut seen = BTreeSet::new();
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        for (nth, part) in (0..5).flat_map(|nth| (0..3).map(move |part| (nth, part))) {
            let world = dies_at(nth, fault, part).await;
            let said = said(&world, IncidentId::from_u128(1));
            // Episodes: it is said to be open, and then that it has ended; and open once more.
            let mut turns: Vec<Said> = said.iter().map(|(_, said)| *said).collect();
            turns.dedup();
            assert!(
                turns == [Said::Open, Said::Ended, Said::Open] || turns == [Said::Open],
                "{fault:?} at {nth} of part {part}: {turns:?}"
            );
            assert!(said.len() > 20, "it has heartbeats: {}", said.len());
            seen.insert(turns.len());
        }
    }
    assert!(seen.contains(&3), "most are whole: {seen:?}");
}

/// By the clock that was wrong its news is due at once, but another message about it comes first.
#[tokio::test(start_paused = true)]
async fn heartbeats_do_not_wait_for_news_that_waits_itself() {
    let world = world().await;
    let lasting = world.open(1).await;
    world.passes(2 * MINUTE).await;
    *world.sink.always.lock() = Some(Receipt::Unsure {
        why: "no answer".into(),
    });
    let incident = world.open(2).await;
    world.until(|world| world.heard().len() >= 4).await;
    *world.sink.always.lock() = None;
    let worse = Incident {
        severity: Severity::Critical,
        ..incident
    };
    world.put(&worse).await;
    world.until(|world| world.notifications().len() == 3).await;
    let news = world.notifications().into_iter();
    let mut news = news
        .filter(|it| it.kind == NotificationKind::Worse)
        .collect::<Vec<_>>();
    let mut news = news.pop().expect("it is planned");
    news.planned_at = news.planned_at.plus(Duration::from_hours(3));
    world
        .commit(vec![Change::PutNotification(Box::new(news))])
        .await;
    let sent = world.heard().len();
    world.sink.beats.lock().clear();
    world.passes(4 * MINUTE).await;
    assert_eq!(world.heard().len(), sent, "it waits");
    let beats = beats(&world);
    assert!(beats.len() >= 3, "{}", beats.len());
    let is_of = |beat: &Beat| beat.incidents == [(lasting.id, false)];
    assert!(beats.iter().all(is_of));
}
