//! Incidents that are muted: nothing is sent, and afterwards what still matters.

use super::*;
use crate::domain::incident::care::Care;

const DAY: Duration = Duration::from_hours(24);

impl World {
    /// Mutes an incident for so long from now; for no time, ends its mute.
    async fn mute(&self, incident: &Incident, time: Duration) -> Incident {
        let until = self.clock.now().plus(time);
        let care = Care {
            muted_until: (!time.is_zero()).then_some(until),
            ..incident.care.clone()
        };
        let incident = Incident {
            care,
            ..incident.clone()
        };
        self.put(&incident).await;
        incident
    }
}

#[tokio::test(start_paused = true)]
async fn a_mute_of_a_week_holds_what_is_new_and_sends_then_what_still_matters() {
    use NotificationKind::{Opened, Resolved};
    let mut world = World::new().await;
    let known = world.open(1).await;
    world.until(|world| world.kinds() == [Opened]).await;
    world.kill();
    let (brief, long) = (world.open(2).await, world.open(3).await);
    for incident in [&known, &brief, &long] {
        world.mute(incident, 7 * DAY).await;
    }
    world.start();
    world.passes(DAY).await;
    for incident in [&known, &brief] {
        let resolved = Incident {
            status: IncidentStatus::Resolved,
            ..world.store.incident(incident.id).ready().unwrap().unwrap()
        };
        world.put(&resolved).await;
    }
    world.passes(3 * DAY).await;
    world.kill();
    world.start();
    world.passes(Duration::from_secs(3 * 86_400 - 1)).await;
    assert_eq!(world.kinds(), [Opened], "it is muted");
    world.until(|world| world.heard().len() == 3).await;
    world.passes(DAY).await;
    let mut later: Vec<_> = world.heard()[1..]
        .iter()
        .map(|heard| (heard.incident, heard.kind))
        .collect();
    later.sort_unstable();
    assert_eq!(later, [(known.id, Resolved), (long.id, Opened)]);
}

#[tokio::test(start_paused = true)]
async fn a_mute_that_is_ended_or_shortened_sends_at_once_and_others_do_not_wait() {
    let world = World::new().await;
    let opened = world.open(1).await;
    world.mute(&opened, 20 * DAY).await;
    world.passes(2 * DAY).await;
    // It may have been sent before it was muted.
    let before = world.heard().len();
    let second = world.open(2).await;
    let second = world.mute(&second, 20 * DAY).await;
    world.open(3).await;
    world.passes(DAY).await;
    let of_second = |world: &World| {
        let heard = world.heard();
        heard.iter().filter(|it| it.incident == second.id).count()
    };
    assert_eq!(of_second(&world), 0);
    assert_eq!(world.heard().len(), before + 1, "the third is sent");
    let shortened = world.mute(&second, Duration::from_hours(1)).await;
    let begun = Instant::now();
    world.until(|world| of_second(world) == 1).await;
    let after = begun.elapsed();
    assert!(after >= Duration::from_hours(1) && after < Duration::from_hours(2));
    let resolved = Incident {
        status: IncidentStatus::Resolved,
        ..shortened
    };
    let muted = world.mute(&resolved, 20 * DAY).await;
    world.passes(DAY).await;
    assert_eq!(of_second(&world), 1);
    let begun = Instant::now();
    world.mute(&muted, Duration::ZERO).await;
    world.until(|world| of_second(world) == 2).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// What was tried while the sink was down need not wait any longer, but for its mute.
#[tokio::test(start_paused = true)]
async fn what_is_muted_waits_also_when_its_sink_works_again() {
    let world = World::new().await;
    *world.sink.always.lock() = Some(later("it is down"));
    let muted = world.open(1).await;
    world.passes(Duration::from_mins(10)).await;
    world.mute(&muted, DAY).await;
    world.open(2).await;
    *world.sink.always.lock() = None;
    world.passes(Duration::from_hours(23)).await;
    let tries = world.heard().len();
    assert_eq!(world.heard()[tries - 1].incident, IncidentId::from_u128(2));
    world
        .until(|world| world.states() == ["sent", "sent"])
        .await;
    assert_eq!(world.heard()[tries].incident, muted.id);
}
