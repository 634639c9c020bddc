//! Sinks that are down, slow, gone or full.

use super::*;
use crate::domain::sink::SinkKind;
use crate::domain::sink::template::Templates;
use crate::domain::sink::{DisableReason, SinkState};
use crate::outbox::{Edit, NewSink};

fn day() -> Duration {
    Duration::from_hours(24)
}

#[tokio::test(start_paused = true)]
async fn a_message_is_tried_again_by_the_schedule_with_the_same_id_and_then_given_up() {
    let world = World::new().await;
    *world.sink.always.lock() = Some(later("it answered 503"));
    world.open(1).await;
    world.until(|world| world.states() == ["failed"]).await;
    let heard = world.heard();
    assert_eq!(heard.len(), 10);
    assert!(heard.iter().all(|it| it.id == heard[0].id));
    let hours = [
        5.0 / 3600.0,
        5.0 / 60.0,
        0.5,
        2.0,
        5.0,
        10.0,
        14.0,
        20.0,
        24.0,
    ];
    for (pair, hours) in heard.windows(2).zip(hours) {
        let (wait, due) = (
            pair[1].at - pair[0].at,
            Duration::from_secs_f64(hours * 3600.0),
        );
        assert!(
            wait >= due * 9 / 10 && wait <= due * 11 / 10 + 2 * MOMENT,
            "{wait:?} {due:?}"
        );
    }
    let NotificationState::Failed { error, .. } = &world.notifications()[0].state else {
        panic!("it is given up");
    };
    assert_eq!(error, "it answered 503");
}

