//! Changes to notifications that wait.

use super::room::Room;
use crate::domain::id::{NotificationId, SinkId};
use crate::domain::incident::Incident;
use crate::domain::notification::{Notification, NotificationKind, NotificationState, Topic};
use crate::domain::time::Timestamp;
use crate::store::Change;

/// A notification that waits.
pub(super) fn planned(
    room: &Room,
    incident: &Incident,
    sink: SinkId,
    kind: NotificationKind,
    due_at: Timestamp,
) -> Change {
    let id = room.tools.clock.now_for_id();
    Change::PutNotification(Box::new(Notification {
        id: NotificationId::generate(id, &*room.tools.entropy),
        owner: incident.owner,
        topic: Topic::Incident(incident.id),
        sink,
        kind,
        planned_at: room.tools.now(),
        tries: 0,
        state: NotificationState::Waiting {
            due_at,
            is_unsure: false,
            tried_at: None,
            error: None,
        },
    }))
}

/// The notification waits until then.
pub(super) fn postponed(it: &Notification, until: Timestamp) -> Change {
    let mut it = it.clone();
    if let NotificationState::Waiting { due_at, .. } = &mut it.state {
        *due_at = until;
    }
    Change::PutNotification(Box::new(it))
}
