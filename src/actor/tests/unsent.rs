//! Times in which the provider may not have sent, because the hook had other settings.

use super::fakes::Farm;
use super::provider::Behaviour;
use crate::domain::command::CommandKind;
use crate::domain::connection::WebhookStatus;

/// A user's own choice is no time in which something may not have been sent; another's is.
#[actix::test]
async fn events_that_a_user_chose_leave_no_gap_and_ones_that_were_changed_by_hand_do() {
    for is_by_hand in [false, true] {
        let (farm, connection) = Farm::connected().await;
        let unsent_since = || {
            let asked = farm.store.reconcile_asked(connection.id);
            asked.ready().unwrap().unwrap().unsent_since
        };
        if is_by_hand {
            for (_, events) in farm.provider.hooks.lock().values_mut() {
                events.clear();
            }
        }
        for events in [["push"], ["ping"]] {
            let events = events.map(str::to_owned).to_vec();
            let set = CommandKind::SetEvents(events);
            farm.command(connection.id, set).await.unwrap();
        }
        farm.becomes(connection.id, WebhookStatus::Active).await;
        let since = connection.last_check_at.filter(|_| is_by_hand);
        assert_eq!(unsent_since(), since);
    }
}

/// What a write found is unknown when its answer is lost, and the next one finds a hook that is as
/// it should be.
#[actix::test]
async fn after_a_write_whose_answer_is_lost_what_may_not_have_been_sent_is_listed() {
    let (farm, connection) = Farm::connected().await;
    let unsent_since = || {
        let asked = farm.store.reconcile_asked(connection.id);
        asked.ready().unwrap().unwrap().unsent_since
    };
    assert_eq!(unsent_since(), None);
    // By hand, and nobody has looked since.
    for (_, events) in farm.provider.hooks.lock().values_mut() {
        events.clear();
    }
    let lost = Behaviour::ActThenFail;
    farm.provider.script.lock().push_back(lost);
    let rotate = CommandKind::RotateSecret;
    farm.command(connection.id, rotate).await.unwrap();
    farm.until(|| unsent_since() == connection.last_check_at)
        .await;
}