#[tokio::test(start_paused = true)]
async fn scenario_47_a_sink_that_is_down_for_a_day_gets_all_of_it_in_order_soon_after() {
    const INCIDENTS: u128 = 2_000;
    let world = World::new().await;
    *world.sink.always.lock() = Some(later("no connection"));
    let pause = day() / 2_000;
    for n in 0..INCIDENTS {
        let incident = world.open(n).await;
        world.passes(pause).await;
        if n % 10 == 0 {
            world.resolve(&incident).await;
        }
    }
    let calls = world.heard().len();
    assert!(calls < 3_000, "{calls} calls of a sink that is down");
    world.sink.heard.lock().clear();
    *world.sink.always.lock() = None;
    let up = Instant::now();
    world
        .until(|world| {
            let busy = world.store.sinks_with_notifications();
            busy.ready().unwrap().is_empty()
        })
        .await;
    let took = up.elapsed();
    assert!(took < Duration::from_mins(5), "{took:?}");
    let heard = world.heard();
    assert_eq!(heard.len() as u128, INCIDENTS * 9 / 10);
    let kinds = heard.iter().map(|it| it.kind);
    assert!(kinds.clone().all(|kind| kind == NotificationKind::Opened));
    // The one that probed it comes first; the others in the order in which they were planned.
    let out_of_order = heard
        .windows(2)
        .filter(|pair| pair[0].id > pair[1].id)
        .count();
    assert!(out_of_order <= 1, "{out_of_order} of {}", heard.len());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_a_sink_asks_for_is_obeyed_also_by_the_next_process() {
    let mut world = World::new().await;
    let after = Some(Duration::from_mins(20));
    let why = "it answered 429".to_owned();
    world.manner(Manner::Answers(Receipt::Later { after, why }));
    world.open(1).await;
    world
        .until(|world| world.stored_sink().hold_until.is_some())
        .await;
    let asked = Instant::now();
    world.passes(Duration::from_mins(5)).await;
    world.open(2).await;
    world.kill();
    world.start();
    world
        .until(|world| world.states() == ["sent", "sent"])
        .await;
    let heard = world.heard();
    let first = heard[1].at - asked;
    assert!(first + MOMENT >= Duration::from_mins(20), "{first:?}");
    assert!(first <= Duration::from_mins(20) + MOMENT, "{first:?}");
    assert_eq!(heard.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn scenario_50_a_sink_that_is_gone_is_disabled_and_gets_what_waits_when_it_is_enabled_again()
{
    let world = World::new().await;
    world.manner(Manner::Answers(Receipt::Disabled {
        reason: DisableReason::Gone,
        why: "it answered 410".into(),
    }));
    world.open(1).await;
    world.until(|world| !world.stored_sink().is_enabled()).await;
    let incident = world.open(2).await;
    let lasting = world.open(3).await;
    world.passes(30 * day()).await;
    assert_eq!(world.heard().len(), 1, "it is called no more");
    let SinkState::Disabled { reason, .. } = world.stored_sink().state else {
        panic!("it is disabled");
    };
    assert_eq!(reason, DisableReason::Gone);
    // A user gives it another address. What began meanwhile and is open is announced to it.
    world.resolve(&incident).await;
    let edit = Edit {
        is_enabled: Some(true),
        ..Edit::default()
    };
    world.desk().edit(CHAT, edit).await.unwrap();
    let all = ["dropped", "sent", "dropped", "sent"];
    world.until(|world| world.states() == all).await;
    let heard = world.heard();
    let about: Vec<_> = heard.iter().map(|it| it.incident).collect();
    assert_eq!(about[1..], [IncidentId::from_u128(1), lasting.id]);
}

/// An id of the former place means nothing at the new one, or something else.
#[tokio::test(start_paused = true)]
async fn with_another_address_the_message_at_the_former_one_is_not_changed() {
    let world = World::new().await;
    let incident = world.open(7).await;
    world.until(|world| world.states() == ["sent"]).await;
    let edit = |wish: bool| Edit {
        name: Some("pager".into()),
        wish: wish.then(Wish::default),
        ..Edit::default()
    };
    // The same place under another name.
    world.desk().edit(CHAT, edit(false)).await.unwrap();
    world.resolve(&incident).await;
    world.until(|world| world.heard().len() == 2).await;
    assert_eq!(world.heard()[1].shown_as.as_deref(), Some("m7"));
    world.until(|world| world.states() == ["sent"; 2]).await;
    world.desk().edit(CHAT, edit(true)).await.unwrap();
    world.put(&incident).await;
    world.until(|world| world.heard().len() == 3).await;
    assert_eq!(world.heard()[2].shown_as, None);
    world.until(|world| world.states() == ["sent"; 3]).await;
    // From then on it is the message at the new place.
    world.resolve(&incident).await;
    world.until(|world| world.heard().len() == 4).await;
    assert_eq!(world.heard()[3].shown_as.as_deref(), Some("m7"));
}

/// A message is where it was sent, also if the address changes during the call.
#[tokio::test(start_paused = true)]
async fn a_message_that_was_under_way_to_a_former_address_is_not_changed_at_the_new_one() {
    let world = World::new().await;
    world.manner(Manner::Lasts(5 * MOMENT));
    let incident = world.open(7).await;
    world.until(|world| world.heard().len() == 1).await;
    let edit = Edit {
        wish: Some(Wish::default()),
        ..Edit::default()
    };
    world.desk().edit(CHAT, edit).await.unwrap();
    world.until(|world| world.states() == ["sent"]).await;
    world.resolve(&incident).await;
    world.until(|world| world.heard().len() == 2).await;
    assert_eq!(world.heard()[1].shown_as, None);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_sink_refuses_holds_up_no_other() {
    let world = World::new().await;
    let why = "it answered 400".to_owned();
    world.manner(Manner::Answers(Receipt::Rejected { why }));
    world.manner(Manner::Panics);
    for n in 1..=3 {
        world.open(n).await;
    }
    world
        .until(|world| world.states() == ["sent", "failed", "failed"])
        .await;
    assert_eq!(world.heard().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn scenario_49_a_sink_that_hangs_holds_up_no_other() {
    let world = World::new().await;
    let mail = SinkId::from_u128(2);
    world.manner(Manner::Hangs);
    world.open(1).await;
    world.until(|world| world.heard().len() == 1).await;
    world
        .commit(vec![Change::PutSink(Box::new(samples::sink(mail)))])
        .await;
    let begun = Instant::now();
    world.open(2).await;
    world.until(|world| world.states().contains(&"sent")).await;
    assert!(begun.elapsed() < 2 * MOMENT);
    let of_mail = world.notifications();
    let sent = of_mail.iter().filter(|it| it.state.as_str() == "sent");
    assert!(sent.clone().all(|it| it.sink == mail) && sent.count() == 1);
}

#[tokio::test(start_paused = true)]
async fn scenario_48_an_end_waits_for_a_beginning_whose_answer_is_lost() {
    use NotificationKind::{Opened, Resolved};
    let world = World::new().await;
    world.manner(Manner::Answers(Receipt::Unsure {
        why: "no answer".into(),
    }));
    let incident = world.open(1).await;
    world.until(|world| world.heard().len() == 1).await;
    world.resolve(&incident).await;
    world
        .until(|world| world.states() == ["sent", "sent"])
        .await;
    assert_eq!(world.kinds(), [Opened, Opened, Resolved]);
    let heard = world.heard();
    assert_eq!(heard[0].id, heard[1].id, "a receiver knows it again");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_removed_sink_is_dropped() {
    let world = World::new().await;
    *world.sink.always.lock() = Some(later("down"));
    world.open(1).await;
    world.until(|world| world.heard().len() == 2).await;
    world.desk().remove(CHAT).await.unwrap();
    world.until(|world| world.states() == ["dropped"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_sent_when_a_user_requests_it() {
    let world = World::new().await;
    let why = "it answered 400".to_owned();
    world.manner(Manner::Answers(Receipt::Rejected { why }));
    world.open(1).await;
    world.until(|world| world.states() == ["failed"]).await;
    let id = world.notifications()[0].id;
    let again = world.desk().retry(id).await.unwrap();
    assert_eq!((again.tries, again.state.as_str()), (0, "waiting"));
    world.until(|world| world.states() == ["sent"]).await;
    let heard = world.heard();
    assert!(heard.len() == 2 && heard[0].id == heard[1].id);
    assert!(world.desk().retry(id).await.is_err(), "it was sent");
}

#[tokio::test(start_paused = true)]
async fn a_test_says_what_the_sink_answers_and_leaves_no_trace() {
    let world = World::new().await;
    let receipt = later("it answered 503");
    world.manner(Manner::Answers(receipt.clone()));
    let tested = world.desk().test(CHAT).await.unwrap();
    assert_eq!(tested.receipt, receipt);
    let tested = world.desk().test(CHAT).await.unwrap();
    assert!(matches!(tested.receipt, Receipt::Accepted { .. }));
    assert_eq!(world.states(), [] as [&str; 0]);
    assert!(world.stored_sink().is_enabled());
}

/// Of two recipients one is refused: no reason to send it again, nor to disable the sink.
#[tokio::test(start_paused = true)]
async fn what_is_accepted_in_part_is_sent_and_a_test_says_for_whom_not() {
    let world = World::new().await;
    let partly = Receipt::Partly {
        message: Some("mail 1".into()),
        why: "Refused recipients: bob@example.org (550).".into(),
    };
    world.manner(Manner::Answers(partly.clone()));
    let tested = world.desk().test(CHAT).await.unwrap();
    assert_eq!(tested.receipt, partly);
    world.manner(Manner::Answers(partly));
    let incident = world.open(1).await;
    world.until(|world| world.states() == ["sent"]).await;
    world.resolve(&incident).await;
    world
        .until(|world| world.states() == ["sent", "sent"])
        .await;
    let shown: Vec<_> = world.heard().iter().map(|it| it.shown_as.clone()).collect();
    assert_eq!(shown.last().unwrap().as_deref(), Some("mail 1"));
}

#[tokio::test(start_paused = true)]
async fn an_owner_has_a_bounded_number_of_sinks_also_with_many_requests_at_once() {
    let world = World::new().await;
    let new = || NewSink {
        owner: ANN,
        name: "mail".into(),
        kind: SinkKind::Webhook,
        wish: Wish::default(),
        wants: Wants::default(),
        templates: Templates::default(),
        digest: None,
        most: 5,
    };
    let asked = (0..20).map(|_| world.desk().add(new()));
    let answers = futures_util::future::join_all(asked).await;
    let added = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(added, 4, "there was one");
    let sinks = world.store.sinks_of(ANN).ready().unwrap();
    assert!(sinks.len() == 5 && sinks[0].host == "hooks.example");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_refuses_for_a_while_is_not_disabled_and_one_that_continues_is() {
    let refused = || Receipt::Refused {
        reason: DisableReason::NotFound,
        why: "it answered 404".into(),
    };
    let world = World::new().await;
    *world.sink.always.lock() = Some(refused());
    // Many wait: three refusals come within seconds.
    for n in 0..20 {
        world.open(n).await;
    }
    world.passes(Duration::from_mins(3)).await;
    assert!(world.heard().len() >= 3 && world.stored_sink().is_enabled());
    // Another failure, and then one more refusal, is no row.
    *world.sink.always.lock() = Some(later("it answered 502"));
    world.passes(Duration::from_mins(3)).await;
    *world.sink.always.lock() = Some(refused());
    world.passes(Duration::from_mins(3)).await;
    assert!(world.stored_sink().is_enabled());
    world.until(|world| !world.stored_sink().is_enabled()).await;
    assert!(!world.states().contains(&"failed"), "all is kept");
}
