//! The health of a connection: whether its webhook is proven to work, and else why not and since
//! when.
//!
//! It is a function of the connection and its history, so that it cannot contradict them.

use super::connection::{Connection, WebhookStatus};
use super::error_code::ErrorCode;
use super::history::{EntryKind, History};
use super::lifecycle::{Hook, Phase};
use super::rotation::RotationState;
use super::time::Timestamp;

named! {
    /// Whether a webhook works.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum HealthState {
        /// Proven: see [`Health::proven_at`].
        Healthy = "healthy",
        /// Not proven yet.
        Pending = "pending",
        /// There is a webhook, with a problem.
        Degraded = "degraded",
        /// There is no webhook, and retries seldom help.
        Failed = "failed",
        /// Paused, or disconnected.
        Inactive = "inactive",
        /// No work until a user acts.
        Suspended = "suspended",
    }
}

named! {
    /// What proved it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum ProvenBy {
        /// The provider showed the webhook with the wanted settings, or wrote them.
        Check = "check",
        /// A delivery with the signature arrived.
        Delivery = "delivery",
    }
}

named! {
    /// Why a webhook is not healthy.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum HealthCause {
        /// It has other settings than it should.
        Drifted = "drifted",
        /// It does not have the settings yet that a user changed, or is to be recreated.
        Outdated = "outdated",
        /// It is missing at the provider.
        Missing = "missing",
        /// It was not created yet.
        NotCreated = "not_created",
        /// Pings remain without an answer.
        Silent = "silent",
        /// The provider has disabled it because deliveries failed.
        Disabled = "disabled",
        /// The provider refuses our calls until a person corrects something.
        Refused = "refused",
        /// Work on it was suspended.
        Suspended = "suspended",
        /// A user paused it.
        Paused = "paused",
        /// The provider answers no calls: see [`super::outage`].
        ProviderOutage = "provider_outage",
    }
}

impl HealthCause {
    /// What it is, and what happens next, for people.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Drifted => "The webhook has other settings than it should. It is repaired.",
            Self::Outdated => {
                "The webhook does not have the newest settings yet. Hookherd retries."
            }
            Self::Missing => {
                "The webhook is missing at the provider. It is created again, unless it was \
                 deleted repeatedly."
            }
            Self::NotCreated => "The webhook is not created yet. Hookherd retries.",
            Self::Silent => {
                "Pings of the webhook remain unanswered. Check that the public URL leads to this \
                 server."
            }
            Self::Disabled => {
                "The provider has disabled the webhook because deliveries failed. Test deliveries \
                 are requested until it is enabled."
            }
            Self::Refused => {
                "The provider refuses calls. The last error names what a person has to correct."
            }
            Self::Suspended => "Work is suspended. Correct the reason, then resume the connection.",
            Self::Paused => "The connection is paused. Resume it to process deliveries.",
            Self::ProviderOutage => {
                "The provider does not answer. Checks and repairs continue when it does."
            }
        }
    }
}

/// A reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthReason {
    /// The reason.
    pub cause: HealthCause,
    /// Since when; `None` when it began before there were histories, or has left the history.
    pub since: Option<Timestamp>,
    /// The error, where the provider or Hookherd names one.
    pub code: Option<ErrorCode>,
}

/// The health of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it works.
    pub state: HealthState,
    /// When it was last proven to work.
    pub proven_at: Option<Timestamp>,
    /// What proved it then.
    pub proven_by: Option<ProvenBy>,
    /// Why it is not healthy; empty if it is.
    pub reasons: Vec<HealthReason>,
    /// Since when it has this state, as far as the history reaches.
    pub since: Option<Timestamp>,
}

