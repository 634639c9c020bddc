//! What a check has seen is told to the next one, until something of ours may have changed it.

use super::fakes::{ANN, Farm};
use super::provider::Behaviour;
use crate::domain::command::CommandKind;
use crate::domain::connection::WebhookStatus;
use crate::domain::id::ConnectionId;

async fn check(farm: &Farm, id: ConnectionId) -> Option<String> {
    let before = farm.provider.count("check");
    farm.ask(id, CommandKind::Check).await;
    farm.until(|| farm.provider.count("check") > before).await;
    farm.actors
        .settled(id, std::time::Duration::from_mins(1))
        .await;
    farm.provider.asked_with.lock().last().cloned().flatten()
}

#[actix::test]
async fn what_was_seen_is_told_to_the_next_check_across_restarts() {
    let mut farm = Farm::new();
    let id = farm.connect(ANN).await.id;
    assert_eq!(check(&farm, id).await, None);
    assert_eq!(check(&farm, id).await.as_deref(), Some("1"));
    farm.restart().await;
    assert_eq!(check(&farm, id).await.as_deref(), Some("2"));
}

#[actix::test]
async fn a_change_of_ours_forgets_what_was_seen_also_if_its_outcome_is_unknown() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    let changes = [
        CommandKind::RotateSecret,
        CommandKind::SetEvents(vec!["push".into()]),
        CommandKind::Recreate,
    ];
    for change in changes {
        for behaviour in [Behaviour::Act, Behaviour::ActThenHang] {
            check(&farm, id).await;
            assert!(farm.get(id).seen.is_some());
            farm.provider.next_does(behaviour);
            farm.ask(id, change.clone()).await;
            if change != CommandKind::SetEvents(farm.get(id).events) {
                assert_eq!(farm.get(id).seen, None, "{change:?}");
            }
            farm.becomes(id, WebhookStatus::Active).await;
            farm.until(|| farm.get(id).has_hook_as_wanted()).await;
            farm.process(&farm.get(id), "push 1").await;
        }
    }
    // Found changed: what was seen is over, too.
    check(&farm, id).await;
    for (_, events) in farm.provider.hooks.lock().values_mut() {
        events.clear();
    }
    let before = farm.provider.count("repair");
    check(&farm, id).await;
    farm.until(|| farm.provider.count("repair") > before).await;
    assert_eq!(farm.get(id).seen, None);
}
