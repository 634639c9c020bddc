//! Outages of providers: when one begins, what is known of it, and how the work that waited for its
//! end is spread out.
//!
//! Calls report whether the provider answered. Any answer counts, also a refusal or a rate limit;
//! no answer, a broken one and a server error do not. One connection's bad luck is no outage: see
//! [`Signs::outage`].

use super::connection::LastError;
use super::error_code::ErrorCode;
use super::id::{ConnectionId, CredentialId, IncidentId, OwnerId};
use super::incident::care::Care;
use super::incident::health::HealthKind;
use super::incident::{Affected, Incident, IncidentSource, IncidentStatus, Severity, Subject};
use super::repo::Instance;
use super::time::Timestamp;
use super::wording;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Signs that are considered: the newest. More would delay the judgement while many calls fail.
const SIGNS_MAX: usize = 20;
/// How long a sign is considered: a few connections are seldom called, and retry within minutes.
const SIGN_AGE_MAX: Duration = Duration::from_mins(10);
/// Fewest failed calls.
const FAILURES_MIN: usize = 3;
/// Fewest connections whose calls fail, and credentials with which they fail, where there are so
/// many.
const CONNECTIONS_MIN: usize = 3;
const CREDENTIALS_MIN: usize = 2;
/// Where there are fewer connections, calls have to fail for so long.
const LASTS_MIN: Duration = Duration::from_mins(1);
/// Of five calls at least four fail. Otherwise calls are worth their retries.
const FAILS_OF_FIVE: usize = 4;

/// How often a provider that does not answer is called.
pub const PROBE_EVERY: Duration = Duration::from_mins(1);
/// An outage that begins so soon after another one continues it.
const CONTINUES_WITHIN: Duration = Duration::from_mins(15);
/// Work that waited is done at most at this rate: below GitHub's 80 writes a minute, if all of it
/// should write with one token.
pub const RELEASED_PER_MINUTE_MIN: u32 = 60;
/// The release takes no longer for any number: budgets pace what is more than they allow.
pub const RELEASE_MAX: Duration = Duration::from_mins(10);

/// Whether a provider answered a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// When the call ended.
    pub at: Timestamp,
    /// The connection that it was made for.
    pub connection: ConnectionId,
    /// The credential that it was made with.
    pub credential: CredentialId,
    /// Whether there was no answer, or a server error.
    pub fails: bool,
}

/// What uses an installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Connections.
    pub connections: usize,
    /// Credentials that they use.
    pub credentials: usize,
}

/// Whether an error means that the provider did not answer at all: `None` when it says
/// nothing about that, because nothing was sent, or because it may concern one request only.
pub const fn fails(code: ErrorCode) -> Option<bool> {
    if code.is_of_outage() {
        return Some(true);
    }
    let says_nothing = matches!(
        code,
        ErrorCode::RateLimited
            | ErrorCode::CallsWaiting
            | ErrorCode::ProviderOutage
            | ErrorCode::StoreUnavailable
            | ErrorCode::CannotOpenSecret
            | ErrorCode::NotConfigured
            | ErrorCode::NoCredential
            | ErrorCode::WrongApiUrl
            | ErrorCode::BadAnswer
    );
    // What a provider refuses, it answers.
    if says_nothing { None } else { Some(false) }
}

/// The newest signs of an installation.
#[derive(Clone, Debug, Default)]
pub struct Signs(VecDeque<Sign>);

impl Signs {
    /// Takes note of a call.
    pub fn note(&mut self, sign: Sign) {
        let is_old = |old: &Sign| sign.at.apart(old.at) > SIGN_AGE_MAX;
        self.0.retain(|old| !is_old(old));
        if self.0.len() >= SIGNS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(sign);
    }

    fn failed(&self) -> impl DoubleEndedIterator<Item = &Sign> {
        self.0.iter().filter(|sign| sign.fails)
    }

    /// Whether there may be an outage: cheap, for every call that fails.
    pub fn are_bad(&self) -> bool {
        let failed = self.failed().count();
        failed >= FAILURES_MIN && failed * 5 >= self.0.len() * FAILS_OF_FIVE
    }

