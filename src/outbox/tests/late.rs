//! What waits for a sink for long is an incident of its owner, and for their other sinks.

use super::disabled::{about_chat, mild, reported, with_mail};
use super::*;
use crate::domain::incident::Resolution;
use crate::domain::sink::DisableReason;
use crate::outbox::Edit;

const HOUR: Duration = Duration::from_hours(1);

/// The chat does not answer; an incident waits for it, and the mail does not hear of that.
async fn chat_is_down(world: &World) {
    world.only_to_chat(Some(later("no connection")));
    world.put(&mild(7)).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_hour_is_reported_to_the_other_sinks_until_it_is_sent() {
    use NotificationKind::{Opened, Resolved};
    let world = with_mail().await;
    chat_is_down(&world).await;
    world.passes(Duration::from_mins(58)).await;
    assert_eq!(about_chat(&world), []);
    world.passes(Duration::from_mins(5)).await;
    let open = about_chat(&world);
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].failure_type, "notifications_waiting");
    let id = open[0].id;
    let to_mail = || {
        let all = reported(&world, id);
        all.into_iter()
            .map(|(sink, kind, _)| (sink, kind))
            .collect::<Vec<_>>()
    };
    let mail = SinkId::from_u128(2);
    assert_eq!(to_mail(), [(mail, Opened)]);
    world.passes(10 * HOUR).await;
    assert_eq!(about_chat(&world).len(), 1);
    world.only_to_chat(None);
    world
        .until(|world| about_chat(world)[0].resolution == Some(Resolution::Recovered))
        .await;
    world.passes(Duration::from_mins(1)).await;
    assert_eq!(to_mail(), [(mail, Opened), (mail, Resolved)]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_finds_it_again_and_a_person_may_resolve_it() {
    let mut world = with_mail().await;
    chat_is_down(&world).await;
    world.until(|world| about_chat(world).len() == 1).await;
    world.kill();
    world.start();
    world.passes(HOUR).await;
    let mut incident = about_chat(&world).remove(0);
    assert_eq!(about_chat(&world).len(), 1);
    incident.resolve_by_hand(ANN, Timestamp(9));
    world.put(&incident).await;
    world.kill();
    world.start();
    world.passes(2 * HOUR).await;
    assert_eq!(about_chat(&world), [incident.clone()]);
    // The end of one that lasts is found by the next process, too.
    world.only_to_chat(None);
    world.passes(HOUR).await;
    assert_eq!(about_chat(&world), [incident]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_disabled_or_paused_has_no_second_incident() {
    let world = with_mail().await;
    chat_is_down(&world).await;
    world.until(|world| about_chat(world).len() == 1).await;
    world.only_to_chat(Some(Receipt::Disabled {
        reason: DisableReason::Gone,
        why: "it answered 410".into(),
    }));
    world.until(|world| !world.stored_sink().is_enabled()).await;
    world.passes(2 * HOUR).await;
    let of = |kind: &str| {
        let mut all = about_chat(&world);
        all.retain(|it| it.failure_type == kind);
        all.sort_by_key(|it| it.first_seen_at);
        all.into_iter().map(|it| it.resolution).collect::<Vec<_>>()
    };
    assert_eq!(of("notifications_waiting"), [Some(Resolution::Replaced)]);
    assert_eq!(of("sink_disabled"), [None]);
    // Enabled again, and down as before.
    world.only_to_chat(Some(later("no connection")));
    let enabled = |is_enabled| Edit {
        is_enabled: Some(is_enabled),
        ..Edit::default()
    };
    world.desk().edit(CHAT, enabled(true)).await.unwrap();
    world.passes(2 * HOUR).await;
    let replaced = Some(Resolution::Replaced);
    assert_eq!(of("notifications_waiting"), [replaced, None]);
    world.desk().edit(CHAT, enabled(false)).await.unwrap();
    world.passes(Duration::from_mins(2)).await;
    let paused = Some(Resolution::Disconnected);
    assert_eq!(of("notifications_waiting"), [replaced, paused]);
}

/// What waits for the end of a mute does not wait for its sink.
#[tokio::test(start_paused = true)]
async fn what_is_muted_is_not_late() {
    let world = with_mail().await;
    let mut muted = mild(7);
    muted.care.muted_until = Some(world.clock.now().plus(20 * HOUR));
    world.put(&muted).await;
    world.passes(10 * HOUR).await;
    assert_eq!(world.states(), ["waiting"]);
    assert_eq!(about_chat(&world), []);
}

/// It was tried before it was muted, and the sink may work by now.
#[tokio::test(start_paused = true)]
async fn what_is_muted_after_it_was_tried_is_not_late_before_the_mute_ends() {
    let world = with_mail().await;
    chat_is_down(&world).await;
    world.passes(Duration::from_mins(10)).await;
    let mut muted = mild(7);
    muted.care.muted_until = Some(world.clock.now().plus(20 * HOUR));
    world.put(&muted).await;
    world.passes(19 * HOUR).await;
    assert_eq!(about_chat(&world), []);
    world.until(|world| about_chat(world).len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_asks_to_wait_for_hours_is_late_too() {
    let world = with_mail().await;
    world.only_to_chat(Some(Receipt::Later {
        after: Some(10 * HOUR),
        why: "it answered 429".into(),
    }));
    world.put(&mild(7)).await;
    world.passes(Duration::from_mins(58)).await;
    assert_eq!(about_chat(&world), []);
    world.passes(Duration::from_mins(5)).await;
    assert_eq!(about_chat(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_a_person_has_resolved_stays_so_when_the_oldest_no_longer_waits() {
    let world = with_mail().await;
    chat_is_down(&world).await;
    world.passes(Duration::from_mins(1)).await;
    world.put(&mild(8)).await;
    world.until(|world| about_chat(world).len() == 1).await;
    let mut incident = about_chat(&world).remove(0);
    incident.resolve_by_hand(ANN, Timestamp(9));
    world.put(&incident).await;
    let mut oldest = mild(7);
    oldest.resolve(Resolution::BranchDeleted, world.clock.now());
    world.put(&oldest).await;
    world.passes(5 * HOUR).await;
    assert_eq!(about_chat(&world), [incident]);
}
