//! Digests that are sent by themselves, over virtual days.

use super::*;
use crate::domain::notification::{DropReason, Topic};
use crate::domain::rulebook::quiet::Day;
use crate::domain::sink::digest::{Digest, Every, KEPT_MAX, Schedule};
use crate::domain::sink::{DisableReason, SinkKind, SinkState};
use crate::outbox::{DeskError, Edit};

const HOUR: Duration = Duration::from_hours(1);

fn nine(sends_empty: bool) -> Schedule {
    Schedule {
        every: Every::Day,
        day: Day::Monday,
        minute: 540,
        time_zone: "UTC".to_owned(),
        sends_empty,
    }
}

fn scheduled(schedule: Option<Schedule>) -> Edit {
    Edit {
        digest: Some(schedule),
        ..Edit::default()
    }
}

/// A world whose sink gets a digest at nine, from now on.
async fn world(sends_empty: bool) -> World {
    let world = World::new().await;
    let edit = scheduled(Some(nine(sends_empty)));
    world.desk().edit(CHAT, edit).await.unwrap();
    world
}

/// The digests that came, as their ids and times.
fn came(world: &World) -> Vec<(NotificationId, Timestamp, Timestamp)> {
    let all = world.sink.digests.lock();
    let all = all.iter();
    all.map(|it| (it.id, it.report.since, it.report.until))
        .collect()
}

/// The digests, oldest first.
fn digests(world: &World) -> Vec<Notification> {
    let mut all = world.notifications();
    all.retain(|it| it.kind == NotificationKind::Digest);
    all.reverse();
    all
}

fn is_nine(at: Timestamp) -> bool {
    at.0.rem_euclid(86_400_000) == 9 * 3_600_000
}

