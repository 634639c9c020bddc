//! How much a user, or an address, may ask for: the one place that counts.
//!
//! Rates are counted by the clock that never jumps, in tables of bounded size: a flood of names
//! makes them forget, not grow.

use super::access::Caller;
use super::error::{Code, Problem};
use crate::domain::id::UserId;
use crate::domain::net::PeerKey;
use crate::telemetry::{Limit, limit_reached};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// How long a count of connections is good for: it takes a walk over all of a user's.
const HELD_FOR: Duration = MINUTE;
/// Most names that a table remembers.
const NAMES_MAX: usize = 10_000;

/// What may be asked for, and what a user may have.
#[derive(Clone, Debug)]
pub struct Quotas {
    /// API requests of a user in a minute.
    pub requests_per_minute: u32,
    /// API requests of a user at a time.
    pub requests_at_once: usize,
    /// API tokens that are made for a user in an hour.
    pub tokens_per_hour: u32,
    /// API tokens of a user.
    pub tokens: usize,
    /// Users.
    pub users: usize,
    /// Credentials of a user.
    pub credentials: usize,
    /// Connections of a user.
    pub repositories: usize,
    /// Sinks of a user: each incident may become a message to each of them.
    pub sinks: usize,
    /// Attempts of a user in an hour to connect what is not there.
    pub failed_connects_per_hour: u32,
    /// Wrong API tokens from one address in a minute.
    pub wrong_tokens_per_minute: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            requests_per_minute: 6000,
            requests_at_once: 64,
            tokens_per_hour: 100,
            tokens: 200,
            users: 10_000,
            credentials: 100,
            repositories: 200_000,
            sinks: 50,
            failed_connects_per_hour: 200,
            wrong_tokens_per_minute: 30,
        }
    }
}

/// How often something may happen: so often in a span, all at once if need be, and then evenly.
#[derive(Debug)]
struct Rate<K> {
    span: Duration,
    most: u32,
    began: Instant,
    /// When what has happened will be forgotten, by name.
    until: Mutex<HashMap<K, Duration>>,
}

impl<K: Copy + Eq + Hash> Rate<K> {
    fn new(most: u32, span: Duration) -> Self {
        Self {
            span,
            most: most.max(1),
            began: Instant::now(),
            until: Mutex::default(),
        }
    }

    /// How long to wait until it may happen once more; `None` when it may now.
    fn wait(&self, until: Option<&Duration>, now: Duration) -> Option<Duration> {
        let next = until.copied().unwrap_or_default().max(now) + self.span / self.most;
        let wait = next.saturating_sub(now + self.span);
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts it, if it may happen: otherwise how long to wait.
    fn count(&self, name: K, at: Instant) -> Result<(), Duration> {
        let now = at.saturating_duration_since(self.began);
        let mut until = self.until.lock();
        if let Some(wait) = self.wait(until.get(&name), now) {
            return Err(wait);
        }
        if until.len() >= NAMES_MAX && !until.contains_key(&name) {
            until.retain(|_, until| *until > now);
            if until.len() >= NAMES_MAX {
                until.clear();
            }
        }
        let next = until.entry(name).or_default();
        *next = (*next).max(now) + self.span / self.most;
        Ok(())
    }

    /// Whether it may happen, without counting it: otherwise how long to wait.
    fn may(&self, name: K, at: Instant) -> Result<(), Duration> {
        let now = at.saturating_duration_since(self.began);
        self.wait(self.until.lock().get(&name), now)
            .map_or(Ok(()), Err)
    }
}

/// How many connections a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Those that are not removed.
    pub(super) present: usize,
    /// All that are kept.
    pub(super) kept: usize,
}

