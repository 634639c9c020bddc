//! Incidents whose workflow fails and passes in turn.

use super::*;
use IncidentStatus::{Open, Resolved as Passed};
use NotificationKind::{Flapping, Opened, Reopened, Resolved};

const HOUR: Duration = Duration::from_hours(1);

impl World {
    /// It is so for an hour.
    async fn stands(&self, incident: &Incident, status: IncidentStatus, is_flapping: bool) {
        let incident = Incident {
            status,
            is_flapping,
            ..incident.clone()
        };
        self.put(&incident).await;
        self.passes(HOUR).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_hears_once_that_an_incident_flaps_and_then_what_it_came_to() {
    for (last, kind) in [(Passed, Resolved), (Open, Reopened)] {
        let mut world = World::new().await;
        let incident = world.open(1).await;
        world.passes(HOUR).await;
        for status in [Open, Passed, Open, Passed, Open] {
            world.stands(&incident, status, true).await;
        }
        world.kill();
        world.start();
        for status in [Passed, Open, last] {
            world.stands(&incident, status, true).await;
        }
        assert_eq!(world.kinds(), [Opened, Flapping], "then it is quiet");
        world.stands(&incident, last, false).await;
        assert_eq!(world.kinds(), [Opened, Flapping, kind]);
        world.stands(&incident, Passed, false).await;
        assert_eq!(world.kinds().last(), Some(&Resolved));
        assert!(!world.states().contains(&"waiting"), "{:?}", world.states());
    }
}

/// Its workflow may be gone: then nothing would end it.
#[tokio::test(start_paused = true)]
async fn one_that_flaps_and_passes_for_a_day_has_ended() {
    let mut world = World::new().await;
    let incident = world.open(1).await;
    world.passes(HOUR).await;
    world.stands(&incident, Open, true).await;
    world.stands(&incident, Passed, true).await;
    world.passes(22 * HOUR).await;
    world.kill();
    world.start();
    assert_eq!(world.kinds(), [Opened, Flapping]);
    world.passes(2 * HOUR).await;
    assert_eq!(world.kinds(), [Opened, Flapping, Resolved]);
    world.stands(&incident, Open, true).await;
    assert_eq!(world.kinds().last(), Some(&Reopened));
}

/// It was resolved, and sinks know that, when it begins to flap; and it ends for another reason.
#[tokio::test(start_paused = true)]
async fn one_that_was_resolved_and_flaps_now_is_opened_by_that_and_ends_with_its_branch() {
    let world = World::new().await;
    let incident = world.open(1).await;
    world.passes(HOUR).await;
    world.stands(&incident, Passed, true).await;
    assert_eq!(
        world.kinds(),
        [Opened, Resolved],
        "they do not know that it flaps"
    );
    for status in [Open, Passed, Open, Passed] {
        world.stands(&incident, status, true).await;
    }
    assert_eq!(world.kinds(), [Opened, Resolved, Flapping]);
    world.stands(&incident, Passed, false).await;
    assert_eq!(world.kinds(), [Opened, Resolved, Flapping, Resolved]);
}
