//! Failures that our own checks report: a hook, a delivery, a credential or a sink that needs
//! attention.

mod failure;

pub use failure::{HealthFailure, HealthKind};

use super::care::Care;
use super::{Incident, IncidentSource, IncidentStatus, Resolution};
use crate::domain::id::IncidentId;
use crate::domain::time::Timestamp;
use crate::domain::wording;

/// Reports a failure that was seen `times` times: in the incident that is open about it (among
/// `unresolved`, those of its subject), else in a new one with this id.
pub fn report(
    failure: HealthFailure<'_>,
    times: u32,
    unresolved: Vec<Incident>,
    id: IncidentId,
    now: Timestamp,
) -> Incident {
    let title = wording::health_title(failure);
    if let Some(mut known) = failure.kind().find(unresolved) {
        known.worsen(failure.severity(), now);
        return Incident {
            occurrences: known.occurrences.saturating_add(times),
            last_seen_at: now,
            title,
            ..known
        };
    }
    Incident {
        id,
        owner: failure.owner(),
        subject: failure.subject(),
        repository: failure.repository(),
        status: IncidentStatus::Open,
        severity: failure.severity(),
        source: IncidentSource::Health,
        failure_type: failure.kind().as_str().to_owned(),
        title,
        ci: None,
        affected: None,
        occurrences: times,
        first_seen_at: now,
        last_seen_at: now,
        acknowledged_at: None,
        resolved_at: None,
        resolution: None,
        is_flaky: false,
        is_flapping: false,
        care: Care::default(),
    }
}

/// All of them, resolved for the same reason.
pub fn resolve_all(
    unresolved: Vec<Incident>,
    why: Resolution,
    now: Timestamp,
) -> impl Iterator<Item = Incident> {
    unresolved.into_iter().map(move |mut incident| {
        incident.resolve(why, now);
        incident
    })
}
