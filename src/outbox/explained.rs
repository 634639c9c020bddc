//! What the provider says about an incident, for the messages about it.

use super::room::Room;
use crate::domain::explanation::Explained;
use crate::domain::incident::Incident;
use crate::telemetry::may_log;

/// What the provider says about the last failed run of an incident, as far as that was read: no
/// message waits for it, and none fails without it.
pub(super) async fn explained(room: &Room, incident: &Incident) -> Option<Explained> {
    let ci = incident.ci.as_ref()?;
    match room.tools.store.explanation(incident.id).await {
        Ok(found) => found.filter(|it| it.run == ci.run)?.explained,
        Err(error) => {
            if may_log("outbox") {
                tracing::warn!(incident.id = %incident.id, %error, "an explanation is left out");
            }
            None
        }
    }
}