impl Health {
    /// The same while the provider has an outage since then: what was proven before may not hold
    /// any more.
    #[must_use]
    pub fn during(mut self, outage: Option<Timestamp>) -> Self {
        let Some(since) = outage else {
            return self;
        };
        match self.state {
            HealthState::Healthy => {
                (self.state, self.since) = (HealthState::Degraded, Some(since));
            }
            HealthState::Pending | HealthState::Degraded | HealthState::Failed => {}
            // Nothing is to be done there.
            HealthState::Inactive | HealthState::Suspended => return self,
        }
        self.reasons.push(HealthReason {
            cause: HealthCause::ProviderOutage,
            since: Some(since),
            code: Some(ErrorCode::ProviderOutage),
        });
        self
    }
}

/// What ends missing and changed hooks.
const WHOLE: [EntryKind; 5] = [
    EntryKind::Created,
    EntryKind::Recreated,
    EntryKind::Adopted,
    EntryKind::Repaired,
    EntryKind::Updated,
];
/// After these a connection may be healthy.
const ENDS: [EntryKind; 8] = [
    EntryKind::Created,
    EntryKind::Recreated,
    EntryKind::Adopted,
    EntryKind::Repaired,
    EntryKind::Enabled,
    EntryKind::Heard,
    EntryKind::Accepted,
    EntryKind::Resumed,
];

/// Since when something lasts that these kinds begin and those end.
fn begun(history: Option<&History>, begin: &[EntryKind], end: &[EntryKind]) -> Option<Timestamp> {
    let mut since = None;
    for entry in &history?.entries {
        if end.contains(&entry.kind) {
            since = None;
        } else if begin.contains(&entry.kind) {
            since = since.or(Some(entry.at));
        }
    }
    since
}

/// The health of a connection with this history.
pub fn health(connection: &Connection, history: Option<&History>) -> Health {
    let (proven_at, proven_by) = proof(connection).unzip();
    let state = match connection.webhook_status() {
        WebhookStatus::Active if proven_at.is_some() => HealthState::Healthy,
        WebhookStatus::Active | WebhookStatus::Pending => HealthState::Pending,
        WebhookStatus::Degraded => HealthState::Degraded,
        WebhookStatus::Failed => HealthState::Failed,
        WebhookStatus::Inactive => HealthState::Inactive,
        WebhookStatus::Suspended => HealthState::Suspended,
    };
    let reasons = match state {
        HealthState::Healthy => Vec::new(),
        HealthState::Pending
        | HealthState::Degraded
        | HealthState::Failed
        | HealthState::Inactive
        | HealthState::Suspended => reasons(connection, history),
    };
    let since = if state == HealthState::Healthy {
        let entries = history.into_iter().flat_map(|history| &history.entries);
        let mut ends = entries.filter(|entry| ENDS.contains(&entry.kind));
        ends.next_back().map(|entry| entry.at)
    } else {
        reasons.iter().filter_map(|reason| reason.since).min()
    };
    Health {
        state,
        proven_at,
        proven_by,
        reasons,
        since,
    }
}

/// The last proof. A check and a delivery of the same moment: the delivery, which took the whole
/// way.
fn proof(connection: &Connection) -> Option<(Timestamp, ProvenBy)> {
    let check = connection.last_check_at.map(|at| (at, ProvenBy::Check));
    let delivery = connection.last_delivery_at;
    // Once the provider has confirmed a new secret, only what that signs proves anything.
    let rotation = &connection.rotation;
    let unproven = rotation.state() == RotationState::Unproven;
    let confirmed = rotation.confirmed_at.filter(|_| unproven);
    let delivery = delivery.map(|at| confirmed.map_or(at, |confirmed| at.min(confirmed)));
    check.max(delivery.map(|at| (at, ProvenBy::Delivery)))
}

