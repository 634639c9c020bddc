//! Incidents whose workflow fails and passes in turn.

use super::*;

impl World {
    async fn stands(&self, incident: &Incident, status: IncidentStatus, is_flapping: bool) {
        let incident = Incident {
            status,
            is_flapping,
            ..incident.clone()
        };
        self.put(&incident).await;
        self.passes(Duration::from_hours(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_hears_once_that_an_incident_flaps_and_then_what_it_came_to() {
    use IncidentStatus::{Open, Resolved as Passed};
    use NotificationKind::{Flapping, Opened, Reopened, Resolved};
    for (last, kind) in [(Passed, Resolved), (Open, Reopened)] {
        let mut world = World::new().await;
        let incident = world.open(1).await;
        world.passes(Duration::from_hours(1)).await;
        for status in [Passed, Open, Passed, Open] {
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
        let announced = world.store.announced(incident.id).ready().unwrap().unwrap();
        assert_eq!(announced.episode, 1, "it is one episode");
        world.stands(&incident, Passed, false).await;
        assert_eq!(world.kinds().last(), Some(&Resolved));
    }
}

/// It was resolved, and sinks know that, when the pass or failure comes that makes it flap.
#[tokio::test(start_paused = true)]
async fn one_that_was_resolved_and_flaps_now_is_opened_by_that() {
    use IncidentStatus::{Open, Resolved as Passed};
    use NotificationKind::{Flapping, Opened, Resolved};
    let world = World::new().await;
    let incident = world.open(1).await;
    world.passes(Duration::from_hours(1)).await;
    world.stands(&incident, Passed, false).await;
    world.stands(&incident, Open, true).await;
    world.stands(&incident, Passed, true).await;
    assert_eq!(world.kinds(), [Opened, Resolved, Flapping]);
    world.stands(&incident, Passed, false).await;
    assert_eq!(world.kinds(), [Opened, Resolved, Flapping, Resolved]);
}