/// What is counted.
#[derive(Debug)]
pub(super) struct Counters {
    quotas: Quotas,
    requests: Rate<UserId>,
    failed_connects: Rate<UserId>,
    tokens: Rate<UserId>,
    wrong_tokens: Rate<PeerKey>,
    at_once: Arc<Mutex<HashMap<UserId, usize>>>,
    /// How many connections a user has, and when they were counted.
    held: Mutex<HashMap<UserId, (Instant, Held)>>,
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    user: UserId,
    at_once: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut at_once = self.at_once.lock();
        if let Some(count) = at_once.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                at_once.remove(&self.user);
            }
        }
    }
}

fn too_many(limit: Limit, what: &str, wait: Duration) -> Problem {
    limit_reached(limit);
    let words = format!("{what}. Try again after Retry-After.");
    Problem::new(Code::TooManyRequests, words).retry_after(wait)
}

impl Counters {
    pub(super) fn new(quotas: Quotas) -> Self {
        Self {
            requests: Rate::new(quotas.requests_per_minute, MINUTE),
            failed_connects: Rate::new(quotas.failed_connects_per_hour, HOUR),
            tokens: Rate::new(quotas.tokens_per_hour, HOUR),
            held: Mutex::default(),
            wrong_tokens: Rate::new(quotas.wrong_tokens_per_minute, MINUTE),
            at_once: Arc::default(),
            quotas,
        }
    }

    /// A request of this caller, if they may make one.
    pub(super) fn request(&self, caller: Caller) -> Result<Turn, Problem> {
        let user = caller.user;
        let counted = self.requests.count(user, Instant::now());
        counted.map_err(|wait| {
            too_many(
                Limit::RequestsPerMinute,
                "Too many requests per minute",
                wait,
            )
        })?;
        let mut at_once = self.at_once.lock();
        let count = at_once.entry(user).or_default();
        if *count >= self.quotas.requests_at_once {
            let wait = Duration::from_secs(1);
            let what = "Too many concurrent requests";
            return Err(too_many(Limit::RequestsAtOnce, what, wait));
        }
        *count += 1;
        let at_once = Arc::clone(&self.at_once);
        Ok(Turn { user, at_once })
    }

    /// The answer to a wrong API token from this address. A right one always works, whatever came
    /// from its address.
    pub(super) fn wrong_token(&self, peer: Option<PeerKey>, problem: Problem) -> Problem {
        let Some(peer) = peer else { return problem };
        match self.wrong_tokens.count(peer, Instant::now()) {
            Ok(()) => problem,
            Err(wait) => {
                let what = "Too many wrong API tokens from this address";
                too_many(Limit::WrongTokensPerMinute, what, wait)
            }
        }
    }

    /// Whether this user may try to connect a repository.
    pub(super) fn may_connect(&self, user: UserId) -> Result<(), Problem> {
        let what = "Too many attempts to connect repositories that were not found";
        let may = self.failed_connects.may(user, Instant::now());
        may.map_err(|wait| too_many(Limit::FailedConnectsPerHour, what, wait))
    }

    /// A user tried to connect what is not there.
    pub(super) fn connect_failed(&self, user: UserId) {
        // Whether there were too many is answered at the next one.
        let _ = self.failed_connects.count(user, Instant::now());
    }

    /// An API token is made for this user, if one may be.
    pub(super) fn make_token(&self, user: UserId) -> Result<(), Problem> {
        let made = self.tokens.count(user, Instant::now());
        let what = "Too many API tokens created for this user";
        made.map_err(|wait| too_many(Limit::TokensPerHour, what, wait))
    }

    /// How many connections a user has, when that was counted lately.
    pub(super) fn held(&self, user: UserId) -> Option<Held> {
        let held = self.held.lock();
        let (at, count) = held.get(&user)?;
        (at.elapsed() < HELD_FOR).then_some(*count)
    }

    /// Remembers how many connections a user has.
    pub(super) fn hold(&self, user: UserId, count: Held) {
        let mut held = self.held.lock();
        held.retain(|_, (at, _)| at.elapsed() < HELD_FOR);
        held.insert(user, (Instant::now(), count));
    }

    /// A user has one more.
    pub(super) fn connected(&self, user: UserId) {
        if let Some((_, count)) = self.held.lock().get_mut(&user) {
            count.present += 1;
            count.kept += 1;
        }
    }

