//! Users without sinks, and users who leave.

use super::*;
use crate::domain::id::UserId;

#[tokio::test(start_paused = true)]
async fn an_incident_of_an_owner_without_sinks_and_of_one_who_left_reaches_no_sink() {
    let world = World::new().await;
    let foreign = Incident {
        owner: UserId::from_u128(2),
        ..samples::incident(IncidentId::from_u128(3), ConnectionId::from_u128(1))
    };
    world.put(&foreign).await;
    world.commit(vec![Change::DeleteUser(ANN)]).await;
    world.open(4).await;
    world.until(|world| world.states() == ["dropped"]).await;
    assert_eq!(world.heard(), []);
}

#[tokio::test(start_paused = true)]
async fn scenario_52_a_user_who_leaves_between_the_plan_and_the_call_is_not_notified() {
    let world = World::new().await;
    *world.sink.always.lock() = Some(later("no connection"));
    world.open(1).await;
    world.until(|world| world.heard().len() == 1).await;
    assert_eq!(world.states(), ["waiting"]);
    world.commit(vec![Change::DeleteUser(ANN)]).await;
    *world.sink.always.lock() = None;
    world.until(|world| world.states() == ["dropped"]).await;
    assert_eq!(world.heard().len(), 1, "nothing after that");
}