#[tokio::test(start_paused = true)]
async fn a_digest_comes_once_a_day_with_what_happened_since_the_last() {
    let world = world(false).await;
    let incident = world.open(1).await;
    world.passes(50 * HOUR).await;
    let resolved = Incident {
        status: IncidentStatus::Resolved,
        resolved_at: Some(world.clock.now()),
        ..incident
    };
    world.put(&resolved).await;
    world.passes(46 * HOUR).await;
    let came = came(&world);
    // It is open for two days, is resolved on the third, and nothing happens on the fourth.
    assert_eq!(came.len(), 3, "{came:?}");
    assert!(came.iter().all(|(_, _, until)| is_nine(*until)));
    assert!(
        came.windows(2)
            .all(|two| two[0].2 == two[1].1 && two[0].0 != two[1].0)
    );
    let reports = world.sink.digests.lock().clone();
    let counts = reports
        .iter()
        .map(|it| (it.report.unresolved, it.report.resolved));
    assert_eq!(counts.collect::<Vec<_>>(), [(1, 0), (1, 0), (0, 1)]);
    let states: Vec<_> = digests(&world).iter().map(|it| it.state.as_str()).collect();
    assert_eq!(states, ["sent", "sent", "sent", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_when_there_is_nothing_to_say_unless_asked_for() {
    let quiet = world(false).await;
    quiet.passes(72 * HOUR).await;
    assert_eq!(came(&quiet), []);
    let reason = |it: &Notification| match it.state {
        NotificationState::Dropped { why, .. } => Some(why),
        NotificationState::Waiting { .. }
        | NotificationState::Sent { .. }
        | NotificationState::Failed { .. } => None,
    };
    let all = digests(&quiet);
    assert_eq!(all.len(), 3);
    assert!(
        all.iter()
            .all(|it| reason(it) == Some(DropReason::NothingToSay))
    );
    let always = world(true).await;
    always.passes(72 * HOUR).await;
    assert_eq!(came(&always).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_restart_at_the_hour_sends_it_once_with_the_same_id() {
    let mut world = world(true).await;
    world.manner(Manner::Hangs);
    world.until(|world| came(world).len() == 1).await;
    for _ in 0..3 {
        world.kill();
        world.start();
        world.passes(MOMENT).await;
    }
    world.until(|world| came(world).len() == 2).await;
    world.passes(10 * HOUR).await;
    let came = came(&world);
    assert_eq!(came.len(), 2, "the one that hung, and its repetition");
    assert_eq!(came[0], came[1]);
    assert_eq!(digests(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn hours_that_were_missed_while_the_daemon_was_down_are_one_digest_late() {
    let mut world = world(true).await;
    world.kill();
    world.passes(5 * 24 * HOUR).await;
    world.start();
    world.until(|world| came(world).len() == 1).await;
    world.passes(MOMENT).await;
    let came = came(&world);
    assert_eq!(came.len(), 1);
    let (_, since, until) = came[0];
    assert!(
        until.since(since) > 100 * HOUR && is_nine(until),
        "{since:?} {until:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_digest_is_tried_again_and_what_comes_meanwhile_is_in_the_next() {
    let world = world(true).await;
    for _ in 0..8 {
        world.manner(Manner::Answers(later("it answered 503")));
    }
    world.until(|world| came(world).len() == 10).await;
    let came = came(&world);
    let first = came[0];
    assert!(came[..9].iter().all(|it| *it == first), "{came:?}");
    let (_, since, until) = came[9];
    assert_eq!(since, first.2, "nothing is left out");
    assert!(
        until.since(since) > 24 * HOUR,
        "and the days meanwhile are one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_was_given_up_is_sent_when_a_user_requests_it() {
    let world = world(true).await;
    let why = "it answered 400".to_owned();
    world.manner(Manner::Answers(Receipt::Rejected { why }));
    world.until(|world| world.states() == ["failed"]).await;
    let id = digests(&world)[0].id;
    world.desk().retry(id).await.unwrap();
    world.until(|world| world.states() == ["sent"]).await;
    assert_eq!(came(&world).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_pause_is_not_reported_and_that_of_a_disabled_sink_is_once() {
    let world = world(true).await;
    let enabled = |is_enabled| Edit {
        is_enabled: Some(is_enabled),
        ..Edit::default()
    };
    world.desk().edit(CHAT, enabled(false)).await.unwrap();
    world.passes(72 * HOUR).await;
    world.desk().edit(CHAT, enabled(true)).await.unwrap();
    world.until(|world| came(world).len() == 1).await;
    let (_, since, until) = came(&world)[0];
    assert!(until.since(since) <= 24 * HOUR, "{since:?} {until:?}");
    let at = Timestamp(0);
    let reason = DisableReason::Gone;
    let disabled = Sink {
        state: SinkState::Disabled { at, reason },
        ..world.stored_sink()
    };
    world
        .commit(vec![Change::PutSink(Box::new(disabled))])
        .await;
    world.passes(72 * HOUR).await;
    assert_eq!(came(&world).len(), 1);
    world.desk().edit(CHAT, enabled(true)).await.unwrap();
    world.until(|world| came(world).len() == 2).await;
    let (_, since, until) = came(&world)[1];
    assert!(until.since(since) >= 48 * HOUR, "{since:?} {until:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_back_makes_no_second_digest() {
    let world = world(true).await;
    world.until(|world| came(world).len() == 1).await;
    world.wrong_by(Duration::ZERO);
    world.passes(2 * HOUR).await;
    world.wrong_by(24 * 30 * HOUR);
    world.until(|world| came(world).len() == 2).await;
    world.wrong_by(Duration::ZERO);
    world.passes(48 * HOUR).await;
    let came = came(&world);
    assert_eq!(came.len(), 4, "one a day: {came:?}");
}

/// Incidents have all other notifications: these would be kept for ever.
#[tokio::test(start_paused = true)]
async fn old_digests_are_deleted_and_all_with_the_schedule_or_the_sink() {
    let world = world(true).await;
    world.passes(20 * 24 * HOUR).await;
    assert_eq!(came(&world).len(), 20);
    assert_eq!(digests(&world).len(), KEPT_MAX);
    world.desk().edit(CHAT, scheduled(None)).await.unwrap();
    assert_eq!(digests(&world), []);
    world.passes(48 * HOUR).await;
    assert_eq!(came(&world).len(), 20);
    world
        .desk()
        .edit(CHAT, scheduled(Some(nine(true))))
        .await
        .unwrap();
    world.until(|world| digests(world).len() == 1).await;
    world.desk().remove(CHAT).await.unwrap();
    assert_eq!(digests(&world), []);
}

#[tokio::test(start_paused = true)]
async fn kinds_with_alerts_only_and_zones_that_do_not_exist_are_refused() {
    let world = World::new().await;
    let elsewhere = Schedule {
        time_zone: "Europe/Atlantis".to_owned(),
        ..nine(false)
    };
    let refused = world.desk().edit(CHAT, scheduled(Some(elsewhere))).await;
    assert!(matches!(refused, Err(DeskError::Unfit(why)) if why.field == "digest.time_zone"));
    for kind in [SinkKind::Alertmanager, SinkKind::Pagerduty] {
        let sink = Sink {
            kind,
            ..samples::sink(CHAT)
        };
        world.commit(vec![Change::PutSink(Box::new(sink))]).await;
        let refused = world.desk().edit(CHAT, scheduled(Some(nine(false)))).await;
        assert!(matches!(refused, Err(DeskError::Unfit(why)) if why.field == "digest"));
    }
    assert_eq!(world.stored_sink().digest, None);
}

/// An owner who left gets no digests, and a new schedule keeps what was reported.
#[tokio::test(start_paused = true)]
async fn an_owner_who_left_gets_none_and_another_hour_leaves_nothing_out() {
    let world = world(true).await;
    world.until(|world| came(world).len() == 1).await;
    let covered = world.stored_sink().digest.unwrap().covered_until;
    let ten = Schedule {
        minute: 600,
        ..nine(true)
    };
    world.desk().edit(CHAT, scheduled(Some(ten))).await.unwrap();
    let kept = |digest: &Digest| digest.covered_until == covered && digest.kept.len() == 1;
    assert!(world.stored_sink().digest.as_ref().is_some_and(kept));
    world.until(|world| came(world).len() == 2).await;
    assert_eq!(came(&world)[1].1, covered);
    assert!(matches!(digests(&world)[1].topic, Topic::Time { since, .. } if since == covered));
    world.commit(vec![Change::DeleteUser(ANN)]).await;
    world.passes(72 * HOUR).await;
    assert_eq!(came(&world).len(), 2);
}
