//! When an incident is explained, and what follows from a try.

use super::{Explained, Explanation, ExplanationState, Unread};
use crate::domain::backoff::Backoff;
use crate::domain::connection::LastError;
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::notification::Announced;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// Most tries of one explanation. What a limit or an outage of the provider has put off is none.
pub const TRIES_MAX: u32 = 5;
/// The waits between them: 30 s to a minute at first, at most an hour.
const RETRY: Backoff = Backoff {
    initial: Duration::from_mins(1),
    cap: WAIT_MAX,
};
/// Longest wait before a try, whatever the provider asks for.
pub const WAIT_MAX: Duration = Duration::from_hours(1);
/// An explanation that was begun so long ago is not put off any more.
const PUT_OFF_MAX: Duration = Duration::from_hours(24);
/// A log that is not there at the first try may be there after this time: providers store it after
/// they have reported the end of the run.
const LOG_WAIT: Duration = Duration::from_secs(20);

/// The number of the episode that an incident is in.
fn episode(announced: Option<&Announced>) -> u32 {
    announced.map_or(1, |announced| announced.episode)
}

/// When an incident is to be explained: long ago if it never was in this episode; `None` when it
/// is not.
pub fn due(
    incident: &Incident,
    announced: Option<&Announced>,
    known: Option<&Explanation>,
) -> Option<Timestamp> {
    let is_open = incident.status != IncidentStatus::Resolved;
    if !is_open || incident.ci.is_none() || incident.subject.connection().is_none() {
        return None;
    }
    match known {
        Some(known) if known.episode >= episode(announced) => known.due_at(),
        Some(_) | None => Some(Timestamp(0)),
    }
}

/// What is to be done about an explanation after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The provider has answered.
    Read(Box<Explained>),
    /// It may answer later: not before this time, if it named one.
    Later(LastError, Option<Duration>),
    /// A limit or an outage of the provider did not let the try happen.
    PutOff(LastError, Duration),
    /// It will not answer.
    Never(LastError),
}

impl Explanation {
    /// A new one, of the incident's episode, which is due now; `None` when the incident is not
    /// about CI of a connection.
    pub fn begin(
        incident: &Incident,
        announced: Option<&Announced>,
        attempt: u32,
        now: Timestamp,
    ) -> Option<Self> {
        Some(Self {
            incident: incident.id,
            connection: incident.subject.connection()?,
            episode: episode(announced),
            run: incident.ci.as_ref()?.run,
            attempt,
            begun_at: now,
            state: ExplanationState::Pending {
                tries: 0,
                due_at: now,
                error: None,
            },
            explained: None,
        })
    }

    /// When the next try is due; `None` when none is.
    pub const fn due_at(&self) -> Option<Timestamp> {
        match &self.state {
            ExplanationState::Pending { due_at, .. } => Some(*due_at),
            ExplanationState::Explained { .. } | ExplanationState::Failed { .. } => None,
        }
    }

    /// Tries so far; 0 when it has ended.
    pub const fn tries(&self) -> u32 {
        match &self.state {
            ExplanationState::Pending { tries, .. } => *tries,
            ExplanationState::Explained { .. } | ExplanationState::Failed { .. } => 0,
        }
    }

    /// The same with one more try, which begins now.
    #[must_use]
    pub fn tried(&self) -> Self {
        let mut tried = self.clone();
        if let ExplanationState::Pending { tries, .. } = &mut tried.state {
            *tries = tries.saturating_add(1);
        }
        tried
    }

    /// The same after a try. `chance` is uniform over all of `u64`.
    #[must_use]
    pub fn after(&self, next: Next, now: Timestamp, chance: u64) -> Self {
        let tries = self.tries();
        let pending = |tries, wait: Duration, error| ExplanationState::Pending {
            tries,
            due_at: now.plus(wait.min(WAIT_MAX)),
            error,
        };
        let (state, explained) = match next {
            Next::Read(explained) => {
                let explained = explained.bounded();
                let state = if tries <= 1 && explained.lacks_a_log() {
                    pending(tries, LOG_WAIT, None)
                } else {
                    ExplanationState::Explained { at: now }
                };
                (state, Some(explained))
            }
            // What was read before stays.
            Next::Later(..) | Next::Never(_) | Next::PutOff(..) if self.explained.is_some() => {
                let state = ExplanationState::Explained { at: now };
                (state, self.explained.clone())
            }
            Next::Later(error, after) if tries < TRIES_MAX => {
                let wait = RETRY.wait(tries, chance).max(after.unwrap_or_default());
                (pending(tries, wait, Some(error)), None)
            }
            Next::PutOff(error, wait) if now.since(self.begun_at) < PUT_OFF_MAX => {
                let wait = wait.max(RETRY.wait(1, chance));
                (pending(tries.saturating_sub(1), wait, Some(error)), None)
            }
            Next::Later(error, _) | Next::PutOff(error, _) | Next::Never(error) => {
                (ExplanationState::Failed { error }, None)
            }
        };
        Self {
            state,
            explained,
            ..self.clone()
        }
    }
}

impl Explained {
    /// Whether the provider had no log of a job that it should have.
    fn lacks_a_log(&self) -> bool {
        let jobs = self.jobs.as_ref().ok();
        let mut jobs = jobs.into_iter().flatten();
        jobs.any(|job| job.log == Err(Unread::NotFound))
    }
}