    /// The most sinks that a user may have.
    pub(super) const fn most_sinks(&self) -> usize {
        self.quotas.sinks
    }

    /// Whether there may be one more of something of which there are so many.
    pub(super) fn may_have_one_more(&self, what: Owned, count: usize) -> Result<(), Problem> {
        let quotas = &self.quotas;
        let twice = |most: usize| most.saturating_mul(2);
        let (limit, most, words) = match what {
            Owned::Tokens => (
                Limit::TokensPerUser,
                quotas.tokens,
                "A user may have {} API tokens. Revoke one first.",
            ),
            Owned::Credentials => (
                Limit::CredentialsPerUser,
                quotas.credentials,
                "A user may have {} credentials. Remove one first.",
            ),
            // A user at the limit can still sign in again with an account whose credential has
            // ended. Whether the account is a new one is known only afterwards.
            Owned::SignIns => (
                Limit::CredentialsPerUser,
                twice(quotas.credentials),
                "You have {} credentials. Remove one before you sign in.",
            ),
            Owned::Repositories => (
                Limit::RepositoriesPerUser,
                quotas.repositories,
                "A user may have {} connections. Disconnect one first.",
            ),
            Owned::Removed => (
                Limit::RepositoriesPerUser,
                twice(quotas.repositories),
                "{} connections of yours are kept, removed ones included. Removed ones are \
                 deleted when their history is.",
            ),
            Owned::Sinks => (
                Limit::SinksPerUser,
                quotas.sinks,
                "A user may have {} sinks. Remove one first.",
            ),
            Owned::Users => (
                Limit::Users,
                quotas.users,
                "There may be {} users. Remove one first.",
            ),
        };
        if count < most {
            return Ok(());
        }
        limit_reached(limit);
        let words = words.replace("{}", &most.to_string());
        Err(Problem::new(Code::QuotaReached, words))
    }
}

/// What there may be a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owned {
    /// API tokens of a user.
    Tokens,
    /// Credentials of a user.
    Credentials,
    /// The same, for a sign-in.
    SignIns,
    /// Connections of a user.
    Repositories,
    /// The same with those that were removed and are still kept.
    Removed,
    /// Sinks of a user.
    Sinks,
    /// Users.
    Users,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_evenly() {
        let rate = Rate::new(6, MINUTE);
        let at = |seconds| rate.began + Duration::from_secs(seconds);
        for _ in 0..6 {
            assert_eq!(rate.count(1, at(0)), Ok(()));
        }
        assert_eq!(rate.count(1, at(0)), Err(Duration::from_secs(10)));
        assert_eq!(rate.may(1, at(9)), Err(Duration::from_secs(1)));
        assert_eq!(rate.count(2, at(0)), Ok(()), "another name");
        assert_eq!(rate.count(1, at(10)), Ok(()));
        assert_eq!(rate.count(1, at(10)), Err(Duration::from_secs(10)));
        for _ in 0..6 {
            assert_eq!(rate.count(1, at(200)), Ok(()), "all is forgotten");
        }
    }

    #[test]
    fn a_flood_of_names_takes_no_more_room() {
        let rate = Rate::new(1, HOUR);
        for name in 0..3 * NAMES_MAX {
            let _ = rate.count(name, rate.began);
        }
        assert!(rate.until.lock().len() <= NAMES_MAX);
    }

    #[test]
    fn a_user_has_so_many_requests_at_a_time() {
        let counters = Counters::new(Quotas {
            requests_at_once: 2,
            ..Quotas::default()
        });
        let caller = Caller {
            user: UserId::from_u128(1),
            is_admin: true,
            token: None,
        };
        let first = counters.request(caller).unwrap();
        let _second = counters.request(caller).unwrap();
        let refused = counters.request(caller).unwrap_err();
        assert_eq!(refused.code(), Code::TooManyRequests);
        drop(first);
        counters.request(caller).unwrap();
    }
}