    /// When an outage began, if there is one: nearly all of the newest calls fail, for several
    /// connections and with several credentials. Where there are only one or two connections, or
    /// one credential, all of them have to fail; and few connections have to for a while.
    pub fn outage(&self, users: Users) -> Option<Timestamp> {
        if !self.are_bad() {
            return None;
        }
        let connections: BTreeSet<_> = self.failed().map(|sign| sign.connection).collect();
        let credentials: BTreeSet<_> = self.failed().map(|sign| sign.credential).collect();
        let first = self.failed().next()?.at;
        let last = self.failed().next_back()?.at;
        let is_by_many = connections.len() >= users.connections.clamp(1, CONNECTIONS_MIN)
            && credentials.len() >= users.credentials.clamp(1, CREDENTIALS_MIN);
        let has_lasted = connections.len() >= CONNECTIONS_MIN || last.since(first) >= LASTS_MIN;
        (is_by_many && has_lasted).then(|| self.last_answer().map_or(first, |at| at.max(first)))
    }

    fn last_answer(&self) -> Option<Timestamp> {
        let answered = self.0.iter().rfind(|sign| !sign.fails);
        answered.map(|sign| sign.at)
    }
}

/// An outage of an installation. The last one is stored, also when it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderOutage {
    /// The installation.
    pub instance: Instance,
    /// When it began.
    pub since: Timestamp,
    /// When the provider was last called to find out whether it answers again; at first, when the
    /// outage was noticed.
    pub probed_at: Timestamp,
    /// Calls since then that found that it does not.
    pub probes: u32,
    /// Connections that wait for its end.
    pub connections: u32,
    /// Why the last call failed.
    pub error: LastError,
    /// When the provider answered again.
    pub ended_at: Option<Timestamp>,
}

impl ProviderOutage {
    /// One that has just been noticed. It continues the `last` one if that ended a moment ago.
    #[must_use]
    pub fn begun(
        instance: Instance,
        since: Timestamp,
        error: LastError,
        last: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let ended_at = |last: &Self| last.ended_at.unwrap_or(now);
        let last = last.filter(|last| now.apart(ended_at(last)) <= CONTINUES_WITHIN);
        Self {
            instance,
            since: last.map_or(since, |last| last.since),
            probed_at: now,
            probes: last.map_or(0, |last| last.probes),
            connections: 0,
            error,
            ended_at: None,
        }
    }

    /// Whether it lasts.
    pub const fn lasts(&self) -> bool {
        self.ended_at.is_none()
    }

    /// When the provider is to be called next. A time of a clock that has gone back since is of no
    /// account.
    pub fn probe_in(&self, now: Timestamp) -> Duration {
        if now.0 < self.probed_at.0 {
            return PROBE_EVERY.min(self.probed_at.since(now));
        }
        PROBE_EVERY.saturating_sub(now.since(self.probed_at))
    }

    /// The incident's id for an owner: the same however often it is made, so that a restart opens
    /// no second one.
    pub fn incident_id(&self, owner: OwnerId) -> IncidentId {
        let number = self.instance.id().as_u128().rotate_left(64) ^ owner.as_u128();
        IncidentId::derived(self.since, number)
    }

    /// The incident of an owner with so many connections that wait, after the `known` one.
    pub fn incident(&self, owner: OwnerId, connections: u32, known: Option<Incident>) -> Incident {
        let title = wording::outage_title(&self.instance, connections);
        let affected = Some(Affected {
            instance: self.instance.clone(),
            connections,
        });
        match known {
            Some(mut known) => {
                (known.title, known.affected) = (title, affected);
                known.last_seen_at = known.last_seen_at.max(self.probed_at);
                known
            }
            None => Incident {
                id: self.incident_id(owner),
                owner,
                subject: Subject::Provider(self.instance.id()),
                repository: None,
                status: IncidentStatus::Open,
                severity: Severity::Warning,
                source: IncidentSource::Health,
                failure_type: HealthKind::ProviderOutage.as_str().to_owned(),
                title,
                ci: None,
                affected,
                occurrences: 1,
                first_seen_at: self.since,
                last_seen_at: self.probed_at,
                acknowledged_at: None,
                resolved_at: None,
                resolution: None,
                is_flaky: false,
                is_flapping: false,
                care: Care::default(),
            },
        }
    }
}

/// The time over which the work of so many connections is spread once a provider answers again.
pub fn release_over(waiting: usize) -> Duration {
    let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
    let seconds = u64::from(waiting) * 60 / u64::from(RELEASED_PER_MINUTE_MIN);
    Duration::from_secs(seconds).min(RELEASE_MAX)
}

#[cfg(test)]
mod tests;
