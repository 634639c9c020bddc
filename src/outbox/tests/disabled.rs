//! A sink that is disabled is an incident of its owner, and for their other sinks.

use super::*;
use crate::domain::incident::{Resolution, Subject};
use crate::domain::sink::{DisableReason, SinkState};
use crate::outbox::Edit;
use crate::store::faulty::Fault;

const MAIL: SinkId = SinkId::from_u128(2);

/// Besides the chat there is mail, for what is severe. Only the chat hears of mild incidents.
pub(super) async fn with_mail() -> World {
    let world = World::new().await;
    let wants = Wants {
        severity: Severity::Error,
        ..Wants::default()
    };
    let mail = Sink {
        wants,
        ..samples::sink(MAIL)
    };
    world.commit(vec![Change::PutSink(Box::new(mail))]).await;
    world
}

fn gone() -> Receipt {
    Receipt::Disabled {
        reason: DisableReason::Gone,
        why: "it answered 410".into(),
    }
}

pub(super) fn mild(n: u128) -> Incident {
    Incident {
        status: IncidentStatus::Open,
        severity: Severity::Warning,
        ..samples::incident(IncidentId::from_u128(n), ConnectionId::from_u128(1))
    }
}

/// The chat answers that it is gone.
async fn lose_the_chat(world: &World) {
    world.manner(Manner::Answers(gone()));
    world.put(&mild(7)).await;
    world.until(|world| !world.stored_sink().is_enabled()).await;
}

/// The incidents about the chat, oldest first.
pub(super) fn about_chat(world: &World) -> Vec<Incident> {
    let filter = crate::store::IncidentFilter::default();
    let all = world.store.incidents_of(ANN, &filter, After::first(100));
    let mut all = all.ready().unwrap().items;
    all.retain(|it| it.subject == Subject::Sink(CHAT));
    all.reverse();
    all
}

/// The sinks that were notified of an incident, and of what.
pub(super) fn reported(
    world: &World,
    incident: IncidentId,
) -> Vec<(SinkId, NotificationKind, &'static str)> {
    let mut all = world.notifications();
    all.reverse();
    let about = all.iter().filter(|it| it.incident() == Some(incident));
    about
        .map(|it| (it.sink, it.kind, it.state.as_str()))
        .collect()
}

fn enable() -> Edit {
    Edit {
        is_enabled: Some(true),
        ..Edit::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_disabled_sink_is_an_incident_that_only_the_other_sinks_hear_of() {
    use NotificationKind::{Opened, Resolved};
    let world = with_mail().await;
    lose_the_chat(&world).await;
    let found = about_chat(&world);
    assert_eq!(found.len(), 1);
    let it = &found[0];
    assert_eq!((it.owner, it.status), (ANN, IncidentStatus::Open));
    assert_eq!(it.failure_type, "sink_disabled");
    assert!(it.title.contains("team chat"), "{}", it.title);
    world
        .until(|world| reported(world, it.id) == [(MAIL, Opened, "sent")])
        .await;
    // It is sent what has waited for it, but nothing about itself.
    world.desk().edit(CHAT, enable()).await.unwrap();
    let ends = [(MAIL, Opened, "sent"), (MAIL, Resolved, "sent")];
    world.until(|world| reported(world, it.id) == ends).await;
    let ended = &about_chat(&world)[0];
    assert_eq!(ended.status, IncidentStatus::Resolved);
    assert_eq!(ended.resolution, Some(Resolution::Recovered));
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(reported(&world, it.id), ends);
    // The next time is another incident.
    world.manner(Manner::Answers(gone()));
    world.put(&mild(8)).await;
    world.until(|world| about_chat(world).len() == 2).await;
    assert_eq!(about_chat(&world)[1].status, IncidentStatus::Open);
}

#[tokio::test(start_paused = true)]
async fn its_incident_ends_with_another_address_with_a_pause_and_with_the_sink() {
    let wish = Edit {
        wish: Some(Wish::default()),
        ..Edit::default()
    };
    let pause = Edit {
        is_enabled: Some(false),
        ..Edit::default()
    };
    let rename = Edit {
        name: Some("pager".into()),
        ..Edit::default()
    };
    for (edit, state, end) in [
        (Some(wish), "enabled", Some(Resolution::Recovered)),
        (Some(pause), "paused", Some(Resolution::Disconnected)),
        (Some(rename), "disabled", None),
        (None, "", Some(Resolution::Disconnected)),
    ] {
        let world = with_mail().await;
        lose_the_chat(&world).await;
        // A user does something with the incident just before.
        let mut seen = about_chat(&world).remove(0);
        seen.acknowledge(ANN, Timestamp(5)).unwrap();
        let overtaking = Change::PutIncident(Box::new(seen));
        world.store.overtakes(overtaking, |change| {
            matches!(change, Change::PutSink(_) | Change::DeleteSink(_))
        });
        match edit {
            Some(edit) => {
                world.desk().edit(CHAT, edit).await.unwrap();
                assert_eq!(world.stored_sink().state.as_str(), state);
            }
            None => world.desk().remove(CHAT).await.unwrap(),
        }
        let found = about_chat(&world);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].resolution, end, "{state}");
        assert!(found[0].acknowledged_at.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_death_at_any_batch_leaves_one_incident_with_the_state_of_the_sink() {
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        for nth in 0..6 {
            let mut world = with_mail().await;
            // Also a call that is repeated by the next process gets this answer.
            world.manner(Manner::Answers(gone()));
            world.manner(Manner::Answers(gone()));
            world.store.breaks(nth, fault, |_| true);
            let incident = Change::PutIncident(Box::new(mild(7)));
            world.store.writes(incident);
            world.passes(Duration::from_mins(1)).await;
            world.kill();
            world.store.mend();
            world.start();
            world.until(|world| !world.stored_sink().is_enabled()).await;
            world.passes(Duration::from_hours(1)).await;
            let found = about_chat(&world);
            assert_eq!(found.len(), 1, "{fault:?} at {nth}");
            assert_eq!(Some(found[0].id), world.stored_sink().incident_id());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_a_person_has_resolved_is_not_opened_by_the_next_start() {
    let mut world = with_mail().await;
    lose_the_chat(&world).await;
    let mut incident = about_chat(&world).remove(0);
    incident.resolve_by_hand(ANN, Timestamp(9));
    world.put(&incident).await;
    world.kill();
    world.start();
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(about_chat(&world), [incident]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_an_older_version_has_disabled_gets_its_incident_at_the_next_start() {
    let mut world = with_mail().await;
    world.kill();
    let (at, reason) = (world.clock.now(), DisableReason::NotFound);
    let disabled = Sink {
        state: SinkState::Disabled { at, reason },
        ..world.stored_sink()
    };
    world
        .commit(vec![Change::PutSink(Box::new(disabled))])
        .await;
    assert_eq!(about_chat(&world), []);
    world.start();
    world.until(|world| about_chat(world).len() == 1).await;
    assert_eq!(about_chat(&world)[0].first_seen_at, at);
}