fn reasons(connection: &Connection, history: Option<&History>) -> Vec<HealthReason> {
    let l = &connection.lifecycle;
    let error = connection.last_error.as_ref().map(|error| error.code);
    let mut reasons = Vec::new();
    let mut add = |cause, code, begin: &[EntryKind], end: &[EntryKind]| {
        let since = begun(history, begin, end);
        reasons.push(HealthReason { cause, since, code });
    };
    if !connection.is_enabled() {
        let resumed = [EntryKind::Resumed];
        add(
            HealthCause::Paused,
            None,
            &[EntryKind::StoppedByUser],
            &resumed,
        );
        return reasons;
    }
    if let Phase::Suspended(reason) = l.phase {
        let (begin, end) = ([EntryKind::Suspended], [EntryKind::Resumed]);
        add(HealthCause::Suspended, Some(reason.code()), &begin, &end);
    }
    let trouble = [EntryKind::Drifted, EntryKind::Lost];
    match l.hook {
        Hook::Present(_) if l.ill => add(HealthCause::Drifted, None, &trouble, &WHOLE),
        Hook::Absent | Hook::Unknown(_) if l.ill => {
            add(HealthCause::Missing, None, &trouble, &WHOLE);
        }
        Hook::Absent | Hook::Unknown(None) => add(HealthCause::NotCreated, error, &[], &[]),
        Hook::Present(_) if connection.lacks_only_its_secret() => {}
        Hook::Present(_) if l.recreate || l.applied != Some(l.wanted) => {
            let begin = [EntryKind::EventsChanged, EntryKind::RotationBegun];
            add(HealthCause::Outdated, error, &begin, &WHOLE);
        }
        Hook::Present(_) | Hook::Unknown(Some(_)) => {}
    }
    if l.is_silent() {
        add(
            HealthCause::Silent,
            None,
            &[EntryKind::Silent],
            &[EntryKind::Heard],
        );
    }
    if l.disabled.is_some() {
        let begin = [EntryKind::Disabled, EntryKind::Paused];
        add(HealthCause::Disabled, None, &begin, &[EntryKind::Enabled]);
    }
    if l.refused {
        let (begin, end) = ([EntryKind::Refused], [EntryKind::Accepted]);
        add(HealthCause::Refused, error, &begin, &end);
    }
    // A connection without a hook waits for one since it was made.
    for reason in &mut reasons {
        if reason.cause == HealthCause::NotCreated && connection.hook_created_at.is_none() {
            reason.since = Some(connection.created_at);
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::history::{Entry, Evidence};
    use crate::domain::id::HookId;
    use crate::domain::lifecycle::{Desired, SuspendReason};
    use crate::domain::samples;

    fn connection() -> Connection {
        let mut c = samples::connection(1, "o/r");
        c.lifecycle.phase = Phase::Active;
        c.lifecycle.hook = Hook::Present(HookId(7));
        c.lifecycle.applied = Some(c.lifecycle.wanted);
        (c.last_check_at, c.last_delivery_at) = (Some(Timestamp(5)), Some(Timestamp(4)));
        c
    }

    fn history(kinds: &[(EntryKind, i64)]) -> History {
        let c = connection();
        let mut history = History::new(c.id, c.owner);
        for (kind, at) in kinds {
            let entry = Entry::new(*kind, Evidence::Check, Timestamp(*at));
            history.add(entry, Timestamp(0));
        }
        history
    }

    fn causes(health: &Health) -> Vec<(HealthCause, Option<i64>)> {
        let reasons = health.reasons.iter();
        reasons.map(|r| (r.cause, r.since.map(|at| at.0))).collect()
    }

    #[test]
    fn healthy_means_proven_and_by_what() {
        let h = history(&[
            (EntryKind::Created, 1),
            (EntryKind::Drifted, 2),
            (EntryKind::Repaired, 3),
        ]);
        let mut c = connection();
        let found = health(&c, Some(&h));
        assert_eq!(found.state, HealthState::Healthy);
        assert_eq!(
            (found.proven_at, found.proven_by),
            (Some(Timestamp(5)), Some(ProvenBy::Check))
        );
        assert_eq!((found.since, causes(&found)), (Some(Timestamp(3)), vec![]));
        c.last_delivery_at = Some(Timestamp(5));
        assert_eq!(health(&c, None).proven_by, Some(ProvenBy::Delivery));
        (c.last_check_at, c.last_delivery_at) = (None, None);
        let unproven = health(&c, Some(&h));
        assert_eq!(
            (unproven.state, unproven.proven_by),
            (HealthState::Pending, None)
        );
    }

    #[test]
    fn trouble_says_why_and_since_when_and_not_since_an_earlier_one() {
        let h = history(&[
            (EntryKind::Created, 1),
            (EntryKind::Silent, 2),
            (EntryKind::Heard, 3),
            (EntryKind::Drifted, 4),
            (EntryKind::Repaired, 5),
            (EntryKind::Drifted, 6),
            (EntryKind::Refused, 7),
            (EntryKind::Drifted, 8),
            (EntryKind::Silent, 9),
            (EntryKind::Paused, 10),
        ]);
        let mut c = connection();
        (c.lifecycle.ill, c.lifecycle.refused) = (true, true);
        c.lifecycle.pings_unanswered = 2;
        c.lifecycle.disabled = Some(1);
        let found = health(&c, Some(&h));
        assert_eq!(found.state, HealthState::Degraded);
        let expected = [
            (HealthCause::Drifted, Some(6)),
            (HealthCause::Silent, Some(9)),
            (HealthCause::Disabled, Some(10)),
            (HealthCause::Refused, Some(7)),
        ];
        assert_eq!(causes(&found), expected);
        assert_eq!(found.since, Some(Timestamp(6)));
        // Without a history the reasons stand, without their times.
        let found = health(&c, None);
        assert_eq!((found.reasons.len(), found.since), (4, None));
    }

    #[test]
    fn a_missing_a_new_a_suspended_and_a_paused_one_say_so() {
        let h = history(&[
            (EntryKind::Created, 1),
            (EntryKind::Lost, 2),
            (EntryKind::Suspended, 3),
            (EntryKind::StoppedByUser, 4),
        ]);
        let mut c = connection();
        (c.lifecycle.ill, c.lifecycle.hook) = (true, Hook::Unknown(Some(HookId(7))));
        c.lifecycle.phase = Phase::Suspended(SuspendReason::HookDeletedRepeatedly);
        let found = health(&c, Some(&h));
        assert_eq!(found.state, HealthState::Suspended);
        let expected = [
            (HealthCause::Suspended, Some(3)),
            (HealthCause::Missing, Some(2)),
        ];
        assert_eq!(causes(&found), expected);
        assert_eq!(
            found.reasons[0].code,
            Some(ErrorCode::HookDeletedRepeatedly)
        );
        c.lifecycle.desired = Desired::Paused;
        let found = health(&c, Some(&h));
        assert_eq!(found.state, HealthState::Inactive);
        assert_eq!(causes(&found), [(HealthCause::Paused, Some(4))]);
        let mut new = samples::connection(1, "o/r");
        (new.hook_created_at, new.created_at) = (None, Timestamp(9));
        new.lifecycle.phase = Phase::Waiting { attempt: 5 };
        new.lifecycle.hook = Hook::Absent;
        for hook in [Hook::Absent, Hook::Unknown(None)] {
            new.lifecycle.hook = hook;
            let found = health(&new, None);
            assert_eq!(found.state, HealthState::Failed);
            assert_eq!(causes(&found), [(HealthCause::NotCreated, Some(9))]);
        }
        // Other events are wanted, and the provider is down.
        let h = history(&[(EntryKind::Created, 1), (EntryKind::EventsChanged, 2)]);
        let mut c = connection();
        c.lifecycle.wanted += 1;
        c.lifecycle.phase = Phase::Waiting { attempt: 1 };
        let found = health(&c, Some(&h));
        assert_eq!(found.state, HealthState::Degraded);
        assert_eq!(causes(&found), [(HealthCause::Outdated, Some(2))]);
    }
}
